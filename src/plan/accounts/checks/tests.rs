use super::*;

#[test]
fn names_that_nobody_has_are_found_before_the_first_write() {
    let config: Config = serde_json::from_value(serde_json::json!({
        "ignition": { "version": "3.4.0" },
        "passwd": {
            "users": [
                { "name": "ada", "groups": ["wheel", "nobodys", "100"] },
                { "name": "gone", "shouldExist": false, "groups": ["nobodys"] },
            ],
            "groups": [{ "name": "team" }],
        },
        "storage": {
            "files": [
                { "path": "/a", "user": { "name": "ada" }, "group": { "name": "ada" } },
                { "path": "/b", "user": { "name": "gone" }, "group": { "name": "team" } },
                { "path": "/c", "user": { "id": 7 }, "group": { "name": "absent" } },
            ],
        },
    }))
    .unwrap();
    let mut target = Target {
        accounts_known: true,
        groups: [("wheel".to_owned(), 10)].into(),
        ..Target::default()
    };
    let found = |target: &Target| {
        let mut conflicts = Vec::new();
        check_names(&mut conflicts, &config, target);
        let pointers = conflicts.into_iter().map(|conflict| conflict.pointer);
        pointers.collect::<Vec<_>>()
    };
    assert_eq!(
        found(&target),
        [
            "/storage/files/1/user/name",
            "/storage/files/2/group/name",
            "/passwd/users/0/groups/1",
        ]
    );
    target.accounts_known = false;
    assert_eq!(found(&target), Vec::<String>::new());
}

/// Codes and places of what is found for `passwd` on a target with core (1000) and the group adm (4).
fn found(passwd: &serde_json::Value, change: impl FnOnce(&mut Target)) -> Vec<String> {
    let config = serde_json::json!({ "ignition": { "version": "3.4.0" }, "passwd": passwd });
    let config: Config = serde_json::from_value(config).unwrap();
    let mut target = Target {
        accounts_known: true,
        ..Target::default()
    };
    let core = b"core:x:1000:1000::/home/core:/bin/sh\n";
    target.databases.put(Database::Passwd, Some(core));
    target
        .databases
        .put(Database::Group, Some(b"core:x:1000:\nadm:x:4:\n"));
    let account = crate::inventory::target::Account {
        uid: 1000,
        gid: 1000,
        home: "/home/core".into(),
    };
    target.users.insert("core".into(), account);
    target
        .groups
        .extend([("core".to_owned(), 1000), ("adm".to_owned(), 4)]);
    let dir = crate::inventory::target::Node {
        kind: Kind::Directory,
        uid: 0,
        gid: 0,
        mode: kindling_config_spec::units::Mode(0o755),
        inode: (0, 0),
    };
    for (path, uid) in [("/home/core", 1000), ("/home", 0), ("/data", 0)] {
        let node = crate::inventory::target::Node { uid, ..dir.clone() };
        target.homes.insert(path.into(), node);
        target.resolved.insert(path.into(), path.into());
    }
    change(&mut target);
    let mut plan = crate::plan::Plan::empty(crate::plan::Stage::Files);
    let keys = crate::plan::accounts::KeyFile::Whole;
    let edits = crate::plan::accounts::plan_accounts(&mut plan, &config, &target, Path::new("/"), &[], keys);
    let mut conflicts = Vec::new();
    check_names(&mut conflicts, &config, &target);
    check_edits(&mut conflicts, &edits, &config, &target);
    let told = conflicts.into_iter();
    told.map(|one| format!("{} {}: {}", one.code, one.pointer, one.message))
        .collect()
}

fn natively(target: &mut Target) {
    target.missing_programs = Action::ALL.iter().map(|action| action.program()).collect();
}

#[test]
fn numbers_in_use_are_found() {
    let user = |uid: i64| serde_json::json!({ "users": [{ "name": "ada", "uid": uid }] });
    let taken = |who: &str| {
        vec![format!(
            "account-id-taken /passwd/users/0/uid: ada: the uid 1000 is in use: {who} has it"
        )]
    };
    assert_eq!(found(&user(1000), |_| {}), taken("core"));
    assert_eq!(found(&user(1001), |_| {}), Vec::<String>::new());
    let by_service = |target: &mut Target| {
        target.databases.put(Database::Passwd, None);
        target.foreign_uids.insert(1000);
    };
    assert_eq!(found(&user(1000), by_service), taken("the target's name service"));
    // Whoever is deleted before leaves the number.
    let freed = serde_json::json!({ "users": [{ "name": "core", "shouldExist": false }, { "name": "ada", "uid": 1000 }] });
    assert_eq!(found(&freed, |_| {}), Vec::<String>::new());
    // A number that nobody asked for may be another one in the end: the program has the last word.
    let chosen = serde_json::json!({ "users": [{ "name": "a" }, { "name": "b", "uid": 1001 }] });
    assert_eq!(found(&chosen, |_| {}), Vec::<String>::new());
    assert_eq!(found(&chosen, natively).len(), 1);
    let group = serde_json::json!({ "groups": [{ "name": "a", "gid": 4 }, { "name": "b", "gid": 9 }, { "name": "c", "gid": 9 }] });
    let expected = [
        "account-id-taken /passwd/groups/0/gid: a: the gid 4 is in use: adm has it",
        "account-id-taken /passwd/groups/2/gid: c: the gid 9 is in use: b has it",
    ];
    assert_eq!(found(&group, |_| {}), expected);
}

#[test]
fn numbers_given_twice_are_found_without_a_target() {
    let config = serde_json::json!({ "users": [{ "name": "a", "uid": 7 }, { "name": "b", "uid": 7 }] });
    let told = found(&config, |target| *target = Target::default());
    assert_eq!(
        told,
        ["account-id-taken /passwd/users/1/uid: b: the uid 7 is in use: a has it"]
    );
}

#[test]
fn homes_that_cannot_be_moved_are_found() {
    let to = |home: &str| serde_json::json!({ "users": [{ "name": "core", "homeDir": home }] });
    let told = |home: &str, why: &str| {
        let text =
            format!("account-home /passwd/users/0/homeDir: core: the home cannot be moved to {home}: {why}");
        vec![text]
    };
    assert_eq!(found(&to("/home/new"), |_| {}), Vec::<String>::new());
    assert_eq!(found(&to("/data"), |_| {}), told("/data", "something is there"));
    let mounted = |target: &mut Target| target.mount_points.extend(["/data".into()]);
    assert_eq!(
        found(&to("/data"), mounted),
        told("/data", "a file system is mounted there")
    );
    let above = "the directory above it is not there";
    assert_eq!(found(&to("/srv/core"), |_| {}), told("/srv/core", above));
    // Moved by a run that was killed before the line was written.
    let killed = |target: &mut Target| {
        natively(target);
        target.homes.remove(Path::new("/home/core"));
        let name = "core".to_owned();
        target.unfinished.insert(AccountWork::Change { name });
    };
    assert_eq!(found(&to("/data"), killed), Vec::<String>::new());
}
