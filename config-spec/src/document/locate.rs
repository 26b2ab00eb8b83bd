//! From pointers to bytes.

use std::ops::Range;

use super::folds_to;
use super::scan::{Cursor, SyntaxError, decode};
use crate::diagnostic::Pointer;
use crate::order::{self, OrderedMap};

/// Where a pointer's member or element stands in the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The member's name with its quotes; absent for an element of a list and for the whole document.
    pub key: Option<Range<usize>>,
    /// The value.
    pub value: Range<usize>,
}

/// Steps deeper than this are not followed; no pointer of the config language has a third of them.
const MAX_STEPS: usize = 48;

/// A place that is looked for, or one on the way to it.
#[derive(Default)]
struct Node {
    /// Positions in the caller's list of pointers that end here.
    wanted: Vec<usize>,
    below: OrderedMap<String, Node>,
}

/// Where `at` stands in `text`; `None` when the document has no such place, or breaks off before it.
///
/// Of members with the same name the last one counts, as it does for the reader; and as for the reader, names match in
/// either letter case.
#[must_use]
pub fn find(text: &str, at: &Pointer) -> Option<Found> {
    find_below(text, 0, at)
}

/// As [`find()`], for a place below the value at byte `start`.
pub(crate) fn find_below(text: &str, start: usize, at: &Pointer) -> Option<Found> {
    let mut cursor = Cursor::new(text, start);
    let mut found = None;
    for step in at.steps() {
        let member = match cursor.value_start()? {
            b'{' => find_member(&mut cursor, &step).ok()??,
            b'[' => find_element(&mut cursor, &step).ok()??,
            _ => return None,
        };
        cursor = Cursor::new(text, member.value.start);
        found = Some(member);
    }
    match found {
        Some(found) => Some(found),
        None => Some(Found {
            key: None,
            value: cursor.skip_value().ok()?,
        }),
    }
}

fn find_member(cursor: &mut Cursor<'_>, name: &str) -> Result<Option<Found>, SyntaxError> {
    cursor.expect(b'{', "expected an object")?;
    let mut found = None;
    let mut first = true;
    while let Some(key) = cursor.next_member(first)? {
        first = false;
        let value = cursor.skip_value()?;
        if folds_to(&decode(cursor.slice(key.clone())), name) {
            found = Some(Found {
                key: Some(key),
                value,
            });
        }
    }
    Ok(found)
}

fn find_element(cursor: &mut Cursor<'_>, index: &str) -> Result<Option<Found>, SyntaxError> {
    cursor.expect(b'[', "expected a list")?;
    let Ok(index) = index.parse::<usize>() else {
        return Ok(None);
    };
    let mut seen = 0;
    while cursor.next_element(seen == 0)? {
        let value = cursor.skip_value()?;
        if seen == index {
            return Ok(Some(Found { key: None, value }));
        }
        seen += 1;
    }
    Ok(None)
}

/// Where each of `wanted` stands in `text`, in one walk; for a place that the document lacks, its nearest ancestor.
///
/// A text that breaks off gives `None` for what lies behind the break.
#[must_use]
pub fn locate<'p>(text: &str, wanted: impl IntoIterator<Item = &'p Pointer>) -> Vec<Option<Found>> {
    search(text, wanted, Absent::Ancestor)
}

/// As [`locate`], but `None` for a place that the document lacks.
pub(crate) fn locate_exactly<'p>(
    text: &str,
    wanted: impl IntoIterator<Item = &'p Pointer>,
) -> Vec<Option<Found>> {
    search(text, wanted, Absent::Nothing)
}

/// What stands for a place that the document lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absent {
    Ancestor,
    Nothing,
}

fn search<'p>(
    text: &str,
    wanted: impl IntoIterator<Item = &'p Pointer>,
    absent: Absent,
) -> Vec<Option<Found>> {
    let mut root = Node::default();
    let mut count = 0;
    for pointer in wanted {
        let mut node = &mut root;
        for step in pointer.steps().take(MAX_STEPS) {
            node = node.below.entry(step.into_owned()).or_default();
        }
        node.wanted.push(count);
        count += 1;
    }
    let mut walk = Walk {
        cursor: Cursor::new(text, 0),
        absent,
        found: vec![None; count],
    };
    // A breach of the grammar ends the walk; what was found before it stands.
    let _ = walk.value(&root, None);
    walk.found
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    absent: Absent,
    found: Vec<Option<Found>>,
}

impl Walk<'_> {
    /// Recurses only along wanted pointers, so at most [`MAX_STEPS`] deep.
    fn value(&mut self, node: &Node, key: Option<Range<usize>>) -> Result<(), SyntaxError> {
        let bracket = self.cursor.value_start();
        let start = self.cursor.at();
        let mut visited = match bracket {
            Some(b'{') if !node.below.is_empty() => self.object(node)?,
            Some(b'[') if !node.below.is_empty() => self.list(node)?,
            _ => {
                self.cursor.skip_value()?;
                Vec::new()
            }
        };
        let here = Found {
            key,
            value: start..self.cursor.at(),
        };
        if self.absent == Absent::Ancestor {
            order::sort(&mut visited);
            let missing = node
                .below
                .iter()
                .filter(|(step, _)| visited.binary_search(&step.as_str()).is_err());
            missing.for_each(|(_, child)| self.settle(child, &here));
        }
        self.set(node, &here);
        Ok(())
    }

    /// Returns the members below `node` that are there.
    fn object<'n>(&mut self, node: &'n Node) -> Result<Vec<&'n str>, SyntaxError> {
        let mut visited: Vec<&str> = Vec::new();
        self.cursor.expect(b'{', "expected an object")?;
        let mut first = true;
        while let Some(name) = self.cursor.next_member(first)? {
            first = false;
            let text = decode(self.cursor.slice(name.clone()));
            match node.below.get_key_value(text.as_ref()) {
                Some((step, child)) => {
                    self.value(child, Some(name))?;
                    visited.push(step);
                }
                None => {
                    self.cursor.skip_value()?;
                }
            }
        }
        Ok(visited)
    }

    /// Returns the elements below `node` that are there.
    fn list<'n>(&mut self, node: &'n Node) -> Result<Vec<&'n str>, SyntaxError> {
        let mut visited: Vec<&str> = Vec::new();
        self.cursor.expect(b'[', "expected a list")?;
        let mut index = 0_usize;
        while self.cursor.next_element(index == 0)? {
            match node.below.get_key_value(&index.to_string()) {
                Some((step, child)) => {
                    self.value(child, None)?;
                    visited.push(step);
                }
                None => {
                    self.cursor.skip_value()?;
                }
            }
            index += 1;
        }
        Ok(visited)
    }

    /// Gives `here` to everything wanted below a place the document lacks.
    fn settle(&mut self, node: &Node, here: &Found) {
        self.set(node, here);
        node.below.values().for_each(|child| self.settle(child, here));
    }

    fn set(&mut self, node: &Node, here: &Found) {
        for &position in &node.wanted {
            if let Some(slot) = self.found.get_mut(position) {
                *slot = Some(here.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#" {"a": [1, {"b~/": "x"}], "c": {"d": null}, "a": [2, {"b~/": "y"}]} "#;

    fn text_at(at: &Pointer) -> Option<&'static str> {
        find(TEXT, at).and_then(|found| TEXT.get(found.value))
    }

    #[test]
    fn a_pointer_finds_its_bytes() {
        let root = Pointer::root;
        assert_eq!(text_at(&root()), Some(TEXT.trim()));
        assert_eq!(text_at(&root().key("c").key("d")), Some("null"));
        assert_eq!(
            text_at(&root().key("a").index(1).key("b~/")),
            Some("\"y\""),
            "the last of twins counts"
        );
        assert_eq!(text_at(&root().key("a").index(2)), None);
        assert_eq!(text_at(&root().key("a").key("x")), None);
        assert_eq!(text_at(&root().key("c").key("d").key("e")), None);
        let found = find(TEXT, &root().key("c")).expect("the member is there");
        assert_eq!(found.key.and_then(|key| TEXT.get(key)), Some("\"c\""));
    }

    #[test]
    fn one_walk_finds_all_and_falls_back_to_ancestors() {
        let wanted = [
            Pointer::root().key("c").key("d"),
            Pointer::root().key("c").key("missing").key("deeper"),
            Pointer::root().key("a").index(0),
            Pointer::root().key("a").index(7).key("x"),
            Pointer::root().key("zz"),
        ];
        let texts: Vec<_> = locate(TEXT, &wanted)
            .into_iter()
            .map(|found| found.and_then(|found| TEXT.get(found.value)).unwrap_or("?"))
            .collect();
        let exact = locate_exactly(TEXT, &wanted);
        assert_eq!(
            exact.iter().map(Option::is_some).collect::<Vec<_>>(),
            [true, false, true, false, false]
        );
        assert_eq!(
            texts,
            ["null", "{\"d\": null}", "2", "[2, {\"b~/\": \"y\"}]", TEXT.trim()]
        );
    }

    #[test]
    fn endless_pointers_and_broken_texts_are_survived() {
        let mut deep = String::new();
        (0..100_000).for_each(|_| deep.push_str("{\"a\":"));
        let mut pointer = Pointer::root();
        for _ in 0..100_000 {
            pointer = pointer.key("a");
        }
        assert_eq!(find(&deep, &pointer), None);
        assert_eq!(locate(&deep, [&pointer]), [None]);
        assert_eq!(locate("", [&pointer]), [None]);
    }
}
