//! Lists in brackets and mappings in braces, which may stand in as many lines as they like.

use super::failure::{self, Failure};
use super::{Key, Mapping, Node, Place, Properties, Read, Reader, Scalar, Style, Value};

impl<'a> Reader<'a> {
    /// A list or a mapping from its bracket or brace on.
    pub(super) fn flow(&mut self, place: Place, properties: Properties<'a>) -> Read<Value<'a>> {
        let start = self.cursor.at();
        let is_list = self.cursor.peek(0) == b'[';
        self.cursor.advance(1);
        self.collection(start, properties, place, |reader| {
            let value = if is_list {
                reader.flow_list(place)
            } else {
                reader.flow_mapping(place)
            };
            value.map_err(|failure| failure.or_unclosed(start))
        })
    }

    /// Goes to the next entry, or over what `closes`; which of both it was.
    fn next_entry(&mut self, is_first: bool, closes: u8) -> Read<bool> {
        self.skip_flow()?;
        if !is_first && self.cursor.peek(0) != closes {
            if self.cursor.peek(0) != b',' {
                return Err(self.cursor.fail(failure::FLOW));
            }
            self.cursor.advance(1);
            self.skip_flow()?;
        }
        if self.cursor.peek(0) == closes {
            self.cursor.advance(1);
            self.end = self.cursor.at();
            return Ok(false);
        }
        if self.cursor.peek(0) == b',' {
            return Err(self.cursor.fail(failure::FLOW));
        }
        Ok(true)
    }

    fn skip_flow(&mut self) -> Read<()> {
        self.cursor.skip(true)?;
        if self.cursor.is_end() || self.cursor.is_marker() {
            Err(Failure::unclosed())
        } else {
            Ok(())
        }
    }

    fn flow_list(&mut self, place: Place) -> Read<Value<'a>> {
        let mut elements = Vec::new();
        while self.next_entry(elements.is_empty(), b']')? {
            let at = self.cursor.at();
            let from = self.places.element(place, elements.len(), at..at);
            elements.push(Node::new(self.flow_value(from, true)?, from));
        }
        elements.shrink_to_fit();
        Ok(Value::List(elements))
    }

    fn flow_mapping(&mut self, place: Place) -> Read<Value<'a>> {
        let mut mapping = Mapping::default();
        while self.next_entry(mapping.members.is_empty(), b'}')? {
            let key = self.flow_key()?;
            self.pair(&mut mapping, place, key)?;
        }
        self.whole(mapping)
    }

    /// A key, which may have a question mark before it.
    fn flow_key(&mut self) -> Read<Key<'a>> {
        if self.cursor.is_sign(b'?') {
            self.cursor.advance(1);
            self.skip_flow()?;
        }
        let properties = self.flow_properties()?;
        if self.cursor.opens_flow() {
            return Err(self.cursor.fail(failure::KEY));
        }
        let scalar = self.flow_scalar()?;
        self.key(scalar, properties)
    }

    fn flow_properties(&mut self) -> Read<Properties<'a>> {
        let properties = self.cursor.properties()?;
        self.skip_flow()?;
        Ok(properties)
    }

    /// A scalar, or nothing where the next sign stands that separates.
    fn flow_scalar(&mut self) -> Read<Scalar<'a>> {
        let at = self.cursor.at();
        if self.cursor.is_flow_sign(0) || self.is_colon(false) {
            return Ok(Scalar::nothing(at));
        }
        self.any_flow_scalar()
    }

    /// Whether the colon behind a key is here; behind one in quotes, anything may follow.
    fn is_colon(&self, is_quoted: bool) -> bool {
        self.cursor.peek(0) == b':' && (is_quoted || self.cursor.is_blank(1) || self.cursor.is_flow_sign(1))
    }

    /// The member `key`, whose colon may follow.
    fn pair(&mut self, mapping: &mut Mapping<'a>, place: Place, key: Key<'a>) -> Read<()> {
        self.skip_flow()?;
        let has_value = self.cursor.peek(0) == b':';
        self.member(mapping, place, key, |reader, from| {
            if !has_value {
                return reader.scalar(Scalar::nothing(reader.end), Properties::default(), from);
            }
            reader.cursor.advance(1);
            let at = reader.cursor.at();
            reader.skip_flow()?;
            if reader.cursor.is_flow_sign(0) && !reader.cursor.opens_flow() {
                return reader.scalar(Scalar::nothing(at), Properties::default(), from);
            }
            reader.flow_value(from, false)
        })
    }

    /// The value at `place`; in a list it may be a mapping of one member, without braces.
    fn flow_value(&mut self, place: Place, may_be_pair: bool) -> Read<Value<'a>> {
        let start = self.cursor.at();
        if may_be_pair && self.cursor.is_sign(b'?') {
            let key = self.flow_key()?;
            return self.one_pair(start, place, key);
        }
        let properties = self.flow_properties()?;
        if self.cursor.opens_flow() {
            let value = self.flow(place, properties)?;
            self.skip_flow()?;
            if self.cursor.peek(0) == b':' {
                return Err(self.cursor.fail(failure::KEY));
            }
            return Ok(value);
        }
        let scalar = self.flow_scalar()?;
        self.skip_flow()?;
        if may_be_pair && self.is_colon(scalar.style == Style::Marked) {
            let key = self.key(scalar, properties)?;
            return self.one_pair(start, place, key);
        }
        self.scalar(scalar, properties, place)
    }

    fn one_pair(&mut self, start: usize, place: Place, key: Key<'a>) -> Read<Value<'a>> {
        self.collection(start, Properties::default(), place, |reader| {
            let mut mapping = Mapping::default();
            reader.pair(&mut mapping, place, key)?;
            reader.whole(mapping)
        })
    }
}
