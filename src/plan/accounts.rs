//! Groups and users (engine.md 4.6.1, 4.6.2): which program is called with which arguments, or what is done natively
//! where the initramfs has no such program.

mod checks;

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::types::{Config, Group, User};

use super::{Plan, Step, nodes};
use crate::inventory::target::{AccountWork, Target};
use crate::invocation::Arg;
use crate::shadow::{Action, Edit, LINE_LIMIT};
pub use checks::{check_edits, check_names};

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
    pub users: OrderedSet<&'a str>,
    /// Groups.
    pub groups: OrderedSet<&'a str>,
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

/// Adds the steps for all groups, then all users, each in the config's order. What they do to the accounts is returned
/// with its place in the config.
pub fn plan_accounts(
    plan: &mut Plan,
    config: &Config,
    target: &Target,
    root: &Path,
    made_by_mount: &[std::path::PathBuf],
    keys: KeyFile,
) -> Vec<(String, Edit)> {
    let mut edits = Vec::new();
    let mut push = |plan: &mut Plan, pointer: &str, hash: Option<&str>, work: Vec<Work>| {
        for one in work {
            plan.push(pointer, one.step(target, root, hash));
            if let Work::Edit(edit, ..) = one
                && !edit.is_empty()
            {
                edits.push((pointer.to_owned(), *edit));
            }
        }
    };
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
        let (pointer, hash) = (format!("/passwd/groups/{index}"), group.password_hash.as_deref());
        push(plan, &pointer, hash, plan_group(group, state));
    }
    let groups = config.passwd.groups.iter().map(|group| group.name.as_str());
    let groups: OrderedSet<&str> = groups.into_set();
    for (index, user) in config.passwd.users.iter().enumerate() {
        let pointer = format!("/passwd/users/{index}");
        push(plan, &pointer, None, undo(user, target));
        let exists = target.users.contains_key(&user.name) && half_made(user, target).is_none();
        let makes = half_made(user, target).unwrap_or_else(|| Makes::new(user, &groups, target));
        let home = target.users.get(&user.name).map(|found| found.home.clone());
        let hash = user.password_hash.as_deref();
        let work = plan_user(user, home.filter(|_| exists), makes);
        push(plan, &pointer, hash, work);
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
    edits
}

/// What is done for an account.
#[derive(Debug)]
enum Work {
    /// It is made, changed or deleted; with the home directory that is not there any more afterwards.
    Edit(Box<Edit>, AccountWork, Option<PathBuf>),
    /// A half-made home is removed.
    RemoveHome(PathBuf),
}

impl Work {
    /// A change or deletion: done once more, from the start, by a run that begins again.
    fn change(edit: Edit, leaves: Option<PathBuf>) -> Self {
        let name = edit.name.clone();
        Self::Edit(Box::new(edit), AccountWork::Change { name }, leaves)
    }

    /// The step: by the program, or natively where there is none. `hash` takes the place of its stand-in.
    fn step(&self, target: &Target, root: &Path, hash: Option<&str>) -> Step {
        let (edit, work, leaves) = match self {
            Self::Edit(edit, work, leaves) => (edit, work.clone(), leaves.clone()),
            Self::RemoveHome(path) => {
                let (path, found) = (path.clone(), "a half-made home".to_owned());
                return Step::Remove { path, found };
            }
        };
        let already = edit.is_empty();
        let hash = hash.filter(|hash| !hash.is_empty() && edit.password.is_some());
        if target.missing_programs.contains(&edit.action.program()) {
            let mut edit = edit.clone();
            if let Some(hash) = hash {
                edit.password = Some(hash.to_owned());
            }
            return Step::EditAccount {
                edit,
                already,
                work,
                leaves,
            };
        }
        let mut call = edit.call(Some(root));
        for arg in &mut call.args {
            if let (Arg::Secret(arg), Some(hash)) = (arg, hash) {
                *arg = hash.into();
            }
        }
        Step::Account {
            call,
            already,
            work,
            leaves,
        }
    }
}

/// What the target has of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Absent,
    /// The program that creates it was killed.
    HalfMade,
    Whole,
}

fn of(action: Action, name: &str) -> Edit {
    Edit {
        action,
        name: name.to_owned(),
        ..Edit::default()
    }
}

/// What stands for a hash, which may be long: as good or bad for the databases as the hash itself.
fn stand_in(hash: &str) -> String {
    let is_bad = |c: char| c == ':' || c.is_ascii_control();
    let text = if hash.contains(is_bad) { ":" } else { "*" };
    text.to_owned()
}

/// A text for the databases. One that no line can hold is none, and is refused as such.
fn short(text: &str) -> String {
    let text = if text.len() > LINE_LIMIT { ":" } else { text };
    text.to_owned()
}

fn plan_group(group: &Group, found: Found) -> Vec<Work> {
    let hash = group.password_hash.as_deref();
    let edit = |action| Edit {
        id: group.gid,
        password: hash.map(|hash| {
            if hash.is_empty() {
                String::new()
            } else {
                stand_in(hash)
            }
        }),
        ..of(action, &group.name)
    };
    let delete = || Work::change(of(Action::DeleteGroup, &group.name), None);
    let create = || {
        let edit = Edit {
            system: group.system == Some(true),
            ..edit(Action::NewGroup)
        };
        let name = group.name.clone();
        Work::Edit(Box::new(edit), AccountWork::NewGroup { name }, None)
    };
    match (group.should_exist.unwrap_or(true), found) {
        (false, Found::Absent) => Vec::new(),
        (false, _) => vec![delete()],
        (true, Found::Absent) => vec![create()],
        // It is in one of the two databases: once more, from the start.
        (true, Found::HalfMade) => vec![delete(), create()],
        (true, Found::Whole) => vec![Work::change(edit(Action::ChangeGroup), None)],
    }
}

/// What creating a user makes where nothing was, so that a run that begins again may remove it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Makes {
    home: Option<PathBuf>,
    group: bool,
}

impl Makes {
    fn new(user: &User, groups: &OrderedSet<&str>, target: &Target) -> Self {
        let wants_group = user.no_user_group != Some(true)
            && user.primary_group.as_deref().unwrap_or_default().is_empty()
            && !groups.contains(user.name.as_str());
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
fn undo(user: &User, target: &Target) -> Vec<Work> {
    let Some(made) = half_made(user, target) else {
        return Vec::new();
    };
    let mut work = Vec::new();
    let has_group = target.groups.contains_key(&user.name);
    if target.users.contains_key(&user.name) {
        if !made.group && has_group && user.primary_group.as_ref() == Some(&user.name) {
            // The group was there before; with its last user, who has its name, userdel would take it away.
            let primary = Some("0".to_owned());
            let edit = of(Action::ChangeUser, &user.name);
            work.push(Work::change(Edit { primary, ..edit }, None));
        }
        let edit = of(Action::DeleteUser, &user.name);
        let no_user_group = !made.group;
        work.push(Work::change(
            Edit {
                no_user_group,
                ..edit
            },
            None,
        ));
    } else if made.group && has_group {
        // Killed while it was undone: the user is gone, and the group would be in the way of a new one.
        work.push(Work::change(of(Action::DeleteGroup, &user.name), None));
    }
    work.extend(made.home.map(Work::RemoveHome));
    work
}

/// `home` is the present one of a user who exists.
fn plan_user(user: &User, home: Option<PathBuf>, makes: Makes) -> Vec<Work> {
    match (user.should_exist.unwrap_or(true), home) {
        (false, None) => Vec::new(),
        (false, Some(home)) => {
            let remove_home = true;
            let edit = of(Action::DeleteUser, &user.name);
            vec![Work::change(Edit { remove_home, ..edit }, Some(home))]
        }
        (true, None) => {
            let name = user.name.clone();
            let work = AccountWork::NewUser {
                name,
                home: makes.home,
                own_group: makes.group,
            };
            vec![Work::Edit(Box::new(create(user)), work, None)]
        }
        (true, Some(home)) => {
            let edit = fields(user, Action::ChangeUser);
            let moves = edit.home.as_ref().is_some_and(|new| Path::new(new) != home);
            vec![Work::change(edit, moves.then_some(home))]
        }
    }
}

fn create(user: &User) -> Edit {
    let edit = fields(user, Action::NewUser);
    Edit {
        create_home: user.no_create_home != Some(true),
        no_user_group: user.no_user_group == Some(true),
        system: user.system == Some(true),
        no_log_init: user.no_log_init == Some(true),
        password: edit.password.or_else(|| Some("*".to_owned())),
        ..edit
    }
}

fn fields(user: &User, action: Action) -> Edit {
    let set = |value: &Option<String>| value.as_deref().filter(|value| !value.is_empty()).map(short);
    Edit {
        id: user.uid,
        password: user.password_hash.as_deref().map(stand_in),
        home: set(&user.home_dir),
        comment: set(&user.gecos),
        primary: set(&user.primary_group),
        groups: user.groups.clone(),
        shell: set(&user.shell),
        ..of(action, &user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::Program;

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

    fn steps(work: Vec<Work>, root: &Path) -> Vec<Step> {
        let target = Target::default();
        work.iter()
            .map(|one| one.step(&target, root, Some("$6$x")))
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
            let work = plan_user(user, home, Makes::default());
            assert_eq!(calls(&steps(work, root)), expected, "{row}");
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
            assert_eq!(calls(&steps(plan_group(&group, found), root)), expected, "{row}");
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
    fn where_a_program_is_missing_its_work_is_done_natively() {
        let mut config = Config::default();
        config.passwd.groups.push(Group {
            name: "crew".into(),
            ..Group::default()
        });
        config.passwd.users.push(User {
            name: "ada".into(),
            password_hash: Some("$6$hush".into()),
            ..User::default()
        });
        let target = Target {
            missing_programs: [Program::Useradd].into(),
            ..Target::default()
        };
        let mut plan = Plan::empty(crate::plan::Stage::Files);
        plan_accounts(&mut plan, &config, &target, Path::new("/r"), &[], KeyFile::Whole);
        assert_eq!(
            crate::plan::show::lines(&plan),
            [
                "> groupadd --root /r crew",
                "> natively: useradd --create-home --password … ada"
            ]
        );
        let json = serde_json::to_string(&plan).unwrap();
        assert!(
            json.contains("\"step\":\"edit-account\"") && !json.contains("hush"),
            "{json}"
        );
        assert!(!format!("{plan:?}").contains("hush"));
    }

    #[test]
    fn a_half_made_user_of_a_group_of_their_name_leaves_it_before_they_are_deleted() {
        let user = User {
            name: "docker".into(),
            primary_group: Some("docker".into()),
            ..User::default()
        };
        let mut target = Target {
            groups: [("docker".to_owned(), 990)].into(),
            ..Target::default()
        };
        let account = crate::inventory::target::Account {
            uid: 1000,
            gid: 990,
            home: "/home/docker".into(),
        };
        target.users.insert("docker".into(), account);
        target.unfinished.insert(AccountWork::NewUser {
            name: "docker".into(),
            home: None,
            own_group: false,
        });
        let undone = calls(&steps(undo(&user, &target), Path::new("/")));
        assert_eq!(
            undone,
            ["usermod --root / --gid 0 docker", "userdel --root / docker"]
        );
    }

    #[test]
    fn the_page_says_which_programs_run() {
        let root = Path::new("/");
        for row in crate::plan::page::table("## Groups and users") {
            let &[kind, wanted, exists, what] = row.as_slice() else {
                panic!("{row:?}")
            };
            let should_exist = Some(wanted == "true");
            let is_half = exists.starts_with("half made");
            let work = if kind == "group" {
                let (name, gid) = ("g".into(), Some(7));
                let found = match exists {
                    "no" => Found::Absent,
                    "yes" => Found::Whole,
                    _ => Found::HalfMade,
                };
                let group = Group {
                    name,
                    gid,
                    should_exist,
                    ..Group::default()
                };
                plan_group(&group, found)
            } else {
                let (name, uid) = ("u".to_owned(), Some(7));
                let mut target = Target::default();
                let home = Some(PathBuf::from("/home/u"));
                if is_half {
                    let account = crate::inventory::target::Account {
                        uid: 7,
                        gid: 7,
                        home: "/home/u".into(),
                    };
                    target.users.insert(name.clone(), account);
                    target.unfinished.insert(AccountWork::NewUser {
                        name: name.clone(),
                        home: home.clone(),
                        own_group: true,
                    });
                }
                let user = User {
                    name,
                    uid,
                    should_exist,
                    ..User::default()
                };
                let mut work = undo(&user, &target);
                work.extend(plan_user(
                    &user,
                    home.filter(|_| exists == "yes"),
                    Makes::default(),
                ));
                work
            };
            let planned = calls(&steps(work, root));
            let mut planned: Vec<&str> = planned.iter().filter_map(|call| call.split(' ').next()).collect();
            planned.retain(|program| *program != "Remove");
            let said = what
                .split('`')
                .skip(1)
                .step_by(2)
                .filter_map(|code| code.split(' ').next());
            let said: Vec<&str> = said
                .filter(|word| word.starts_with(['u', 'g']) && *word != "gid")
                .collect();
            assert_eq!(planned, said, "{row:?}");
        }
    }
}
