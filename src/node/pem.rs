//! PEM (RFC 7468): blocks between lines that say what they are, and any text around them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What a certificate's block is called.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// What a request's block is called.
pub const REQUEST: &str = "CERTIFICATE REQUEST";
/// What the block of a key of an elliptic curve is called (SEC 1, RFC 5915).
pub const EC_KEY: &str = "EC PRIVATE KEY";

/// Characters in a line.
const WIDTH: usize = 64;

/// `der` as one block.
#[must_use]
pub fn write(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let base64 = STANDARD.encode(der);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(WIDTH));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text + "-----END " + label + "-----\n"
}

/// The contents of the blocks of that name, in their order; what stands around and between them is left out. `None` where
/// a block has no end or is not base64.
#[must_use]
pub fn read(label: &str, text: &str) -> Option<Vec<Vec<u8>>> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once(&begin) {
        let (body, behind) = behind.split_once(&end)?;
        let base64: String = body.split_ascii_whitespace().collect();
        blocks.push(STANDARD.decode(base64).ok()?);
        rest = behind;
    }
    Some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_around_blocks_is_left_out_and_their_order_stays() {
        let (leaf, issuer) = (vec![1; 100], vec![2; 48]);
        let text = format!(
            "subject=CN\n{}\n junk \r\n{}{}trailing",
            write(CERTIFICATE, &leaf),
            write(EC_KEY, b"key"),
            write(CERTIFICATE, &issuer).replace('\n', "\r\n")
        );
        assert_eq!(read(CERTIFICATE, &text), Some(vec![leaf, issuer]));
        assert_eq!(read(EC_KEY, &text), Some(vec![b"key".to_vec()]));
        assert_eq!(read(REQUEST, &text), Some(vec![]));
        assert!(text.lines().all(|line| line.len() <= WIDTH + 1));
    }

    #[test]
    fn a_block_that_is_cut_is_none() {
        let text = write(CERTIFICATE, &[3; 90]);
        for end in 28..text.len() - 2 {
            assert_eq!(read(CERTIFICATE, &text[..end]), None, "{end}");
        }
        assert_eq!(read(CERTIFICATE, &text.replace('A', "!")), None);
    }
}
