//! Units that are enabled or changed, and are nowhere.

use super::{Setting, all, brings_extensions, has_contents, lint, paths, texts};
use crate::diagnostic::Pointer;
use crate::facts::{Facts, template_of};
use crate::rules::Findings;
use crate::suggest::{quoted, similar};
use crate::types::{Config, Unit};
use crate::unit_file;

/// Where systemd looks for units, as far as a config may write there.
const PLACES: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Kinds that come to be without a file: nothing is wrong with one that has only drop-ins.
const WITHOUT_FILE: [&str; 6] = [".automount", ".device", ".mount", ".scope", ".slice", ".swap"];

/// Kinds that cannot be enabled in vain, or not at all.
const ALWAYS_THERE: [&str; 3] = [".device", ".scope", ".slice"];

fn is_of(name: &str, kinds: &[&str]) -> bool {
    kinds.iter().any(|kind| name.ends_with(kind))
}

pub(super) fn units_exist(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let Some(facts) = setting.facts else { return };
    if brings_extensions(config) {
        return;
    }
    let there = There::new(config, facts);
    for (at, unit) in all(config).filter(|(_, unit)| unit.mask != Some(true)) {
        if has_contents(unit) {
            others_exist(&there, &at, unit, findings);
        } else if !there.has(&unit.name) {
            own_file_is_missing(&there, at, unit, findings);
        }
    }
}

/// What units there will be.
struct There<'a> {
    /// Units of the config, masked ones too, and other names that it gives them.
    names: Vec<String>,
    facts: &'a Facts,
}

impl<'a> There<'a> {
    fn new(config: &Config, facts: &'a Facts) -> Self {
        let mut names = Vec::new();
        for (at, unit) in all(config) {
            if has_contents(unit) || unit.mask == Some(true) {
                names.push(unit.name.clone());
            }
            for (_, text) in texts(&at, unit) {
                names.extend(installs(text, "Alias").map(|(name, _)| name));
            }
        }
        let as_nodes = paths(config).filter_map(|path| {
            let (dir, name) = path.rsplit_once('/')?;
            PLACES.contains(&dir).then(|| name.to_owned())
        });
        names.extend(as_nodes);
        Self { names, facts }
    }

    fn has(&self, name: &str) -> bool {
        let has = |name: &str| self.names.iter().any(|known| known == name);
        has(name)
            || template_of(name).is_some_and(|template| has(&template))
            || self.facts.has_unit(name)
            || self.is_script(name)
    }

    /// Whether systemd-sysv-generator makes it of a script.
    fn is_script(&self, name: &str) -> bool {
        name.strip_suffix(".service")
            .is_some_and(|stem| self.facts.resolve(&format!("/etc/init.d/{stem}")).is_some())
    }

    fn help(&self, name: &str) -> String {
        let known = self.names.iter().chain(&self.facts.units).map(String::as_str);
        match similar(name, known) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => {
                "give it contents; if it is installed after the first boot began, nothing is wrong".to_owned()
            }
        }
    }
}

/// The units that directives of this name list in the section `Install`, each with its line.
fn installs<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (String, usize)> + 'a {
    unit_file::options(text)
        .filter(move |option| option.section == "Install" && option.name == name)
        .flat_map(move |option| {
            let line = unit_file::line_of(text, option.at);
            let names: Vec<String> = option.value().split_whitespace().map(str::to_owned).collect();
            names.into_iter().map(move |name| (name, line))
        })
}

fn own_file_is_missing(there: &There<'_>, at: Pointer, unit: &Unit, findings: &mut Findings) {
    let name = &unit.name;
    let is_enabled = unit.enabled == Some(true) && !is_of(name, &ALWAYS_THERE);
    let is_changed = !unit.dropins.is_empty() && !may_have_dropins_alone(name);
    let shown = quoted(name);
    let message = if is_enabled {
        format!("{shown} is enabled, but neither this config nor the target has it")
    } else if is_changed {
        format!(
            "{shown} has drop-ins, which do nothing alone: neither this config nor the target has the unit"
        )
    } else {
        return;
    };
    findings
        .report(lint::UNIT_MISSING.rule, at.key("name"), message)
        .help(there.help(name));
}

/// Whether drop-ins of this name are for units that have other names (`a-.service.d` is for all that begin with `a-`),
/// or that are made at boot: by generators, as the instances of `systemd-cryptsetup@.service`.
fn may_have_dropins_alone(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    is_of(name, &WITHOUT_FILE) || stem.ends_with('-') || (stem.starts_with("systemd-") && stem.contains('@'))
}

/// The units that are enabled along with this one.
fn others_exist(there: &There<'_>, at: &Pointer, unit: &Unit, findings: &mut Findings) {
    if unit.enabled != Some(true) {
        return;
    }
    for (at, text) in texts(at, unit) {
        for (name, line) in installs(text, "Also") {
            if name.contains('%') || is_of(&name, &ALWAYS_THERE) || there.has(&name) {
                continue;
            }
            let message = format!(
                "{} is enabled with this unit, on line {line}, but neither this config nor the target has it",
                quoted(&name)
            );
            findings
                .report(lint::UNIT_MISSING.rule, at.clone(), message)
                .help(there.help(&name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::{expect, said};

    fn target() -> Facts {
        Facts {
            units: ["sshd.service", "getty@.service", "podman.socket"]
                .map(str::to_owned)
                .into(),
            directories: ["/etc", "/etc/init.d"].map(str::to_owned).into(),
            programs: ["/etc/init.d/old".to_owned()].into(),
            ..Facts::default()
        }
    }

    #[test]
    fn units_are_of_the_config_or_of_the_target() {
        let facts = target();
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        let told: &[&str] = &["warning $.systemd.units.0.name unit-missing"];
        let dropin = r#""dropins":[{"name":"a.conf","contents":"[Unit]\nAfter=b\n"}]"#;
        for (unit, expected) in [
            (r#""name":"sshd.service","enabled":true"#.to_owned(), &[][..]),
            (r#""name":"ssh.service","enabled":true"#.to_owned(), told),
            (r#""name":"ssh.service","enabled":false"#.to_owned(), &[]),
            (r#""name":"ssh.service","mask":true"#.to_owned(), &[]),
            (r#""name":"getty@tty1.service","enabled":true"#.to_owned(), &[]),
            (r#""name":"gety@tty1.service","enabled":true"#.to_owned(), told),
            (r#""name":"old.service","enabled":true"#.to_owned(), &[]),
            (r#""name":"a.slice","enabled":true"#.to_owned(), &[]),
            (format!(r#""name":"sshd.service",{dropin}"#), &[]),
            (format!(r#""name":"ssh.service",{dropin}"#), told),
            (format!(r#""name":"a-.service",{dropin}"#), &[]),
            (format!(r#""name":"data.mount",{dropin}"#), &[]),
            (format!(r#""name":"systemd-cryptsetup@a.service",{dropin}"#), &[]),
        ] {
            let members = format!(r#""systemd":{{"units":[{{{unit}}}]}}"#);
            expect(&setting, &[(&members, expected)]);
            expect(&Setting::default(), &[(&members, &[])]);
        }
        for more in [
            r#","systemd":{"units":[{"name":"ssh.service","enabled":true},{"name":"b.service","contents":"[Install]\nAlias=ssh.service\n"}]}"#,
            r#","systemd":{"units":[{"name":"job@1.service","enabled":true},{"name":"job@.service","contents":"[Install]\nWantedBy=a.target\n"}]}"#,
        ] {
            expect(&setting, &[(&format!(r#""storage":{{}}{more}"#), &[])]);
        }
        for node in [
            r#""files":[{"path":"/etc/systemd/system/a.service"}]"#,
            r#""links":[{"path":"/etc/systemd/system/a.service","target":"/b"}]"#,
            r#""files":[{"path":"/etc/extensions/kubernetes.raw"}]"#,
        ] {
            let members = format!(
                r#""storage":{{{node}}},"systemd":{{"units":[{{"name":"a.service","enabled":true}}]}}"#
            );
            expect(&setting, &[(&members, &[])]);
        }
    }

    #[test]
    fn what_is_enabled_along_is_there_too() {
        let facts = target();
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        let unit = |also: &str| {
            format!(
                r#""systemd":{{"units":[{{"name":"a.service","enabled":true,"contents":"[Install]\nAlso={also}\n"}}]}}"#
            )
        };
        let told: &[&str] = &["warning $.systemd.units.0.contents unit-missing"];
        expect(
            &setting,
            &[
                (&unit("podman.socket %i.socket"), &[]),
                (&unit("podmn.socket"), told),
            ],
        );
        let said = said(&unit("podmn.socket"), &setting);
        assert_eq!(said[0].1, "did you mean \"podman.socket\"?");
    }
}
