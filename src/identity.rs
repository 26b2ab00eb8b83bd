//! Identifiers that the config leaves open, derived instead of drawn.
//!
//! A run that was cut short and starts again derives the same values, so it knows its own half-made
//! work by looking at the disk. Another machine, another config or a table made anew gives other ones.

use std::fmt;
use std::io;

use kindling_config_spec::types::Config;
use ring::digest::{Context, SHA256, digest};
use ring::hmac;
use serde::{Deserialize, Serialize};

/// SHA-256 of a text, in lower-case hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(crate) use kindling_config_spec::json::write as write_json;

/// SHA-256 of a config's JSON, in lower-case hex, without the memory for the text.
#[must_use]
pub fn sha256_hex_of(config: &Config) -> String {
    let mut sum = Context::new(&SHA256);
    config
        .write_json(&mut Hashed(&mut sum))
        .expect("plain data serialises, and hashing cannot fail");
    hex(sum.finish().as_ref())
}

/// Hashes what is written to it.
pub(crate) struct Hashed<'a>(pub(crate) &'a mut Context);

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tells one content from another: SHA-256, or SHA-512 where the config verified it by that; in hex. Nothing is hashed
/// twice for the sake of one function everywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentDigest {
    /// By SHA-256.
    Sha256(String),
    /// By SHA-512.
    Sha512(String),
}

impl ContentDigest {
    /// From hex alone, whose length tells the function.
    #[must_use]
    pub fn from_hex(digits: String) -> Self {
        if digits.len() == 128 {
            Self::Sha512(digits)
        } else {
            Self::Sha256(digits)
        }
    }

    /// In hex, without the function.
    #[must_use]
    pub fn as_hex(&self) -> &str {
        let (Self::Sha256(digits) | Self::Sha512(digits)) = self;
        digits
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Sha256(_) => "sha256",
            Self::Sha512(_) => "sha512",
        };
        write!(out, "{name} {}", self.as_hex())
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// What this machine, with this config, derives identifiers from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(Vec<u8>);

impl Seed {
    /// `machine` is what tells this machine from others (its DMI product UUID), `config_digest` the SHA-256
    /// of the rendered config.
    #[must_use]
    pub fn new(machine: &str, config_digest: &str) -> Self {
        Self(mac(machine.as_bytes(), &[config_digest.as_bytes()]).to_vec())
    }

    /// Sixteen bytes for the object at `pointer` of the config, on the medium `medium` (the GUID of the
    /// disk, so that a table made anew on purpose holds new identifiers).
    #[must_use]
    pub fn derive(&self, medium: &str, pointer: &str) -> [u8; 16] {
        let full = mac(&self.0, &[medium.as_bytes(), b"\0", pointer.as_bytes()]);
        let mut half = [0; 16];
        half.copy_from_slice(full.get(..16).unwrap_or(&[0; 16]));
        half
    }

    /// The same, in the text form of a random UUID (RFC 9562, version 4).
    #[must_use]
    pub fn derive_uuid(&self, medium: &str, pointer: &str) -> String {
        let mut bytes = self.derive(medium, pointer);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = hex(&bytes);
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        mac.update(part);
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(mac.sign().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_identifiers_repeat_and_differ_where_they_must() {
        let seed = Seed::new("machine", "config");
        let uuid = seed.derive_uuid("disk", "/storage/disks/0");
        assert_eq!(uuid, seed.derive_uuid("disk", "/storage/disks/0"));
        assert_ne!(uuid, seed.derive_uuid("disk", "/storage/disks/1"));
        assert_ne!(uuid, seed.derive_uuid("other", "/storage/disks/0"));
        assert_ne!(
            uuid,
            Seed::new("machine", "other").derive_uuid("disk", "/storage/disks/0")
        );
        assert_eq!((uuid.len(), uuid.as_bytes().get(14)), (36, Some(&b'4')));
    }
}
