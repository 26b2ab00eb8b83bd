//! Files, directories and links that will not be there, or not as their author meant.

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::types::Config;
use crate::units::Mode;

pub(super) const CHECKS: &[Check] = &[paths_outlive_the_switch, modes_are_meant];

/// What the system that starts from the new root mounts over or empties before anything can read it
/// (systemd's API file systems, and tmpfiles.d for `/tmp`), and the links that lead there.
const LOST: [&str; 7] = ["/dev", "/proc", "/sys", "/run", "/tmp", "/var/run", "/var/lock"];

/// Where each node stands, and its path.
fn all(config: &Config) -> impl Iterator<Item = (Pointer, &str)> {
    let at = |list: &str, index| Pointer::root().key("storage").key(list).index(index);
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate();
    let files = storage.files.iter().enumerate();
    let links = storage.links.iter().enumerate();
    directories
        .map(move |(index, node)| (at("directories", index), node.path.as_str()))
        .chain(files.map(move |(index, node)| (at("files", index), node.path.as_str())))
        .chain(links.map(move |(index, node)| (at("links", index), node.path.as_str())))
}

fn paths_outlive_the_switch(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    // Below the path of a name of Ignition 2, what is written is on the file system of that name, and stays there.
    let lasting = |path: &str| crate::frontend::names::above(path).is_some();
    for (at, path) in all(config).filter(|(_, path)| !lasting(path)) {
        let lost = LOST.iter().find(|lost| {
            path.strip_prefix(**lost)
                .is_some_and(|rest| rest.starts_with('/'))
        });
        if let Some(lost) = lost {
            findings
                .report(
                    lint::PATH_LOST.rule,
                    at.key("path"),
                    format!("what is written below {lost} is gone once the machine runs from its root"),
                )
                .help("write it elsewhere, or have a tmpfiles.d file or a unit make it at each boot");
        }
    }
}

/// The mode that was meant where somebody wrote its octal digits as a decimal number: 644 for 0644, which is 420.
pub(crate) fn meant(mode: i64) -> Option<Mode> {
    let octal = u32::from_str_radix(&mode.to_string(), 8).ok()?;
    let given = u32::try_from(mode).ok()?;
    (is_usual(octal) && !is_usual(given)).then_some(Mode(octal))
}

/// Whether people set such a mode: nobody may only write or only write and execute, and no class may do more than the
/// one before it.
fn is_usual(mode: u32) -> bool {
    let [owner, group, other] = [6, 3, 0].map(|shift| (mode >> shift) & 0o7);
    let known = |class: u32| !matches!(class, 2 | 3);
    mode <= 0o7777
        && owner >= 4
        && [owner, group, other].into_iter().all(known)
        && group & !owner == 0
        && other & !group == 0
}

fn modes_are_meant(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    let at = |list: &str, index| Pointer::root().key("storage").key(list).index(index).key("mode");
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate();
    let files = storage.files.iter().enumerate();
    let modes = directories
        .map(|(index, node)| (at("directories", index), node.mode))
        .chain(files.map(|(index, node)| (at("files", index), node.mode)));
    for (at, mode) in modes {
        let Some(mode) = mode else { continue };
        if let Some(meant) = meant(mode) {
            findings
                .report(
                    lint::MODE_DECIMAL.rule,
                    at,
                    format!("mode {mode} is 0{mode:o} in octal"),
                )
                .help(format!("if {meant} is meant, write {}", meant.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    #[test]
    fn what_the_switch_hides() {
        expect(
            &Setting::default(),
            &[
                (
                    r#""storage":{"files":[{"path":"/run/a"},{"path":"/runner"},{"path":"/etc/run/a"}]}"#,
                    &["warning $.storage.files.0.path path-lost"],
                ),
                (
                    r#""storage":{"directories":[{"path":"/tmp/x"}],"links":[{"path":"/var/run/y","target":"/z"}]}"#,
                    &[
                        "warning $.storage.directories.0.path path-lost",
                        "warning $.storage.links.0.path path-lost",
                    ],
                ),
            ],
        );
    }

    #[test]
    fn modes_written_with_octal_digits_are_recognised() {
        for (mode, expected) in [
            (644, Some(0o644)),
            (755, Some(0o755)),
            (600, Some(0o600)),
            (400, Some(0o400)),
            (440, Some(0o440)),
            (777, Some(0o777)),
            (1777, Some(0o1777)),
            (2755, Some(0o2755)),
            // Rightly written: 0644, 0755, 0600, 0640, 0400, 0660, 01777.
            (420, None),
            (493, None),
            (384, None),
            (416, None),
            (256, None),
            (432, None),
            (1023, None),
            (0, None),
            (-1, None),
        ] {
            assert_eq!(meant(mode), expected.map(Mode), "{mode}");
        }
    }

    #[test]
    fn such_modes_are_told_with_the_number_to_write() {
        let row =
            r#""storage":{"files":[{"path":"/a","mode":644}],"directories":[{"path":"/b","mode":493}]}"#;
        expect(
            &Setting::default(),
            &[(row, &["warning $.storage.files.0.mode mode-decimal"])],
        );
    }
}
