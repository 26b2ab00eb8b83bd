//! `ignition-apply`: the reference's command line, statuses and extent (engine.md 1.4).

use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, assert_same, listing};
use crate::{bare_words, ignition_apply};

fn with(sections: &[(&str, Value)]) -> String {
    let mut config = json!({ "ignition": { "version": "3.4.0" } });
    for (name, value) in sections {
        config[name] = value.clone();
    }
    config.to_string()
}

fn motd() -> (&'static str, Value) {
    let motd = json!({ "path": "/etc/motd", "mode": 420, "contents": { "source": "data:,hello%0A" } });
    ("storage", json!({ "files": [motd] }))
}

#[test]
fn files_and_units_are_made_and_nothing_beside_them() {
    let machine = Sandbox::new();
    let before = listing(&machine.root());
    let unit =
        json!({ "name": "a.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n" });
    let config = with(&[motd(), ("systemd", json!({ "units": [unit] }))]);
    let ran = ignition_apply(&machine, &config, &[]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let mut expected = before;
    let dir = || "directory 0755 0:0".to_owned();
    for (path, entry) in [
        ("etc/motd", "file 0644 0:0\nhello\n".to_owned()),
        ("etc/systemd", dir()),
        ("etc/systemd/system", dir()),
        (
            "etc/systemd/system/a.service",
            "file 0644 0:0\n[Service]\nExecStart=/bin/true\n".to_owned(),
        ),
        ("etc/systemd/system-preset", dir()),
        (
            "etc/systemd/system-preset/20-ignition.preset",
            "file 0644 0:0\nenable a.service\n".to_owned(),
        ),
    ] {
        expected.insert(path.to_owned(), entry);
    }
    assert_same(&listing(&machine.root()), &expected, "after ignition-apply");
}

#[test]
fn what_only_a_first_boot_can_do_is_refused_or_skipped() {
    let disk = json!({ "device": "/dev/vda", "wipeTable": true });
    let raid = json!({ "name": "r", "level": "raid1", "devices": ["/dev/vda", "/dev/vdb"] });
    let filesystem = json!({ "device": "/dev/vda1", "format": "ext4", "path": "/srv" });
    let luks = json!({ "name": "l", "device": "/dev/vdc" });
    for (name, section, what) in [
        (
            "kernelArguments",
            json!({ "shouldExist": ["quiet"] }),
            "kernel arguments",
        ),
        ("storage", json!({ "disks": [disk] }), "partition tables"),
        ("storage", json!({ "raid": [raid] }), "arrays"),
        ("storage", json!({ "filesystems": [filesystem] }), "file systems"),
        ("storage", json!({ "luks": [luks] }), "encrypted volumes"),
        ("passwd", json!({ "users": [{ "name": "core" }] }), "users"),
        (
            "passwd",
            json!({ "groups": [{ "name": "g", "shouldExist": false }] }),
            "groups",
        ),
    ] {
        let machine = Sandbox::new();
        let before = listing(&machine.root());
        let config = with(&[(name, section)]);
        let refused = ignition_apply(&machine, &config, &[]);
        assert_eq!(refused.status, Some(1), "{what}");
        let said = format!("{what} cannot be made away from the machine");
        assert!(refused.stderr.contains(&said), "{}", refused.stderr);
        let skipped = ignition_apply(&machine, &config, &["--ignore-unsupported"]);
        assert_eq!(skipped.status, Some(0), "{what}: {}", skipped.stderr);
        assert_same(&listing(&machine.root()), &before, what);
    }
}

#[test]
fn outside_of_a_container_it_refuses_after_reading_the_config() {
    let machine = Sandbox::new();
    let run = |config: &str| machine.run(&bare_words(&machine, config, &[]));
    let wrong = run("{}");
    assert_eq!(wrong.status, Some(1));
    assert!(wrong.stderr.contains("error["), "{}", wrong.stderr);
    let right = run(&with(&[motd()]));
    // The machine that runs the test may be a container itself.
    let marks = ["/run/.containerenv", "/.dockerenv"];
    if marks.iter().any(|path| fs::exists(path).unwrap()) {
        assert_eq!(right.status, Some(0), "{}", right.stderr);
    } else {
        assert_eq!(right.status, Some(1));
        assert!(right.stderr.contains("in containers only"), "{}", right.stderr);
    }
}

#[test]
fn offline_it_fails_before_it_asks_anybody() {
    let machine = Sandbox::new();
    // Nobody listens there; whoever asks waits for long.
    let source = json!({ "source": "http://192.0.2.1/file" });
    let file = json!({ "path": "/etc/remote", "contents": source });
    let merge = json!({ "version": "3.4.0", "config": { "merge": [source] } });
    for config in [
        with(&[("storage", json!({ "files": [file] }))]),
        with(&[("ignition", merge)]),
    ] {
        let ran = ignition_apply(&machine, &config, &["--offline"]);
        assert_eq!(ran.status, Some(1));
        assert!(ran.stderr.contains("network"), "{}", ran.stderr);
    }
}

#[test]
fn wrong_command_lines() {
    let machine = Sandbox::new();
    let run = |words: &[&str]| {
        let mut all = bare_words(&machine, "{}", &[]);
        all.truncate(1);
        all.extend(words.iter().map(std::ffi::OsString::from));
        machine.run(&all)
    };
    assert_eq!(run(&[]).status, Some(1));
    assert_eq!(run(&["a", "b"]).status, Some(1));
    assert_eq!(run(&["-nonsense", "a"]).status, Some(2));
    assert_eq!(run(&["/nonexistent"]).status, Some(1));
    let version = run(&["-version"]);
    assert_eq!(
        (version.status, version.stdout.starts_with("Ignition ")),
        (Some(0), true)
    );
}
