//! Users and groups where there are no programs for them.

use std::fs;
use std::os::unix::fs::{chown, symlink};

use serde_json::json;

use crate::kill::{Whom, killed, sweep};
use crate::machines::result;
use crate::sandbox::{Sandbox, assert_same, require_root};

/// A machine without account programs, and with people in its root.
fn start() -> Sandbox {
    require_root();
    let mut machine = Sandbox::in_memory();
    fs::create_dir(machine.at("bin")).unwrap();
    for program in ["/usr/bin/strace", "/usr/sbin/chroot"] {
        let name = program.rsplit('/').next().unwrap();
        symlink(program, machine.at("bin").join(name)).unwrap();
    }
    machine.path = machine.at("bin").into();
    let root = machine.root();
    let add = |path: &str, lines: &str| {
        let file = root.join(path);
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, text + lines).unwrap();
    };
    add(
        "etc/passwd",
        "core:x:1000:1000::/home/core:/bin/sh\nguest:x:1001:1002::/home/guest:/bin/sh\n",
    );
    add("etc/group", "core:x:1000:\nteam:x:1002:core\nold:x:1003:\n");
    add("etc/shadow", "core:!:1::::::\nguest:!:1::::::\n");
    add("etc/gshadow", "core:!::\nteam:!::core\nold:!::\n");
    add("etc/subuid", "guest:100000:65536\n");
    add("etc/subgid", "");
    for (name, uid, gid) in [("core", 1000, 1000), ("guest", 1001, 1002)] {
        let home = root.join("home").join(name);
        fs::create_dir_all(home.join("deep")).unwrap();
        fs::write(home.join("deep/file"), "mine\n").unwrap();
        for path in ["", "deep", "deep/file"] {
            chown(home.join(path), Some(uid), Some(gid)).unwrap();
        }
    }
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "passwd": {
            "groups": [
                { "name": "crew", "gid": 2000 },
                { "name": "team", "gid": 3000, "passwordHash": "$6$group" },
                { "name": "old", "shouldExist": false },
            ],
            "users": [
                { "name": "ada", "groups": ["crew", "team"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA one"] },
                { "name": "core", "uid": 1500, "homeDir": "/home/moved", "groups": ["crew"], "passwordHash": "$6$user" },
                { "name": "guest", "shouldExist": false },
            ],
        },
    });
    machine.give(&config.to_string());
    machine.done("fetch");
    machine
}

#[test]
fn native_edits_killed_at_any_change_and_run_again_end_the_same() {
    let start = start();
    let whole = Sandbox::copy_of(&start);
    let ran = whole.done("files");
    assert!(ran.stdout.contains("> natively: useradd"), "{}", ran.stdout);
    let reference = result(&whole);
    assert!(reference.contains_key("home/moved/deep/file") && !reference.contains_key("home/guest"));
    assert!(!reference.contains_key("etc/passwd.lock"), "a lock is left");
    let points = sweep(1, |at| {
        let machine = Sandbox::copy_of(&start);
        let survived = killed(&machine, "files", Whom::Main, at);
        if !survived {
            machine.done("files");
        }
        assert_same(&result(&machine), &reference, &at.to_string());
        survived
    });
    println!("native accounts: killed at {points} points");
    assert!(points > 150, "{points}");
}

#[test]
fn native_edits_killed_twice_end_the_same() {
    let start = start();
    let whole = Sandbox::copy_of(&start);
    whole.done("files");
    let reference = result(&whole);
    let points = sweep(7, |at| {
        let machine = Sandbox::copy_of(&start);
        if killed(&machine, "files", Whom::Main, at) {
            return true;
        }
        for then in [3, 8] {
            let again = Sandbox::copy_of(&machine);
            let then = crate::kill::Point {
                call: "renameat",
                n: then,
            };
            if !killed(&again, "files", Whom::Main, then) {
                again.done("files");
            }
            assert_same(&result(&again), &reference, &format!("{at}, then {then}"));
        }
        false
    });
    println!("native accounts: killed twice from {points} points");
}
