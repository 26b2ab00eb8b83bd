//! Media with whole sectors, cards or words: what is missing is NUL.

/// How gzip (RFC 1952) and zstd (RFC 8878) begin.
const PACKED: [&[u8]; 2] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd"];

/// The config without the NUL bytes before and after it. What is packed may end with NUL bytes of its own, the length of
/// gzip for one: it keeps what follows, which whoever unpacks it passes over.
pub(crate) fn without(bytes: &[u8]) -> Vec<u8> {
    let is_filled = |byte: &u8| *byte != 0;
    let from = bytes.iter().position(is_filled).unwrap_or(bytes.len());
    let rest = bytes.get(from..).unwrap_or_default();
    if PACKED.iter().any(|magic| rest.starts_with(magic)) {
        return rest.to_vec();
    }
    let to = rest.iter().rposition(is_filled).map_or(0, |last| last + 1);
    rest.get(..to).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_taken_from_both_ends_only_and_never_from_what_is_packed() {
        for (padded, config) in [
            (&b"\0\0a\0b\0"[..], &b"a\0b"[..]),
            (b"a", b"a"),
            (b"\0", b""),
            (b"", b""),
            (b"\0\x1f\x8b\x08 \0\0\0", b"\x1f\x8b\x08 \0\0\0"),
            (b"\x28\xb5\x2f\xfd\0", b"\x28\xb5\x2f\xfd\0"),
        ] {
            assert_eq!(without(padded), config);
        }
    }
}
