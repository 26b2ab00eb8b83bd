//! Which boot is the first: decided from the kernel arguments and from the mark that a first boot leaves when it ends
//! (docs/decisions/0024-first-boot.md).

use std::fmt;
use std::str::FromStr;

use crate::gpt::{Entry, Guid};
use crate::identity::sha256_hex;

/// The kernel argument that says where the mark is.
pub const ARGUMENT: &str = "kindling.firstboot";
/// The kernel argument of the reference, which is the last word (engine.md 2.10, 5.3).
const EXPLICIT: &str = "ignition.firstboot";

/// Set on a partition once its machine is provisioned. Bits 48 to 58 hold which machine that is; the mark of an unfinished
/// file system stands there too, and always without this bit.
///
/// Source: UEFI specification 2.10, table 5.8: bits 48 to 63 are the partition type's. The Discoverable Partitions
/// Specification uses 59, 60 and 63; bit 61 is used by Microsoft's basic data alone.
pub const PROVISIONED: u64 = 1 << 61;
/// Where the machine stands.
const MACHINE: u64 = 0x7ff << 48;

/// Where a first boot leaves its mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A variable of the firmware.
    Efi,
    /// Attribute bits of the partition with that label.
    Partition(String),
}

/// The argument means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel argument {ARGUMENT} is {0:?}, and has to be efi or gpt:PARTLABEL")]
pub struct Unknown(pub String);

impl FromStr for Method {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        match text.split_once(':') {
            None if text == "efi" => Ok(Self::Efi),
            Some(("gpt", label)) if !label.is_empty() => Ok(Self::Partition(label.to_owned())),
            _ => Err(Unknown(text.to_owned())),
        }
    }
}

/// What the kernel arguments say. Of each the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// Whether this is a first boot, where somebody says so.
    pub explicit: Option<bool>,
    /// Where the mark is.
    pub method: Option<Result<Method, Unknown>>,
}

impl Arguments {
    /// Reads a kernel command line.
    #[must_use]
    pub fn parse(line: &str) -> Self {
        let mut found = Self::default();
        for word in line.split_whitespace() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            if name == EXPLICIT {
                found.explicit = Some(!matches!(value, Some("" | "0" | "no" | "off")));
            } else if name == ARGUMENT {
                found.method = Some(value.unwrap_or_default().parse());
            }
        }
        found
    }

    /// What follows from the arguments alone: an answer, or where to look for one.
    ///
    /// # Errors
    /// [`Unknown`]: whether the machine was provisioned cannot be told. Who says outright that this is no first boot is
    /// believed even then.
    pub fn question(self) -> Result<Question, Unknown> {
        match (self.explicit, self.method) {
            (Some(false), _) | (None, None) => Ok(Question::Answered(Verdict::Later(Later::Told))),
            (_, Some(Err(unknown))) => Err(unknown),
            (Some(true), _) => Ok(Question::Answered(Verdict::First(First::Told))),
            (None, Some(Ok(method))) => Ok(Question::Look(method)),
        }
    }
}

/// What the arguments leave to be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Nothing.
    Answered(Verdict),
    /// Whether there is a mark.
    Look(Method),
}

/// Which boot this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first one.
    First(First),
    /// A later one.
    Later(Later),
    /// Nobody can tell, and a wrong answer would erase data or leave a machine half-made.
    Refused(Refused),
}

/// Why a boot is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The kernel arguments say so.
    Told,
    /// There is no mark.
    Unmarked,
    /// The mark is of another disk.
    OtherDisk,
    /// The mark is of another machine.
    OtherMachine,
}

/// Why a boot is not the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// The kernel arguments say so.
    Told,
    /// The mark is there.
    Marked,
    /// The root says so, and the firmware has lost or replaced its variable.
    OfRoot,
}

/// Why nobody can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The firmware knows this machine as provisioned, and its root is not there.
    RootMissing,
    /// There is a mark of a form that this build does not know.
    UnknownMark,
    /// The type of the partition gives the bits another meaning.
    BitsInUse,
}

impl fmt::Display for First {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Told => "the kernel arguments say so",
            Self::Unmarked => "nothing says that this machine was provisioned",
            Self::OtherDisk => "another root than this one was provisioned",
            Self::OtherMachine => "it was another machine that was provisioned",
        })
    }
}

impl fmt::Display for Later {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Told => "the kernel arguments say so",
            Self::Marked => "this machine was provisioned",
            Self::OfRoot => {
                "its root says that this machine was provisioned, and the firmware does not know it"
            }
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::RootMissing => {
                "the firmware says that this machine was provisioned, and its root device is not there"
            }
            Self::UnknownMark => "there is a mark of a form that this kindling does not know",
            Self::BitsInUse => "the type of the partition gives its attribute bits another meaning",
        })
    }
}

/// A machine's name in marks: enough digits to tell machines apart, and not its id.
#[must_use]
pub fn machine_mark(id: &str) -> String {
    let mut digits = sha256_hex(format!("kindling first boot {id}").as_bytes());
    digits.truncate(16);
    digits
}

/// What was provisioned: the value of the variable, and the content of the file on the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// As [`machine_mark`] gives it.
    pub machine: String,
    /// The UUID of the root's file system; `None` where it has none.
    pub disk: Option<String>,
}

/// What is found in the place of a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stored {
    /// Nothing.
    #[default]
    Absent,
    /// A mark.
    Known(Mark),
    /// Something else.
    Unknown,
}

impl Mark {
    const FORM: &str = "kindling-1";

    /// One line: the form, the machine, the disk.
    #[must_use]
    pub fn to_text(&self) -> String {
        let disk = self.disk.as_deref().unwrap_or("-");
        format!("{} {} {disk}\n", Self::FORM, self.machine)
    }
}

impl Stored {
    /// Reads what [`Mark::to_text`] wrote.
    #[must_use]
    pub fn parse(bytes: Option<&[u8]>) -> Self {
        let Some(bytes) = bytes else { return Self::Absent };
        let words = std::str::from_utf8(bytes).map(|text| text.split_whitespace().collect::<Vec<_>>());
        match words.as_deref() {
            Ok([Mark::FORM, machine, disk]) => Self::Known(Mark {
                machine: (*machine).to_owned(),
                disk: (*disk != "-").then(|| (*disk).to_owned()),
            }),
            _ => Self::Unknown,
        }
    }

    /// Whether it is a mark of this machine.
    #[must_use]
    pub fn is_of(&self, machine: &str) -> bool {
        matches!(self, Self::Known(mark) if mark.machine == machine)
    }
}

/// What is known of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Its device is not there.
    Missing,
    /// It is there, or it is no device.
    There {
        /// The UUID of its file system.
        disk: Option<String>,
        /// The mark on it; need not be looked for where the variable names this disk.
        mark: Stored,
    },
}

/// Decides by the variable of the firmware. What the root says of this machine counts for more: firmware forgets.
#[must_use]
pub fn by_variable(machine: &str, variable: &Stored, root: &Root) -> Verdict {
    match (variable, root) {
        (Stored::Known(mark), Root::There { disk, .. }) if mark.machine == machine && mark.disk == *disk => {
            Verdict::Later(Later::Marked)
        }
        (_, Root::There { mark, .. }) if mark.is_of(machine) => Verdict::Later(Later::OfRoot),
        (Stored::Unknown, _)
        | (
            _,
            Root::There {
                mark: Stored::Unknown,
                ..
            },
        ) => Verdict::Refused(Refused::UnknownMark),
        (Stored::Known(mark), _) if mark.machine != machine => Verdict::First(First::OtherMachine),
        (Stored::Known(_), Root::Missing) => Verdict::Refused(Refused::RootMissing),
        (Stored::Known(_), Root::There { .. }) => Verdict::First(First::OtherDisk),
        (
            Stored::Absent,
            Root::There {
                mark: Stored::Known(_),
                ..
            },
        ) => Verdict::First(First::OtherMachine),
        (Stored::Absent, _) => Verdict::First(First::Unmarked),
    }
}

/// Decides by the attribute bits of a partition.
#[must_use]
pub fn by_bits(machine: &str, entry: &Entry) -> Verdict {
    if has_other_bits(entry.type_guid) {
        return Verdict::Refused(Refused::BitsInUse);
    }
    if entry.attributes & PROVISIONED == 0 {
        // Other bits without it are a first boot's that did not come to its end.
        return Verdict::First(First::Unmarked);
    }
    if entry.attributes & MACHINE == machine_bits(machine) {
        Verdict::Later(Later::Marked)
    } else {
        Verdict::First(First::OtherMachine)
    }
}

/// The attributes of a partition once this machine is provisioned.
#[must_use]
pub fn marked_bits(machine: &str, attributes: u64) -> u64 {
    attributes & !MACHINE | PROVISIONED | machine_bits(machine)
}

/// Never zero: then nobody takes them for room for the mark of an unfinished file system.
fn machine_bits(machine: &str) -> u64 {
    let digits = machine.get(..4).unwrap_or_default();
    let value = u64::from(u16::from_str_radix(digits, 16).unwrap_or_default()) << 48 & MACHINE;
    if value == 0 { 1 << 48 } else { value }
}

/// Types that use these bits themselves: a kernel of `ChromeOS` (priority, tries and success in 48 to 56) and Microsoft's
/// basic data (60 to 63).
fn has_other_bits(kind: Guid) -> bool {
    let text = kind.to_string();
    [
        "fe3a2a5d-4f32-41a7-b725-accc3285a309",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
    ]
    .iter()
    .any(|used| text.eq_ignore_ascii_case(used))
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::units::Lba;

    use super::*;

    #[test]
    fn the_arguments_say_it_or_say_where_to_look() {
        let first = |why| Ok(Question::Answered(Verdict::First(why)));
        let later = || Ok(Question::Answered(Verdict::Later(Later::Told)));
        let unknown = |text: &str| Err(Unknown(text.to_owned()));
        let partition = |label: &str| Ok(Question::Look(Method::Partition(label.to_owned())));
        for (line, expected) in [
            ("quiet", later()),
            ("kindling.firstboot=efi", Ok(Question::Look(Method::Efi))),
            ("kindling.firstboot=gpt:root-a quiet", partition("root-a")),
            ("kindling.firstboot=gpt:a:b", partition("a:b")),
            (
                "kindling.firstboot=no kindling.firstboot=efi",
                Ok(Question::Look(Method::Efi)),
            ),
            ("kindling.firstboot=EFI", unknown("EFI")),
            ("kindling.firstboot=gpt:", unknown("gpt:")),
            ("kindling.firstboot=gpt", unknown("gpt")),
            ("kindling.firstboot=efi:x", unknown("efi:x")),
            ("kindling.firstboot=", unknown("")),
            ("kindling.firstboot", unknown("")),
            ("kindling.firstboot=efi ignition.firstboot", first(First::Told)),
            ("ignition.firstboot=1 kindling.firstboot=efi", first(First::Told)),
            ("ignition.firstboot=1 kindling.firstboot=wrong", unknown("wrong")),
            ("ignition.firstboot=0 kindling.firstboot=efi", later()),
            ("ignition.firstboot=0 kindling.firstboot=wrong", later()),
            (
                "ignition.firstboot ignition.firstboot=off kindling.firstboot=efi",
                later(),
            ),
            ("ignition.firstboot= kindling.firstboot=efi", later()),
            ("ignition.firstboot=no kindling.firstboot=efi", later()),
            (
                "ignition.firstboots=1 kindling.firstboot=efi",
                Ok(Question::Look(Method::Efi)),
            ),
        ] {
            assert_eq!(Arguments::parse(line).question(), expected, "{line}");
        }
    }

    fn mark(machine: &str, disk: &str) -> Stored {
        Stored::Known(Mark {
            machine: machine.to_owned(),
            disk: Some(disk.to_owned()),
        })
    }

    #[test]
    fn the_variable_and_the_root_decide() {
        let root = |disk: &str, mark: Stored| Root::There {
            disk: Some(disk.to_owned()),
            mark,
        };
        let (absent, unknown) = (Stored::Absent, Stored::Unknown);
        let first = Verdict::First;
        let later = Verdict::Later;
        let refused = Verdict::Refused;
        for (row, variable, root, expected) in [
            ("blank", &absent, Root::Missing, first(First::Unmarked)),
            (
                "an image",
                &absent,
                root("d", Stored::Absent),
                first(First::Unmarked),
            ),
            (
                "provisioned",
                &mark("m", "d"),
                root("d", Stored::Absent),
                later(Later::Marked),
            ),
            (
                "another root, and no mark on it",
                &mark("m", "d"),
                root("e", Stored::Absent),
                first(First::OtherDisk),
            ),
            (
                "a disk moved here",
                &absent,
                root("d", mark("n", "d")),
                first(First::OtherMachine),
            ),
            (
                "a disk moved here in place of the old one",
                &mark("m", "d"),
                root("e", mark("n", "e")),
                first(First::OtherDisk),
            ),
            (
                "a clone of machine and firmware",
                &mark("n", "d"),
                root("d", mark("n", "d")),
                first(First::OtherMachine),
            ),
            (
                "a clone without its root",
                &mark("n", "d"),
                Root::Missing,
                first(First::OtherMachine),
            ),
            (
                "cleared firmware",
                &absent,
                root("d", mark("m", "d")),
                later(Later::OfRoot),
            ),
            (
                "two systems in one machine",
                &mark("m", "d"),
                root("e", mark("m", "e")),
                later(Later::OfRoot),
            ),
            (
                "a file system with a new UUID",
                &mark("m", "d"),
                root("e", mark("m", "d")),
                later(Later::OfRoot),
            ),
            (
                "a slow or broken disk",
                &mark("m", "d"),
                Root::Missing,
                refused(Refused::RootMissing),
            ),
            (
                "a newer form",
                &unknown,
                root("d", Stored::Absent),
                refused(Refused::UnknownMark),
            ),
            (
                "a newer form, no root",
                &unknown,
                Root::Missing,
                refused(Refused::UnknownMark),
            ),
            (
                "a newer form on the root",
                &absent,
                root("d", Stored::Unknown),
                refused(Refused::UnknownMark),
            ),
            (
                "a newer form, a known root",
                &unknown,
                root("d", mark("m", "d")),
                later(Later::OfRoot),
            ),
        ] {
            assert_eq!(by_variable("m", variable, &root), expected, "{row}");
        }
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        for disk in [None, Some("0f-aa".to_owned())] {
            let mark = Mark {
                machine: machine_mark("id"),
                disk,
            };
            assert_eq!(
                Stored::parse(Some(mark.to_text().as_bytes())),
                Stored::Known(mark)
            );
        }
        assert_eq!(Stored::parse(None), Stored::Absent);
        for unknown in [
            &b""[..],
            b"kindling-2 a b",
            b"kindling-1 a",
            b"kindling-1 a b c",
            b"\xff",
        ] {
            assert_eq!(Stored::parse(Some(unknown)), Stored::Unknown, "{unknown:?}");
        }
        assert_ne!(machine_mark("id"), machine_mark(""));
        assert_eq!(machine_mark("id").len(), 16);
    }

    fn entry(attributes: u64) -> Entry {
        Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: Guid::from_random([7; 16]),
            first: Lba(2048),
            last: Lba(4095),
            attributes,
            label: "root-a".parse().unwrap(),
            extra: Vec::new(),
        }
    }

    #[test]
    fn the_bits_of_a_partition_decide() {
        let here = machine_mark("here");
        let ours = marked_bits(&here, 0);
        assert_eq!(by_bits(&here, &entry(0)), Verdict::First(First::Unmarked));
        assert_eq!(by_bits(&here, &entry(ours)), Verdict::Later(Later::Marked));
        let there = machine_mark("there");
        assert_eq!(by_bits(&there, &entry(ours)), Verdict::First(First::OtherMachine));
        // The mark of an unfinished file system, and of what others say of a partition.
        for others in [1 << 48, MACHINE, 1 << 59, 1 << 60, 1 << 63, 0b111] {
            assert_eq!(
                by_bits(&here, &entry(others)),
                Verdict::First(First::Unmarked),
                "{others:x}"
            );
        }
        for used in [
            "FE3A2A5D-4F32-41A7-B725-ACCC3285A309",
            "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
        ] {
            let entry = Entry {
                type_guid: used.parse().unwrap(),
                ..entry(ours)
            };
            assert_eq!(
                by_bits(&here, &entry),
                Verdict::Refused(Refused::BitsInUse),
                "{used}"
            );
        }
    }

    #[test]
    fn bits_of_others_stay_and_a_mark_is_put_on_once() {
        let others = 1 << 59 | 1 << 60 | 1 << 63 | 0b111;
        for id in 0..2000 {
            let machine = machine_mark(&id.to_string());
            let once = marked_bits(&machine, others | 5 << 48);
            assert_eq!(once & !(MACHINE | PROVISIONED), others);
            assert_ne!(once & MACHINE, 0);
            assert_eq!(marked_bits(&machine, once), once);
        }
    }
}
