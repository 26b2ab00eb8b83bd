//! From an older version to the newest, one step at a time.
//!
//! Documents of all versions are read into the newest types, so a step only has to bring about what the newer
//! version's stricter types and different meanings would have made of them. Steps that change nothing are not
//! here: 3.1 → 3.2, 3.3 → 3.4, 3.4 → 3.5 (where the reference loses tang advertisements, and we do not) and
//! 3.6 → 3.7.

use crate::diagnostic::Pointer;
use crate::document;
use crate::types::Config;
use crate::version::{NEWEST, Version};

/// The permission bits that documents before 3.6.0 can set.
const PLAIN_BITS: i64 = 0o777;

/// Translates `config`, read from `text`, a document of version `from`.
pub(crate) fn translate(mut config: Config, text: &str, from: Version) -> Config {
    if from < Version::V3_1_0 {
        from_3_0(&mut config);
    }
    if from < Version::V3_3_0 {
        from_3_2(&mut config, text, from);
    }
    if from < Version::V3_6_0 {
        from_3_5(&mut config);
    }
    NEWEST.as_str().clone_into(&mut config.ignition.version);
    config
}

/// Authorities became resources; their source had been a plain string, which is never absent.
fn from_3_0(config: &mut Config) {
    for authority in &mut config.ignition.security.tls.certificate_authorities {
        authority.source.get_or_insert_default();
    }
}

/// RAID levels, link targets and the parts of a custom pin became nullable; before, absent ones were empty, and an
/// empty value overrides a parent's when merging.
fn from_3_2(config: &mut Config, text: &str, from: Version) {
    for array in &mut config.storage.raid {
        array.level.get_or_insert_default();
    }
    for link in &mut config.storage.links {
        link.target.get_or_insert_default();
    }
    // Older documents do not have the section.
    if from < Version::V3_2_0 {
        return;
    }
    let given = custom_pins_given(text, config.storage.luks.len());
    for (volume, is_given) in config.storage.luks.iter_mut().zip(given) {
        let custom = &mut volume.clevis.custom;
        if is_given {
            custom.pin.get_or_insert_default();
            custom.config.get_or_insert_default();
        }
    }
}

/// For each of `volumes` in a 3.2.0 document, whether it has a custom pin, be it an empty object. Only the text tells
/// an empty object from an absent one.
pub(crate) fn custom_pins_given(text: &str, volumes: usize) -> Vec<bool> {
    let at = |index| {
        Pointer::root()
            .key("storage")
            .key("luks")
            .index(index)
            .key("clevis")
            .key("custom")
    };
    let wanted: Vec<_> = (0..volumes).map(at).collect();
    let is_object =
        |found: document::Found| text.get(found.value).is_some_and(|value| value.starts_with('{'));
    document::locate_exactly(text, &wanted)
        .into_iter()
        .map(|found| found.is_some_and(is_object))
        .collect()
}

/// Special mode bits came to be honoured; before, they were dropped.
fn from_3_5(config: &mut Config) {
    let files = config.storage.files.iter_mut().map(|file| &mut file.mode);
    let directories = config
        .storage
        .directories
        .iter_mut()
        .map(|directory| &mut directory.mode);
    for mode in files.chain(directories).flatten() {
        *mode &= PLAIN_BITS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(text: &str, from: Version) -> Config {
        translate(
            serde_json::from_str(text).expect("the test's document reads"),
            text,
            from,
        )
    }

    #[test]
    fn the_version_becomes_the_newest() {
        for from in Version::ALL {
            assert_eq!(translated("{}", from).ignition.version, "3.7.0-experimental");
        }
    }

    #[test]
    fn special_mode_bits_are_dropped_before_3_6() {
        let text = r#"{"storage":{"files":[{"mode":2541},{}],"directories":[{"mode":4095}]}}"#;
        let old = translated(text, Version::V3_5_0);
        assert_eq!(old.storage.files[0].mode, Some(493));
        assert_eq!(old.storage.files[1].mode, None);
        assert_eq!(old.storage.directories[0].mode, Some(511));
        assert_eq!(
            translated(text, Version::V3_6_0).storage.directories[0].mode,
            Some(4095)
        );
    }

    #[test]
    fn absent_strings_of_3_2_are_empty() {
        let text = r#"{"storage":{"raid":[{}],"links":[{}],"luks":[{"clevis":{"custom":{}}},{"clevis":{"custom":null}}]}}"#;
        let old = translated(text, Version::V3_2_0);
        assert_eq!(old.storage.raid[0].level.as_deref(), Some(""));
        assert_eq!(old.storage.links[0].target.as_deref(), Some(""));
        assert_eq!(old.storage.luks[0].clevis.custom.pin.as_deref(), Some(""));
        assert_eq!(old.storage.luks[1].clevis.custom.pin, None);
        assert_eq!(translated(text, Version::V3_3_0).storage.links[0].target, None);
    }

    #[test]
    fn authorities_of_3_0_always_have_a_source() {
        let text =
            r#"{"ignition":{"config":{"merge":[{}]},"security":{"tls":{"certificateAuthorities":[{}]}}}}"#;
        let old = translated(text, Version::V3_0_0);
        assert_eq!(
            old.ignition.security.tls.certificate_authorities[0]
                .source
                .as_deref(),
            Some("")
        );
        assert_eq!(old.ignition.config.merge[0].source, None);
    }

    #[test]
    fn advertisements_of_3_4_are_kept() {
        let text = r#"{"storage":{"luks":[{"clevis":{"tang":[{"url":"http://t","advertisement":"{}"}]}}]}}"#;
        let tang = &translated(text, Version::V3_4_0).storage.luks[0].clevis.tang[0];
        assert_eq!(tang.advertisement.as_deref(), Some("{}"));
    }
}
