//! Contents as data URLs: with percent signs, in base64, or compressed, whichever is shortest.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::data_url;

/// Which forms a URL may take; each has those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forms {
    /// Percent signs only, as the oldest configs have it.
    Percent,
    /// That, or base64.
    Plain,
    /// All of them.
    Packed,
}

/// A data URL, and whether what it holds is compressed by gzip.
pub(super) struct Encoded {
    pub(super) url: String,
    pub(super) is_packed: bool,
}

/// What the word `gzip` weighs against a shorter URL.
const WORD: usize = 4;

/// The bytes of a packed text without any content (RFC 1952: ten before, eight behind, two of an empty block).
const SMALLEST: usize = 20;

/// What packs one text after the other: a new one for each would clear half a megabyte ten thousand times.
#[derive(Default)]
pub(super) struct Packer(RefCell<Option<Compress>>);

/// The shortest URL for `bytes`; of equals, the plainest.
pub(super) fn encode(bytes: &[u8], forms: Forms, packer: &Packer) -> Encoded {
    let percent = 1 + bytes
        .iter()
        .map(|byte| if is_plain(*byte) { 1 } else { 3 })
        .sum::<usize>();
    let base64 = base64_length(bytes.len());
    let best = if forms == Forms::Percent {
        percent
    } else {
        percent.min(base64)
    };
    // Its frame alone makes a packed text longer than a short one.
    let may_win = forms == Forms::Packed && base64_length(SMALLEST) + WORD < best;
    let packed = may_win.then(|| packer.pack(bytes, longest(best))).flatten();
    if let Some(packed) = packed.filter(|packed| base64_length(packed.len()) + WORD < best) {
        return Encoded {
            url: data_url::encode(&packed),
            is_packed: true,
        };
    }
    let url = if best == percent {
        escaped(bytes, percent)
    } else {
        data_url::encode(bytes)
    };
    Encoded {
        url,
        is_packed: false,
    }
}

/// What stands behind `data:`.
fn base64_length(bytes: usize) -> usize {
    ";base64,".len() + bytes.div_ceil(3).saturating_mul(4)
}

/// The bytes that base64 brings below a URL of `best`, or a few more.
fn longest(best: usize) -> usize {
    best.div_ceil(4) * 3
}

impl Packer {
    /// `bytes` as one member of gzip without a name and a time (RFC 1952 2.3), unless it is longer than `most`.
    fn pack(&self, bytes: &[u8], most: usize) -> Option<Vec<u8>> {
        const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
        let mut kept = self.0.borrow_mut();
        let compress = kept.get_or_insert_with(|| Compress::new(Compression::best(), false));
        compress.reset();
        let mut packed = Vec::with_capacity(most.max(SMALLEST));
        packed.extend(HEADER);
        // One call: what does not find room would not win.
        let end = compress
            .compress_vec(bytes, &mut packed, FlushCompress::Finish)
            .ok()?;
        let mut crc = Crc::new();
        crc.update(bytes);
        packed.extend(crc.sum().to_le_bytes());
        packed.extend(crc.amount().to_le_bytes());
        (end == Status::StreamEnd).then_some(packed)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

fn escaped(bytes: &[u8], length: usize) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut url = String::with_capacity("data:".len() + length);
    url.push_str("data:,");
    for byte in bytes {
        if is_plain(*byte) {
            url.push(char::from(*byte));
        } else {
            let digit = |at: u8| char::from(DIGITS[usize::from(at & 15)]);
            url.extend(['%', digit(byte >> 4), digit(*byte)]);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn the_shortest_form_wins() {
        let packer = Packer::default();
        for (bytes, forms, url) in [
            (&b""[..], Forms::Packed, "data:,"),
            (b"a b/\n~", Forms::Packed, "data:,a%20b%2F%0A~"),
            (
                b"\x00\x01\x02\x03\x04\x05\x06\x07",
                Forms::Packed,
                "data:;base64,AAECAwQFBgc=",
            ),
            (
                b"\x00\x01\x02\x03\x04\x05\x06\x07",
                Forms::Percent,
                "data:,%00%01%02%03%04%05%06%07",
            ),
            // Base64 must be shorter, not as short.
            (b"%%%%%aaa", Forms::Packed, "data:,%25%25%25%25%25aaa"),
        ] {
            let encoded = encode(bytes, forms, &packer);
            assert_eq!(encoded.url, url);
            assert!(!encoded.is_packed);
            assert_eq!(data_url::decode(&encoded.url).unwrap(), bytes);
        }
    }

    #[test]
    fn repetition_is_compressed_where_that_is_allowed() {
        let packer = Packer::default();
        let text = "x".repeat(200);
        let encoded = encode(text.as_bytes(), Forms::Packed, &packer);
        assert!(encoded.is_packed && encoded.url.len() < 100, "{}", encoded.url);
        let packed = data_url::decode(&encoded.url).unwrap();
        assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
        assert!(!encode(text.as_bytes(), Forms::Plain, &packer).is_packed);
        assert!(!encode("x".repeat(40).as_bytes(), Forms::Packed, &packer).is_packed);
    }

    #[test]
    fn each_text_is_packed_as_if_it_were_the_first() {
        let packer = Packer::default();
        let random = (0..5000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]);
        let texts = [
            "all work and no play ".repeat(9).into_bytes(),
            random.collect(),
            "all work and no play ".repeat(9000).into_bytes(),
            "all work and no play ".repeat(9).into_bytes(),
        ];
        for text in texts {
            let kept = encode(&text, Forms::Packed, &packer);
            let new = encode(&text, Forms::Packed, &Packer::default());
            assert_eq!(kept.url, new.url);
            let bytes = data_url::decode(&kept.url).unwrap();
            let mut plain = Vec::new();
            match kept.is_packed {
                true => GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap(),
                false => plain.write(&bytes).unwrap(),
            };
            assert!(plain == text);
        }
    }
}
