//! What is on a machine's disks while it is off, in a form that two machines can be compared by.

use std::path::{Path, PathBuf};

use crate::run;

/// The tree of a root disk as an archive beside it: content, owners, modes, extended attributes. Left out are the moments of
/// writing, the result and what is kept of the run, which tell of them too, and the account files as they were before the
/// last change.
///
/// # Panics
/// When it cannot be read. For tests.
#[must_use]
pub fn tree(disk: &Path) -> PathBuf {
    let archive = disk.with_extension("tar");
    let script = "mount -o loop \"$0\" /mnt && tar --create --file \"$1\" --directory /mnt --sort=name --format=pax \
                  --pax-option=delete=atime,delete=ctime --mtime=@0 --numeric-owner --xattrs --xattrs-include='*' --acls \
                  --exclude=./etc/.ignition-result.json --exclude=./var/lib/kindling --exclude=./etc/.kindling-mount-points \
                  --exclude='./etc/*-' . && umount /mnt";
    said("unshare", &["--mount", "sh", "-c", script], &[disk, &archive]);
    archive
}

/// In what two archives of [`tree`] differ: the lines of `diff` about names, kinds, owners, modes, sizes and digests.
///
/// # Panics
/// When they cannot be read. For tests.
#[must_use]
pub fn differences(one: &Path, other: &Path) -> String {
    let script = "list() { tar --list --verbose --numeric-owner --file \"$1\"; tar --extract --file \"$1\" \
                  --to-command='printf \"%s \" \"$TAR_FILENAME\"; sha256sum'; }; \
                  list \"$0\" >\"$0.list\"; list \"$1\" >\"$1.list\"; diff \"$0.list\" \"$1.list\" || true";
    said("sh", &["-c", script], &[one, other])
}

/// The partitions of a disk: number, place, type and name. Not what is drawn, or derived from what is.
///
/// # Panics
/// When there is no table. For tests.
#[must_use]
pub fn partitions(disk: &Path) -> String {
    let dump = said("sfdisk", &["--dump"], &[disk]);
    let rows = dump.lines().filter_map(|line| line.split_once(" : start="));
    rows.map(|(path, row)| {
        let name = path.trim_end_matches(|c: char| c.is_ascii_digit());
        let number = &path[name.len()..];
        let members = row.split(", ").filter(|member| !member.starts_with("uuid="));
        format!("{number}: {}\n", members.collect::<Vec<_>>().join(", "))
    })
    .collect()
}

fn said(program: &str, arguments: &[&str], paths: &[&Path]) -> String {
    let mut command = run::as_root(program).unwrap_or_else(|error| panic!("{error}"));
    let output = command.args(arguments).args(paths).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
