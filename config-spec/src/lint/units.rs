//! Units that systemd reads and does not understand, or cannot start.

mod directives;

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::types::{Config, Unit};

pub(super) const CHECKS: &[Check] = &[directives::names_are_known];

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Unit)> {
    let at = |index| Pointer::root().key("systemd").key("units").index(index);
    let units = config.systemd.units.iter().enumerate();
    units.map(move |(index, unit)| (at(index), unit))
}

/// The texts of a unit and its drop-ins, each with its place.
fn texts<'a>(at: &Pointer, unit: &'a Unit) -> impl Iterator<Item = (Pointer, &'a str)> {
    let own = (at.clone().key("contents"), &unit.contents);
    let at = at.clone().key("dropins");
    let dropins = unit.dropins.iter().enumerate();
    let dropins =
        dropins.map(move |(index, dropin)| (at.clone().index(index).key("contents"), &dropin.contents));
    std::iter::once(own)
        .chain(dropins)
        .filter_map(|(at, contents)| Some((at, contents.as_deref()?)))
}
