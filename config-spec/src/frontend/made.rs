//! What a front end makes of a document: one of Ignition 3, and the way back from it to the author's.

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
        let mut text = String::new();
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
    out.push_str(&crate::json::text(text));
}
