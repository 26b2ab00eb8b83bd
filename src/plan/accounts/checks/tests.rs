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
