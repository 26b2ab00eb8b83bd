//! What stands once in a text and more than once in its tree: anchors, aliases, and the members that `<<` takes over.

use std::ops::Range;

use super::failure::{self, Failure};
use super::{MAX_DEPTH, MAX_LENGTH, MERGE, Properties, Read, Reader, TOO_DEEP, TOO_MANY_VALUES};
use crate::frontend::tree::{MAX_VALUES, Member, Node, Place, Value};
use crate::order;

/// How many bytes of text copies may have together: as many as the longest document.
const MAX_COPIED: usize = MAX_LENGTH;

/// How many anchors a document may have: each alias is looked for among them.
const MAX_ANCHORS: usize = 1024;

/// So many names are compared each with each: sorting them would cost more.
const FEW: usize = 16;

/// Values that aliases may refer to.
#[derive(Default)]
pub(super) struct Anchors<'a> {
    list: Vec<(&'a str, Node<'a>)>,
    values: usize,
    bytes: usize,
}

impl<'a> Anchors<'a> {
    /// How many values there are in all copies.
    pub(super) fn values(&self) -> usize {
        self.values
    }

    /// Keeps a copy of `value`, which has the anchor `name` and stands at `at`.
    pub(super) fn keep(
        &mut self,
        name: &'a str,
        value: &Value<'a>,
        place: Place,
        at: Range<usize>,
    ) -> Read<()> {
        let node = Node::new(value.clone(), place);
        self.spend(&node, at.clone())?;
        let is_full = self.list.len() == MAX_ANCHORS;
        match self.list.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = node,
            None if is_full => return Err(Failure::limit(at, "the document has more than 1024 anchors")),
            None => self.list.push((name, node)),
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Node<'a>> {
        self.list
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, node)| node)
    }

    /// Counts the values and the text of a copy that is kept, of `node` at `at`.
    fn spend(&mut self, node: &Node<'_>, at: Range<usize>) -> Read<()> {
        let (values, bytes) = weight(node);
        self.values += values;
        self.bytes += bytes;
        if self.values > MAX_VALUES {
            return Err(Failure::limit(at, TOO_MANY_VALUES));
        }
        if self.bytes > MAX_COPIED {
            return Err(Failure::limit(at, TOO_MUCH_COPIED));
        }
        Ok(())
    }

    /// Counts the text of a copy that goes into the tree, where its values are counted.
    fn spend_text(&mut self, node: &Node<'_>, at: Range<usize>) -> Read<()> {
        let values = self.values;
        self.spend(node, at)?;
        self.values = values;
        Ok(())
    }
}

const TOO_MUCH_COPIED: &str = "anchors and aliases copy more than 16 MiB of text";

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
    /// The value of the alias `name` at `place`, which has the bytes `at`.
    pub(super) fn alias(&mut self, name: &str, at: Range<usize>, place: Place) -> Read<Value<'a>> {
        let Some(node) = self.anchors.get(name).cloned() else {
            return Err(Failure::new(at, failure::ALIAS));
        };
        self.places.copies(place, node.from);
        self.anchors.spend_text(&node, at.clone())?;
        let value = self.copy(&node.value, place, &at)?;
        self.finish(value, at, Properties::default(), place)
    }

    /// A copy with places of its own below `place`, all of them at the alias.
    fn copy(&mut self, value: &Value<'a>, place: Place, at: &Range<usize>) -> Read<Value<'a>> {
        if self.depth > MAX_DEPTH {
            return Err(Failure::limit(at.clone(), TOO_DEEP));
        }
        if self.places.len() + self.anchors.values() > MAX_VALUES {
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
                    return Err(Failure::new(self.places.value(from), failure::MERGE));
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
