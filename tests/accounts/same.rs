//! The same tree, whoever makes it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, assert_same, listing, require_root};
use crate::{machine, roots, shadow, tree};

/// Runs `passwd` on a root three times: by the programs themselves, by the stage with them, by the stage without. Whether
/// it was done.
pub(crate) fn compare(root: roots::Root, passwd: &Value) -> bool {
    let (name, root) = root;
    let when = format!("{name}: {passwd}");
    let by_hand = Sandbox::in_memory();
    root(&by_hand.root());
    let expected = shadow::apply(&by_hand.root(), passwd);
    for programs in [true, false] {
        let machine = machine(&root, passwd, programs);
        let ran = machine.stage("files");
        let when = format!("programs: {programs}, {when}\n{}\n{}", ran.stderr, ran.stdout);
        match &expected {
            Ok(()) => {
                assert_eq!(ran.status, Some(0), "{when}");
                assert_same(&tree(&machine), &tree(&by_hand), &when);
                assert!(
                    programs || !ran.stdout.contains("> user") && !ran.stdout.contains("> group"),
                    "{when}"
                );
            }
            Err(said) => {
                assert_ne!(ran.status, Some(0), "{said}{when}");
                assert!(!ran.stderr.contains("[internal]"), "{when}");
            }
        }
    }
    expected.is_ok()
}

#[test]
fn the_programs_and_native_edits_leave_the_same_tree() {
    require_root();
    let configs = [
        json!({ "users": [{ "name": "ada" }] }),
        json!({ "users": [{ "name": "ada", "uid": 1234, "gecos": "Ada L", "shell": "/bin/zsh", "homeDir": "/var/home/ada", "passwordHash": "$6$x" }] }),
        json!({ "groups": [{ "name": "crew", "gid": 2000, "passwordHash": "$6$g" }, { "name": "sys", "system": true }, { "name": "next" }],
                "users": [{ "name": "ada", "groups": ["crew", "root", "1"], "primaryGroup": "next" }] }),
        json!({ "groups": [{ "name": "crew" }],
                "users": [{ "name": "ada", "groups": ["crew", "root"] }, { "name": "bob", "primaryGroup": "0", "groups": ["crew"] }] }),
        json!({ "users": [{ "name": "svc", "system": true }, { "name": "svc2", "system": true, "noCreateHome": true, "noUserGroup": true, "noLogInit": true }] }),
        json!({ "users": [{ "name": "a" }, { "name": "b" }, { "name": "c", "uid": 40000 }, { "name": "d" }, { "name": "e", "uid": 70000 }] }),
        json!({ "users": [{ "name": "ada", "noUserGroup": true }, { "name": "bob", "noCreateHome": true, "passwordHash": "" }] }),
        json!({ "users": [{ "name": "root", "passwordHash": "$6$new" }] }),
        json!({ "users": [{ "name": "root", "shell": "/bin/other", "gecos": "Super" }] }),
        json!({ "users": [{ "name": "core", "uid": 1500, "groups": ["adm"], "passwordHash": "$6$new" }] }),
        json!({ "users": [{ "name": "core", "homeDir": "/home/moved", "primaryGroup": "users" }] }),
        json!({ "users": [{ "name": "core", "homeDir": "/home/moved/", "uid": 1700 }] }),
        json!({ "users": [{ "name": "guest", "primaryGroup": "team", "groups": ["sudo", "1000"] }] }),
        json!({ "users": [{ "name": "core", "shouldExist": false }] }),
        json!({ "users": [{ "name": "guest", "shouldExist": false }, { "name": "nobody-there", "shouldExist": false }] }),
        json!({ "users": [{ "name": "guest", "homeDir": "/home/guest", "uid": 1001, "shell": "/bin/sh" }] }),
        json!({ "groups": [{ "name": "core", "gid": 3000 }, { "name": "team", "shouldExist": false }, { "name": "adm", "passwordHash": "$6$g" }] }),
        json!({ "groups": [{ "name": "root", "passwordHash": "$6$g" }, { "name": "open", "passwordHash": "$6$g" }, { "name": "j", "gid": 77 }] }),
        json!({ "users": [{ "name": "open", "passwordHash": "$6$p" }, { "name": "first", "uid": 1003, "groups": ["second"] }] }),
        json!({ "users": [{ "name": "open", "homeDir": "/home/elsewhere", "gecos": "O" }, { "name": "open2", "groups": ["open"] }] }),
        json!({ "users": [{ "name": "n1" }, { "name": "n2" }, { "name": "n3" }, { "name": "n4" }] }),
        json!({ "users": [{ "name": "s1", "system": true }, { "name": "s2", "system": true }, { "name": "s3", "system": true, "uid": 50 }] }),
        json!({ "groups": [{ "name": "g1", "system": true }, { "name": "g2", "system": true }, { "name": "g3", "system": true, "gid": 60 }] }),
        json!({ "users": [{ "name": "second" }] }),
        json!({ "groups": [{ "name": "both" }], "users": [{ "name": "both" }] }),
        json!({ "groups": [{ "name": "both" }], "users": [{ "name": "both", "primaryGroup": "both" }, { "name": "x", "primaryGroup": "missing" }] }),
        json!({ "groups": [{ "name": "core", "shouldExist": false }] }),
        json!({ "groups": [{ "name": "one", "gid": 5000 }, { "name": "two", "gid": 5000 }] }),
        json!({ "users": [{ "name": "one", "uid": 5000 }, { "name": "two", "uid": 5000 }] }),
        json!({ "users": [{ "name": "ada", "groups": ["missing"] }] }),
        json!({ "users": [{ "name": "ada", "groups": ["12345"] }] }),
        json!({ "users": [{ "name": "ada", "gecos": "a:b" }] }),
        json!({ "users": [{ "name": "ada", "shell": "sh" }] }),
        json!({ "users": [{ "name": "a b" }] }),
        json!({ "users": [{ "name": "~ada" }] }),
        json!({ "users": [{ "name": "twelve.of-them_", "gecos": "J\u{f6}rg" }] }),
        json!({ "groups": [{ "name": "a:b" }] }),
        json!({ "users": [{ "name": "mail", "shouldExist": false }] }),
        json!({ "users": [{ "name": "core", "homeDir": "/home/guest" }] }),
        json!({ "users": [{ "name": "core", "uid": 0 }] }),
        json!({ "users": [{ "name": "ada", "uid": 4294967295u32 }] }),
        json!({ "users": [{ "name": "ada", "uid": -1 }] }),
    ];
    let (mut done, mut refused) = (0, 0);
    for root in roots::ALL {
        for passwd in &configs {
            if compare(root, passwd) {
                done += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(done > 100 && refused > 80, "{done} done, {refused} refused");
}

#[test]
fn a_skeleton_with_directories_is_copied_whole() {
    require_root();
    let root = |root: &Path| {
        fs::create_dir_all(root.join("etc/skel/deep/er")).unwrap();
        fs::write(root.join("etc/skel/deep/er/file"), "new\n").unwrap();
        fs::set_permissions(root.join("etc/skel/deep"), fs::Permissions::from_mode(0o2750)).unwrap();
        symlink("/etc/skel/deep", root.join("etc/skel/link")).unwrap();
    };
    let machine = machine(&root, &json!({ "users": [{ "name": "ada" }] }), false);
    machine.done("files");
    let home = machine.root().join("home/ada");
    let entries = listing(&home);
    let expected = [
        ("", "directory 0750 1000:1000"),
        (".profile", "file 0644 1000:1000\numask 022\n"),
        ("deep", "directory 2750 1000:1000"),
        ("deep/er", "directory 0755 1000:1000"),
        ("deep/er/file", "file 0644 1000:1000\nnew\n"),
        ("link", "link 1000:1000 /home/ada/deep"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_same(&entries, &expected.into(), "skeleton");
    let written = |path: PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let skeleton = machine.root().join("etc/skel");
    assert_eq!(
        written(home.join("deep/er/file")),
        written(skeleton.join("deep/er/file"))
    );
}

#[test]
fn a_home_is_moved_to_another_file_system() {
    require_root();
    let root = |root: &Path| {
        roots::debian(root);
        fs::create_dir(root.join("mnt")).unwrap();
    };
    let passwd = json!({ "users": [{ "name": "core", "homeDir": "/mnt/core", "uid": 1500 }] });
    let machine = machine(&root, &passwd, false);
    let script =
        "mount -t tmpfs none \"$0/mnt\" && \"$@\" && cd \"$0/mnt\" && find . -printf '%P %y %m %U:%G %l;'";
    let mut words: Vec<OsString> = ["/usr/bin/unshare", "-m", "/bin/sh", "-c", script]
        .map(Into::into)
        .into();
    words.push(machine.root().into());
    // The shell has the usual programs, the stage has not.
    words.extend([
        "/usr/bin/env".into(),
        format!("PATH={}", machine.at("bin").display()).into(),
    ]);
    words.extend(machine.words("file", "files"));
    let mut machine = machine;
    machine.path = "/usr/bin:/bin".into();
    let ran = machine.run(&words);
    assert_eq!(ran.status, Some(0), "{}\n{}", ran.stderr, ran.stdout);
    let mut found: Vec<&str> = ran.stdout.lines().last().unwrap().split(';').collect();
    found.sort_unstable();
    let expected = [
        "",
        " d 1777 0:0 ",
        "core d 755 1500:1000 ",
        "core/deep d 755 1500:1000 ",
        "core/deep/file f 600 1500:1000 ",
        "core/foreign f 644 0:0 ",
        "core/link l 777 1500:1000 deep",
    ];
    assert_eq!(found, expected, "{}", ran.stdout);
    assert!(!machine.root().join("home/core").exists());
}
