//! JSON text as a tree.

use std::borrow::Cow;
use std::ops::Range;

use super::tree::{MAX_VALUES, Member, Node, Place, Places, Value};
use crate::document::scan::{Cursor, SyntaxError, decode};

/// How deep lists and objects may stand in each other: no member of the language stands deeper than a third of it.
const MAX_DEPTH: usize = 64;

const TOO_MANY_VALUES: &str = "the document has more than 524288 values";

const TOO_DEEP: &str = "arrays and objects nest more than 64 levels deep";

/// The tree of `text`, whose grammar was checked, and its places. Of members with the same name all are there, in their
/// order.
///
/// # Errors
/// [`SyntaxError`] where there are more than [`MAX_VALUES`] values, or they stand too deep in each other.
pub(crate) fn read(text: &str) -> Result<(Node<'_>, Places<'_>), SyntaxError> {
    read_from(text, 0)
}

/// The same of a document that starts at byte `from` of `text`; its places are those in all of it.
///
/// # Errors
/// As [`read`].
pub(super) fn read_from(text: &str, from: usize) -> Result<(Node<'_>, Places<'_>), SyntaxError> {
    let mut reader = Reader {
        cursor: Cursor::new(text, from),
        places: Places::new(0..text.len()),
        depth: 0,
    };
    let start = reader.start();
    let value = reader.value(Place::DOCUMENT)?;
    reader.places.ends(Place::DOCUMENT, start..reader.cursor.at());
    Ok((Node::new(value, Place::DOCUMENT), reader.places))
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    places: Places<'a>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn start(&mut self) -> usize {
        self.cursor.skip_space();
        self.cursor.at()
    }

    /// The value that the cursor stands before, which is the one at `place`.
    fn value(&mut self, place: Place) -> Result<Value<'a>, SyntaxError> {
        if self.places.len() > MAX_VALUES {
            return self.cursor.fail(TOO_MANY_VALUES);
        }
        match self.cursor.value_start() {
            Some(b'{') => self.deeper(|reader| reader.object(place)),
            Some(b'[') => self.deeper(|reader| reader.list(place)),
            first => {
                let literal = self.cursor.skip_value()?;
                let literal = self.cursor.slice(literal);
                Ok(match first {
                    Some(b'"') => Value::Text(decode(literal)),
                    Some(b't') => Value::Boolean(true),
                    Some(b'f') => Value::Boolean(false),
                    Some(b'n') => Value::Null,
                    _ => Value::Number(Cow::Borrowed(literal)),
                })
            }
        }
    }

    fn deeper(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<Value<'a>, SyntaxError>,
    ) -> Result<Value<'a>, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return self.cursor.fail(TOO_DEEP);
        }
        self.depth += 1;
        let value = inside(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self, place: Place) -> Result<Value<'a>, SyntaxError> {
        self.cursor.expect(b'{', "expected an object")?;
        let mut members = Vec::new();
        while let Some(key) = self.cursor.next_member(members.is_empty())? {
            let name = decode(self.cursor.slice(key.clone()));
            let start = self.start();
            let from = self.places.member(place, name.clone(), key, start..start);
            let node = self.node(from, start)?;
            members.push(Member { name, node });
        }
        Ok(Value::Object(members))
    }

    fn list(&mut self, place: Place) -> Result<Value<'a>, SyntaxError> {
        self.cursor.expect(b'[', "expected a list")?;
        let mut elements = Vec::new();
        while self.cursor.next_element(elements.is_empty())? {
            let start = self.start();
            let from = self.places.element(place, elements.len(), start..start);
            elements.push(self.node(from, start)?);
        }
        Ok(Value::List(elements))
    }

    fn node(&mut self, from: Place, start: usize) -> Result<Node<'a>, SyntaxError> {
        let value = self.value(from)?;
        let bytes: Range<usize> = start..self.cursor.at();
        self.places.ends(from, bytes);
        Ok(Node::new(value, from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::made;

    #[test]
    fn a_document_is_read_with_its_places() {
        let text = r#" {"a": [1, {"b~/": "x\n"}], "c": {"d": null, "e": true}, "a": -2} "#;
        let (node, places) = read(text).unwrap();
        let mut again = String::new();
        made::write(&node, &mut again);
        assert_eq!(again, r#"{"a":[1,{"b~/":"x\n"}],"c":{"d":null,"e":true},"a":-2}"#);
        let inner = &node.each("a")[1];
        assert_eq!(places.pointer(inner.from).to_string(), "/a/1");
        assert_eq!(&text[places.value(inner.from)], r#"{"b~/": "x\n"}"#);
        let word = inner.get("b~/").unwrap();
        assert_eq!(places.pointer(word.from).to_string(), "/a/1/b~0~1");
        assert_eq!(&text[places.key(word.from)], "\"b~/\"");
        assert_eq!(&text[places.value(node.from)], text.trim());
        assert_eq!(node.get("c").unwrap().get("d"), None, "null is absence");
    }

    #[test]
    fn crowds_and_depths_are_refused() {
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        assert_eq!(read(&deep).unwrap_err().problem, TOO_DEEP);
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert_eq!(read(&many).unwrap_err().problem, TOO_MANY_VALUES);
    }
}
