//! Objects of the language, read and written member by member through tables of what each has.
//!
//! The code that walks JSON is there once for all of them, not once for each type: that is a sixth of it.
//!
//! `null` reads as absence, and absence is not written. Members that nobody knows are passed over: the check of shapes has
//! told of them.

use std::fmt::{self, Formatter};

use crate::order::OrderedMap;

use serde::de::{
    DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

mod define;

pub(super) use define::{camel, camel_length, name, object};

/// An object with members of fixed names.
pub(super) trait Object {
    /// The names in JSON, at most 64.
    fn names(&self) -> &'static [&'static str];
    /// The member with the name of that place.
    fn member(&self, at: usize) -> &dyn Member;
    /// The same, to be read.
    fn member_mut(&mut self, at: usize) -> &mut dyn Member;
    /// Whether the member is left out when it is written, although its kind never is by itself.
    fn is_left_out(&self, at: usize) -> bool;
}

/// A list of members of one kind.
pub(super) trait List {
    /// Another element, for now its kind's default.
    fn push(&mut self) -> &mut dyn Member;
    fn element(&self, at: usize) -> Option<&dyn Member>;
}

/// An object whose members the user names.
pub(super) trait Named {
    /// The member of that name, for now its kind's default, in place of an earlier one.
    fn insert(&mut self, name: &str) -> &mut dyn Member;
    fn each(&self, tell: &mut dyn FnMut(&str, &dyn Member));
}

/// What a member holds. Absent are options without a value, and empty lists and maps.
pub(super) enum Held<'a> {
    Nothing,
    Text(&'a str),
    Integer(i64),
    Boolean(bool),
    List(&'a dyn List),
    Object(&'a dyn Object),
    Named(&'a dyn Named),
    Free(&'a Map<String, Value>),
}

/// Where a member's value goes.
pub(super) enum Place<'a> {
    Text(&'a mut String),
    Integer(&'a mut i64),
    Boolean(&'a mut bool),
    List(&'a mut dyn List),
    Object(&'a mut dyn Object),
    Named(&'a mut dyn Named),
    Free(&'a mut Map<String, Value>),
}

/// A value of the language.
pub(super) trait Member {
    fn held(&self) -> Held<'_>;
    /// Asked for only when there is a value, so an option has one from then on.
    fn place(&mut self) -> Place<'_>;
}

impl Member for String {
    fn held(&self) -> Held<'_> {
        Held::Text(self)
    }

    fn place(&mut self) -> Place<'_> {
        Place::Text(self)
    }
}

impl Member for i64 {
    fn held(&self) -> Held<'_> {
        Held::Integer(*self)
    }

    fn place(&mut self) -> Place<'_> {
        Place::Integer(self)
    }
}

impl Member for bool {
    fn held(&self) -> Held<'_> {
        Held::Boolean(*self)
    }

    fn place(&mut self) -> Place<'_> {
        Place::Boolean(self)
    }
}

impl<T: Member + Default> Member for Option<T> {
    fn held(&self) -> Held<'_> {
        self.as_ref().map_or(Held::Nothing, Member::held)
    }

    fn place(&mut self) -> Place<'_> {
        self.insert(T::default()).place()
    }
}

impl<T: Member + Default> Member for Vec<T> {
    fn held(&self) -> Held<'_> {
        if self.is_empty() {
            Held::Nothing
        } else {
            Held::List(self)
        }
    }

    fn place(&mut self) -> Place<'_> {
        Place::List(self)
    }
}

impl<T: Member + Default> List for Vec<T> {
    fn push(&mut self) -> &mut dyn Member {
        self.push_mut(T::default())
    }

    fn element(&self, at: usize) -> Option<&dyn Member> {
        self.get(at).map(|element| element as &dyn Member)
    }
}

impl<T: Member + Default> Member for OrderedMap<String, T> {
    fn held(&self) -> Held<'_> {
        if self.is_empty() {
            Held::Nothing
        } else {
            Held::Named(self)
        }
    }

    fn place(&mut self) -> Place<'_> {
        Place::Named(self)
    }
}

impl<T: Member + Default> Named for OrderedMap<String, T> {
    fn insert(&mut self, name: &str) -> &mut dyn Member {
        let member = self.entry(name.to_owned()).or_default();
        *member = T::default();
        member
    }

    fn each(&self, tell: &mut dyn FnMut(&str, &dyn Member)) {
        for (name, member) in self {
            tell(name, member);
        }
    }
}

impl Member for Map<String, Value> {
    fn held(&self) -> Held<'_> {
        if self.is_empty() {
            Held::Nothing
        } else {
            Held::Free(self)
        }
    }

    fn place(&mut self) -> Place<'_> {
        Place::Free(self)
    }
}

/// Reads a whole object, which must not be `null`.
pub(super) fn read<'de, D: Deserializer<'de>>(
    name: &'static str,
    object: &mut dyn Object,
    from: D,
) -> Result<(), D::Error> {
    let names = object.names();
    from.deserialize_struct(name, names, Members(object))
}

/// Writes a whole object.
pub(super) fn write<S: Serializer>(object: &dyn Object, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(None)?;
    for (at, name) in object.names().iter().enumerate() {
        let member = object.member(at);
        if !matches!(member.held(), Held::Nothing) && !object.is_left_out(at) {
            map.serialize_entry(name, &Written(member))?;
        }
    }
    map.end()
}

struct Written<'a>(&'a dyn Member);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.held() {
            Held::Nothing => to.serialize_none(),
            Held::Text(text) => to.serialize_str(text),
            Held::Integer(number) => to.serialize_i64(number),
            Held::Boolean(flag) => to.serialize_bool(flag),
            Held::Object(object) => write(object, to),
            Held::Free(map) => map.serialize(to),
            Held::List(list) => {
                let mut written = to.serialize_seq(None)?;
                let mut at = 0;
                while let Some(element) = list.element(at) {
                    written.serialize_element(&Written(element))?;
                    at += 1;
                }
                written.end()
            }
            Held::Named(named) => {
                let mut written = to.serialize_map(None)?;
                let mut outcome = Ok(());
                named.each(&mut |name, member| {
                    if outcome.is_ok() {
                        outcome = written.serialize_entry(name, &Written(member));
                    }
                });
                outcome?;
                written.end()
            }
        }
    }
}

/// Reads the members of an object.
struct Members<'a>(&'a mut dyn Object);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        let names = self.0.names();
        let mut seen = 0_u64;
        while let Some(found) = from.next_key_seed(Name(names))? {
            let Some(at) = found else {
                from.next_value::<IgnoredAny>()?;
                continue;
            };
            if seen & (1 << at) != 0 {
                return Err(Error::duplicate_field(names[at]));
            }
            seen |= 1 << at;
            from.next_value_seed(Read(self.0.member_mut(at)))?;
        }
        Ok(())
    }
}

/// Finds which member a name belongs to.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| *known == name))
    }
}

/// Reads one value to its place.
struct Read<'a>(&'a mut dyn Member);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = ();

    fn expecting(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str("a value of the member's kind")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        match self.0.place() {
            Place::Boolean(place) => {
                *place = flag;
                Ok(())
            }
            _ => Err(other(Unexpected::Bool(flag))),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match self.0.place() {
            Place::Integer(place) => {
                *place = number;
                Ok(())
            }
            _ => Err(other(Unexpected::Signed(number))),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.visit_i64(number),
            Err(_) => Err(other(Unexpected::Unsigned(number))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.0.place() {
            Place::Text(place) => {
                text.clone_into(place);
                Ok(())
            }
            _ => Err(other(Unexpected::Str(text))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        let Place::List(list) = self.0.place() else {
            return Err(other(Unexpected::Seq));
        };
        while from.next_element_seed(Element(list))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<(), A::Error> {
        match self.0.place() {
            Place::Object(object) => Members(object).visit_map(from),
            Place::Named(named) => {
                while let Some(name) = from.next_key::<String>()? {
                    from.next_value_seed(Read(named.insert(&name)))?;
                }
                Ok(())
            }
            Place::Free(map) => {
                while let Some(name) = from.next_key::<String>()? {
                    map.insert(name, from.next_value()?);
                }
                Ok(())
            }
            _ => Err(other(Unexpected::Map)),
        }
    }
}

fn other<E: Error>(found: Unexpected<'_>) -> E {
    E::invalid_type(found, &"a value of the member's kind")
}

/// Reads one element to the end of a list. It is made only where there is one.
struct Element<'a>(&'a mut dyn List);

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        Read(self.0.push()).deserialize(from)
    }
}
