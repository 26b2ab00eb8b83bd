//! The mount and umount stages (engine.md 4.5, 4.7).

use std::path::Path;

use kindling_config_spec::types::{Config, Filesystem};

use super::{Conflict, Plan, Stage, Step};
use crate::inventory::mounts::MountPoints;
use crate::invocation::{Invocation, Program};

/// The file systems to mount with their place in the config, shallow paths first.
#[must_use]
pub fn candidates(config: &Config) -> Vec<(usize, &Filesystem, &Path)> {
    let mut wanted: Vec<_> = config
        .storage
        .filesystems
        .iter()
        .enumerate()
        .filter(|(_, filesystem)| !matches!(filesystem.format.as_deref(), None | Some("" | "swap" | "none")))
        .filter_map(|(index, filesystem)| {
            let path = filesystem.path.as_deref().filter(|path| !path.is_empty())?;
            Some((index, filesystem, Path::new(path)))
        })
        .collect();
    wanted.sort_by_key(|(_, _, path)| path.components().count());
    wanted
}

/// Plans the mount stage below `root`.
///
/// # Errors
/// A mount path that goes through a link or a file.
pub fn plan_mount(config: &Config, points: &MountPoints, root: &Path) -> Result<Plan, Vec<Conflict>> {
    let mut plan = Plan::empty(Stage::Mount);
    let mut conflicts = Vec::new();
    for (index, filesystem, path) in candidates(config) {
        let pointer = format!("/storage/filesystems/{index}");
        let point = points.get(path).cloned().unwrap_or_default();
        if let Some((obstacle, kind)) = point.obstacle {
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
        let call = Invocation::new(Program::Mount)
            .option("-o", Some(filesystem.mount_options.join(",")))
            .option("-t", filesystem.format.as_deref())
            .arg(&filesystem.device)
            .arg(below(root, path));
        plan.push(
            pointer,
            Step::Mount {
                path: path.to_owned(),
                call,
                mounted: point.mounted,
            },
        );
    }
    if conflicts.is_empty() {
        Ok(plan)
    } else {
        Err(conflicts)
    }
}

/// Plans the umount stage: deepest path first.
#[must_use]
pub fn plan_umount(config: &Config, points: &MountPoints) -> Plan {
    let mut plan = Plan::empty(Stage::Umount);
    for (index, _, path) in candidates(config).into_iter().rev() {
        let absent = !points.get(path).is_some_and(|point| point.mounted);
        plan.push(
            format!("/storage/filesystems/{index}"),
            Step::Unmount {
                path: path.to_owned(),
                absent,
            },
        );
    }
    plan
}

/// The path as the initramfs sees it: ROOT and the path written one after the other.
#[must_use]
pub fn below(root: &Path, path: &Path) -> std::path::PathBuf {
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
    use crate::inventory::mounts::MountPoint;

    fn config() -> Config {
        let filesystem = |device: &str, format: &str, path: &str| Filesystem {
            device: device.into(),
            format: Some(format.into()),
            path: Some(path.into()),
            mount_options: vec!["ro".into(), "noatime".into()],
            ..Filesystem::default()
        };
        let mut config = Config::default();
        config.storage.filesystems = vec![
            filesystem("/dev/c", "ext4", "/var/lib/deep"),
            filesystem("/dev/s", "swap", "/never"),
            filesystem("/dev/a", "xfs", "/var"),
        ];
        config
    }

    #[test]
    fn shallow_first_and_deepest_last() {
        let plan = plan_mount(&config(), &MountPoints::new(), Path::new("/sysroot")).unwrap();
        let calls: Vec<_> = plan
            .steps
            .iter()
            .map(|planned| match &planned.step {
                Step::Mount { call, .. } => call.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            calls,
            [
                "mount -o ro,noatime -t xfs /dev/a /sysroot/var",
                "mount -o ro,noatime -t ext4 /dev/c /sysroot/var/lib/deep",
            ]
        );
        let first = plan_umount(&config(), &MountPoints::new()).steps.remove(0).step;
        assert_eq!(
            first,
            Step::Unmount {
                path: "/var/lib/deep".into(),
                absent: true
            }
        );
    }

    #[test]
    fn a_link_on_the_way_is_refused() {
        let point = MountPoint {
            obstacle: Some(("/var".into(), "a symbolic link".into())),
            ..MountPoint::default()
        };
        let points = MountPoints::from([("/var".into(), point)]);
        let conflicts = plan_mount(&config(), &points, Path::new("/")).unwrap_err();
        assert_eq!(
            (conflicts.len(), conflicts[0].code),
            (1, "mount-path-not-a-directory")
        );
    }
}
