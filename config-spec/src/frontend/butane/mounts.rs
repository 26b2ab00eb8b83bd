//! Units that mount a file system or use a swap area: `with_mount_unit`.

use super::remark::{Remark, Tell};
use super::variant::{Family, Variant};
use crate::frontend::tree::{Node, Value};
use crate::order::OrderedSet;
use crate::rules::catalog as rule;

/// The first base layer in which a swap area is none to mount.
const SWAP: u8 = 4;

/// The first base layer in which a unit waits for the network if its volume does.
const REMOTE: u8 = 3;

/// The first generation of Fedora CoreOS that asks where a file system is mounted.
const PLACES: u8 = 6;

/// File systems that want a unit, each with the flag that says so.
fn wanted<'n, 'a>(source: &'n Node<'a>) -> impl Iterator<Item = (&'n Node<'a>, &'n Node<'a>)> {
    let all = source
        .get("storage")
        .map_or(&[][..], |storage| storage.each("filesystems"));
    all.iter()
        .filter(|filesystem| filesystem.is("withMountUnit"))
        .filter_map(|filesystem| Some((filesystem, filesystem.get("withMountUnit")?)))
}

/// Tells what such a file system lacks.
pub(super) fn check(source: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    for (filesystem, _) in wanted(source) {
        let format = filesystem.word("format").unwrap_or_default();
        let path = filesystem.word("path").unwrap_or_default();
        let is_swap = variant.base >= SWAP && format == "swap";
        let mut missing = |name, message, help| {
            let at = filesystem.get(name).unwrap_or(filesystem).from;
            let below = if filesystem.get(name).is_none() { name } else { "" };
            tell(Remark::new(rule::BUTANE_MOUNT_UNIT, at, message, help).below(below));
        };
        if format.is_empty() {
            let help = "write the format, for example format: xfs";
            missing("format", "a mount unit needs to know the format", help);
        } else if path.is_empty() && !is_swap {
            let help = "write where it is mounted, for example path: /var/lib/data";
            missing("path", "a mount unit needs a path", help);
        }
        let is_writable = |root: &str| {
            path.strip_prefix(root)
                .is_some_and(|rest| matches!(rest.get(..1), None | Some("/")))
        };
        let is_held = variant.family == Family::Fcos && variant.fcos >= Some(PLACES);
        if is_held && !path.is_empty() && !is_writable("/etc") && !is_writable("/var") {
            let help = "mount it below /var, or /etc";
            missing(
                "path",
                "nothing is mounted there: the root is read-only beside /etc and /var",
                help,
            );
        }
    }
}

/// A partial document with the units.
pub(super) fn expand<'a>(source: &Node<'a>, variant: &Variant) -> Option<Node<'a>> {
    let remote = remote(source);
    let units: Vec<_> = wanted(source)
        .map(|(filesystem, flag)| {
            let is_swap = variant.base >= SWAP && filesystem.word("format") == Some("swap");
            let is_remote = variant.base >= REMOTE && is_remote(&remote, filesystem);
            let (name, contents) = if is_swap {
                swap(filesystem, is_remote)
            } else {
                mount(filesystem, is_remote)
            };
            Node::object(flag.from)
                .with("contents", Node::text(contents, flag.from))
                .with("enabled", Node::boolean(true, flag.from))
                .with("name", Node::text(name, flag.from))
        })
        .collect();
    let from = units.first()?.from;
    let systemd = Node::object(from).with("units", Node::list(units, from));
    Some(Node::object(from).with("systemd", systemd))
}

/// The names of the volumes that a Tang server opens.
fn remote<'n>(source: &'n Node<'_>) -> OrderedSet<&'n str> {
    let mut names = OrderedSet::new();
    let volumes = source
        .get("storage")
        .map_or(&[][..], |storage| storage.each("luks"));
    for volume in volumes {
        let has_tang = volume
            .get("clevis")
            .is_some_and(|clevis| !clevis.each("tang").is_empty());
        if let Some(name) = volume.word("name").filter(|_| has_tang) {
            names.insert(name);
        }
    }
    names
}

/// Whether the file system is on one of those volumes.
fn is_remote(volumes: &OrderedSet<&str>, filesystem: &Node<'_>) -> bool {
    let device = filesystem.word("device").unwrap_or_default();
    let name = ["/dev/mapper/", "/dev/disk/by-id/dm-name-"]
        .iter()
        .find_map(|folder| device.strip_prefix(folder));
    name.is_some_and(|name| volumes.contains(name))
}

fn mount(filesystem: &Node<'_>, is_remote: bool) -> (String, String) {
    let word = |name| filesystem.word(name).unwrap_or_default();
    let (device, path) = (word("device"), word("path"));
    let fsck = ["systemd-fsck@", &escaped(device), ".service"].concat();
    let target = if is_remote {
        "remote-fs.target"
    } else {
        "local-fs.target"
    };
    let contents = [
        HEAD,
        "[Unit]\nRequires=",
        &fsck,
        "\nAfter=",
        &fsck,
        "\n\n[Mount]\nWhere=",
        path,
        "\nWhat=",
        device,
        "\nType=",
        word("format"),
        &options(filesystem, is_remote),
        "\n\n[Install]\nRequiredBy=",
        target,
    ];
    (escaped(path) + ".mount", contents.concat())
}

fn swap(filesystem: &Node<'_>, is_remote: bool) -> (String, String) {
    let device = filesystem.word("device").unwrap_or_default();
    let contents = [
        HEAD,
        "[Swap]\nWhat=",
        device,
        &options(filesystem, is_remote),
        "\n\n[Install]\nRequiredBy=swap.target",
    ];
    (escaped(device) + ".swap", contents.concat())
}

/// What the reference writes there too, so that units do not change when the translator does.
const HEAD: &str = "# Generated by Butane\n";

fn options(filesystem: &Node<'_>, is_remote: bool) -> String {
    let given = filesystem.each("mountOptions").iter().filter_map(Node::as_text);
    let options: Vec<_> = given.chain(is_remote.then_some("_netdev")).collect();
    if options.is_empty() {
        String::new()
    } else {
        ["\nOptions=", &options.join(",")].concat()
    }
}

/// A path as systemd has it in the names of units.
fn escaped(path: &str) -> String {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if segments.is_empty() {
        return "-".to_owned();
    }
    let mut name = String::with_capacity(path.len());
    for (index, byte) in segments.join("/").bytes().enumerate() {
        let letter = char::from(byte);
        let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, ':' | '_' | '.');
        match letter {
            '/' => name.push('-'),
            letter if is_plain && (index > 0 || letter != '.') => name.push(letter),
            _ => name.push_str(&format!("\\x{byte:x}")),
        }
    }
    name
}

/// Takes out of a file system what only asks for a unit.
pub(super) fn strip(filesystem: &mut Node<'_>) {
    if let Value::Object(members) = &mut filesystem.value {
        members.retain(|member| member.name != "withMountUnit");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_systemd_does() {
        for (path, name) in [
            ("/", "-"),
            ("", "-"),
            ("/var/lib/app-data", "var-lib-app\\x2ddata"),
            ("//var///x/", "var-x"),
            ("/.hidden/.x", "\\x2ehidden-.x"),
            ("/dev/disk/by-id/a:b_c.d", "dev-disk-by\\x2did-a:b_c.d"),
            ("/a\tb", "a\\x9b"),
            ("/é", "\\xc3\\xa9"),
        ] {
            assert_eq!(escaped(path), name, "{path}");
        }
    }
}
