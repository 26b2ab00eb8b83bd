//! The mark as bits of a partition's attributes.

use std::path::{Path, PathBuf};

use super::Here;
use super::error::FirstBootError;
use crate::gpt::{Found, Table};
use crate::host::devices::disk_of;
use crate::plan::first_boot::{Refused, Verdict, by_bits, marked_bits};
use crate::plan::place::{partition_name, udev_escaped};

impl Here<'_> {
    /// The disk with the partition, its table, and the partition's number.
    pub(super) fn partition(&self, label: &str) -> Result<(PathBuf, Table, u32), FirstBootError> {
        let failed = |source| FirstBootError::Partition {
            label: label.to_owned(),
            source,
        };
        let link = PathBuf::from(format!("/dev/disk/by-partlabel/{}", udev_escaped(label)));
        self.devices
            .wait_for(std::slice::from_ref(&link))
            .map_err(failed)?;
        let node = disk_of(&self.devices.node(&link).map_err(failed)?);
        let disk = self.devices.disk(&node).map_err(failed)?;
        let unclear = || no_partition(label, &node);
        let table = table_of(disk.found).ok_or_else(unclear)?;
        let number = labelled(&table, label).ok_or_else(unclear)?;
        Ok((node, table, number))
    }

    /// Marks the partition as one of this machine; nothing where it is.
    pub(super) fn mark_partition(&self, label: &str) -> Result<(), FirstBootError> {
        let (node, table, number) = self.partition(label)?;
        if self.marked(label, &node, table)?.is_none() {
            return Ok(());
        }
        // Decided once more on what stands there when nobody else can write: the real root may be growing its partitions.
        let mut refused = None;
        let mut change = |found| {
            let marked = table_of(found)
                .ok_or_else(|| no_partition(label, &node))
                .and_then(|table| self.marked(label, &node, table));
            marked.unwrap_or_else(|error| {
                refused = Some(error);
                None
            })
        };
        let failed = |source| FirstBootError::Partition {
            label: label.to_owned(),
            source,
        };
        self.devices.change_table(&node, &mut change).map_err(failed)?;
        match refused {
            Some(error) => Err(error),
            None => {
                let nodes = [partition_name(&node, number)];
                self.devices.settle(&nodes).map_err(failed)
            }
        }
    }

    /// A table with the mark of this machine; `None` where it has that.
    fn marked(&self, label: &str, node: &Path, mut table: Table) -> Result<Option<Table>, FirstBootError> {
        let number = labelled(&table, label);
        let entry = number.and_then(|number| table.entries.get_mut(&number));
        let entry = entry.ok_or_else(|| no_partition(label, node))?;
        let marked = marked_bits(&self.machine, entry.attributes);
        if by_bits(&self.machine, entry) == Verdict::Refused(Refused::BitsInUse) {
            let refused = Refused::BitsInUse;
            return Err(FirstBootError::Refused { refused });
        }
        let is_marked = entry.attributes == marked;
        entry.attributes = marked;
        Ok((!is_marked).then_some(table))
    }
}

fn table_of(found: Found) -> Option<Table> {
    match found {
        Found::Gpt { table, .. } => Some(table),
        Found::Blank | Found::Mbr | Found::Damaged(_) => None,
    }
}

fn no_partition(label: &str, disk: &Path) -> FirstBootError {
    FirstBootError::NoPartition {
        label: label.to_owned(),
        disk: disk.to_owned(),
    }
}

/// The only partition with that label.
fn labelled(table: &Table, label: &str) -> Option<u32> {
    let has = |entry: &crate::gpt::Entry| entry.label.text().as_deref() == Some(label);
    let mut numbers = table.entries.iter().filter(|(_, entry)| has(entry));
    let (number, _) = numbers.next()?;
    numbers.next().is_none().then_some(*number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpt::{Entry, Guid};
    use crate::host::fake::{Disks, Scripted};
    use crate::plan::first_boot::{Later, machine_mark};
    use crate::stages::first_boot::tests::environment;
    use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};

    fn table(labels: &[(u32, &str)]) -> Table {
        let mut table = Table::new(Guid::from_random([1; 16]), Bytes(MIB), SectorSize::S512).unwrap();
        for (number, label) in labels {
            let first = Lba(100 * u64::from(*number));
            let entry = Entry {
                type_guid: Guid::LINUX_FILESYSTEM,
                guid: Guid::from_random([u8::try_from(*number).unwrap(); 16]),
                first,
                last: Lba(first.0 + 9),
                attributes: 0,
                label: label.parse().unwrap(),
                extra: Vec::new(),
            };
            table.entries.insert(*number, entry);
        }
        table
    }

    #[test]
    fn a_label_names_one_partition_or_none() {
        let table = table(&[(1, "root-a"), (4, "data"), (7, "data")]);
        for (label, expected) in [("root-a", Some(1)), ("data", None), ("root", None)] {
            assert_eq!(labelled(&table, label), expected, "{label}");
        }
    }

    #[test]
    fn the_mark_changes_its_partition_and_is_put_on_once() {
        let dir = tempfile::tempdir().unwrap();
        let here = Here {
            environment: &environment(dir.path()),
            processes: &Scripted::default(),
            devices: &Disks::default(),
            machine: machine_mark("m"),
            line: String::new(),
        };
        let before = table(&[(1, "root-a"), (4, "data")]);
        let marked = |table| here.marked("data", Path::new("/dev/vda"), table);
        let once = marked(before.clone()).unwrap().unwrap();
        let of = |table: &Table, number| table.entries.get(&number).cloned().unwrap();
        assert_eq!(
            by_bits(&here.machine, &of(&once, 4)),
            Verdict::Later(Later::Marked)
        );
        assert_eq!(of(&once, 1), of(&before, 1));
        assert_eq!(marked(once).unwrap(), None);
        // What somebody else made of the table meanwhile.
        for other in [table(&[(1, "root-a")]), table(&[(1, "data"), (4, "data")])] {
            assert_eq!(marked(other).unwrap_err().code(), "firstboot-unclear");
        }
        let mut others = before;
        if let Some(entry) = others.entries.get_mut(&4) {
            entry.type_guid = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7".parse().unwrap();
        }
        assert_eq!(marked(others).unwrap_err().code(), "firstboot-unclear");
    }
}
