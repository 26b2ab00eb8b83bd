//! What stages hand to each other, and the command line.

use std::fs;
use std::process::Command;

use crate::sandbox::{Sandbox, assert_same, listing};
use crate::{plain, refuses, secrets};

fn fetched() -> Sandbox {
    let machine = Sandbox::new();
    machine.give(&secrets::config().to_string());
    machine.done("fetch");
    machine
}

#[test]
fn no_cache() {
    refuses(
        &Sandbox::new(),
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [config-cache-unreadable]
  what:  cannot read the config that a fetch stage leaves in DIR/run/ignition.json
  why:   No such file or directory (os error 2)
  next:  run the stage fetch-offline or fetch first; its failure is the cause"#,
    );
}

#[test]
fn a_cache_that_ends_too_soon() {
    let machine = fetched();
    let cache = fs::read_to_string(machine.at("run/ignition.json")).unwrap();
    fs::write(machine.at("run/ignition.json"), &cache[..cache.len() / 2]).unwrap();
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [config-cache-unreadable]
  what:  cannot read the config that a fetch stage leaves in DIR/run/ignition.json
  why:   it ends too early
  next:  run the stage fetch-offline or fetch first; its failure is the cause"#,
    );
}

#[test]
fn a_cache_with_a_secret_in_the_wrong_place() {
    let machine = fetched();
    let mut cache = secrets::config();
    cache["storage"]["files"][0]["mode"] = "planted-content".into();
    fs::write(machine.at("run/ignition.json"), cache.to_string()).unwrap();
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [config-cache-unreadable]
  what:  cannot read the config that a fetch stage leaves in DIR/run/ignition.json
  why:   it is not as kindling writes it, at line 1, column 197
  next:  run the stage fetch-offline or fetch first; its failure is the cause"#,
    );
}

#[test]
fn a_state_with_a_secret_in_the_wrong_place() {
    let machine = fetched();
    let state = "{\"luksPersistKeyFiles\": \"planted-content\"}";
    fs::write(machine.at("run/state"), state).unwrap();
    refuses(
        &machine,
        "files",
        3,
        r#"kindling: first boot FAILED in stage files [state-unreadable]
  what:  cannot read DIR/run/state: it is not as kindling writes it, at line 1, column 41
  next:  remove DIR/run/state to start the first boot anew"#,
    );
}

#[test]
fn a_state_that_is_a_directory() {
    let machine = fetched();
    fs::remove_file(machine.at("run/state")).unwrap();
    fs::create_dir(machine.at("run/state")).unwrap();
    refuses(
        &machine,
        "files",
        3,
        r#"kindling: first boot FAILED in stage files [state-unreadable]
  what:  cannot read DIR/run/state: Is a directory (os error 21)
  next:  remove DIR/run/state to start the first boot anew"#,
    );
}

#[test]
fn a_schema_of_no_version() {
    let run = |words: &[&str]| {
        let mut call = Command::new(env!("CARGO_BIN_EXE_kindling"));
        call.arg("schema").args(words).output().unwrap()
    };
    let unknown = run(&["3.7.0"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&unknown.stderr).trim_end(),
        "no schema of \"3.7.0\"; there are: 3.0.0, 3.1.0, 3.2.0, 3.3.0, 3.4.0, 3.5.0, 3.6.0, 3.7.0-experimental, \
         kindling-1.0.0"
    );
    for (words, id) in [
        (&[][..], "urn:kindling:schema:3.6.0"),
        (&["3.0.0"], "urn:kindling:schema:3.0.0"),
        (&["kindling"], "urn:kindling:schema:kindling-1.0.0"),
    ] {
        let ran = run(words);
        assert_eq!(ran.status.code(), Some(0));
        let schema: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(schema["$id"], id);
    }
}

#[test]
fn an_unknown_platform() {
    let machine = fetched();
    let before = listing(&machine.root());
    let line = r#"kindling: stage fetch: unknown platform "nowhere"; known are: akamai, aliyun, applehv, aws, azure, azurestack, brightbox, cloudstack, digitalocean, exoscale, file, gcp, hetzner, hyperv, ibmcloud, ibmcloud-classic, kubevirt, lxd, maas, metal, nocloud, nutanix, nvidiabluefield, opennebula, openstack, oraclecloud, packet, powervs, proxmoxve, qemu, scaleway, upcloud, virtualbox, vmware, vultr, zvm"#;
    let ran = machine.run(&machine.words("nowhere", "fetch"));
    assert_eq!(plain(&machine, &ran.stderr).trim_end(), line);
    assert_eq!(ran.status, Some(2));
    assert!(!machine.at("run/kindling/failure.json").exists());
    assert_same(&listing(&machine.root()), &before, "the root was changed");
}
