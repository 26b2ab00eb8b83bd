//! The commands of a unit: systemd.service(5), "COMMAND LINES".

use super::texts;
use crate::diagnostic::Pointer;
use crate::types::Unit;
use crate::unit_file::{self, UnitOption};

/// The directives that hold commands.
const DIRECTIVES: [&str; 9] = [
    "ExecCondition",
    "ExecReload",
    "ExecReloadPost",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "ExecStopPre",
];

/// A command of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The text it stands in.
    pub(super) at: Pointer,
    /// Its line there, counted from 1.
    pub(super) line: usize,
    /// The directive.
    pub(super) directive: String,
    /// The marks before the program.
    marks: String,
    /// The program and its arguments, unquoted.
    words: Vec<String>,
}

impl Command {
    /// The program, where it can be told and its absence is a failure: no specifier or variable in it, no shell that
    /// takes the line apart, no mark to ignore failures.
    pub(super) fn program(&self) -> Option<&str> {
        let program = self.words.first().map(String::as_str)?;
        let is_plain = !program.is_empty() && !program.contains(['%', '$', '\\']);
        (is_plain && !self.marks.contains(['-', '|'])).then_some(program)
    }

    /// What follows the program.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

fn is_command(option: &UnitOption<'_>) -> bool {
    matches!(option.section, "Service" | "Socket" | "Mount" | "Swap") && DIRECTIVES.contains(&option.name)
}

/// The commands of a unit with its drop-ins. An empty value takes back those before it.
pub(super) fn commands(at: &Pointer, unit: &Unit) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for (at, text) in texts(at, unit) {
        for option in unit_file::options(text).filter(is_command) {
            let value = option.value();
            if value.is_empty() {
                commands.retain(|command| command.directive != option.name);
            }
            let words = words(&value);
            let lines = words.split(|word| word == ";").filter(|words| !words.is_empty());
            commands.extend(lines.map(|words| {
                let mut words = words.to_vec();
                let marks = words.first_mut().map(take_marks).unwrap_or_default();
                Command {
                    at: at.clone(),
                    line: unit_file::line_of(text, option.at),
                    directive: option.name.to_owned(),
                    marks,
                    words,
                }
            }));
        }
    }
    commands
}

/// Takes the marks off that say how the program is run.
fn take_marks(word: &mut String) -> String {
    let end = word
        .find(|letter| !"@-:+!|".contains(letter))
        .unwrap_or(word.len());
    let program = word.split_off(end);
    std::mem::replace(word, program)
}

/// Splits at spaces outside quotes, and takes the quotes off.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in text.chars() {
        if quote.is_none() && letter.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            _ => word.push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Dropin;

    fn programs(contents: &str, dropins: &[(&str, &str)]) -> Vec<Option<String>> {
        let unit = Unit {
            contents: Some(contents.to_owned()),
            dropins: dropins
                .iter()
                .map(|(name, contents)| Dropin {
                    name: (*name).to_owned(),
                    contents: Some((*contents).to_owned()),
                })
                .collect(),
            ..Unit::default()
        };
        commands(&Pointer::root(), &unit)
            .iter()
            .map(|command| command.program().map(str::to_owned))
            .collect()
    }

    #[test]
    fn programs_are_the_first_words() {
        for (line, expected) in [
            ("ExecStart=/a b c", vec![Some("/a")]),
            ("ExecStart=\"/a b\" c", vec![Some("/a b")]),
            ("ExecStart=@/a name", vec![Some("/a")]),
            ("ExecStart=!!/a", vec![Some("/a")]),
            ("ExecStart=+:/a", vec![Some("/a")]),
            ("ExecStart=-/a", vec![None]),
            ("ExecStart=|a | b", vec![None]),
            ("ExecStart=/opt/%i", vec![None]),
            ("ExecStart=$A", vec![None]),
            ("ExecStart=/a b ; /c \\; d", vec![Some("/a"), Some("/c")]),
            ("ExecStart=", vec![]),
            ("ExecPaths=/a", vec![]),
        ] {
            let programs = programs(&format!("[Service]\n{line}\n"), &[]);
            let programs: Vec<_> = programs.iter().map(Option::as_deref).collect();
            assert_eq!(programs, expected, "{line}");
        }
    }

    #[test]
    fn later_texts_take_commands_back() {
        let contents = "[Service]\nExecStart=/a\nExecStop=/b\n";
        let dropins = [
            ("20.conf", "[Service]\nExecStart=/d\n"),
            ("10.conf", "[Service]\nExecStart=\nExecStart=/c\n"),
        ];
        let expected = ["/b", "/c", "/d"].map(|program| Some(program.to_owned()));
        assert_eq!(programs(contents, &dropins), expected);
    }
}
