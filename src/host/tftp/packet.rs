//! The packets of TFTP (RFC 1350 §5, RFC 2347), as bytes and as values.

/// Operation codes.
const READ: u16 = 1;
const DATA: u16 = 3;
const ACKNOWLEDGEMENT: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// The longest text of a server that is kept, in characters.
const MESSAGE_LENGTH: usize = 200;

/// What a server may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A block of the file.
    Data {
        /// From 1, and 0 after 65,535.
        number: u16,
        content: Vec<u8>,
    },
    /// The options the server agrees to.
    Options(Offer),
    /// The server refuses or gives up.
    Error {
        /// As the table of RFC 1350 numbers them; 8 is RFC 2347's.
        code: u16,
        /// The server's words, fit to be printed.
        message: String,
    },
    /// Anything else.
    Other,
}

/// The values of the options in a server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Bytes in a block.
    pub(super) block: Option<u16>,
    /// Bytes in the file.
    pub(super) length: Option<u64>,
}

impl Packet {
    /// Reads a datagram.
    pub(super) fn parse(datagram: &[u8]) -> Self {
        let Some((operation, rest)) = number(datagram) else {
            return Self::Other;
        };
        match operation {
            DATA => number(rest).map_or(Self::Other, |(number, content)| Self::Data {
                number,
                content: content.to_vec(),
            }),
            ERROR => number(rest).map_or(Self::Other, |(code, message)| Self::Error {
                code,
                message: words(message),
            }),
            OPTIONS => Self::Options(Offer::parse(rest)),
            _ => Self::Other,
        }
    }
}

impl Offer {
    fn parse(rest: &[u8]) -> Self {
        let mut offer = Self::default();
        let mut texts = rest.split(|byte| *byte == 0).map(String::from_utf8_lossy);
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            match name.to_ascii_lowercase().as_str() {
                "blksize" => offer.block = value.parse().ok(),
                "tsize" => offer.length = value.parse().ok(),
                _ => {}
            }
        }
        offer
    }
}

fn number(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

fn words(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text)
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_LENGTH)
        .collect()
}

/// A request for `file`; with options where a block size is asked for.
pub(super) fn read_request(file: &[u8], block: Option<u16>) -> Vec<u8> {
    let mut packet = READ.to_be_bytes().to_vec();
    let mut text = |text: &[u8]| {
        packet.extend_from_slice(text);
        packet.push(0);
    };
    text(file);
    text(b"octet");
    if let Some(block) = block {
        for (name, value) in [
            ("blksize", block.to_string()),
            ("tsize", "0".to_owned()),
            ("timeout", "1".to_owned()),
        ] {
            text(name.as_bytes());
            text(value.as_bytes());
        }
    }
    packet
}

/// "Block `number` is here."
pub(super) fn acknowledgement(number: u16) -> Vec<u8> {
    [ACKNOWLEDGEMENT.to_be_bytes(), number.to_be_bytes()].concat()
}

/// "No", with a code of RFC 1350.
pub(super) fn refusal(code: u16, words: &str) -> Vec<u8> {
    let mut packet = [ERROR.to_be_bytes(), code.to_be_bytes()].concat();
    packet.extend_from_slice(words.as_bytes());
    packet.push(0);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_the_rfcs_draw_them() {
        assert_eq!(read_request(b"/f", None), b"\0\x01/f\0octet\0");
        assert_eq!(
            read_request(b"/f", Some(1448)),
            b"\0\x01/f\0octet\0blksize\x001448\0tsize\x000\0timeout\x001\0"
        );
        assert_eq!(acknowledgement(258), [0, 4, 1, 2]);
        assert_eq!(refusal(5, "no"), b"\0\x05\0\x05no\0");
    }

    #[test]
    fn answers_are_told_apart() {
        for (bytes, packet) in [
            (
                b"\0\x03\x01\x02abc".as_slice(),
                Packet::Data {
                    number: 258,
                    content: b"abc".to_vec(),
                },
            ),
            (
                b"\0\x06BLKSIZE\x001448\0tsize\x0077\0other\0x\0",
                Packet::Options(Offer {
                    block: Some(1448),
                    length: Some(77),
                }),
            ),
            (
                b"\0\x05\0\x01File \x1b[2Jnot found\0rest",
                Packet::Error {
                    code: 1,
                    message: "File [2Jnot found".to_owned(),
                },
            ),
            (b"\0\x06blksize\0many\0", Packet::Options(Offer::default())),
            (b"\0\x03\x01", Packet::Other),
            (b"\0\x09xx", Packet::Other),
            (b"", Packet::Other),
        ] {
            assert_eq!(Packet::parse(bytes), packet, "{bytes:?}");
        }
    }
}
