//! What is doubtful about partitions of a system that boots from an image of Fedora CoreOS.

use super::remark::{Remark, Tell};
use super::variant::{Family, Variant};
use crate::frontend::tree::Node;
use crate::rules::catalog as rule;
use crate::suggest::quoted;

/// The disk that the system booted from; its partitions are known.
const BOOT_DISK: &str = "/dev/disk/by-id/coreos-boot-disk";

/// Labels of partitions of the image, with their numbers.
const RESERVED: [(&str, i64, &str); 5] = [
    ("BIOS-BOOT", 1, "add number: 1, or choose another label"),
    ("PowerPC-PReP-boot", 1, "add number: 1, or choose another label"),
    ("EFI-SYSTEM", 2, "add number: 2, or choose another label"),
    ("boot", 3, "add number: 3, or choose another label"),
    ("root", 4, "add number: 4, or choose another label"),
];

/// What the root file system needs for itself and its updates.
const ROOT_MIB: i64 = 8192;

/// Tells of partitions that the author of the typed tree `source` knows by their labels alone: on a second boot from the
/// same disk they may be other ones.
pub(super) fn warn_reuse(source: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let is_meant = variant.family == Family::Fcos && variant.fcos.is_some_and(|minor| minor >= 6);
    let Some(storage) = source.get("storage").filter(|_| is_meant) else {
        return;
    };
    let mirror = source.get("bootDevice").and_then(|section| section.get("mirror"));
    let mirrored = mirror.map_or(&[][..], |mirror| mirror.each("devices"));
    for disk in storage.each("disks") {
        let device = disk.word("device").unwrap_or_default();
        let is_mirrored = mirrored.iter().any(|name| name.as_text() == Some(device));
        if device == BOOT_DISK || is_mirrored || disk.is("wipeTable") {
            continue;
        }
        for partition in disk.each("partitions") {
            if partition.get("label").is_none() || number(partition) != 0 {
                continue;
            }
            let message = "the partition is known by its label alone, and the disk keeps its table";
            let help = "add the partition's number, or wipe_table: true to the disk";
            let remark = |at| Remark::new(rule::BUTANE_PARTITION_REUSE, at, message, help);
            tell(match partition.get("number") {
                Some(number) => remark(number.from),
                None => remark(partition.from).below("number"),
            });
        }
    }
}

fn number(partition: &Node<'_>) -> i64 {
    partition.number("number").unwrap_or(0)
}

/// Tells of labels and sizes in the made document.
pub(super) fn warn(made: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let (Some(minor), Some(storage)) = (variant.fcos, made.get("storage")) else {
        return;
    };
    for disk in storage.each("disks") {
        let partitions = disk.each("partitions");
        for (index, partition) in partitions.iter().enumerate() {
            if !disk.is("wipeTable") {
                warn_label(partition, tell);
            }
            if minor >= 3 && partition.word("label") == Some("root") {
                let mut others = partitions.iter().enumerate().filter(|(other, _)| *other != index);
                let is_open = others.any(|(_, other)| other.number("startMiB").unwrap_or(0) == 0);
                warn_root(partition, is_open, tell);
            }
        }
    }
}

fn warn_label(partition: &Node<'_>, tell: &mut Tell<'_>) {
    let Some(label) = partition.get("label") else {
        return;
    };
    let name = label.as_text().unwrap_or_default();
    let reserved = RESERVED.iter().find(|(reserved, ..)| *reserved == name);
    if let Some((_, right, help)) = reserved.filter(|(_, right, _)| *right != number(partition)) {
        let message = format!(
            "the label {} is that of the system's partition {right}",
            quoted(name)
        );
        tell(Remark::new(
            rule::BUTANE_PARTITION_LABEL,
            label.from,
            message,
            help,
        ));
    }
}

/// About the partition of the root; `is_open` says that another one of its disk starts wherever there is room.
fn warn_root(partition: &Node<'_>, is_open: bool, tell: &mut Tell<'_>) {
    let size = partition.get("sizeMiB");
    let mib = size.and_then(Node::as_integer).unwrap_or(0);
    if let Some(size) = size.filter(|_| mib != 0 && mib < ROOT_MIB) {
        let message = "the root partition has less than 8192 MiB";
        let help = "give it 8192 or more: updates need room beside what runs";
        tell(Remark::new(rule::BUTANE_ROOT_SIZE, size.from, message, help));
    }
    if let Some(label) = partition.get("label").filter(|_| mib == 0 && is_open) {
        let message = "the root partition takes all the room, and another one of the disk has no start";
        let help = "give the root partition a size, or the other ones a start";
        tell(Remark::new(rule::BUTANE_ROOT_SIZE, label.from, message, help));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::butane::seen::{told, variant};

    /// What is told of the partitions of a disk, without the common start of the place.
    fn of(config: &str, disk: &str, partitions: &str) -> Vec<String> {
        let source = format!("{{\"storage\":{{\"disks\":[{{{disk}\"partitions\":[{partitions}]}}]}}}}");
        let told = told(&source, |source, tell| {
            warn_reuse(source, variant(config), tell);
            warn(source, variant(config), tell);
        });
        let short = told
            .iter()
            .map(|line| line.replace("warning /storage/disks/0/partitions/", ""));
        short.map(|line| line.replace("butane-", "")).collect()
    }

    #[test]
    fn labels_alone_are_told_on_disks_that_keep_their_table() {
        const REUSE: &[&str] = &["0/number partition-reuse"];
        let rows: &[(&str, &str, &str, &[&str])] = &[
            ("fcos 1.6.0", "", r#"{"label":"x"}"#, REUSE),
            (
                "fcos 1.8.0-experimental",
                "",
                r#"{"label":"x","number":0}"#,
                REUSE,
            ),
            ("fcos 1.6.0", r#""wipeTable":false,"#, r#"{"label":"x"}"#, REUSE),
            ("fcos 1.6.0", r#""wipeTable":true,"#, r#"{"label":"x"}"#, &[]),
            (
                "fcos 1.6.0",
                r#""device":"/dev/disk/by-id/coreos-boot-disk","#,
                r#"{"label":"x"}"#,
                &[],
            ),
            ("fcos 1.6.0", "", r#"{"label":"x","number":5}"#, &[]),
            ("fcos 1.6.0", "", r#"{"startMiB":5}"#, &[]),
            ("fcos 1.5.0", "", r#"{"label":"x"}"#, &[]),
            ("openshift 4.19.0", "", r#"{"label":"x"}"#, &[]),
            ("flatcar 1.1.0", "", r#"{"label":"x"}"#, &[]),
        ];
        for (config, disk, partitions, expected) in rows {
            assert_eq!(
                of(config, disk, partitions),
                *expected,
                "{config} {disk} {partitions}"
            );
        }
        let mirror = r#"{"bootDevice":{"mirror":{"devices":["/dev/a"]}},
            "storage":{"disks":[{"device":"/dev/a","partitions":[{"label":"x"}]}]}}"#;
        assert_eq!(
            told(mirror, |source, tell| warn_reuse(
                source,
                variant("fcos 1.7.0"),
                tell
            )),
            [""; 0]
        );
    }

    #[test]
    fn labels_of_the_image_go_with_their_numbers() {
        const WRONG: &[&str] = &["0/label partition-label"];
        for (label, number) in [
            ("BIOS-BOOT", 1),
            ("PowerPC-PReP-boot", 1),
            ("EFI-SYSTEM", 2),
            ("boot", 3),
            ("root", 4),
        ] {
            let partition = |number| format!(r#"{{"label":"{label}","number":{number}}}"#);
            for config in ["fcos 1.0.0", "fcos 1.7.0", "openshift 4.8.0"] {
                assert_eq!(of(config, "", &partition(number)), [""; 0], "{label}");
                assert_eq!(of(config, "", &partition(number + 1)), WRONG, "{label}");
                assert_eq!(
                    of(config, r#""wipeTable":true,"#, &partition(number + 1)),
                    [""; 0],
                    "{label}"
                );
            }
            assert_eq!(of("flatcar 1.0.0", "", &partition(7)), [""; 0]);
        }
        assert_eq!(of("fcos 1.5.0", "", r#"{"label":"boot"}"#), WRONG);
        assert_eq!(of("fcos 1.5.0", "", r#"{"label":"root-1","number":1}"#), [""; 0]);
    }

    #[test]
    fn the_root_has_room() {
        let root = |members: &str| format!(r#"{{"label":"root","number":4{members}}}"#);
        let rows: &[(&str, String, &[&str])] = &[
            ("fcos 1.3.0", root(r#","sizeMiB":8191"#), &["0/sizeMiB root-size"]),
            (
                "openshift 4.8.0",
                root(r#","sizeMiB":1"#),
                &["0/sizeMiB root-size"],
            ),
            ("fcos 1.2.0", root(r#","sizeMiB":8191"#), &[]),
            ("fcos 1.3.0", root(r#","sizeMiB":8192"#), &[]),
            ("fcos 1.3.0", root(r#","sizeMiB":0"#), &[]),
            ("fcos 1.3.0", root(""), &[]),
            (
                "fcos 1.3.0",
                format!(r#"{},{{"number":5}}"#, root("")),
                &["0/label root-size"],
            ),
            (
                "fcos 1.3.0",
                format!(r#"{},{{"number":5,"startMiB":0}}"#, root(r#","sizeMiB":0"#)),
                &["0/label root-size"],
            ),
            (
                "fcos 1.3.0",
                format!(r#"{{"number":5}},{}"#, root("")),
                &["1/label root-size"],
            ),
            (
                "fcos 1.3.0",
                format!(r#"{},{{"number":5,"startMiB":9}}"#, root("")),
                &[],
            ),
            (
                "fcos 1.3.0",
                format!(r#"{},{{"number":5}}"#, root(r#","sizeMiB":9000"#)),
                &[],
            ),
            ("fcos 1.2.0", format!(r#"{},{{"number":5}}"#, root("")), &[]),
        ];
        for (config, partitions, expected) in rows {
            assert_eq!(of(config, "", partitions), *expected, "{config} {partitions}");
        }
    }
}
