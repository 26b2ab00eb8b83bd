//! `null` reads as absence, and absence is not written.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a plain scalar or an object; `null` leaves the default.
pub(super) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// Reads a list; `null` is the empty list and a `null` element is that element's default.
pub(super) fn list<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let elements: Option<Vec<Option<T>>> = Option::deserialize(from)?;
    Ok(elements
        .unwrap_or_default()
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect())
}

/// Reads an object whose members the user names; `null` is the empty one and a `null` member is its kind's default.
///
/// It goes through one kind of map for all kinds of members: each further kind costs kilobytes.
pub(super) fn map<'de, D, T>(from: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let texts: Option<BTreeMap<String, Box<RawValue>>> = Option::deserialize(from)?;
    let mut members = BTreeMap::new();
    // Collecting would sort first, and the code for that is not small either.
    for (name, text) in texts.unwrap_or_default() {
        let member: Option<T> = serde_json::from_str(text.get()).map_err(Error::custom)?;
        members.insert(name, member.unwrap_or_default());
    }
    Ok(members)
}

/// Whether a section says nothing, so that what does not know it need not see it.
pub(super) fn is_default<T: Default + PartialEq>(section: &T) -> bool {
    *section == T::default()
}

/// Whether an optional plain integer was left out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(number: &i64) -> bool {
    *number == 0
}
