//! YAML text as a tree (YAML 1.2.2, as far as a config has use for it; as lenient with white space as libyaml).
//!
//! This reads values, not events: nothing is kept but the tree, whatever the text is, and what stands in the text as it is
//! meant is not copied ([decision 22](../../../docs/decisions/0022-own-yaml.md)).

mod block;
mod copies;
mod cursor;
mod failure;
mod flow;
mod literal;
mod scalar;

use std::borrow::Cow;
use std::ops::Range;

use super::tree::{MAX_VALUES, Member, Node, Place, Places, Value};
use crate::data_url;
use crate::diagnostic::Diagnostic;
use copies::Anchors;
use cursor::Cursor;
use failure::Failure;

/// The longest document, in bytes.
const MAX_LENGTH: usize = 16 << 20;

/// How deep lists and mappings may stand in each other: no member of the language stands deeper than a third of it.
const MAX_DEPTH: usize = 64;

/// The key whose value gives members to its mapping.
pub(crate) const MERGE: &str = "<<";

type Read<T> = Result<T, Failure>;

/// The tree of the first document in `text`, and its places.
///
/// Scalars without quotes are [`Value::Plain`], with the text they are written with; all others are [`Value::Text`]. An
/// alias is a copy of what it refers to: its place is its own, and everything below it has the alias's bytes. Where a mapping
/// takes members from another one by `<<`, these stand behind its own, and a member `<<` that is null says so.
///
/// # Errors
/// A finding, where the text is not YAML, repeats a key, or has more of something than a document may.
pub(crate) fn read(text: &str) -> Result<(Node<'_>, Places<'_>), Diagnostic> {
    document(text).map_err(|failure| failure.finding(text))
}

fn document(text: &str) -> Read<(Node<'_>, Places<'_>)> {
    if text.len() > MAX_LENGTH {
        return Err(Failure::limit(0..0, "the document has more than 16 MiB"));
    }
    let mut reader = Reader {
        cursor: Cursor::new(text)?,
        places: Places::new(0..text.len()),
        anchors: Anchors::default(),
        depth: 0,
        end: 0,
    };
    let value = reader.document()?;
    Ok((Node::new(value, Place::DOCUMENT), reader.places))
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    places: Places<'a>,
    anchors: Anchors<'a>,
    /// How many lists and mappings are open.
    depth: usize,
    /// Where the value ends that was read last.
    end: usize,
}

/// What stands before a value and belongs to it.
#[derive(Clone, Copy, Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Tag,
    /// Where they start; nothing if there are none.
    start: Option<usize>,
}

/// What a tag makes of a scalar.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Tag {
    #[default]
    None,
    /// Whatever the scalar looks like.
    Plain,
    Text,
    /// Bytes as base64.
    Binary,
    /// One without a meaning here.
    Unknown,
}

impl Tag {
    /// The tag that is written `word`.
    fn of(word: &str) -> Self {
        let core = word.strip_prefix("!!").or_else(|| {
            let verbatim = word.strip_prefix("!<tag:yaml.org,2002:")?;
            verbatim.strip_suffix('>')
        });
        match core {
            Some("int" | "float" | "bool" | "null") => Self::Plain,
            Some("binary") => Self::Binary,
            Some("str" | "timestamp") => Self::Text,
            _ => Self::Unknown,
        }
    }
}

/// A scalar as it is written, or an alias.
struct Scalar<'a> {
    text: Cow<'a, str>,
    /// Its bytes, with its quotes.
    at: Range<usize>,
    style: Style,
    /// All of it stands in one line, so that it can be a key.
    is_one_line: bool,
}

/// How a scalar is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    /// With quotes, or as a block.
    Marked,
    /// The text is the name of an anchor.
    Alias,
}

impl Scalar<'_> {
    /// Nothing, at `at`.
    fn nothing(at: usize) -> Self {
        Self {
            text: Cow::Borrowed(""),
            at: at..at,
            style: Style::Plain,
            is_one_line: true,
        }
    }
}

/// What can stand before a colon.
struct Key<'a> {
    name: Cow<'a, str>,
    /// Its bytes, with quotes, anchor and tag.
    at: Range<usize>,
    /// It asks for members of another mapping.
    is_merge: bool,
}

/// A mapping as it grows.
#[derive(Default)]
struct Mapping<'a> {
    members: Vec<Member<'a>>,
    /// What `<<` gives.
    given: Vec<Node<'a>>,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Read<Value<'a>> {
        self.cursor.skip_directives()?;
        while self.cursor.take_marker("...") {
            self.cursor.finish_line()?;
            self.cursor.skip_directives()?;
        }
        let is_open = !self.cursor.take_marker("---");
        let value = self.node(Place::DOCUMENT, 0, 0, is_open)?;
        self.cursor.skip(false)?;
        if self.cursor.is_end() || self.cursor.is_marker() {
            Ok(value)
        } else {
            Err(self.cursor.fail(failure::BEHIND))
        }
    }

    /// The value that a scalar at `place` is.
    fn scalar(&mut self, scalar: Scalar<'a>, properties: Properties<'a>, place: Place) -> Read<Value<'a>> {
        let at = properties.start.unwrap_or(scalar.at.start)..scalar.at.end;
        let is_plain = match properties.tag {
            _ if scalar.style == Style::Alias => return self.alias(&scalar.text, at, place),
            Tag::Plain => true,
            Tag::Text | Tag::Binary => false,
            Tag::None | Tag::Unknown => scalar.style == Style::Plain,
        };
        let value = if properties.tag == Tag::Binary {
            decoded(&scalar.text, &at)?
        } else if is_plain {
            Value::Plain(scalar.text)
        } else {
            Value::Text(scalar.text)
        };
        self.finish(value, at, properties, place)
    }

    /// Notes that `value` is the one at `place` and has the bytes `at`.
    fn finish(
        &mut self,
        value: Value<'a>,
        at: Range<usize>,
        properties: Properties<'a>,
        place: Place,
    ) -> Read<Value<'a>> {
        if self.places.len() + self.anchors.values() > MAX_VALUES {
            return Err(Failure::limit(at.start..at.start, TOO_MANY_VALUES));
        }
        self.end = at.end;
        if let Some(anchor) = properties.anchor {
            self.anchors.keep(anchor, &value, place, at.clone())?;
        }
        self.places.ends(place, at);
        Ok(value)
    }

    /// Reads a list or a mapping that starts at `start`.
    fn collection(
        &mut self,
        start: usize,
        properties: Properties<'a>,
        place: Place,
        inside: impl FnOnce(&mut Self) -> Read<Value<'a>>,
    ) -> Read<Value<'a>> {
        if self.depth == MAX_DEPTH {
            return Err(Failure::limit(start..start, TOO_DEEP));
        }
        self.depth += 1;
        let value = inside(self)?;
        self.depth -= 1;
        let start = properties.start.unwrap_or(start);
        self.finish(value, start..self.end.max(start), properties, place)
    }

    /// A scalar as a key.
    fn key(&mut self, scalar: Scalar<'a>, properties: Properties<'a>) -> Read<Key<'a>> {
        let at = properties.start.unwrap_or(scalar.at.start)..scalar.at.end;
        let is_merge = scalar.style == Style::Plain && properties.tag == Tag::None && scalar.text == MERGE;
        let name = if scalar.style == Style::Alias {
            match self.anchors.get(&scalar.text).map(|node| &node.value) {
                Some(Value::Text(text) | Value::Plain(text)) => text.clone(),
                Some(_) => return Err(Failure::new(at, failure::KEY)),
                None => return Err(Failure::new(at, failure::ALIAS)),
            }
        } else {
            scalar.text
        };
        if let Some(anchor) = properties.anchor {
            let value = Value::Plain(name.clone());
            self.anchors.keep(anchor, &value, Place::DOCUMENT, at.clone())?;
        }
        self.end = at.end;
        Ok(Key { name, at, is_merge })
    }

    /// Adds the member `key` of the mapping at `place`, whose value `value` reads.
    fn member(
        &mut self,
        mapping: &mut Mapping<'a>,
        place: Place,
        key: Key<'a>,
        value: impl FnOnce(&mut Self, Place) -> Read<Value<'a>>,
    ) -> Read<()> {
        let Key { name, at, is_merge } = key;
        let from = self
            .places
            .member(place, name.clone(), at, self.cursor.at()..self.cursor.at());
        let mut node = Node::new(value(self, from)?, from);
        if is_merge {
            mapping.given.push(node);
            node = Node::new(Value::Null, from);
        }
        mapping.members.push(Member { name, node });
        Ok(())
    }

    /// The mapping with all its members.
    fn whole(&self, mut mapping: Mapping<'a>) -> Read<Value<'a>> {
        if let Some((first, second)) = copies::repeated(&mapping.members) {
            let first = self.places.key(first.node.from).start;
            let at = self.places.key(second.node.from);
            return Err(Failure::repeated(self.cursor.text(), first, at, &second.name));
        }
        self.merge(&mut mapping.members, mapping.given)?;
        mapping.members.shrink_to_fit();
        Ok(Value::Object(mapping.members))
    }
}

/// What is written in base64: a text, or bytes that are none.
fn decoded<'a>(text: &str, at: &Range<usize>) -> Read<Value<'a>> {
    let bare: String = text.split_ascii_whitespace().collect();
    match data_url::base64(&bare).map(String::from_utf8) {
        Some(Ok(text)) => Ok(Value::Text(text.into())),
        Some(Err(error)) => Ok(Value::Bytes(error.into_bytes())),
        None => Err(Failure::new(at.clone(), failure::BASE64)),
    }
}

const TOO_MANY_VALUES: &str = "the document has more than 524288 values";

const TOO_DEEP: &str = "lists and mappings nest more than 64 levels deep";

#[cfg(test)]
mod tests;
