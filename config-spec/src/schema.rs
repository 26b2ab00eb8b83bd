//! JSON Schema (draft 2020-12) for editors, made from the table of fields.
//!
//! It never refuses a document that [`crate::check()`] takes without a finding. What it cannot say (how members depend
//! on each other, bytes instead of characters) only the rules say.

use std::fmt;

use serde_json::{Map, Value};

use crate::fields::{Field, Joining, KINDLING, Limit, ROOT, Shape, Table};
use crate::types::kindling::VERSION;
use crate::version::{NEWEST, Version};

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Whole documents of a version of the spec, the extension in them included.
    Spec(Version),
    /// The extension alone, as it stands in a file of its own.
    Extension,
}

impl Language {
    /// All of them, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        Version::ALL.into_iter().map(Self::Spec).chain([Self::Extension])
    }

    /// Reads a name: a version of the spec, `kindling-` and a version of the extension, or `kindling` for its newest.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "kindling" {
            return Some(Self::Extension);
        }
        Self::all().find(|language| language.to_string() == name)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(version) => version.fmt(out),
            Self::Extension => write!(out, "kindling-{VERSION}"),
        }
    }
}

/// The schema of `language`.
#[must_use]
pub fn schema(language: Language) -> Value {
    let (version, title, table) = match language {
        Language::Spec(version) => (version, format!("Ignition config {version}"), &ROOT),
        Language::Extension => (NEWEST, format!("Kindling extension {VERSION}"), &KINDLING),
    };
    let mut maker = Maker {
        version,
        shared: Map::new(),
    };
    let mut schema = maker.object(table);
    if language == Language::Extension {
        needs_version(&mut schema);
    }
    put(
        &mut schema,
        "$schema",
        "https://json-schema.org/draft/2020-12/schema",
    );
    put(&mut schema, "$id", format!("urn:kindling:schema:{language}"));
    put(&mut schema, "title", title);
    put(&mut schema, "$defs", maker.shared);
    Value::Object(schema)
}

type Schema = Map<String, Value>;

struct Maker {
    version: Version,
    /// Schemas of objects, by the names of their tables.
    shared: Schema,
}

impl Maker {
    fn object(&mut self, table: &Table) -> Schema {
        let version = self.version;
        let known = table.fields.iter().filter(|field| field.first <= version);
        let required = known.clone().filter(|field| field.is_required(version));
        let required: Vec<_> = required.map(|field| field.name).collect();
        let mut properties = Schema::new();
        for field in known {
            properties.insert(field.name.to_owned(), Value::Object(self.property(field)));
        }
        let mut schema = Schema::new();
        put(&mut schema, "type", "object");
        put(&mut schema, "properties", properties);
        put(&mut schema, "additionalProperties", false);
        if !required.is_empty() {
            put(&mut schema, "required", required);
        }
        schema
    }

    /// Refers to the schema of a table's objects, which is made when it is first needed.
    fn reference(&mut self, table: &Table) -> Schema {
        if !self.shared.contains_key(table.name) {
            let schema = self.object(table);
            self.shared.insert(table.name.to_owned(), Value::Object(schema));
        }
        one("$ref", format!("#/$defs/{}", table.name))
    }

    fn property(&mut self, field: &Field) -> Schema {
        let is_nullable = !field.is_required(self.version);
        let mut schema = self.value(&field.shape, &field.limit, is_nullable);
        if matches!(field.shape, Shape::Texts | Shape::Objects(_)) && !is_nullable {
            put(&mut schema, "minItems", 1);
        }
        if matches!(field.joining, Joining::ByText | Joining::ByTextAcross(_)) {
            put(&mut schema, "uniqueItems", true);
        }
        if let Some((member, since)) = field.demands
            && since <= self.version
            && let Some(Value::Object(items)) = schema.get_mut("items")
        {
            put(items, "required", [member]);
            put(items, "properties", one(member, self.text(&Limit::Filled, false)));
        }
        // 3.2.0 alone had objects that can be null.
        if self.version == Version::V3_2_0 && matches!(field.name, "clevis" | "custom") {
            schema = one("anyOf", [schema, one("type", "null")].map(Value::from).to_vec());
        }
        put(&mut schema, "description", field.about);
        if let Some(default) = field.default {
            put(&mut schema, "default", literal(default));
        }
        if let Some(example) = field.example {
            put(&mut schema, "examples", [literal(example)]);
        }
        schema
    }

    fn value(&mut self, shape: &Shape, limit: &Limit, is_nullable: bool) -> Schema {
        match shape {
            Shape::Text => self.text(limit, is_nullable),
            Shape::Integer => integer(limit, is_nullable),
            Shape::Boolean => typed("boolean", is_nullable),
            Shape::Texts => {
                let mut schema = typed("array", is_nullable);
                put(&mut schema, "items", self.text(limit, takes_nothing(limit)));
                schema
            }
            Shape::Objects(table) => {
                let mut schema = typed("array", is_nullable);
                put(&mut schema, "items", self.reference(table));
                schema
            }
            Shape::Object(table) => self.reference(table),
            Shape::Strict(table) => {
                // The extension is the same in documents of all versions.
                let outside = std::mem::replace(&mut self.version, NEWEST);
                let mut schema = self.reference(table);
                self.version = outside;
                needs_version(&mut schema);
                schema
            }
            Shape::Map(names, member) => {
                let mut schema = typed("object", false);
                put(
                    &mut schema,
                    "propertyNames",
                    one("pattern", names.expression(self.version)),
                );
                let member = self.value(member, limit, takes_nothing(limit));
                put(&mut schema, "additionalProperties", member);
                schema
            }
            Shape::Free => typed("object", false),
        }
    }

    fn text(&self, limit: &Limit, is_nullable: bool) -> Schema {
        let mut schema = typed("string", is_nullable);
        match limit {
            Limit::Words(words) => {
                let words = words.iter().filter(|(first, _)| *first <= self.version);
                one_of(&mut schema, words.map(|(_, word)| *word), is_nullable);
            }
            Limit::WordsBefore(version, words) if self.version < *version => {
                one_of(&mut schema, words.iter().copied(), is_nullable);
            }
            Limit::ExtensionVersion => one_of(&mut schema, [VERSION].into_iter(), false),
            Limit::Filled => put(&mut schema, "minLength", 1),
            Limit::MaxBytes(limit) => put(&mut schema, "maxLength", *limit),
            Limit::Pattern(pattern) => put(&mut schema, "pattern", pattern.expression(self.version)),
            Limit::Version => {
                put(&mut schema, "pattern", version_expression(self.version));
                put(&mut schema, "examples", [self.version.as_str()]);
            }
            Limit::Nothing | Limit::WordsBefore(..) | Limit::Range(..) => {}
        }
        schema
    }
}

fn put(schema: &mut Schema, keyword: &str, value: impl Into<Value>) {
    schema.insert(keyword.to_owned(), value.into());
}

/// A schema of one keyword.
fn one(keyword: &str, value: impl Into<Value>) -> Schema {
    let mut schema = Schema::new();
    put(&mut schema, keyword, value);
    schema
}

fn typed(name: &str, is_nullable: bool) -> Schema {
    let mut schema = Schema::new();
    match is_nullable {
        true => put(&mut schema, "type", [name, "null"].map(Value::from).to_vec()),
        false => put(&mut schema, "type", name),
    }
    schema
}

/// Words say their type themselves.
fn one_of(schema: &mut Schema, words: impl Iterator<Item = &'static str>, is_nullable: bool) {
    let mut words: Vec<Value> = words.map(Value::from).collect();
    if is_nullable {
        words.push(Value::Null);
    }
    schema.remove("type");
    put(schema, "enum", words);
}

fn integer(limit: &Limit, is_nullable: bool) -> Schema {
    let mut schema = typed("integer", is_nullable);
    let (low, high) = match limit {
        Limit::Range(low, high) => (*low, *high),
        _ => (i64::MIN, i64::MAX),
    };
    put(&mut schema, "minimum", low);
    put(&mut schema, "maximum", high);
    schema
}

/// Whether an element may be null, which reads as an empty text.
fn takes_nothing(limit: &Limit) -> bool {
    match limit {
        Limit::Nothing => true,
        Limit::Pattern(pattern) => pattern.fits.is_some_and(|fits| fits("")),
        _ => false,
    }
}

/// The section of the extension is empty or names its version.
fn needs_version(schema: &mut Schema) {
    let named = one("required", ["version"].map(Value::from).to_vec());
    put(
        schema,
        "anyOf",
        [one("maxProperties", 0), named].map(Value::from).to_vec(),
    );
}

/// The spellings of a version that documents may use: superfluous zeros and empty suffixes change nothing.
fn version_expression(version: Version) -> String {
    let text = version.as_str();
    let (numbers, pre_release) = text.split_once('-').unwrap_or((text, ""));
    let numbers: Vec<_> = numbers.split('.').map(|number| format!("0*{number}")).collect();
    let suffix = match pre_release {
        "" => "-?".to_owned(),
        pre_release => format!("-{pre_release}"),
    };
    format!(r"^{}{suffix}\+?$", numbers.join(r"\."))
}

/// A value that the table holds as JSON.
fn literal(json: &str) -> Value {
    serde_json::from_str(json).expect("a test reads every value of the table")
}

#[cfg(test)]
mod tests;
