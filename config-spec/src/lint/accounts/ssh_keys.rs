//! Keys that nobody can log in with: the lines of sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Setting, lint, users};
use crate::rules::Findings;
use crate::types::Config;

/// How many strings make a key, by its type (RFC 4253, 6.6; RFC 5656; RFC 8709; OpenSSH's PROTOCOL.u2f). Other types and
/// certificates are not taken apart.
const PARTS: [(&str, usize); 8] = [
    ("ssh-rsa", 3),
    ("ssh-dss", 5),
    ("ssh-ed25519", 2),
    ("ecdsa-sha2-nistp256", 3),
    ("ecdsa-sha2-nistp384", 3),
    ("ecdsa-sha2-nistp521", 3),
    ("sk-ssh-ed25519@openssh.com", 3),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 4),
];

/// Why a line is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing at all.
    Empty,
    /// The other half of a key.
    Private,
    /// A public key, in the form that other programs write.
    Foreign,
    /// Not a type, base64 and a comment.
    Form,
    /// What follows the type is not base64.
    Base64,
    /// The key is of another type than the word before it says.
    Type,
    /// The key has too few or too many bytes.
    Length,
}

impl Fault {
    fn message(self) -> &'static str {
        match self {
            Self::Empty => "the entry holds no key",
            Self::Private => "a private key stands where a public one belongs",
            Self::Foreign => "the key is not in OpenSSH's form, a line of type, base64 and comment",
            Self::Form => "this is no public key: a line of type, base64 and comment",
            Self::Base64 => "what follows the key's type is not base64",
            Self::Type => "the key is not of the type that stands before it",
            Self::Length => "the key is cut off, or has bytes too many",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Empty => {
                "give the line of a .pub file; an empty entry is often a variable that was not set"
            }
            Self::Private => {
                "give the line of the .pub file, and make a new pair of keys: whoever has seen the config has this one"
            }
            Self::Foreign => {
                "convert it with ssh-keygen -i; -m PKCS8 for a file that begins with BEGIN PUBLIC KEY"
            }
            _ => "copy the whole line of the .pub file, as ssh-keygen wrote it",
        }
    }
}

pub(super) fn keys_are_keys(config: &Config, _: &Setting<'_>, findings: &mut Findings) {
    for (at, user) in users(config) {
        for (index, entry) in user.ssh_authorized_keys.iter().enumerate() {
            if let Err(fault) = judge(entry) {
                let at = at.clone().key("sshAuthorizedKeys").index(index);
                findings
                    .report(lint::SSH_KEY_INVALID.rule, at, fault.message())
                    .help(fault.help());
            }
        }
    }
}

/// An entry may have several lines, comments among them.
fn judge(entry: &str) -> Result<(), Fault> {
    let entry = entry.trim();
    if entry.is_empty() {
        return Err(Fault::Empty);
    }
    if entry.contains("-----BEGIN") && entry.contains("PRIVATE KEY")
        || entry.starts_with("PuTTY-User-Key-File-")
    {
        return Err(Fault::Private);
    }
    if entry.starts_with("-----BEGIN") || entry.starts_with("---- BEGIN SSH2") {
        return Err(Fault::Foreign);
    }
    entry
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .try_for_each(line)
}

fn line(line: &str) -> Result<(), Fault> {
    key(line).or_else(|fault| {
        let has_type = ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| line.starts_with(start));
        if has_type {
            Err(fault)
        } else {
            key(behind_options(line))
        }
    })
}

/// What follows the first space outside quotes.
fn behind_options(line: &str) -> &str {
    let mut is_quoted = false;
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if line[at..].starts_with("\\\"") => drop(letters.next()),
            '"' => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return line[at..].trim_start(),
            _ => {}
        }
    }
    ""
}

fn key(text: &str) -> Result<(), Fault> {
    let mut words = text.split_ascii_whitespace();
    let (Some(kind), Some(base64)) = (words.next(), words.next()) else {
        return Err(Fault::Form);
    };
    let known = PARTS.iter().find(|(name, _)| *name == kind);
    let bytes = STANDARD.decode(base64).map_err(|_| match known {
        Some(_) => Fault::Base64,
        None => Fault::Form,
    })?;
    let (name, mut rest) = string(&bytes).ok_or(Fault::Form)?;
    // The signatures of newer releases, which some programs write for the type of the key.
    let is_alias = name == b"ssh-rsa" && kind.starts_with("rsa-sha2-");
    if name != kind.as_bytes() && !is_alias {
        return Err(if known.is_some() { Fault::Type } else { Fault::Form });
    }
    let Some((_, parts)) = known else { return Ok(()) };
    for _ in 1..*parts {
        (_, rest) = string(rest).ok_or(Fault::Length)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Fault::Length)
    }
}

/// A string with its length before it (RFC 4251, 5), and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint::told::expect;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgaIxT/y9BH7teEcyYaiI1XYdhxVHUj9JOZW0pnsQi2 operator@kindling.test";

    /// The line of a key with these strings behind its type.
    fn made(kind: &str, parts: &[&[u8]]) -> String {
        let mut bytes = Vec::new();
        for part in std::iter::once(&kind.as_bytes()).chain(parts) {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(*part);
        }
        format!("{kind} {}", STANDARD.encode(bytes))
    }

    #[test]
    fn keys_in_all_their_forms() {
        let number: &[u8] = &[7; 32];
        for good in [
            ED25519.to_owned(),
            made("ssh-rsa", &[b"\x01\x00\x01", &[1; 257]]),
            made("ecdsa-sha2-nistp256", &[b"nistp256", &[4; 65]]),
            made("sk-ssh-ed25519@openssh.com", &[number, b"ssh:"]),
            made(
                "sk-ecdsa-sha2-nistp256@openssh.com",
                &[b"nistp256", &[4; 65], b"ssh:"],
            ),
            made("ssh-ed25519-cert-v01@openssh.com", &[number, number]),
            made("ssh-of-the-future@example.com", &[]),
            made("ssh-rsa", &[b"\x01\x00\x01", &[1; 257]]).replacen("ssh-rsa", "rsa-sha2-512", 1),
            format!("restrict,command=\"/bin/echo \\\"a b\\\" c\",no-pty {ED25519}"),
            format!("cert-authority,principals=\"a,b\" {ED25519}"),
            format!("# first\n{ED25519}\n\n  {ED25519}\r\n"),
            "# only a comment".to_owned(),
        ] {
            assert_eq!(judge(&good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_no_key() {
        let cut = ED25519.get(..40).unwrap();
        for (entry, fault) in [
            ("", Fault::Empty),
            (" \n", Fault::Empty),
            (
                "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n-----END OPENSSH PRIVATE KEY-----\n",
                Fault::Private,
            ),
            ("PuTTY-User-Key-File-3: ssh-ed25519\n", Fault::Private),
            (
                "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n",
                Fault::Foreign,
            ),
            (
                "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
                Fault::Foreign,
            ),
            ("https://example.com/ada.keys", Fault::Form),
            ("ssh-rsa", Fault::Form),
            ("ssh-rsa AAAA...", Fault::Base64),
            ("ssh-ed25519 ada@example.com", Fault::Base64),
            (
                "AAAAC3NzaC1lZDI1NTE5AAAAIAgaIxT/y9BH7teEcyYaiI1XYdhxVHUj9JOZW0pnsQi2",
                Fault::Form,
            ),
            (&ED25519.replacen("ssh-ed25519", "ssh-rsa", 1), Fault::Type),
            (cut, Fault::Length),
            (&made("ssh-ed25519", &[&[7; 32], b"more"]), Fault::Length),
            (&made("ssh-ed25519", &[]), Fault::Length),
            (&format!("{ED25519}\nssh-rsa"), Fault::Form),
            ("command=\"unclosed ssh-rsa AAAA", Fault::Form),
        ] {
            assert_eq!(judge(entry), Err(fault), "{entry}");
        }
    }

    #[test]
    fn keys_are_told_where_they_stand() {
        let members = format!(
            r#""passwd":{{"users":[{{"name":"a","sshAuthorizedKeys":["{ED25519}",""]}},{{"name":"b","shouldExist":false,"sshAuthorizedKeys":[""]}}]}}"#
        );
        let expected: &[&str] = &["$.passwd.users.0.sshAuthorizedKeys.1 ssh-key-invalid"];
        expect(&Setting::default(), &[(&members, expected)]);
    }
}
