//! `kindling apply --root`: byte by byte what the stages of a first boot make of the same root.

use serde_json::{Value, json};

use crate::kindling_apply;
use crate::sandbox::{Listing, Sandbox, assert_same, listing, require_root};

const RECEIPT: &str = "var/lib/kindling/receipt.json";

fn config() -> Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": {
            "groups": [{ "name": "staff", "gid": 1500 }],
            "users": [
                { "name": "core", "groups": ["staff", "adm"], "passwordHash": "*", "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"] },
                { "name": "svc", "system": true, "noCreateHome": true, "shell": "/usr/sbin/nologin" },
            ],
        },
        "storage": {
            "directories": [{ "path": "/srv/data", "mode": 1533, "user": { "name": "core" }, "group": { "name": "staff" } }],
            "files": [
                { "path": "/etc/motd", "mode": 384, "contents": { "source": "data:,hello" } },
                { "path": "/etc/hosts", "append": [{ "source": "data:,10.0.0.1%20a%0A" }, { "source": "data:,10.0.0.2%20b%0A" }] },
                { "path": "/home/core/notes", "user": { "name": "core" }, "contents": { "source": "data:,n" } },
            ],
            "links": [
                { "path": "/etc/localtime", "target": "../usr/share/zoneinfo/UTC" },
                { "path": "/srv/again", "target": "/etc/motd", "hard": true },
            ],
        },
        "systemd": { "units": [
            { "name": "a@.service", "contents": "[Service]\nExecStart=/bin/true\n" },
            { "name": "a@1.service", "enabled": true },
            { "name": "b.service", "mask": true, "dropins": [{ "name": "x.conf", "contents": "[Unit]\n" }] },
        ]},
    })
}

/// Of two runs, the moment differs, and the boot never does on one machine.
fn without_dates(root: Listing) -> Listing {
    let blank = |text: String| {
        // The second in the result, and the result's digest in the journal.
        let dated = ["provisioningDate", "/etc/.ignition-result.json"];
        let lines = text
            .lines()
            .filter(|line| !dated.iter().any(|word| line.contains(word)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let dateless = root.into_iter().map(|(path, text)| (path, blank(text)));
    // The receipt tells when and how long.
    dateless.filter(|(path, _)| path != RECEIPT).collect()
}

#[test]
fn a_root_is_as_after_a_first_boot() {
    require_root();
    let booted = Sandbox::new();
    let applied = Sandbox::copy_of(&booted);
    booted.give(&config().to_string());
    for stage in ["fetch", "kargs", "disks", "mount", "files", "umount"] {
        booted.done(stage);
    }
    let ran = kindling_apply(&applied, &config().to_string(), &[]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_same(
        &without_dates(listing(&applied.root())),
        &without_dates(listing(&booted.root())),
        "applied against booted",
    );
    let again = kindling_apply(&applied, &config().to_string(), &[]);
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    // The account programs keep the file before theirs, and every call of one is in the journal.
    let is_history = |path: &str| path.ends_with('-') || path == "var/lib/kindling/journal";
    let [again, once] = [applied.root(), booted.root()].map(|root| {
        let mut files = without_dates(listing(&root));
        files.retain(|path, _| !is_history(path));
        files
    });
    assert_same(&again, &once, "applied again");
}

#[test]
fn what_must_wait_is_named_before_the_first_change() {
    let machine = Sandbox::new();
    let before = listing(&machine.root());
    let mut config = config();
    config["storage"]["luks"] = json!([{ "name": "l", "device": "/dev/vdc" }]);
    config["kernelArguments"] = json!({ "shouldExist": ["quiet"] });
    let ran = kindling_apply(&machine, &config.to_string(), &[]);
    assert_eq!(ran.status, Some(1));
    for line in [
        "[waits-for-first-boot]",
        "kernel arguments cannot be made away from the machine",
        "also: encrypted volumes cannot be made away from the machine (merged config, /storage/luks)",
    ] {
        assert!(ran.stderr.contains(line), "{}", ran.stderr);
    }
    assert_same(&listing(&machine.root()), &before, "refused");
}

#[test]
fn what_is_baked_and_what_waits_make_the_same_machine_as_the_whole() {
    require_root();
    let mut config = config();
    config["passwd"]["users"][0]["passwordHash"] = json!("$6$salt$hash");
    let files = config["storage"]["files"].as_array_mut().unwrap();
    files.push(
        json!({ "path": "/etc/hostname", "overwrite": true, "contents": { "source": "data:,worker-1" } }),
    );
    files
        .push(json!({ "path": "/etc/token", "mode": 384, "contents": { "source": "data:,planted-secret" } }));
    let baked = Sandbox::new();
    let booted = Sandbox::copy_of(&baked);
    let dir = baked.at("split");
    let ran = kindling_apply(&baked, &config.to_string(), &["--split", dir.to_str().unwrap()]);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(!ran.stdout.contains("planted-secret"), "{}", ran.stdout);
    let root = listing(&baked.root());
    for absent in ["etc/token", "etc/.ignition-result.json", RECEIPT] {
        assert!(!root.contains_key(absent), "{absent}");
    }
    assert!(
        root["etc/hostname"].ends_with("blank\n"),
        "{}",
        root["etc/hostname"]
    );
    assert!(!root["etc/shadow"].contains("$6$"), "{}", root["etc/shadow"]);
    let [first, rest] =
        ["baked.ign", "first-boot.ign"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
    assert!(
        !first.contains("planted-secret") && !first.contains("$6$"),
        "{first}"
    );
    for (machine, config) in [(&baked, rest), (&booted, config.to_string())] {
        machine.give(&config);
        for stage in ["fetch", "kargs", "disks", "mount", "files", "umount"] {
            machine.done(stage);
        }
    }
    let is_history = |path: &str| path.ends_with('-') || path == "var/lib/kindling/journal";
    let [twice, once] = [baked.root(), booted.root()].map(|root| {
        let mut files = without_dates(listing(&root));
        files.retain(|path, _| !is_history(path));
        files
    });
    assert_same(&twice, &once, "baked and booted against booted");
}
