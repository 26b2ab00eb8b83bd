//! Hashes that nothing can have, and hashes of something else than what stands beside them.

use ring::digest::{Algorithm, Context, SHA256, SHA512};

use super::inline::{self, End, LIMIT};
use super::{Setting, lint};
use crate::rules::Findings;
use crate::rules::resources::all;
use crate::types::{Config, Resource};

pub(super) fn digests_fit(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let hash = resource.verification.hash.as_deref().unwrap_or_default();
        let Some((function, digest)) = hash.split_once('-') else {
            continue;
        };
        let at = || place.at().key("verification").key("hash");
        if !digest.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            let message = format!("a {function} digest consists of the digits 0 to 9 and a to f only");
            findings
                .report(lint::HASH_NOT_HEX.rule, at(), message)
                .help(format!("write {function}- and what {function}sum prints"));
            continue;
        }
        let actual = actual(resource, function);
        if let Some(actual) = actual.filter(|actual| !actual.eq_ignore_ascii_case(digest)) {
            findings
                .report(
                    lint::HASH_MISMATCH.rule,
                    at(),
                    "the hash is not that of the bytes in the data URL",
                )
                .help(format!(
                    "write \"{function}-{actual}\" if the bytes are as they shall be"
                ));
        }
    }
}

/// The digest of what a data URL holds; `None` where that cannot be told.
fn actual(resource: &Resource, function: &str) -> Option<String> {
    let bytes = inline::bytes(resource)?;
    match function {
        "sha256" => digest(&SHA256, resource, &bytes),
        "sha512" => digest(&SHA512, resource, &bytes),
        _ => None,
    }
}

fn digest(function: &'static Algorithm, resource: &Resource, bytes: &[u8]) -> Option<String> {
    let mut sum = Context::new(function);
    let end = inline::unpack(resource, bytes, LIMIT, |piece| sum.update(piece));
    let digest = sum.finish();
    (end == End::Whole).then(|| digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_url;
    use crate::lint::told::{expect, said};

    /// The SHA-256 digest of `abc` (FIPS 180-4, example B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn file(source: &str, more: &str, hash: &str) -> String {
        format!(
            r#""storage":{{"files":[{{"path":"/a","contents":{{"source":"{source}"{more},"verification":{{"hash":"{hash}"}}}}}}]}}"#
        )
    }

    #[test]
    fn digests_of_inline_bytes_are_compared() {
        let mismatch: &[&str] = &["$.storage.files.0.contents.verification.hash hash-mismatch"];
        let not_hex: &[&str] = &["$.storage.files.0.contents.verification.hash hash-not-hex"];
        let packed = data_url::encode(&inline::gzip(b"abc"));
        let gzip = r#","compression":"gzip""#;
        for (source, more, digest, expected) in [
            ("data:,abc", "", ABC.to_owned(), &[][..]),
            ("data:,abc", "", ABC.to_uppercase(), &[]),
            ("data:;base64,YWJj", "", ABC.to_owned(), &[]),
            ("data:,abd", "", ABC.to_owned(), mismatch),
            (&packed, gzip, ABC.to_owned(), &[]),
            ("https://h/a", "", ABC.to_owned(), &[]),
            ("https://h/a", "", ABC.replace('a', "g"), not_hex),
            ("data:,abc", "", ABC.replace('a', "o"), not_hex),
            // The digest of nothing.
            (
                "",
                "",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
                &[],
            ),
        ] {
            let members = file(source, more, &format!("sha256-{digest}"));
            expect(&Setting::default(), &[(&members, expected)]);
        }
    }

    #[test]
    fn the_right_digest_is_told() {
        let wrong = format!("sha512-{}", "0".repeat(128));
        let said = said(&file("data:,abc", "", &wrong), &Setting::default());
        // FIPS 180-4, example C.1.
        assert!(
            said[0].1.starts_with("write \"sha512-ddaf35a193617abacc417349"),
            "{said:?}"
        );
    }
}
