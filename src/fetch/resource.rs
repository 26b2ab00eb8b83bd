//! One resource: what it asks for, and the way of its bytes through decompression and digest into a sink.
//!
//! The bytes are never all in memory: a piece arrives, is decompressed, hashed and written. When a transfer breaks
//! off it is begun again; what the sink has already is skipped, and its digest must be the same, so that any writer
//! can be a sink without knowing how to go back.

use std::cell::Cell;
use std::io::{self, Read, Write};

use crc32fast::Hasher as Crc;
use flate2::read::MultiGzDecoder;
use kindling_config_spec::data_url;
use kindling_config_spec::types::Resource;
use ring::digest::{SHA256, SHA512, digest};
use url::Url;

use super::digest::{Function, Sum};
use super::stores::GoogleObject;
use super::unpack::Zstd;
use super::{FetchError, Scheme, s3, shown};
use crate::host::transfer::TransferError;
use crate::identity::hex;

/// How many bytes move at once: no less than what the HTTP library reads at once (408 KiB), or each would be written as two.
const PIECE: usize = 512 << 10;

/// How many are moved first: most contents are smaller, and many come at once.
const FIRST_PIECE: usize = 16 << 10;

/// How many times its size a content may unpack to without a digest that says so. gzip cannot do more than 1,032 times,
/// which only empty space comes to.
const GROWTH_FACTOR: u64 = 1_000;

/// What is allowed beyond that, in bytes.
const GROWTH_ALLOWED: u64 = 64 << 20;

/// Counts what is read.
struct Counted<'a> {
    from: &'a mut dyn Read,
    count: &'a Cell<u64>,
}

impl Read for Counted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        let total = self
            .count
            .get()
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        self.count.set(total);
        Ok(count)
    }
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The number of bytes after decompression.
    pub bytes: u64,
    /// Their digest in hex, where the config has one to compare with.
    pub digest: Option<String>,
}

/// The SHA-256 digest of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

/// The SHA-512 digest of `bytes`, which the reference logs for every config, in lower-case hex.
#[must_use]
pub fn sha512_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA512, bytes).as_ref())
}

/// A resource, understood.
#[cfg_attr(test, derive(Debug))]
pub(super) struct Wanted {
    /// The address as it may be shown.
    pub(super) shown: String,
    pub(super) place: Place,
    pub(super) headers: Vec<(String, String)>,
    pub(super) packing: Packing,
    expected: Option<Expected>,
}

/// Where the bytes are.
#[cfg_attr(test, derive(Debug))]
pub(super) enum Place {
    /// In the config itself; no bytes at all where there is no source.
    Inline(Vec<u8>),
    /// At a server.
    Remote(Remote),
}

/// Which server, and how it is asked.
#[cfg_attr(test, derive(Debug))]
pub(super) enum Remote {
    /// A server of HTTP or TFTP, by the scheme.
    Server(Url),
    /// Amazon S3.
    S3(s3::Object),
    /// Google's store.
    Google(GoogleObject),
}

impl Remote {
    /// Understands `source`, whose scheme is `scheme`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    fn parse(source: &str, scheme: &Scheme) -> Result<Self, String> {
        if matches!(scheme, Scheme::S3 | Scheme::Arn) {
            return s3::Object::parse(source).map(Self::S3);
        }
        let url = Url::parse(source).map_err(|error| error.to_string())?;
        if *scheme == Scheme::Gs {
            return GoogleObject::parse(&url).map(Self::Google);
        }
        Ok(Self::Server(url))
    }

    /// Whether headers of the config are sent along, as the reference does: S3 gets the signed ones alone.
    pub(super) fn takes_headers(&self) -> bool {
        !matches!(self, Self::S3(_))
    }
}

/// Whether the bytes arrive as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    /// Of our extension.
    Zstd,
}

/// A digest of the config.
#[cfg_attr(test, derive(Debug))]
struct Expected {
    function: Function,
    digest: Vec<u8>,
}

impl Wanted {
    /// Understands `resource`. Everything that can be wrong with it is found here, before the first request.
    pub(super) fn parse(resource: &Resource, offline: bool) -> Result<Self, FetchError> {
        let source = resource.source.as_deref().unwrap_or_default();
        let url = shown(source);
        let packing = match resource.compression.as_deref() {
            None | Some("") => Packing::Plain,
            Some("gzip") => Packing::Gzip,
            // The base language refuses it when a config is checked; the extension sets it.
            Some("zstd") => Packing::Zstd,
            Some(other) => {
                return Err(FetchError::CompressionUnknown {
                    compression: other.to_owned(),
                    url,
                });
            }
        };
        let expected = resource
            .verification
            .hash
            .as_deref()
            .map(|hash| parse_hash(hash, &url))
            .transpose()?;
        let mut headers = Vec::with_capacity(resource.http_headers.len());
        for header in &resource.http_headers {
            let Some(value) = &header.value else {
                return Err(FetchError::HeaderWithoutValue {
                    name: header.name.clone(),
                    url,
                });
            };
            headers.push((header.name.clone(), value.clone()));
        }
        let scheme = Scheme::of(source);
        let place = match scheme {
            Scheme::Empty => Place::Inline(Vec::new()),
            Scheme::Data => {
                Place::Inline(data_url::decode(source).map_err(|source| FetchError::DataUrl { source })?)
            }
            Scheme::Http | Scheme::Https | Scheme::Tftp | Scheme::S3 | Scheme::Arn | Scheme::Gs => {
                match Remote::parse(source, &scheme) {
                    Ok(_) if offline => return Err(FetchError::NeedsNetwork { url }),
                    Ok(remote) => Place::Remote(remote),
                    Err(why) => return Err(FetchError::Address { url, why }),
                }
            }
            Scheme::Unknown(_) | Scheme::Missing => {
                return Err(FetchError::SchemeUnknown {
                    scheme: scheme.to_string(),
                    url,
                });
            }
        };
        Ok(Self {
            shown: url,
            place,
            headers,
            packing,
            expected,
        })
    }
}

fn parse_hash(hash: &str, url: &str) -> Result<Expected, FetchError> {
    let malformed = |why: &str| FetchError::HashMalformed {
        url: url.to_owned(),
        why: why.to_owned(),
    };
    let (function, digits) = hash
        .split_once('-')
        .ok_or_else(|| malformed("there is no \"-\" in it"))?;
    let (function, length) = match function {
        "sha256" => (Function::Sha256, 64),
        "sha512" => (Function::Sha512, 128),
        _ => return Err(malformed("its function is neither sha256 nor sha512")),
    };
    if digits.len() != length {
        return Err(malformed("it has the wrong length"));
    }
    let digest = parse_hex(digits).ok_or_else(|| malformed("it is not hexadecimal"))?;
    Ok(Expected { function, digest })
}

fn parse_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?))
        .collect()
}

/// Why one pass over the bytes ended early.
#[derive(Debug)]
pub(super) enum Break {
    /// The transfer, which may be begun again.
    Transfer(TransferError),
    /// Something that stays.
    Final(FetchError),
}

/// What the sink has got so far, over all passes.
pub(super) struct Delivery<'a> {
    url: &'a str,
    sink: &'a mut dyn Write,
    limit: Option<u64>,
    delivered: u64,
    /// The digest that the config asks for.
    digest: Option<Sum>,
    /// A checksum of what was delivered: whether a second pass brings the same is a question of accidents, since a server
    /// that means harm need not change its copy in the middle. The config's digest is of the whole.
    sum: Crc,
    /// Whether the config has a digest of it.
    is_known: bool,
    /// Where the current pass is.
    position: u64,
    /// The checksum of what the current pass brought again.
    again: Crc,
}

impl<'a> Delivery<'a> {
    /// Nothing delivered yet. `limit` is in bytes after decompression.
    pub(super) fn new(wanted: &'a Wanted, sink: &'a mut dyn Write, limit: Option<u64>) -> Self {
        let expected = wanted.expected.as_ref();
        let digest = expected.map(|expected| Sum::new(expected.function));
        Self {
            url: &wanted.shown,
            sink,
            limit,
            delivered: 0,
            digest,
            sum: Crc::new(),
            is_known: wanted.expected.is_some(),
            position: 0,
            again: Crc::new(),
        }
    }

    /// Reads `from` to its end.
    pub(super) fn pass(&mut self, from: &mut dyn Read, packing: Packing) -> Result<(), Break> {
        self.position = 0;
        self.again = Crc::new();
        let packed = Cell::new(0);
        let mut counted = Counted { from, count: &packed };
        match packing {
            Packing::Plain => self.copy(counted.from, packing, None)?,
            Packing::Gzip => self.copy(&mut MultiGzDecoder::new(counted), packing, Some(&packed))?,
            Packing::Zstd => self.copy(&mut Zstd::new(&mut counted), packing, Some(&packed))?,
        }
        if self.position < self.delivered {
            return Err(Break::Final(self.changed()));
        }
        Ok(())
    }

    /// `packed` counts the bytes that were unpacked, where they were.
    fn copy(
        &mut self,
        from: &mut dyn Read,
        packing: Packing,
        packed: Option<&Cell<u64>>,
    ) -> Result<(), Break> {
        let mut buffer = vec![0; FIRST_PIECE];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.take(buffer.get(..count).unwrap_or_default())
                        .map_err(Break::Final)?;
                    if count == buffer.len() && count < PIECE {
                        buffer = vec![0; PIECE];
                    }
                    self.growth(packed.map(Cell::get)).map_err(Break::Final)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_failure(&error, packing)),
            }
        }
    }

    /// Refuses content that unpacks to more than anybody packs, unless the config knows its digest.
    fn growth(&self, packed: Option<u64>) -> Result<(), FetchError> {
        let Some(packed) = packed.filter(|_| !self.is_known) else {
            return Ok(());
        };
        let most = GROWTH_ALLOWED.saturating_add(packed.saturating_mul(GROWTH_FACTOR));
        if self.position <= most {
            return Ok(());
        }
        Err(FetchError::Grows {
            url: self.url.to_owned(),
            packed,
        })
    }

    fn read_failure(&self, error: &io::Error, packing: Packing) -> Break {
        if let Some(transfer) = TransferError::of_body(error) {
            return Break::Transfer(transfer.clone());
        }
        match packing {
            Packing::Gzip => self.packed("gzip", error),
            Packing::Zstd => self.packed("zstd", error),
            Packing::Plain => Break::Transfer(TransferError::BodyCut {
                after: self.position,
                why: error.to_string(),
            }),
        }
    }

    fn packed(&self, format: &'static str, error: &io::Error) -> Break {
        Break::Final(FetchError::Packed {
            url: self.url.to_owned(),
            format,
            why: error.to_string(),
        })
    }

    /// Delivers what is new of `piece`.
    fn take(&mut self, piece: &[u8]) -> Result<(), FetchError> {
        let known = self.delivered.saturating_sub(self.position);
        let known = usize::try_from(known).unwrap_or(usize::MAX).min(piece.len());
        let (known, new) = piece.split_at(known);
        if !known.is_empty() {
            self.again.update(known);
            self.position = self.position.saturating_add(length(known));
            if self.position == self.delivered && self.again.clone().finalize() != self.sum.clone().finalize()
            {
                return Err(self.changed());
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let after = self.delivered.saturating_add(length(new));
        if let Some(limit) = self.limit.filter(|limit| after > *limit) {
            return Err(FetchError::TooLarge {
                url: self.url.to_owned(),
                limit,
            });
        }
        self.sink.write_all(new).map_err(|error| FetchError::Sink {
            url: self.url.to_owned(),
            why: error.to_string(),
        })?;
        self.sum.update(new);
        if let Some(digest) = &mut self.digest {
            digest.update(new);
        }
        self.delivered = after;
        self.position = after;
        Ok(())
    }

    fn changed(&self) -> FetchError {
        FetchError::Changed {
            url: self.url.to_owned(),
        }
    }

    /// Compares with the config's digest.
    pub(super) fn finish(self, wanted: &Wanted) -> Result<Received, FetchError> {
        let mut known = None;
        if let (Some(expected), Some(digest)) = (&wanted.expected, self.digest) {
            let (name, got) = (expected.function.name(), digest.finish());
            known = Some(hex(&got));
            if got != expected.digest {
                return Err(FetchError::HashMismatch {
                    url: self.url.to_owned(),
                    expected: format!("{name}-{}", hex(&expected.digest)),
                    got: format!("{name}-{}", hex(&got)),
                });
            }
        }
        Ok(Received {
            bytes: self.delivered,
            digest: known,
        })
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use kindling_config_spec::types::{HttpHeader, Verification};

    use super::*;

    fn inline(source: &str) -> Resource {
        Resource {
            source: Some(source.to_owned()),
            ..Resource::default()
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, Break> {
        let wanted = Wanted::parse(&inline("data:,"), false).unwrap();
        let mut sink = Vec::new();
        Delivery::new(&wanted, &mut sink, Some(1_000)).pass(&mut Cursor::new(bytes), Packing::Gzip)?;
        Ok(sink)
    }

    #[test]
    fn gzip_may_have_several_members() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(unpacked(&both).unwrap(), b"one two");
    }

    #[test]
    fn broken_gzip_is_an_error() {
        let whole = gzip(b"some text that is long enough to be cut");
        let mut corrupt = whole.clone();
        let crc = corrupt.len() - 6;
        corrupt[crc] ^= 1;
        for bytes in [
            b"".as_slice(),
            b"plain text",
            &whole[..whole.len() / 2],
            &corrupt,
            &[&whole, b"x".as_slice()].concat(),
        ] {
            let result = unpacked(bytes);
            assert!(
                matches!(
                    result,
                    Err(Break::Final(FetchError::Packed { format: "gzip", .. }))
                ),
                "{bytes:?}: {result:?}"
            );
        }
    }

    #[test]
    fn a_small_file_that_grows_beyond_the_limit_is_refused() {
        let result = unpacked(&gzip(&[0; 1_001]));
        let expected = FetchError::TooLarge {
            url: "data:…".to_owned(),
            limit: 1_000,
        };
        assert!(matches!(result, Err(Break::Final(error)) if error == expected));
    }

    #[test]
    fn what_grows_without_end_is_refused_unless_its_digest_is_known() {
        let zeros = vec![0; 1 << 20];
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..100 {
            encoder.write_all(&zeros).unwrap();
        }
        let packed = encoder.finish().unwrap();
        let unpacked = |hash: Option<String>| {
            let mut resource = inline("data:,");
            resource.verification.hash = hash;
            let wanted = Wanted::parse(&resource, false).unwrap();
            let mut sink = io::sink();
            let mut delivery = Delivery::new(&wanted, &mut sink, None);
            let cell = Cell::new(10);
            delivery.copy(
                &mut MultiGzDecoder::new(packed.as_slice()),
                Packing::Gzip,
                Some(&cell),
            )
        };
        let result = unpacked(None);
        assert!(
            matches!(result, Err(Break::Final(FetchError::Grows { packed: 10, .. }))),
            "{result:?}"
        );
        assert!(unpacked(Some(format!("sha256-{}", "0".repeat(64)))).is_ok());
    }

    #[test]
    fn a_second_pass_delivers_only_what_is_missing() {
        let wanted = Wanted::parse(&inline("data:,"), false).unwrap();
        let mut sink = Vec::new();
        let mut delivery = Delivery::new(&wanted, &mut sink, None);
        delivery
            .pass(&mut Cursor::new(b"abcdef"), Packing::Plain)
            .unwrap();
        delivery
            .pass(&mut Cursor::new(b"abcdefghi"), Packing::Plain)
            .unwrap();
        let received = delivery.finish(&wanted).unwrap();
        assert_eq!(
            received,
            Received {
                bytes: 9,
                digest: None
            }
        );
        assert_eq!(sink, b"abcdefghi");
    }

    #[test]
    fn a_second_pass_with_other_bytes_is_refused() {
        for second in [b"abcdeX".as_slice(), b"abc", b"Xbcdefghi"] {
            let wanted = Wanted::parse(&inline("data:,"), false).unwrap();
            let mut sink = Vec::new();
            let mut delivery = Delivery::new(&wanted, &mut sink, None);
            delivery
                .pass(&mut Cursor::new(b"abcdef"), Packing::Plain)
                .unwrap();
            let result = delivery.pass(&mut Cursor::new(second), Packing::Plain);
            assert!(
                matches!(result, Err(Break::Final(FetchError::Changed { .. }))),
                "{result:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_resource_is_found_before_the_first_request() {
        let with = |change: &dyn Fn(&mut Resource)| {
            let mut resource = inline("https://user:secret@h/f?token=secret");
            change(&mut resource);
            Wanted::parse(&resource, false).unwrap_err()
        };
        let hash = |hash: &str| {
            with(&|r: &mut Resource| {
                r.verification = Verification {
                    hash: Some(hash.to_owned()),
                }
            })
            .to_string()
        };
        assert_eq!(
            with(&|r| r.compression = Some("xz".to_owned())).code(),
            "compression-unknown"
        );
        assert_eq!(
            with(&|r| r.http_headers = vec![HttpHeader {
                name: "A".to_owned(),
                value: None
            }])
            .code(),
            "header-without-value"
        );
        assert_eq!(
            hash("sha256"),
            "broken digest for https://h/f?…: there is no \"-\" in it"
        );
        assert_eq!(
            hash("md5-00"),
            "broken digest for https://h/f?…: its function is neither sha256 nor sha512"
        );
        assert_eq!(
            hash("sha256-00"),
            "broken digest for https://h/f?…: it has the wrong length"
        );
        assert_eq!(
            hash(&format!("sha256-{}", "é".repeat(32))),
            "broken digest for https://h/f?…: it is not hexadecimal"
        );
    }

    #[test]
    fn schemes_that_are_none_say_so_even_before_the_network() {
        for (source, code) in [
            ("s3://bucket", "address-broken"),
            ("gs://bucket", "address-broken"),
            ("arn:aws:s3:::bucket", "address-broken"),
            ("oem:///x", "scheme-unknown"),
            ("no-scheme", "scheme-unknown"),
            ("http://h:port/", "address-broken"),
            ("data:no-comma", "data-url-broken"),
            ("https://h/", "network-needed"),
        ] {
            assert_eq!(
                Wanted::parse(&inline(source), true).unwrap_err().code(),
                code,
                "{source}"
            );
        }
    }
}
