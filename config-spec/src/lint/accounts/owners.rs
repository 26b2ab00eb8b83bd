//! Users and groups by name, where neither the config nor the target has them.

use super::{Setting, lint, users};
use crate::diagnostic::Pointer;
use crate::facts::Facts;
use crate::rules::Findings;
use crate::suggest::{quoted, similar};
use crate::types::Config;

/// Accounts that images of the field bring along. Without facts of the target, none of them is taken for a slip.
const COMMON: [&str; 44] = [
    "adm", "audio", "backup", "bin", "cdrom", "core", "daemon", "dialout", "disk", "docker", "etcd",
    "floppy", "games", "input", "irc", "kmem", "kube", "kvm", "list", "lp", "mail", "man", "netdev", "news",
    "nobody", "nogroup", "operator", "plugdev", "proxy", "render", "root", "sgx", "shadow", "src", "staff",
    "sudo", "sync", "sys", "tape", "tty", "users", "utmp", "video", "wheel",
];

/// Whether a name is of a user or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    User,
    Group,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    fn is_of(self, name: &str, facts: &Facts) -> bool {
        match self {
            Self::User => facts.has_user(name),
            Self::Group => facts.has_group(name),
        }
    }
}

/// The accounts of one kind that the config makes and deletes.
struct Accounts<'a> {
    made: Vec<&'a str>,
    deleted: Vec<&'a str>,
}

fn accounts<'a>(config: &'a Config, kind: Kind) -> Accounts<'a> {
    let passwd = &config.passwd;
    let of_users = passwd.users.iter().filter(|user| {
        let has_own_group = user.no_user_group != Some(true) && user.primary_group.is_none();
        kind == Kind::User || (has_own_group && user.should_exist != Some(false))
    });
    let of_users = of_users.map(|user| (user.name.as_str(), user.should_exist));
    let of_groups = passwd.groups.iter().filter(|_| kind == Kind::Group);
    let of_groups = of_groups.map(|group| (group.name.as_str(), group.should_exist));
    let (deleted, made): (Vec<_>, Vec<_>) = of_users
        .chain(of_groups)
        .partition(|(_, should_exist)| *should_exist == Some(false));
    let names = |accounts: Vec<(&'a str, _)>| accounts.into_iter().map(|(name, _)| name).collect();
    Accounts {
        made: names(made),
        deleted: names(deleted),
    }
}

/// Every place that names an account, and the name.
fn named(config: &Config) -> impl Iterator<Item = (Pointer, Kind, &str)> {
    let at = |list: &str, index| Pointer::root().key("storage").key(list).index(index);
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate();
    let files = storage.files.iter().enumerate();
    // A hard link has the owner of its target.
    let links = storage.links.iter().enumerate();
    let links = links.filter(|(_, link)| link.hard != Some(true));
    let nodes = directories
        .map(move |(index, node)| (at("directories", index), &node.user, &node.group))
        .chain(files.map(move |(index, node)| (at("files", index), &node.user, &node.group)))
        .chain(links.map(move |(index, node)| (at("links", index), &node.user, &node.group)));
    let owners = nodes.flat_map(|(at, user, group)| {
        let user = (
            at.clone().key("user").key("name"),
            Kind::User,
            user.name.as_deref(),
        );
        let group = (at.key("group").key("name"), Kind::Group, group.name.as_deref());
        [user, group]
    });
    let groups = users(config).flat_map(|(at, user)| {
        let primary = (
            at.clone().key("primaryGroup"),
            Kind::Group,
            user.primary_group.as_deref(),
        );
        let further = user.groups.iter().enumerate();
        let further = further.map(move |(index, name)| {
            let at = at.clone().key("groups").index(index);
            (at, Kind::Group, Some(name.as_str()))
        });
        std::iter::once(primary).chain(further)
    });
    owners
        .chain(groups)
        .filter_map(|(at, kind, name)| Some((at, kind, name.filter(|name| !name.is_empty())?)))
}

pub(super) fn names_are_accounts(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let of_config = [Kind::User, Kind::Group].map(|kind| accounts(config, kind));
    for (at, kind, name) in named(config) {
        let [users, groups] = &of_config;
        let accounts = if kind == Kind::User { users } else { groups };
        // The tools take a number for a group's id.
        let is_id = name.bytes().all(|digit| digit.is_ascii_digit());
        if name == "root" || accounts.made.contains(&name) || (kind == Kind::Group && is_id) {
            continue;
        }
        match setting.facts {
            Some(facts) => is_unknown(name, kind, accounts, facts, at, findings),
            None => is_a_slip(name, kind, accounts, at, findings),
        }
    }
}

fn is_unknown(
    name: &str,
    kind: Kind,
    accounts: &Accounts<'_>,
    facts: &Facts,
    at: Pointer,
    findings: &mut Findings,
) {
    let word = kind.word();
    let is_deleted = accounts.deleted.contains(&name);
    if kind.is_of(name, facts) && !is_deleted {
        return;
    }
    let message = if is_deleted {
        format!("the {word} {} is deleted by this config", quoted(name))
    } else {
        format!(
            "neither this config nor the target has the {word} {}",
            quoted(name)
        )
    };
    let of_target: Vec<&str> = match kind {
        Kind::User => facts.users.keys().map(String::as_str).collect(),
        Kind::Group => facts.groups.keys().map(String::as_str).collect(),
    };
    let all = accounts.made.iter().copied().chain(of_target);
    let help = match similar(name, all.filter(|known| *known != name)) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => format!("add it to passwd.{word}s, or name one that is there"),
    };
    findings.report(lint::OWNER_UNKNOWN.rule, at, message).help(help);
}

/// Without facts, a name is doubted only where it looks like one of the config's own.
fn is_a_slip(name: &str, kind: Kind, accounts: &Accounts<'_>, at: Pointer, findings: &mut Findings) {
    let letters = |name: &str| {
        name.trim_end_matches(|letter: char| letter.is_ascii_digit())
            .len()
    };
    let numbered = |known: &str| known.get(..letters(known)) == name.get(..letters(name));
    if COMMON.contains(&name) || name.starts_with("systemd-") {
        return;
    }
    let made = accounts.made.iter().copied();
    let Some(meant) = similar(name, made.filter(|known| !numbered(known))) else {
        return;
    };
    let word = kind.word();
    let message = format!(
        "this config makes no {word} {}, but {}",
        quoted(name),
        quoted(meant)
    );
    findings
        .report(lint::OWNER_MISSPELT.rule, at, message)
        .help(format!("write {} if that is meant", quoted(meant)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Account;
    use crate::lint::told::{expect, said};

    fn target() -> Facts {
        Facts {
            users: [("core".to_owned(), Account { uid: 500, gid: 500 })].into(),
            groups: [("core".to_owned(), 500), ("adm".to_owned(), 4)].into(),
            ..Facts::default()
        }
    }

    fn with<'a>(facts: &'a Facts) -> Setting<'a> {
        Setting {
            facts: Some(facts),
            ..Setting::default()
        }
    }

    fn file(owner: &str, passwd: &str) -> String {
        format!(r#""storage":{{"files":[{{"path":"/a",{owner}}}]}},"passwd":{{{passwd}}}"#)
    }

    #[test]
    fn owners_are_of_the_config_or_of_the_target() {
        let user: &[&str] = &["$.storage.files.0.user.name owner-unknown"];
        let group: &[&str] = &["$.storage.files.0.group.name owner-unknown"];
        let facts = target();
        for (owner, passwd, expected) in [
            (r#""user":{"name":"core"}"#, "", &[][..]),
            (r#""user":{"name":"root"},"group":{"name":"root"}"#, "", &[]),
            (r#""user":{"name":"ada"}"#, "", user),
            (r#""user":{"name":""}"#, "", &[]),
            (r#""user":{"id":7}"#, "", &[]),
            (r#""user":{"name":"ada"}"#, r#""users":[{"name":"ada"}]"#, &[]),
            (r#""group":{"name":"ada"}"#, r#""users":[{"name":"ada"}]"#, &[]),
            (
                r#""group":{"name":"ada"}"#,
                r#""users":[{"name":"ada","noUserGroup":true}]"#,
                group,
            ),
            (
                r#""group":{"name":"ada"}"#,
                r#""users":[{"name":"ada","primaryGroup":"adm"}]"#,
                group,
            ),
            (r#""group":{"name":"ada"}"#, r#""groups":[{"name":"ada"}]"#, &[]),
            (
                r#""user":{"name":"core"}"#,
                r#""users":[{"name":"core","shouldExist":false}]"#,
                user,
            ),
            (r#""user":{"name":"ada"}"#, r#""groups":[{"name":"ada"}]"#, user),
        ] {
            expect(&with(&facts), &[(&file(owner, passwd), expected)]);
        }
    }

    #[test]
    fn users_are_members_of_groups_that_are_there() {
        let facts = target();
        let users = r#""passwd":{"users":[
            {"name":"ada","primaryGroup":"100","groups":["adm","wheel"]},
            {"name":"bob","primaryGroup":"staff"},
            {"name":"eve","shouldExist":false,"groups":["none"]}]}"#;
        let expected = [
            "$.passwd.users.0.groups.1 owner-unknown",
            "$.passwd.users.1.primaryGroup owner-unknown",
        ];
        expect(&with(&facts), &[(users, &expected)]);
        expect(&Setting::default(), &[(users, &[])]);
    }

    #[test]
    fn without_facts_only_slips_are_told() {
        let told: &[&str] = &["warning $.storage.files.0.user.name owner-misspelt"];
        for (name, made, expected) in [
            ("operater", "deployer", &[][..]),
            ("deploer", "deployer", told),
            ("Deployer", "deployer", told),
            ("core", "cores", &[]),
            ("node1", "node2", &[]),
            ("systemd-network", "systemd-networks", &[]),
        ] {
            let owner = format!(r#""user":{{"name":"{name}"}}"#);
            let passwd = format!(r#""users":[{{"name":"{made}"}}]"#);
            expect(&Setting::default(), &[(&file(&owner, &passwd), expected)]);
        }
    }

    #[test]
    fn the_remedy_knows_both_sides() {
        let facts = target();
        let help = |owner: &str, passwd: &str| said(&file(owner, passwd), &with(&facts))[0].1.clone();
        assert_eq!(
            help(r#""user":{"name":"coer"}"#, ""),
            "add it to passwd.users, or name one that is there"
        );
        assert_eq!(help(r#""user":{"name":"cor"}"#, ""), "did you mean \"core\"?");
        assert_eq!(
            help(r#""group":{"name":"kubes"}"#, r#""groups":[{"name":"kube"}]"#),
            "did you mean \"kube\"?"
        );
    }
}
