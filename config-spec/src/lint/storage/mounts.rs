//! Mount points: one file system each, and again on every later boot.

use super::{Setting, lint};
use crate::diagnostic::Pointer;
use crate::order::OrderedMap;
use crate::rules::Findings;
use crate::suggest::quoted;
use crate::types::{Config, Filesystem};

/// Partition types that systemd-gpt-auto-generator mounts by itself, with the path it mounts them at (the Discoverable
/// Partitions Specification; `/usr` and the root differ by architecture and are left to the kernel arguments).
const DISCOVERED: [(&str, &str); 4] = [
    ("/home", "933ac7e1-2eb4-4f13-b844-0e14e2aef915"),
    ("/srv", "3b8f8425-20e0-4f3b-907f-1a25a76f98e8"),
    ("/var", "4d21b016-b534-45c2-a9fb-5c16e091fd2d"),
    ("/var/tmp", "7ec6f557-3bc5-4aca-b293-16ef5df639d1"),
];

/// File systems that are mounted somewhere.
fn mounted(config: &Config) -> impl Iterator<Item = (Pointer, &Filesystem, &str)> {
    let at = |index| Pointer::root().key("storage").key("filesystems").index(index);
    let filesystems = config.storage.filesystems.iter().enumerate();
    filesystems.filter_map(move |(index, filesystem)| {
        let path = filesystem.path.as_deref().filter(|path| !path.is_empty())?;
        let holds_files = !matches!(filesystem.format.as_deref(), Some("swap" | "none"));
        holds_files.then(|| (at(index).key("path"), filesystem, path))
    })
}

pub(super) fn paths_are_not_shared(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    let mut first: OrderedMap<&str, Pointer> = OrderedMap::new();
    for (at, _, path) in mounted(config) {
        match first.get(path) {
            Some(holder) => {
                let message = format!(
                    "{} is already the mount point at {}",
                    quoted(path),
                    holder.dollar()
                );
                findings
                    .report(lint::MOUNT_SHARED.rule, at, message)
                    .help("the second would hide the first: give each its own path");
            }
            None => drop(first.insert(path, at)),
        }
    }
}

pub(super) fn paths_are_mounted_again(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    let writes_fstab = config.storage.files.iter().any(|file| file.path == "/etc/fstab");
    let extra = config.kernel_arguments.should_exist.iter();
    let by_argument = extra
        .clone()
        .any(|argument| argument.starts_with("systemd.mount-extra="));
    if writes_fstab || by_argument {
        return;
    }
    for (at, filesystem, path) in mounted(config) {
        let unit = mount_unit(path);
        let has_unit = config.systemd.units.iter().any(|known| known.name == unit);
        // The kernel arguments name the root and, on most systems, what belongs to it.
        // So does the distribution for its OEM partition; a name of Ignition 2 was never a mount point.
        if has_unit
            || matches!(path, "/" | "/boot" | "/boot/efi" | "/efi" | "/oem" | "/usr")
            || crate::frontend::names::above(path) == Some(path)
            || is_discovered(config, filesystem, path)
        {
            continue;
        }
        let message = format!("nothing mounts {} on later boots", quoted(path));
        findings
            .report(lint::MOUNT_FORGOTTEN.rule, at, message)
            .help(format!(
                "add a unit {} to systemd.units, or a line to /etc/fstab",
                quoted(&unit)
            ));
    }
}

/// Whether the partition's type has it mounted without a word.
fn is_discovered(config: &Config, filesystem: &Filesystem, path: &str) -> bool {
    let label = filesystem.device.strip_prefix("/dev/disk/by-partlabel/");
    let partition = config
        .storage
        .disks
        .iter()
        .flat_map(|disk| &disk.partitions)
        .find(|partition| label.is_some() && partition.label.as_deref() == label);
    let kind = partition.and_then(|partition| partition.type_guid.as_deref());
    kind.is_some_and(|kind| {
        DISCOVERED
            .iter()
            .any(|(at, guid)| *at == path && guid.eq_ignore_ascii_case(kind))
    })
}

/// The name that systemd wants for the unit that mounts at `path`: slashes become hyphens, other bytes than letters,
/// digits, `:`, `_` and inner dots are written `\xNN` (systemd.unit(5), "String escaping for inclusion in unit names").
pub(crate) fn mount_unit(path: &str) -> String {
    let inner = path.trim_matches('/');
    let mut name = String::new();
    for (index, byte) in inner.bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' => name.push(char::from(byte)),
            b'.' if index > 0 => name.push('.'),
            other => name.push_str(&format!("\\x{other:02x}")),
        }
    }
    if name.is_empty() {
        name.push('-');
    }
    name + ".mount"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    #[test]
    fn units_are_named_as_systemd_names_them() {
        for (path, unit) in [
            ("/", "-.mount"),
            ("/var/lib/data", "var-lib-data.mount"),
            ("/srv/a-b", "srv-a\\x2db.mount"),
            ("/.hidden/x.y", "\\x2ehidden-x.y.mount"),
            ("/srv/ü", "srv-\\xc3\\xbc.mount"),
        ] {
            assert_eq!(mount_unit(path), unit);
        }
    }

    #[test]
    fn mount_points() {
        let two = r#"[{"device":"/dev/vda","format":"xfs","path":"/srv/a"},{"device":"/dev/vdb","format":"xfs","path":"/srv/a"}]"#;
        let unit = r#""systemd":{"units":[{"name":"srv-a.mount"}]}"#;
        let fstab = r#""files":[{"path":"/etc/fstab","append":[{"source":"data:,x"}]}]"#;
        let one = |path: &str, more: &str| {
            format!(
                r#""storage":{{"filesystems":[{{"device":"/dev/vda","format":"xfs","path":"{path}"}}]{more}}}"#
            )
        };
        expect(
            &Setting::default(),
            &[
                (
                    &format!(r#""storage":{{"filesystems":{two}}},{unit}"#),
                    &["warning $.storage.filesystems.1.path mount-shared"],
                ),
                (
                    &one("/srv/a", ""),
                    &["warning $.storage.filesystems.0.path mount-forgotten"],
                ),
                (&one("/srv/a", &format!(",{fstab}")), &[]),
                (&one("/", ""), &[]),
                (
                    r#""storage":{"disks":[{"device":"/dev/vda","partitions":[{"label":"h","typeGuid":"933AC7E1-2EB4-4F13-B844-0E14E2AEF915"}]}],
                    "filesystems":[{"device":"/dev/disk/by-partlabel/h","format":"ext4","path":"/home"}]}"#,
                    &[],
                ),
                (
                    r#""storage":{"filesystems":[{"device":"/dev/vda","format":"xfs","path":"/srv"}]},"kernelArguments":{"shouldExist":["systemd.mount-extra=/dev/vda:/srv"]}"#,
                    &[],
                ),
            ],
        );
    }
}
