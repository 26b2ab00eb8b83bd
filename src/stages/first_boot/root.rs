//! What is on a root's device, and how it is read.

use crate::fetch::argument;
use crate::inventory::disks::Content;

/// Of its file system; `None` where it has none, or nobody can tell which.
pub(super) fn uuid(content: &Content) -> Option<String> {
    match content {
        Content::Known(signature) => signature.uuid.clone(),
        _ => None,
    }
}

/// The kind of the file system, or of what may be one, empty where several are named; `None` for what is none.
pub(super) fn file_system(content: &Content) -> Option<&str> {
    match content {
        Content::Blank => None,
        Content::Ambiguous(_) => Some(""),
        Content::Known(signature) => {
            let kind = signature.kind.as_str();
            let is_other = kind.ends_with("_member")
                || kind.ends_with("partition table")
                || kind.starts_with("crypto_")
                || kind.starts_with("swap");
            (!is_other).then_some(kind)
        }
    }
}

/// What mount(8) is told to read a root as the real root will be mounted, but for what would write to it, as a journal that
/// is carried out: another system may have been put to sleep there.
pub(super) fn mount_arguments(line: &str, kind: &str) -> Vec<String> {
    let given = |name| argument(line, name).map(|value| value.trim_matches('"').to_owned());
    let named = given("rootfstype").filter(|kind| kind != "auto");
    let journal = match named.as_deref().unwrap_or(kind) {
        "ext3" | "ext4" => ",noload",
        "xfs" | "f2fs" => ",norecovery",
        "btrfs" => ",rescue=nologreplay",
        _ => "",
    };
    let flags = given("rootflags").map(|flags| flags + ",").unwrap_or_default();
    let mut words = vec!["-o".to_owned(), format!("{flags}ro,nosuid,nodev,noexec{journal}")];
    words.extend(named.into_iter().flat_map(|kind| ["-t".to_owned(), kind]));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_read_as_it_will_be_mounted_and_nothing_is_written_to_it() {
        for (line, kind, expected) in [
            ("quiet", "ext4", "-o ro,nosuid,nodev,noexec,noload"),
            ("rootfstype=auto", "xfs", "-o ro,nosuid,nodev,noexec,norecovery"),
            ("rootflags=rw,acl", "vfat", "-o rw,acl,ro,nosuid,nodev,noexec"),
            (
                "rootfstype=btrfs rootflags=subvol=@",
                "",
                "-o subvol=@,ro,nosuid,nodev,noexec,rescue=nologreplay -t btrfs",
            ),
        ] {
            assert_eq!(mount_arguments(line, kind).join(" "), expected, "{line}");
        }
    }
}
