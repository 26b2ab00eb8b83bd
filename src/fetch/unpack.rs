//! What is packed, unpacked: gzip (RFC 1952) and zstd (RFC 8878) as streams; whole configs also out of base64.
//!
//! A compression that a config names is taken at its word. A config itself is named by nobody: clouds bound its size,
//! so people pack it, and some consoles take text alone. It is recognised by its first bytes, which no config has.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::ops::RangeInclusive;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::bufread::GzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use super::DOCUMENT_LIMIT;

/// The first bytes of gzip with its one method, and what they begin with in base64.
const GZIP: (&[u8], &[u8]) = (b"\x1f\x8b\x08", b"H4sI");
/// The first bytes of a frame of zstd, and what they begin with in base64.
const ZSTD: (&[u8], &[u8]) = (b"\x28\xb5\x2f\xfd", b"KLUv/");

/// The magic numbers of frames that are skipped (RFC 8878, 3.1.2).
const SKIPPABLE: RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;

/// The largest window in bytes, which is memory for each download: what RFC 8878, 3.1.1.1.2 asks decoders to support.
/// `zstd` needs more only for `--ultra` and `--long`.
const WINDOW: u64 = 8 << 20;

/// Base64 with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A packed config that cannot be unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It begins like gzip or zstd in base64, and is no base64.
    #[error("it begins like packed data in base64, and is not base64")]
    Base64,
    /// Cut or damaged.
    #[error("it begins like {format} and cannot be unpacked: {why}")]
    Broken {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// The library's words.
        why: String,
    },
    /// More than a config may have.
    #[error("it is larger than {limit} bytes when unpacked")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
}

/// A config as it was meant: unpacked where it is gzip or zstd, also in base64, and as it is otherwise.
///
/// # Errors
/// See [`UnpackError`].
pub(super) fn unpacked(bytes: Vec<u8>) -> Result<Vec<u8>, UnpackError> {
    let packed = match packed_in_text(&bytes) {
        Some(text) => Cow::Owned(LENIENT.decode(text).map_err(|_| UnpackError::Base64)?),
        None => Cow::Borrowed(&bytes),
    };
    let mut rest = packed.as_slice();
    let (format, reader): (_, Box<dyn Read + '_>) = if packed.starts_with(GZIP.0) {
        (
            "gzip",
            Box::new(Members {
                rest: &packed,
                current: None,
            }),
        )
    } else if packed.starts_with(ZSTD.0) {
        ("zstd", Box::new(Zstd::padded(&mut rest)))
    } else {
        return Ok(bytes);
    };
    let mut whole = Vec::new();
    reader
        .take(DOCUMENT_LIMIT + 1)
        .read_to_end(&mut whole)
        .map_err(|error| UnpackError::Broken {
            format,
            why: error.to_string(),
        })?;
    if u64::try_from(whole.len()).unwrap_or(u64::MAX) > DOCUMENT_LIMIT {
        return Err(UnpackError::TooLarge {
            limit: DOCUMENT_LIMIT,
        });
    }
    Ok(whole)
}

/// The content of members of gzip, one after the other. Some media fill up with NUL what stands on them: that is passed over.
struct Members<'a> {
    rest: &'a [u8],
    current: Option<GzDecoder<&'a [u8]>>,
}

impl Read for Members<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let member = match self.current.as_mut() {
                Some(member) => member,
                None if is_padding(self.rest) => return Ok(0),
                None => self.current.insert(GzDecoder::new(self.rest)),
            };
            let count = member.read(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            self.rest = self.current.take().map_or(&[][..], GzDecoder::into_inner);
        }
    }
}

fn is_padding(rest: &[u8]) -> bool {
    rest.iter().all(|byte| *byte == 0)
}

/// The base64 of packed data, without its line ends.
fn packed_in_text(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = bytes.trim_ascii_start();
    let is_packed = text.starts_with(GZIP.1) || text.starts_with(ZSTD.1);
    is_packed.then(|| {
        text.iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect()
    })
}

/// The content of frames of zstd, one after the other.
pub(super) struct Zstd<'a> {
    state: State<'a>,
    /// Whether NUL bytes may follow, as in [`Members`].
    is_padded: bool,
}

/// A frame whose magic number has been looked at, and what follows it.
type Frame<'a> = Chain<Cursor<[u8; 4]>, Packed<'a>>;

/// One kind of reader: the decoder's code is compiled for each.
type Packed<'a> = BufReader<&'a mut dyn Read>;

enum State<'a> {
    /// Between frames.
    Between(Packed<'a>),
    Inside(Box<StreamingDecoder<Frame<'a>, FrameDecoder>>),
    /// Behind the last one, or after an error.
    Done,
}

impl<'a> Zstd<'a> {
    /// Nothing read yet.
    pub(super) fn new(from: &'a mut dyn Read) -> Self {
        Self {
            state: State::Between(BufReader::new(from)),
            is_padded: false,
        }
    }

    /// The same on a medium that fills up.
    fn padded(from: &'a mut dyn Read) -> Self {
        Self {
            is_padded: true,
            ..Self::new(from)
        }
    }
}

/// Whether nothing but NUL follows. Otherwise the first byte that is not NUL is the next.
fn passes_over_padding(from: &mut Packed<'_>) -> io::Result<bool> {
    loop {
        let buffer = from.fill_buf()?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        if buffer.is_empty() {
            return Ok(true);
        }
        let is_over = zeros < buffer.len();
        from.consume(zeros);
        if is_over {
            return Ok(false);
        }
    }
}

impl Read for Zstd<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut is_first = true;
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Between(mut from) => {
                    // An empty input is no frame at all, which the decoder says.
                    if !is_first && from.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    // No frame begins with NUL.
                    if !is_first && self.is_padded && passes_over_padding(&mut from)? {
                        return Ok(0);
                    }
                    let mut magic = [0; 4];
                    from.read_exact(&mut magic)?;
                    // Frames that are no content: what several threads pack has them.
                    if SKIPPABLE.contains(&u32::from_le_bytes(magic)) {
                        let mut length = [0; 4];
                        from.read_exact(&mut length)?;
                        let length = u64::from(u32::from_le_bytes(length));
                        if io::copy(&mut (&mut from).take(length), &mut io::sink())? < length {
                            return Err(io::ErrorKind::UnexpectedEof.into());
                        }
                        is_first = false;
                        self.state = State::Between(from);
                        continue;
                    }
                    let from = Cursor::new(magic).chain(from);
                    let decoder =
                        StreamingDecoder::new_with_max_window_size(from, WINDOW).map_err(io::Error::other)?;
                    self.state = State::Inside(Box::new(decoder));
                }
                State::Inside(mut decoder) => {
                    let count = decoder.read(into)?;
                    if count > 0 || into.is_empty() {
                        self.state = State::Inside(decoder);
                        return Ok(count);
                    }
                    let frame = &decoder.decoder;
                    let told = frame.get_checksum_from_data();
                    if told.is_some() && told != frame.get_calculated_checksum() {
                        return Err(io::Error::other("the checksum is wrong"));
                    }
                    is_first = false;
                    self.state = State::Between(decoder.into_inner().into_inner().1);
                }
                State::Done => return Ok(0),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = include_bytes!("../../fixtures/packed/config.ign");
    const ZSTD_FILE: &[u8] = include_bytes!("../../fixtures/packed/config.ign.zst");
    const GZIP_TEXT: &[u8] = include_bytes!("../../fixtures/packed/config.ign.gz.b64");

    #[test]
    fn what_the_fields_programs_pack_is_unpacked() {
        for packed in [
            include_bytes!("../../fixtures/packed/config.ign.gz").as_slice(),
            include_bytes!("../../fixtures/packed/members.ign.gz"),
            ZSTD_FILE,
            include_bytes!("../../fixtures/packed/frames.ign.zst"),
            GZIP_TEXT,
            GZIP_TEXT.trim_ascii_end().strip_suffix(b"=").unwrap_or(GZIP_TEXT),
            include_bytes!("../../fixtures/packed/config.ign.zst.b64"),
            PLAIN,
        ] {
            assert_eq!(unpacked(packed.to_vec()).unwrap(), PLAIN);
        }
    }

    #[test]
    fn a_medium_fills_up_what_is_packed_with_nul() {
        for packed in [
            include_bytes!("../../fixtures/packed/config.ign.gz").as_slice(),
            include_bytes!("../../fixtures/packed/members.ign.gz"),
            ZSTD_FILE,
            include_bytes!("../../fixtures/packed/frames.ign.zst"),
        ] {
            for zeros in [1, 3, 4, 512, 100_000] {
                let padded = [packed, &vec![0; zeros]].concat();
                assert_eq!(unpacked(padded.clone()).unwrap(), PLAIN);
                let followed = [&padded, b"x".as_slice()].concat();
                assert!(matches!(unpacked(followed), Err(UnpackError::Broken { .. })));
            }
        }
    }

    #[test]
    fn what_only_looks_packed_is_left_alone_or_refused() {
        assert_eq!(
            unpacked(b"\x1f\x8bnot gzip".to_vec()).unwrap(),
            b"\x1f\x8bnot gzip"
        );
        assert_eq!(
            unpacked(b"eyJ9".to_vec()).unwrap(),
            b"eyJ9",
            "base64 of something else"
        );
        assert_eq!(unpacked(b"H4sI!".to_vec()), Err(UnpackError::Base64));
        let skipped = [&[0x5f, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], ZSTD_FILE].concat();
        let mut content = Vec::new();
        Zstd::new(&mut skipped.as_slice())
            .read_to_end(&mut content)
            .unwrap();
        assert_eq!(content, PLAIN);
        assert!(Zstd::new(&mut &skipped[..10]).read_to_end(&mut content).is_err());
        for cut in [10, ZSTD_FILE.len() / 2, ZSTD_FILE.len() - 1] {
            let error = unpacked(ZSTD_FILE[..cut].to_vec()).unwrap_err();
            assert!(
                matches!(error, UnpackError::Broken { format: "zstd", .. }),
                "{cut}: {error}"
            );
        }
        for at in 5..ZSTD_FILE.len() {
            let mut damaged = ZSTD_FILE.to_vec();
            damaged[at] ^= 0x10;
            // Some bits say what is known anyway; none may change the content.
            let other = unpacked(damaged).is_ok_and(|content| content != PLAIN);
            assert!(!other, "byte {at}");
        }
    }

    #[test]
    fn a_small_config_that_grows_without_end_is_refused() {
        use flate2::Compression;
        use flate2::write::GzEncoder;
        use std::io::Write;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..=DOCUMENT_LIMIT >> 20 {
            encoder.write_all(&zeros).unwrap();
        }
        assert_eq!(
            unpacked(encoder.finish().unwrap()),
            Err(UnpackError::TooLarge {
                limit: DOCUMENT_LIMIT
            })
        );
    }
}
