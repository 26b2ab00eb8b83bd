//! Where somebody wrote the entries of a rendered config, for records of the stages that only know the sum.

use kindling_config_spec::diagnostic::{Lines, Pointer};
use kindling_config_spec::provenance::Provenance;
use kindling_config_spec::types::Config;

use super::documents::{Document, Documents};

/// Documents of more than this together are not looked through, in bytes: the boot of a machine with ten thousand files
/// shall not wait for what only a failure needs.
const MOST: usize = 1 << 20;

/// How many comparisons the search for entries in several documents may take, about: each of them is looked for in each.
const MOST_COMPARED: usize = 400_000;

/// Entries of a config, and where each stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Its pointer in the config.
    pointer: String,
    /// Whether the document is one of Ignition 3, in which everything below the entry has the same names.
    has_same_names: bool,
    /// Document, line, column, and the place there.
    place: String,
}

impl Written {
    /// The place of what stands at `pointer`, or of the entry that it is in.
    #[must_use]
    pub fn find(&self, pointer: &str) -> Option<String> {
        let mut above = pointer;
        loop {
            if let Some(entry) = self.0.iter().find(|entry| entry.pointer == above) {
                let rest = pointer.strip_prefix(above).filter(|_| entry.has_same_names);
                return Some(format!("{}{}", entry.place, rest.unwrap_or_default()));
            }
            above = above.rsplit_once('/')?.0;
        }
    }

    /// One line for each entry.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.0 {
            let sign = if entry.has_same_names { "=" } else { "~" };
            let place = entry.place.replace(char::is_control, "?");
            text.extend([&entry.pointer, "\t", sign, "\t", &place, "\n"]);
        }
        text
    }

    /// What [`Self::to_text`] wrote.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let entry = |line: &str| {
            let (pointer, rest) = line.split_once('\t')?;
            let (sign, place) = rest.split_once('\t')?;
            Some(Entry {
                pointer: pointer.to_owned(),
                has_same_names: sign == "=",
                place: place.to_owned(),
            })
        };
        Self(text.lines().filter_map(entry).collect())
    }
}

/// The lists whose entries become steps of a plan.
fn lists(config: &Config) -> [(&'static str, usize); 11] {
    let storage = &config.storage;
    [
        ("/storage/disks", storage.disks.len()),
        ("/storage/raid", storage.raid.len()),
        ("/storage/luks", storage.luks.len()),
        ("/storage/filesystems", storage.filesystems.len()),
        ("/storage/directories", storage.directories.len()),
        ("/storage/files", storage.files.len()),
        ("/storage/links", storage.links.len()),
        ("/systemd/units", config.systemd.units.len()),
        ("/passwd/groups", config.passwd.groups.len()),
        ("/passwd/users", config.passwd.users.len()),
        (
            "/kernelArguments/shouldExist",
            config.kernel_arguments.should_exist.len(),
        ),
    ]
}

/// Every place that a record may name and that is worth a line of its own.
fn entries(config: &Config) -> Vec<Pointer> {
    let mut entries = vec![Pointer::of("/kindling/node"), Pointer::of("/kernelArguments")];
    for (list, count) in lists(config) {
        entries.extend((0..count).map(|index| Pointer::of(list).index(index)));
    }
    for (index, disk) in config.storage.disks.iter().enumerate() {
        let at = Pointer::of("/storage/disks").index(index).key("partitions");
        entries.extend((0..disk.partitions.len()).map(|number| at.clone().index(number)));
    }
    entries
}

/// Where the entries of `config` stand in the `documents` that make it.
pub(super) fn written(config: &Config, documents: &Documents<'_>) -> Written {
    let mut written = Vec::new();
    if documents
        .iter()
        .map(|document| document.text.len())
        .sum::<usize>()
        > MOST
    {
        return Written(written);
    }
    let entries = entries(config);
    let count = documents.iter().count();
    let compared = entries.len().saturating_mul(entries.len()).saturating_mul(count);
    if count > 1 && compared > MOST_COMPARED {
        return Written(written);
    }
    let in_documents = traced(config, documents, &entries, count);
    for (number, document) in documents.iter().enumerate() {
        let here = |(entry, at): &(Pointer, Option<(usize, Pointer)>)| {
            let (_, at) = at.clone().filter(|(of, _)| *of == number)?;
            Some((entry.clone(), at))
        };
        let (entries, pointers): (Vec<Pointer>, Vec<Pointer>) = in_documents.iter().filter_map(here).unzip();
        let pointers: Vec<&Pointer> = pointers.iter().collect();
        let lines = Lines::new(&document.text);
        let has_same_names = !document.source().is_translated();
        for (entry, (at, found)) in entries.into_iter().zip(document.source().places(&pointers)) {
            if let Some(found) = found {
                let start = lines.position(found.value.start);
                written.push(Entry {
                    pointer: entry.to_string(),
                    has_same_names,
                    place: format!("{}:{}:{}, {at}", document.name, start.line, start.column),
                });
            }
        }
    }
    Written(written)
}

/// For each of `entries` the document that says it, and where.
fn traced(
    config: &Config,
    documents: &Documents<'_>,
    entries: &[Pointer],
    count: usize,
) -> Vec<(Pointer, Option<(usize, Pointer)>)> {
    if count == 1 {
        return entries
            .iter()
            .map(|at| (at.clone(), Some((0, at.clone()))))
            .collect();
    }
    let configs = documents.iter().map(Document::config);
    let provenance = Provenance::new(config, configs);
    entries
        .iter()
        .map(|at| (at.clone(), provenance.trace(at)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pointer: &str, has_same_names: bool, place: &str) -> Entry {
        Entry {
            pointer: pointer.to_owned(),
            has_same_names,
            place: place.to_owned(),
        }
    }

    #[test]
    fn a_place_is_that_of_the_entry_above() {
        let written = Written(vec![
            entry("/storage/disks/0", true, "a.ign:3:7, /storage/disks/4"),
            entry(
                "/storage/disks/0/partitions/1",
                false,
                "b.bu:9:5, /storage/disks/0/partitions/1",
            ),
        ]);
        for (pointer, place) in [
            ("/storage/disks/0", Some("a.ign:3:7, /storage/disks/4")),
            (
                "/storage/disks/0/device",
                Some("a.ign:3:7, /storage/disks/4/device"),
            ),
            (
                "/storage/disks/0/partitions/1/sizeMiB",
                Some("b.bu:9:5, /storage/disks/0/partitions/1"),
            ),
            ("/storage/disks/01", None),
            ("", None),
        ] {
            assert_eq!(written.find(pointer).as_deref(), place, "{pointer}");
        }
        assert_eq!(Written::of_text(&written.to_text()), written);
    }

    #[test]
    fn a_name_with_a_line_end_is_one_line() {
        let written = Written(vec![entry("/a", true, "x\ny:1:1, /a")]);
        assert_eq!(
            Written::of_text(&written.to_text()).find("/a").as_deref(),
            Some("x?y:1:1, /a")
        );
    }
}
