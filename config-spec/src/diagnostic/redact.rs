//! Which bytes of a document must not be shown: passwords, keys, header values, contents, URLs with credentials.

mod json;
mod yaml;

use std::ops::Range;

use crate::document;

/// Members whose value is never shown, as [`named`] has their names; of objects, everything inside.
const SECRET: [&str; 11] = [
    "clientkey",
    "config",
    "contents",
    "inline",
    "keyfile",
    "password",
    "passwordhash",
    // Private keys are pasted here by mistake.
    "sshauthorizedkeys",
    "staticpodurlheader",
    "token",
    "tokensource",
];

/// What a source that is no inline data starts with.
const ADDRESSES: [&str; 6] = ["http://", "https://", "tftp://", "s3://", "gs://", "arn:"];

/// What a checksum starts with.
const FUNCTIONS: [&str; 2] = ["sha256-", "sha512-"];

/// Addresses whose account may have no password: it is one.
const PROXIES: [&str; 2] = ["httpproxy", "httpsproxy"];

/// Members that are paths: a colon and an at sign in one that is whole are no account.
const PATHS: [&str; 5] = ["device", "homedir", "path", "shell", "target"];

/// How much of a text tells what it is.
const START: usize = 256;

/// The ranges in `text` that must not be shown, ascending, quotes left out: for each of the ascending `windows` at least the
/// first `width` that end behind it. `None` for a text of which nothing may be shown, for nobody knows what is what in it.
pub(super) fn secrets(text: &str, windows: &[usize], width: usize) -> Option<Vec<Range<usize>>> {
    if windows.is_empty() {
        return Some(Vec::new());
    }
    let is_braced = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    if is_braced && document::syntax(text).is_ok() {
        return Some(json::secrets(text, windows, width));
    }
    match yaml::secrets(text) {
        None if is_braced => Some(json::secrets(text, windows, width)),
        secrets => secrets,
    }
}

/// What is known of the members of an object from where it stands.
#[derive(Clone, Copy, Default)]
struct Frame {
    /// Everything inside is secret.
    secret: bool,
    /// It is among headers, of which only names are shown.
    headers: bool,
    /// It is a list in a secret's place, so that what stands right in it is secret.
    entries: bool,
    /// It is in a source's place.
    source: bool,
    /// It is in a checksum's place.
    hash: bool,
}

impl Frame {
    /// Of the object that is the member `key`.
    fn below(self, key: &str) -> Self {
        Self {
            secret: self.secret || is_secret(key) && key != "config" && key != "contents",
            headers: self.headers || key == "httpheaders" || key == "headers",
            entries: false,
            source: self.is_source(key),
            hash: self.is_hash(key),
        }
    }

    /// Of the list that is the member `key`: its entries, which have no key, are as secret as one value there.
    fn list(self, key: &str) -> Self {
        Self {
            entries: self.hides(key),
            ..self.below(key)
        }
    }

    /// Whether the text, number or flag is secret that is the member `key`.
    fn hides(self, key: &str) -> bool {
        self.secret || is_secret(key) || self.headers && key != "name" || self.entries && key.is_empty()
    }

    fn is_source(self, key: &str) -> bool {
        self.source || key == "source"
    }

    fn is_hash(self, key: &str) -> bool {
        self.hash || key == "hash"
    }

    /// Whether the text that is the member `key` has a secret in it: contents in a data URL, also a broken one, a password
    /// or a token in any other, a hash of crypt(5), or what should be a checksum and may be anything.
    fn carries_secret(self, key: &str, text: &str) -> bool {
        let end = text.floor_char_boundary(START);
        let start = text.get(..end).unwrap_or_default().trim_start();
        let starts_with = |sign: &&str| {
            let begin = start.get(..sign.len());
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(sign))
        };
        let is_data = starts_with(&"data:") || self.is_source(key) && !ADDRESSES.iter().any(starts_with);
        let is_crypt = start.starts_with('$') && start.matches('$').count() > 2;
        let is_odd = self.is_hash(key) && !FUNCTIONS.iter().any(starts_with);
        let is_path = || {
            let is_whole = start.starts_with('/') && !start.starts_with("//") && !text.contains("://");
            is_whole && PATHS.contains(&key)
        };
        let has_account = || {
            let account = text.rsplit_once('@');
            account.is_some_and(|(account, _)| account.contains(':') || PROXIES.contains(&key))
        };
        is_data
            || is_crypt
            || is_odd
            || text.contains('?') && text.contains(":/")
            || has_account() && !is_path()
    }
}

fn is_secret(key: &str) -> bool {
    SECRET.contains(&key)
}

/// A member's name in the one form that all languages' names for the same thing have. No name that matters is long.
fn named(name: &str) -> String {
    let letters = name.chars().filter(|letter| *letter != '_');
    letters.take(40).collect::<String>().to_lowercase()
}
