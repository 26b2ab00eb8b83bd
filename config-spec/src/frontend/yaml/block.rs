//! Values in block style: what belongs to what is said by indentation.

use super::failure;
use super::{Key, Mapping, Node, Place, Properties, Read, Reader, Scalar, Tag, Value};

impl<'a> Reader<'a> {
    /// The value at `place`, whatever it is. In a further line it stands at column `min` at least, an entry of a list at
    /// column `list_min`. In this line a block may start only if it `is_open`.
    pub(super) fn node(
        &mut self,
        place: Place,
        min: usize,
        list_min: usize,
        is_open: bool,
    ) -> Read<Value<'a>> {
        let before = self.cursor.at();
        let mut is_open = self.cursor.skip(false)? || is_open;
        if self.is_over(min, list_min) {
            return self.scalar(Scalar::nothing(before), Properties::default(), place);
        }
        let mut outer = Properties::default();
        loop {
            let found = self.cursor.properties()?;
            let end = self.cursor.before_blanks();
            if found.start.is_none() || !self.cursor.skip(false)? {
                // What stands in one line with a key is the key's.
                return self.content(place, min, is_open, outer, found);
            }
            outer = self.both(outer, found)?;
            is_open = true;
            if self.is_over(min, list_min) {
                return self.scalar(Scalar::nothing(end), outer, place);
            }
        }
    }

    /// Whether the value that was asked for is not there: the text ends, or goes on with what does not belong to it.
    fn is_over(&self, min: usize, list_min: usize) -> bool {
        let is_first = self.is_first();
        let min = if self.cursor.is_sign(b'-') { list_min } else { min };
        self.cursor.is_end() || is_first && (self.cursor.is_marker() || self.cursor.column() < min)
    }

    /// Whether only spaces stand before the cursor in its line.
    fn is_first(&self) -> bool {
        let at = self.cursor.at();
        let before = self.cursor.slice(at - self.cursor.column(), at);
        before.bytes().all(|byte| byte == b' ')
    }

    /// What stands behind the `outer` properties, which are in lines before, and the `inner` ones, which are in this line.
    fn content(
        &mut self,
        place: Place,
        min: usize,
        is_open: bool,
        outer: Properties<'a>,
        inner: Properties<'a>,
    ) -> Read<Value<'a>> {
        let start = inner.start.unwrap_or(self.cursor.at());
        let column = self.cursor.column_of(start);
        let is_bare = inner.start.is_none();
        if self.cursor.is_sign(b'-') {
            return if is_open && is_bare {
                self.collection(start, outer, place, |reader| reader.list(place, column))
            } else {
                Err(self.cursor.fail(failure::ENTRY))
            };
        }
        if self.cursor.is_sign(b'?') {
            return if is_open && is_bare {
                self.collection(start, outer, place, |reader| reader.mapping(place, column, None))
            } else {
                Err(self.cursor.fail(failure::COLON))
            };
        }
        match self.cursor.peek(0) {
            b'|' | b'>' => {
                let properties = self.both(outer, inner)?;
                let scalar = self.block_scalar(min)?;
                self.scalar(scalar, properties, place)
            }
            b'[' | b'{' => {
                let properties = self.both(outer, inner)?;
                let value = self.flow(place, properties)?;
                self.cursor.skip_blanks();
                if self.cursor.is_sign(b':') {
                    self.cursor.go(start);
                    return Err(self.cursor.fail(failure::KEY));
                }
                self.cursor.finish_line()?;
                Ok(value)
            }
            _ => {
                let scalar = if self.cursor.is_sign(b':') {
                    Scalar::nothing(self.cursor.at())
                } else {
                    self.any_scalar(Some(min))?
                };
                self.cursor.skip_blanks();
                if !self.cursor.is_sign(b':') {
                    let properties = self.both(outer, inner)?;
                    let value = self.scalar(scalar, properties, place)?;
                    self.cursor.finish_line()?;
                    return Ok(value);
                }
                if !(is_open && scalar.is_one_line) {
                    return Err(self.cursor.fail(failure::COLON));
                }
                let key = self.key(scalar, inner)?;
                self.collection(start, outer, place, |reader| {
                    reader.mapping(place, column, Some(key))
                })
            }
        }
    }

    /// All properties of a value that has some in this line and some in lines before.
    fn both(&self, outer: Properties<'a>, inner: Properties<'a>) -> Read<Properties<'a>> {
        let has_two = outer.anchor.is_some() && inner.anchor.is_some()
            || outer.tag != Tag::None && inner.tag != Tag::None;
        if has_two {
            return Err(self.cursor.fail(failure::ANCHOR));
        }
        Ok(Properties {
            anchor: outer.anchor.or(inner.anchor),
            tag: if outer.tag == Tag::None {
                inner.tag
            } else {
                outer.tag
            },
            start: outer.start.or(inner.start),
        })
    }

    /// The entries of a list whose hyphens stand at `column`; the first is here.
    fn list(&mut self, place: Place, column: usize) -> Read<Value<'a>> {
        let mut elements = Vec::new();
        loop {
            self.cursor.advance(1);
            let at = self.cursor.at();
            let from = self.places.element(place, elements.len(), at..at);
            let value = self.node(from, column + 1, column + 1, true)?;
            elements.push(Node::new(value, from));
            if !self.goes_on(column)? || !self.cursor.is_sign(b'-') {
                elements.shrink_to_fit();
                return Ok(Value::List(elements));
            }
        }
    }

    /// The members of a mapping whose keys stand at `column`; the first one's key is here, or was read.
    fn mapping(&mut self, place: Place, column: usize, first: Option<Key<'a>>) -> Read<Value<'a>> {
        let mut mapping = Mapping::default();
        let mut read = first;
        loop {
            let is_explicit = read.is_none() && self.cursor.is_sign(b'?');
            let key = match read.take() {
                Some(key) => key,
                None if is_explicit => self.explicit_key(column)?,
                None => self.block_key()?,
            };
            let has_value = !is_explicit || self.goes_on(column)? && self.cursor.is_sign(b':');
            self.member(&mut mapping, place, key, |reader, from| {
                if has_value {
                    reader.cursor.advance(1);
                    reader.node(from, column + 1, column, is_explicit)
                } else {
                    reader.scalar(Scalar::nothing(reader.end), Properties::default(), from)
                }
            })?;
            if !self.goes_on(column)? {
                return self.whole(mapping);
            }
        }
    }

    /// Whether the next line that is none of a comment stands at `column`.
    fn goes_on(&mut self, column: usize) -> Read<bool> {
        self.cursor.skip(false)?;
        if self.cursor.is_end() || self.cursor.is_marker() || self.cursor.column() < column {
            Ok(false)
        } else if self.cursor.column() > column {
            Err(self.cursor.fail(failure::INDENT))
        } else {
            Ok(true)
        }
    }

    /// A key at the start of its line, up to its colon.
    fn block_key(&mut self) -> Read<Key<'a>> {
        let start = self.cursor;
        let properties = self.cursor.properties()?;
        let scalar = if self.cursor.is_sign(b':') {
            Scalar::nothing(self.cursor.at())
        } else if self.cursor.is_sign(b'-') {
            return Err(self.cursor.fail(failure::ENTRY));
        } else if self.cursor.opens_flow() {
            return Err(self.cursor.fail(failure::KEY));
        } else {
            self.any_scalar(None)?
        };
        self.cursor.skip_blanks();
        if !(scalar.is_one_line && self.cursor.is_sign(b':')) {
            return Err(start.fail(failure::NO_KEY));
        }
        self.key(scalar, properties)
    }

    /// A key behind a question mark at `column`.
    fn explicit_key(&mut self, column: usize) -> Read<Key<'a>> {
        self.cursor.advance(1);
        let at = self.cursor.at();
        self.cursor.skip(false)?;
        let properties = self.cursor.properties()?;
        if self.is_over(column + 1, column + 1) {
            return self.key(Scalar::nothing(at), properties);
        }
        if self.cursor.opens_flow() || self.cursor.is_sign(b'-') {
            return Err(self.cursor.fail(failure::KEY));
        }
        if matches!(self.cursor.peek(0), b'|' | b'>') {
            let scalar = self.block_scalar(column + 1)?;
            return self.key(scalar, properties);
        }
        let scalar = self.any_scalar(Some(column + 1))?;
        let key = self.key(scalar, properties)?;
        self.cursor.skip_blanks();
        if self.cursor.is_sign(b':') {
            return Err(self.cursor.fail(failure::KEY));
        }
        self.cursor.finish_line()?;
        Ok(key)
    }
}
