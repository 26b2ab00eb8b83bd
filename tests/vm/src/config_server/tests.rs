use std::collections::BTreeMap;

use base64::Engine as _;
use http_body_util::BodyExt as _;
use serde_json::json;

use super::*;

/// What the engine sends (`tests/fetch` compares it with what arrives).
const ENGINE: &str = "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1";

fn worker() -> Value {
    json!({
        "ignition": { "version": NEWEST },
        "storage": { "files": [{ "path": "/etc/a", "contents": { "source": "data:,a" } }] },
    })
}

fn cluster() -> Cluster {
    Cluster {
        server: "https://api-int.lab.test:6443".to_owned(),
        authority: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        token: "planted-token".to_owned(),
        image: "registry.lab.test/os@sha256:0".to_owned(),
    }
}

fn server(mode: Mode, pools: &[(&str, Pool)]) -> ConfigServer {
    ConfigServer {
        mode,
        pools: pools
            .iter()
            .map(|(name, pool)| ((*name).to_owned(), pool.clone()))
            .collect::<BTreeMap<_, _>>(),
        cluster: None,
    }
}

/// Status, media type, announced length, and the body.
fn asked(
    server: &ConfigServer,
    method: &str,
    path: &str,
    accept: Option<&str>,
) -> (u16, String, usize, Vec<u8>) {
    let answer = server.answer(&method.parse().unwrap(), path, accept);
    let header = |name| {
        let value = answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned());
        value.unwrap_or_default()
    };
    let (status, kind) = (answer.status().as_u16(), header(CONTENT_TYPE));
    let length = header(CONTENT_LENGTH).parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = runtime.block_on(answer.into_body().collect()).unwrap().to_bytes();
    (status, kind, length, body.to_vec())
}

#[test]
fn every_row_of_the_routes_is_answered_as_written() {
    let pools = [
        ("worker", Pool::Ready(worker())),
        ("storage", Pool::Ready(worker())),
        ("master", Pool::Ready(worker())),
        ("young", Pool::NotReady),
    ];
    let usual = server(Mode::Cluster, &pools);
    let early = server(Mode::Bootstrap, &pools);
    let earlier = server(Mode::Bootstrap, &[]);
    let newest = Some(ENGINE);
    for (server, method, path, accept, status) in [
        (&usual, "GET", "/config/worker", newest, 200),
        (&usual, "HEAD", "/config/worker", newest, 200),
        (&usual, "GET", "/config/storage", newest, 200),
        (&usual, "GET", "/config/anything/storage", newest, 200),
        (&usual, "GET", "/healthz", newest, 200),
        (&usual, "HEAD", "/healthz", newest, 200),
        (&usual, "GET", "/", newest, 404),
        (&usual, "GET", "/config", newest, 404),
        (&usual, "HEAD", "/else", newest, 404),
        (&usual, "POST", "/config/worker", newest, 405),
        (&usual, "PUT", "/else", newest, 405),
        (&usual, "DELETE", "/healthz", newest, 405),
        (
            &usual,
            "GET",
            "/config/worker",
            Some("application/vnd.coreos.ignition+json;version=4.0.0"),
            400,
        ),
        (&usual, "GET", "/config/nobody", newest, 500),
        (&usual, "GET", "/config/", newest, 500),
        (&usual, "GET", "/config/young", newest, 500),
        (&early, "GET", "/config/master", newest, 200),
        (&early, "GET", "/config/worker", newest, 500),
        (&earlier, "GET", "/config/master", newest, 404),
        (&earlier, "GET", "/config/arbiter", newest, 404),
        (&earlier, "GET", "/config/worker", newest, 500),
    ] {
        let (got, kind, length, body) = asked(server, method, path, accept);
        assert_eq!(got, status, "{method} {path}");
        assert_eq!(length, body.len(), "{method} {path}");
        let is_config = status == 200 && path.starts_with("/config/");
        assert_eq!(
            body.is_empty(),
            !is_config,
            "{method} {path}: no word explains a status"
        );
        assert_eq!(kind == "application/json", is_config, "{method} {path}");
    }
}

#[test]
fn every_row_of_the_negotiation_is_answered_as_written() {
    let server = server(Mode::Cluster, &[("worker", Pool::Ready(worker()))]);
    let of = |version: &str| format!("application/vnd.coreos.ignition+json;version={version}");
    let mut rows: Vec<(Option<String>, u16, &str)> = vec![
        (None, 200, "2.2.0"),
        (Some("*/*".to_owned()), 200, "2.2.0"),
        (Some("application/json;version=3.5.0".to_owned()), 200, "2.2.0"),
        (Some("application/vnd.coreos.ignition+json".to_owned()), 200, "2.2.0"),
        (Some(of("nonsense")), 200, "2.2.0"),
        (Some(ENGINE.to_owned()), 200, "3.5.0"),
        // The reference before version 2 of itself.
        (
            Some("application/vnd.coreos.ignition+json; version=2.4.0, application/vnd.coreos.ignition+json; version=1; q=0.5, */*; q=0.1".to_owned()),
            200,
            "2.2.0",
        ),
        // The wish that weighs most decides, and of equal ones the first.
        (Some(format!("{};q=0.5, {}", of("3.1.0"), of("3.4.0"))), 200, "3.4.0"),
        (Some(format!("{}, {}", of("3.2.0"), of("3.4.0"))), 200, "3.2.0"),
        (Some(format!("nonsense, {}", of("3.3.0"))), 200, "3.3.0"),
    ];
    for (version, status, served) in [
        ("2.2.0", 200, "2.2.0"),
        ("2.9.0", 200, "2.2.0"),
        ("2.1.0", 400, ""),
        ("1.0.0", 400, ""),
        ("4.0.0", 400, ""),
        ("3.1.0", 200, "3.1.0"),
        ("3.2.0", 200, "3.2.0"),
        ("3.3.0", 200, "3.3.0"),
        ("3.4.0", 200, "3.4.0"),
        ("3.5.0", 200, "3.5.0"),
        ("3.6.0", 200, "3.5.0"),
        ("3.7.0-experimental", 200, "3.5.0"),
        ("3.0.0", 500, ""),
    ] {
        rows.push((Some(of(version)), status, served));
    }
    for (accept, status, served) in rows {
        let (got, _, _, body) = asked(&server, "GET", "/config/worker", accept.as_deref());
        assert_eq!(got, status, "{accept:?}");
        if status == 200 {
            let config: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(config["ignition"]["version"], served, "{accept:?}");
        }
    }
}

#[test]
fn what_an_older_version_cannot_say_is_not_dropped() {
    let with = |pointer: &str, value: Value| {
        let mut config = worker();
        let (section, name) = pointer.split_once('.').unwrap();
        config[section][name] = value;
        config
    };
    let converted = |config: Value, served| convert::down(config, served);
    let (luks, two) = (with("storage.luks", json!([{ "name": "a" }])), Served::TwoTwo);
    assert!(converted(luks.clone(), Served::Three(2)).is_ok());
    assert!(converted(luks.clone(), Served::Three(1)).is_err());
    assert!(converted(luks, two).is_err());
    for (member, since) in [("cex", 5), ("discard", 4), ("openOptions", 4)] {
        let value = match member {
            "openOptions" => json!(["a"]),
            _ => json!(true),
        };
        let config = with("storage.luks", json!([{ "name": "a", member: value }]));
        assert!(
            converted(config.clone(), Served::Three(since)).is_ok(),
            "{member}"
        );
        assert!(converted(config, Served::Three(since - 1)).is_err(), "{member}");
    }
    assert!(
        converted(
            with("kernelArguments.shouldNotExist", json!(["quiet"])),
            Served::Three(2)
        )
        .is_err()
    );
    let moved = converted(
        with("kernelArguments.shouldExist", json!(["quiet"])),
        Served::Three(2),
    )
    .unwrap();
    assert_eq!(moved.kernel_arguments, ["quiet"]);
    assert_eq!(moved.config.get("kernelArguments"), None);
    let two = converted(worker(), two).unwrap().config;
    assert_eq!(two["storage"]["files"][0]["filesystem"], "root");
}

#[test]
fn the_added_files_stand_in_the_order_and_form_of_the_server() {
    let mut config = worker();
    config["kernelArguments"] = json!({ "shouldExist": ["quiet"] });
    let mut server = server(Mode::Cluster, &[("storage", Pool::Ready(config))]);
    server.cluster = Some(cluster());
    let accept = "application/vnd.coreos.ignition+json;version=3.2.0";
    let (_, _, _, body) = asked(&server, "GET", "/config/storage", Some(accept));
    let config: Value = serde_json::from_slice(&body).unwrap();
    let files = config["storage"]["files"].as_array().unwrap();
    let paths: Vec<&str> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "/etc/a",
            "/etc/kubernetes/kubelet-ca.crt",
            "/etc/machine-config-daemon/node-annotations.json",
            "/etc/kubernetes/kubeconfig",
            "/etc/mcs-machine-config-content.json",
            "/etc/ignition-machine-config-encapsulated.json",
        ]
    );
    for file in &files[1..] {
        assert_eq!((&file["mode"], &file["overwrite"]), (&json!(420), &json!(true)));
        let source = file["contents"]["source"].as_str().unwrap();
        assert!(
            source.starts_with("data:,") && !source.contains([' ', '"', '\n']),
            "{source}"
        );
    }
    let text = |at: usize| -> Value {
        let source = files[at]["contents"]["source"].as_str().unwrap();
        serde_json::from_slice(&unescape(source.trim_start_matches("data:,"))).unwrap()
    };
    let name = "rendered-storage-0123456789abcdef0123456789abcdef";
    assert_eq!(text(2)["machineconfiguration.openshift.io/desiredConfig"], name);
    let kubeconfig = text(3);
    assert_eq!(kubeconfig["users"][0]["user"]["token"], "planted-token");
    let authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
        .as_str()
        .unwrap();
    let authority = base64::engine::general_purpose::STANDARD
        .decode(authority)
        .unwrap();
    assert_eq!(authority, cluster().authority.as_bytes());
    let (whole, blanked) = (text(4), text(5));
    for machine_config in [&whole, &blanked] {
        assert_eq!(machine_config["metadata"]["name"], name);
        assert_eq!(machine_config["spec"]["kernelArguments"], json!(["quiet"]));
    }
    assert_eq!(whole["spec"]["config"]["storage"]["files"][0]["path"], "/etc/a");
    assert_eq!(
        blanked["spec"]["config"],
        json!({ "ignition": { "version": "3.2.0" } })
    );
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
