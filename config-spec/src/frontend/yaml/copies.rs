//! What stands once in a text and more than once in its tree: anchors, aliases, and the members that `<<` takes over.

use std::ops::Range;

use saphyr_parser::Span;

use super::failure::Failure;
use super::{MAX_DEPTH, MERGE, Read, Reader, TOO_DEEP, TOO_MANY_VALUES};
use crate::frontend::tree::{MAX_VALUES, Member, Node, Place, Value};
use crate::order;

/// How many bytes of text copies may have together: as many as the longest document.
const MAX_COPIED: usize = super::MAX_LENGTH;

/// So many names are compared each with each: sorting them would cost more.
const FEW: usize = 16;

/// Values that aliases may refer to.
#[derive(Default)]
pub(super) struct Anchors<'a> {
    /// By the number that the parser gave them.
    list: Vec<Option<Node<'a>>>,
    values: usize,
    bytes: usize,
}

impl<'a> Anchors<'a> {
    /// Keeps a copy of `value`, if it has an anchor: one above 0. It stands at `at`.
    pub(super) fn keep(
        &mut self,
        anchor: usize,
        value: &Value<'a>,
        place: Place,
        at: Range<usize>,
    ) -> Read<()> {
        if anchor == 0 {
            return Ok(());
        }
        let node = Node::new(value.clone(), place);
        self.spend(&node, at)?;
        if self.list.len() <= anchor {
            self.list.resize(anchor + 1, None);
        }
        if let Some(kept) = self.list.get_mut(anchor) {
            *kept = Some(node);
        }
        Ok(())
    }

    pub(super) fn get(&self, anchor: usize) -> Option<&Node<'a>> {
        self.list.get(anchor).and_then(Option::as_ref)
    }

    /// Counts a copy of `node` for the sake of what stands at `at`.
    fn spend(&mut self, node: &Node<'_>, at: Range<usize>) -> Read<()> {
        let (values, bytes) = weight(node);
        self.values += values;
        self.bytes += bytes;
        if self.values > MAX_VALUES {
            return Err(Failure::limit(at, TOO_MANY_VALUES));
        }
        if self.bytes > MAX_COPIED {
            return Err(Failure::limit(
                at,
                "anchors and aliases copy more than 16 MiB of text",
            ));
        }
        Ok(())
    }
}

/// How many values there are in a value, and how many bytes of text.
fn weight(node: &Node<'_>) -> (usize, usize) {
    let inside: (usize, usize) = match &node.value {
        Value::Text(text) | Value::Plain(text) | Value::Number(text) => (0, text.len()),
        Value::Bytes(bytes) => (0, bytes.len()),
        Value::Null | Value::Boolean(_) => (0, 0),
        Value::List(elements) => elements.iter().map(weight).fold((0, 0), add),
        Value::Object(members) => members
            .iter()
            .map(|member| add(weight(&member.node), (0, member.name.len())))
            .fold((0, 0), add),
    };
    add(inside, (1, 0))
}

fn add(one: (usize, usize), other: (usize, usize)) -> (usize, usize) {
    (one.0 + other.0, one.1 + other.1)
}

/// Two members with the same name, of which the second is the first one that repeats any.
pub(super) fn repeated<'m, 'a>(members: &'m [Member<'a>]) -> Option<(&'m Member<'a>, &'m Member<'a>)> {
    if members.len() <= FEW {
        return members.iter().enumerate().find_map(|(nth, second)| {
            let mut before = members.iter().take(nth);
            before
                .find(|first| first.name == second.name)
                .map(|first| (first, second))
        });
    }
    let mut sorted: Vec<(usize, &Member<'_>)> = members.iter().enumerate().collect();
    order::by(&mut sorted, |one, other| one.1.name.cmp(&other.1.name));
    let pairs = sorted
        .array_windows()
        .filter(|[first, second]| first.1.name == second.1.name);
    pairs
        .min_by_key(|[_, second]| second.0)
        .map(|[first, second]| (first.1, second.1))
}

impl<'a> Reader<'a> {
    /// The value of an alias at `place`.
    pub(super) fn alias(&mut self, id: usize, span: &Span, place: Place) -> Read<Value<'a>> {
        let start = self.marks.byte(&span.start);
        let at = self.marks.word(start);
        self.end = at.end;
        self.places.ends(place, at.clone());
        let Some(node) = self.anchors.list.get_mut(id).and_then(Option::take) else {
            return Err(Failure::limit(at, "an alias stands inside of what it refers to"));
        };
        self.places.copies(place, node.from);
        self.anchors.spend(&node, at.clone())?;
        let value = self.copy(&node.value, place, &at)?;
        if let Some(kept) = self.anchors.list.get_mut(id) {
            *kept = Some(node);
        }
        Ok(value)
    }

    /// A copy with places of its own below `place`, all of them at the alias.
    fn copy(&mut self, value: &Value<'a>, place: Place, at: &Range<usize>) -> Read<Value<'a>> {
        if self.depth > MAX_DEPTH {
            return Err(Failure::limit(at.clone(), TOO_DEEP));
        }
        if self.places.len() > MAX_VALUES {
            return Err(Failure::limit(at.clone(), TOO_MANY_VALUES));
        }
        self.depth += 1;
        let copy = match value {
            Value::List(elements) => {
                let mut copies = Vec::with_capacity(elements.len());
                for (index, element) in elements.iter().enumerate() {
                    let from = self.places.element(place, index, at.clone());
                    copies.push(Node::new(self.copy(&element.value, from, at)?, from));
                }
                Value::List(copies)
            }
            Value::Object(members) => {
                let mut copies = Vec::with_capacity(members.len());
                for Member { name, node } in members {
                    let from = self.places.member(place, name.clone(), at.clone(), at.clone());
                    let node = Node::new(self.copy(&node.value, from, at)?, from);
                    copies.push(Member {
                        name: name.clone(),
                        node,
                    });
                }
                Value::Object(copies)
            }
            scalar => scalar.clone(),
        };
        self.depth -= 1;
        Ok(copy)
    }

    /// Adds to `members` what the values of their `<<` give and they do not have. Of several mappings that give a member, the
    /// first one does.
    pub(super) fn merge(&self, members: &mut Vec<Member<'a>>, given: Vec<Node<'a>>) -> Read<()> {
        for node in given {
            let from = node.from;
            let mappings = match node.value {
                Value::List(mappings) => mappings,
                value => vec![Node::new(value, from)],
            };
            for Node { value, from } in mappings {
                let Value::Object(taken) = value else {
                    return Err(Failure::merge(self.places.value(from)));
                };
                self.take_over(members, taken);
            }
        }
        Ok(())
    }

    fn take_over(&self, members: &mut Vec<Member<'a>>, mut taken: Vec<Member<'a>>) {
        taken.retain(|member| member.name != MERGE);
        let own = members.len();
        members.append(&mut taken);
        let mut order: Vec<usize> = (0..members.len()).collect();
        order::by(&mut order, |one, other| {
            let name = |at: &usize| members.get(*at).map(|member| &member.name);
            name(one).cmp(&name(other))
        });
        let mut is_new = vec![true; members.len()];
        for [first, second] in order.array_windows() {
            let name = |at: &usize| members.get(*at).map(|member| &member.name);
            if let Some(is_new) = is_new.get_mut(*second).filter(|_| *second >= own) {
                *is_new = name(first) != name(second);
            }
        }
        let mut is_new = is_new.into_iter();
        members.retain(|_| is_new.next() == Some(true));
    }
}
