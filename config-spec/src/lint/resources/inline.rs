//! The bytes of data URLs.

use std::io::Read;
use std::string::FromUtf8Error;

use flate2::bufread::MultiGzDecoder;

use crate::data_url;
use crate::types::Resource;

/// How much is unpacked at most, in bytes. A few kilobytes of a config can stand for terabytes.
pub(super) const LIMIT: u64 = 256 << 20;

/// How many bytes are unpacked at once. Most contents are smaller, and the whole of it is cleared for each of them.
const PIECE: usize = 4 << 10;

/// How unpacking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All bytes were given.
    Whole,
    /// It is no gzip stream, or not to its end.
    Broken,
    /// There are more bytes than wanted.
    Cut,
}

/// The bytes in the config itself, as they stand there; `None` for what is elsewhere.
pub(super) fn bytes(resource: &Resource) -> Option<Vec<u8>> {
    let source = resource.source.as_deref()?;
    if source.is_empty() {
        return Some(Vec::new());
    }
    data_url::decode(source).ok()
}

/// Whether the resource is said to be compressed.
pub(super) fn is_packed(resource: &Resource) -> bool {
    resource.compression.as_deref() == Some("gzip")
}

/// Gives `bytes` of `resource` to `take`, piece by piece and unpacked, `limit` of them at most.
pub(super) fn unpack(resource: &Resource, bytes: &[u8], limit: u64, mut take: impl FnMut(&[u8])) -> End {
    if is_packed(resource) {
        return copy(MultiGzDecoder::new(bytes), limit, take);
    }
    let within = usize::try_from(limit).ok().and_then(|limit| bytes.get(..limit));
    take(within.unwrap_or(bytes));
    match within {
        Some(within) if within.len() < bytes.len() => End::Cut,
        _ => End::Whole,
    }
}

fn copy(mut from: impl Read, limit: u64, mut take: impl FnMut(&[u8])) -> End {
    let mut buffer = [0; PIECE];
    let mut left = limit;
    loop {
        let Ok(count) = from.read(&mut buffer) else {
            return End::Broken;
        };
        let piece = buffer.get(..count).unwrap_or_default();
        if piece.is_empty() {
            return End::Whole;
        }
        match left.checked_sub(u64::try_from(count).unwrap_or(u64::MAX)) {
            Some(rest) => left = rest,
            None => return End::Cut,
        }
        take(piece);
    }
}

/// The unpacked bytes as text, as far as they are within `limit`; what is no UTF-8 is replaced.
pub(in crate::lint) fn text(resource: &Resource, limit: u64) -> Option<String> {
    let mut bytes = bytes(resource)?;
    if is_packed(resource) {
        let mut whole = Vec::new();
        unpack(resource, &bytes, limit, |piece| whole.extend_from_slice(piece));
        bytes = whole;
    } else {
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    let lossy = |error: FromUtf8Error| String::from_utf8_lossy(error.as_bytes()).into_owned();
    Some(String::from_utf8(bytes).unwrap_or_else(lossy))
}

/// For tests: a gzip stream of `bytes`.
#[cfg(test)]
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8], limit: u64) -> (End, Vec<u8>) {
        let resource = Resource {
            compression: Some("gzip".to_owned()),
            ..Resource::default()
        };
        let mut all = Vec::new();
        let end = unpack(&resource, bytes, limit, |piece| all.extend_from_slice(piece));
        (end, all)
    }

    #[test]
    fn unpacking_ends_where_it_must() {
        let packed = gzip(b"some text");
        assert_eq!(unpacked(&packed, 9), (End::Whole, b"some text".to_vec()));
        assert_eq!(unpacked(&packed, 8), (End::Cut, Vec::new()));
        assert_eq!(unpacked(&packed[..packed.len() - 1], 9).0, End::Broken);
        assert_eq!(unpacked(b"some text", 9).0, End::Broken);
        let members = [gzip(b"a"), gzip(b"b")].concat();
        assert_eq!(unpacked(&members, 9), (End::Whole, b"ab".to_vec()));
    }

    #[test]
    fn a_small_stream_of_many_zeros_is_cut_in_time() {
        let bomb = gzip(&vec![0; 1 << 20]);
        let mut taken = 0;
        let resource = Resource {
            compression: Some("gzip".to_owned()),
            ..Resource::default()
        };
        assert_eq!(
            unpack(&resource, &bomb, 100_000, |piece| taken += piece.len()),
            End::Cut
        );
        assert!(taken <= 100_000, "{taken}");
    }
}
