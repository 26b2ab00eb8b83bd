//! Partition labels: 36 UTF-16 units, kept even where they are not text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many UTF-16 units an entry has for its label.
///
/// Source: UEFI specification 2.10, table 5-6 (72 bytes at offset 56).
pub const LABEL_UNITS: usize = 36;

/// The label of a partition, as stored: everything behind the terminating zero is kept too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Label([u16; LABEL_UNITS]);

/// The text cannot be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// More than 36 UTF-16 units; a letter beyond the basic plane counts as two.
    #[error("a label has at most 36 UTF-16 units, not {0}")]
    TooLong(usize),
    /// A zero ends a label, so the rest could never be read back.
    #[error("a label cannot contain a zero")]
    Zero,
}

/// Text where the label is text, units where only they tell everything.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Units(Vec<u16>),
}

impl Label {
    /// No label: what an entry has when nobody named it.
    pub const EMPTY: Self = Self([0; LABEL_UNITS]);

    /// The label with these units.
    #[must_use]
    pub const fn from_units(units: [u16; LABEL_UNITS]) -> Self {
        Self(units)
    }

    /// The units as stored, each to be written little-endian.
    #[must_use]
    pub const fn units(&self) -> &[u16; LABEL_UNITS] {
        &self.0
    }

    /// The text before the first zero; `None` when it is not UTF-16.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        String::from_utf16(self.before_zero()).ok()
    }

    fn before_zero(&self) -> &[u16] {
        let end = self.0.iter().position(|&unit| unit == 0).unwrap_or(LABEL_UNITS);
        &self.0[..end]
    }
}

impl Default for Label {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let mut units = [0; LABEL_UNITS];
        let count = text.encode_utf16().count();
        if count > LABEL_UNITS {
            return Err(LabelError::TooLong(count));
        }
        if text.contains('\0') {
            return Err(LabelError::Zero);
        }
        for (slot, unit) in units.iter_mut().zip(text.encode_utf16()) {
            *slot = unit;
        }
        Ok(Self(units))
    }
}

impl fmt::Display for Label {
    /// Prints the text before the first zero; a unit that is no letter prints as U+FFFD.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf16_lossy(self.before_zero()))
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.to_string())
    }
}

impl From<Label> for Written {
    fn from(label: Label) -> Self {
        match label.text() {
            Some(text) if text.parse() == Ok(label) => Self::Text(text),
            _ => Self::Units(label.0.to_vec()),
        }
    }
}

impl TryFrom<Written> for Label {
    type Error = LabelError;

    fn try_from(written: Written) -> Result<Self, LabelError> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Units(units) => units
                .as_slice()
                .try_into()
                .map(Self)
                .map_err(|_| LabelError::TooLong(units.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_units_not_bytes() {
        let umlauts = "ä".repeat(36);
        assert_eq!(umlauts.parse::<Label>().unwrap().to_string(), umlauts);
        assert_eq!("𝄞".repeat(19).parse::<Label>(), Err(LabelError::TooLong(38)));
        assert_eq!("a\0b".parse::<Label>(), Err(LabelError::Zero));
    }

    #[test]
    fn units_that_are_no_text_survive_json() {
        let mut units = [0; LABEL_UNITS];
        (units[0], units[1], units[3]) = (0xd800, u16::from(b'x'), 7);
        for label in [Label(units), "var log".parse().unwrap(), Label::EMPTY] {
            let json = serde_json::to_string(&label).unwrap();
            assert_eq!(serde_json::from_str::<Label>(&json).unwrap(), label, "{json}");
        }
        assert_eq!(
            serde_json::to_string(&"root".parse::<Label>().unwrap()).unwrap(),
            "\"root\""
        );
    }
}
