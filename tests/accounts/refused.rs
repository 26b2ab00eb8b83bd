//! What cannot be is told before the first write, with its place in the config.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{assert_same, listing, require_root};
use crate::{machine, roots};

/// Whom the refusal comes from.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// The planner, with and without account programs.
    Always,
    /// The planner, where there are no programs. They have the last word where they are.
    Native,
}

#[test]
fn a_cause_and_a_place_for_everything_that_cannot_be() {
    require_root();
    let user = |user: Value| json!({ "users": [user] });
    for (passwd, by, code, place, what) in [
        (
            json!({ "users": [{ "name": "a", "uid": 3000 }, { "name": "b", "uid": 3000 }] }),
            By::Always,
            "account-id-taken",
            "/passwd/users/1/uid",
            "b: the uid 3000 is in use: a has it",
        ),
        (
            user(json!({ "name": "a", "uid": 998 })),
            By::Always,
            "account-id-taken",
            "/passwd/users/0/uid",
            "a: the uid 998 is in use: sshd has it",
        ),
        (
            json!({ "users": [{ "name": "a" }, { "name": "b", "uid": 1002 }] }),
            By::Native,
            "account-id-taken",
            "/passwd/users/1/uid",
            "b: the uid 1002 is in use: a has it",
        ),
        (
            json!({ "groups": [{ "name": "g", "gid": 27 }] }),
            By::Always,
            "account-id-taken",
            "/passwd/groups/0/gid",
            "g: the gid 27 is in use: sudo has it",
        ),
        (
            user(json!({ "name": "a", "primaryGroup": "none" })),
            By::Always,
            "account-unknown",
            "/passwd/users/0/primaryGroup",
            "the target has no group \"none\"",
        ),
        (
            user(json!({ "name": "a", "groups": ["adm", "none"] })),
            By::Always,
            "account-unknown",
            "/passwd/users/0/groups/1",
            "the target has no group \"none\"",
        ),
        (
            user(json!({ "name": "a", "groups": ["4242"] })),
            By::Native,
            "account-unknown",
            "/passwd/users/0/groups/0",
            "a: the target has no group \"4242\"",
        ),
        (
            user(json!({ "name": "team" })),
            By::Always,
            "account-group-there",
            "/passwd/users/0/name",
            "team: a group team is there",
        ),
        (
            json!({ "groups": [{ "name": "core", "shouldExist": false }] }),
            By::Always,
            "account-group-busy",
            "/passwd/groups/0",
            "core: the group core cannot be deleted: it is the primary group of core",
        ),
        (
            user(json!({ "name": "a b" })),
            By::Always,
            "account-name-invalid",
            "/passwd/users/0/name",
            "no user or group can be called \"a b\"",
        ),
        (
            user(json!({ "name": "a-name-that-is-much-too-long-for-a-record" })),
            By::Native,
            "account-name-invalid",
            "/passwd/users/0/name",
            "no user or group can be called",
        ),
        (
            user(json!({ "name": "a", "gecos": "one:two" })),
            By::Always,
            "account-field-invalid",
            "/passwd/users/0/gecos",
            "a: gecos cannot stand in the databases",
        ),
        (
            user(json!({ "name": "core", "homeDir": "/home/guest" })),
            By::Always,
            "account-home",
            "/passwd/users/0/homeDir",
            "core: the home cannot be moved to /home/guest",
        ),
        (
            user(json!({ "name": "sshd", "homeDir": "/run/other", "shouldExist": false })),
            By::Native,
            "account-home",
            "/passwd/users/0/homeDir",
            "sshd: the home /run/sshd cannot be deleted with the user",
        ),
    ] {
        let root = |root: &Path| {
            roots::debian(root);
            fs::create_dir_all(root.join("run/sshd")).unwrap();
        };
        for programs in [true, false] {
            let machine = machine(&root, &passwd, programs);
            let before = listing(&machine.root());
            let ran = machine.stage("files");
            let when = format!("programs: {programs}, {passwd}: {}\n{}", ran.stderr, ran.stdout);
            assert_ne!(ran.status, Some(0), "{when}");
            if programs && by == By::Native {
                continue;
            }
            assert!(
                ran.stderr.contains(&format!("[{code}]\n  what:  {what}")),
                "{code}: {when}"
            );
            assert!(ran.stderr.contains(&format!(", {place}\n")), "{place}: {when}");
            assert_same(&listing(&machine.root()), &before, &when);
        }
    }
}
