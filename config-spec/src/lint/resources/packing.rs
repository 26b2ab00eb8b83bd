//! Whether what is said to be compressed is so, and the reverse.

use super::inline::{self, End, LIMIT};
use super::{Setting, lint};
use crate::rules::Findings;
use crate::rules::resources::{Place, all};
use crate::types::Config;

/// How a gzip stream begins: its magic and the only method there is (RFC 1952, 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

pub(super) fn compression_is_true(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let Some(bytes) = inline::bytes(resource) else {
            continue;
        };
        let begins = bytes.starts_with(GZIP);
        if inline::is_packed(resource) {
            // An empty source is an empty body, and nobody's gzip.
            if resource.source.as_deref() == Some("") {
                continue;
            }
            if inline::unpack(resource, &bytes, LIMIT, |_| ()) != End::Broken {
                continue;
            }
            let (message, help) = if begins {
                ("the gzip data is broken or cut off", "compress the bytes anew")
            } else {
                (
                    "the data is not compressed with gzip",
                    "remove compression, or compress the bytes with gzip",
                )
            };
            findings
                .report(
                    lint::COMPRESSION_BROKEN.rule,
                    place.at().key("compression"),
                    message,
                )
                .help(help);
        } else if begins && !is_archive(config, place) {
            findings
                .report(
                    lint::COMPRESSION_MISSING.rule,
                    place.at().key("source"),
                    "the data is compressed with gzip, and would be used as it is",
                )
                .help(
                    "add \"compression\": \"gzip\"; if the compressed bytes are wanted, end the path in .gz",
                );
        }
    }
}

/// Whether the file's name says that it is to stay compressed.
fn is_archive(config: &Config, place: Place<'_>) -> bool {
    let (Place::Contents(file) | Place::Append(file, _)) = place else {
        return false;
    };
    let file = config.storage.files.get(file);
    let name = file
        .and_then(|file| file.path.rsplit('/').next())
        .unwrap_or_default();
    // Also `.apk`, initial ramdisks and the like: only names that speak of text or of nothing are doubted.
    !matches!(
        name.rsplit_once('.').map(|(_, end)| end),
        None | Some(
            "conf" | "json" | "yaml" | "yml" | "sh" | "txt" | "toml" | "service" | "crt" | "pem" | "env"
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_url;
    use crate::lint::told::expect;

    #[test]
    fn what_compression_says_must_hold() {
        let whole = inline::gzip(b"some text");
        let cut = &whole[..whole.len() - 2];
        let broken: &[&str] = &["$.storage.files.0.contents.compression compression-broken"];
        let missing: &[&str] = &["warning $.storage.files.0.contents.source compression-missing"];
        for (path, bytes, compression, expected) in [
            ("/etc/a.conf", &whole[..], "gzip", &[][..]),
            ("/etc/a.conf", cut, "gzip", broken),
            ("/etc/a.conf", b"some text", "gzip", broken),
            ("/etc/a.conf", b"", "gzip", broken),
            ("/etc/a.conf", b"some text", "", &[]),
            ("/etc/a.conf", &whole, "", missing),
            ("/etc/issue", &whole, "", missing),
            ("/var/lib/a.tar.gz", &whole, "", &[]),
            ("/var/lib/a.tgz", &whole, "", &[]),
            ("/boot/initramfs-5.img", &whole, "", &[]),
        ] {
            let members = format!(
                r#""storage":{{"files":[{{"path":"{path}","contents":{{"source":"{}","compression":"{compression}"}}}}]}}"#,
                data_url::encode(bytes)
            );
            expect(&Setting::default(), &[(&members, expected)]);
        }
    }
}
