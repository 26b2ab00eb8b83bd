//! Kernel arguments in the text of a boot entry, and what follows from the entries and the running command line.
//!
//! An entry is one of type 1 of the Boot Loader Specification (UAPI.1): a key and its value on each line.
//! Words part at blanks outside of double quotes, as the kernel parts them (`next_arg` in lib/cmdline.c).

use std::path::PathBuf;

use super::place::udev_escaped;

/// GRUB's variable for the arguments of all entries: they stand in its environment block, not in the entries.
const SHARED: &str = "$kernelopts";
/// What follows is the init process's, not the kernel's.
const REST: &str = "--";

/// Arguments that shall be there and that shall not, each parted into its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    exist: Vec<Vec<String>>,
    not: Vec<Vec<String>>,
}

/// Why arguments cannot be put in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// No line can hold it.
    #[error("the argument {0:?} has a line break or a quote without its twin")]
    Argument(String),
    /// What is added brings about what shall not be there, or the reverse.
    #[error("the argument {0:?} cannot be as the config asks, for another one of the config contradicts it")]
    Contradicted(String),
    /// The arguments stand elsewhere.
    #[error("it takes its arguments from the variable {SHARED} of GRUB's environment block")]
    Shared,
    /// Nobody can say where a word ends.
    #[error("its arguments have a quote without its twin")]
    Quotes,
}

impl Wanted {
    /// # Errors
    /// `Argument`; `Contradicted` where one is in both lists.
    pub fn new(exist: &[String], not: &[String]) -> Result<Self, Unfit> {
        let parted = |list: &[String]| -> Result<Vec<Vec<String>>, Unfit> {
            let mut parts = Vec::new();
            for argument in list {
                if argument.contains(['\n', '\r', '\0']) || has_odd_quotes(argument) {
                    return Err(Unfit::Argument(argument.clone()));
                }
                let words: Vec<String> = words(argument).map(str::to_owned).collect();
                if !words.is_empty() {
                    parts.push(words);
                }
            }
            Ok(parts)
        };
        let wanted = Self {
            exist: parted(exist)?,
            not: parted(not)?,
        };
        match wanted.exist.iter().find(|argument| wanted.not.contains(argument)) {
            Some(argument) => Err(Unfit::Contradicted(argument.join(" "))),
            None => Ok(wanted),
        }
    }

    fn first_unmet(&self, line: &[&str]) -> Option<&Vec<String>> {
        let lost = self.exist.iter().find(|argument| find(line, argument).is_none());
        lost.or_else(|| self.not.iter().find(|argument| find(line, argument).is_some()))
    }

    /// What of it does not hold for a command line, in words; nothing where all does.
    #[must_use]
    pub fn unmet(&self, command_line: &str) -> Vec<String> {
        let there: Vec<&str> = words(command_line).collect();
        let absent = self
            .exist
            .iter()
            .filter(|argument| find(&there, argument).is_none());
        let present = self
            .not
            .iter()
            .filter(|argument| find(&there, argument).is_some());
        absent
            .map(|argument| format!("it lacks {}", argument.join(" ")))
            .chain(present.map(|argument| format!("it has {}", argument.join(" "))))
            .collect()
    }
}

fn has_odd_quotes(text: &str) -> bool {
    text.matches('"').count() % 2 == 1
}

/// The words of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    line.split(move |c: char| {
        quoted ^= c == '"';
        !quoted && c.is_ascii_whitespace()
    })
    .filter(|word| !word.is_empty())
}

/// Where in `line` the words of `argument` stand in a row. Quotes do not count: boot loaders move them (`a="b c"`,
/// `"a=b c"`), and the kernel takes them off.
fn find(line: &[&str], argument: &[String]) -> Option<usize> {
    let bare = |word: &str| word.replace('"', "");
    line.windows(argument.len()).position(|there| {
        there
            .iter()
            .zip(argument)
            .all(|(there, wanted)| bare(there) == bare(wanted))
    })
}

/// Whether an entry of type 1 starts a kernel: others start programs of the firmware, which have other arguments.
#[must_use]
pub fn starts_kernel(entry: &str) -> bool {
    entry.lines().any(|line| words(line).next() == Some("linux"))
}

/// The entry with the wanted arguments; `None` where it has them. Nothing but lines of the key `options` changes.
///
/// # Errors
/// `Shared`, `Quotes`, `Contradicted`. An entry that is as wanted is never one.
pub fn entry(text: &str, wanted: &Wanted) -> Result<Option<String>, Unfit> {
    let arguments = |line: &str| {
        let rest = line.trim_start().strip_prefix("options")?;
        let value = rest.trim_start();
        (value.is_empty() || value.len() < rest.len()).then(|| line.len() - value.len())
    };
    change(text, wanted, "options ", arguments)
}

/// The same for a file that holds the arguments of later kernels, as `/etc/kernel/cmdline`.
///
/// # Errors
/// As [`entry`].
pub fn command_line(text: &str, wanted: &Wanted) -> Result<Option<String>, Unfit> {
    let arguments = |line: &str| {
        let value = line.trim_start();
        (!value.is_empty() && !value.starts_with('#')).then(|| line.len() - value.len())
    };
    change(text, wanted, "", arguments)
}

/// Changes the arguments in `text`. Those of a line begin where `arguments` says; a line without any is left alone. Where no
/// line has some, one is put last, behind `key`.
fn change(
    text: &str,
    wanted: &Wanted,
    key: &str,
    arguments: impl Fn(&str) -> Option<usize>,
) -> Result<Option<String>, Unfit> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let body = |line: &str| line.trim_end_matches(['\r', '\n']).len();
    let starts: Vec<Option<usize>> = lines
        .iter()
        .map(|line| arguments(line.get(..body(line)).unwrap_or_default()))
        .collect();
    let mut before = Words::default();
    let mut odd = false;
    for (number, (line, start)) in lines.iter().zip(&starts).enumerate() {
        let value = start
            .and_then(|start| line.get(start..body(line)))
            .unwrap_or_default();
        odd |= has_odd_quotes(value);
        for word in words(value) {
            before.put(before.words.len(), number, word);
        }
    }
    let mut after = before.clone();
    after.arrange(
        wanted,
        starts.iter().rposition(Option::is_some).unwrap_or(lines.len()),
    );
    if after.words == before.words {
        return Ok(None);
    }
    if after.words.contains(&SHARED) {
        return Err(Unfit::Shared);
    }
    if odd {
        return Err(Unfit::Quotes);
    }
    if let Some(argument) = wanted.first_unmet(&after.words) {
        return Err(Unfit::Contradicted(argument.join(" ")));
    }
    let mut changed = String::new();
    for (number, (line, start)) in lines.iter().zip(&starts).enumerate() {
        let new = after.of(number);
        let (Some(start), true) = (start, new != before.of(number)) else {
            changed.push_str(line);
            continue;
        };
        // GRUB stops reading at a key without a value.
        if !new.is_empty() {
            let head = line.get(..*start).unwrap_or_default();
            let blank = if head.ends_with("options") { " " } else { "" };
            let end = line.get(body(line)..).unwrap_or_default();
            changed.extend([head, blank, &new, end]);
        }
    }
    let new = after.of(lines.len());
    if !new.is_empty() {
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let is_open = !changed.is_empty() && !changed.ends_with('\n');
        changed.extend([if is_open { end } else { "" }, key, &new, end]);
    }
    Ok(Some(changed))
}

/// The words of all lines in a row, each with the number of its line.
#[derive(Clone, Default)]
struct Words<'a> {
    words: Vec<&'a str>,
    lines: Vec<usize>,
}

impl<'a> Words<'a> {
    fn put(&mut self, at: usize, line: usize, word: &'a str) {
        self.words.insert(at, word);
        self.lines.insert(at, line);
    }

    /// The words of one line.
    fn of(&self, line: usize) -> String {
        let own = self.words.iter().zip(&self.lines).filter(|(_, of)| **of == line);
        own.map(|(word, _)| *word).collect::<Vec<_>>().join(" ")
    }

    /// Takes out what shall not be there, and puts what shall at the end of line `last`, but not behind what is the init
    /// process's.
    fn arrange(&mut self, wanted: &'a Wanted, last: usize) {
        for argument in &wanted.not {
            while let Some(at) = find(&self.words, argument) {
                for _ in argument {
                    self.words.remove(at);
                    self.lines.remove(at);
                }
            }
        }
        for argument in &wanted.exist {
            if find(&self.words, argument).is_none() {
                let rest = self.words.iter().position(|word| *word == REST);
                let end = rest.unwrap_or(self.words.len());
                let line = rest
                    .and_then(|rest| self.lines.get(rest))
                    .copied()
                    .unwrap_or(last);
                for (offset, word) in argument.iter().enumerate() {
                    self.put(end + offset, line, word);
                }
            }
        }
    }
}

/// What is left to do once the entries have the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The boot goes on.
    Nothing,
    /// The machine boots again.
    Reboot,
    /// Another boot would not help.
    Fail,
}

/// Decides it. `changed`: an entry was changed on this very boot, by this run or by one that was cut off; `in_effect`: the
/// running command line is as wanted.
#[must_use]
pub fn decide(changed: bool, in_effect: bool) -> Next {
    match (changed, in_effect) {
        (_, true) => Next::Nothing,
        (true, false) => Next::Reboot,
        (false, false) => Next::Fail,
    }
}

/// A device with a file system that may have entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its node.
    pub node: PathBuf,
    /// What people call it.
    pub name: PathBuf,
    /// The directories of it that have what boot loaders read.
    pub below: &'static [&'static str],
}

/// Where entries are on a file system of their own.
pub const OWN: &[&str] = &[""];
/// Where they are that lie in a root's own tree.
pub const IN_ROOT: &[&str] = &["boot", "efi", "boot/efi"];

impl From<PathBuf> for Device {
    fn from(node: PathBuf) -> Self {
        let (name, below) = (node.clone(), OWN);
        Self { node, name, below }
    }
}

/// What a partition or its file system says of itself, as `blkid --probe --output export` prints it: whether boot entries
/// are looked for on it. The types are those of the ESP and of the extended boot loader partition (UAPI.1, UAPI.2), of a GUID
/// table and of an MBR one.
#[must_use]
pub fn may_hold_entries(said: &str) -> bool {
    const TYPES: [&str; 4] = [
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172",
        "0xef",
        "0xea",
    ];
    let has = |name: &str, values: &[&str]| {
        let mut fields = said.lines().filter_map(|line| line.split_once('='));
        fields.any(|(key, value)| key == name && (values.is_empty() || values.contains(&value)))
    };
    // A partition without a file system holds none, whatever it is for; nor does a part of something else.
    const PARTS: [&str; 4] = ["crypto_LUKS", "linux_raid_member", "LVM2_member", "swap"];
    has("TYPE", &[])
        && !has("TYPE", &PARTS)
        && (has("PART_ENTRY_TYPE", &TYPES) || has("LABEL", &["boot", "BOOT"]))
}

/// The link below `/dev` to the device that `root=` names; `None` where it names none that a name of udev's leads to.
#[must_use]
pub fn root_device(command_line: &str) -> Option<String> {
    let named = words(command_line)
        .filter_map(|word| word.strip_prefix("root="))
        .last()?;
    let named = named.trim_matches('"');
    let mut links = [
        ("LABEL", "label"),
        ("UUID", "uuid"),
        ("PARTUUID", "partuuid"),
        ("PARTLABEL", "partlabel"),
    ]
    .iter();
    match named.split_once('=') {
        None => named.starts_with("/dev/").then(|| named.to_owned()),
        Some((kind, value)) => {
            let (_, dir) = links.find(|(known, _)| *known == kind)?;
            Some(format!(
                "/dev/disk/by-{dir}/{}",
                udev_escaped(value.trim_matches('"'))
            ))
        }
    }
}

#[cfg(test)]
mod tests;
