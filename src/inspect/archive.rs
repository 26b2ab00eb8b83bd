//! The entries and texts of a tar archive.
//!
//! The archive is read once for its headers and, if it has any of the wanted texts, once more for those. An entry
//! below a link goes where the link leads inside the root, as it would in unpacking; an absolute name is one from
//! the root; a step `..` is refused. Contents are skipped.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use kindling_config_spec::facts::Kind;
use kindling_config_spec::order;
use tar::EntryType;

use super::listing::{Entry, Listing, is_unknown};
use super::{InspectError, TEXT_LIMIT, Texts};
use crate::host::archive::{Archive, Meter};

/// How many bytes the headers of one entry may have: its names and extended attributes, with room to spare.
const HEADERS_LIMIT: u64 = 1 << 20;

/// The longest path, in bytes (`PATH_MAX`, linux/limits.h).
const PATH_LIMIT: usize = 4096;

/// How many bytes of memory the entries may take; room for more than a million.
const ENTRIES_LIMIT: usize = 512 << 20;

/// What an entry takes besides its name, which is kept twice.
const ENTRY_COST: usize = 256;

/// How the name of a file starts that stands, in a layer of an image, for one that was removed.
const WHITEOUT: &str = ".wh.";

/// Anybody's permission to execute.
const EXECUTE: u32 = 0o111;

fn open(path: &Path) -> Result<Archive, InspectError> {
    Archive::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => InspectError::Kind,
        _ => InspectError::Open { source },
    })
}

/// Reads the headers of the archive `path`.
pub(super) fn list(path: &Path) -> Result<Listing, InspectError> {
    list_within(path, ENTRIES_LIMIT)
}

/// As [`list`], with entries that take at most `limit` bytes of memory.
fn list_within(path: &Path, limit: usize) -> Result<Listing, InspectError> {
    let archive = open(path)?;
    let meter = archive.meter();
    meter.allowance.set(HEADERS_LIMIT);
    let mut reader = tar::Archive::new(archive);
    let mut listing = Listing::default();
    let mut taken = 0;
    let entries = reader
        .entries_with_seek()
        .map_err(|error| judged(error, &meter))?;
    for entry in entries {
        let entry = entry.map_err(|error| judged(error, &meter))?;
        let name = entry.path_bytes();
        let target = entry.link_name_bytes();
        taken += ENTRY_COST + 2 * name.len() + target.as_ref().map_or(0, |target| target.len());
        if taken > limit || name.len() > PATH_LIMIT {
            return Err(InspectError::Names);
        }
        let found = Header {
            kind: entry.header().entry_type(),
            mode: entry.header().mode().unwrap_or_default(),
            content: (entry.raw_file_position(), entry.size()),
        };
        found.put(&mut listing, &name, target.as_deref())?;
        meter.allowance.set(HEADERS_LIMIT);
    }
    if meter.at_end.get() {
        let at = meter.position.get();
        return Err(InspectError::Cut { at });
    }
    Ok(listing)
}

/// Tells damage of the file from damage of the format.
fn judged(source: io::Error, meter: &Meter) -> InspectError {
    let at = meter.position.get();
    match source.kind() {
        io::ErrorKind::FileTooLarge => InspectError::Names,
        io::ErrorKind::UnexpectedEof => InspectError::Cut { at },
        _ if meter.at_end.get() => InspectError::Cut { at },
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => InspectError::Packing { at, source },
        _ => InspectError::Header {
            at: at.saturating_sub(512),
            source,
        },
    }
}

/// What a header says besides names.
struct Header {
    kind: EntryType,
    mode: u32,
    /// Offset and size of the content.
    content: (u64, u64),
}

impl Header {
    fn put(self, listing: &mut Listing, name: &[u8], target: Option<&[u8]>) -> Result<(), InspectError> {
        if !self.is_object() {
            return Ok(());
        }
        let Ok(name) = std::str::from_utf8(name) else {
            listing.leave_out(name);
            return Ok(());
        };
        let Some(path) = place(listing, name)? else {
            return Ok(());
        };
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let entry = match self.kind {
            // Before POSIX, a directory was told by the slash at the end of its name.
            EntryType::Regular if name.ends_with('/') => Entry::Directory,
            EntryType::Directory => Entry::Directory,
            EntryType::Symlink => Entry::Link { target: text(target) },
            EntryType::Char | EntryType::Block | EntryType::Fifo => Entry::Special,
            EntryType::Link => {
                let first = place(listing, &text(target))?;
                if let Some(content) = first.and_then(|first| listing.contents.get(&first).copied()) {
                    listing.contents.insert(path.clone(), content);
                }
                self.file()
            }
            EntryType::Regular | EntryType::Continuous => {
                listing.contents.insert(path.clone(), self.content);
                self.file()
            }
            // Its content is in pieces, and no text of interest has holes.
            _ => self.file(),
        };
        listing.put(path, entry);
        Ok(())
    }

    /// Whether it is an object of the root, and not a label or the like.
    fn is_object(&self) -> bool {
        matches!(
            self.kind,
            EntryType::Regular
                | EntryType::Link
                | EntryType::Symlink
                | EntryType::Char
                | EntryType::Block
                | EntryType::Directory
                | EntryType::Fifo
                | EntryType::Continuous
                | EntryType::GNUSparse
        )
    }

    fn file(&self) -> Entry {
        Entry::File {
            program: self.mode & EXECUTE != 0,
        }
    }
}

/// Where `name` is in the root, the links among its parents replaced and missing parents made; `None` in places that
/// are not looked into.
fn place(listing: &mut Listing, name: &str) -> Result<Option<String>, InspectError> {
    let mut parent = String::new();
    let mut steps = name
        .split('/')
        .filter(|step| !matches!(*step, "" | "."))
        .peekable();
    while let Some(step) = steps.next() {
        if step == ".." {
            return Err(InspectError::Outside {
                name: name.chars().take(200).collect(),
            });
        }
        if step.starts_with(WHITEOUT) {
            return Err(InspectError::Layers {
                marker: "whiteouts (.wh.)",
            });
        }
        let here = format!("{parent}/{step}");
        if is_unknown(&here) {
            return Ok(None);
        }
        if steps.peek().is_none() {
            return Ok(Some(here));
        }
        parent = match listing.facts.resolve(&here) {
            Some(node) if node.kind == Kind::Directory => node.path.trim_end_matches('/').to_owned(),
            // It leads to a place that is not looked into.
            None if !listing.facts.knows(&here) && listing.facts.links.contains_key(&here) => {
                return Ok(None);
            }
            _ => {
                listing.put(here.clone(), Entry::Directory);
                here
            }
        };
    }
    Ok(Some("/".to_owned()))
}

/// Reads the texts at `wanted` from the archive `path`, whose headers gave `listing`.
pub(super) fn texts(path: &Path, wanted: &[String], listing: &Listing) -> Result<Texts, InspectError> {
    let mut places: Vec<(u64, u64, &String)> = wanted
        .iter()
        .filter_map(|path| {
            let (at, size) = listing.contents.get(path)?;
            Some((*at, *size, path))
        })
        .collect();
    // Two names of one file have one content, and the archive is read forward only.
    order::sort(&mut places);
    let mut archive = open(path)?;
    let meter = archive.meter();
    let mut texts = Texts::new();
    let mut last = None;
    for (at, size, path) in places {
        if size > TEXT_LIMIT {
            let source = io::ErrorKind::FileTooLarge.into();
            return Err(InspectError::Text {
                path: path.clone(),
                source,
            });
        }
        if last != Some(at) {
            meter.allowance.set(size);
            let mut bytes = Vec::new();
            archive
                .seek(SeekFrom::Start(at))
                .and_then(|_| archive.by_ref().take(size).read_to_end(&mut bytes))
                .map_err(|error| judged(error, &meter))?;
            texts.push((path.clone(), String::from_utf8_lossy(&bytes).into_owned()));
            last = Some(at);
        } else if let Some((_, text)) = texts.last() {
            let text = text.clone();
            texts.push((path.clone(), text));
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive of `count` empty files.
    fn files(count: usize) -> tempfile::NamedTempFile {
        let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
        for n in 0..count {
            let mut header = tar::Header::new_gnu();
            header.set_size(0);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, format!("etc/{n}"), io::empty())
                .unwrap();
        }
        let mut file = builder.into_inner().unwrap();
        file.flush().unwrap();
        file
    }

    #[test]
    fn entries_without_end_are_refused() {
        let file = files(1000);
        let cost = ENTRY_COST + 2 * "etc/000".len();
        let result = list_within(file.path(), 999 * ENTRY_COST);
        assert!(matches!(result, Err(InspectError::Names)), "{result:?}");
        let listing = list_within(file.path(), 1000 * cost).unwrap();
        assert_eq!(listing.facts.files.len(), 1000);
        assert_eq!(listing.contents.len(), 1000);
    }

    #[test]
    fn two_names_of_one_text_are_both_read() {
        let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, "etc/group", &b"a:x:1"[..])
            .unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(EntryType::Link);
        link.set_size(0);
        link.set_mode(0o644);
        builder.append_link(&mut link, "etc/passwd", "etc/group").unwrap();
        let file = builder.into_inner().unwrap();
        let listing = list(file.path()).unwrap();
        let wanted = ["/etc/group", "/etc/none", "/etc/passwd"].map(str::to_owned);
        let texts = texts(file.path(), &wanted, &listing).unwrap();
        let expected = ["/etc/group", "/etc/passwd"].map(|path| (path.to_owned(), "a:x:1".to_owned()));
        assert_eq!(texts, expected);
    }
}
