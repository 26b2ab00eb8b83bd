//! systemd units: files, drop-ins, masks and presets (engine.md 4.6.7).

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::{Config, Unit};
use kindling_config_spec::units::Mode;

use super::step::{Before, Content, FileStep, Id, Ownership, PresetLine};
use super::{Plan, Step};
use crate::inventory::target::{Kind, Node, Target};
use crate::invocation::{Invocation, Program};

/// Where unit files go in the target.
const UNIT_DIR: &str = "/etc/systemd/system";
/// The preset file; systemd reads it on a boot it considers the first (systemd.preset(5)).
pub const PRESET_FILE: &str = "/etc/systemd/system-preset/20-ignition.preset";

/// The paths that the units of the config write.
pub fn paths(config: &Config) -> impl Iterator<Item = PathBuf> + '_ {
    config.systemd.units.iter().flat_map(|unit| {
        let dropins = unit.dropins.iter().map(|dropin| dropin_path(unit, &dropin.name));
        dropins.chain([unit_path(unit)])
    })
}

fn unit_path(unit: &Unit) -> PathBuf {
    Path::new(UNIT_DIR).join(&unit.name)
}

fn dropin_path(unit: &Unit, name: &str) -> PathBuf {
    Path::new(UNIT_DIR).join(format!("{}.d", unit.name)).join(name)
}

/// Adds the steps for all units in the config's order, then the preset lines.
pub fn plan_units(plan: &mut Plan, config: &Config, target: &Target) {
    for (index, unit) in config.systemd.units.iter().enumerate() {
        let pointer = format!("/systemd/units/{index}");
        for (nth, dropin) in unit.dropins.iter().enumerate() {
            if let Some(contents) = &dropin.contents {
                let path = dropin_path(unit, &dropin.name);
                plan.push(format!("{pointer}/dropins/{nth}"), write(path, contents, target));
            }
        }
        let masked = unit.mask == Some(true);
        if let Some(contents) = unit.contents.as_ref().filter(|text| !text.is_empty() && !masked) {
            plan.push(
                format!("{pointer}/contents"),
                write(unit_path(unit), contents, target),
            );
        }
        plan_mask(plan, &pointer, unit, target);
    }
    let lines = preset_lines(&config.systemd.units);
    if !lines.is_empty() {
        plan.push("/systemd/units", Step::Preset { lines });
    }
}

/// Unit files replace whatever file stands there, without an `overwrite`.
fn write(path: PathBuf, contents: &str, target: &Target) -> Step {
    let before = match target.nodes.get(&path) {
        None => Before::Absent,
        Some(_) if target.complete.contains(&path) => Before::Ours,
        Some(_) if target.half_written.contains(&path) => Before::HalfWritten,
        Some(_) => Before::Present,
    };
    Step::File(FileStep {
        path,
        ownership: Ownership {
            user: Id::Keep,
            group: Id::Keep,
            mode: Some(Mode(0o644)),
        },
        content: vec![Content::Inline(contents.as_bytes().to_vec())],
        keeps_content: false,
        before,
    })
}

fn plan_mask(plan: &mut Plan, pointer: &str, unit: &Unit, target: &Target) {
    let path = unit_path(unit);
    let found = target.nodes.get(&path);
    let null = Path::new("/dev/null");
    let is_masked = matches!(found, Some(Node { kind: Kind::Symlink { target }, .. }) if target == null);
    let pointer = format!("{pointer}/mask");
    let has_contents = unit.contents.as_ref().is_some_and(|text| !text.is_empty());
    let remove = |found: &Node| Step::Remove {
        path: path.clone(),
        found: found.kind.name().to_owned(),
    };
    match (unit.mask, found) {
        (Some(true), found) => {
            if let Some(found) = found.filter(|_| !is_masked) {
                plan.push(&pointer, remove(found));
            }
            let ownership = Ownership {
                user: Id::Keep,
                group: Id::Keep,
                mode: None,
            };
            let (path, target) = (path.clone(), null.to_owned());
            plan.push(
                &pointer,
                Step::Symlink {
                    path,
                    target,
                    ownership,
                    exists: is_masked,
                },
            );
        }
        // Contents take the place of the mask by themselves.
        (Some(false), Some(found)) if is_masked && !has_contents => plan.push(&pointer, remove(found)),
        (Some(false) | None, _) => {}
    }
}

/// The lines of the preset file. Instances of a template are one line, in the config's order; lines are
/// sorted by unit, as the reference sorts them.
fn preset_lines(units: &[Unit]) -> Vec<PresetLine> {
    let mut enabled: OrderedMap<String, Vec<&str>> = OrderedMap::new();
    let mut lines: OrderedMap<String, PresetLine> = OrderedMap::new();
    for unit in units {
        let template = unit.name.split_once('@').and_then(|(name, rest)| {
            let (instance, suffix) = rest.rsplit_once('.')?;
            Some((format!("{name}@.{suffix}"), instance))
        });
        match (unit.enabled, template) {
            (None, _) => {}
            (Some(true), Some((template, instance))) => enabled.entry(template).or_default().push(instance),
            (Some(true), None) => {
                let line = PresetLine::Enable(format!("enable {}", unit.name));
                lines.insert(format!("{}-enabled", unit.name), line);
            }
            (Some(false), _) => {
                let line = PresetLine::DisableIfEnabled(unit.name.clone());
                lines.insert(format!("{}-disabled", unit.name), line);
            }
        }
    }
    for (template, instances) in enabled {
        let line = PresetLine::Enable(format!("enable {template} {}", instances.join(" ")));
        lines.insert(format!("{template}-enabled"), line);
    }
    lines.into_values().collect()
}

/// Enables units as all presets of the target say, and disables none: what systemd itself does on a first boot
/// (`manager_preset_all`, src/core/manager.c).
pub(super) fn apply_presets(root: &Path) -> Step {
    let call = Invocation::new(Program::Systemctl).arg("--root").arg(root);
    Step::ApplyPresets {
        call: call.args(["preset-all", "--preset-mode=enable-only"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    fn unit(name: &str, enabled: Option<bool>) -> Unit {
        Unit {
            name: name.into(),
            enabled,
            ..Unit::default()
        }
    }

    #[test]
    fn preset_table() {
        let units = [
            unit("b.service", Some(true)),
            unit("job@2.service", Some(true)),
            unit("job@1.service", Some(true)),
            unit("a.timer", Some(false)),
            unit("quiet.service", None),
        ];
        assert_eq!(
            preset_lines(&units),
            [
                PresetLine::DisableIfEnabled("a.timer".into()),
                PresetLine::Enable("enable b.service".into()),
                PresetLine::Enable("enable job@.service 2 1".into()),
            ]
        );
    }

    #[test]
    fn mask_table() {
        let masked = Node {
            kind: Kind::Symlink {
                target: "/dev/null".into(),
            },
            uid: 0,
            gid: 0,
            mode: Mode(0o777),
            inode: (0, 0),
        };
        let file = Node {
            kind: Kind::File,
            ..masked.clone()
        };
        for (row, mask, found, expected) in [
            ("mask", Some(true), None, "link"),
            ("mask what is a file", Some(true), Some(&file), "remove link"),
            ("mask again", Some(true), Some(&masked), "link"),
            ("unmask", Some(false), Some(&masked), "remove"),
            ("unmask what is a file", Some(false), Some(&file), ""),
            ("say nothing", None, Some(&masked), ""),
        ] {
            let unit = Unit {
                mask,
                ..unit("x.service", None)
            };
            let mut target = Target::default();
            if let Some(found) = found {
                target.nodes.insert(unit_path(&unit), found.clone());
            }
            let mut plan = Plan::empty(Stage::Files);
            plan_mask(&mut plan, "", &unit, &target);
            let words: Vec<_> = plan
                .steps
                .iter()
                .map(|planned| {
                    if matches!(planned.step, Step::Remove { .. }) {
                        "remove"
                    } else {
                        "link"
                    }
                })
                .collect();
            assert_eq!(words.join(" "), expected, "{row}");
        }
    }

    #[test]
    fn contents_of_a_unit_that_is_unmasked_stay() {
        let unit = Unit {
            contents: Some("[Unit]".into()),
            mask: Some(false),
            ..unit("x.service", None)
        };
        let masked = Node {
            kind: Kind::Symlink {
                target: "/dev/null".into(),
            },
            uid: 0,
            gid: 0,
            mode: Mode(0o777),
            inode: (0, 0),
        };
        let mut target = Target::default();
        target.nodes.insert(unit_path(&unit), masked);
        let mut config = Config::default();
        config.systemd.units.push(unit);
        let mut plan = Plan::empty(Stage::Files);
        plan_units(&mut plan, &config, &target);
        assert!(matches!(plan.steps.as_slice(), [planned] if matches!(planned.step, Step::File(_))));
    }

    #[test]
    fn contents_of_a_masked_unit_are_not_written() {
        let mut config = Config::default();
        config.systemd.units.push(Unit {
            contents: Some("[Unit]".into()),
            mask: Some(true),
            ..unit("x.service", None)
        });
        let mut plan = Plan::empty(Stage::Files);
        plan_units(&mut plan, &config, &Target::default());
        assert_eq!(plan.steps.len(), 1);
    }
}
