//! What the walk does inside the extension only: members the user names, other formats, limits, no unknown members.

use std::ops::Range;

use super::{Step, Walk};
use crate::diagnostic::Pointer;
use crate::document::scan::{Cursor, SyntaxError, decode};
use crate::fields::{Field, Limit, Pattern, Shape, Table};
use crate::order::OrderedSet;
use crate::rules::catalog as rule;
use crate::suggest::{self, quoted};
use crate::types::kindling::VERSION;

/// How long a value of another format may be, in bytes: reading it takes many times its own size.
const MAX_FREE_LENGTH: usize = 1 << 20;

/// How deep a value of another format may nest. Reading one recurses, and no format that stands here is half as deep.
const MAX_FREE_DEPTH: usize = 64;

impl Walk<'_> {
    /// The section of the extension; strictness ends with it.
    pub(super) fn strictly(&mut self, table: &'static Table) -> Result<(), SyntaxError> {
        self.version_is_given()?;
        let outside = std::mem::replace(&mut self.strict, true);
        let walked = self.object(table);
        self.strict = outside;
        walked
    }

    /// Only the text tells a section without members from one whose members say nothing.
    fn version_is_given(&mut self) -> Result<(), SyntaxError> {
        let mut cursor = self.cursor.clone();
        let start = cursor.at();
        cursor.expect(b'{', "expected an object")?;
        let (mut is_empty, mut is_given) = (true, false);
        while let Some(key) = cursor.next_member(is_empty)? {
            is_empty = false;
            let value = cursor.skip_value()?;
            is_given |= decode(cursor.slice(key)) == "version" && cursor.slice(value) != "null";
        }
        if !is_empty && !is_given {
            let at = self.at().key("version");
            self.findings
                .report(
                    rule::EXTENSION_VERSION_MISSING,
                    at,
                    "the extension is used without naming its version",
                )
                .span(start..cursor.at())
                .help(format!("write \"version\": \"{VERSION}\" inside it"));
        }
        Ok(())
    }

    pub(super) fn map(&mut self, names: &Pattern, member: &Shape, limit: &Limit) -> Result<(), SyntaxError> {
        self.cursor.expect(b'{', "expected an object")?;
        let mut seen = OrderedSet::new();
        let mut first = true;
        while let Some(key) = self.cursor.next_member(first)? {
            first = false;
            self.count_entry()?;
            self.readable_text(&key)?;
            let name = decode(self.cursor.slice(key.clone())).into_owned();
            self.path.push(Step::Name(name.clone()));
            if let Some(wanted) = names.refuses(&name) {
                let at = self.at();
                self.findings
                    .report(
                        rule::EXTENSION_VALUE_UNFIT,
                        at,
                        format!("the name {} does not fit here", quoted(&name)),
                    )
                    .span(key.clone())
                    .help(format!("write {wanted}"));
            }
            if seen.contains(&name) {
                self.twin(&name, key);
            }
            seen.insert(name);
            self.value(member, limit)?;
            self.path.pop();
        }
        Ok(())
    }

    /// A value of a format that is not ours: only what would stop its reading is told.
    pub(super) fn free(&mut self) -> Result<(), SyntaxError> {
        let range = self.cursor.skip_value()?;
        let text = self.cursor.slice(range.clone());
        let problem = if text.len() > MAX_FREE_LENGTH {
            Some(format!("the object has more than {MAX_FREE_LENGTH} bytes"))
        } else if nests_deeper(text, MAX_FREE_DEPTH)? {
            Some(format!("the object nests more than {MAX_FREE_DEPTH} levels deep"))
        } else if serde_json::from_str::<serde_json::Value>(text).is_err() {
            Some("the object holds a number that is too large, or half of a surrogate pair".to_owned())
        } else {
            None
        };
        if let Some(problem) = problem {
            let at = self.at();
            self.findings.report(rule::TYPE_MISMATCH, at, problem).span(range);
        }
        Ok(())
    }

    /// Holds the literal at `range` to a limit, inside the extension.
    pub(super) fn limited(&mut self, range: Range<usize>, refuses: impl FnOnce(&str) -> Option<String>) {
        if !self.strict {
            return;
        }
        if let Some(wanted) = refuses(self.cursor.slice(range.clone())) {
            let at = self.at();
            // The value is not quoted: it may be half a secret.
            self.findings
                .report(rule::EXTENSION_VALUE_UNFIT, at, format!("expected {wanted}"))
                .span(range);
        }
    }

    pub(super) fn unknown_in_extension(
        &mut self,
        fields: &'static [Field],
        at: Pointer,
        name: &str,
        key: Range<usize>,
    ) {
        let message = format!("the extension has no member {} here", quoted(name));
        let names = fields.iter().map(|field| field.name);
        let help = match suggest::similar(name, names.clone()) {
            Some(similar) => format!("did you mean \"{similar}\"?"),
            None => format!("known are {}", names.collect::<Vec<_>>().join(", ")),
        };
        self.findings
            .report(rule::EXTENSION_KEY_UNKNOWN, at, message)
            .span(key)
            .help(help);
    }
}

/// Whether the value `text` starts with nests more than `limit` levels deep.
fn nests_deeper(text: &str, limit: usize) -> Result<bool, SyntaxError> {
    let mut cursor = Cursor::new(text, 0);
    let mut depth = 0_usize;
    while let Some(byte) = cursor.value_start() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                cursor.string()?;
                continue;
            }
            _ => {}
        }
        if depth > limit {
            return Ok(true);
        }
        cursor.advance();
    }
    Ok(false)
}
