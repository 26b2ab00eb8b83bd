//! Rules for encrypted volumes.

use super::{Check, Findings, catalog as rule, paths, resources};
use crate::diagnostic::Pointer;
use crate::document;
use crate::suggest::quoted;
use crate::types::{ClevisCustom, Config, Luks};
use crate::url_syntax;
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    names_have_no_slash,
    labels_fit,
    devices_are_paths,
    key_files_are_fetchable,
    custom_pins_stand_alone,
    custom_pins_are_complete,
    custom_pins_are_known,
    tang_servers_are_http,
    tang_servers_have_thumbprints,
    tang_advertisements_are_json,
    crypto_cards_stand_alone,
];

/// What a LUKS2 header has room for, without its final zero byte.
const MAX_LABEL_BYTES: usize = 47;

fn at_volume(index: usize) -> Pointer {
    Pointer::root().key("storage").key("luks").index(index)
}

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Luks)> {
    config
        .storage
        .luks
        .iter()
        .enumerate()
        .map(|(index, volume)| (at_volume(index), volume))
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn names_have_no_slash(config: &Config, _: Version, findings: &mut Findings) {
    for (at, volume) in all(config) {
        if volume.name.contains('/') {
            let message = format!("the name {} contains a slash", quoted(&volume.name));
            findings
                .report(rule::LUKS_NAME_SLASH, at.key("name"), message)
                .help("write only what follows /dev/mapper/");
        }
    }
}

fn labels_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (at, volume) in all(config) {
        let length = text(&volume.label).len();
        if length > MAX_LABEL_BYTES {
            let message = format!("a volume's label has {length} bytes, the limit is {MAX_LABEL_BYTES}");
            findings.report(rule::LUKS_LABEL_TOO_LONG, at.key("label"), message);
        }
    }
}

fn devices_are_paths(config: &Config, _: Version, findings: &mut Findings) {
    for (at, volume) in all(config) {
        let device = text(&volume.device);
        if device.is_empty() {
            findings.report(
                rule::DEVICE_MISSING,
                at.key("device"),
                "an encrypted volume names no device",
            );
        } else {
            paths::check(device, || at.key("device"), findings);
        }
    }
}

/// The reference tells this at a member `keys` that does not exist; its consumers look for that place.
fn key_files_are_fetchable(config: &Config, version: Version, findings: &mut Findings) {
    for (at, volume) in all(config) {
        let source = text(&volume.key_file.source);
        if !source.is_empty() && resources::validate(source, version).is_err() {
            let message = "the volume's key file cannot be fetched from its source";
            findings.report(rule::LUKS_KEY_FILE_INVALID, at.key("keys"), message);
        }
    }
}

fn report_not_alone(at: Pointer, findings: &mut Findings) {
    findings
        .report(
            rule::CLEVIS_CUSTOM_NOT_ALONE,
            at.key("clevis"),
            "a custom pin cannot be combined with other pins",
        )
        .help("remove custom, or tang, tpm2 and threshold");
}

fn custom_pins_stand_alone(config: &Config, version: Version, findings: &mut Findings) {
    if version < Version::V3_3_0 {
        return;
    }
    for (at, volume) in all(config) {
        if !text(&volume.clevis.custom.pin).is_empty() && volume.clevis.has_plain_pins() {
            report_not_alone(at, findings);
        }
    }
}

/// The same rule in 3.2.0, where the mere presence of `custom`, even empty, counts. Presence is seen in the document
/// only, so the caller passes it per volume and this rule stands outside the ordinary ones.
pub(crate) fn custom_present_with_others(config: &Config, is_given: &[bool], findings: &mut Findings) {
    for ((at, volume), is_given) in all(config).zip(is_given) {
        if *is_given && volume.clevis.has_plain_pins() {
            report_not_alone(at, findings);
        }
    }
}

fn custom_pins_are_complete(config: &Config, version: Version, findings: &mut Findings) {
    for (at, volume) in all(config) {
        let ClevisCustom {
            config,
            needs_network,
            pin,
        } = &volume.clevis.custom;
        let (has_pin, has_config) = (!text(pin).is_empty(), !text(config).is_empty());
        // Until 3.3.0 a network alone asked for nothing.
        let has_network = version >= Version::V3_3_0 && *needs_network == Some(true);
        let at = at.key("clevis").key("custom");
        if (has_config || has_network) && !has_pin && version >= Version::V3_3_0 {
            findings.report(
                rule::CLEVIS_PIN_MISSING,
                at.clone().key("pin"),
                "a custom pin has no name",
            );
        }
        if (has_pin || has_network) && !has_config {
            let message = "a custom pin has no configuration";
            findings.report(rule::CLEVIS_CONFIG_MISSING, at.key("config"), message);
        }
    }
}

fn custom_pins_are_known(config: &Config, version: Version, findings: &mut Findings) {
    if version >= Version::V3_6_0 {
        return;
    }
    for (at, volume) in all(config) {
        let custom = &volume.clevis.custom;
        let pin = text(&custom.pin);
        let is_asked = !pin.is_empty() || (version < Version::V3_3_0 && !text(&custom.config).is_empty());
        if is_asked && !matches!(pin, "tpm2" | "tang" | "sss") {
            let message = format!("version {version} does not have the pin {}", quoted(pin));
            findings
                .report(
                    rule::CLEVIS_PIN_UNKNOWN,
                    at.key("clevis").key("custom").key("pin"),
                    message,
                )
                .help("use tpm2, tang or sss, or set ignition.version to 3.6.0 or later");
        }
    }
}

/// All tang servers with their places.
fn tang(config: &Config) -> impl Iterator<Item = (Pointer, &crate::types::Tang)> {
    all(config).flat_map(|(at, volume)| {
        let at = at.key("clevis").key("tang");
        volume
            .clevis
            .tang
            .iter()
            .enumerate()
            .map(move |(index, tang)| (at.clone().index(index), tang))
    })
}

fn tang_servers_are_http(config: &Config, _: Version, findings: &mut Findings) {
    for (at, tang) in tang(config) {
        match url_syntax::parse(&tang.url) {
            Err(error) => {
                let message = format!("the tang server's URL is invalid: {error}");
                findings.report(rule::URL_INVALID, at.key("url"), message);
            }
            Ok(url) if url.scheme != "http" && url.scheme != "https" => {
                findings
                    .report(
                        rule::URL_SCHEME_UNSUPPORTED,
                        at.key("url"),
                        "a tang server is reached over http or https",
                    )
                    .help("write http://host:port");
            }
            Ok(_) => {}
        }
    }
}

fn tang_servers_have_thumbprints(config: &Config, _: Version, findings: &mut Findings) {
    for (at, tang) in tang(config) {
        if text(&tang.thumbprint).is_empty() {
            findings
                .report(
                    rule::TANG_THUMBPRINT_MISSING,
                    at.key("thumbprint"),
                    "a tang server has no thumbprint",
                )
                .help("tang-show-keys on the server prints it");
        }
    }
}

fn tang_advertisements_are_json(config: &Config, _: Version, findings: &mut Findings) {
    for (at, tang) in tang(config) {
        let advertisement = text(&tang.advertisement);
        if !advertisement.is_empty()
            && let Err(error) = document::syntax(advertisement)
        {
            let message = format!("the advertisement is not JSON: {error}, at byte {}", error.at);
            findings.report(rule::TANG_ADVERTISEMENT_INVALID, at.key("advertisement"), message);
        }
    }
}

fn crypto_cards_stand_alone(config: &Config, _: Version, findings: &mut Findings) {
    for (at, volume) in all(config).filter(|(_, volume)| volume.cex.enabled == Some(true)) {
        let at = at.key("cex");
        if volume.clevis.is_used() {
            let message = "a crypto card cannot be combined with clevis";
            findings.report(rule::CEX_WITH_CLEVIS, at.clone(), message);
        }
        if !text(&volume.key_file.source).is_empty() {
            let message = "a crypto card cannot be combined with a key file";
            findings.report(rule::CEX_WITH_KEY_FILE, at, message);
        }
    }
}

#[cfg(test)]
mod tests;
