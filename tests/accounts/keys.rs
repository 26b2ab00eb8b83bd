//! SSH keys, in both places.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;

use crate::machine;
use crate::roots;
use crate::sandbox::require_root;

#[test]
fn keys_go_to_the_fragment_or_to_the_whole_file() {
    require_root();
    let passwd = json!({ "users": [
        { "name": "ada", "sshAuthorizedKeys": ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"] },
        { "name": "core", "sshAuthorizedKeys": ["ssh-ed25519 CCCC three"] },
    ] });
    for programs in [true, false] {
        for (fragment, file, other) in [
            ("true", ".ssh/authorized_keys.d/ignition", ".ssh/authorized_keys"),
            ("false", ".ssh/authorized_keys", ".ssh/authorized_keys.d"),
        ] {
            let machine = machine(&roots::debian, &passwd, programs);
            let core = machine.root().join("home/core/.ssh");
            fs::create_dir(&core).unwrap();
            fs::write(core.join("authorized_keys"), "an old key\n").unwrap();
            let mut words = vec!["/usr/bin/env".into()];
            words.push(format!("IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT={fragment}").into());
            words.extend(machine.words("file", "files"));
            let ran = machine.run(&words);
            assert_eq!(ran.status, Some(0), "{}", ran.stderr);
            let home = machine.root().join("home/ada");
            let keys = home.join(file);
            let text = "ssh-ed25519 AAAA one\nssh-ed25519 BBBB two\n";
            assert_eq!(fs::read_to_string(&keys).unwrap(), text);
            assert!(!home.join(other).exists(), "{other}");
            let owner = fs::metadata(&home).unwrap();
            for (path, mode) in [
                (keys.as_path(), 0o600),
                (keys.parent().unwrap(), 0o700),
                (&home.join(".ssh"), 0o700),
            ] {
                let at = fs::metadata(path).unwrap();
                let found = (at.permissions().mode() & 0o7777, at.uid(), at.gid());
                assert_eq!(found, (mode, owner.uid(), owner.gid()), "{}", path.display());
            }
            // What the whole file held is replaced; beside a fragment it stays.
            let old = fs::read_to_string(core.join("authorized_keys")).unwrap();
            let expected = if fragment == "true" {
                "an old key\n"
            } else {
                "ssh-ed25519 CCCC three\n"
            };
            assert_eq!(old, expected);
        }
    }
}
