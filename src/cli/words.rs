//! The grammar of our own commands. What a command takes is a table: lines are read by it, help is written from it.
//!
//! The reference's grammar, which the binary speaks under the reference's names, is [`flags`](super::flags).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

/// Help is no wider.
const WIDTH: usize = 80;
/// Where the texts begin in the help of a command; every name is shorter.
const TEXTS: usize = 28;

/// A command.
pub(super) struct Command {
    /// The word that selects it.
    pub(super) name: &'static str,
    /// What it does.
    pub(super) about: &'static str,
    /// The words that are no flags.
    pub(super) positional: Option<Positional>,
    /// In the order of the help.
    pub(super) flags: &'static [Flag],
}

/// Words that are no flags.
pub(super) struct Positional {
    /// What the help calls one.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) help: &'static str,
    /// How many there are.
    pub(super) need: Need,
}

/// How many words a command takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// None or one.
    Optional,
    /// One.
    One,
    /// One or more.
    AtLeastOne,
}

/// A flag, without its dashes.
pub(super) struct Flag {
    name: &'static str,
    value: Value,
    many: bool,
    help: &'static str,
}

/// What follows a flag.
#[derive(Clone, Copy)]
enum Value {
    Nothing,
    /// A value, and what the help calls it.
    Any(&'static str),
    /// One of these, with `|` between them.
    OneOf(&'static str),
}

impl Flag {
    /// A flag that is given or not.
    pub(super) const fn bare(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Value::Nothing, help)
    }

    /// A flag with a value, and what the help calls that.
    pub(super) const fn with(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self::new(name, Value::Any(value), help)
    }

    /// A flag with one of some values, written with `|` between them.
    pub(super) const fn one_of(name: &'static str, choices: &'static str, help: &'static str) -> Self {
        Self::new(name, Value::OneOf(choices), help)
    }

    /// The same flag, which may be given more than once.
    pub(super) const fn many(self) -> Self {
        Self { many: true, ..self }
    }

    const fn new(name: &'static str, value: Value, help: &'static str) -> Self {
        Self {
            name,
            value,
            many: false,
            help,
        }
    }
}

/// What a line asks for.
pub(super) enum Parsed {
    /// The command's help.
    Help,
    /// The command's work.
    Given(Given),
}

/// What stands on a line. There are as many words as the command needs; whether the flags go together is not known yet.
pub(super) struct Given {
    known: &'static [Flag],
    flags: Vec<(&'static str, OsString)>,
    /// The words that are no flags.
    pub(super) positionals: Vec<OsString>,
}

/// Reads what stands behind the name of `command`.
///
/// # Errors
/// What is wrong, for [`mistake`].
pub(super) fn parse(command: &Command, words: &[OsString]) -> Result<Parsed, String> {
    let mut parser = Parser::from_args(words.to_vec());
    let mut given = Given {
        known: command.flags,
        flags: Vec::new(),
        positionals: Vec::new(),
    };
    while let Some(word) = parser.next().map_err(|error| error.to_string())? {
        let flag = match word {
            Arg::Short('h') | Arg::Long("help") => return Ok(Parsed::Help),
            Arg::Short(letter) => return Err(format!("there is no flag -{letter}")),
            Arg::Long(name) => {
                let known = command.flags.iter().find(|flag| flag.name == name);
                known.ok_or_else(|| format!("there is no flag --{name}"))?
            }
            Arg::Value(word) => {
                given.positionals.push(word);
                continue;
            }
        };
        given.take(flag, &mut parser)?;
    }
    given.count(command.positional.as_ref())?;
    Ok(Parsed::Given(given))
}

impl Given {
    /// Whether the flag is given.
    pub(super) fn is(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The value of a flag.
    pub(super) fn value(&self, name: &str) -> Option<&OsStr> {
        self.all(name).next()
    }

    /// The value of a flag, as a path.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// The value of a flag, as text.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        self.value(name).map(|value| as_text(name, value)).transpose()
    }

    /// All values of a flag, as texts.
    ///
    /// # Errors
    /// One is none.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<&str>, String> {
        let mut texts = Vec::new();
        for value in self.all(name) {
            texts.push(as_text(name, value)?);
        }
        Ok(texts)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &OsStr> {
        debug_assert!(
            self.known.iter().any(|flag| flag.name == name),
            "--{name} is in no table"
        );
        let flags = self.flags.iter();
        flags
            .filter(move |(flag, _)| *flag == name)
            .map(|(_, value)| value.as_os_str())
    }

    /// The only word, of a command that needs one.
    pub(super) fn word(&self) -> &OsStr {
        self.positionals
            .first()
            .map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// Refuses a line with both flags.
    ///
    /// # Errors
    /// Both are given.
    pub(super) fn not_both(&self, one: &str, other: &str) -> Result<(), String> {
        if self.is(one) && self.is(other) {
            return Err(format!("--{one} and --{other} exclude each other"));
        }
        Ok(())
    }

    fn take(&mut self, flag: &'static Flag, parser: &mut Parser) -> Result<(), String> {
        let name = flag.name;
        if self.is(name) && !flag.many {
            return Err(format!("--{name} is given twice"));
        }
        let value = match flag.value {
            Value::Nothing if parser.optional_value().is_some() => {
                return Err(format!("--{name} takes no value"));
            }
            Value::Nothing => OsString::new(),
            Value::Any(what) | Value::OneOf(what) => {
                value_of(parser).ok_or_else(|| format!("--{name} needs a value: {what}"))?
            }
        };
        if let Value::OneOf(choices) = flag.value
            && !choices.split('|').any(|choice| value == choice)
        {
            return Err(format!("--{name} is {value:?}; give {choices}"));
        }
        self.flags.push((name, value));
        Ok(())
    }

    /// Refuses more or fewer words than the command takes, and empty ones: they come from variables that nobody set.
    fn count(&self, positional: Option<&Positional>) -> Result<(), String> {
        let need = positional.map(|positional| positional.need);
        let most = match need {
            None => 0,
            Some(Need::Optional | Need::One) => 1,
            Some(Need::AtLeastOne) => usize::MAX,
        };
        if let Some(word) = self.positionals.get(most) {
            return Err(format!("unexpected argument {word:?}"));
        }
        let name = positional.map_or("", |positional| positional.name);
        if self.positionals.is_empty() && matches!(need, Some(Need::One | Need::AtLeastOne)) {
            return Err(format!("{name} is missing"));
        }
        if self.positionals.iter().any(|word| word.is_empty()) {
            return Err(format!("{name} is empty"));
        }
        Ok(())
    }
}

/// The value behind `=`, or else the next word if that is no flag.
fn value_of(parser: &mut Parser) -> Option<OsString> {
    let value = match parser.optional_value() {
        Some(value) => value,
        None => parser
            .try_raw_args()?
            .next_if(|word| word == "-" || !word.as_bytes().starts_with(b"-"))?,
    };
    (!value.is_empty()).then_some(value)
}

fn as_text<'a>(name: &str, value: &'a OsStr) -> Result<&'a str, String> {
    value.to_str().ok_or_else(|| format!("--{name} is not text"))
}

/// What a person is told whose line is wrong.
pub(super) fn mistake(command: &Command, message: &str) -> String {
    let name = command.name;
    let usage = usage(command);
    format!("kindling {name}: {message}\n{usage}\n       kindling {name} --help tells more")
}

fn usage(command: &Command) -> String {
    let mut text = format!("usage: kindling {}", command.name);
    if let Some(Positional { name, need, .. }) = &command.positional {
        let (before, behind) = match need {
            Need::Optional => (" [", "]"),
            Need::One => (" ", ""),
            Need::AtLeastOne => (" ", "..."),
        };
        for part in [before, name, behind] {
            text.push_str(part);
        }
    }
    if !command.flags.is_empty() {
        text.push_str(" [flags]");
    }
    text
}

/// What a command does and takes.
pub(super) fn help(command: &Command) -> String {
    let mut text = String::new();
    entry(&mut text, "", 0, command.about);
    text.push('\n');
    text.push_str(&usage(command));
    text.push_str("\n\n");
    if let Some(positional) = &command.positional {
        entry(&mut text, positional.name, TEXTS, positional.help);
    }
    for flag in command.flags {
        let mut head = format!("--{}", flag.name);
        if let Value::Any(what) | Value::OneOf(what) = flag.value {
            head.push(' ');
            head.push_str(what);
        }
        entry(&mut text, &head, TEXTS, flag.help);
    }
    entry(&mut text, "-h, --help", TEXTS, "Print this.");
    text
}

/// Adds lines to a help: what is explained, and from the column `at` on what it means.
pub(super) fn entry(text: &mut String, head: &str, at: usize, help: &str) {
    let mut column = 0;
    if !head.is_empty() {
        text.push_str("  ");
        text.push_str(head);
        column = 2 + head.len();
    }
    for word in help.split(' ') {
        if column > at && column + word.len() >= WIDTH {
            text.push('\n');
            column = 0;
        }
        let gap = at.saturating_sub(column).max(usize::from(column > at));
        for _ in 0..gap {
            text.push(' ');
        }
        text.push_str(word);
        column += gap + word.len();
    }
    text.push('\n');
}

#[cfg(test)]
impl Command {
    /// Everything that is wrong with the table.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut seen = vec!["help"];
        for flag in self.flags {
            let what = match flag.value {
                Value::Nothing => "",
                Value::Any(what) | Value::OneOf(what) => what,
            };
            if seen.contains(&flag.name) {
                faults.push(format!("--{} stands there twice", flag.name));
            }
            seen.push(flag.name);
            if flag.help.is_empty() || !flag.help.ends_with('.') {
                faults.push(format!("--{} has no sentence", flag.name));
            }
            if "  -- ".len() + flag.name.len() + what.len() >= TEXTS {
                faults.push(format!("--{} reaches into the texts", flag.name));
            }
            if !help(self).contains(&format!("\n  --{}", flag.name)) {
                faults.push(format!("--{} is not in the help", flag.name));
            }
        }
        let positional = self.positional.as_ref();
        if self.about.is_empty() || positional.is_some_and(|positional| positional.help.is_empty()) {
            faults.push("it is not said what it is".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    static COOK: Command = Command {
        name: "cook",
        about: "Cook a meal.",
        positional: Some(Positional {
            name: "DISH",
            help: "The dish.",
            need: Need::One,
        }),
        flags: &[
            Flag::with("pot", "POT", "What to cook it in."),
            Flag::with("with", "HERB", "A herb.").many(),
            Flag::one_of("heat", "low|high", "How hot."),
            Flag::bare("lid", "Cover it."),
        ],
    };

    static SERVE: Command = Command {
        name: "serve",
        about: "Serve meals.",
        positional: Some(Positional {
            name: "GUEST",
            help: "Who eats.",
            need: Need::AtLeastOne,
        }),
        flags: &[],
    };

    static WASH: Command = Command {
        name: "wash",
        about: "Wash up.",
        positional: None,
        flags: &[],
    };

    static TASTE: Command = Command {
        name: "taste",
        about: "Taste.",
        positional: Some(Positional {
            name: "SPOON",
            help: "What with.",
            need: Need::Optional,
        }),
        flags: &[],
    };

    /// The flags with their values, then the words.
    fn read(command: &'static Command, words: &[&str]) -> Result<String, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Ok(match parse(command, &words)? {
            Parsed::Help => "help".to_owned(),
            Parsed::Given(given) => {
                let flag = |(name, value): &(&str, OsString)| format!("{name}={}", value.display());
                let mut all: Vec<String> = given.flags.iter().map(flag).collect();
                all.extend(given.positionals.iter().map(|word| word.display().to_string()));
                all.join(" ")
            }
        })
    }

    #[test]
    fn lines_are_read() {
        for (command, words, expected) in [
            (&COOK, &["soup"][..], "soup"),
            (&COOK, &["-"], "-"),
            (&COOK, &["soup", "--pot", "big"], "pot=big soup"),
            (&COOK, &["--pot=big", "soup"], "pot=big soup"),
            (&COOK, &["--pot=a=b", "soup"], "pot=a=b soup"),
            (&COOK, &["--pot", "-", "soup"], "pot=- soup"),
            (&COOK, &["--pot=-x", "soup"], "pot=-x soup"),
            (&COOK, &["--lid", "soup"], "lid= soup"),
            (
                &COOK,
                &["--with", "dill", "soup", "--with=mint"],
                "with=dill with=mint soup",
            ),
            (&COOK, &["--heat", "high", "soup"], "heat=high soup"),
            (&COOK, &["--lid", "--", "--pot"], "lid= --pot"),
            (&COOK, &["--lid", "-h", "--nope"], "help"),
            (&COOK, &["--help"], "help"),
            (&SERVE, &["a", "b", "--", "-c"], "a b -c"),
            (&TASTE, &[], ""),
            (&TASTE, &["big"], "big"),
            (&WASH, &[], ""),
        ] {
            assert_eq!(read(command, words), Ok(expected.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (command, words, expected) in [
            (&COOK, &[][..], "DISH is missing"),
            (&COOK, &[""], "DISH is empty"),
            (&COOK, &["soup", "salad"], "unexpected argument \"salad\""),
            (&COOK, &["soup", "--pan", "x"], "there is no flag --pan"),
            (&COOK, &["soup", "--po=x"], "there is no flag --po"),
            (&COOK, &["soup", "-p"], "there is no flag -p"),
            (&COOK, &["soup", "--pot"], "--pot needs a value: POT"),
            (&COOK, &["--pot", "--lid", "soup"], "--pot needs a value: POT"),
            (&COOK, &["--pot", "--", "soup"], "--pot needs a value: POT"),
            (&COOK, &["--pot=", "soup"], "--pot needs a value: POT"),
            (&COOK, &["--pot", "", "soup"], "--pot needs a value: POT"),
            (&COOK, &["--pot=a", "--pot=b", "soup"], "--pot is given twice"),
            (&COOK, &["--lid", "--lid", "soup"], "--lid is given twice"),
            (&COOK, &["--lid=yes", "soup"], "--lid takes no value"),
            (&COOK, &["--heat", "soup"], "--heat is \"soup\"; give low|high"),
            (&COOK, &["--heat"], "--heat needs a value: low|high"),
            (&SERVE, &[], "GUEST is missing"),
            (&SERVE, &["a", ""], "GUEST is empty"),
            (&TASTE, &["a", "b"], "unexpected argument \"b\""),
            (&WASH, &["x"], "unexpected argument \"x\""),
        ] {
            assert_eq!(read(command, words), Err(expected.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn values_are_told_apart() {
        let words = ["soup", "--with=dill", "--with", "mint", "--lid"].map(OsString::from);
        let Ok(Parsed::Given(given)) = parse(&COOK, &words) else {
            panic!("a line with nothing wrong");
        };
        assert_eq!(given.word(), "soup");
        assert!(given.is("lid") && given.is("with") && !given.is("pot"));
        assert_eq!(given.texts("with"), Ok(vec!["dill", "mint"]));
        assert_eq!(given.text("with"), Ok(Some("dill")));
        assert_eq!(given.path("pot"), None);
        assert_eq!(given.not_both("lid", "pot"), Ok(()));
        assert_eq!(
            given.not_both("lid", "with"),
            Err("--lid and --with exclude each other".to_owned())
        );
    }

    #[test]
    fn names_of_files_need_not_be_text() {
        let odd = || OsString::from_vec(vec![b'a', 0xff]);
        let mut flag = OsString::from("--pot=");
        flag.push(odd());
        let Ok(Parsed::Given(given)) = parse(&COOK, &[odd(), flag]) else {
            panic!("a line with nothing wrong");
        };
        assert_eq!(given.word(), odd());
        assert_eq!(given.path("pot"), Some(odd().into()));
        assert_eq!(given.text("pot"), Err("--pot is not text".to_owned()));
        assert_eq!(given.texts("pot"), Err("--pot is not text".to_owned()));
    }

    #[test]
    fn help_is_written_from_the_table() {
        assert_eq!(
            help(&COOK),
            "Cook a meal.\n\n\
             usage: kindling cook DISH [flags]\n\n  \
               DISH                      The dish.\n  \
               --pot POT                 What to cook it in.\n  \
               --with HERB               A herb.\n  \
               --heat low|high           How hot.\n  \
               --lid                     Cover it.\n  \
               -h, --help                Print this.\n"
        );
        for (command, expected) in [
            (&SERVE, "usage: kindling serve GUEST..."),
            (&TASTE, "usage: kindling taste [SPOON]"),
            (&WASH, "usage: kindling wash"),
        ] {
            assert_eq!(usage(command), expected);
        }
    }

    #[test]
    fn long_texts_are_broken_between_words() {
        let mut text = String::new();
        entry(&mut text, "--flag", 40, &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 2);
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
        assert!(lines[0].starts_with("  --flag    "), "{text}");
        let gap = " ".repeat(40);
        let rest = &lines[1..];
        assert!(
            rest.iter()
                .all(|line| line.starts_with(&gap) && line[40..].starts_with("word")),
            "{text}"
        );
    }

    #[test]
    fn a_mistake_shows_the_usage() {
        assert_eq!(
            mistake(&WASH, "there is no flag --soap"),
            "kindling wash: there is no flag --soap\n\
             usage: kindling wash\n       \
             kindling wash --help tells more"
        );
    }
}
