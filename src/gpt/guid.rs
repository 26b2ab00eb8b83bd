//! GUIDs, kept as they stand on the disk.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A GUID in the byte order of the disk: the first three groups little-endian, the rest as printed.
///
/// Source: UEFI specification 2.10, appendix A.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid([u8; 16]);

/// The text is not 8-4-4-4-12 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a guid: expected 8-4-4-4-12 hexadecimal digits")]
pub struct GuidError;

/// Which byte of the disk each printed pair of digits stands for.
const PRINTED: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    /// All zero: the type of an unused entry.
    pub const ZERO: Self = Self([0; 16]);

    /// The type of a partition whose config names none: 0FC63DAF-8483-4772-8E79-3D69D8477DE4.
    ///
    /// Source: Discoverable Partitions Specification, "Generic Linux Data Partition"; also what `sgdisk --new` sets.
    pub const LINUX_FILESYSTEM: Self = Self([
        0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4,
    ]);

    /// The GUID whose bytes stand so on a disk.
    #[must_use]
    pub const fn from_disk(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand on a disk.
    #[must_use]
    pub const fn to_disk(self) -> [u8; 16] {
        self.0
    }

    /// Makes a GUID of 16 random (or derived) bytes by setting the version to 4 and the variant to RFC 9562's.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        // The version is the high half of the third group, whose high byte comes second on the disk.
        bytes[7] = (bytes[7] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }

    /// Whether all bytes are zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl fmt::Display for Guid {
    /// Prints 8-4-4-4-12 upper-case digits.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, &byte) in PRINTED.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                out.write_str("-")?;
            }
            write!(out, "{:02X}", self.0[byte])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for Guid {
    type Err = GuidError;

    /// Accepts both letter cases.
    fn from_str(text: &str) -> Result<Self, GuidError> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.iter().map(|group| group.len()).ne([8, 4, 4, 4, 12]) {
            return Err(GuidError);
        }
        let mut digits = groups
            .iter()
            .flat_map(|group| group.chars())
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()));
        let mut bytes = [0; 16];
        for &byte in &PRINTED {
            let mut digit = || digits.next().flatten().ok_or(GuidError);
            let high = digit()?;
            bytes[byte] = high << 4 | digit()?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Guid {
    type Error = GuidError;

    fn try_from(text: String) -> Result<Self, GuidError> {
        text.parse()
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_disk_order_agree_with_the_published_type() {
        let text = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
        assert_eq!(text.parse(), Ok(Guid::LINUX_FILESYSTEM));
        assert_eq!(text.to_lowercase().parse(), Ok(Guid::LINUX_FILESYSTEM));
        assert_eq!(Guid::LINUX_FILESYSTEM.to_string(), text);
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "0FC63DAF84834772-8E79-3D69D8477DE4",
            "0FC63DAF-8483-4772-8E79-3D69D8477DE",
            "0FC63DAF-8483-4772-8E79-3D69D8477DE4-",
            "GFC63DAF-8483-4772-8E79-3D69D8477DE4",
            "{0FC63DAF-8483-4772-8E79-3D69D8477DE4}",
            "äFC63DA-8483-4772-8E79-3D69D8477DE4",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(GuidError), "{text}");
        }
    }

    #[test]
    fn random_bytes_become_version_four() {
        assert_eq!(
            Guid::from_random([0xff; 16]).to_string(),
            "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF"
        );
        assert_eq!(
            Guid::from_random([0; 16]).to_string(),
            "00000000-0000-4000-8000-000000000000"
        );
    }
}
