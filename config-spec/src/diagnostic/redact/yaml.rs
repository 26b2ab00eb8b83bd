//! Secrets in YAML, which is read for it: a text may go on for lines, and a secret be an alias for what stands elsewhere.

use std::ops::Range;

use super::{Frame, named};
use crate::frontend::tree::{Node, Places, Value};
use crate::frontend::yaml;
use crate::order;

/// How deep the walk goes, at most: no tree is deeper.
const DEEPEST: usize = 256;

/// Everything in `text` that must not be shown: secrets, and comments, in which somebody may have put one aside. `None` for what
/// is not YAML.
pub(super) fn secrets(text: &str) -> Option<Vec<Range<usize>>> {
    let (document, places) = yaml::read(text).ok()?;
    let mut walk = Walk {
        text,
        places: &places,
        shown: Vec::new(),
        hidden: Vec::new(),
        originals: Vec::new(),
        has_secret_copies: false,
        depth: 0,
    };
    walk.node(&document, "", Frame::default(), false);
    Some(walk.ranges())
}

struct Walk<'a> {
    text: &'a str,
    places: &'a Places<'a>,
    /// Keys and values that may be shown.
    shown: Vec<Range<usize>>,
    hidden: Vec<Range<usize>>,
    /// What stands there for aliases too.
    originals: Vec<Range<usize>>,
    /// Some alias stands for a secret.
    has_secret_copies: bool,
    depth: usize,
}

impl Walk<'_> {
    /// Looks at the value of the member `key`.
    fn node(&mut self, node: &Node<'_>, key: &str, frame: Frame, is_copy: bool) {
        let original = self.places.original(node.from);
        if let Some(original) = original {
            self.originals.push(self.places.value(original));
        }
        let is_copy = is_copy || original.is_some();
        if self.depth == DEEPEST {
            self.hidden.push(self.places.value(node.from));
            return;
        }
        self.depth += 1;
        match &node.value {
            Value::Object(members) => {
                let below = frame.below(key);
                for member in members {
                    let at = self.places.key(member.node.from);
                    // The key of what a mapping takes over stands where the alias does.
                    let is_copy = is_copy || at == self.places.value(member.node.from);
                    if !is_copy {
                        self.shown.push(at);
                    }
                    self.node(&member.node, &named(&member.name), below, is_copy);
                }
            }
            Value::List(elements) => {
                let below = frame.list(key);
                for element in elements {
                    self.node(element, "", below, is_copy);
                }
            }
            scalar => self.scalar(scalar, node, key, frame, is_copy),
        }
        self.depth -= 1;
    }

    fn scalar(&mut self, value: &Value<'_>, node: &Node<'_>, key: &str, frame: Frame, is_copy: bool) {
        let at = self.places.value(node.from);
        let text = match value {
            Value::Text(text) | Value::Plain(text) | Value::Number(text) => text.as_ref(),
            _ => "",
        };
        let is_bytes = matches!(value, Value::Bytes(_));
        let is_secret = is_bytes || frame.hides(key) || frame.carries_secret(key, text);
        if is_copy {
            // Only the name of an anchor stands here.
            self.has_secret_copies |= is_secret;
        } else if is_secret {
            self.hidden.push(self.inside_quotes(at));
        } else {
            self.show(at);
        }
    }

    /// Notes that `at` may be shown, but for a comment behind the sign that starts a block.
    fn show(&mut self, at: Range<usize>) {
        let written = self.text.get(at.clone()).unwrap_or_default();
        let header = written.find('\n').filter(|_| written.starts_with(['|', '>']));
        if let Some(header) = header {
            self.shown.push(at.start..at.start + 1);
            self.shown.push(at.start + header..at.end);
        } else {
            self.shown.push(at);
        }
    }

    fn inside_quotes(&self, at: Range<usize>) -> Range<usize> {
        let written = self.text.get(at.clone()).unwrap_or_default();
        if written.len() > 1 && written.starts_with(['"', '\'']) && written.ends_with(['"', '\'']) {
            at.start + 1..at.end - 1
        } else {
            at
        }
    }

    /// What must not be shown, ascending.
    fn ranges(mut self) -> Vec<Range<usize>> {
        if self.has_secret_copies {
            // Which of them it is would take long to find out, and nobody has many.
            self.hidden.append(&mut self.originals);
        }
        let mut all: Vec<(Range<usize>, bool)> = Vec::new();
        all.extend(self.hidden.into_iter().map(|at| (at, true)));
        all.extend(self.shown.into_iter().map(|at| (at, false)));
        order::by_key(&mut all, |(at, is_hidden)| (at.start, !is_hidden));
        all.push((self.text.len()..self.text.len(), false));
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut end = 0;
        for (at, is_hidden) in all {
            if at.start > end {
                comments(self.text, end..at.start, &mut ranges);
            }
            if is_hidden && at.end > end {
                ranges.push(at.start.max(end)..at.end);
            }
            end = end.max(at.end);
        }
        ranges
    }
}

/// Adds the comments that stand between values, at `at`.
fn comments(text: &str, at: Range<usize>, ranges: &mut Vec<Range<usize>>) {
    let mut start = at.start;
    for line in text.get(at).unwrap_or_default().split_inclusive('\n') {
        if let Some(sign) = line.find('#') {
            let end = line.trim_ascii_end().len().max(sign + 1);
            ranges.push(start + sign + 1..start + end);
        }
        start += line.len();
    }
}

#[cfg(test)]
mod tests;
