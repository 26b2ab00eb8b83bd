//! The mount and umount stages (engine.md 4.5, 4.7).

use std::path::{Path, PathBuf};

use kindling_config_spec::order;
use kindling_config_spec::types::{Config, Filesystem};

use super::step::MountLabels;
use super::{Conflict, Plan, Stage, Step};
use crate::inventory::mounts::{MountPoint, MountPoints};
use crate::invocation::{Invocation, Program};

/// What a mount needs of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It is never mounted.
    Never,
    /// It is a share of the host, known by a tag.
    Share,
    /// It is on a block device.
    Device,
}

fn kind(format: Option<&str>) -> Kind {
    match format {
        None | Some("" | "none" | "swap") => Kind::Never,
        Some("virtiofs") => Kind::Share,
        Some(_) => Kind::Device,
    }
}

/// The file systems to mount with their place in the config, shallow paths first, and equally deep ones in its order.
#[must_use]
pub fn candidates(config: &Config) -> Vec<(usize, &Filesystem, &Path)> {
    let mut wanted: Vec<_> = config
        .storage
        .filesystems
        .iter()
        .enumerate()
        .filter(|(_, filesystem)| kind(filesystem.format.as_deref()) != Kind::Never)
        .filter_map(|(index, filesystem)| {
            let path = filesystem.path.as_deref().filter(|path| !path.is_empty())?;
            Some((index, filesystem, Path::new(path)))
        })
        .collect();
    order::by_key(&mut wanted, |(_, _, path)| path.components().count());
    wanted
}

/// The devices that must be there before the first mount.
#[must_use]
pub fn devices(config: &Config) -> Vec<PathBuf> {
    candidates(config)
        .into_iter()
        .filter(|(_, filesystem, _)| kind(filesystem.format.as_deref()) == Kind::Device)
        .map(|(_, filesystem, _)| PathBuf::from(&filesystem.device))
        .collect()
}

/// What the mount stage does with one file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision<'a> {
    Refuse { obstacle: &'a Path, kind: &'a str },
    Keep,
    Mount,
}

fn decide(point: &MountPoint) -> Decision<'_> {
    match point {
        MountPoint {
            obstacle: Some((obstacle, kind)),
            ..
        } => Decision::Refuse { obstacle, kind },
        MountPoint { mounted: true, .. } => Decision::Keep,
        MountPoint { mounted: false, .. } => Decision::Mount,
    }
}

/// Plans the mount stage below `root`. `contexts` are the file contexts of the target's SELinux policy, where it has one.
///
/// # Errors
/// A mount path that goes through a link or a file.
pub fn plan_mount(
    config: &Config,
    points: &MountPoints,
    contexts: Option<&Path>,
    root: &Path,
) -> Result<Plan, Vec<Conflict>> {
    let mut plan = Plan::empty(Stage::Mount);
    let mut conflicts = Vec::new();
    for (index, filesystem, path) in candidates(config) {
        let pointer = format!("/storage/filesystems/{index}");
        let point = points.get(&index).cloned().unwrap_or_default();
        let mounted = match decide(&point) {
            Decision::Refuse { obstacle, kind } => {
                conflicts.push(Conflict::new(
                    format!("{pointer}/path"),
                    "mount-path-not-a-directory",
                    format!(
                        "{} goes through {}, which is {kind}",
                        path.display(),
                        obstacle.display()
                    ),
                    "mount at the real directory (on OSTree systems /var/home, not /home)",
                ));
                continue;
            }
            Decision::Keep => true,
            Decision::Mount => false,
        };
        plan.push(
            pointer,
            Step::Mount {
                path: path.to_owned(),
                call: call(filesystem, path, root),
                mounted,
                labels: contexts.map(|contexts| MountLabels {
                    contexts: contexts.to_owned(),
                    // FAT has no extended attributes.
                    inside: filesystem.format.as_deref() != Some("vfat"),
                }),
            },
        );
    }
    if conflicts.is_empty() {
        Ok(plan)
    } else {
        Err(conflicts)
    }
}

/// The options are given also where there are none, as the reference does.
fn call(filesystem: &Filesystem, path: &Path, root: &Path) -> Invocation {
    Invocation::new(Program::Mount)
        .option("-o", Some(filesystem.mount_options.join(",")))
        .option("-t", filesystem.format.as_deref())
        .arg(&filesystem.device)
        .arg(below(root, path))
}

/// Plans the umount stage: the mount stage backwards.
#[must_use]
pub fn plan_umount(config: &Config, points: &MountPoints, root: &Path) -> Plan {
    let mut plan = Plan::empty(Stage::Umount);
    for (index, _, path) in candidates(config).into_iter().rev() {
        let absent = !points.get(&index).is_some_and(|point| point.mounted);
        plan.push(
            format!("/storage/filesystems/{index}"),
            Step::Unmount {
                path: path.to_owned(),
                point: below(root, path),
                absent,
            },
        );
    }
    plan
}

/// The path as the initramfs sees it: ROOT and the path written one after the other.
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    let root = if root.as_os_str().is_empty() {
        Path::new("/")
    } else {
        root
    };
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filesystem(device: &str, format: &str, path: &str) -> Filesystem {
        Filesystem {
            device: device.into(),
            format: Some(format.into()),
            path: Some(path.into()),
            ..Filesystem::default()
        }
    }

    fn config(filesystems: &[(&str, &str, &str)]) -> Config {
        let mut config = Config::default();
        config.storage.filesystems = filesystems
            .iter()
            .map(|(device, format, path)| filesystem(device, format, path))
            .collect();
        config
    }

    /// What the mount stage would run on a blank target.
    fn calls(config: &Config) -> Vec<String> {
        let plan = plan_mount(config, &MountPoints::new(), None, Path::new("/sysroot")).unwrap();
        let steps = plan.steps.iter();
        let calls = steps.map(|planned| match &planned.step {
            Step::Mount { call, .. } => call.to_string(),
            other => panic!("{other:?}"),
        });
        calls.collect()
    }

    fn unmounted(config: &Config) -> Vec<String> {
        let plan = plan_umount(config, &MountPoints::new(), Path::new("/sysroot"));
        let steps = plan.steps.iter();
        let points = steps.map(|planned| match &planned.step {
            Step::Unmount {
                point, absent: true, ..
            } => point.display().to_string(),
            other => panic!("{other:?}"),
        });
        points.collect()
    }

    #[test]
    fn shallow_first_and_deepest_last() {
        let config = config(&[
            ("/dev/c", "ext4", "/var/lib/deep"),
            ("/dev/s", "swap", "/never"),
            ("/dev/z", "xfs", "/var"),
            ("/dev/a", "btrfs", "/srv"),
            ("/dev/r", "ext4", "/"),
            ("/dev/b", "vfat", "/srv"),
        ]);
        assert_eq!(
            calls(&config),
            [
                "mount -o \"\" -t ext4 /dev/r /sysroot/",
                "mount -o \"\" -t xfs /dev/z /sysroot/var",
                "mount -o \"\" -t btrfs /dev/a /sysroot/srv",
                "mount -o \"\" -t vfat /dev/b /sysroot/srv",
                "mount -o \"\" -t ext4 /dev/c /sysroot/var/lib/deep",
            ]
        );
        assert_eq!(
            unmounted(&config),
            [
                "/sysroot/var/lib/deep",
                "/sysroot/srv",
                "/sysroot/srv",
                "/sysroot/var",
                "/sysroot/"
            ]
        );
    }

    #[test]
    fn options_are_one_word_and_the_device_is_as_it_is_written() {
        let mut config = config(&[
            ("/dev/disk/by-label/a", "xfs", "/a"),
            ("homes", "virtiofs", "/home"),
        ]);
        config.storage.filesystems[0].mount_options = vec!["ro".into(), "noatime,x=1".into()];
        assert_eq!(
            calls(&config),
            [
                "mount -o ro,noatime,x=1 -t xfs /dev/disk/by-label/a /sysroot/a",
                "mount -o \"\" -t virtiofs homes /sysroot/home",
            ]
        );
    }

    #[test]
    fn the_page_says_what_is_mounted_and_what_is_awaited() {
        let rows = crate::plan::page::table("## Mounts");
        assert_eq!(rows.len(), 3);
        let rest = ["ext4", "btrfs", "xfs", "vfat"];
        for format in ["", "none", "swap", "virtiofs"].iter().chain(&rest) {
            let name = if format.is_empty() {
                "none given".to_owned()
            } else {
                format!("`{format}`")
            };
            let covers = |row: &&Vec<&str>| {
                row[0].split(", ").any(|cell| cell == name)
                    || (row[0] == "any other" && rest.contains(format))
            };
            let matching: Vec<_> = rows.iter().filter(covers).collect();
            let [row] = matching[..] else {
                panic!("{format} is covered by {} rows", matching.len());
            };
            let config = config(&[("/dev/x", format, "/x")]);
            let words = match (calls(&config).len(), devices(&config).len()) {
                (0, 0) => ["any", "no", "no"],
                (1, 0) => ["a tag", "yes", "no"],
                (1, 1) => ["a path", "yes", "yes"],
                other => panic!("{other:?}"),
            };
            assert_eq!(row[1..], words, "{format}");
        }
        // Nor is anything mounted without a path.
        assert!(calls(&config(&[("/dev/x", "ext4", "")])).is_empty());
        let nowhere = Filesystem {
            path: None,
            ..filesystem("/dev/x", "ext4", "")
        };
        let mut config = config(&[]);
        config.storage.filesystems = vec![nowhere];
        assert!(candidates(&config).is_empty());
    }

    #[test]
    fn the_page_decides_a_mount_as_the_code_does() {
        let rows = crate::plan::page::table("### What happens at a mount path");
        assert_eq!(rows.len(), 5);
        let obstacle = Some((PathBuf::from("/var"), "a symbolic link".to_owned()));
        let config = config(&[("/dev/a", "xfs", "/var/a")]);
        for (found, mounted, obstacle) in [
            ("a component of the path is a link or a file", false, obstacle),
            ("it is mounted there", true, None),
            ("it is not mounted there", false, None),
        ] {
            let point = MountPoint { mounted, obstacle };
            let points = MountPoints::from([(0, point.clone())]);
            let row = |stage: &str| {
                let covers = |row: &&Vec<&str>| row[0] == stage && row[1] == found;
                rows.iter().find(covers).map(|row| row[2])
            };
            let expected = match decide(&point) {
                Decision::Refuse { .. } => "refused: `mount-path-not-a-directory`",
                Decision::Keep => "nothing",
                Decision::Mount => {
                    "missing directories are made (0755 under the umask) and noted, then \
                     `mount -o OPTIONS -t FORMAT DEVICE PATH`"
                }
            };
            assert_eq!(row("mount"), Some(expected));
            match (plan_mount(&config, &points, None, Path::new("/")), decide(&point)) {
                (Err(conflicts), Decision::Refuse { .. }) => {
                    assert_eq!(conflicts[0].code, "mount-path-not-a-directory");
                    assert_eq!(conflicts[0].pointer, "/storage/filesystems/0/path");
                    assert!(conflicts[0].message.contains("/var, which is a symbolic link"));
                    continue;
                }
                (Ok(plan), decision) => {
                    let Step::Mount { mounted, .. } = plan.steps[0].step else {
                        panic!()
                    };
                    assert_eq!(mounted, decision == Decision::Keep);
                }
                other => panic!("{other:?}"),
            }
            let plan = plan_umount(&config, &points, Path::new("/"));
            let Step::Unmount { absent, .. } = plan.steps[0].step else {
                panic!()
            };
            let expected = if absent {
                "nothing"
            } else {
                "unmounted; while busy tried again for 3 s"
            };
            assert_eq!(row("umount"), Some(expected));
        }
    }

    #[test]
    fn labels_are_for_targets_with_a_policy() {
        let config = config(&[("/dev/a", "xfs", "/a"), ("/dev/b", "vfat", "/b")]);
        let contexts = Path::new("/etc/selinux/targeted/contexts/files/file_contexts");
        let plan = plan_mount(&config, &MountPoints::new(), Some(contexts), Path::new("/")).unwrap();
        let inside = plan.steps.iter().map(|planned| match &planned.step {
            Step::Mount {
                labels: Some(labels), ..
            } => labels.inside,
            other => panic!("{other:?}"),
        });
        assert_eq!(inside.collect::<Vec<_>>(), [true, false]);
    }
}
