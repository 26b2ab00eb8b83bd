//! The walk along the tables of members: what is left is known, of the right type, and said once. What a version cannot
//! tell from absence is taken out.

use crate::diagnostic::Pointer;
use crate::document::conform::{MAX_ENTRIES, TOO_MANY_ENTRIES, types_of};
use crate::document::folds_to;
use crate::fields;
use crate::frontend::tree::{Member, Node, Place, Value};
use crate::rules::catalog as rule;
use crate::suggest::{quoted, similar};

use super::Edition;
use super::draft::Draft;

/// What a value must be. `null` is absence.
pub(super) enum Shape {
    /// A text, an integer, a flag or a list of texts.
    Is(fields::Shape),
    Object(&'static [Field]),
    Objects(&'static [Field]),
}

/// A member of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    /// The first minor version that has it.
    pub(super) since: u8,
    /// The first minor version in which nothing, zero and false are something else than absence.
    pub(super) told: u8,
    pub(super) shape: Shape,
}

impl<'a> Draft<'a> {
    /// `node` without what says nothing; `None` for null and for what has the wrong type, which is told.
    pub(super) fn shaped(&mut self, node: Node<'a>, shape: &Shape) -> Option<Node<'a>> {
        let Node { value, from } = node;
        let value = match (shape, value) {
            (_, Value::Null) => return None,
            (Shape::Object(fields), Value::Object(members)) => self.object(fields, members, from),
            (Shape::Objects(fields), Value::List(elements)) => {
                self.list(elements, from, &Shape::Object(fields), Value::Object(Vec::new()))
            }
            (Shape::Is(fields::Shape::Texts), Value::List(elements)) => self.list(
                elements,
                from,
                &Shape::Is(fields::Shape::Text),
                Value::Text("".into()),
            ),
            (Shape::Is(fields::Shape::Text), value @ Value::Text(_))
            | (Shape::Is(fields::Shape::Boolean), value @ Value::Boolean(_)) => value,
            (Shape::Is(fields::Shape::Integer), Value::Number(number)) if number.parse::<i64>().is_ok() => {
                Value::Number(number)
            }
            _ => {
                self.mismatch(shape, from);
                return None;
            }
        };
        Some(Node::new(value, from))
    }

    /// As the old decoder has it, a null in a list is an element with nothing in it.
    fn list(&mut self, elements: Vec<Node<'a>>, from: Place, shape: &Shape, nothing: Value<'a>) -> Value<'a> {
        self.entries += elements.len();
        if self.entries > MAX_ENTRIES {
            if !self.is_unusable {
                let help = "ship large trees of files as one archive that a unit unpacks";
                self.tell(rule::JSON_SYNTAX, from, TOO_MANY_ENTRIES, help);
            }
            self.is_unusable = true;
            return Value::List(Vec::new());
        }
        let mut list = Vec::with_capacity(elements.len());
        for element in elements {
            let from = element.from;
            let shaped = self.shaped(element, shape);
            list.push(shaped.unwrap_or_else(|| Node::new(nothing.clone(), from)));
        }
        Value::List(list)
    }

    fn object(&mut self, fields: &'static [Field], members: Vec<Member<'a>>, from: Place) -> Value<'a> {
        let minor = self.minor();
        let mut found: Vec<Option<Node<'a>>> = Vec::new();
        found.resize_with(fields.len(), || None);
        for Member { name, node } in members {
            let there = |field: &&Field| field.since <= minor;
            let index = match fields.iter().position(|field| field.name == name) {
                Some(index) => Some(index).filter(|index| fields.get(*index).as_ref().is_some_and(there)),
                None => fields
                    .iter()
                    .position(|field| there(&field) && folds_to(&name, field.name)),
            };
            let Some((field, slot)) = index.and_then(|index| fields.get(index).zip(found.get_mut(index)))
            else {
                self.unknown(fields, &name, node.from);
                continue;
            };
            let at = node.from;
            if slot.replace(node).is_some() {
                let message = format!("{} is given twice in one object", quoted(field.name));
                let help = "only this last one counts; merge the two";
                self.tell_key(rule::KEY_DUPLICATE, at, &message, help);
            }
            if field.name != name {
                let message = format!("{} is read as \"{}\"", quoted(&name), field.name);
                let help = format!("write \"{}\"", field.name);
                self.tell_key(rule::KEY_UNKNOWN, at, &message, &help);
            }
        }
        let mut object = Node::object(from);
        for (field, node) in fields.iter().zip(found) {
            let Some(node) = node.and_then(|node| self.shaped(node, &field.shape)) else {
                continue;
            };
            if field.told <= minor || !is_zero(&node.value) {
                object = object.with(field.name, node);
            }
        }
        object.value
    }

    fn unknown(&mut self, fields: &'static [Field], name: &str, at: Place) {
        let version = self.edition.as_str();
        if let Some(newer) = fields.iter().find(|field| field.name == name) {
            let message = format!("{} is not a member of version {version}", quoted(name));
            let since = Edition::SECOND.get(usize::from(newer.since)).copied();
            let help = format!(
                "set ignition.version to {} or later, or remove it",
                since.unwrap_or_default()
            );
            return self.tell_key(rule::KEY_UNKNOWN, at, &message, &help);
        }
        if name == "kindling" && self.places.pointer(at) == Pointer::root().key(name) {
            let message =
                format!("\"kindling\" is ignored: version {version} has no place for the extension");
            let help = if self.edition.is_first {
                "write the config in version 3, which has it: files of version 1 cannot hold it".to_owned()
            } else {
                format!(
                    "write the section as JSON to the file {} of storage.files, in \"root\" and as a data: URL",
                    quoted(crate::extension::ENTRY)
                )
            };
            return self.tell_key(rule::KEY_UNKNOWN, at, &message, &help);
        }
        let message = format!("unknown member {} is ignored", quoted(name));
        let minor = self.minor();
        let names = fields.iter().filter(|field| field.since <= minor);
        let help = match similar(name, names.map(|field| field.name)) {
            Some(similar) => format!("did you mean \"{similar}\"?"),
            None => format!("version {version} has no such member: remove it"),
        };
        self.tell_key(rule::KEY_UNKNOWN, at, &message, &help);
    }

    fn mismatch(&mut self, shape: &Shape, at: Place) {
        self.is_unusable = true;
        let text = self.text;
        let literal = text.get(self.places.value(at)).unwrap_or_default();
        let wanted = match shape {
            Shape::Is(shape) => types_of::wanted(shape),
            Shape::Object(_) => "an object",
            Shape::Objects(_) => "a list of objects",
        };
        let found = types_of::found(literal.bytes().next());
        let message = match found {
            "a number" if wanted == "an integer" => {
                "a number with a fraction or an exponent, or one that does not fit in 64 bits".to_owned()
            }
            found => format!("expected {wanted}, found {found}"),
        };
        let help = match shape {
            Shape::Is(shape) => types_of::help(shape, literal),
            _ => None,
        };
        self.tell(rule::TYPE_MISMATCH, at, &message, help.unwrap_or_default());
    }
}

fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => text.is_empty(),
        Value::Number(number) => number.parse() == Ok(0_i64),
        Value::Boolean(value) => !value,
        Value::List(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Null | Value::Plain(_) | Value::Bytes(_) => true,
    }
}
