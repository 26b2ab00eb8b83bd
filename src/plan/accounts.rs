//! Groups and users (engine.md 4.6.1, 4.6.2): which program is called with which arguments.

use std::path::Path;

use kindling_config_spec::types::{Config, Group, User};

use super::{Plan, Step};
use crate::inventory::target::Target;
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

/// Adds the steps for all groups, then all users, each in the config's order.
pub fn plan_accounts(
    plan: &mut Plan,
    config: &Config,
    target: &Target,
    root: &Path,
    made_by_mount: &[std::path::PathBuf],
    keys: KeyFile,
) {
    for (index, group) in config.passwd.groups.iter().enumerate() {
        let exists = target.groups.contains_key(&group.name);
        if let Some(step) = plan_group(group, exists, root) {
            plan.push(format!("/passwd/groups/{index}"), step);
        }
    }
    for (index, user) in config.passwd.users.iter().enumerate() {
        let pointer = format!("/passwd/users/{index}");
        let exists = target.users.contains_key(&user.name);
        let half_made = target.half_made_users.contains(&user.name);
        for step in plan_user(user, exists, half_made, root) {
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

fn plan_group(group: &Group, exists: bool, root: &Path) -> Option<Step> {
    let gid = group.gid.map(|gid| gid.to_string());
    let hash = group.password_hash.as_deref();
    let (call, already) = match (group.should_exist.unwrap_or(true), exists) {
        (false, false) => return None,
        (false, true) => (below(Program::Groupdel, root), false),
        (true, false) => (
            below(Program::Groupadd, root)
                .option("--gid", gid)
                .secret_option("--password", hash)
                .flag("--system", group.system == Some(true)),
            false,
        ),
        (true, true) => {
            let already = gid.is_none() && hash.is_none();
            (
                below(Program::Groupmod, root)
                    .option("--gid", gid)
                    .secret_option("--password", hash),
                already,
            )
        }
    };
    Some(Step::Account {
        call: call.arg(&group.name),
        already,
        creates: None,
    })
}

fn plan_user(user: &User, exists: bool, half_made: bool, root: &Path) -> Vec<Step> {
    let step = |call: Invocation, already: bool| Step::Account {
        call: call.arg(&user.name),
        already,
        creates: None,
    };
    match (user.should_exist.unwrap_or(true), exists, half_made) {
        (false, false, _) => Vec::new(),
        (false, true, _) => vec![step(below(Program::Userdel, root).arg("--remove"), false)],
        (true, false, _) => vec![create(user, root)],
        // The program was killed between the account and its home: once more, from the start.
        (true, true, true) => vec![step(below(Program::Userdel, root), false), create(user, root)],
        (true, true, false) => {
            let call = change(user, root);
            let already = call.args.len() == 2;
            vec![step(call, already)]
        }
    }
}

fn create(user: &User, root: &Path) -> Step {
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
        creates: Some(user.name.clone()),
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
        for (row, user, exists, half_made, expected) in [
            (
                "absent",
                &bare,
                false,
                false,
                vec!["useradd --root /sysroot --create-home --password … ada"],
            ),
            (
                "present, nothing asked",
                &bare,
                true,
                false,
                vec!["usermod --root /sysroot ada (already)"],
            ),
            ("absent, unwanted", &gone, false, false, vec![]),
            (
                "present, unwanted",
                &gone,
                true,
                false,
                vec!["userdel --root /sysroot --remove ada"],
            ),
            (
                "half made",
                &bare,
                true,
                true,
                vec![
                    "userdel --root /sysroot ada",
                    "useradd --root /sysroot --create-home --password … ada",
                ],
            ),
            (
                "absent, all set",
                &full,
                false,
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
                false,
                vec![
                    "usermod --root /sysroot --home /var/home/ada --move-home --password … \
                 --uid 1500 --comment \"Ada L\" --gid users --groups wheel,adm --shell /bin/sh ada",
                ],
            ),
        ] {
            assert_eq!(
                calls(&plan_user(user, exists, half_made, root)),
                expected,
                "{row}"
            );
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
        for (row, group, exists, expected) in [
            (
                "absent",
                group(None, Some(7)),
                false,
                vec!["groupadd --root / --gid 7 g"],
            ),
            (
                "present",
                group(Some(true), Some(7)),
                true,
                vec!["groupmod --root / --gid 7 g"],
            ),
            (
                "present, nothing asked",
                group(None, None),
                true,
                vec!["groupmod --root / g (already)"],
            ),
            ("absent, unwanted", group(Some(false), None), false, vec![]),
            (
                "present, unwanted",
                group(Some(false), None),
                true,
                vec!["groupdel --root / g"],
            ),
        ] {
            assert_eq!(
                calls(&plan_group(&group, exists, root).into_iter().collect::<Vec<_>>()),
                expected,
                "{row}"
            );
        }
    }
}
