//! The pairs of Hyper-V in the target. The host sends each once per boot, to whoever asks first: that was us, so that the
//! target's own daemon gets them as the files it keeps.

use kindling_config_spec::data_url;
use kindling_config_spec::types::{Config, File, Resource};

use crate::host::hyperv::{POOLS, Pairs};

/// Mode of the files: a config is among the pairs.
const MODE: i64 = 0o600;

fn path(pool: u8) -> String {
    format!("/var/lib/hyperv/.kvp_pool_{pool}")
}

/// The files of all pools, empty ones too.
pub(super) fn files(pairs: &Pairs) -> Vec<File> {
    (0..POOLS)
        .map(|pool| File {
            path: path(pool),
            overwrite: Some(true),
            contents: Resource {
                source: Some(data_url::encode(&pairs.pool_file(pool))),
                ..Resource::default()
            },
            mode: Some(MODE),
            ..File::default()
        })
        .collect()
}

/// Adds the files of a platform to those of the config, whose own of the same names they replace.
pub(super) fn add(files: &[File], config: &mut Config) {
    let own = &mut config.storage.files;
    own.retain(|file| files.iter().all(|added| added.path != file.path));
    own.extend_from_slice(files);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_pairs() -> Pairs {
        let mut pair = b"\0ignition.config".to_vec();
        pair.resize(513, 0);
        pair.extend(b"{}");
        pair.resize(2561, 0);
        Pairs::from_bytes(&pair)
    }

    #[test]
    fn every_pool_has_a_file() {
        let files = files(&some_pairs());
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let all = [0, 1, 2, 3, 4].map(path);
        assert_eq!(paths, all);
        assert!(files.iter().all(|file| file.mode == Some(0o600)));
        let sizes = files.iter().map(|file| {
            let source = file.contents.source.as_deref().unwrap();
            data_url::decode(source).unwrap().len()
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [2560, 0, 0, 0, 0]);
    }

    #[test]
    fn the_state_file_keeps_them_as_the_reference_does() {
        let file = &files(&Pairs::default())[4];
        let text = serde_json::to_string(file).unwrap();
        assert!(
            text.contains("\"path\":\"/var/lib/hyperv/.kvp_pool_4\""),
            "{text}"
        );
        assert!(
            text.contains("\"contents\":{\"source\":\"data:;base64,\""),
            "{text}"
        );
        assert!(
            text.contains("\"mode\":384") && text.contains("\"overwrite\":true"),
            "{text}"
        );
    }

    #[test]
    fn a_file_of_the_config_gives_way() {
        let mut config = Config::default();
        for name in ["/var/lib/hyperv/.kvp_pool_0", "/etc/motd"] {
            config.storage.files.push(File {
                path: name.to_owned(),
                ..File::default()
            });
        }
        add(&files(&some_pairs()), &mut config);
        let paths: Vec<&str> = config
            .storage
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        assert_eq!(
            (paths.len(), paths[0], paths[1]),
            (6, "/etc/motd", "/var/lib/hyperv/.kvp_pool_0")
        );
        add(&[], &mut config);
        assert_eq!(config.storage.files.len(), 6);
    }
}
