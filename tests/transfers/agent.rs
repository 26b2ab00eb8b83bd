//! What a metadata agent does, by the real binary at a cloud's own address: files by the agent's name and its command line,
//! values in files of the config, and the failure of a boot told to the platform.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::names::inside;
use crate::sandbox::Sandbox;
use crate::server::{Reply, Seen, Server};

#[test]
fn a_platform_is_asked_for_more_than_the_config_and_told_of_a_failure() {
    inside(
        "agent::inside_two_clouds",
        "127.0.0.1",
        "ip addr add 169.254.169.254/32 dev lo;",
    );
}

#[test]
fn a_network_without_ipv4_leads_to_the_service_as_well() {
    inside(
        "agent::inside_without_ipv4",
        "::1",
        "ip addr add fd00:ec2::254/128 dev lo;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_without_ipv4() {
    let _service = Server::http_at(("fd00:ec2::254", 80), |seen, _| service(seen));
    values_of_the_platform_stand_in_files();
    the_agent_writes_what_its_units_ask_for();
}

/// EC2 and Compute Engine at once: their paths differ.
fn service(seen: &Seen) -> Reply {
    if seen.method == "PUT" && seen.target == "/latest/api/token" {
        return Reply::ok("aws-tok");
    }
    let has = |name: &str, value: &str| seen.header(name) == Some(value);
    let (is_ec2, is_gce) = (
        has("x-aws-ec2-metadata-token", "aws-tok"),
        has("metadata-flavor", "Google"),
    );
    let ec2 = |path: &str| seen.target.strip_prefix("/2021-01-03/") == Some(path);
    match seen.target.as_str() {
        "/2019-10-01/user-data" if is_ec2 => {
            Reply::ok(with_values("${platform.zone}/${platform.instance-id}"))
        }
        "/computeMetadata/v1/instance/attributes/user-data" if is_gce => {
            Reply::ok(with_values("${platform.zone}"))
        }
        "/computeMetadata/v1/instance/hostname" if is_gce => Reply::ok("n1.c.p.internal"),
        "/computeMetadata/v1/instance/guest-attributes/kindling/failure" if is_gce => Reply::ok(""),
        _ if is_ec2 && ec2("meta-data/instance-id") => Reply::ok("i-0abc"),
        _ if is_ec2 && ec2("meta-data/placement/availability-zone") => Reply::ok("eu-west-1a"),
        _ if is_ec2 && ec2("meta-data/hostname") => Reply::ok("ip-10-0-0-7.eu-west-1.compute.internal"),
        _ if is_ec2 && ec2("dynamic/instance-identity/document") => Reply::ok(r#"{"region":"eu-west-1"}"#),
        _ => Reply::status(404),
    }
}

fn with_values(text: &str) -> String {
    let escaped = text.replace('{', "%7B").replace('}', "%7D");
    json!({
        "ignition": { "version": "3.4.0" },
        "storage": { "files": [{ "path": "/etc/where", "contents": { "source": format!("data:,{escaped}") } }] },
        "kindling": { "version": "1.0.0", "files": { "/etc/where": { "expand": true } } },
    })
    .to_string()
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_two_clouds() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let _service = Server::http_at(("169.254.169.254", 80), move |seen, _| {
        log.lock()
            .unwrap()
            .push(format!("{} {}", seen.method, seen.target));
        service(seen)
    });
    values_of_the_platform_stand_in_files();
    the_agent_writes_what_its_units_ask_for();
    let told = "PUT /computeMetadata/v1/instance/guest-attributes/kindling/failure";
    assert!(!seen.lock().unwrap().iter().any(|line| line == told));
    a_failure_is_told();
    assert!(seen.lock().unwrap().iter().any(|line| line == told), "{seen:?}");
}

fn values_of_the_platform_stand_in_files() {
    let machine = Sandbox::new();
    for stage in ["fetch-offline", "fetch", "files"] {
        let ran = machine.run(&machine.words("aws", stage));
        assert_eq!(ran.status, Some(0), "{stage}: {}", ran.stderr);
    }
    let written = fs::read_to_string(machine.root().join("etc/where")).unwrap();
    assert_eq!(written, "eu-west-1a/i-0abc");
}

fn the_agent_writes_what_its_units_ask_for() {
    let machine = Sandbox::new();
    let agent = machine.at("afterburn");
    symlink(env!("CARGO_BIN_EXE_kindling"), &agent).unwrap();
    let (attributes, name) = (machine.at("metadata/afterburn"), machine.at("hostname"));
    let words: Vec<OsString> = vec![
        agent.into(),
        "--provider=aws".into(),
        format!("--attributes={}", attributes.display()).into(),
        format!("--hostname={}", name.display()).into(),
    ];
    let ran = machine.run(&words);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(
        fs::read_to_string(attributes).unwrap(),
        "AFTERBURN_AWS_INSTANCE_ID=i-0abc\nAFTERBURN_AWS_AVAILABILITY_ZONE=eu-west-1a\n\
         AFTERBURN_AWS_HOSTNAME=ip-10-0-0-7.eu-west-1.compute.internal\nAFTERBURN_AWS_REGION=eu-west-1\n"
    );
    assert_eq!(
        fs::read_to_string(name).unwrap(),
        "ip-10-0-0-7.eu-west-1.compute.internal\n"
    );
}

fn a_failure_is_told() {
    let machine = Sandbox::new();
    let ran = machine.run(&machine.words("gcp", "fetch"));
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("[placeholder-missing]"), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("platform gcp was told how this stage ended"),
        "{}",
        ran.stdout
    );
}
