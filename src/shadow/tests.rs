use super::*;

/// A name service that knows nobody but these.
#[derive(Default)]
struct Known {
    groups: Vec<(&'static str, u32)>,
    uids: Vec<u32>,
}

impl Names for Known {
    fn gid(&self, group: &str) -> Option<u32> {
        self.groups
            .iter()
            .find(|(name, _)| *name == group)
            .map(|(_, gid)| *gid)
    }

    fn has_uid(&self, uid: u32) -> bool {
        self.uids.contains(&uid)
    }

    fn has_gid(&self, gid: u32) -> bool {
        self.groups.iter().any(|(_, known)| *known == gid)
    }
}

fn databases(passwd: &str, group: &str, login: &str) -> Databases {
    let mut databases = Databases::new(Defaults::parse(login, ""));
    databases.put(Database::Passwd, Some(passwd.as_bytes()));
    databases.put(Database::Group, Some(group.as_bytes()));
    databases
}

fn text(databases: &Databases, which: Database) -> String {
    let table = databases.get(which).and_then(Table::rewritten);
    String::from_utf8_lossy(&table.unwrap_or_default()).into_owned()
}

fn new_user(name: &str) -> Edit {
    Edit {
        action: Action::NewUser,
        name: name.into(),
        password: Some("*".into()),
        ..Edit::default()
    }
}

#[test]
fn numbers_are_chosen_as_the_programs_choose_them() {
    let system = Edit {
        system: true,
        ..new_user("new")
    };
    let plain = new_user("new");
    let range = "UID_MIN 10\nUID_MAX 13\nSYS_UID_MIN 1\nSYS_UID_MAX 4\n";
    for (row, edit, passwd, uid) in [
        ("nobody there", &plain, "", 10),
        ("above the highest", &plain, "a:x:11:1::/:\n", 12),
        (
            "those outside do not count",
            &plain,
            "a:x:9:1::/:\nb:x:14:1::/:\n",
            10,
        ),
        (
            "the first gap once the end is reached",
            &plain,
            "a:x:13:1::/:\nb:x:10:1::/:\n",
            11,
        ),
        (
            "one that only the name service knows",
            &plain,
            "a:x:11:1::/:\n",
            12,
        ),
        ("a system's, nobody there", &system, "", 4),
        ("a system's, below the lowest", &system, "a:x:3:1::/:\n", 2),
        (
            "a system's, the last gap",
            &system,
            "a:x:1:1::/:\nb:x:4:1::/:\n",
            3,
        ),
    ] {
        let mut on = databases(passwd, "", range);
        let effect = edit.apply(&mut on, &Known::default(), 1).unwrap();
        assert_eq!(effect.after.map(|owner| owner.uid), Some(uid), "{row}");
    }
    let mut on = databases("a:x:11:1::/:\n", "", range);
    let known = Known {
        uids: vec![12],
        ..Known::default()
    };
    let effect = plain.apply(&mut on, &known, 1).unwrap();
    assert_eq!(effect.after.map(|owner| owner.uid), Some(13));
    let mut full = databases(
        "a:x:10:1::/:\nb:x:11:1::/:\nc:x:12:1::/:\nd:x:13:1::/:\n",
        "",
        range,
    );
    let refused = plain.apply(&mut full, &Known::default(), 1).unwrap_err();
    assert_eq!(refused.why, Why::NoneLeft { what: "UID" });
}

#[test]
fn a_users_own_group_has_the_users_number_where_it_can() {
    for (row, group, gid) in [
        ("free", "", 1000),
        ("another group has it", "other:x:1000:\n", 1001),
        ("outside the range", "other:x:1000:\nlast:x:2000:\n", 2001),
    ] {
        let mut on = databases("", group, "USERGROUPS_ENAB yes\n");
        new_user("ada").apply(&mut on, &Known::default(), 1).unwrap();
        assert_eq!(
            text(&on, Database::Group),
            format!("{group}ada:!:{gid}:\n"),
            "{row}"
        );
    }
}

#[test]
fn groups_of_the_name_service_can_be_primary_and_no_more() {
    let known = Known {
        groups: vec![("wheel", 10)],
        ..Known::default()
    };
    let primary = Edit {
        primary: Some("wheel".into()),
        ..new_user("ada")
    };
    let mut on = databases("", "", "");
    let effect = primary.apply(&mut on, &known, 1).unwrap();
    assert_eq!(effect.after.map(|owner| owner.gid), Some(10));
    let further = Edit {
        groups: vec!["wheel".into()],
        ..new_user("bob")
    };
    let refused = further.apply(&mut on, &known, 1).unwrap_err();
    assert_eq!(
        (refused.at.as_str(), refused.why.code()),
        ("groups/0", "account-unknown")
    );
}

#[test]
fn a_deleted_user_takes_their_group_along_unless_it_was_there_before() {
    let group = "ada:x:1000:\nteam:x:7:ada,bob\n";
    for (no_user_group, expected) in [(false, "team:x:7:bob\n"), (true, "ada:x:1000:\nteam:x:7:bob\n")] {
        let mut on = databases("ada:x:1000:1000::/home/ada:\n", group, "USERGROUPS_ENAB yes\n");
        let edit = Edit {
            action: Action::DeleteUser,
            name: "ada".into(),
            no_user_group,
            ..Edit::default()
        };
        edit.apply(&mut on, &Known::default(), 1).unwrap();
        assert_eq!(text(&on, Database::Group), expected);
    }
}

#[test]
fn settings_are_read_as_the_programs_read_them() {
    let login = "\t UMASK\t\"077\" # x\n#HOME_MODE 0700\nPASS_MAX_DAYS 0x10\nUID_MIN=7\nGID_MIN\nGID_MIN 5\nGID_MIN 010\n";
    let defaults = Defaults::parse(
        login,
        "#HOME=/no\nHOME=/srv\nSKEL=\n HOME=/no\nCREATE_MAIL_SPOOL=YES\n",
    );
    assert_eq!(defaults.home_mode(), 0o700);
    assert_eq!(defaults.number("PASS_MAX_DAYS"), Some(16));
    assert_eq!(defaults.number("GID_MIN"), Some(8));
    assert_eq!(defaults.number("UID_MIN"), None);
    assert_eq!((defaults.home_base(), defaults.skeleton()), ("/srv", "/etc/skel"));
    assert_eq!(defaults.new_mailbox(), Some("/var/mail"));
}

#[test]
fn an_edit_never_shows_its_password() {
    let edit = new_user("ada");
    let edit = Edit {
        password: Some("$6$hush".into()),
        ..edit
    };
    let shown = format!(
        "{edit} {edit:?} {}",
        serde_json::to_string(&edit.call(None)).unwrap()
    );
    assert!(!shown.contains("hush"), "{shown}");
}
