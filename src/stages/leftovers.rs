//! What a first boot leaves in `/run` when it has come to its end: `/run` outlives the initramfs, and no part of the running
//! system has any use for the secrets of a config.

use std::fs;
use std::io;
use std::path::Path;

use kindling_config_spec::json;
use kindling_config_spec::types::{Config, Filesystem, Storage};

use super::context;

/// Puts an outline of the config in the place of the one in this cache.
///
/// # Errors
/// When the file cannot be read or replaced; it is as before then.
pub(super) fn blank(cache: &Path) -> io::Result<()> {
    let text = fs::read_to_string(cache)?;
    let config: Config = json::parse(&text)?;
    context::cache(cache, &outline(config))
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::machine;

    #[test]
    fn an_outline_takes_the_place_of_the_config_under_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("ignition.json");
        let text = r#"{"ignition":{"version":"3.4.0"},"systemd":{"units":[{"name":"a.service","contents":"planted-unit"}]}}"#;
        machine::replace(&cache, text.as_bytes(), 0o600).unwrap();
        blank(&cache).unwrap();
        let left = fs::read_to_string(&cache).unwrap();
        assert!(left.contains("3.4.0") && !left.contains("planted"), "{left}");
        assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(blank(&dir.path().join("absent")).is_err());
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
