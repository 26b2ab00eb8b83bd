//! The receipt, and what `kindling report` makes of it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox, require_root};

fn config() -> Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "core", "passwordHash": "planted-hash" }] },
        "storage": {
            "directories": [{ "path": "/srv/data", "mode": 448, "user": { "name": "core" } }],
            "files": [
                { "path": "/etc/motd", "mode": 420, "contents": { "source": "data:,planted-content" } },
                { "path": "/etc/hosts", "append": [{ "source": "data:,10.0.0.1%20a%0A" }] },
                { "path": "/etc/hostname", "mode": 384 },
            ],
            "links": [{ "path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC" }],
        },
        "systemd": { "units": [{ "name": "a.service", "enabled": true, "contents": "[Service]\n" }] },
    })
}

fn provisioned() -> Sandbox {
    let machine = Sandbox::new();
    machine.give(&config().to_string());
    for stage in ["fetch", "kargs", "disks", "mount", "files", "umount"] {
        machine.done(stage);
    }
    machine
}

fn report(machine: &Sandbox, flags: &[&str]) -> Ran {
    let mut words = vec![
        env!("CARGO_BIN_EXE_kindling").into(),
        "report".into(),
        "--root".into(),
    ];
    words.push(machine.root().into());
    words.extend(flags.iter().map(std::ffi::OsString::from));
    machine.run(&words)
}

fn receipt(machine: &Sandbox) -> Value {
    let text = fs::read_to_string(machine.root().join("var/lib/kindling/receipt.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn it_says_what_was_done_and_holds_no_secret() {
    require_root();
    let machine = provisioned();
    let text = receipt(&machine).to_string();
    for secret in ["planted-hash", "planted-content"] {
        assert!(!text.contains(secret), "{text}");
    }
    let receipt = receipt(&machine);
    let digest = |bytes: &[u8]| kindling::identity::sha256_hex(bytes);
    assert_eq!(
        receipt["documents"][0]["sha256"],
        digest(config().to_string().as_bytes())
    );
    let stages: Vec<&Value> = receipt["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| &stage["stage"])
        .collect();
    assert_eq!(stages, ["fetch", "kargs", "disks", "mount"]);
    let node = |path: &str| {
        let nodes = receipt["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["path"] == path).unwrap().clone()
    };
    assert_eq!(
        node("/etc/motd"),
        json!({ "path": "/etc/motd", "config": "/storage/files/0", "outcome": "changed", "kind": "file",
                "sha256": digest(b"planted-content"), "uid": 0, "gid": 0, "mode": 0o644 })
    );
    assert_eq!(
        node("/etc/hosts")["sha256"],
        digest(b"127.0.0.1 localhost\n10.0.0.1 a\n")
    );
    // Its content is nobody's business here.
    assert_eq!(node("/etc/hostname").get("sha256"), None);
    assert_eq!(node("/srv/data")["uid"], 1000);
    assert_eq!(node("/etc/localtime")["target"], "../usr/share/zoneinfo/UTC");
    let steps = receipt["steps"].as_array().unwrap();
    let is_user = |step: &&Value| step["config"] == "/passwd/users/0" && step["outcome"] == "changed";
    assert!(steps.iter().any(|step| is_user(&step)), "{steps:?}");
    // A second boot changes nothing, this page of its history included.
    machine.done("files");
    assert_eq!(self::receipt(&machine), receipt);
}

#[test]
fn a_machine_is_compared_with_it() {
    require_root();
    let machine = provisioned();
    let same = report(&machine, &["--verify"]);
    assert_eq!(
        (same.status, same.stdout.as_str()),
        (Some(0), "6 paths are as the receipt says\n"),
        "{}",
        same.stderr
    );
    let root = machine.root();
    fs::write(root.join("etc/motd"), "other").unwrap();
    fs::remove_file(root.join("etc/hosts")).unwrap();
    fs::remove_file(root.join("etc/localtime")).unwrap();
    symlink("../UTC", root.join("etc/localtime")).unwrap();
    fs::remove_dir(root.join("srv/data")).unwrap();
    fs::write(root.join("srv/data"), "").unwrap();
    fs::write(root.join("etc/hostname"), "its own business").unwrap();
    std::os::unix::fs::chown(root.join("etc/systemd/system/a.service"), Some(5), None).unwrap();
    let differs = report(&machine, &["--verify"]);
    assert_eq!(differs.status, Some(3), "{}", differs.stderr);
    assert_eq!(
        differs.stdout,
        "/etc/motd has another content\n\
         /etc/hosts is gone\n\
         /etc/localtime leads to ../UTC\n\
         /srv/data is a file now\n\
         /etc/systemd/system/a.service belongs to 5:0, not 0:0\n\
         5 differences in 6 paths\n"
    );
}

#[test]
fn it_is_printed_for_people_and_programs() {
    require_root();
    let machine = provisioned();
    let text = report(&machine, &["--all"]).stdout;
    for line in [
        "  + /etc/motd (0644 0:0) sha256 ",
        "  + /srv/data (directory, 0700 1000:0)",
        "| disks: ok\n",
        "| > useradd --root ",
        "6 paths, 6 of them written",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let json: Value = serde_json::from_str(&report(&machine, &["--format", "json"]).stdout).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 6);
    let blank = Sandbox::new();
    let none = report(&blank, &[]);
    assert_eq!(none.status, Some(1));
    assert!(none.stderr.contains("there is no receipt"), "{}", none.stderr);
    fs::create_dir_all(blank.root().join("var/lib/kindling")).unwrap();
    fs::write(
        blank.root().join("var/lib/kindling/receipt.json"),
        "{\"planted\": 1",
    )
    .unwrap();
    let torn = report(&blank, &[]);
    assert_eq!(torn.status, Some(1));
    assert!(!torn.stderr.contains("planted"), "{}", torn.stderr);
}

/// What the config verified is known by the config's own digest: it is hashed once, and compared by that.
#[test]
fn content_with_a_digest_of_the_config_is_recorded_and_compared_by_it() {
    require_root();
    let content = "a".repeat(3 << 20);
    let sum = kindling::fetch::resource::sha512_hex(content.as_bytes());
    let source = format!("data:,{content}");
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": { "files": [{
            "path": "/opt/tool",
            "contents": { "source": source, "verification": { "hash": format!("sha512-{sum}") } },
        }] },
    });
    let machine = Sandbox::new();
    machine.give(&config.to_string());
    for stage in ["fetch", "files"] {
        machine.done(stage);
    }
    let node = receipt(&machine)["nodes"][0].clone();
    assert_eq!(
        (&node["path"], &node["sha512"]),
        (&json!("/opt/tool"), &json!(sum))
    );
    assert_eq!(node.get("sha256"), None);
    assert_eq!(report(&machine, &["--verify"]).status, Some(0));

    // An interrupted run knows it again, by what the journal has of it.
    fs::remove_file(machine.root().join("etc/.ignition-result.json")).unwrap();
    let again = machine.done("files");
    assert!(again.stdout.contains("= /opt/tool"), "{}", again.stdout);

    fs::write(machine.root().join("opt/tool"), "other").unwrap();
    let differs = report(&machine, &["--verify"]);
    assert_eq!(differs.status, Some(3));
    assert!(
        differs.stdout.contains("has another content"),
        "{}",
        differs.stdout
    );
}

#[test]
fn what_only_an_initramfs_may_do_is_not_done_elsewhere() {
    let machine = Sandbox::new();
    for words in [&["first-boot", "check"][..], &["emergency"]] {
        let all = std::iter::once(env!("CARGO_BIN_EXE_kindling")).chain(words.iter().copied());
        let ran = machine.run(&all.map(std::ffi::OsString::from).collect::<Vec<_>>());
        assert_eq!(ran.status, Some(1), "{words:?}");
        assert_eq!(
            ran.stderr,
            "kindling: this is not an initramfs: nothing is done\n"
        );
        assert!(!machine.at("run/kindling").exists(), "{words:?}");
    }
}
