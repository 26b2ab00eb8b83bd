//! Lines of crypttab(5), by which the real root opens its encrypted volumes (engine.md 4.6.8).

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::{Clevis, Luks};
use serde::Serialize;

/// The file they stand in.
pub const CRYPTTAB: &str = "/etc/crypttab";

/// The line of one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line {
    /// The volume's name.
    pub name: String,
    /// UUID of its header; `None` in a dry run, where it is not made yet.
    pub uuid: Option<String>,
    /// The file with its key; `None` where clevis unlocks it.
    pub key_file: Option<PathBuf>,
    /// Unlocking it needs the network.
    pub needs_network: bool,
    /// It takes the place of the line that an interrupted run wrote for the volume it had made.
    pub replaces: bool,
}

impl Line {
    /// The line of `volume`, whose header has `uuid`.
    #[must_use]
    pub fn of(volume: &Luks, uuid: Option<String>, key_file: Option<PathBuf>) -> Self {
        Self {
            name: volume.name.clone(),
            uuid,
            key_file,
            needs_network: needs_network(&volume.clevis),
            replaces: false,
        }
    }

    /// The line without its end; `None` where the UUID is not known.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let uuid = self.uuid.as_deref()?;
        let key_file = self.key_file.as_deref().unwrap_or(Path::new("none"));
        let options = if self.needs_network {
            "luks,_netdev,x-initrd.attach"
        } else {
            "luks,x-initrd.attach"
        };
        Some(format!(
            "{} UUID={uuid} {} {options}",
            self.name,
            key_file.display()
        ))
    }

    /// Whether `line` says the same.
    #[must_use]
    pub fn is(&self, line: &str) -> bool {
        self.text().is_some_and(|text| fields(&text).eq(fields(line)))
    }
}

fn needs_network(clevis: &Clevis) -> bool {
    !clevis.tang.is_empty() || clevis.custom.needs_network == Some(true)
}

/// What parts the fields of a line, as `isspace` in the C locale. systemd knows no escape (cryptsetup-generator.c), so that
/// no field can hold any of it.
const BLANKS: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split(BLANKS).filter(|field| !field.is_empty())
}

/// The volume that a line is of; comments and blank lines are of none.
#[must_use]
pub fn name_of(line: &str) -> Option<&str> {
    fields(line).next().filter(|name| !name.starts_with('#'))
}

/// For each of the volumes `names` its first line in `texts`: later ones do not count (cryptsetup-generator.c).
#[must_use]
pub fn find<'a>(texts: &[&'a str], names: &[&str]) -> Vec<Option<&'a str>> {
    let mut found: OrderedMap<&str, Option<&'a str>> = names.iter().map(|name| (*name, None)).into_map();
    for line in texts.iter().flat_map(|text| text.lines()) {
        if let Some(first) = name_of(line).and_then(|name| found.get_mut(name)) {
            first.get_or_insert(line);
        }
    }
    names
        .iter()
        .map(|name| found.get(name).copied().flatten())
        .collect()
}

/// Why no line can be of a volume of that name, in words.
#[must_use]
pub fn unwritable(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("it is empty"),
        // The key's file has the same name.
        "." | ".." => Some("it is the name of a directory"),
        _ if name.starts_with('#') => Some("a line that starts with # is a comment"),
        _ if name.contains(BLANKS) => Some("white space ends a field, and nothing escapes it"),
        _ if name.contains('\0') => Some("no file can have it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kindling_config_spec::types::{ClevisCustom, Tang};

    #[test]
    fn lines_are_those_of_the_reference() {
        let tang = Clevis {
            tang: vec![Tang::default()],
            ..Clevis::default()
        };
        let custom = |needs_network| Clevis {
            custom: ClevisCustom {
                pin: Some("sss".into()),
                needs_network,
                ..ClevisCustom::default()
            },
            ..Clevis::default()
        };
        let tpm = Clevis {
            tpm2: Some(true),
            ..Clevis::default()
        };
        let key = Some("/etc/luks/data");
        for (clevis, key_file, expected) in [
            (
                Clevis::default(),
                key,
                "data UUID=5a0e /etc/luks/data luks,x-initrd.attach",
            ),
            (tpm, None, "data UUID=5a0e none luks,x-initrd.attach"),
            (tang, None, "data UUID=5a0e none luks,_netdev,x-initrd.attach"),
            (
                custom(Some(true)),
                None,
                "data UUID=5a0e none luks,_netdev,x-initrd.attach",
            ),
            (custom(None), None, "data UUID=5a0e none luks,x-initrd.attach"),
        ] {
            let volume = Luks {
                name: "data".into(),
                clevis,
                ..Luks::default()
            };
            let line = Line::of(&volume, Some("5a0e".into()), key_file.map(PathBuf::from));
            assert_eq!(line.text().as_deref(), Some(expected));
            assert!(line.is(&expected.replace(' ', " \t")));
            assert!(!line.is(&expected.replace("5a0e", "5a0f")));
            assert!(!line.is(&format!("{expected} more")));
        }
    }

    #[test]
    fn the_first_line_of_a_volume_is_found() {
        let text = "# data UUID=0\n\n  data\tUUID=1 none\ndata UUID=2\n#data UUID=3\ndatabase UUID=4";
        let names = ["data", "#data", "database", "none", "other", "data"];
        let first = Some("  data\tUUID=1 none");
        let found = [first, None, Some("database UUID=4"), None, Some("other"), first];
        assert_eq!(find(&[text, "data x\nother\nother y"], &names), found);
        assert_eq!(find(&[text], &[]), []);
    }

    #[test]
    fn names_that_no_line_can_have() {
        for name in ["", ".", "..", "#x", "a b", "a\tb", "a\n", "\u{b}", "a\0b"] {
            assert!(unwritable(name).is_some(), "{name:?}");
        }
        for name in ["data", "a#b", "größe", "a\\040b", "...", "a:b"] {
            assert_eq!(unwritable(name), None, "{name:?}");
        }
    }
}
