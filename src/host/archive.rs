//! Archives of a root, read forward: a plain file is skipped through by seeking, a compressed one by unpacking.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

/// The first bytes of a gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What is known of a reading while somebody else holds its [`Archive`].
#[derive(Debug, Default)]
pub struct Meter {
    /// How many bytes may still be read, skipped ones left out. A header that claims to be endless must not fill the
    /// memory.
    pub allowance: Cell<u64>,
    /// Whether a reader met the end of the file.
    pub at_end: Cell<bool>,
    /// Where the next byte is, after unpacking.
    pub position: Cell<u64>,
}

/// An archive, open.
#[derive(Debug)]
pub struct Archive {
    source: Source,
    meter: Rc<Meter>,
}

#[derive(Debug)]
enum Source {
    Plain { file: BufReader<File>, length: u64 },
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Archive {
    /// Opens the regular file `path`; gzip is told by its first bytes.
    ///
    /// # Errors
    /// The kernel's answer, or `InvalidInput` for what is no regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let at = file.metadata()?;
        if !at.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut file = BufReader::new(file);
        let mut start = Vec::new();
        file.by_ref().take(2).read_to_end(&mut start)?;
        file.rewind()?;
        let source = if start == GZIP {
            Source::Gzip(Box::new(MultiGzDecoder::new(file)))
        } else {
            let length = at.len();
            Source::Plain { file, length }
        };
        Ok(Self {
            source,
            meter: Rc::default(),
        })
    }

    /// What is known of the reading, also while it goes on.
    #[must_use]
    pub fn meter(&self) -> Rc<Meter> {
        Rc::clone(&self.meter)
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let position = self.meter.position.get();
        let to = position.checked_add(bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
        match &mut self.source {
            Source::Plain { length, .. } if to > *length => return Err(io::ErrorKind::UnexpectedEof.into()),
            Source::Plain { file, .. } => {
                file.seek_relative(i64::try_from(bytes).map_err(|_| io::ErrorKind::UnexpectedEof)?)?;
            }
            Source::Gzip(file) => {
                if io::copy(&mut file.take(bytes), &mut io::sink())? < bytes {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        self.meter.position.set(to);
        Ok(())
    }
}

impl Read for Archive {
    /// Fails with `FileTooLarge` once the allowance is used up.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = self.meter.allowance.get();
        if left == 0 && !into.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..room).unwrap_or_default();
        let count = match &mut self.source {
            Source::Plain { file, .. } => file.read(into)?,
            Source::Gzip(file) => file.read(into)?,
        };
        if count == 0 && room > 0 {
            self.meter.at_end.set(true);
        }
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.meter.allowance.set(left.saturating_sub(read));
        self.meter
            .position
            .set(self.meter.position.get().saturating_add(read));
        Ok(count)
    }
}

/// Forward and from where it is: all that reading an archive in order needs.
impl Seek for Archive {
    /// Fails with `UnexpectedEof` behind the end, which a plain file would let pass, and with `Unsupported` for any
    /// other way.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let bytes = match to {
            SeekFrom::Current(bytes) => u64::try_from(bytes).ok(),
            SeekFrom::Start(to) => to.checked_sub(self.meter.position.get()),
            SeekFrom::End(_) => None,
        };
        self.skip(bytes.ok_or(io::ErrorKind::Unsupported)?)?;
        Ok(self.meter.position.get())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn plain_and_packed_archives_read_the_same() {
        for bytes in [b"0123456789".to_vec(), packed(b"0123456789")] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&bytes).unwrap();
            let mut archive = Archive::open(file.path()).unwrap();
            archive.meter().allowance.set(3);
            assert_eq!(archive.seek(SeekFrom::Current(4)).unwrap(), 4);
            let mut text = [0; 2];
            archive.read_exact(&mut text).unwrap();
            assert_eq!(&text, b"45");
            assert_eq!(archive.seek(SeekFrom::Start(8)).unwrap(), 8);
            assert_eq!(archive.meter().position.get(), 8);
            let beyond = archive.seek(SeekFrom::Current(3)).unwrap_err();
            assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn no_more_is_read_than_allowed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mut archive = Archive::open(file.path()).unwrap();
        archive.meter().allowance.set(4);
        let error = archive.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(!archive.meter().at_end.get());
        archive.meter().allowance.set(100);
        archive.read_to_end(&mut Vec::new()).unwrap();
        assert!(archive.meter().at_end.get());
    }

    #[test]
    fn only_a_regular_file_is_an_archive() {
        let dir = tempfile::tempdir().unwrap();
        let error = Archive::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
