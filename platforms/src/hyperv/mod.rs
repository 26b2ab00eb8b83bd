//! `hyperv`: key/value pairs that the host sends once per boot. A pair holds about a kilobyte, so a config comes in
//! numbered parts.

mod metadata;

use crate::{Access, Channel, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

/// The platform id, which the errors name as well.
const ID: PlatformId = PlatformId::new("hyperv");

/// A config that fits into one pair; behind a dot and a number, its parts.
const KEY: &str = "ignition.config";

/// More parts than anybody means: 32 MiB of the longest values.
const PARTS: usize = 16_384;

/// A virtual machine of Hyper-V.
pub struct HyperV;

impl Platform for HyperV {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "Pair `ignition.config` of the host's pool 0, or `ignition.config.0`, `ignition.config.1` and so on up to the first that is missing, one behind the other. No pair is no config. Tried with a double of the device only."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let pair = |key: &str| {
            via.get(Channel::HypervKvp, key)
                .map_err(|source| PlatformError::Access { id: ID, source })
        };
        parse_pairs(pair)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// The whole config, or its parts in the order of their numbers, whatever order they came in.
fn parse_pairs(
    pair: impl Fn(&str) -> Result<Option<Vec<u8>>, PlatformError>,
) -> Result<Option<UserData>, PlatformError> {
    if let Some(whole) = pair(KEY)?.and_then(UserData::new) {
        return Ok(Some(whole));
    }
    let mut joined = Vec::new();
    for number in 0..PARTS {
        match pair(&format!("{KEY}.{number}"))? {
            Some(part) => joined.extend(part),
            None => break,
        }
    }
    Ok(UserData::new(joined))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    fn config(pairs: &[(&str, &[u8])]) -> Option<Vec<u8>> {
        let found = HyperV.user_data(&RecordedAccess::of_channel(pairs));
        found.unwrap().map(UserData::into_bytes)
    }

    #[test]
    fn one_pair_is_the_config() {
        let both: &[(&str, &[u8])] = &[("ignition.config", b"whole"), ("ignition.config.0", b"part")];
        assert_eq!(config(both), Some(b"whole".to_vec()));
    }

    #[test]
    fn parts_are_joined_by_number_up_to_the_first_gap() {
        let parts: &[(&str, &[u8])] = &[
            ("ignition.config", b""),
            ("ignition.config.10", b"k"),
            ("ignition.config.2", b"c"),
            ("ignition.config.1", b"b"),
            ("ignition.config.0", b"a"),
            ("ignition.config.4", b"not any more"),
            ("ignition.config.00", b"no number"),
        ];
        assert_eq!(config(parts), Some(b"abc".to_vec()));
        let eleven: Vec<(String, Vec<u8>)> = (0..11)
            .map(|number: u8| (format!("ignition.config.{number}"), vec![b'a' + number]))
            .collect();
        let eleven: Vec<(&str, &[u8])> = eleven
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()))
            .collect();
        assert_eq!(config(&eleven), Some(b"abcdefghijk".to_vec()));
    }

    #[test]
    fn packed_configs_pass_as_they_are() {
        let packed: &[(&str, &[u8])] = &[("ignition.config.0", b"H4sI"), ("ignition.config.1", b"AAAA")];
        assert_eq!(config(packed), Some(b"H4sIAAAA".to_vec()));
    }

    #[test]
    fn no_pair_is_no_config() {
        assert_eq!(config(&[]), None);
        assert_eq!(config(&[("hostname", b"n1"), ("ignition.config.1", b"b")]), None);
        assert_eq!(
            config(&[("ignition.config", b""), ("ignition.config.0", b"")]),
            None
        );
    }

    #[test]
    fn a_machine_without_the_channel_says_so() {
        let error = HyperV.user_data(&RecordedAccess::of_http(&[])).unwrap_err();
        assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
    }
}
