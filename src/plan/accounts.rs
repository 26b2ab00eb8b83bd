//! Groups and users (engine.md 4.6.1, 4.6.2): which program is called with which arguments.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kindling_config_spec::types::{Config, Group, Owner, User};

use super::{Conflict, Plan, Step, nodes};
use crate::inventory::target::{AccountWork, Target};
use crate::invocation::{Invocation, Program};

/// Where the keys of a user go, below the home directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFile {
    /// `.ssh/authorized_keys.d/ignition`, which a program of the distribution reads.
    Fragment,
    /// `.ssh/authorized_keys`.
    Whole,
}

impl KeyFile {
    fn path(self) -> &'static Path {
        match self {
            Self::Fragment => Path::new(".ssh/authorized_keys.d/ignition"),
            Self::Whole => Path::new(".ssh/authorized_keys"),
        }
    }
}

/// The accounts a config names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named<'a> {
    /// Users.
    pub users: BTreeSet<&'a str>,
    /// Groups.
    pub groups: BTreeSet<&'a str>,
}

/// Every account that is created, changed or deleted, that owns something, or that a user shall belong to.
#[must_use]
pub fn named_accounts(config: &Config) -> Named<'_> {
    let mut named = Named::default();
    for (_, user, group) in nodes::owners(config) {
        named.users.extend(user.name.as_deref());
        named.groups.extend(group.name.as_deref());
    }
    for user in &config.passwd.users {
        named.users.insert(&user.name);
        // The group that is created with a user has its name.
        named.groups.insert(&user.name);
        named.groups.extend(user.primary_group.as_deref());
        named.groups.extend(user.groups.iter().map(String::as_str));
    }
    named
        .groups
        .extend(config.passwd.groups.iter().map(|group| group.name.as_str()));
    named.users.remove("");
    named.groups.remove("");
    named
}

/// Every name that no step before its use can resolve.
pub fn check_names(conflicts: &mut Vec<Conflict>, config: &Config, target: &Target) {
    if !target.accounts_known {
        return;
    }
    let user_exists = |name: &str| match config.passwd.users.iter().find(|user| user.name == name) {
        Some(user) => user.should_exist != Some(false),
        None => target.users.contains_key(name),
    };
    let group_exists = |name: &str| match config.passwd.groups.iter().find(|group| group.name == name) {
        Some(group) => group.should_exist != Some(false),
        // A user's own group is created with the user.
        None => target.groups.contains_key(name) || config.passwd.users.iter().any(|user| user.name == name),
    };
    let mut check = |kind: &str, pointer: String, name: Option<&str>, exists: &dyn Fn(&str) -> bool| {
        let Some(name) = name.filter(|name| !name.is_empty() && !exists(name)) else {
            return;
        };
        conflicts.push(Conflict::new(
            pointer,
            "account-unknown",
            format!("the target has no {kind} {name:?}, and the config creates none"),
            format!("create the {kind} in the config's passwd section, or use a number"),
        ));
    };
    for (pointer, user, group) in nodes::owners(config) {
        let named = |owner: &Owner| owner.id.is_none().then(|| owner.name.clone()).flatten();
        check(
            "user",
            format!("{pointer}/user/name"),
            named(user).as_deref(),
            &user_exists,
        );
        check(
            "group",
            format!("{pointer}/group/name"),
            named(group).as_deref(),
            &group_exists,
        );
    }
    let by_name = |name: &str| group_exists(name) || name.bytes().all(|byte| byte.is_ascii_digit());
    for (index, user) in config.passwd.users.iter().enumerate() {
        let pointer = format!("/passwd/users/{index}");
        let wanted = user.should_exist != Some(false);
        let primary = user.primary_group.as_deref().filter(|_| wanted);
        check("group", format!("{pointer}/primaryGroup"), primary, &by_name);
        for (nth, group) in user.groups.iter().enumerate().filter(|_| wanted) {
            check("group", format!("{pointer}/groups/{nth}"), Some(group), &by_name);
        }
    }
}

/// Adds the steps for all groups, then all users, each in the config's order.
pub fn plan_accounts(
    plan: &mut Plan,
    config: &Config,
    target: &Target,
    root: &Path,
    made_by_mount: &[std::path::PathBuf],
    keys: KeyFile,
) {
    if !target.unfinished.is_empty() {
        plan.push("/passwd", Step::ClearAccountLocks);
    }
    for (index, group) in config.passwd.groups.iter().enumerate() {
        let name = group.name.clone();
        let state = match target.groups.contains_key(&name) {
            true if target.unfinished.contains(&AccountWork::NewGroup { name }) => Found::HalfMade,
            true => Found::Whole,
            false => Found::Absent,
        };
        for step in plan_group(group, state, root) {
            plan.push(format!("/passwd/groups/{index}"), step);
        }
    }
    for (index, user) in config.passwd.users.iter().enumerate() {
        let pointer = format!("/passwd/users/{index}");
        for step in undo(user, target, root) {
            plan.push(&pointer, step);
        }
        let exists = target.users.contains_key(&user.name) && half_made(user, target).is_none();
        let makes = half_made(user, target).unwrap_or_else(|| Makes::new(user, config, target));
        let home = target.users.get(&user.name).map(|found| found.home.clone());
        for step in plan_user(user, home.filter(|_| exists), makes, root) {
            plan.push(&pointer, step);
        }
        if user.should_exist == Some(false) {
            continue;
        }
        if user.no_create_home != Some(true) && !made_by_mount.is_empty() {
            plan.push(
                &pointer,
                Step::HandOver {
                    made: made_by_mount.to_vec(),
                    user: user.name.clone(),
                },
            );
        }
        if !user.ssh_authorized_keys.is_empty() {
            let (file, keys) = (keys.path().to_owned(), user.ssh_authorized_keys.clone());
            plan.push(
                format!("{pointer}/sshAuthorizedKeys"),
                Step::AuthorizedKeys {
                    user: user.name.clone(),
                    file,
                    keys,
                },
            );
        }
    }
}

fn below(program: Program, root: &Path) -> Invocation {
    Invocation::new(program).option("--root", Some(root.as_os_str()))
}

/// What the target has of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Absent,
    /// The program that creates it was killed.
    HalfMade,
    Whole,
}

fn changing(call: Invocation, name: &str, already: bool) -> Step {
    Step::Account {
        call: call.arg(name),
        already,
        work: AccountWork::Change {
            name: name.to_owned(),
        },
        leaves: None,
    }
}

/// A change that deletes or moves the home.
fn leaving(call: Invocation, name: &str, home: PathBuf) -> Step {
    let mut step = changing(call, name, false);
    if let Step::Account { leaves, .. } = &mut step {
        *leaves = Some(home);
    }
    step
}

fn plan_group(group: &Group, found: Found, root: &Path) -> Vec<Step> {
    let gid = group.gid.map(|gid| gid.to_string());
    let hash = group.password_hash.as_deref();
    let delete = || changing(below(Program::Groupdel, root), &group.name, false);
    let create = || Step::Account {
        call: below(Program::Groupadd, root)
            .option("--gid", gid.clone())
            .secret_option("--password", hash)
            .flag("--system", group.system == Some(true))
            .arg(&group.name),
        already: false,
        work: AccountWork::NewGroup {
            name: group.name.clone(),
        },
        leaves: None,
    };
    match (group.should_exist.unwrap_or(true), found) {
        (false, Found::Absent) => Vec::new(),
        (false, _) => vec![delete()],
        (true, Found::Absent) => vec![create()],
        // It is in one of the two databases: once more, from the start.
        (true, Found::HalfMade) => vec![delete(), create()],
        (true, Found::Whole) => {
            let already = gid.is_none() && hash.is_none();
            let call = below(Program::Groupmod, root)
                .option("--gid", gid.clone())
                .secret_option("--password", hash);
            vec![changing(call, &group.name, already)]
        }
    }
}

/// What creating a user makes where nothing was, so that a run that begins again may remove it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Makes {
    home: Option<PathBuf>,
    group: bool,
}

impl Makes {
    fn new(user: &User, config: &Config, target: &Target) -> Self {
        let wants_group = user.no_user_group != Some(true)
            && user.primary_group.as_deref().unwrap_or_default().is_empty()
            && !config.passwd.groups.iter().any(|group| group.name == user.name);
        Self {
            home: target.new_homes.get(&user.name).cloned(),
            group: wants_group && !target.groups.contains_key(&user.name),
        }
    }
}

/// What an earlier run began to make with a user and did not see the end of.
fn half_made(user: &User, target: &Target) -> Option<Makes> {
    target.unfinished.iter().find_map(|work| match work {
        AccountWork::NewUser {
            name,
            home,
            own_group,
        } if *name == user.name => Some(Makes {
            home: home.clone(),
            group: *own_group,
        }),
        _ => None,
    })
}

/// Takes away what a killed program left of a user, who is then created from the start.
fn undo(user: &User, target: &Target, root: &Path) -> Vec<Step> {
    let Some(made) = half_made(user, target) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    if target.users.contains_key(&user.name) {
        steps.push(changing(below(Program::Userdel, root), &user.name, false));
    } else if made.group && target.groups.contains_key(&user.name) {
        // Killed while it was undone: the user is gone, and the group would be in the way of a new one.
        steps.push(changing(below(Program::Groupdel, root), &user.name, false));
    }
    if let Some(path) = made.home {
        let found = "a half-made home".to_owned();
        steps.push(Step::Remove { path, found });
    }
    steps
}

/// `home` is the present one of a user who exists.
fn plan_user(user: &User, home: Option<PathBuf>, makes: Makes, root: &Path) -> Vec<Step> {
    match (user.should_exist.unwrap_or(true), home) {
        (false, None) => Vec::new(),
        (false, Some(home)) => {
            let call = below(Program::Userdel, root).arg("--remove");
            vec![leaving(call, &user.name, home)]
        }
        (true, None) => vec![create(user, makes, root)],
        (true, Some(home)) => {
            let call = change(user, root);
            let new = user.home_dir.as_deref().filter(|new| !new.is_empty());
            if new.is_some_and(|new| Path::new(new) != home) {
                return vec![leaving(call, &user.name, home)];
            }
            let already = call.args.len() == 2;
            vec![changing(call, &user.name, already)]
        }
    }
}

fn create(user: &User, makes: Makes, root: &Path) -> Step {
    let home = if user.no_create_home == Some(true) {
        "--no-create-home"
    } else {
        "--create-home"
    };
    let password = user
        .password_hash
        .as_deref()
        .filter(|hash| !hash.is_empty())
        .unwrap_or("*");
    let call = below(Program::Useradd, root)
        .option(
            "--home-dir",
            user.home_dir.as_deref().filter(|home| !home.is_empty()),
        )
        .arg(home)
        .flag("--no-user-group", user.no_user_group == Some(true))
        .flag("--system", user.system == Some(true))
        .flag("--no-log-init", user.no_log_init == Some(true))
        .secret_option("--password", Some(password));
    let call = common(call, user).arg(&user.name);
    Step::Account {
        call,
        already: false,
        work: AccountWork::NewUser {
            name: user.name.clone(),
            home: makes.home,
            own_group: makes.group,
        },
        leaves: None,
    }
}

fn change(user: &User, root: &Path) -> Invocation {
    let home = user.home_dir.as_deref().filter(|home| !home.is_empty());
    let password = user
        .password_hash
        .as_deref()
        .map(|hash| if hash.is_empty() { "*" } else { hash });
    let call = below(Program::Usermod, root)
        .option("--home", home)
        .flag("--move-home", home.is_some())
        .secret_option("--password", password);
    common(call, user)
}

fn common(call: Invocation, user: &User) -> Invocation {
    let set = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    call.option("--uid", user.uid.map(|uid| uid.to_string()))
        .option("--comment", set(&user.gecos))
        .option("--gid", set(&user.primary_group))
        .option(
            "--groups",
            (!user.groups.is_empty()).then(|| user.groups.join(",")),
        )
        .option("--shell", set(&user.shell))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(steps: &[Step]) -> Vec<String> {
        steps
            .iter()
            .map(|step| match step {
                Step::Account { call, already, .. } => {
                    format!("{call}{}", if *already { " (already)" } else { "" })
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn user_table() {
        let root = Path::new("/sysroot");
        let bare = User {
            name: "ada".into(),
            ..User::default()
        };
        let full = User {
            name: "ada".into(),
            uid: Some(1500),
            gecos: Some("Ada L".into()),
            home_dir: Some("/var/home/ada".into()),
            primary_group: Some("users".into()),
            groups: vec!["wheel".into(), "adm".into()],
            shell: Some("/bin/sh".into()),
            password_hash: Some("$6$x".into()),
            system: Some(true),
            no_log_init: Some(true),
            ..User::default()
        };
        let gone = User {
            should_exist: Some(false),
            ..bare.clone()
        };
        for (row, user, exists, expected) in [
            (
                "absent",
                &bare,
                false,
                vec!["useradd --root /sysroot --create-home --password … ada"],
            ),
            (
                "present, nothing asked",
                &bare,
                true,
                vec!["usermod --root /sysroot ada (already)"],
            ),
            ("absent, unwanted", &gone, false, vec![]),
            (
                "present, unwanted",
                &gone,
                true,
                vec!["userdel --root /sysroot --remove ada"],
            ),
            (
                "absent, all set",
                &full,
                false,
                vec![
                    "useradd --root /sysroot --home-dir /var/home/ada --create-home --system --no-log-init --password … \
                 --uid 1500 --comment \"Ada L\" --gid users --groups wheel,adm --shell /bin/sh ada",
                ],
            ),
            (
                "present, all set",
                &full,
                true,
                vec![
                    "usermod --root /sysroot --home /var/home/ada --move-home --password … \
                 --uid 1500 --comment \"Ada L\" --gid users --groups wheel,adm --shell /bin/sh ada",
                ],
            ),
        ] {
            let home = exists.then(|| PathBuf::from("/home/ada"));
            let steps = plan_user(user, home, Makes::default(), root);
            assert_eq!(calls(&steps), expected, "{row}");
        }
    }

    #[test]
    fn group_table() {
        let root = Path::new("/");
        let group = |should_exist, gid| Group {
            name: "g".into(),
            gid,
            should_exist,
            ..Group::default()
        };
        for (row, group, found, expected) in [
            (
                "half made",
                group(None, Some(7)),
                Found::HalfMade,
                vec!["groupdel --root / g", "groupadd --root / --gid 7 g"],
            ),
            (
                "absent",
                group(None, Some(7)),
                Found::Absent,
                vec!["groupadd --root / --gid 7 g"],
            ),
            (
                "present",
                group(Some(true), Some(7)),
                Found::Whole,
                vec!["groupmod --root / --gid 7 g"],
            ),
            (
                "present, nothing asked",
                group(None, None),
                Found::Whole,
                vec!["groupmod --root / g (already)"],
            ),
            (
                "absent, unwanted",
                group(Some(false), None),
                Found::Absent,
                vec![],
            ),
            (
                "present, unwanted",
                group(Some(false), None),
                Found::Whole,
                vec!["groupdel --root / g"],
            ),
        ] {
            assert_eq!(calls(&plan_group(&group, found, root)), expected, "{row}");
        }
    }

    #[test]
    fn a_user_whose_program_was_killed_is_created_from_the_start() {
        let mut config = Config::default();
        config.passwd.users.push(User {
            name: "ada".into(),
            ..User::default()
        });
        let home = Some(PathBuf::from("/home/ada"));
        let mut target = Target::default();
        target.unfinished.insert(AccountWork::NewUser {
            name: "ada".into(),
            home: home.clone(),
            own_group: true,
        });
        let account = crate::inventory::target::Account {
            uid: 1000,
            gid: 1000,
            home: "/home/ada".into(),
        };
        target.users.insert("ada".into(), account);
        let mut plan = Plan::empty(crate::plan::Stage::Files);
        plan_accounts(&mut plan, &config, &target, Path::new("/"), &[], KeyFile::Whole);
        let steps: Vec<Step> = plan.steps.into_iter().map(|planned| planned.step).collect();
        assert_eq!(
            calls(&steps),
            [
                "ClearAccountLocks",
                "userdel --root / ada",
                "Remove { path: \"/home/ada\", found: \"a half-made home\" }",
                "useradd --root / --create-home --password … ada",
            ]
        );
        let Some(Step::Account { work, .. }) = steps.last() else {
            panic!("{steps:?}")
        };
        let name = "ada".to_owned();
        assert_eq!(
            *work,
            AccountWork::NewUser {
                name,
                home,
                own_group: true
            }
        );
    }

    #[test]
    fn a_group_that_was_there_before_its_user_is_never_deleted() {
        let mut config = Config::default();
        config.passwd.users.push(User {
            name: "docker".into(),
            ..User::default()
        });
        let mut target = Target {
            groups: [("docker".to_owned(), 990)].into(),
            ..Target::default()
        };
        let planned = |target: &Target| {
            let mut plan = Plan::empty(crate::plan::Stage::Files);
            plan_accounts(&mut plan, &config, target, Path::new("/"), &[], KeyFile::Whole);
            let steps = plan.steps.into_iter().map(|planned| planned.step);
            steps.collect::<Vec<_>>()
        };
        let first = planned(&target);
        let Some(Step::Account { work, .. }) = first.last() else {
            panic!("{first:?}")
        };
        target.unfinished.insert(work.clone());
        let again = calls(&planned(&target));
        assert!(
            !again.iter().any(|call| call.starts_with("groupdel")),
            "{again:?}"
        );
    }

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
}
