//! Secrets in files that everybody on the machine may read.

use super::pem::{self, Block};
use super::{Setting, inline, lint};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::rules::resources::{Place, all};
use crate::types::{Config, File, Resource};
use crate::units::Mode;

/// How much of a file is searched, in bytes: key files and kubeconfigs are small.
const LIMIT: u64 = 1 << 20;

/// The right of everybody to read.
const READ: i64 = 0o004;
/// The right of everybody to pass through a directory.
const PASS: i64 = 0o001;

pub(super) fn secrets_are_kept(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (place, resource) in all(config) {
        let (Place::Contents(index) | Place::Append(index, _)) = place else {
            continue;
        };
        let Some(file) = config.storage.files.get(index) else {
            continue;
        };
        if !is_readable(file) || is_shut_away(config, &file.path) {
            continue;
        }
        let Some(secret) = secret_in(resource) else {
            continue;
        };
        let at = Pointer::root().key("storage").key("files").index(index);
        let at = if file.mode.is_some() {
            at.key("mode")
        } else {
            at.key("path")
        };
        findings
            .report(
                lint::SECRET_READABLE.rule,
                at,
                format!("everybody on the machine may read the file, and it holds {secret}"),
            )
            .help(format!("write mode {} ({})", 0o600, Mode(0o600)));
    }
}

/// Whether everybody may read the file. One that is appended to, without a mode, may have its own.
fn is_readable(file: &File) -> bool {
    match file.mode {
        Some(mode) => mode & READ != 0,
        None => file.contents.source.is_some(),
    }
}

/// Whether a directory keeps everybody out: root's home, or one that the config shuts.
fn is_shut_away(config: &Config, path: &str) -> bool {
    let is_below = |dir: &str| path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'));
    let shut = config.storage.directories.iter();
    let mut shut = shut.filter(|directory| directory.mode.is_some_and(|mode| mode & PASS == 0));
    is_below("/root") || shut.any(|directory| is_below(&directory.path))
}

/// What secret a resource holds, by its form; `None` also of one that does not stand in the config.
#[must_use]
pub fn secret_in(resource: &Resource) -> Option<&'static str> {
    inline::text(resource, LIMIT).as_deref().and_then(secret_in_text)
}

/// What secret a text holds.
fn secret_in_text(text: &str) -> Option<&'static str> {
    let is_key = |block: &Block<'_>| block.is_private_key() && block.is_filled() && !block.is_encrypted();
    if pem::blocks(text).iter().any(is_key) {
        return Some("a private key");
    }
    if text.lines().any(is_shadow) {
        return Some("a password hash");
    }
    // Most texts hold none of the names: a look for both is cheaper than taking the text apart.
    if !text.contains("oken") && !text.contains("client-key-data") {
        return None;
    }
    // A member a line in YAML, between commas and braces in JSON.
    text.split(['\n', ',', '{', '}']).find_map(secret_of_member)
}

fn secret_of_member(text: &str) -> Option<&'static str> {
    let (key, value) = text.split_once(':')?;
    let marks = [' ', '\t', '\r', '"', '\'', '-'];
    let value = value.trim_matches(marks);
    match key.trim_matches(marks) {
        "token" | "tlsBootstrapToken" if is_bootstrap_token(value) => Some("a bootstrap token"),
        "client-key-data" if value.len() >= 64 && is_base64(value) => Some("a client's private key"),
        _ => None,
    }
}

/// `id.secret`, six and sixteen letters or digits (Kubernetes, "Authenticating with Bootstrap Tokens").
fn is_bootstrap_token(value: &str) -> bool {
    let fits = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    value
        .split_once('.')
        .is_some_and(|(id, secret)| fits(id, 6) && fits(secret, 16))
}

fn is_base64(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// A line of shadow(5) with a hash of crypt(3): nine fields, the second `$method$…$digest`.
fn is_shadow(line: &str) -> bool {
    let mut fields = line.split(':');
    let hash = fields.nth(1).unwrap_or_default();
    let hash = hash.trim_start_matches('!');
    hash.starts_with('$') && hash.matches('$').count() >= 3 && hash.len() > 20 && fields.count() == 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_url;
    use crate::lint::told::{expect, said};

    const KEY: &str = include_str!("../../../../fixtures/vm/pki/server.key");
    const CA: &str = include_str!("../../../../fixtures/vm/pki/ca.crt");

    #[test]
    fn secrets_are_recognised() {
        let shadow = format!("ada:$6$salt${}:19000:0:99999:7:::", "x".repeat(86));
        let key_data = format!("    client-key-data: {}", "TUlJ".repeat(20));
        for (text, expected) in [
            (KEY, Some("a private key")),
            (CA, None),
            ("    token: kndlng.0123456789abcdef", Some("a bootstrap token")),
            (
                "\"token\": \"kndlng.0123456789abcdef\",",
                Some("a bootstrap token"),
            ),
            (
                r#"{"name":"n","user":{"token":"kndlng.0123456789abcdef"}}"#,
                Some("a bootstrap token"),
            ),
            ("    token: kndlng.0123456789ABCDEF", None),
            ("    token: ${TOKEN}", None),
            ("    tokenFile: /run/token", None),
            (&key_data, Some("a client's private key")),
            ("    client-key: /etc/kubernetes/key", None),
            (&shadow, Some("a password hash")),
            ("ada:!:19000:0:99999:7:::", None),
            ("if grep -q -e '-----BEGIN PRIVATE KEY-----' file; then", None),
        ] {
            assert_eq!(secret_in_text(text), expected, "{text}");
        }
    }

    #[test]
    fn secrets_may_stand_where_few_may_read() {
        let source = data_url::encode(KEY.as_bytes());
        let file = |path: &str, mode: &str, more: &str| {
            format!(
                r#""storage":{{"files":[{{"path":"{path}"{mode},"contents":{{"source":"{source}"}}}}]{more}}}"#
            )
        };
        let shut = r#","directories":[{"path":"/etc/k","mode":448}]"#;
        let open = r#","directories":[{"path":"/etc/k","mode":493}]"#;
        for (members, expected) in [
            (
                file("/etc/k/a", "", ""),
                &["warning $.storage.files.0.path secret-readable"][..],
            ),
            (
                file("/etc/k/a", r#","mode":420"#, open),
                &["warning $.storage.files.0.mode secret-readable"],
            ),
            (file("/etc/k/a", r#","mode":384"#, ""), &[]),
            (file("/etc/k/a", r#","mode":416"#, ""), &[]),
            (file("/etc/k/a", "", shut), &[]),
            (file("/root/a", "", ""), &[]),
        ] {
            expect(&Setting::default(), &[(&members, expected)]);
        }
        let said = said(&file("/etc/k/a", "", ""), &Setting::default());
        assert_eq!(said[0].1, "write mode 384 (0600)");
    }

    #[test]
    fn fragments_are_searched_too() {
        let token = "data:,token:%20kndlng.0123456789abcdef";
        let file = |mode: &str| {
            format!(r#""storage":{{"files":[{{"path":"/etc/a"{mode},"append":[{{"source":"{token}"}}]}}]}}"#)
        };
        let told: &[&str] = &["warning $.storage.files.0.mode secret-readable"];
        expect(
            &Setting::default(),
            &[(&file(r#","mode":420"#), told), (&file(""), &[])],
        );
    }
}
