use super::*;

fn set(names: &[&str]) -> OrderedSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A small root whose `/bin` and `/lib` are links, with loops, dangling links and ones that climb.
fn facts() -> Facts {
    let links = [
        ("/bin", "usr/bin"),
        ("/usr/bin/sh", "dash"),
        ("/usr/bin/vi", "/etc/alternatives/vi"),
        ("/etc/alternatives/vi", "../../../../usr/bin/vim"),
        ("/etc/mtab", "../proc/self/mounts"),
        ("/etc/dangling", "nothing/here"),
        ("/loop", "loop"),
        ("/var/run", "/run"),
        ("/top", "/.."),
    ];
    Facts {
        users: OrderedMap::from([("root".into(), Account { uid: 0, gid: 0 })]),
        groups: OrderedMap::from([("wheel".into(), 10)]),
        units: set(&["a@.service", "b.service", "getty@.service", "dbus.service"]),
        read_only: set(&["/usr"]),
        directories: set(&[
            "/etc",
            "/etc/alternatives",
            "/proc",
            "/tmp",
            "/usr",
            "/usr/bin",
            "/usr/my folder",
            "/var",
        ]),
        links: links.map(|(path, target)| (path.into(), target.into())).into(),
        files: set(&["/etc/passwd", "/usr/my folder/a file"]),
        programs: set(&["/usr/bin/dash", "/usr/bin/vim"]),
        special: set(&["/etc/pipe"]),
        ..Facts::default()
    }
}

#[test]
fn paths_resolve_inside_the_root() {
    let facts = facts();
    for (path, expected) in [
        ("/", Some(("/", Kind::Directory))),
        ("", Some(("/", Kind::Directory))),
        ("/..", Some(("/", Kind::Directory))),
        ("/etc", Some(("/etc", Kind::Directory))),
        ("/etc/", Some(("/etc", Kind::Directory))),
        ("/etc/passwd", Some(("/etc/passwd", Kind::File))),
        ("/etc/pipe", Some(("/etc/pipe", Kind::Special))),
        ("/bin/sh", Some(("/usr/bin/dash", Kind::Program))),
        ("/bin/vi", Some(("/usr/bin/vim", Kind::Program))),
        (
            "/usr/my folder/a file",
            Some(("/usr/my folder/a file", Kind::File)),
        ),
        (
            "/../../usr/./bin/../../etc/passwd",
            Some(("/etc/passwd", Kind::File)),
        ),
        ("/top/etc", Some(("/etc", Kind::Directory))),
        ("/etc/passwd/", None),
        ("/etc/passwd/..", None),
        ("/etc/passwd/x", None),
        ("/etc/dangling", None),
        ("/missing", None),
        ("/missing/..", None),
        ("/loop", None),
        ("/loop/x", None),
    ] {
        let found = facts.resolve(path);
        let found = found.as_ref().map(|node| (node.path.as_str(), node.kind));
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let mut facts = facts();
    for n in 1..=41 {
        let target = if n == 1 {
            "/etc/passwd".to_owned()
        } else {
            format!("l{}", n - 1)
        };
        facts.links.insert(format!("/l{n}"), target);
    }
    assert!(facts.resolve("/l40").is_some());
    assert!(facts.resolve("/l41").is_none());
}

#[test]
fn absent_and_unknown_are_told_apart() {
    let facts = facts();
    for (path, known) in [
        ("/etc/passwd", true),
        ("/missing", true),
        ("/loop", true),
        ("/proc", true),
        ("/proc/1", false),
        ("/etc/mtab", false),
        ("/var/run/lock", false),
        // The image may lack what every running system has.
        ("/dev", false),
        ("/dev/null", false),
        ("/tmpfiles", true),
        ("/tmp/..", true),
        ("/tmp/x/..", false),
        ("/usr/share/doc/x", true),
    ] {
        assert_eq!(facts.knows(path), known, "{path}");
    }
}

#[test]
fn what_is_below_an_absent_directory_is_absent_even_on_the_way_to_an_unknown_one() {
    let mut facts = facts();
    assert!(facts.knows("/usr/share/doc/x"));
    facts.directories.insert("/usr/share".into());
    assert!(!facts.knows("/usr/share/doc/x"));
}

#[test]
fn programs_are_found_by_path_and_by_name() {
    let facts = facts();
    for (program, there) in [
        ("/bin/sh", true),
        ("/usr/bin/sh", true),
        ("sh", true),
        ("vi", true),
        ("/etc/passwd", false),
        ("/usr/bin", false),
        ("passwd", false),
        ("", false),
    ] {
        assert_eq!(facts.has_program(program), there, "{program:?}");
    }
}

#[test]
fn accounts_are_found_by_name() {
    let facts = facts();
    assert!(facts.has_user("root") && !facts.has_user("wheel") && !facts.has_user("0"));
    assert!(facts.has_group("wheel") && !facts.has_group("root"));
}

#[test]
fn a_template_provides_its_instances() {
    let facts = facts();
    for (name, there) in [
        ("b.service", true),
        ("a@.service", true),
        ("a@x.service", true),
        ("a@x@y.service", true),
        ("a@dev-disk-by.label.service", true),
        ("a@x.socket", false),
        ("a.service", false),
        ("b@x.service", false),
        ("@x.service", false),
        ("a@x", false),
        ("", false),
    ] {
        assert_eq!(facts.has_unit(name), there, "{name:?}");
    }
}

#[test]
fn read_only_places_hold_what_is_below_them() {
    let mut facts = facts();
    for (path, is_read_only) in [
        ("/usr", true),
        ("/usr/lib/x", true),
        ("/bin/sh", true),
        ("/usrx", false),
        ("/etc", false),
    ] {
        assert_eq!(facts.is_read_only(path), is_read_only, "{path}");
    }
    facts.read_only = set(&["/"]);
    assert!(facts.is_read_only("/") && facts.is_read_only("/etc/passwd") && facts.is_read_only("/new"));
}

#[test]
fn facts_survive_their_text() {
    let facts = facts();
    let text = serde_json::to_string(&facts).unwrap();
    assert!(text.starts_with(r#"{"version":1,"osRelease":{"#), "{text}");
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
}

#[test]
fn other_formats_and_unknown_members_are_refused() {
    let text = serde_json::to_string(&facts()).unwrap();
    for (changed, told) in [
        (
            text.replacen(r#""version":1"#, r#""version":2"#, 1),
            "facts of version 2",
        ),
        (text.replacen(r#""version":1,"#, "", 1), "missing field `version`"),
        (
            text.replacen(r#""users""#, r#""people":{},"users""#, 1),
            "unknown field `people`",
        ),
        (text.replacen(r#""uid""#, r#""id""#, 1), "unknown field `id`"),
    ] {
        let error = serde_json::from_str::<Facts>(&changed).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
