//! Documents as values, each with the place in the author's text that it comes from.
//!
//! A front end reads its language into such a tree, and makes another one of it that is a document of the newest kind. What
//! it moves or copies keeps its place; what it makes up has the place of what asked for it. So a finding about the made
//! document is one about a line that somebody wrote.

use std::borrow::Cow;
use std::ops::Range;

use crate::diagnostic::Pointer;

/// How many values a document may have. A value takes far more memory than its shortest text, and the largest configs in use
/// have some ten thousand files of seven values each.
pub(crate) const MAX_VALUES: usize = 1 << 19;

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) value: Value<'a>,
    pub(crate) from: Place,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    /// As JSON writes it.
    Number(Cow<'a, str>),
    Text(Cow<'a, str>),
    /// A scalar of YAML without quotes and without a tag: what it is, the place decides that it stands at.
    Plain(Cow<'a, str>),
    /// What YAML tags as binary and is no text. Only contents may be that.
    Bytes(Vec<u8>),
    List(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) node: Node<'a>,
}

/// A place in the author's document, known to the [`Places`] of the same document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    /// The whole document.
    pub(crate) const DOCUMENT: Self = Self(0);
}

/// The places of an author's document.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    entries: Vec<Entry<'a>>,
    /// The aliases, ascending, each with the place that it copies.
    aliases: Vec<(Place, Place)>,
}

#[derive(Debug)]
struct Entry<'a> {
    above: Place,
    step: Step<'a>,
    key: Option<Span>,
    value: Span,
}

#[derive(Debug)]
enum Step<'a> {
    Document,
    Key(Cow<'a, str>),
    Index(u32),
}

/// Bytes of a text; no document has 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        let within = |at| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: within(range.start),
            end: within(range.end),
        }
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        let wide = |at| usize::try_from(at).unwrap_or(usize::MAX);
        wide(span.start)..wide(span.end)
    }
}

impl<'a> Places<'a> {
    /// Those of a document whose one value stands at `value`.
    pub(crate) fn new(value: Range<usize>) -> Self {
        Self {
            entries: vec![Entry {
                above: Place::DOCUMENT,
                step: Step::Document,
                key: None,
                value: value.into(),
            }],
            aliases: Vec::new(),
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The member `name` of the object at `above`; its name, with quotes if it has any, stands at `key`.
    pub(crate) fn member(
        &mut self,
        above: Place,
        name: Cow<'a, str>,
        key: Range<usize>,
        value: Range<usize>,
    ) -> Place {
        self.add(Entry {
            above,
            step: Step::Key(name),
            key: Some(key.into()),
            value: value.into(),
        })
    }

    /// The element `index` of the list at `above`, counted from 0.
    pub(crate) fn element(&mut self, above: Place, index: usize, value: Range<usize>) -> Place {
        self.add(Entry {
            above,
            step: Step::Index(u32::try_from(index).unwrap_or(u32::MAX)),
            key: None,
            value: value.into(),
        })
    }

    fn add(&mut self, entry: Entry<'a>) -> Place {
        let place = Place(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        self.entries.push(entry);
        place
    }

    /// Says where the value of `place` ends, once that is known.
    pub(crate) fn ends(&mut self, place: Place, value: Range<usize>) {
        if let Some(entry) = self.entries.get_mut(index(place)) {
            entry.value = value.into();
        }
    }

    /// Says that `alias`, the newest place, stands for what is at `original`.
    pub(crate) fn copies(&mut self, alias: Place, original: Place) {
        self.aliases.push((alias, original));
    }

    /// The place of which `place` is a copy by an alias of YAML; not that of which it is a part.
    pub(crate) fn original(&self, place: Place) -> Option<Place> {
        let found = self.aliases.binary_search_by_key(&place.0, |(alias, _)| alias.0);
        found
            .ok()
            .and_then(|at| self.aliases.get(at))
            .map(|(_, original)| *original)
    }

    #[cfg(test)]
    /// Whether the mapping that `place` belongs to took it over from another one, by `<<`.
    pub(crate) fn is_taken_over(&self, place: Place) -> bool {
        let mut at = place;
        while let Some(entry) = self.entry(at)
            && at != Place::DOCUMENT
        {
            if matches!(&entry.step, Step::Key(name) if name == "<<") {
                return at != place;
            }
            at = entry.above;
        }
        false
    }

    fn entry(&self, place: Place) -> Option<&Entry<'a>> {
        self.entries.get(index(place))
    }

    /// The bytes of the value.
    pub(crate) fn value(&self, place: Place) -> Range<usize> {
        self.entry(place).map_or(0..0, |entry| entry.value.into())
    }

    /// The bytes of the member's name; the value's for what is no member.
    pub(crate) fn key(&self, place: Place) -> Range<usize> {
        let key = self.entry(place).and_then(|entry| entry.key);
        key.map_or_else(|| self.value(place), Range::from)
    }

    /// The place as its author would follow it.
    pub(crate) fn pointer(&self, place: Place) -> Pointer {
        let mut way = Vec::new();
        let mut at = place;
        while let Some(entry) = self.entry(at)
            && at != Place::DOCUMENT
        {
            way.push(&entry.step);
            at = entry.above;
        }
        way.into_iter()
            .rev()
            .fold(Pointer::root(), |pointer, step| match step {
                Step::Document => pointer,
                Step::Key(name) => pointer.key(name),
                Step::Index(index) => pointer.index(usize::try_from(*index).unwrap_or(usize::MAX)),
            })
    }
}

fn index(place: Place) -> usize {
    usize::try_from(place.0).unwrap_or(usize::MAX)
}

impl<'a> Node<'a> {
    pub(crate) fn new(value: Value<'a>, from: Place) -> Self {
        Self { value, from }
    }

    /// A text that `from` asked for.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>, from: Place) -> Self {
        Self::new(Value::Text(text.into()), from)
    }

    /// A flag that `from` asked for.
    pub(crate) fn boolean(value: bool, from: Place) -> Self {
        Self::new(Value::Boolean(value), from)
    }

    /// A number that `from` asked for.
    pub(crate) fn integer(value: i64, from: Place) -> Self {
        Self::new(Value::Number(value.to_string().into()), from)
    }

    /// An object without members yet, that `from` asked for.
    pub(crate) fn object(from: Place) -> Self {
        Self::new(Value::Object(Vec::new()), from)
    }

    /// A list that `from` asked for.
    pub(crate) fn list(elements: Vec<Self>, from: Place) -> Self {
        Self::new(Value::List(elements), from)
    }

    /// The same with a further member; for what is being made, so nobody gave that member before.
    pub(crate) fn with(mut self, name: impl Into<Cow<'a, str>>, node: Self) -> Self {
        if let Value::Object(members) = &mut self.value {
            members.push(Member {
                name: name.into(),
                node,
            });
        }
        self
    }

    /// The same with a further member, if there is one.
    pub(crate) fn with_some(self, name: impl Into<Cow<'a, str>>, node: Option<Self>) -> Self {
        match node {
            Some(node) => self.with(name, node),
            None => self,
        }
    }

    /// The member of that name, unless it is null: which is as if it were not there.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let found = self.members().iter().find(|member| member.name == name);
        found.map(|member| &member.node).filter(|node| !node.is_null())
    }

    /// As [`Self::get`].
    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut Self> {
        let Value::Object(members) = &mut self.value else {
            return None;
        };
        let found = members.iter_mut().find(|member| member.name == name);
        found
            .map(|member| &mut member.node)
            .filter(|node| !node.is_null())
    }

    /// Takes the member of that name out, also one that is null.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        let Value::Object(members) = &mut self.value else {
            return None;
        };
        let at = members.iter().position(|member| member.name == name)?;
        Some(members.remove(at).node).filter(|node| !node.is_null())
    }

    /// Gives the member of that name another value, or adds it.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'a, str>>, node: Self) {
        let Value::Object(members) = &mut self.value else {
            return;
        };
        let name = name.into();
        match members.iter_mut().find(|member| member.name == name) {
            Some(member) => member.node = node,
            None => members.push(Member { name, node }),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The members of an object; none of anything else.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The elements of a list; none of anything else.
    pub(crate) fn elements(&self) -> &[Self] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    /// The elements of the list that is the member of that name; none where there is no such list.
    pub(crate) fn each(&self, name: &str) -> &[Self] {
        self.get(name).map_or(&[], Self::elements)
    }

    /// What a text says, quoted or not.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// What the text says that is the member of that name.
    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Self::as_text)
    }

    pub(crate) fn as_boolean(&self) -> Option<bool> {
        match self.value {
            Value::Boolean(value) => Some(value),
            _ => None,
        }
    }

    /// Whether the member of that name is true.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name).and_then(Self::as_boolean) == Some(true)
    }

    /// A whole number; `None` for what does not fit 64 bits.
    pub(crate) fn as_integer(&self) -> Option<i64> {
        match &self.value {
            Value::Number(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// The whole number that is the member of that name.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Self::as_integer)
    }
}
