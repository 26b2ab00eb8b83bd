//! The partitions of a device-mapper disk: linear mappings onto it, made and removed by dmsetup(8) one at a time.
//!
//! Others may do the same work at the same moment, and rename what we make: udev's rules run kpartx whenever a multipath
//! disk changes. So each step is decided by what is there, and a mapping is addressed by its DM UUID, which stays.

use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::order::{self, OrderedMap};
use kindling_config_spec::units::Bytes;

use super::DeviceError;
use super::kernel::sysfs;
use crate::gpt::Table;
use crate::host::process::{ProcessError, Processes};
use crate::inventory::mapped::{Linear, Mapped, MappedPartition, number_in_uuid};
use crate::invocation::{Invocation, Program};
use crate::plan::partitions::{KernelChange, Shown};

/// How often a mapping is looked at and changed before it counts as one that does not become as it should: made, taken
/// away by somebody, made elsewhere by somebody, made again.
const TRIES: usize = 6;
/// Tables of device mapper count in this many bytes, whatever the sector size of the disk.
const UNIT: u64 = 512;

/// A disk that is a mapping.
pub(super) struct Mapper<'a> {
    processes: &'a dyn Processes,
    node: &'a Path,
    /// `MAJOR:MINOR`, as tables name it.
    device: String,
    disk: Mapped,
    names: Option<&'a OrderedMap<u32, String>>,
}

/// What a mapping consists of now.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Live {
    /// One stretch of our disk.
    Stretch {
        start: Bytes,
        size: Bytes,
        suspended: bool,
    },
    /// Nothing: it was never finished.
    Nothing,
    /// Anything else.
    Other,
}

/// What is done next so that a mapping becomes as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Done,
    Create,
    Load,
    Remove,
}

/// Decides by what is there, in the order of docs/semantics.md. A mapping that starts elsewhere is made anew, since the
/// kernel would go on showing what it has read through the old one.
fn next(there: Option<&Live>, start: Bytes, size: Bytes) -> Next {
    match there {
        None => Next::Create,
        Some(Live::Stretch { start: at, .. }) if *at != start => Next::Remove,
        Some(Live::Stretch {
            size: length,
            suspended: false,
            ..
        }) if *length == size => Next::Done,
        Some(Live::Stretch { .. } | Live::Nothing) => Next::Load,
        Some(Live::Other) => Next::Remove,
    }
}

impl<'a> Mapper<'a> {
    /// The disk at `node`; `None` for one of the kernel's own. `names` are those of its partitions, by the plan.
    ///
    /// # Errors
    /// `Io` when sysfs cannot be read.
    pub(super) fn open(
        processes: &'a dyn Processes,
        node: &'a Path,
        names: Option<&'a OrderedMap<u32, String>>,
    ) -> Result<Option<Self>, DeviceError> {
        let dir = sysfs(node);
        if !dir.join("dm").exists() {
            return Ok(None);
        }
        let unreadable = |source| DeviceError::Io {
            doing: "find out how device mapper names",
            device: node.to_owned(),
            source,
        };
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).map_err(unreadable);
        let trimmed = |text: String| text.trim_end_matches('\n').to_owned();
        Ok(Some(Self {
            processes,
            node,
            device: trimmed(read("dev")?),
            disk: Mapped {
                name: trimmed(read("dm/name")?),
                uuid: trimmed(read("dm/uuid")?),
                partitions: OrderedMap::new(),
            },
            names,
        }))
    }

    /// The disk as data, with its partitions. A mapping that has not the UUID of a partition of this disk counts as one only
    /// if its name or its UUID says so and it starts where the partition does.
    ///
    /// # Errors
    /// `Io`, and `Mapping` when dmsetup fails.
    pub(super) fn observe(mut self, table: Option<&Table>) -> Result<Mapped, DeviceError> {
        for holder in self.holders()? {
            let own = number_in_uuid(&holder.uuid)
                .filter(|number| self.disk.partition_uuid(*number) == holder.uuid);
            let number = match own {
                Some(number) => Some(number),
                None => self.number_of_foreign(&holder, table)?,
            };
            let Some(number) = number else { continue };
            // Where two claim one number, ours is the partition, and the other one uses the disk.
            if own.is_some() || !self.disk.partitions.contains_key(&number) {
                self.disk.partitions.insert(number, holder);
            }
        }
        Ok(self.disk)
    }

    fn number_of_foreign(
        &self,
        holder: &MappedPartition,
        table: Option<&Table>,
    ) -> Result<Option<u32>, DeviceError> {
        let number = if holder.uuid.is_empty() {
            self.disk.number_in_name(&holder.name)
        } else {
            number_in_uuid(&holder.uuid)
        };
        let entry =
            number.and_then(|number| Some((number, table?.entries.get(&number)?, table?.sector_size)));
        let Some((number, entry, sector)) = entry else {
            return Ok(None);
        };
        let begins = entry.first.to_bytes(sector);
        let is_there = matches!(self.live(holder)?, Some(Live::Stretch { start, .. }) if start == begins);
        Ok(is_there.then_some(number))
    }

    /// Number and mapping of every partition.
    ///
    /// # Errors
    /// `Io` when sysfs cannot be read.
    pub(super) fn partitions(&self) -> Result<Vec<(u32, MappedPartition)>, DeviceError> {
        let number = |holder: &MappedPartition| {
            let by_uuid = number_in_uuid(&holder.uuid);
            let by_name = || {
                let mut names = self.names?.iter();
                names
                    .find(|(_, name)| **name == holder.name)
                    .map(|(number, _)| *number)
            };
            by_uuid
                .filter(|number| self.disk.partition_uuid(*number) == holder.uuid)
                .or_else(by_name)
        };
        let holders = self.holders()?.into_iter();
        Ok(holders
            .filter_map(|holder| Some((number(&holder)?, holder)))
            .collect())
    }

    /// Every partition that is one stretch of the disk.
    ///
    /// # Errors
    /// `Io`, `Mapping`.
    pub(super) fn shown(&self) -> Result<Vec<Shown>, DeviceError> {
        let mut shown = Vec::new();
        for (number, partition) in self.partitions()? {
            if let Some(Live::Stretch {
                start,
                size,
                suspended: false,
            }) = self.live(&partition)?
            {
                shown.push(Shown { number, start, size });
            }
        }
        Ok(shown)
    }

    /// udev's links to those of `wanted` that have the UUID of a partition of this disk.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn links(&self, wanted: &[Shown]) -> Result<Vec<PathBuf>, DeviceError> {
        let partitions = self.partitions()?;
        let has_link = |number: u32| {
            let uuid = self.disk.partition_uuid(number);
            partitions.iter().any(|(_, there)| there.uuid == uuid)
        };
        let numbers = wanted
            .iter()
            .map(|shown| shown.number)
            .filter(|number| has_link(*number));
        Ok(numbers.map(|number| self.disk.partition_link(number)).collect())
    }

    /// Carries out one change, and sees to it that the kernel shows it. What is so already is left alone.
    ///
    /// # Errors
    /// `Io`, and `Mapping` when dmsetup fails or the mapping does not become as it should.
    pub(super) fn tell(&self, change: KernelChange) -> Result<(), DeviceError> {
        match change {
            KernelChange::Delete { number } => self.remove(number),
            KernelChange::Add { number, start, size } | KernelChange::Resize { number, start, size } => {
                self.make(number, start, size)
            }
        }
    }

    fn remove(&self, number: u32) -> Result<(), DeviceError> {
        for partition in self.all(number)? {
            let removed = self.run(&addressed("remove", &partition).arg("--retry"));
            // Somebody was faster: what counts is that it is gone.
            if removed.is_err() && self.all(number)?.contains(&partition) {
                removed.map_err(|source| self.failed("remove", &partition.name, source))?;
            }
        }
        Ok(())
    }

    fn make(&self, number: u32, start: Bytes, size: Bytes) -> Result<(), DeviceError> {
        let table = format!("0 {} linear {} {}", size.0 / UNIT, self.device, start.0 / UNIT);
        for _ in 0..TRIES {
            let there = self.all(number)?.into_iter().next();
            let live = there
                .as_ref()
                .map_or(Ok(None), |partition| self.live(partition))?;
            match (next(live.as_ref(), start, size), &there) {
                (Next::Done, _) => return Ok(()),
                (Next::Remove, _) => self.remove(number)?,
                (Next::Load, Some(there)) => {
                    let loaded = self.load(&there.name, &|verb| addressed(verb, there), &table);
                    if loaded.is_err() && self.all(number)?.contains(there) {
                        return loaded;
                    }
                }
                (Next::Create | Next::Load, _) => self.create(number, &table)?,
            }
        }
        Err(DeviceError::Io {
            doing: "use",
            device: self.path(number),
            source: io::Error::other("the kernel shows other boundaries than the table"),
        })
    }

    fn create(&self, number: u32, table: &str) -> Result<(), DeviceError> {
        let uuid = self.disk.partition_uuid(number);
        let name = self.name(number);
        let call =
            Invocation::new(Program::Dmsetup).args(["create", &name, "--uuid", &uuid, "--table", table]);
        let Err(refused) = self.run(&call) else {
            return Ok(());
        };
        if !self.all(number)?.is_empty() {
            return Ok(());
        }
        // One without a table is not in sysfs: a run was killed between the two.
        let by_uuid = |verb: &str| Invocation::new(Program::Dmsetup).args([verb, "--uuid", &uuid]);
        self.load(&name, &by_uuid, table)
            .map_err(|_| self.failed("make", &name, refused))
    }

    /// Gives a mapping another table; nobody who uses it notices but by its size.
    fn load(
        &self,
        name: &str,
        addressed: &dyn Fn(&str) -> Invocation,
        table: &str,
    ) -> Result<(), DeviceError> {
        self.run(&addressed("reload").args(["--table", table]))
            .and_then(|()| self.run(&addressed("resume")))
            .map_err(|source| self.failed("change", name, source))
    }

    /// The mappings that are partition `number`, ours first.
    fn all(&self, number: u32) -> Result<Vec<MappedPartition>, DeviceError> {
        let uuid = self.disk.partition_uuid(number);
        let partitions = self.partitions()?.into_iter();
        let mut found: Vec<MappedPartition> = partitions
            .filter(|(one, _)| *one == number)
            .map(|(_, there)| there)
            .collect();
        order::by_key(&mut found, |there| there.uuid != uuid);
        Ok(found)
    }

    /// The mappings that stand on the disk.
    fn holders(&self) -> Result<Vec<MappedPartition>, DeviceError> {
        let listing = |source| DeviceError::Io {
            doing: "list the partitions of",
            device: self.node.to_owned(),
            source,
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(sysfs(self.node).join("holders")).map_err(listing)? {
            let kernel_name = entry.map_err(listing)?.file_name();
            let node = Path::new("/dev").join(kernel_name);
            let read = |name: &str| std::fs::read_to_string(sysfs(&node).join("dm").join(name));
            // What is no mapping has none, and what went away meanwhile is none.
            if let (Ok(name), Ok(uuid)) = (read("name"), read("uuid")) {
                found.push(MappedPartition {
                    name: name.trim_end_matches('\n').to_owned(),
                    uuid: uuid.trim_end_matches('\n').to_owned(),
                    node,
                });
            }
        }
        order::by(&mut found, |a, b| a.node.cmp(&b.node));
        Ok(found)
    }

    /// What a mapping consists of; `None` when it went away meanwhile.
    fn live(&self, partition: &MappedPartition) -> Result<Option<Live>, DeviceError> {
        let answer = match self.processes.run(&addressed("table", partition)) {
            Ok(answer) => answer.stdout,
            Err(_) if !sysfs(&partition.node).exists() => return Ok(None),
            Err(source) => return Err(self.failed("read the table of", &partition.name, source)),
        };
        let suspended = std::fs::read_to_string(sysfs(&partition.node).join("dm/suspended"));
        let suspended = suspended.is_ok_and(|text| text.trim() == "1");
        let text = String::from_utf8_lossy(&answer);
        Ok(Some(match Linear::parse(&text) {
            Some(Linear { device, start, size }) if device == self.device => Live::Stretch {
                start,
                size,
                suspended,
            },
            _ if text.trim().is_empty() => Live::Nothing,
            _ => Live::Other,
        }))
    }

    fn name(&self, number: u32) -> String {
        let planned = self.names.and_then(|names| names.get(&number)).cloned();
        planned.unwrap_or_else(|| format!("{}p{number}", self.disk.name))
    }

    fn path(&self, number: u32) -> PathBuf {
        Path::new("/dev/mapper").join(self.name(number))
    }

    fn run(&self, call: &Invocation) -> Result<(), ProcessError> {
        self.processes.run(call).map(drop)
    }

    fn failed(&self, doing: &'static str, name: &str, source: ProcessError) -> DeviceError {
        DeviceError::Mapping {
            doing,
            device: Path::new("/dev/mapper").join(name),
            source,
        }
    }
}

/// A call of dmsetup for one mapping: by its UUID, which stays when somebody renames it.
fn addressed(verb: &str, partition: &MappedPartition) -> Invocation {
    let call = Invocation::new(Program::Dmsetup).arg(verb);
    if partition.uuid.is_empty() {
        call.arg(&partition.name)
    } else {
        call.args(["--uuid", &partition.uuid])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::page;

    #[test]
    fn what_is_there_decides_what_is_done() {
        let stretch = |start, size, suspended| {
            Some(Live::Stretch {
                start: Bytes(start),
                size: Bytes(size),
                suspended,
            })
        };
        for row in page::table("### Partitions of a device-mapper disk") {
            let there = match row[0] {
                "is not there" => None,
                "starts elsewhere" => stretch(4, 4, false),
                "is as the table says" => stretch(8, 4, false),
                "ends elsewhere" => stretch(8, 2, false),
                "is suspended" => stretch(8, 4, true),
                "was never finished" => Some(Live::Nothing),
                "is anything else" => Some(Live::Other),
                other => panic!("{other}"),
            };
            let expected = match row[1] {
                "made" => Next::Create,
                "removed, then made" => Next::Remove,
                "nothing" => Next::Done,
                "given the table's end"
                | "given its table again, and resumed"
                | "given its table, and resumed" => Next::Load,
                other => panic!("{other}"),
            };
            assert_eq!(next(there.as_ref(), Bytes(8), Bytes(4)), expected, "{row:?}");
        }
    }
}
