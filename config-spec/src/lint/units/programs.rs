//! Programs of units that nobody can run, or that are nowhere.

use std::cell::LazyCell;

use super::commands::{Command, commands};
use super::elsewhere::Elsewhere;
use super::{Setting, all, lint, texts};
use crate::diagnostic::Pointer;
use crate::facts::{Facts, Kind, PROGRAM_DIRS, is_below};
use crate::lint::target;
use crate::order::{OrderedMap, OrderedSet};
use crate::rules::Findings;
use crate::suggest::quoted;
use crate::types::{Config, File, Unit};
use crate::unit_file;

/// Directives that give a unit another root than the machine's, or lay something over it.
const OTHER_ROOTS: [&str; 8] = [
    "BindPaths",
    "BindReadOnlyPaths",
    "ExtensionDirectories",
    "ExtensionImages",
    "MountImages",
    "RootDirectory",
    "RootImage",
    "RootMStack",
];

/// The right of anybody at all to execute: without it, not even root may.
const EXECUTE: i64 = 0o111;

pub(super) fn programs_can_be_run(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let files = Files::new(config, setting.facts);
    let elsewhere = LazyCell::new(|| Elsewhere::new(config));
    let mut told: OrderedSet<usize> = OrderedSet::new();
    for (at, unit) in all(config).filter(|(_, unit)| unit.mask != Some(true)) {
        if sets(&at, unit, &OTHER_ROOTS) {
            continue;
        }
        let searches_elsewhere = sets(&at, unit, &["ExecSearchPath"]);
        for command in commands(&at, unit) {
            let Some(program) = command.program() else {
                continue;
            };
            if let Some((index, file)) = files.find(program) {
                // The search for a bare name passes over what cannot be executed.
                let may_be_another = |facts: &Facts| facts.has_program(program);
                let is_run = program.contains('/') || !setting.facts.is_none_or(may_be_another);
                if is_run && is_shut(file) && !elsewhere.changes_modes(config) && told.insert(index) {
                    is_not_executable(index, file, unit, findings);
                }
                continue;
            }
            let Some(facts) = setting.facts else { continue };
            let is_searched = !program.contains('/');
            if (is_searched && searches_elsewhere) || is_linked(config, program) || !facts.knows(program) {
                continue;
            }
            if !facts.has_program(program) && !elsewhere.may_bring(program) {
                is_missing(&command, program, facts, findings);
            }
        }
    }
}

/// Whether the unit sets one of these directives.
fn sets(at: &Pointer, unit: &Unit, directives: &[&str]) -> bool {
    texts(at, unit).any(|(_, text)| {
        let mut options = unit_file::options(text);
        options.any(|option| directives.contains(&option.name) && !option.value().is_empty())
    })
}

/// The files of the config by where they are made: links among the target's directories are followed, `/bin` for one.
struct Files<'a> {
    by_path: OrderedMap<String, (usize, &'a File)>,
    facts: Option<&'a Facts>,
}

impl<'a> Files<'a> {
    fn new(config: &'a Config, facts: Option<&'a Facts>) -> Self {
        let mut files = Self {
            by_path: OrderedMap::new(),
            facts,
        };
        for (index, file) in config.storage.files.iter().enumerate() {
            files.by_path.insert(files.place(&file.path), (index, file));
        }
        files
    }

    fn place(&self, path: &str) -> String {
        self.facts
            .map_or_else(|| path.to_owned(), |facts| target::real(facts, path))
    }

    /// The file that `program` is.
    fn find(&self, program: &str) -> Option<(usize, &'a File)> {
        let get = |path: &str| self.by_path.get(&self.place(path)).copied();
        if program.contains('/') {
            get(program)
        } else {
            PROGRAM_DIRS
                .iter()
                .find_map(|dir| get(&format!("{dir}/{program}")))
        }
    }
}

/// Whether nobody may execute the file. Without contents it may be the target's, with its own mode.
fn is_shut(file: &File) -> bool {
    match file.mode {
        Some(mode) => mode & EXECUTE == 0,
        None => file.contents.source.is_some(),
    }
}

/// Whether a link of the config is the program, or leads to where it is.
fn is_linked(config: &Config, program: &str) -> bool {
    config.storage.links.iter().any(|link| {
        let is_named = PROGRAM_DIRS
            .iter()
            .any(|dir| link.path == format!("{dir}/{program}"));
        is_named || link.path == program || is_below(program, &link.path)
    })
}

fn is_not_executable(index: usize, file: &File, unit: &Unit, findings: &mut Findings) {
    let at = Pointer::root().key("storage").key("files").index(index);
    let at = if file.mode.is_some() {
        at.key("mode")
    } else {
        at.key("path")
    };
    let message = format!(
        "{} runs {}, which nobody may execute",
        quoted(&unit.name),
        quoted(&file.path)
    );
    findings
        .report(lint::PROGRAM_NOT_EXECUTABLE.rule, at, message)
        .help("write mode 493 (0755)");
}

fn is_missing(command: &Command, program: &str, facts: &Facts, findings: &mut Findings) {
    let Command {
        at, line, directive, ..
    } = command;
    let shown = quoted(program);
    let found = facts.resolve(program).map(|node| node.kind);
    let (what, help) = match found {
        Some(Kind::File) => (
            "which nobody may execute in the target",
            "name its interpreter before it, or write it with mode 493 (0755)",
        ),
        Some(_) => ("which is no program in the target", "name the program itself"),
        None => (
            "which neither this config nor the target has",
            "add it to storage.files with mode 493 (0755); if something installs it first, nothing is wrong",
        ),
    };
    findings
        .report(
            lint::PROGRAM_MISSING.rule,
            at.clone(),
            format!("{directive}= on line {line} runs {shown}, {what}"),
        )
        .help(help);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::{expect, said};

    fn target() -> Facts {
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        Facts {
            directories: set(&["/etc", "/opt", "/run", "/usr", "/usr/bin"]),
            links: [("/bin".to_owned(), "usr/bin".to_owned())].into(),
            programs: set(&["/usr/bin/env", "/usr/bin/curl"]),
            files: set(&["/usr/bin/notes"]),
            ..Facts::default()
        }
    }

    fn unit(lines: &str, storage: &str) -> String {
        format!(
            r#""storage":{{{storage}}},"systemd":{{"units":[{{"name":"a.service","contents":"[Service]\n{lines}\n"}}]}}"#
        )
    }

    #[test]
    fn programs_of_the_config_have_an_execute_bit() {
        let at_mode: &[&str] = &["$.storage.files.0.mode program-not-executable"];
        let at_path: &[&str] = &["$.storage.files.0.path program-not-executable"];
        let run = "ExecStart=/opt/a b";
        for (lines, file, expected) in [
            (run, r#""mode":493,"contents":{"source":"data:,x"}"#, &[][..]),
            (run, r#""mode":64,"contents":{"source":"data:,x"}"#, &[]),
            (run, r#""mode":420,"contents":{"source":"data:,x"}"#, at_mode),
            (run, r#""contents":{"source":"data:,x"}"#, at_path),
            // It may be the target's.
            (run, r#""append":[{"source":"data:,x"}]"#, &[]),
            ("ExecStart=/bin/sh /opt/a", r#""mode":420"#, &[]),
            ("ExecStart=-/opt/a", r#""mode":420"#, &[]),
            (
                r"ExecStartPre=/bin/chmod +x /opt/a\nExecStart=/opt/a",
                r#""mode":420"#,
                &[],
            ),
            (r"RootDirectory=/srv\nExecStart=/opt/a", r#""mode":420"#, &[]),
            (r"ExecStart=/opt/a\nExecStop=/opt/a", r#""mode":420"#, at_mode),
            ("ExecStart=a", r#""mode":420"#, &[]),
        ] {
            let path = if lines == "ExecStart=a" {
                "/usr/bin/a"
            } else {
                "/opt/a"
            };
            let members = unit(lines, &format!(r#""files":[{{"path":"{path}",{file}}}]"#));
            expect(&Setting::default(), &[(&members, expected)]);
        }
    }

    #[test]
    fn programs_are_of_the_config_or_of_the_target() {
        let facts = target();
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        let told: &[&str] = &["warning $.systemd.units.0.contents program-missing"];
        let script = r#""files":[{"path":"/etc/x","contents":{"source":"data:,curl%20-o%20/opt/a"}}]"#;
        for (lines, storage, expected) in [
            ("ExecStart=/usr/bin/env", "", &[][..]),
            ("ExecStart=/bin/env", "", &[]),
            ("ExecStart=env", "", &[]),
            ("ExecStart=envy", "", told),
            ("ExecStart=/opt/a", "", told),
            ("ExecStart=/usr/bin/notes", "", told),
            ("ExecStart=/run/a", "", &[]),
            ("ExecStart=-/opt/a", "", &[]),
            (r"ExecSearchPath=/opt\nExecStart=envy", "", &[]),
            (
                "ExecStart=/opt/a",
                r#""files":[{"path":"/opt/a","mode":493}]"#,
                &[],
            ),
            (
                "ExecStart=/usr/bin/a",
                r#""files":[{"path":"/bin/a","mode":493}]"#,
                &[],
            ),
            (
                "ExecStart=a",
                r#""files":[{"path":"/usr/local/bin/a","mode":493}]"#,
                &[],
            ),
            (
                "ExecStart=/opt/a",
                r#""links":[{"path":"/opt/a","target":"/b"}]"#,
                &[],
            ),
            (
                "ExecStart=/opt/b/a",
                r#""links":[{"path":"/opt/b","target":"/b"}]"#,
                &[],
            ),
            (
                r"ExecStartPre=/usr/bin/curl -o /opt/a https://h/a\nExecStart=/opt/a",
                "",
                &[],
            ),
            (r"ExecStart=/opt/a\n[Unit]\nConditionPathExists=/opt/a", "", &[]),
            ("ExecStart=/opt/a", script, &[]),
            ("ExecStart=/usr/bin/a", script, told),
            (
                r"ExecStartPre=/usr/bin/env dnf install a\nExecStart=/usr/bin/a",
                "",
                &[],
            ),
            (
                "ExecStart=/usr/bin/a",
                r#""files":[{"path":"/etc/extensions/a.raw"}]"#,
                &[],
            ),
        ] {
            let members = unit(lines, storage);
            expect(&setting, &[(&members, expected)]);
            expect(&Setting::default(), &[(&members, &[])]);
        }
    }

    #[test]
    fn a_missing_program_is_told_with_its_line() {
        let facts = target();
        let setting = Setting {
            facts: Some(&facts),
            ..Setting::default()
        };
        let said = said(&unit("ExecStart=/opt/a", ""), &setting);
        assert_eq!(
            said[0].0,
            "ExecStart= on line 2 runs \"/opt/a\", which neither this config nor the target has"
        );
    }
}
