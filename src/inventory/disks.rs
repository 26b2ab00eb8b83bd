//! Disks and what they hold, as data.

use std::path::PathBuf;

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::units::{Bytes, SectorSize};
use serde::{Deserialize, Serialize};

use crate::gpt;
use crate::invocation::{Invocation, Program};
use crate::plan::partitions::InUse;

use super::mapped::Mapped;
use super::stack::User;

/// One disk that the config names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The device node, links resolved.
    pub node: PathBuf,
    /// Links to the disk itself below `/dev/disk`: udev links its partitions by the same names and `-partN`. Of a
    /// device-mapper disk also the one below `/dev/mapper`.
    #[serde(default)]
    pub aliases: OrderedSet<PathBuf>,
    /// Where the disk is a mapping: its partitions are mappings too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped: Option<Mapped>,
    /// Logical sector size.
    pub sector: SectorSize,
    /// Size of the whole disk.
    pub size: Bytes,
    /// The partition table.
    pub found: gpt::Found,
    /// Who uses the disk and its partitions.
    pub in_use: InUse,
    /// What the whole disk holds, where no table that Linux sees speaks for it ([`Disk::may_hide_content`]).
    #[serde(default)]
    pub content: Content,
    /// The disk is not on this machine: it is assumed blank for a dry run.
    #[serde(default)]
    pub assumed: bool,
}

impl Disk {
    /// Whether something may stand on the disk that its table says nothing of: there is none, or Linux does not see it.
    #[must_use]
    pub fn may_hide_content(&self) -> bool {
        let tells = match &self.found {
            gpt::Found::Blank => false,
            gpt::Found::Gpt { .. } => self.found.seen_by_linux(),
            gpt::Found::Mbr | gpt::Found::Damaged(_) => true,
        };
        !tells && !self.assumed
    }

    /// What a new table would be written over, by name; `None` where that is nothing, or the table itself.
    #[must_use]
    pub fn beside_table(&self) -> Option<String> {
        // `PMBR` is the protective record of a table whose first copy is bad.
        let own = ["gpt partition table", "PMBR partition table"];
        match &self.content {
            Content::Blank => None,
            Content::Known(signature) => {
                (!own.contains(&signature.kind.as_str())).then(|| signature.kind.clone())
            }
            Content::Ambiguous(kinds) => Some(kinds.join(" and ")),
        }
    }
}

/// What a probe for signatures found on a device or a range of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Nothing known.
    #[default]
    Blank,
    /// Exactly one signature.
    Known(Signature),
    /// More than one signature, by name: nobody can tell which one is meant.
    Ambiguous(Vec<String>),
}

/// What a place for a file system holds, and who uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Signatures on it.
    pub content: Content,
    /// Who uses a device that is no partition of a disk in the config; of such a partition the disk tells.
    pub user: Option<User>,
}

/// One signature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The name blkid(8) gives it: `ext4`, `crypto_LUKS`, `linux_raid_member`, `dos partition table`, …
    pub kind: String,
    /// File system label.
    pub label: Option<String>,
    /// UUID of the file system, array or volume, as printed.
    pub uuid: Option<String>,
    /// Version of the format, where there are several: `1` and `2` of LUKS.
    #[serde(default)]
    pub version: Option<String>,
    /// The second label that only a LUKS2 header has. A volume that is not complete carries our mark there.
    #[serde(default)]
    pub subsystem: Option<String>,
}

impl Signature {
    /// Whether it has this label. blkid spells bytes out that are not ASCII, or no letter: `M-C`, `^A`.
    #[must_use]
    pub fn has_label(&self, label: &str) -> bool {
        let spelt = label.bytes().fold(String::new(), |mut text, byte| {
            if !byte.is_ascii() {
                text.push_str("M-");
            }
            let low = byte & 0x7f;
            if low.is_ascii_control() {
                text.push('^');
            }
            text.push(char::from(if low.is_ascii_control() { low ^ 0x40 } else { low }));
            text
        });
        self.label
            .as_deref()
            .is_some_and(|found| found == label || found == spelt)
    }
}

/// A device, or a range of one, that is probed for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The device node that is read.
    pub node: PathBuf,
    /// The part that counts, from a byte offset, with its size; all of it when absent.
    pub range: Option<(Bytes, Bytes)>,
}

impl Probe {
    /// The command that answers.
    #[must_use]
    pub fn invocation(&self) -> Invocation {
        let mut call = Invocation::new(Program::Blkid).args(["--probe", "--output", "export"]);
        if let Some((offset, size)) = self.range {
            call = call.args(["--offset", &offset.0.to_string(), "--size", &size.0.to_string()]);
        }
        call.arg(self.node.as_os_str())
    }
}

/// Reads blkid's answer in its `export` format. Status 2 means nothing was found, 8 that several were
/// (blkid(8), "EXIT STATUS"); any other than 0 is no answer.
#[must_use]
pub fn parse_blkid(status: i32, stdout: &str) -> Option<Content> {
    match status {
        0 => Some(parse_export(stdout)),
        2 => Some(Content::Blank),
        8 => Some(Content::Ambiguous(vec!["several signatures".to_owned()])),
        _ => None,
    }
}

fn parse_export(stdout: &str) -> Content {
    let fields: OrderedMap<&str, String> = stdout
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key, unescape(value)))
        .into_map();
    let field = |key: &str| fields.get(key).filter(|value| !value.is_empty()).cloned();
    let kind = match (field("TYPE"), field("PTTYPE")) {
        (Some(kind), _) => kind,
        (None, Some(table)) => format!("{table} partition table"),
        (None, None) => return Content::Blank,
    };
    Content::Known(Signature {
        kind,
        label: field("LABEL"),
        uuid: field("UUID"),
        version: field("VERSION"),
        subsystem: field("SUBSYSTEM"),
    })
}

/// The `export` format puts a backslash before each character a shell would read.
fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' {
            letters.next().unwrap_or(letter)
        } else {
            letter
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_beyond_ascii_is_known_as_blkid_spells_it() {
        let labelled = |label: &str| Signature {
            label: Some(label.to_owned()),
            ..Signature::default()
        };
        assert!(labelled("grM-CM-6").has_label("grö"));
        assert!(labelled("my data").has_label("my data"));
        assert!(!labelled("grM-CM-6").has_label("gro"));
        assert!(!Signature::default().has_label(""));
    }

    #[test]
    fn blkid_answers() {
        let ext4 = "DEVNAME=/dev/vdb1\nLABEL=my\\ data\nUUID=5a0e\nTYPE=ext4\nUSAGE=filesystem\n";
        let known = |kind: &str, label: Option<&str>, uuid: Option<&str>| {
            Content::Known(Signature {
                kind: kind.to_owned(),
                label: label.map(str::to_owned),
                uuid: uuid.map(str::to_owned),
                ..Signature::default()
            })
        };
        for (row, status, stdout, expected) in [
            (
                "a file system",
                0,
                ext4,
                Some(known("ext4", Some("my data"), Some("5a0e"))),
            ),
            (
                "a table",
                0,
                "PTUUID=1\nPTTYPE=dos\n",
                Some(known("dos partition table", None, None)),
            ),
            (
                "a partition's own entry",
                0,
                "PART_ENTRY_UUID=1\n",
                Some(Content::Blank),
            ),
            ("nothing", 2, "", Some(Content::Blank)),
            (
                "several",
                8,
                "",
                Some(Content::Ambiguous(vec!["several signatures".to_owned()])),
            ),
            ("a usage error", 4, "", None),
        ] {
            assert_eq!(parse_blkid(status, stdout), expected, "{row}");
        }
    }
}
