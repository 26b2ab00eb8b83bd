//! Units that systemd reads and does not understand, does not find, or cannot start.

mod commands;
mod directives;
mod elsewhere;
mod missing;
mod programs;

use super::{Check, Setting, catalog as lint};
use crate::diagnostic::Pointer;
use crate::order;
use crate::types::{Config, Unit};

pub(super) const CHECKS: &[Check] = &[
    directives::names_are_known,
    missing::units_exist,
    programs::programs_can_be_run,
];

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Unit)> {
    let at = |index| Pointer::root().key("systemd").key("units").index(index);
    let units = config.systemd.units.iter().enumerate();
    units.map(move |(index, unit)| (at(index), unit))
}

/// The texts of a unit and its drop-ins, each with its place, in the order systemd reads them.
fn texts<'a>(at: &Pointer, unit: &'a Unit) -> impl Iterator<Item = (Pointer, &'a str)> {
    let own = (at.clone().key("contents"), &unit.contents);
    let at = at.clone().key("dropins");
    let mut dropins: Vec<_> = unit.dropins.iter().enumerate().collect();
    order::by(&mut dropins, |(_, one), (_, other)| one.name.cmp(&other.name));
    let dropins = dropins
        .into_iter()
        .map(move |(index, dropin)| (at.clone().index(index).key("contents"), &dropin.contents));
    std::iter::once(own)
        .chain(dropins)
        .filter_map(|(at, contents)| Some((at, contents.as_deref()?)))
}

/// Whether the config writes the unit's own file.
fn has_contents(unit: &Unit) -> bool {
    unit.contents
        .as_ref()
        .is_some_and(|contents| !contents.is_empty())
}

/// The paths of all files, directories and links.
fn paths(config: &Config) -> impl Iterator<Item = &str> {
    let storage = &config.storage;
    let files = storage.files.iter().map(|node| node.path.as_str());
    let directories = storage.directories.iter().map(|node| node.path.as_str());
    let links = storage.links.iter().map(|node| node.path.as_str());
    files.chain(directories).chain(links)
}

/// Whether the config brings images that systemd-sysext lays over `/usr` and `/opt`, with programs and units nobody here
/// can know.
fn brings_extensions(config: &Config) -> bool {
    const PLACES: [&str; 3] = ["/etc/extensions", "/var/lib/extensions", "/usr/lib/extensions"];
    paths(config).any(|path| PLACES.iter().any(|place| crate::facts::is_below(path, place)))
}
