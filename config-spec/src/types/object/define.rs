//! How an object of the language is defined: its struct and its table of members at once.

/// Defines an object: its members are read and written under their names in camel case or the one behind `as`. One
/// `unless empty` is not written while it is its kind's default.
macro_rules! object {
    ($(
        $(#[$about:meta])*
        pub struct $name:ident {
            $(pub $field:ident: $kind:ty $(as $json:literal)? $(, unless $empty:ident)?;)*
        }
    )+) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(pub $field: $kind,)*
        }

        const _: () = {
            use $crate::types::object::{self, Held, Member, Object, Place};

            #[allow(non_camel_case_types, reason = "each is named after a member")]
            enum At { $($field),* }

            impl Object for $name {
                fn names(&self) -> &'static [&'static str] {
                    const NAMES: &[&str] = &[$(object::name!($field $($json)?)),*];
                    const { assert!(NAMES.len() <= 64) };
                    NAMES
                }

                fn member(&self, at: usize) -> &dyn Member {
                    $(if at == At::$field as usize {
                        return &self.$field;
                    })*
                    unreachable!("the object has no such member")
                }

                fn member_mut(&mut self, at: usize) -> &mut dyn Member {
                    $(if at == At::$field as usize {
                        return &mut self.$field;
                    })*
                    unreachable!("the object has no such member")
                }

                #[allow(unused_variables, reason = "most objects leave nothing out")]
                fn is_left_out(&self, at: usize) -> bool {
                    $($(
                        if at == At::$field as usize {
                            let $empty: $kind = Default::default();
                            return self.$field == $empty;
                        }
                    )?)*
                    false
                }
            }

            impl Member for $name {
                fn held(&self) -> Held<'_> {
                    Held::Object(self)
                }

                fn place(&mut self) -> Place<'_> {
                    Place::Object(self)
                }
            }

            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                    object::write(self, to)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                    let mut object = Self::default();
                    object::read(stringify!($name), &mut object, from)?;
                    Ok(object)
                }
            }
        };
    )+};
}

/// The name of a member in JSON.
macro_rules! name {
    ($field:ident) => {{
        const SNAKE: &str = stringify!($field);
        const LENGTH: usize = $crate::types::object::camel_length(SNAKE);
        const CAMEL: [u8; LENGTH] = $crate::types::object::camel(SNAKE);
        match str::from_utf8(&CAMEL) {
            Ok(name) => name,
            Err(_) => panic!("names are ASCII"),
        }
    }};
    ($field:ident $json:literal) => {
        $json
    };
}

pub(in crate::types) use {name, object};

/// How long the camel case of a name in snake case is.
pub(in crate::types) const fn camel_length(snake: &str) -> usize {
    let (mut at, mut length) = (0, 0);
    while at < snake.len() {
        if snake.as_bytes()[at] != b'_' {
            length += 1;
        }
        at += 1;
    }
    length
}

/// A name in snake case as camel case.
pub(in crate::types) const fn camel<const LENGTH: usize>(snake: &str) -> [u8; LENGTH] {
    let mut camel = [0; LENGTH];
    let (mut at, mut length, mut is_start) = (0, 0, false);
    while at < snake.len() {
        let letter = snake.as_bytes()[at];
        at += 1;
        if letter == b'_' {
            is_start = true;
            continue;
        }
        camel[length] = if is_start {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        length += 1;
        is_start = false;
    }
    camel
}
