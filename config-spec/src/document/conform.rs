//! Compares a document with the table of fields: unknown members, members of newer versions, twins, wrong types.
//!
//! The same walk notes the few places where the text must read differently from how it stands (a member to be
//! ignored, half of a surrogate pair, `-0`), so that an ordinary document is deserialised straight from its text
//! and an odd one from a copy.

mod types_of;

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{Cursor, SyntaxError, decode, lone_surrogates};
use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::fields::{Field, ROOT, Shape};
use crate::rules::Findings;
use crate::rules::catalog as rule;
use crate::suggest::{self, quoted};
use crate::version::Version;

/// How many entries the lists of a document may have, all together: three bytes of text become hundreds in memory.
/// Large configs have some ten thousand.
pub(crate) const MAX_ENTRIES: usize = 1 << 17;

const TOO_MANY_ENTRIES: &str = "the lists of the document have more than 131072 entries";

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
    with: &'static str,
}

/// The name that ignored members get in the copy; no field has it.
const IGNORED: &str = "\"\"";

/// One step from the document to the value being walked.
enum Step {
    Key(&'static str),
    Index(usize),
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: Version,
    path: Vec<Step>,
    findings: Findings,
    edits: Vec<Edit>,
    entries: usize,
}

/// Walks `text`, a document of `version` whose grammar was checked.
///
/// # Errors
/// [`SyntaxError`] where the document has more than [`MAX_ENTRIES`] or [`MAX_EDITS`].
pub(crate) fn conform(text: &str, version: Version) -> Result<Conformity, SyntaxError> {
    let mut walk = Walk {
        cursor: Cursor::new(text, 0),
        version,
        path: Vec::new(),
        findings: Findings::default(),
        edits: Vec::new(),
        entries: 0,
    };
    walk.value(&Shape::Object(ROOT))?;
    walk.edits.sort_by_key(|edit| edit.range.start);
    Ok(Conformity {
        findings: walk.findings.into_inner(),
        entries: walk.entries,
        edits: walk.edits,
    })
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
            copy.push_str(edit.with);
            done = edit.range.end;
        }
        copy.push_str(text.get(done..).unwrap_or_default());
        Cow::Owned(copy)
    }
}

impl Walk<'_> {
    /// Recurses along the table only, so as deep as the table is.
    fn value(&mut self, shape: &Shape) -> Result<(), SyntaxError> {
        let first = self.cursor.value_start();
        match (shape, first) {
            (_, Some(b'n')) => self.null(shape),
            (Shape::Object(fields), Some(b'{')) => self.object(fields),
            (Shape::Objects(_) | Shape::Texts, Some(b'[')) => self.list(shape),
            (Shape::Text, Some(b'"')) => self.text(),
            (Shape::Boolean, Some(b't' | b'f')) => self.cursor.skip_value().map(drop),
            (Shape::Integer, Some(b'-' | b'0'..=b'9')) => self.integer(),
            _ => self.mismatch(shape, first),
        }
    }

    fn object(&mut self, fields: &'static [Field]) -> Result<(), SyntaxError> {
        self.cursor.expect(b'{', "expected an object")?;
        // The key of the member seen last, per field.
        let mut seen: Vec<Option<Range<usize>>> = vec![None; fields.len()];
        let mut first = true;
        while let Some(key) = self.cursor.next_member(first)? {
            first = false;
            let literal = self.cursor.slice(key.clone());
            let name = decode(literal);
            let known = fields.iter().zip(&mut seen).find(|(field, _)| field.name == name);
            let Some((field, earlier)) = known.filter(|(field, _)| field.first <= self.version) else {
                self.unknown(fields, &name, key)?;
                self.cursor.skip_value()?;
                continue;
            };
            let earlier = earlier.replace(key.clone());
            self.path.push(Step::Key(field.name));
            if let Some(earlier) = earlier {
                self.twin(field, earlier, key)?;
            }
            self.value(&field.shape)?;
            self.path.pop();
        }
        Ok(())
    }

    fn list(&mut self, shape: &Shape) -> Result<(), SyntaxError> {
        let element = match shape {
            Shape::Objects(fields) => Shape::Object(fields),
            _ => Shape::Text,
        };
        self.cursor.expect(b'[', "expected a list")?;
        let mut index = 0;
        while self.cursor.next_element(index == 0)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return self.cursor.fail(TOO_MANY_ENTRIES);
            }
            self.path.push(Step::Index(index));
            self.value(&element)?;
            self.path.pop();
            index += 1;
        }
        Ok(())
    }

    fn text(&mut self) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let literal = self.cursor.slice(range.clone());
        if literal.contains("\\u") {
            for half in lone_surrogates(literal) {
                self.edit(range.start + half.start..range.start + half.end, "\\ufffd")?;
            }
        }
        Ok(())
    }

    fn integer(&mut self) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let literal = self.cursor.slice(range.clone());
        if literal == "-0" {
            // Other decoders take it for a floating-point number.
            self.edit(range, "0")?;
        } else if literal.parse::<i64>().is_err() {
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
    fn null(&mut self, shape: &Shape) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let nullable = self.version == Version::V3_2_0
            && matches!(self.path.last(), Some(Step::Key("clevis" | "custom")));
        if matches!(shape, Shape::Object(_)) && !nullable && !self.path.is_empty() {
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
        let newer = fields.iter().find(|field| field.name == name);
        if newer.is_some() || self.cursor.slice(key.clone()).contains('\\') {
            // The reader would take a newer member for one of its own; half of a surrogate pair in a name would stop
            // it, although nobody wants the member.
            self.edit(key.clone(), IGNORED)?;
        }
        if self.findings.is_full(Severity::Warning) {
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

    fn twin(&mut self, field: &Field, earlier: Range<usize>, key: Range<usize>) -> Result<(), SyntaxError> {
        self.edit(earlier, IGNORED)?;
        let at = self.at();
        self.findings
            .report(
                rule::KEY_DUPLICATE,
                at,
                format!("\"{}\" is given twice in one object", field.name),
            )
            .span(key)
            .help("only this last one counts; merge the two");
        Ok(())
    }

    fn edit(&mut self, range: Range<usize>, with: &'static str) -> Result<(), SyntaxError> {
        if self.edits.len() >= MAX_EDITS {
            return self.cursor.fail(TOO_MANY_EDITS);
        }
        self.edits.push(Edit { range, with });
        Ok(())
    }

    fn at(&self) -> Pointer {
        self.path.iter().fold(Pointer::root(), |at, step| match step {
            Step::Key(key) => at.key(key),
            Step::Index(index) => at.index(*index),
        })
    }
}
