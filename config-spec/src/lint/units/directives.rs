//! Names of sections and directives.

use std::sync::LazyLock;

use super::{Setting, all, lint, texts};
use crate::diagnostic::{Pointer, Severity};
use crate::rules::Findings;
use crate::suggest::{quoted, similar};
use crate::types::Config;
use crate::unit_file::{self, Item, UnitOption};

/// The directives of systemd, grouped by the sections that know them.
const KNOWN: &str = include_str!("directives.txt");

/// Which releases of systemd [`KNOWN`] is of.
const RELEASES: &str = "systemd 252 to 262";

/// The sections that every unit may have.
const SHARED: [&str; 2] = ["Unit", "Install"];

/// The section that a unit has of its own, by its type. The other types have none.
const OWN: [(&str, &str); 9] = [
    (".automount", "Automount"),
    (".mount", "Mount"),
    (".path", "Path"),
    (".scope", "Scope"),
    (".service", "Service"),
    (".slice", "Slice"),
    (".socket", "Socket"),
    (".swap", "Swap"),
    (".timer", "Timer"),
];

/// Directives that the same sections know.
struct Group {
    sections: Vec<&'static str>,
    names: Vec<&'static str>,
}

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let mut groups: Vec<Group> = Vec::new();
    for line in KNOWN.lines().filter(|line| !line.starts_with('#')) {
        let header = line.strip_prefix('[').and_then(|line| line.strip_suffix(']'));
        match (header, groups.last_mut()) {
            (Some(sections), _) => groups.push(Group {
                sections: sections.split(' ').collect(),
                names: Vec::new(),
            }),
            (None, Some(group)) => group.names.push(line),
            (None, None) => {}
        }
    }
    groups
});

fn names_of(section: &str) -> impl Iterator<Item = &'static str> {
    let groups = GROUPS
        .iter()
        .filter(move |group| group.sections.contains(&section));
    groups.flat_map(|group| group.names.iter().copied())
}

/// The sections that know `name`.
fn sections_of(name: &str) -> &'static [&'static str] {
    let group = GROUPS
        .iter()
        .find(|group| group.names.binary_search(&name).is_ok());
    group.map_or(&[], |group| &group.sections)
}

fn is_known(section: &str, name: &str) -> bool {
    sections_of(name).contains(&section)
}

/// What systemd leaves to others, in silence.
fn is_foreign(name: &str) -> bool {
    name.starts_with("X-")
}

pub(super) fn names_are_known(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (at, unit) in all(config) {
        let own = OWN
            .iter()
            .find(|(end, _)| unit.name.ends_with(end))
            .map(|(_, own)| *own);
        let allowed: Vec<&str> = own.into_iter().chain(SHARED).collect();
        for (at, text) in texts(&at, unit) {
            for item in unit_file::items(text) {
                if findings.is_full(Severity::Warning) {
                    return;
                }
                match item {
                    Item::Section { name, .. } if is_foreign(name) || allowed.contains(&name) => {}
                    Item::Section { name, at: place } => {
                        let line = unit_file::line_of(text, place);
                        section_is_unknown(name, line, &allowed, at.clone(), findings);
                    }
                    Item::Option(option) if !allowed.contains(&option.section) => {}
                    Item::Option(option)
                        if is_foreign(option.name) || is_known(option.section, option.name) => {}
                    Item::Option(option) => {
                        let line = unit_file::line_of(text, option.at);
                        directive_is_unknown(&option, line, &allowed, at.clone(), findings);
                    }
                }
            }
        }
    }
}

fn section_is_unknown(name: &str, line: usize, allowed: &[&str], at: Pointer, findings: &mut Findings) {
    let kind = OWN.iter().find(|(_, own)| *own == name);
    let help = match (similar(name, allowed.iter().copied()), kind) {
        (_, Some((end, _))) => format!("move it to a unit whose name ends in {end}"),
        (Some(meant), None) => format!("did you mean [{meant}]?"),
        (None, None) => format!(
            "such a unit has {}; begin the name with X- if it is meant for another program",
            listed(allowed)
        ),
    };
    let verb = if kind.is_some() { "read" } else { "know" };
    let message = match shown(name) {
        Some(name) => format!("systemd does not {verb} the section {name} of this unit, on line {line}"),
        None => format!("systemd does not {verb} a section of this unit, on line {line}"),
    };
    findings
        .report(lint::UNIT_SECTION_UNKNOWN.rule, at, message)
        .help(help);
}

fn directive_is_unknown(
    option: &UnitOption<'_>,
    line: usize,
    allowed: &[&str],
    at: Pointer,
    findings: &mut Findings,
) {
    let UnitOption { section, name, .. } = *option;
    let elsewhere = sections_of(name);
    let meant = similar(name, names_of(section));
    let help = match elsewhere.iter().find(|section| allowed.contains(section)) {
        Some(right) => format!("move it to the section [{right}]"),
        None => match (meant, elsewhere.first()) {
            (Some(meant), _) => format!("did you mean {meant}=?"),
            (None, Some(_)) => format!("only {} may have it", listed(elsewhere)),
            (None, None) => {
                format!("{RELEASES} would ignore it; if a newer one brings it, nothing is wrong")
            }
        },
    };
    let message = match shown(name) {
        Some(name) => format!("[{section}] has no directive {name}, on line {line}"),
        None => format!("[{section}] has no such directive, on line {line}"),
    };
    findings
        .report(lint::UNIT_DIRECTIVE_UNKNOWN.rule, at, message)
        .help(help);
}

/// A section's or directive's name in quotes. Text that is no name stays out of messages: it may be a piece of a value.
fn shown(name: &str) -> Option<String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    (name.chars().all(is_name) && name.len() <= 40).then(|| quoted(name))
}

/// `[A], [B] and [C]`.
fn listed(sections: &[&str]) -> String {
    let mut text = String::new();
    for (index, section) in sections.iter().enumerate() {
        text.push_str(match index {
            0 => "",
            _ if index + 1 == sections.len() => " and ",
            _ => ", ",
        });
        text.push_str(&format!("[{section}]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::{expect, said};

    #[test]
    fn the_data_is_sorted_and_holds_each_name_once() {
        let mut all: Vec<&str> = Vec::new();
        for group in GROUPS.iter() {
            assert!(group.names.is_sorted(), "{:?}", group.sections);
            for section in &group.sections {
                let known = SHARED.contains(section) || OWN.iter().any(|(_, own)| own == section);
                assert!(known, "{section}");
            }
            all.extend(&group.names);
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert!(KNOWN.contains(RELEASES));
    }

    #[test]
    fn directives_are_known_where_they_stand() {
        for (section, name, known) in [
            ("Service", "ExecStart", true),
            ("Service", "execStart", false),
            ("Mount", "ExecStart", false),
            ("Mount", "TimeoutSec", true),
            ("Slice", "MemoryMax", true),
            ("Slice", "User", false),
            ("Unit", "ConditionPathExists", true),
            ("Install", "WantedBy", true),
            // Gone since 258, and new in 254.
            ("Service", "CPUShares", true),
            ("Service", "RestartSteps", true),
        ] {
            assert_eq!(is_known(section, name), known, "[{section}] {name}");
        }
    }

    fn unit(name: &str, contents: &str) -> String {
        format!(r#""systemd":{{"units":[{{"name":"{name}","contents":"{contents}"}}]}}"#)
    }

    #[test]
    fn names_that_systemd_ignores() {
        let directive: &[&str] = &["warning $.systemd.units.0.contents unit-directive-unknown"];
        let section: &[&str] = &["warning $.systemd.units.0.contents unit-section-unknown"];
        for (name, contents, expected) in [
            (
                "a.service",
                r"[Unit]\nAfter=b\n[Service]\nExecStart=/c\nX-Own=d\n[X-Own]\ne=f\n",
                &[][..],
            ),
            ("a.service", r"[Serivce]\nExecStart=/c\n", section),
            ("a.service", r"[Service]\nExecStrat=/c\n", directive),
            ("a.service", r"[Unit]\nWantedBy=multi-user.target\n", directive),
            ("a.timer", r"[Service]\nExecStart=/c\n", section),
            ("a.timer", r"[Timer]\nOnCalendar=daily\n", &[]),
            ("a.target", r"[Unit]\nAllowIsolate=yes\n[Target]\n", section),
            ("a.service", r"[Service]\nExecStart=/c \\\n# no\n --d=e\n", &[]),
        ] {
            expect(&Setting::default(), &[(&unit(name, contents), expected)]);
        }
        let dropin = r#""systemd":{"units":[{"name":"a.service","dropins":[{"name":"b.conf","contents":"[Service]\nMemoryLimits=1G\n"}]}]}"#;
        let expected = &["warning $.systemd.units.0.dropins.0.contents unit-directive-unknown"][..];
        expect(&Setting::default(), &[(dropin, expected)]);
    }

    #[test]
    fn the_remedy_names_what_was_meant() {
        for (name, contents, help) in [
            ("a.service", r"[Serivce]\n", "did you mean [Service]?"),
            (
                "a.timer",
                r"[Service]\n",
                "move it to a unit whose name ends in .service",
            ),
            (
                "a.mount",
                r"[Data]\n",
                "such a unit has [Mount], [Unit] and [Install]; begin the name with X- if it is meant for another program",
            ),
            (
                "a.service",
                r"[Service]\nexecstart=/b\n",
                "did you mean ExecStart=?",
            ),
            (
                "a.service",
                r"[Service]\nAfter=b\n",
                "move it to the section [Unit]",
            ),
            (
                "a.service",
                r"[Service]\nOnCalendar=b\n",
                "only [Timer] may have it",
            ),
            (
                "a.service",
                r"[Service]\nQuantumLeap=b\n",
                "systemd 252 to 262 would ignore it; if a newer one brings it, nothing is wrong",
            ),
        ] {
            let said = said(&unit(name, contents), &Setting::default());
            assert_eq!(said.len(), 1, "{contents}");
            assert_eq!(said[0].1, help, "{contents}");
        }
    }

    #[test]
    fn pieces_of_values_are_not_quoted() {
        let said = said(
            &unit("a.service", r"[Service]\ntoken:s3cr3t/=\n"),
            &Setting::default(),
        );
        assert_eq!(said[0].0, "[Service] has no such directive, on line 2");
    }
}
