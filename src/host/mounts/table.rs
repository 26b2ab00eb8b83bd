//! The kernel's list of mounts, proc_pid_mountinfo(5).

use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    /// Names this mount; another mount of the same file system has another one.
    pub(super) id: String,
    /// The mount that this one stands in.
    pub(super) parent: String,
    /// `major:minor`, as the files of the file system show it. btrfs counts from a pool of its own.
    pub(super) number: String,
    /// Where.
    pub(super) at: PathBuf,
    /// The type of its file system.
    pub(super) format: String,
    /// A device, as a rule; for virtiofs a tag.
    pub(super) source: String,
}

/// Every mount in the order in which they were made. A line that is none is left out.
pub(super) fn parse(mountinfo: &str) -> Vec<Mounted> {
    mountinfo.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mounted> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let mut kind = kind.split(' ');
    Some(Mounted {
        id: place.next()?.to_owned(),
        parent: place.next()?.to_owned(),
        number: place.next()?.to_owned(),
        at: PathBuf::from(unescaped(place.nth(1)?)),
        format: kind.next()?.to_owned(),
        source: unescaped(kind.next()?),
    })
}

/// Those at `target`, the one that is seen last.
pub(super) fn stack<'a>(table: &'a [Mounted], target: &Path) -> Vec<&'a Mounted> {
    table.iter().filter(|mounted| mounted.at == target).collect()
}

/// Undoes the kernel's `\ooo` for blank, tab, line end, number sign and backslash.
pub(super) fn unescaped(field: &str) -> String {
    ["\\040", "\\011", "\\012", "\\043", "\\134"]
        .iter()
        .zip([" ", "\t", "\n", "#", "\\"])
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_mount_at_a_path_is_the_one_that_is_seen() {
        let table = parse(
            "36 35 0:31 / /sysroot/a\\040b rw - bind /dev/root rw\n\
             37 36 254:17 /sub /sysroot/a\\040b rw,noatime shared:1 master:2 - xfs /dev/vdb1 rw\n\
             38 36 254:18 / /sysroot/a\\040b/x rw - ext4 /dev/vdb2 rw\nbroken - \n",
        );
        assert_eq!(table.len(), 3);
        let stack = stack(&table, Path::new("/sysroot/a b"));
        let seen = stack.last().unwrap();
        assert_eq!(stack.len(), 2);
        assert_eq!((seen.id.as_str(), seen.parent.as_str()), ("37", "36"));
        assert_eq!((seen.number.as_str(), seen.format.as_str()), ("254:17", "xfs"));
        assert_eq!(seen.source, "/dev/vdb1");
    }

    #[test]
    fn escaped_mount_points() {
        assert_eq!(unescaped("/mnt/x\\040y\\134z\\134040"), "/mnt/x y\\z\\040");
    }
}
