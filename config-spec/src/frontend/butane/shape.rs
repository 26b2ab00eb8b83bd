//! The typed tree: the document as it was read, walked along the tables of members. What comes out has names in camel case
//! and values of the types that the members have; what is not there, or null, is absent.

use super::remark::Remark;
use super::sugar::{self, Kind, Sugar};
use super::told::Told;
use super::variant::{ALL, Variant};
use super::{base, names, scalar};
use crate::fields::{Field, ROOT, Shape, Table};
use crate::frontend::tree::{Member, Node, Value};
use crate::rules::catalog as rule;
use crate::suggest::{quoted, similar};

/// The typed tree of a document. Values that are of another type are told, and absent.
pub(super) fn typed<'a>(document: Node<'a>, variant: &'static Variant, told: &mut Told<'_, 'a>) -> Typed<'a> {
    let from = document.from;
    let mut walk = Walk {
        variant,
        told,
        is_strict: false,
        misfits: 0,
    };
    let document = walk.object(document, Members::of(&ROOT));
    Typed {
        document: document.unwrap_or_else(|| Node::object(from)),
        misfits: walk.misfits,
    }
}

/// What came of the walk.
pub(super) struct Typed<'a> {
    pub(super) document: Node<'a>,
    /// How many values are of another type than their member takes.
    pub(super) misfits: usize,
}

/// What a value must be.
#[derive(Clone, Copy)]
enum Wanted {
    Text,
    /// A text, or bytes that are none.
    Contents,
    Integer,
    Boolean,
    Texts,
    Object(Members),
    /// The same within the extension.
    Strict(Members),
    Objects(Members),
    /// Values of one shape by names that the user gives.
    Map(&'static Shape),
    Free,
}

/// The members of one kind of object.
#[derive(Clone, Copy)]
struct Members {
    kind: &'static str,
    /// Those that Ignition has too.
    fields: &'static [Field],
}

impl Members {
    fn of(table: &'static Table) -> Self {
        Self {
            kind: table.name,
            fields: table.fields,
        }
    }

    fn own(kind: &'static str) -> Self {
        Self { kind, fields: &[] }
    }

    /// Ignition's, in configs of any variant. What a config says of its own version is no member of Ignition's.
    fn fields(self) -> impl Iterator<Item = &'static Field> {
        let is_hidden = move |field: &Field| self.kind == "ignition" && field.name == "version";
        self.fields.iter().filter(move |field| !is_hidden(field))
    }

    /// The member that people write as `written`, where the variant has it.
    fn find(self, written: &str, variant: &Variant) -> Option<(&'static str, Wanted)> {
        let field = self
            .fields()
            .find(|field| field.first <= variant.spec && names::is(field.name, written));
        if let Some(field) = field {
            return Some((field.name, Wanted::from(&field.shape)));
        }
        let sugar = sugar::of(self.kind).find(|sugar| sugar.is_of(variant) && names::is(sugar.name, written));
        sugar.map(|sugar| (sugar.name, Wanted::from(sugar)))
    }

    fn has(self, written: &str, variant: &Variant) -> bool {
        self.find(written, variant).is_some()
    }

    fn names(self, variant: &Variant) -> Vec<String> {
        let fields = self.fields().filter(|field| field.first <= variant.spec);
        let sugar = sugar::of(self.kind).filter(|sugar| sugar.is_of(variant));
        fields
            .map(|field| field.name)
            .chain(sugar.map(|sugar| sugar.name))
            .map(names::snake)
            .collect()
    }
}

impl From<&'static Shape> for Wanted {
    fn from(shape: &'static Shape) -> Self {
        match shape {
            Shape::Text => Self::Text,
            Shape::Integer => Self::Integer,
            Shape::Boolean => Self::Boolean,
            Shape::Texts => Self::Texts,
            Shape::Object(table) => Self::Object(Members::of(table)),
            Shape::Objects(table) => Self::Objects(Members::of(table)),
            Shape::Strict(table) => Self::Strict(Members::of(table)),
            Shape::Map(_, member) => Self::Map(member),
            Shape::Free => Self::Free,
        }
    }
}

impl From<&Sugar> for Wanted {
    fn from(sugar: &Sugar) -> Self {
        match sugar.kind {
            Kind::Text => Self::Text,
            Kind::Contents => Self::Contents,
            Kind::Integer => Self::Integer,
            Kind::Boolean => Self::Boolean,
            Kind::Texts => Self::Texts,
            Kind::Object(kind) => Self::Object(Members::own(kind)),
            Kind::Objects(kind) => Self::Objects(Members::own(kind)),
            Kind::Table(table) => Self::Object(Members::of(table)),
            Kind::Tables(table) => Self::Objects(Members::of(table)),
            Kind::Labels => Self::Map(&Shape::Text),
        }
    }
}

impl Wanted {
    fn words(self) -> &'static str {
        match self {
            Self::Text | Self::Contents => "a text",
            Self::Integer => "a whole number",
            Self::Boolean => "true or false",
            Self::Texts => "a list of texts",
            Self::Objects(_) => "a list of mappings",
            Self::Object(_) | Self::Strict(_) | Self::Map(_) | Self::Free => "a mapping",
        }
    }

    fn is_mapping(self) -> bool {
        matches!(
            self,
            Self::Object(_) | Self::Strict(_) | Self::Map(_) | Self::Free
        )
    }
}

struct Walk<'w, 'p, 'a> {
    variant: &'static Variant,
    told: &'w mut Told<'p, 'a>,
    /// Inside the extension an unknown member is an error.
    is_strict: bool,
    misfits: usize,
}

impl<'a> Walk<'_, '_, 'a> {
    /// The value as its member takes it; `None` for one that is not there. Recurses along the tables only, so as deep as
    /// those are.
    fn value(&mut self, node: Node<'a>, wanted: Wanted) -> Option<Node<'a>> {
        let from = node.from;
        let value = match (wanted, node.value) {
            (_, Value::Null) => return None,
            (_, Value::Plain(plain)) if scalar::is_null(&plain) => return None,
            (Wanted::Text | Wanted::Contents, Value::Plain(text) | Value::Text(text)) => Value::Text(text),
            (Wanted::Contents, Value::Bytes(bytes)) => Value::Bytes(bytes),
            (Wanted::Text, Value::Bytes(bytes)) => Value::Text(base::lossy(bytes).into()),
            (Wanted::Integer, Value::Plain(plain)) => match scalar::integer(&plain) {
                Some(number) => Value::Number(number.to_string().into()),
                None => return self.misfit(Node::new(Value::Plain(plain), from), wanted),
            },
            (Wanted::Boolean, Value::Plain(plain)) => match scalar::boolean(&plain) {
                Some(flag) => Value::Boolean(flag),
                None => return self.misfit(Node::new(Value::Plain(plain), from), wanted),
            },
            (Wanted::Texts, Value::List(elements)) => self.list(elements, Wanted::Text),
            (Wanted::Objects(members), Value::List(elements)) => self.list(elements, Wanted::Object(members)),
            (Wanted::Object(members), value @ Value::Object(_)) => {
                return self.object(Node::new(value, from), members);
            }
            (Wanted::Strict(members), value @ Value::Object(_)) => {
                self.is_strict = true;
                let object = self.object(Node::new(value, from), members);
                self.is_strict = false;
                return object;
            }
            (Wanted::Map(member), Value::Object(members)) => self.map(members, Wanted::from(member)),
            (Wanted::Free, value @ Value::Object(_)) => resolved(Node::new(value, from)).value,
            (_, value) => return self.misfit(Node::new(value, from), wanted),
        };
        Some(Node::new(value, from))
    }

    /// Elements that are null are left out.
    fn list(&mut self, elements: Vec<Node<'a>>, wanted: Wanted) -> Value<'a> {
        let elements = elements.into_iter();
        Value::List(
            elements
                .filter_map(|element| self.value(element, wanted))
                .collect(),
        )
    }

    fn map(&mut self, members: Vec<Member<'a>>, wanted: Wanted) -> Value<'a> {
        let member = |Member { name, node }| {
            let node = self.value(node, wanted)?;
            Some(Member { name, node })
        };
        Value::Object(members.into_iter().filter_map(member).collect())
    }

    fn object(&mut self, node: Node<'a>, members: Members) -> Option<Node<'a>> {
        let from = node.from;
        let Value::Object(written) = node.value else {
            return self.misfit(node, Wanted::Object(members));
        };
        if self.told.places.original(from).is_some() {
            self.told.remark(Remark::new(rule::BUTANE_ALIAS, from, ALIAS, ""));
        }
        let mut typed = Vec::with_capacity(written.len());
        for Member { name, node } in written {
            if name == MERGE && node.is_null() {
                self.told
                    .name(rule::BUTANE_ALIAS, node.from, ALIAS.to_owned(), None);
                continue;
            }
            let Some((name, wanted)) = members.find(&name, self.variant) else {
                self.unknown(&name, &node, members);
                continue;
            };
            if wanted.is_mapping() && is_null(&node) {
                self.null(&node);
                continue;
            }
            if let Some(node) = self.value(node, wanted) {
                let name = name.into();
                typed.push(Member { name, node });
            }
        }
        Some(Node::new(Value::Object(typed), from))
    }

    /// Nothing where a mapping belongs mostly means that its lines stand too far to the left.
    fn null(&mut self, node: &Node<'a>) {
        self.told.remark(Remark::new(
            rule::OBJECT_NULL,
            node.from,
            "nothing stands here where a mapping is expected",
            "indent what belongs below it, leave the key out, or write {}",
        ));
    }

    fn misfit(&mut self, node: Node<'a>, wanted: Wanted) -> Option<Node<'a>> {
        self.misfits += 1;
        let found = match &node.value {
            Value::Object(_) => "a mapping",
            Value::List(_) => "a list",
            Value::Text(_) => "a text",
            Value::Bytes(_) => "bytes",
            Value::Plain(_) | Value::Number(_) | Value::Boolean(_) | Value::Null => "another scalar",
        };
        self.told.remark(Remark::new(
            rule::TYPE_MISMATCH,
            node.from,
            format!("expected {}, found {found}", wanted.words()),
            help(&node.value, wanted),
        ));
        None
    }

    fn unknown(&mut self, name: &str, node: &Node<'a>, members: Members) {
        let rule = if self.is_strict {
            rule::EXTENSION_KEY_UNKNOWN
        } else {
            rule::KEY_UNKNOWN
        };
        if self.told.is_full(rule.severity) {
            return;
        }
        let family = ALL.iter().filter(|variant| variant.family == self.variant.family);
        let mut newer = family.filter(|variant| members.has(name, variant));
        let (message, help) = match newer.next() {
            Some(newer) => {
                let (this, family) = (self.variant.version, self.variant.family.name());
                let message = format!("{} is no member of {family} {this}: it is ignored", quoted(name));
                (message, Some(format!("it came with {family} {}", newer.version)))
            }
            None => {
                let names = members.names(self.variant);
                let meant = similar(name, names.iter().map(String::as_str));
                let message = format!("unknown member {}", quoted(name));
                let ignored = if self.is_strict { "" } else { " is ignored" };
                (
                    message + ignored,
                    meant.map(|meant| format!("did you mean \"{meant}\"?")),
                )
            }
        };
        self.told.name(rule, node.from, message, help);
    }
}

/// The key by which a mapping has the members of another one.
const MERGE: &str = "<<";

const ALIAS: &str = "this counts; the reference's translator warns of it, and with --strict refuses it";

fn is_null(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Null => true,
        Value::Plain(plain) => scalar::is_null(plain),
        _ => false,
    }
}

fn help(value: &Value<'_>, wanted: Wanted) -> &'static str {
    match (wanted, value) {
        (Wanted::Integer | Wanted::Boolean, Value::Text(_)) => "write it without quotes",
        (Wanted::Texts, Value::Plain(_) | Value::Text(_)) => {
            "start the line with a hyphen, or put it in square brackets"
        }
        (Wanted::Objects(_), Value::Object(_)) => "put a hyphen before the first key",
        (Wanted::Text, Value::Object(_)) => "put the text in quotes if it has a colon",
        (wanted, Value::List(_)) if wanted.is_mapping() => "leave out the hyphens",
        _ => "",
    }
}

/// A value of somebody else's format, without [`Value::Plain`]. As deep as the document, which has a bound.
fn resolved<'a>(node: Node<'a>) -> Node<'a> {
    let value = match node.value {
        Value::Plain(plain) => scalar::resolved(plain),
        Value::List(elements) => Value::List(elements.into_iter().map(resolved).collect()),
        Value::Object(members) => {
            let member = |member: Member<'a>| Member {
                node: resolved(member.node),
                ..member
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        value => value,
    };
    Node::new(value, node.from)
}
