//! What stages hand to each other: the reference's state file, with its keys (engine.md 1.11).

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fetch::Origin;
use kindling_config_spec::data_url::{self, DataUrlError};
use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::File;

/// The state of one first boot. All keys are always written, `null` when empty, as the reference does.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// Every config that was read.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "empty_when_null")]
    pub fetched_configs: Vec<FetchedConfig>,
    /// LUKS volume name to key. Written by the disks stage, emptied by the files stage.
    #[serde(serialize_with = "null_when_no_entry", deserialize_with = "empty_when_null")]
    pub luks_persist_key_files: OrderedMap<String, KeyUrl>,
    /// File name to CEX secure key, or what zkey says of it. Written and emptied as the other keys.
    #[serde(serialize_with = "null_when_no_entry", deserialize_with = "empty_when_null")]
    pub luks_persist_volume_key_files: OrderedMap<String, KeyUrl>,
    /// Directories that the mount stage made, as paths in the target.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "empty_when_null")]
    pub notated_directories: Vec<PathBuf>,
    /// Files that a platform wants written. A config may be among their contents. Emptied by the files stage.
    #[serde(serialize_with = "null_when_empty", deserialize_with = "empty_when_null")]
    pub provider_output_files: Vec<File>,
}

impl fmt::Debug for State {
    /// Of the files of a platform the names alone.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self
            .provider_output_files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        out.debug_struct("State")
            .field("fetched_configs", &self.fetched_configs)
            .field("luks_persist_key_files", &self.luks_persist_key_files)
            .field(
                "luks_persist_volume_key_files",
                &self.luks_persist_volume_key_files,
            )
            .field("notated_directories", &self.notated_directories)
            .field("provider_output_files", &names)
            .finish()
    }
}

/// One config that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedConfig {
    /// `base` or `user`.
    pub kind: String,
    /// `system`, `cmdline`, the platform, or the path of a referenced address.
    pub source: String,
    /// Whether another config refers to it.
    pub referenced: bool,
}

/// A key as the state file has it, a data URL. Nothing but that file shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyUrl(String);

impl KeyUrl {
    /// The URL of a key.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        Self(data_url::encode(key))
    }

    /// The key.
    ///
    /// # Errors
    /// When it is no data URL.
    pub fn decode(&self) -> Result<Vec<u8>, DataUrlError> {
        data_url::decode(&self.0)
    }
}

impl fmt::Debug for KeyUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("KeyUrl(…)")
    }
}

impl From<&Origin> for FetchedConfig {
    fn from(origin: &Origin) -> Self {
        Self {
            kind: origin.kind.to_string(),
            source: origin.source.clone(),
            referenced: origin.referenced,
        }
    }
}

impl State {
    /// Adds the configs of one stage, those that are there already left out.
    pub fn record<'a>(&mut self, origins: impl IntoIterator<Item = &'a Origin>) {
        for fetched in origins.into_iter().map(FetchedConfig::from) {
            if !self.fetched_configs.contains(&fetched) {
                self.fetched_configs.push(fetched);
            }
        }
    }

    /// Forgets every key and every file of a platform: the target holds them now.
    pub fn drop_secrets(&mut self) {
        self.luks_persist_key_files.clear();
        self.luks_persist_volume_key_files.clear();
        self.provider_output_files.clear();
    }

    /// Whether some user gave a config.
    #[must_use]
    pub fn user_config_provided(&self) -> bool {
        self.fetched_configs.iter().any(|fetched| fetched.kind == "user")
    }
}

fn null_when_empty<T: Serialize, To: serde::Serializer>(list: &[T], to: To) -> Result<To::Ok, To::Error> {
    if list.is_empty() {
        to.serialize_none()
    } else {
        list.serialize(to)
    }
}

fn null_when_no_entry<To: serde::Serializer>(
    map: &OrderedMap<String, KeyUrl>,
    to: To,
) -> Result<To::Ok, To::Error> {
    if map.is_empty() {
        to.serialize_none()
    } else {
        map.serialize(to)
    }
}

fn empty_when_null<'de, T: Default + Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_are_there_and_null_when_empty() {
        let text = serde_json::to_string(&State::default()).unwrap();
        assert_eq!(
            text,
            "{\"fetchedConfigs\":null,\"luksPersistKeyFiles\":null,\"luksPersistVolumeKeyFiles\":null,\
             \"notatedDirectories\":null,\"providerOutputFiles\":null}"
        );
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), State::default());
    }

    #[test]
    fn a_key_stands_in_the_file_and_nowhere_else() {
        let mut state = State::default();
        let key = b"hush\0\xff";
        state
            .luks_persist_key_files
            .insert("data".into(), KeyUrl::of(key));
        state.provider_output_files.push(File {
            path: "/pool".into(),
            contents: kindling_config_spec::types::Resource {
                source: Some("data:,hush".into()),
                ..Default::default()
            },
            ..File::default()
        });
        let text = serde_json::to_string(&state).unwrap();
        assert!(
            text.contains("\"luksPersistKeyFiles\":{\"data\":\"data:;base64,aHVzaAD/\"}"),
            "{text}"
        );
        let again: State = serde_json::from_str(&text).unwrap();
        assert_eq!(again, state);
        assert_eq!(again.luks_persist_key_files["data"].decode().unwrap(), key);
        let shown = format!("{state:?} {state:#?}");
        assert!(!shown.contains("aHVz") && !shown.contains("hush"), "{shown}");
        state.drop_secrets();
        assert_eq!(state, State::default());
    }
}
