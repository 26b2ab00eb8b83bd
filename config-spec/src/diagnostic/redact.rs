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
    /// It is a list of headers, or one of those.
    headers: bool,
}

impl Frame {
    /// Of the object or list that is the member `key`.
    fn below(self, key: &str) -> Self {
        Self {
            secret: self.secret || is_secret(key) && key != "config" && key != "contents",
            headers: self.headers || key == "httpheaders" || key == "headers",
        }
    }

    /// Whether the text, number or flag is secret that is the member `key`.
    fn hides(self, key: &str) -> bool {
        self.secret || is_secret(key) || self.headers && key == "value"
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

/// Contents in a data URL, also a broken one, a password or a token in any other, and a hash of crypt(5). The value starts with
/// `start`, and is written `literal`.
fn carries_secret(key: &str, start: &str, literal: &str) -> bool {
    let start = start.trim_start();
    let starts_with = |scheme: &&str| {
        let begin = start.get(..scheme.len());
        begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    let is_data = starts_with(&"data:") || (key == "source" && !ADDRESSES.iter().any(starts_with));
    let is_hash = start.starts_with('$') && start.matches('$').count() > 2;
    is_data || is_hash || (start.contains(":/") && literal.contains(['@', '?']))
}
