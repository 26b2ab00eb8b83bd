//! Where in a document: RFC 6901 pointers.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in a document, as RFC 6901 writes it: `/storage/files/0/path`; the empty pointer is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// The whole document.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The member `key` of this object.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        // A hostile name is as long as a document; growing step by step would take twice that.
        self.0.reserve(key.len() + 1);
        self.0.push('/');
        for letter in key.chars() {
            match letter {
                '~' => self.0.push_str("~0"),
                '/' => self.0.push_str("~1"),
                other => self.0.push(other),
            }
        }
        self
    }

    /// The element `index` of this list, counted from 0.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push('/');
        self.0.push_str(&index.to_string());
        self
    }

    /// The place that `text` writes, in the notation of RFC 6901.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The place as RFC 6901 writes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The steps from the document to the place, unescaped.
    pub fn steps(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|step| {
            if step.contains('~') {
                // The order matters: `~01` is a tilde and a one.
                Cow::Owned(step.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(step)
            }
        })
    }

    /// The place as the reference's reports write it: `$.storage.files.0.path`.
    #[must_use]
    pub fn dollar(&self) -> String {
        let mut text = String::from("$");
        for step in self.steps() {
            text.push('.');
            text.push_str(&step);
        }
        text
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_reads_in_both_notations() {
        let at = Pointer::root().key("storage").key("files").index(0).key("path");
        assert_eq!(at.to_string(), "/storage/files/0/path");
        assert_eq!(at.dollar(), "$.storage.files.0.path");
        assert_eq!(Pointer::root().to_string(), "");
        assert_eq!(Pointer::root().dollar(), "$");
    }

    #[test]
    fn odd_keys_survive_escaping() {
        let at = Pointer::root().key("a/b~1~0").key("");
        assert_eq!(at.to_string(), "/a~1b~01~00/");
        assert_eq!(at.steps().collect::<Vec<_>>(), ["a/b~1~0", ""]);
    }
}
