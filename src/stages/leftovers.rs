//! What a first boot leaves in `/run` when it has come to its end: `/run` outlives the initramfs, and no part of the running
//! system has any use for the secrets of a config.

use std::fs;
use std::io;

use kindling_config_spec::types::{Config, Filesystem, Storage};

use super::Context;
use crate::plan::Stage;
use crate::report::progress;

/// Puts an outline of the config in its place, once the files stage has written everything that it asks for. After one that
/// failed the config stays: somebody may run the stage again.
///
/// # Errors
/// When the file cannot be replaced; it is as before then.
pub(super) fn blank(context: &Context<'_>, user: Config) -> io::Result<()> {
    let list = fs::read_to_string(context.environment.run_dir.join(progress::LIST)).ok();
    if !is_written(list.as_deref()) {
        return Ok(());
    }
    context.cache(&outline(user))
}

/// Whether the last run of the files stage in this list of records went well.
fn is_written(list: Option<&str>) -> bool {
    let records = progress::read(list);
    let last = records.iter().rfind(|record| record.stage == Stage::Files);
    last.is_some_and(|record| record.outcome == progress::OK)
}

/// The disks, arrays and file systems of a config: what tells which devices are whose, and nothing that could be secret. The
/// umount stage, run again, still finds what it has to unmount.
fn outline(config: Config) -> Config {
    let filesystems = config.storage.filesystems.into_iter();
    let filesystems = filesystems.map(|filesystem| Filesystem {
        // A share on a network may have its password there.
        mount_options: Vec::new(),
        options: Vec::new(),
        ..filesystem
    });
    let mut outline = Config {
        storage: Storage {
            disks: config.storage.disks,
            filesystems: filesystems.collect(),
            raid: config.storage.raid,
            ..Storage::default()
        },
        ..Config::default()
    };
    outline.ignition.version = config.ignition.version;
    outline
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::Applied;
    use crate::host::runs::Timed;
    use crate::report::progress::StageRecord;

    #[test]
    fn the_config_is_blanked_after_a_files_stage_that_went_well() {
        let records = |outcomes: &[(Stage, &str)]| {
            outcomes
                .iter()
                .fold(None, |list: Option<String>, (stage, outcome)| {
                    let record = StageRecord::new(*stage, Timed::default(), Applied::default(), outcome);
                    Some(progress::with(list.as_deref(), record))
                })
        };
        for (outcomes, expected) in [
            (&[][..], false),
            (&[(Stage::Mount, "ok")], false),
            (&[(Stage::Files, "path-exists")], false),
            (&[(Stage::Files, "path-exists"), (Stage::Files, "ok")], true),
            (&[(Stage::Files, "ok"), (Stage::Files, "program-failed")], false),
        ] {
            assert_eq!(is_written(records(outcomes).as_deref()), expected, "{outcomes:?}");
        }
        assert!(!is_written(Some("no list")));
    }

    #[test]
    fn an_outline_has_the_file_systems_and_no_secret() {
        let text = r#"{
            "ignition": {
                "version": "3.4.0",
                "config": {"merge": [{"source": "https://h/?key=planted-query",
                    "httpHeaders": [{"name": "A", "value": "planted-header"}]}]}
            },
            "passwd": {"users": [{"name": "core", "passwordHash": "planted-hash"}]},
            "storage": {
                "disks": [{"device": "/dev/vda", "partitions": [{"number": 1, "label": "data"}]}],
                "files": [{"path": "/a", "contents": {"source": "data:,planted-content"}}],
                "filesystems": [{"device": "/dev/vda1", "format": "xfs", "path": "/var",
                    "mountOptions": ["password=planted-option"]}],
                "luks": [{"name": "v", "device": "/dev/vda2", "keyFile": {"source": "data:,planted-key"}}]
            },
            "systemd": {"units": [{"name": "a.service", "contents": "planted-unit"}]}
        }"#;
        let config = kindling_config_spec::check(text).unwrap().into_config();
        assert_eq!(config.to_json().matches("planted").count(), 7);
        let outline = outline(config).to_json();
        assert!(!outline.contains("planted"), "{outline}");
        for kept in [r#""label":"data""#, r#""path":"/var""#, r#""format":"xfs""#] {
            assert!(outline.contains(kept), "{kept}: {outline}");
        }
    }
}
