//! Numbers that carry their unit, so that a sector count cannot be added to a byte count.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);
    };
}

unit! {
    /// A size or an offset in bytes.
    Bytes
}
unit! {
    /// A size or an offset in mebibytes (1,048,576 bytes), the unit of `startMiB` and `sizeMiB`.
    Mib
}
unit! {
    /// A number of logical sectors; how many bytes one has is [`SectorSize`].
    Sectors
}
unit! {
    /// The address of one logical sector, counted from the start of the disk.
    Lba
}

/// Bytes per mebibyte.
pub const MIB: u64 = 1 << 20;

/// The logical sector size of a disk in bytes: a power of two, 512 to 65,536.
///
/// Source: `BLKSSZGET` in linux/fs.h. The physical size (`BLKPBSZGET`) is another number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct SectorSize(u32);

impl SectorSize {
    /// The size nearly every disk reports.
    pub const S512: Self = Self(512);
    /// The size of disks that show their physical sectors ("4Kn").
    pub const S4096: Self = Self(4096);

    /// Accepts a power of two from 512 to 65,536.
    #[must_use]
    pub fn new(bytes: u32) -> Option<Self> {
        (bytes.is_power_of_two() && (512..=65_536).contains(&bytes)).then_some(Self(bytes))
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0)
    }
}

impl TryFrom<u32> for SectorSize {
    type Error = String;

    fn try_from(bytes: u32) -> Result<Self, String> {
        Self::new(bytes).ok_or_else(|| format!("{bytes} is not a sector size"))
    }
}

impl From<SectorSize> for u32 {
    fn from(size: SectorSize) -> Self {
        size.0
    }
}

impl Mib {
    /// The same size in bytes; `None` when it does not fit in 64 bits.
    #[must_use]
    pub fn to_bytes(self) -> Option<Bytes> {
        self.0.checked_mul(MIB).map(Bytes)
    }

    /// The same size in sectors of `size`; `None` when the byte count does not fit in 64 bits.
    #[must_use]
    pub fn to_sectors(self, size: SectorSize) -> Option<Sectors> {
        self.to_bytes().map(|bytes| Sectors(bytes.0 / size.bytes()))
    }
}

impl Sectors {
    /// The same size in bytes. Saturates: no disk is that large.
    #[must_use]
    pub fn to_bytes(self, size: SectorSize) -> Bytes {
        Bytes(self.0.saturating_mul(size.bytes()))
    }
}

impl Lba {
    /// The offset of this sector from the start of the disk. Saturates: no disk is that large.
    #[must_use]
    pub fn to_bytes(self, size: SectorSize) -> Bytes {
        Bytes(self.0.saturating_mul(size.bytes()))
    }
}

impl Bytes {
    /// How many whole sectors of `size` fit.
    #[must_use]
    pub fn to_sectors(self, size: SectorSize) -> Sectors {
        Sectors(self.0 / size.bytes())
    }
}

impl fmt::Display for Bytes {
    /// Prints the largest binary unit that divides the size, or one decimal of the largest that is exceeded.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut unit = 0;
        while unit + 1 < NAMES.len() && self.0 >> (10 * (unit + 1)) > 0 {
            unit += 1;
        }
        let name = NAMES.get(unit).copied().unwrap_or("B");
        let scale = 1_u64 << (10 * unit);
        if self.0.is_multiple_of(scale) {
            write!(out, "{} {name}", self.0 / scale)
        } else {
            let tenths = u128::from(self.0) * 10 / u128::from(scale);
            write!(out, "{}.{} {name}", tenths / 10, tenths % 10)
        }
    }
}

/// Permission bits of a file or directory, special bits included: 0 to 0o7777.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mode(pub u32);

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04o}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_print_in_the_unit_a_person_would_use() {
        for (bytes, text) in [
            (0, "0 B"),
            (512, "512 B"),
            (1 << 20, "1 MiB"),
            (8 << 30, "8 GiB"),
            (1_500 << 20, "1.4 GiB"),
            ((1 << 20) + 512, "1.0 MiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn mebibytes_that_overflow_are_refused() {
        assert_eq!(Mib(u64::MAX).to_sectors(SectorSize::S512), None);
        assert_eq!(Mib(1).to_sectors(SectorSize::S4096), Some(Sectors(256)));
    }
}
