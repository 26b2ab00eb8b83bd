//! YAML text as a tree (YAML 1.2.2).

mod copies;
mod failure;
mod json_form;
mod marks;
mod signs;

use std::borrow::Cow;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::tree::{MAX_VALUES, Member, Node, Place, Places, Value};
use crate::data_url;
use crate::diagnostic::Diagnostic;
use copies::Anchors;
use failure::Failure;
use marks::Marks;

/// The longest document, in bytes.
const MAX_LENGTH: usize = 16 << 20;

/// How deep lists and mappings may stand in each other: no member of the language stands deeper than a third of it.
const MAX_DEPTH: usize = 64;

/// How many signs a document may have that part its tokens: commas, opening brackets, colons behind keys and the like. The
/// largest configs in use have half as many; the parser keeps some 600 bytes for each, at most.
const MAX_SIGNS: usize = 1 << 18;

/// The key whose value gives members to its mapping.
const MERGE: &str = "<<";

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
    let read = if text.len() > MAX_LENGTH {
        Err(Failure::limit(0..0, "the document has more than 16 MiB"))
    } else if let Some(read) = json_form::read(text) {
        read
    } else {
        Reader::new(text).and_then(Reader::document)
    };
    read.map_err(|failure| failure.finding(text))
}

/// Where the document starts: behind a byte-order mark, if there is one.
fn start(text: &str) -> usize {
    if text.starts_with('\u{feff}') { 3 } else { 0 }
}

struct Reader<'a> {
    text: &'a str,
    parser: Parser<'a, StrInput<'a>>,
    marks: Marks<'a>,
    places: Places<'a>,
    anchors: Anchors<'a>,
    depth: usize,
    /// Where that ends which was read last.
    end: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Read<Self> {
        if signs::count(text) > MAX_SIGNS {
            return Err(Failure::limit(0..0, TOO_MANY_SIGNS));
        }
        // Behind the text they are the padding of whatever it was on.
        if let Some(at) = text.trim_end_matches('\0').find('\0') {
            return Err(Failure::nul(at));
        }
        let start = start(text);
        Ok(Self {
            text,
            parser: Parser::new_from_str(text.get(start..).unwrap_or_default()),
            marks: Marks::new(text, start),
            places: Places::new(0..text.len()),
            anchors: Anchors::default(),
            depth: 0,
            end: start,
        })
    }

    fn document(mut self) -> Read<(Node<'a>, Places<'a>)> {
        let document = Place::DOCUMENT;
        let value = loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd, _) => break Value::Plain(Cow::Borrowed("")),
                (event, span) => {
                    let value = self.value(event, &span, document)?;
                    // What stands behind the value is no longer looked at, but for what belongs to this document.
                    self.next()?;
                    break value;
                }
            }
        };
        Ok((Node::new(value, document), self.places))
    }

    fn next(&mut self) -> Read<(Event<'a>, Span)> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = self.marks.byte(error.marker());
                Err(Failure::grammar(self.text, at, &error))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The value that `event` starts, which is the one at `place`.
    fn value(&mut self, event: Event<'a>, span: &Span, place: Place) -> Read<Value<'a>> {
        let start = self.marks.byte(&span.start);
        if self.places.len() > MAX_VALUES {
            return Err(Failure::limit(start..start, TOO_MANY_VALUES));
        }
        let (value, anchor) = match event {
            Event::Alias(id) => return self.alias(id, span, place),
            Event::Scalar(text, style, anchor, tag) => {
                let is_given = anchor > 0 || tag.is_some();
                let at = self.scalar_bytes(style, span, is_given, text.is_empty());
                let value = self.scalar(text, style, tag.as_deref(), at.clone())?;
                self.end = at.end;
                self.places.ends(place, at);
                (value, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                let is_given = anchor > 0 || tag.is_some();
                (self.collection(start, is_given, place, Self::list)?, anchor)
            }
            Event::MappingStart(anchor, _) => (self.collection(start, true, place, Self::mapping)?, anchor),
            _ => return Err(Failure::limit(start..start, "a value is expected here")),
        };
        self.anchors
            .keep(anchor, &value, place, self.places.value(place))?;
        Ok(value)
    }

    /// A list or a mapping.
    fn collection(
        &mut self,
        start: usize,
        is_exact: bool,
        place: Place,
        inside: fn(&mut Self, Place) -> Read<(Value<'a>, Span)>,
    ) -> Read<Value<'a>> {
        if self.depth == MAX_DEPTH {
            return Err(Failure::limit(start..start, TOO_DEEP));
        }
        let is_flow = self.marks.starts_with(start, b"[{", is_exact);
        let start = if is_exact || is_flow {
            start
        } else {
            self.marks.find(self.end, start, b"-")
        };
        self.depth += 1;
        let (value, span) = inside(self, place)?;
        self.depth -= 1;
        let close = self.marks.byte(&span.start);
        if is_flow && self.marks.is_at(close, b"]}") {
            self.end = close + 1;
        }
        self.places.ends(place, start..self.end.max(start));
        Ok(value)
    }

    /// The elements until the end of the list; with where that is.
    fn list(&mut self, place: Place) -> Read<(Value<'a>, Span)> {
        let mut elements = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                elements.shrink_to_fit();
                return Ok((Value::List(elements), span));
            }
            let start = self.marks.byte(&span.start);
            let from = self.places.element(place, elements.len(), start..start);
            elements.push(Node::new(self.value(event, &span, from)?, from));
        }
    }

    /// The members until the end of the mapping; with where that is.
    fn mapping(&mut self, place: Place) -> Read<(Value<'a>, Span)> {
        let mut members: Vec<Member<'a>> = Vec::new();
        let mut given = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                self.once(&members)?;
                self.merge(&mut members, given)?;
                members.shrink_to_fit();
                return Ok((Value::Object(members), span));
            }
            let (name, key, is_plain) = self.key(event, &span)?;
            let (event, span) = self.next()?;
            let start = self.marks.byte(&span.start);
            let from = self.places.member(place, name.clone(), key, start..start);
            let mut node = Node::new(self.value(event, &span, from)?, from);
            if is_plain && name == MERGE {
                given.push(node);
                node = Node::new(Value::Null, from);
            }
            members.push(Member { name, node });
        }
    }

    /// The name of a member, its bytes, and whether it stands there without quotes.
    fn key(&mut self, event: Event<'a>, span: &Span) -> Read<(Cow<'a, str>, Range<usize>, bool)> {
        let (text, at, anchor, is_plain) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_given = anchor > 0 || tag.is_some();
                let at = self.scalar_bytes(style, span, is_given, text.is_empty());
                let is_plain = style == ScalarStyle::Plain;
                let value = self.scalar(text, style, None, at.clone())?;
                (Some(value), at, anchor, is_plain && tag.is_none())
            }
            Event::Alias(id) => {
                let start = self.marks.byte(&span.start);
                let at = self.marks.word(start);
                (self.anchors.get(id).map(|node| node.value.clone()), at, 0, false)
            }
            _ => {
                let start = self.marks.byte(&span.start);
                (None, start..start, 0, false)
            }
        };
        self.end = at.end;
        if let Some(value) = &text {
            self.anchors.keep(anchor, value, Place::DOCUMENT, at.clone())?;
        }
        match text {
            Some(Value::Text(text) | Value::Plain(text)) => Ok((text, at, is_plain)),
            _ => Err(Failure::key(at)),
        }
    }

    /// The bytes of a scalar, with its anchor and tag, and with its quotes or the sign that starts a block.
    fn scalar_bytes(
        &mut self,
        style: ScalarStyle,
        span: &Span,
        is_given: bool,
        is_empty: bool,
    ) -> Range<usize> {
        let start = self.marks.byte(&span.start);
        let end = self.marks.byte(&span.end);
        match style {
            ScalarStyle::Plain if is_empty && !is_given => self.marks.nothing(start),
            ScalarStyle::Plain => start..end,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                start..self.marks.closing_quote(self.marks.content(start, is_given))
            }
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let header = if is_given {
                    self.marks.content(start, true)
                } else {
                    self.marks.find(self.end, start, b"|>")
                };
                let start = if is_given { start } else { header };
                start..self.marks.trimmed(end).max(header + 1).min(self.text.len())
            }
        }
    }

    fn scalar(
        &self,
        text: Cow<'a, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        at: Range<usize>,
    ) -> Read<Value<'a>> {
        self.check_place(&text, style, &at)?;
        let core = tag.filter(|tag| tag.is_yaml_core_schema());
        let is_plain = match core.map(|tag| tag.suffix.as_str()) {
            Some("binary") => {
                let bare: String = text
                    .chars()
                    .filter(|letter| !letter.is_ascii_whitespace())
                    .collect();
                let bytes = data_url::base64(&bare).ok_or_else(|| Failure::base64(at.clone()))?;
                return Ok(match String::from_utf8(bytes) {
                    Ok(text) => Value::Text(text.into()),
                    Err(error) => Value::Bytes(error.into_bytes()),
                });
            }
            Some("int" | "float" | "bool" | "null") => true,
            Some(_) => false,
            None => style == ScalarStyle::Plain,
        };
        let mut text = text;
        if matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)
            && at.end == self.text.len()
            && text.ends_with('\n')
        {
            // A last line without its end has none in the value either: the crate adds one.
            text.to_mut().pop();
        }
        let text = self.borrowed(text, at);
        Ok(if is_plain {
            Value::Plain(text)
        } else {
            Value::Text(text)
        })
    }

    /// Sees that the scalar `text` stands at `at`. In lines that start with a percent sign the crate counts bytes for characters;
    /// and where things stand is what is relied on to hide secrets.
    fn check_place(&self, text: &str, style: ScalarStyle, at: &Range<usize>) -> Read<()> {
        let written = self.text.get(at.clone()).unwrap_or_default();
        let is_there = match style {
            ScalarStyle::Plain => written.contains('\n') || written.ends_with(text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => written.ends_with(['\'', '"']),
            ScalarStyle::Literal | ScalarStyle::Folded => written.starts_with(['|', '>', '&', '!']),
        };
        if is_there {
            Ok(())
        } else {
            Err(Failure::misplaced(at.clone()))
        }
    }

    /// The same text out of the document, if it stands there as it is: which is so for nearly all, and costs no memory.
    fn borrowed(&self, text: Cow<'a, str>, at: Range<usize>) -> Cow<'a, str> {
        let written = self
            .text
            .get(at)
            .unwrap_or_default()
            .trim_end_matches(['"', '\'']);
        let start = written.len().checked_sub(text.len());
        match start.and_then(|start| written.get(start..)) {
            Some(same) if same == text => Cow::Borrowed(same),
            _ => {
                let mut text = text.into_owned();
                text.shrink_to_fit();
                Cow::Owned(text)
            }
        }
    }

    fn once(&self, members: &[Member<'a>]) -> Read<()> {
        let Some((first, second)) = copies::repeated(members) else {
            return Ok(());
        };
        let first = self.places.key(first.node.from).start;
        Err(Failure::repeated(
            self.text,
            first,
            self.places.key(second.node.from),
            &second.name,
        ))
    }
}

const TOO_MANY_VALUES: &str = "the document has more than 524288 values";

const TOO_MANY_SIGNS: &str = "the document has more than 262144 commas, colons and brackets";

const TOO_DEEP: &str = "lists and mappings nest more than 64 levels deep";

#[cfg(test)]
mod tests;
