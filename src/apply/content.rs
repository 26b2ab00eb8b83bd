//! Puts the content of one file together, under its temporary name.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{ApplyError, Secrets, volumes};
use crate::fetch::{Fetcher, Function, Sum};
use crate::host::sysroot::{Filling, Sysroot};
use crate::identity::hex;
use crate::plan::crypttab::Line;
use crate::plan::step::{Before, Content, FileStep};

/// A crypttab of this size is none.
const CRYPTTAB_LIMIT: u64 = 16 << 20;

/// What contents are made of besides the plan.
#[derive(Clone, Copy)]
pub(super) struct Sources<'a> {
    /// Where what is appended to stands.
    pub(super) sysroot: &'a Sysroot,
    /// Remote content.
    pub(super) fetcher: &'a Fetcher,
    /// Keys.
    pub(super) secrets: &'a Secrets,
}

/// Hashes what passes through.
struct Hashing<'a, W> {
    to: &'a mut W,
    /// `None` where somebody else hashes it.
    sum: Option<Sum>,
    failed: Option<io::Error>,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.to.write(bytes) {
            Ok(written) => {
                if let Some(sum) = &mut self.sum {
                    sum.update(bytes.get(..written).unwrap_or_default());
                }
                Ok(written)
            }
            Err(error) => {
                // The fetcher reports that its sink failed; why is kept for our own error.
                self.failed = Some(io::Error::from(error.kind()));
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether the content of a file is just what the config has a digest of.
fn is_verified(file: &FileStep) -> bool {
    match file.content.as_slice() {
        [Content::Remote(resource)] => resource.verification.hash.is_some(),
        _ => false,
    }
}

/// Fills a file with its whole content and returns the digest, in hex: SHA-256, or the config's own where it has one of the
/// whole. No byte is hashed twice.
pub(super) fn fill(
    file: &FileStep,
    staged: &mut Filling,
    sources: Sources<'_>,
) -> Result<String, ApplyError> {
    let writing = |source| ApplyError::Write {
        path: file.path.clone(),
        source,
    };
    let replaces_present = file.keeps_content && file.before != Before::Skeleton;
    let hashes = replaces_present || !is_verified(file);
    let mut verified = None;
    let mut sink = Hashing {
        to: staged.file(),
        sum: hashes.then(|| Sum::new(Function::Sha256)),
        failed: None,
    };
    if replaces_present && let Some(mut present) = sources.sysroot.read(&file.path)? {
        match replacing(file) {
            None => drop(io::copy(&mut present, &mut sink).map_err(writing)?),
            Some(lines) => {
                let text = whole(&mut present).map_err(writing)?;
                sink.write_all(&volumes::without_replaced(&text, lines))
                    .map_err(writing)?;
            }
        }
    }
    for part in &file.content {
        match part {
            Content::Inline(bytes) => sink.write_all(bytes).map_err(writing)?,
            Content::Remote(resource) => {
                let streamed = sources.fetcher.stream(resource, &mut sink);
                if let Some(error) = sink.failed.take() {
                    return Err(writing(error));
                }
                let received = streamed.map_err(|source| ApplyError::Content {
                    path: file.path.clone(),
                    source,
                })?;
                verified = received.digest;
            }
            Content::Secret(secret) => {
                let what = "the key of a volume";
                let key = sources.secrets.get(secret);
                let key = key.ok_or(ApplyError::Unprepared { what })?;
                sink.write_all(key).map_err(writing)?;
            }
            Content::Crypttab(lines) => {
                sink.to.seek(SeekFrom::Start(0)).map_err(writing)?;
                let text = whole(&mut sink.to).map_err(writing)?;
                let added = volumes::added(&text, lines)?;
                sink.write_all(&added).map_err(writing)?;
            }
        }
    }
    let summed = sink.sum.map(|sum| hex(&sum.finish()));
    let what = "the digest of a content";
    let digest = summed.or(verified).ok_or(ApplyError::Unprepared { what })?;
    if replaces_present || is_key(file) {
        // It replaces a file that was there, or may: after a power cut it must be the old or the new one.
        staged.file().sync_data().map_err(writing)?;
    }
    Ok(digest)
}

/// Whether a file holds a key, of which nothing is recorded.
pub(super) fn is_key(file: &FileStep) -> bool {
    file.content.iter().any(|part| matches!(part, Content::Secret(_)))
}

/// The lines of a crypttab that take the place of others.
fn replacing(file: &FileStep) -> Option<&[Line]> {
    file.content.iter().find_map(|part| match part {
        Content::Crypttab(lines) if lines.iter().any(|line| line.replaces) => Some(lines.as_slice()),
        _ => None,
    })
}

fn whole(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(CRYPTTAB_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > CRYPTTAB_LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(text)
}
