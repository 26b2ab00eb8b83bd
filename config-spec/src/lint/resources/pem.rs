//! PEM: blocks of base64 between `-----BEGIN LABEL-----` and `-----END LABEL-----` (RFC 7468).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A block, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block<'a> {
    /// What it holds, for example `CERTIFICATE`.
    pub(super) label: &'a str,
    /// The lines between its marks.
    lines: Vec<&'a str>,
    /// Whether its end is there.
    is_closed: bool,
}

impl Block<'_> {
    /// Whether it holds a private key, of whatever kind.
    pub(super) fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether nobody can use it without a password: PKCS #8, and the header of RFC 1421 that OpenSSL writes.
    pub(super) fn is_encrypted(&self) -> bool {
        let by_header = |line: &&str| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED");
        self.label.starts_with("ENCRYPTED") || self.lines.iter().any(by_header)
    }

    /// Whether there is more between the marks than a few words: documentation shows the marks alone.
    pub(super) fn is_filled(&self) -> bool {
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        let lines = self.lines.iter().filter(|line| line.bytes().all(is_base64));
        lines.map(|line| line.len()).sum::<usize>() >= 40
    }

    /// The bytes between the marks; `None` where the end is missing or what stands there is not base64.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let text: String = self.lines.concat();
        self.is_closed.then(|| STANDARD.decode(text).ok()).flatten()
    }
}

fn label<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.strip_prefix("-----")?
        .strip_prefix(mark)?
        .strip_prefix(' ')?
        .strip_suffix("-----")
}

/// The blocks of `text`. Space around lines and text between blocks are passed over.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    let mut is_open = false;
    for line in text.lines().map(str::trim) {
        if let Some(label) = label(line, "BEGIN") {
            is_open = true;
            blocks.push(Block {
                label,
                lines: Vec::new(),
                is_closed: false,
            });
        } else if let Some(block) = blocks.last_mut().filter(|_| is_open) {
            if label(line, "END").is_some() {
                is_open = false;
                block.is_closed = true;
            } else {
                block.lines.push(line);
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_and_judged() {
        let text = "words\n-----BEGIN A B-----\r\nYWJj\r\n-----END A B-----\nwords\n  -----BEGIN C-----\n  YW\n  -----END C-----\n-----BEGIN D-----\nYWJj\n";
        let read: Vec<_> = blocks(text)
            .iter()
            .map(|block| (block.label, block.bytes()))
            .collect();
        assert_eq!(read, [("A B", Some(b"abc".to_vec())), ("C", None), ("D", None)]);
    }

    #[test]
    fn keys_are_told_apart() {
        let body = "A".repeat(64);
        for (label, header, key, encrypted) in [
            ("PRIVATE KEY", "", true, false),
            ("OPENSSH PRIVATE KEY", "", true, false),
            ("ENCRYPTED PRIVATE KEY", "", true, true),
            ("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\n\n", true, true),
            ("PUBLIC KEY", "", false, false),
        ] {
            let text = format!("-----BEGIN {label}-----\n{header}{body}\n-----END {label}-----\n");
            let block = &blocks(&text)[0];
            assert_eq!(
                (block.is_private_key(), block.is_encrypted(), block.is_filled()),
                (key, encrypted, true),
                "{label}"
            );
        }
        let example = blocks("-----BEGIN PRIVATE KEY-----\nyour key here\n-----END PRIVATE KEY-----");
        assert!(!example[0].is_filled());
    }
}
