//! Which document a place of a merged config comes from.
//!
//! Merging is a function of keys ([`crate::merge()`]), so the way back is one too: the place is described by the keys on
//! the way to it, and looked for in the documents from the last that was merged to the first.

use std::borrow::Cow;

use serde_json::Value;

use crate::diagnostic::Pointer;
use crate::types::Config;

/// A merged config and the documents it was made of.
pub struct Provenance {
    merged: Value,
    documents: Vec<Value>,
}

/// One step on the way to a place.
enum Step<'a> {
    Member(Cow<'a, str>),
    /// The entry with this key.
    Entry(Cow<'a, str>),
    /// The entry at this place of a list whose entries have no keys and are strung together.
    Nth(usize),
}

impl Provenance {
    /// `documents` in the order in which they were merged: parents before children, siblings in theirs.
    #[must_use]
    pub fn new(merged: &Config, documents: impl IntoIterator<Item = Config>) -> Self {
        Self {
            merged: merged.to_value(),
            documents: documents.into_iter().map(|config| config.to_value()).collect(),
        }
    }

    /// The document that says last what stands at `at`, by its place in the list, and where it says so. What no document
    /// says (a member that is missing) is looked for at the nearest place above it.
    #[must_use]
    pub fn trace(&self, at: &Pointer) -> Option<(usize, Pointer)> {
        let steps = self.steps(at);
        (1..=steps.len()).rev().find_map(|length| {
            let way = steps.get(..length)?;
            self.find(way)
        })
    }

    fn steps<'a>(&'a self, at: &'a Pointer) -> Vec<Step<'a>> {
        let mut here = Some(&self.merged);
        let mut list: Cow<'_, str> = Cow::Borrowed("");
        let mut steps = Vec::new();
        for step in at.steps() {
            if let Some(Value::Array(entries)) = here {
                let index = step.parse().unwrap_or(usize::MAX);
                here = entries.get(index);
                steps.push(match here.and_then(|entry| key(&list, entry)) {
                    Some(key) => Step::Entry(key),
                    None => Step::Nth(index),
                });
            } else {
                here = here.and_then(|value| value.get(step.as_ref()));
                list = step.clone();
                steps.push(Step::Member(step));
            }
        }
        steps
    }

    fn find(&self, way: &[Step<'_>]) -> Option<(usize, Pointer)> {
        let nth = way.iter().position(|step| matches!(step, Step::Nth(_)));
        if let Some((list, [Step::Nth(index), below @ ..])) = nth.and_then(|at| way.split_at_checked(at)) {
            let (number, at, entry) = self.nth(list, *index)?;
            let (at, _) = resolve(at, entry, below)?;
            return Some((number, at));
        }
        let documents = self.documents.iter().enumerate().rev();
        documents
            .filter_map(|(number, document)| Some((number, resolve(Pointer::root(), document, way)?)))
            .find(|(_, (_, value))| says_something(value))
            .map(|(number, (at, _))| (number, at))
    }

    /// Entry `index` of a list that is strung together from all documents.
    fn nth(&self, list: &[Step<'_>], index: usize) -> Option<(usize, Pointer, &Value)> {
        let mut left = index;
        for (number, document) in self.documents.iter().enumerate() {
            let Some((at, Value::Array(entries))) = resolve(Pointer::root(), document, list) else {
                continue;
            };
            if let Some(entry) = entries.get(left) {
                return Some((number, at.index(left), entry));
            }
            left -= entries.len();
        }
        None
    }
}

/// Follows `way` on from `value`, which stands at `at`.
fn resolve<'v>(mut at: Pointer, mut value: &'v Value, way: &[Step<'_>]) -> Option<(Pointer, &'v Value)> {
    let mut list = "";
    for step in way {
        match step {
            Step::Member(name) => {
                value = value.get(name.as_ref())?;
                at = at.key(name);
                list = name;
            }
            Step::Entry(wanted) => {
                let entries = value.as_array()?;
                let has_it = |entry: &Value| key(list, entry).as_ref() == Some(wanted);
                let index = entries.iter().position(has_it)?;
                value = entries.get(index)?;
                at = at.index(index);
            }
            // [`Provenance::find`] has taken it out of the way.
            Step::Nth(_) => return None,
        }
    }
    Some((at, value))
}

/// Whether a value is more than the empty frame in which configs are written.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(members) => members.values().any(says_something),
        Value::Array(entries) => !entries.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

/// The key of an entry of the list called `list`; `None` where entries have none.
fn key<'a>(list: &str, entry: &'a Value) -> Option<Cow<'a, str>> {
    let text = |member: &str| {
        let text = entry.get(member).and_then(Value::as_str);
        Some(Cow::Borrowed(text.unwrap_or_default()))
    };
    match list {
        "append" | "options" | "mountOptions" => None,
        "merge" | "certificateAuthorities" => text("source"),
        "disks" | "filesystems" => text("device"),
        "files" | "directories" | "links" => text("path"),
        "tang" => text("url"),
        "sinks" => {
            let parts = ["type", "url", "path", "port"].map(|member| text(member).unwrap_or_default());
            Some(Cow::Owned(parts.join(" ")))
        }
        "partitions" => match entry.get("number").and_then(Value::as_i64).unwrap_or_default() {
            0 => text("label"),
            number => Some(Cow::Owned(format!("number {number}"))),
        },
        _ => match entry {
            Value::String(entry) => Some(Cow::Borrowed(entry)),
            _ => text("name"),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::merge;

    fn config(value: Value) -> Config {
        serde_json::from_value(value).expect("the case reads")
    }

    #[test]
    fn places_are_traced_to_the_document_that_says_so_last() {
        let documents = [
            config(json!({"storage": {
                "files": [{"path": "/a", "mode": 1, "append": [{"source": "data:,1"}]}, {"path": "/b", "mode": 2}],
                "disks": [{"device": "/dev/x", "partitions": [{"number": 1, "label": "one"}, {"label": "two"}]}],
            }, "passwd": {"users": [{"name": "u", "groups": ["g"]}]}})),
            config(json!({"storage": {
                "files": [{"path": "/c"}, {"path": "/a", "user": {"name": "x"}, "append": [{"source": "data:,2"}, {}]}],
                "disks": [{"device": "/dev/x", "partitions": [{"label": "two", "sizeMiB": 4}]}],
            }})),
            config(
                json!({"passwd": {"users": [{"name": "v"}, {"name": "u", "groups": ["h", "g"]}]},
                "storage": {"files": [{"path": "/b", "mode": 3}]}}),
            ),
        ];
        let merged = documents
            .iter()
            .cloned()
            .reduce(merge)
            .expect("there are documents");
        let provenance = Provenance::new(&merged, documents);
        for (at, expected) in [
            ("/storage/files/0/mode", Some((0, "/storage/files/0/mode"))),
            (
                "/storage/files/0/user/name",
                Some((1, "/storage/files/1/user/name")),
            ),
            (
                "/storage/files/0/append/0",
                Some((0, "/storage/files/0/append/0")),
            ),
            (
                "/storage/files/0/append/2",
                Some((1, "/storage/files/1/append/1")),
            ),
            (
                "/storage/files/0/append/1/source",
                Some((1, "/storage/files/1/append/0/source")),
            ),
            // The fragment says nothing of it.
            (
                "/storage/files/0/append/2/source",
                Some((1, "/storage/files/1/append/1")),
            ),
            ("/storage/files/1/mode", Some((2, "/storage/files/0/mode"))),
            ("/storage/files/2", Some((1, "/storage/files/0"))),
            // No document says it: the nearest that one says.
            ("/storage/files/2/mode", Some((1, "/storage/files/0"))),
            ("/storage/files/2/contents/source", Some((1, "/storage/files/0"))),
            (
                "/storage/disks/0/partitions/0/label",
                Some((0, "/storage/disks/0/partitions/0/label")),
            ),
            (
                "/storage/disks/0/partitions/1/sizeMiB",
                Some((1, "/storage/disks/0/partitions/0/sizeMiB")),
            ),
            ("/passwd/users/0/groups/0", Some((2, "/passwd/users/1/groups/1"))),
            ("/passwd/users/1", Some((2, "/passwd/users/0"))),
            ("/kernelArguments/shouldExist/0", None),
            ("", None),
        ] {
            let expected = expected.map(|(document, at)| (document, Pointer::of(at)));
            assert_eq!(provenance.trace(&Pointer::of(at)), expected, "{at}");
        }
    }
}
