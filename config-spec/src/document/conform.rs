//! Compares a document with the table of fields: unknown members, members of newer versions, twins, wrong types.
//!
//! The same walk notes the few places where the text must read differently from how it stands (a member to be
//! ignored, half of a surrogate pair, `-0`), so that an ordinary document is deserialised straight from its text
//! and an odd one from a copy.

mod strict;
pub(crate) mod types_of;

use std::borrow::Cow;
use std::ops::Range;

use super::folds_to;
use super::scan::{Cursor, SyntaxError, decode, lone_surrogates};
use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::fields::{Field, KINDLING, Limit, ROOT, Shape, Table};
use crate::order;
use crate::rules::Findings;
use crate::rules::catalog as rule;
use crate::suggest::{self, quoted};
use crate::version::{NEWEST, Version};

/// How many entries the lists of a document may have, all together: three bytes of text become hundreds in memory.
/// Large configs have some ten thousand.
pub(crate) const MAX_ENTRIES: usize = 1 << 17;

pub(crate) const TOO_MANY_ENTRIES: &str = "the lists of the document have more than 131072 entries";

/// As [`MAX_ENTRIES`], for pieces of the text that must read differently. Hardly any document has one.
const MAX_EDITS: usize = 1 << 17;

const TOO_MANY_EDITS: &str = "the document has more than 131072 twins, misplaced members and broken escapes";

/// What the walk found.
pub(crate) struct Conformity {
    /// In document order.
    pub(crate) findings: Vec<Diagnostic>,
    /// How many entries the lists have, all together.
    pub(crate) entries: usize,
    edits: Vec<Edit>,
}

/// A piece of the text that must read differently.
struct Edit {
    range: Range<usize>,
    with: Replacement,
}

/// What is read in its place.
enum Replacement {
    Literal(&'static str),
    /// A member's name, which goes between quotes.
    Name(&'static str),
}

/// The name that ignored members get in the copy; no field has it.
const IGNORED: &str = "\"\"";

/// One step from the document to the value being walked.
enum Step {
    Key(&'static str),
    /// A member that the user named.
    Name(String),
    Index(usize),
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: Version,
    path: Vec<Step>,
    /// Inside the extension: unknown members are errors and the table's limits are the rules.
    strict: bool,
    findings: Findings,
    edits: Vec<Edit>,
    /// Inside a member whose name is in other letter case: the reference decodes it, and tells types that do not fit,
    /// but nothing else of what is in it, since by its name it is unknown.
    is_folded: bool,
    entries: usize,
}

/// Walks `text`, a document of `version` whose grammar was checked.
///
/// # Errors
/// [`SyntaxError`] where the document has more than [`MAX_ENTRIES`] or [`MAX_EDITS`].
pub(crate) fn conform(text: &str, version: Version) -> Result<Conformity, SyntaxError> {
    walk(text, version, &Shape::Object(&ROOT))
}

/// As [`conform()`], for a text that is the extension's section alone.
///
/// # Errors
/// [`SyntaxError`], which a checked text does not have.
pub(crate) fn conform_extension(text: &str) -> Result<Conformity, SyntaxError> {
    walk(text, NEWEST, &Shape::Strict(&KINDLING))
}

fn walk(text: &str, version: Version, shape: &Shape) -> Result<Conformity, SyntaxError> {
    let mut walk = Walk {
        cursor: Cursor::new(text, 0),
        version,
        path: Vec::new(),
        strict: false,
        findings: Findings::default(),
        edits: Vec::new(),
        is_folded: false,
        entries: 0,
    };
    walk.value(shape, &Limit::Nothing)?;
    // A name that is ignored after all comes before the same one set right.
    order::by_key(&mut walk.edits, |edit| {
        (edit.range.start, matches!(edit.with, Replacement::Name(_)))
    });
    Ok(Conformity {
        findings: walk.findings.into_inner(),
        entries: walk.entries,
        edits: walk.edits,
    })
}

/// Which of `fields` a member of a document of `version` is: the one of that very name, else one of that name in other
/// letter case.
fn field_of(fields: &[Field], name: &str, version: Version) -> Option<usize> {
    let exists = |field: &Field| field.first <= version;
    let exact = fields.iter().position(|field| field.name == name);
    match exact {
        Some(index) => Some(index).filter(|index| fields.get(*index).is_some_and(exists)),
        None => fields
            .iter()
            .position(|field| exists(field) && folds_to(name, field.name)),
    }
}

impl Conformity {
    /// The text to deserialise: `text` itself unless something in it must read differently.
    pub(crate) fn readable<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.edits.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut copy = String::with_capacity(text.len());
        let mut done = 0;
        for edit in &self.edits {
            // An edit inside a range that was already replaced has nothing left to change.
            if edit.range.start < done {
                continue;
            }
            copy.push_str(text.get(done..edit.range.start).unwrap_or_default());
            match edit.with {
                Replacement::Literal(text) => copy.push_str(text),
                Replacement::Name(name) => copy.extend(["\"", name, "\""]),
            }
            done = edit.range.end;
        }
        copy.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(copy)
    }
}

impl Walk<'_> {
    /// Recurses along the table only, so as deep as the table is.
    fn value(&mut self, shape: &Shape, limit: &Limit) -> Result<(), SyntaxError> {
        let first = self.cursor.value_start();
        match (shape, first) {
            (_, Some(b'n')) => self.null(shape, limit),
            (Shape::Object(table), Some(b'{')) => self.object(table),
            (Shape::Strict(table), Some(b'{')) => self.strictly(table),
            (Shape::Map(names, member), Some(b'{')) => self.map(names, member, limit),
            (Shape::Free, Some(b'{')) => self.free(),
            (Shape::Objects(_) | Shape::Texts, Some(b'[')) => self.list(shape, limit),
            (Shape::Text, Some(b'"')) => self.text(limit),
            (Shape::Boolean, Some(b't' | b'f')) => self.cursor.skip_value().map(drop),
            (Shape::Integer, Some(b'-' | b'0'..=b'9')) => self.integer(limit),
            _ => self.mismatch(shape, first),
        }
    }

    fn object(&mut self, table: &'static Table) -> Result<(), SyntaxError> {
        let fields = table.fields;
        self.cursor.expect(b'{', "expected an object")?;
        // The key of the member seen last, per field.
        let mut seen: Vec<Option<Range<usize>>> = vec![None; fields.len()];
        let mut first = true;
        while let Some(key) = self.cursor.next_member(first)? {
            first = false;
            let literal = self.cursor.slice(key.clone());
            let name = decode(literal);
            let index = field_of(fields, &name, self.version);
            let is_that = |index: &usize| fields.get(*index).is_some_and(|field| field.name == name);
            let Some(index) = index.filter(|index| !self.strict || is_that(index)) else {
                self.unknown(fields, &name, key)?;
                self.cursor.skip_value()?;
                continue;
            };
            let (Some(field), Some(earlier)) = (fields.get(index), seen.get_mut(index)) else {
                continue;
            };
            let earlier = earlier.replace(key.clone());
            let was_folded = self.is_folded;
            if field.name != name {
                self.folded(field, &name, key.clone())?;
            }
            self.path.push(Step::Key(field.name));
            if let Some(earlier) = earlier {
                self.edit(earlier, Replacement::Literal(IGNORED))?;
                self.twin(field.name, key);
            }
            self.value(&field.shape, &field.limit)?;
            self.path.pop();
            self.is_folded = was_folded;
        }
        Ok(())
    }

    /// A name in other letter case: the member is read, and its name told as unknown.
    fn folded(&mut self, field: &Field, name: &str, key: Range<usize>) -> Result<(), SyntaxError> {
        if !self.is_folded {
            let at = self.at().key(name);
            self.findings
                .report(
                    rule::KEY_UNKNOWN,
                    at,
                    format!("{} is read as \"{}\"", quoted(name), field.name),
                )
                .span(key.clone())
                .help(format!("write \"{}\"", field.name));
        }
        self.is_folded = true;
        self.edit(key, Replacement::Name(field.name))
    }

    fn list(&mut self, shape: &Shape, limit: &Limit) -> Result<(), SyntaxError> {
        let element = match shape {
            Shape::Objects(table) => Shape::Object(table),
            _ => Shape::Text,
        };
        self.cursor.expect(b'[', "expected a list")?;
        let mut index = 0;
        while self.cursor.next_element(index == 0)? {
            self.count_entry()?;
            self.path.push(Step::Index(index));
            self.value(&element, limit)?;
            self.path.pop();
            index += 1;
        }
        Ok(())
    }

    fn count_entry(&mut self) -> Result<(), SyntaxError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return self.cursor.fail(TOO_MANY_ENTRIES);
        }
        Ok(())
    }

    fn text(&mut self, limit: &Limit) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        self.readable_text(&range)?;
        self.limited(range, |literal| limit.refuses_text(&decode(literal)));
        Ok(())
    }

    /// Halves of surrogate pairs stop other decoders; the reference reads them as U+FFFD.
    fn readable_text(&mut self, range: &Range<usize>) -> Result<(), SyntaxError> {
        let literal = self.cursor.slice(range.clone());
        if literal.contains("\\u") {
            for half in lone_surrogates(literal) {
                let range = range.start + half.start..range.start + half.end;
                self.edit(range, Replacement::Literal("\\ufffd"))?;
            }
        }
        Ok(())
    }

    fn integer(&mut self, limit: &Limit) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let literal = self.cursor.slice(range.clone());
        if literal == "-0" {
            // Other decoders take it for a floating-point number.
            self.edit(range.clone(), Replacement::Literal("0"))?;
        }
        if literal.parse::<i64>().is_ok() {
            let refuses = |literal: &str| {
                let number = literal.parse().ok()?;
                limit.refuses_integer(number)
            };
            self.limited(range, refuses);
        } else {
            let at = self.at();
            let (problem, help) = if literal.contains(['.', 'e', 'E']) {
                (
                    "an integer written with a fraction or an exponent",
                    "write the number with digits only",
                )
            } else {
                (
                    "an integer that does not fit in 64 bits",
                    "the limits are -2^63 and 2^63 - 1",
                )
            };
            self.findings
                .report(rule::TYPE_MISMATCH, at, problem)
                .span(range)
                .help(help);
        }
        Ok(())
    }

    /// `null` where an object belongs hides from the reader that nothing is configured there.
    fn null(&mut self, shape: &Shape, limit: &Limit) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        if matches!(shape, Shape::Text) && !matches!(self.path.last(), Some(Step::Key(_))) {
            // A member can be absent; an element cannot, so it is read as an empty text.
            self.limited(range.clone(), |_| limit.refuses_text(""));
        }
        let nullable = self.version == Version::V3_2_0
            && matches!(self.path.last(), Some(Step::Key("clevis" | "custom")));
        let is_object = matches!(
            shape,
            Shape::Object(_) | Shape::Strict(_) | Shape::Map(..) | Shape::Free
        );
        if is_object && !nullable && !self.is_folded && !self.path.is_empty() {
            let at = self.at();
            self.findings
                .report(rule::OBJECT_NULL, at, "null where an object is expected")
                .span(range)
                .help("leave the member out, or write {}");
        }
        Ok(())
    }

    fn mismatch(&mut self, shape: &Shape, first: Option<u8>) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let at = self.at();
        let message = format!(
            "expected {}, found {}",
            types_of::wanted(shape),
            types_of::found(first)
        );
        let finding = self
            .findings
            .report(rule::TYPE_MISMATCH, at, message)
            .span(range.clone());
        if let Some(help) = types_of::help(shape, self.cursor.slice(range)) {
            finding.help(help);
        }
        Ok(())
    }

    fn unknown(
        &mut self,
        fields: &'static [Field],
        name: &str,
        key: Range<usize>,
    ) -> Result<(), SyntaxError> {
        if self.strict {
            let at = self.at().key(name);
            self.unknown_in_extension(fields, at, name, key);
            return Ok(());
        }
        let newer = fields.iter().find(|field| field.name == name);
        if newer.is_some() || self.cursor.slice(key.clone()).contains('\\') {
            // The reader would take a newer member for one of its own; half of a surrogate pair in a name would stop
            // it, although nobody wants the member.
            self.edit(key.clone(), Replacement::Literal(IGNORED))?;
        }
        if self.is_folded || self.findings.is_full(Severity::Warning) {
            return Ok(());
        }
        let (message, help) = match newer {
            Some(field) => {
                let message = format!("{} is not a member of version {}", quoted(name), self.version);
                (
                    message,
                    Some(format!(
                        "set ignition.version to {} or later, or remove it",
                        field.first
                    )),
                )
            }
            None => {
                let names = fields
                    .iter()
                    .filter(|field| field.first <= self.version)
                    .map(|field| field.name);
                let similar = suggest::similar(name, names);
                let message = format!("unknown member {} is ignored", quoted(name));
                (
                    message,
                    similar.map(|similar| format!("did you mean \"{similar}\"?")),
                )
            }
        };
        let at = self.at().key(name);
        let finding = self.findings.report(rule::KEY_UNKNOWN, at, message).span(key);
        if let Some(help) = help {
            finding.help(help);
        }
        Ok(())
    }

    fn twin(&mut self, name: &str, key: Range<usize>) {
        let at = self.at();
        self.findings
            .report(
                rule::KEY_DUPLICATE,
                at,
                format!("{} is given twice in one object", quoted(name)),
            )
            .span(key)
            .help("only this last one counts; merge the two");
    }

    fn edit(&mut self, range: Range<usize>, with: Replacement) -> Result<(), SyntaxError> {
        if self.edits.len() >= MAX_EDITS {
            return self.cursor.fail(TOO_MANY_EDITS);
        }
        self.edits.push(Edit { range, with });
        Ok(())
    }

    fn at(&self) -> Pointer {
        self.path.iter().fold(Pointer::root(), |at, step| match step {
            Step::Key(key) => at.key(key),
            Step::Name(name) => at.key(name),
            Step::Index(index) => at.index(*index),
        })
    }
}
