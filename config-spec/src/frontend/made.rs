//! What a front end makes of a document: one of Ignition 3, and the way back from it to the author's.

use std::io;

use super::Dialect;
use super::tree::{Node, Places, Value};
use crate::diagnostic::{Diagnostic, Pointer};
use crate::document::Found;
use crate::version::Version;

/// A document of Ignition 3 that was made of one in another language.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    /// The document, all members named as Ignition 3 names them; without [`Value::Plain`].
    pub(crate) document: Node<'a>,
    /// The places of the author's document.
    pub(crate) places: Places<'a>,
    /// The version it is a document of, which it says itself.
    pub(crate) version: Version,
    /// The language of the author's document.
    pub(crate) dialect: Dialect,
    /// What there is to say of the author's document, placed there. Without an error among them there is a document.
    pub(crate) findings: Vec<Diagnostic>,
    /// How the author would write a member's name.
    pub(crate) names: fn(&str) -> String,
}

impl Made<'_> {
    /// The document as JSON, without white space; members in the order in which they were made.
    pub(crate) fn json(&self) -> String {
        // A large document in a text that grows would take twice its size.
        let mut text = String::with_capacity(length(&self.document));
        write(&self.document, &mut text);
        text
    }

    /// Where in the author's document that is which stands at `at` of the made one. What the made one lacks is below the
    /// nearest place that it has.
    pub(crate) fn origin(&self, at: &Pointer) -> (Pointer, Option<Found>) {
        let mut node = &self.document;
        let mut steps = at.steps();
        let mut missing = Vec::new();
        for step in steps.by_ref() {
            let next = match &node.value {
                Value::Object(_) => node
                    .members()
                    .iter()
                    .find(|member| member.name == step)
                    .map(|member| &member.node),
                Value::List(elements) => step.parse::<usize>().ok().and_then(|index| elements.get(index)),
                _ => None,
            };
            let Some(next) = next else {
                missing.push(step);
                break;
            };
            node = next;
        }
        missing.extend(steps);
        let start = self.places.pointer(node.from);
        let at = missing
            .iter()
            .fold(start, |pointer, step| pointer.key(&(self.names)(step)));
        let found = Found {
            key: Some(self.places.key(node.from)),
            value: self.places.value(node.from),
        };
        (at, Some(found))
    }

    /// Turns findings about the made document into findings about the author's.
    pub(crate) fn settle(&self, findings: &mut [Diagnostic]) {
        for finding in findings {
            let (at, found) = self.origin(&finding.at);
            finding.at = at;
            finding.span = found.map(|found| found.value);
            if finding.message.contains("$.") {
                finding.message = self.with_origins(&finding.message);
            }
        }
    }

    /// A message that names places of the made document, with those of the author's.
    fn with_origins(&self, message: &str) -> String {
        let mut pieces = message.split("$.");
        let mut told = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let end = piece
                .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
                .unwrap_or(piece.len());
            let (place, rest) = piece.split_at(end);
            let at = place.split('.').fold(Pointer::root(), |at, step| at.key(step));
            told.push_str(&self.origin(&at).0.dollar());
            told.push_str(rest);
        }
        told
    }
}

/// How long a value is as JSON, in bytes, as long as nothing in it is escaped.
fn length(node: &Node<'_>) -> usize {
    match &node.value {
        Value::Null | Value::Boolean(_) => 5,
        Value::Number(number) => number.len(),
        Value::Text(text) | Value::Plain(text) => 2 + text.len(),
        Value::Bytes(bytes) => 2 + bytes.len(),
        Value::List(elements) => 2 + elements.iter().map(|element| 1 + length(element)).sum::<usize>(),
        Value::Object(members) => {
            let lengths = members
                .iter()
                .map(|member| 4 + member.name.len() + length(&member.node));
            2 + lengths.sum::<usize>()
        }
    }
}

/// Writes a value as JSON.
pub(crate) fn write(node: &Node<'_>, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Boolean(true) => out.push_str("true"),
        Value::Boolean(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(number),
        Value::Text(text) | Value::Plain(text) => quote(text, out),
        Value::Bytes(bytes) => quote(&String::from_utf8_lossy(bytes), out),
        Value::List(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(&member.name, out);
                out.push(':');
                write(&member.node, out);
            }
            out.push('}');
        }
    }
}

fn quote(text: &str, out: &mut String) {
    crate::json::write(&mut Writer(out), text).expect("a text is written into memory");
}

/// Takes what the JSON library writes, which are whole characters each time.
struct Writer<'t>(&'t mut String);

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        self.0.push_str(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::tree::Place;

    #[test]
    fn texts_are_written_as_they_were_read() {
        let text = "a\"\\\n\u{1}ü\u{1f600}\u{2028}";
        let mut written = String::new();
        write(&Node::text(text, Place::DOCUMENT), &mut written);
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn a_document_is_as_long_as_was_measured() {
        let json = r#"{"a":[1,"bc",{}],"d":{"e":"f"},"g":false}"#;
        let (node, _) = crate::frontend::json::read(json).unwrap();
        assert_eq!(length(&node), json.len() + 3);
    }
}
