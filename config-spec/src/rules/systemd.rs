//! Rules for units and drop-ins.

use super::{Check, Findings, catalog as rule};
use crate::diagnostic::Pointer;
use crate::order::{Gather, OrderedMap};
use crate::suggest::quoted;
use crate::types::{Config, Unit};
use crate::unit_file;
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[
    unit_names_fit,
    dropin_names_fit,
    units_can_be_read,
    enabled_units_can_be_installed,
    enabled_instances_have_templates,
];

/// The kinds of units, from their extension.
const EXTENSIONS: [&str; 12] = [
    ".service",
    ".socket",
    ".device",
    ".mount",
    ".automount",
    ".swap",
    ".target",
    ".path",
    ".timer",
    ".snapshot",
    ".slice",
    ".scope",
];

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Unit)> {
    let at = |index| Pointer::root().key("systemd").key("units").index(index);
    config
        .systemd
        .units
        .iter()
        .enumerate()
        .map(move |(index, unit)| (at(index), unit))
}

/// What follows the last dot of the last path segment, with the dot; empty without one.
pub(crate) fn extension(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or_default();
    file.rfind('.')
        .and_then(|dot| file.get(dot..))
        .unwrap_or_default()
}

/// Whether `name` ends in the kind of unit it is.
pub(crate) fn is_unit_name(name: &str) -> bool {
    EXTENSIONS.contains(&extension(name))
}

fn unit_names_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (at, unit) in all(config) {
        if !is_unit_name(&unit.name) {
            let message = format!("{} is not a kind of unit systemd knows", quoted(&unit.name));
            let help = match extension(&unit.name) {
                ".network" | ".netdev" | ".link" => "write it as a file below /etc/systemd/network",
                ".nspawn" => "write it as a file below /etc/systemd/nspawn",
                _ => "end the name in .service, .socket, .mount, .timer, .path, .target or another unit type",
            };
            findings
                .report(rule::UNIT_EXTENSION_UNKNOWN, at.key("name"), message)
                .help(help);
        }
    }
}

fn dropin_names_fit(config: &Config, _: Version, findings: &mut Findings) {
    for (at, unit) in all(config) {
        for (index, dropin) in unit.dropins.iter().enumerate() {
            if extension(&dropin.name) != ".conf" {
                let message = format!(
                    "the drop-in {} does not end in .conf, so systemd ignores it",
                    quoted(&dropin.name)
                );
                findings
                    .report(
                        rule::DROPIN_EXTENSION_UNKNOWN,
                        at.clone().key("dropins").index(index).key("name"),
                        message,
                    )
                    .help("end the name in .conf");
            }
        }
    }
}

fn units_can_be_read(config: &Config, _: Version, findings: &mut Findings) {
    let mut check = |contents: &Option<String>, at: Pointer| {
        if let Err(error) = unit_file::parse(contents.as_deref().unwrap_or_default()) {
            findings.report(
                rule::UNIT_SYNTAX,
                at.key("contents"),
                format!("invalid unit content: {error}"),
            );
        }
    };
    for (at, unit) in all(config) {
        check(&unit.contents, at.clone());
        for (index, dropin) in unit.dropins.iter().enumerate() {
            check(&dropin.contents, at.clone().key("dropins").index(index));
        }
    }
}

/// Whether a unit has text that can be read but nothing for `systemctl enable` to act on.
fn lacks_install(unit: &Unit) -> bool {
    let contents = unit.contents.as_deref().unwrap_or_default();
    !contents.is_empty() && unit_file::parse(contents).is_ok_and(|summary| !summary.has_install)
}

fn enabled_units_can_be_installed(config: &Config, _: Version, findings: &mut Findings) {
    for (at, unit) in all(config) {
        if unit.enabled == Some(true) && lacks_install(unit) {
            let message = format!(
                "{} is enabled, but has no [Install] section to act on",
                quoted(&unit.name)
            );
            findings
                .report(rule::UNIT_WITHOUT_INSTALL, at.key("contents"), message)
                .help("add [Install] with WantedBy=, or remove enabled");
        }
    }
}

/// The template of an instance of a service: `job@.service` for `job@7.service`.
fn template_of(name: &str) -> Option<String> {
    let stem = name.strip_suffix(".service")?;
    let (prefix, instance) = stem.split_once('@')?;
    (!prefix.is_empty() && !instance.is_empty()).then(|| format!("{prefix}@.service"))
}

fn enabled_instances_have_templates(config: &Config, _: Version, findings: &mut Findings) {
    let units: OrderedMap<&str, &Unit> = config
        .systemd
        .units
        .iter()
        .map(|unit| (unit.name.as_str(), unit))
        .into_map();
    for (at, unit) in all(config).filter(|(_, unit)| unit.enabled == Some(true)) {
        let Some(template) = template_of(&unit.name) else {
            continue;
        };
        if units
            .get(template.as_str())
            .is_some_and(|template| lacks_install(template))
        {
            let message = format!(
                "{} is enabled, but its template has no [Install] section to act on",
                quoted(&unit.name)
            );
            findings
                .report(rule::TEMPLATE_WITHOUT_INSTALL, at.key("contents"), message)
                .help(format!("add [Install] with WantedBy= to {}", quoted(&template)));
        }
    }
}

#[cfg(test)]
mod tests;
