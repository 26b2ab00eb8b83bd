//! What stands in the way of files, directories and links in the target's root.

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::facts::{Facts, is_below};
use crate::rules::Findings;
use crate::suggest::quoted;
use crate::types::Config;

pub(super) const CHECKS: &[Check] = &[paths_are_free, paths_can_be_written];

/// How many links one path may go through, as in the kernel (`MAXSYMLINKS`, linux/namei.h).
const LINKS_FOLLOWED: usize = 40;

/// Where `path` is made: links among its directories are followed, also those that lead to what is not there yet, and
/// its last step is not.
pub(super) fn real(facts: &Facts, path: &str) -> String {
    let mut links_left = LINKS_FOLLOWED;
    let mut steps: Vec<&str> = path.split('/').rev().collect();
    let mut here = String::new();
    while let Some(step) = steps.pop() {
        match step {
            "" | "." => continue,
            ".." => {
                here.truncate(here.rfind('/').unwrap_or_default());
                continue;
            }
            name => here.extend(["/", name]),
        }
        if let Some(target) = facts
            .links
            .get(&here)
            .filter(|_| !steps.is_empty() && links_left > 0)
        {
            links_left -= 1;
            let parent = here.rfind('/').unwrap_or_default();
            here.truncate(if target.starts_with('/') { 0 } else { parent });
            steps.extend(target.split('/').rev());
        }
    }
    here
}

/// What a config wants at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want<'a> {
    Directory,
    /// With contents of its own, or only owner, mode and what is appended.
    File {
        has_contents: bool,
    },
    /// With its target; of hard links it does not matter.
    Link(Option<&'a str>),
}

/// A node of the config that lies in the target's root, not on a file system of its own.
struct Node<'a> {
    at: Pointer,
    path: &'a str,
    may_overwrite: bool,
    want: Want<'a>,
}

fn nodes(config: &Config) -> impl Iterator<Item = Node<'_>> {
    let at = |list: &str, index| Pointer::root().key("storage").key(list).index(index);
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate();
    let directories = directories.map(move |(index, node)| Node {
        at: at("directories", index),
        path: &node.path,
        may_overwrite: node.overwrite == Some(true),
        want: Want::Directory,
    });
    let files = storage.files.iter().enumerate().map(move |(index, node)| Node {
        at: at("files", index),
        path: &node.path,
        may_overwrite: node.overwrite == Some(true),
        want: Want::File {
            has_contents: node.contents.source.is_some(),
        },
    });
    let links = storage.links.iter().enumerate().map(move |(index, node)| Node {
        at: at("links", index),
        path: &node.path,
        may_overwrite: node.overwrite == Some(true),
        want: Want::Link(node.target.as_deref().filter(|_| node.hard != Some(true))),
    });
    directories.chain(files).chain(links).filter(|node| {
        let mut mounts = config.storage.filesystems.iter();
        !mounts.any(|filesystem| {
            let path = filesystem.path.as_deref();
            path.is_some_and(|path| path != "/" && (is_below(node.path, path) || node.path == path))
        })
    })
}

/// What a path holds in the target, in a word, when `want` cannot be had beside it.
fn obstacle(facts: &Facts, path: &str, want: Want<'_>) -> Option<&'static str> {
    if let Some(target) = facts.links.get(path) {
        return (want != Want::Link(Some(target))).then_some("a link");
    }
    if facts.directories.contains(path) {
        return (want != Want::Directory).then_some("a directory");
    }
    if facts.files.contains(path) || facts.programs.contains(path) {
        return (want != Want::File { has_contents: false }).then_some("a file");
    }
    facts.special.contains(path).then_some("a device, socket or pipe")
}

fn paths_are_free(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let Some(facts) = setting.facts else { return };
    for node in nodes(config).filter(|node| !node.may_overwrite) {
        let Some(found) = obstacle(facts, &real(facts, node.path), node.want) else {
            continue;
        };
        let message = format!("the target has {found} at {}, and keeps it", quoted(node.path));
        let help = match node.want {
            Want::File { has_contents: true } if found == "a file" => {
                "add \"overwrite\": true to replace it, or give append instead of contents to add to it"
            }
            Want::File { has_contents: false } => "name the file itself, or another path",
            _ => "add \"overwrite\": true to replace it, or choose another path",
        };
        findings
            .report(lint::PATH_OCCUPIED.rule, node.at.key("path"), message)
            .help(help);
    }
}

fn paths_can_be_written(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let Some(facts) = setting.facts else { return };
    for node in nodes(config) {
        let path = real(facts, node.path);
        let mut read_only = facts.read_only.iter();
        let Some(place) = read_only.find(|place| **place == path || is_below(&path, place)) else {
            continue;
        };
        let message = format!("{} is read-only in the target", quoted(place));
        let help = if is_below(&path, "/usr") {
            "write to /etc, /opt or /var; programs are often kept in /opt/bin, settings below /etc"
        } else {
            "choose a path that can be written"
        };
        findings
            .report(lint::PATH_READ_ONLY.rule, node.at.key("path"), message)
            .help(help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    fn target() -> Facts {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let links = [
            ("/bin", "usr/bin"),
            ("/etc/localtime", "../usr/share/zoneinfo/UTC"),
            ("/usr/local", "../var/usrlocal"),
            ("/loop", "loop"),
        ];
        Facts {
            directories: set(&["/etc", "/usr", "/usr/bin", "/var"]),
            links: links.map(|(path, to)| (path.to_owned(), to.to_owned())).into(),
            programs: set(&["/usr/bin/env"]),
            files: set(&["/etc/hosts"]),
            special: set(&["/etc/pipe"]),
            read_only: set(&["/usr"]),
            ..Facts::default()
        }
    }

    #[test]
    fn links_among_the_directories_are_followed() {
        let facts = target();
        for (path, expected) in [
            ("/etc/hosts", "/etc/hosts"),
            ("/bin/env", "/usr/bin/env"),
            ("/bin", "/bin"),
            ("/usr/local/bin/a", "/var/usrlocal/bin/a"),
            ("/new/a", "/new/a"),
            ("/loop/a", "/loop/a"),
        ] {
            assert_eq!(real(&facts, path), expected, "{path}");
        }
    }

    #[test]
    fn what_the_target_has_is_not_replaced_unasked() {
        let facts = Facts {
            read_only: crate::order::OrderedSet::new(),
            ..target()
        };
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        for (list, node, is_told) in [
            (
                "files",
                r#""path":"/etc/hosts","contents":{"source":"data:,x"}"#,
                true,
            ),
            (
                "files",
                r#""path":"/etc/hosts","overwrite":true,"contents":{"source":"data:,x"}"#,
                false,
            ),
            (
                "files",
                r#""path":"/etc/hosts","append":[{"source":"data:,x"}]"#,
                false,
            ),
            (
                "files",
                r#""path":"/etc/new","contents":{"source":"data:,x"}"#,
                false,
            ),
            (
                "files",
                r#""path":"/bin/env","contents":{"source":"data:,x"}"#,
                true,
            ),
            ("files", r#""path":"/etc/localtime","mode":420"#, true),
            ("files", r#""path":"/etc/pipe","mode":420"#, true),
            ("files", r#""path":"/var","mode":420"#, true),
            ("directories", r#""path":"/var","mode":448"#, false),
            ("directories", r#""path":"/bin""#, true),
            ("directories", r#""path":"/etc/hosts","overwrite":true"#, false),
            (
                "links",
                r#""path":"/etc/localtime","target":"../usr/share/zoneinfo/UTC""#,
                false,
            ),
            (
                "links",
                r#""path":"/etc/localtime","target":"../usr/share/zoneinfo/Europe/Berlin""#,
                true,
            ),
            (
                "links",
                r#""path":"/etc/hosts","target":"/etc/new","hard":true"#,
                true,
            ),
        ] {
            let members = format!(r#""storage":{{"{list}":[{{{node}}}]}}"#);
            let finding = format!("$.storage.{list}.0.path path-occupied");
            let expected: &[&str] = if is_told { &[&finding] } else { &[] };
            expect(&setting, &[(&members, expected)]);
        }
        let mounted = r#""storage":{"files":[{"path":"/etc/hosts","contents":{"source":"data:,x"}}],
            "filesystems":[{"device":"/dev/vda","format":"xfs","path":"/etc"}]},"systemd":{"units":[{"name":"etc.mount"}]}"#;
        expect(&setting, &[(mounted, &[])]);
    }

    #[test]
    fn what_is_read_only_is_not_written() {
        let facts = target();
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        for (path, is_told) in [
            ("/usr/bin/a", true),
            ("/bin/a", true),
            ("/usr/local/bin/a", false),
            ("/usrlocal/a", false),
            ("/etc/a", false),
        ] {
            let members = format!(r#""storage":{{"files":[{{"path":"{path}","mode":420}}]}}"#);
            let expected: &[&str] = if is_told {
                &["$.storage.files.0.path path-read-only"]
            } else {
                &[]
            };
            expect(&setting, &[(&members, expected)]);
        }
    }
}
