//! What Unicode says of the characters of host names, as the crate `idna` asks for it.
//!
//! `idna` leaves the facts to a crate of this name, so that a program may choose where they come from. Ours come from
//! tables that are inflated when the first host name with other characters than ASCII is met.

mod normalize;
mod tables;
#[cfg(test)]
mod tests;

use tables::tables;

/// A set of bidirectional classes, a bit for each.
#[derive(Clone, Copy)]
pub struct BidiClassMask(u32);

impl BidiClassMask {
    /// Whether a class is in both.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A set of joining types, a bit for each.
#[derive(Clone, Copy)]
pub struct JoiningTypeMask(u32);

impl JoiningTypeMask {
    /// Whether a type is in both.
    #[must_use]
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

// The numbers of the classes and types are those of ICU, from which the tables are made.
const LEFT_TO_RIGHT: u8 = 0;
const RIGHT_TO_LEFT: u8 = 1;
const EUROPEAN_NUMBER: u8 = 2;
const EUROPEAN_SEPARATOR: u8 = 3;
const EUROPEAN_TERMINATOR: u8 = 4;
const ARABIC_NUMBER: u8 = 5;
const COMMON_SEPARATOR: u8 = 6;
const OTHER_NEUTRAL: u8 = 10;
const ARABIC_LETTER: u8 = 13;
const NONSPACING_MARK: u8 = 17;
const BOUNDARY_NEUTRAL: u8 = 18;

const DUAL_JOINING: u8 = 2;
const LEFT_JOINING: u8 = 3;
const RIGHT_JOINING: u8 = 4;
const TRANSPARENT: u8 = 5;

/// The canonical combining class of a virama.
const VIRAMA: u8 = 9;

const fn mask(members: &[u8]) -> u32 {
    let mut mask = 0;
    let mut rest = members;
    while let [member, others @ ..] = rest {
        mask |= 1 << *member;
        rest = others;
    }
    mask
}

/// What may stand before a non-joiner.
pub const LEFT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask(mask(&[LEFT_JOINING, DUAL_JOINING]));

/// What may stand behind a non-joiner.
pub const RIGHT_OR_DUAL_JOINING_MASK: JoiningTypeMask = JoiningTypeMask(mask(&[RIGHT_JOINING, DUAL_JOINING]));

/// Whatever makes a name a bidirectional one (RFC 5893, section 2).
pub const RTL_MASK: BidiClassMask = BidiClassMask(mask(&[RIGHT_TO_LEFT, ARABIC_LETTER, ARABIC_NUMBER]));

/// How a label of such a name begins: rule 1 there.
pub const FIRST_BC_MASK: BidiClassMask = BidiClassMask(mask(&[LEFT_TO_RIGHT, RIGHT_TO_LEFT, ARABIC_LETTER]));

/// How one from left to right ends, before its marks: rule 6.
pub const LAST_LTR_MASK: BidiClassMask = BidiClassMask(mask(&[LEFT_TO_RIGHT, EUROPEAN_NUMBER]));

/// How one from right to left ends, before its marks: rule 3.
pub const LAST_RTL_MASK: BidiClassMask = BidiClassMask(mask(&[
    RIGHT_TO_LEFT,
    ARABIC_LETTER,
    EUROPEAN_NUMBER,
    ARABIC_NUMBER,
]));

/// What may stand in one from left to right: rule 5.
pub const MIDDLE_LTR_MASK: BidiClassMask = BidiClassMask(mask(&[
    LEFT_TO_RIGHT,
    EUROPEAN_NUMBER,
    EUROPEAN_SEPARATOR,
    COMMON_SEPARATOR,
    EUROPEAN_TERMINATOR,
    OTHER_NEUTRAL,
    BOUNDARY_NEUTRAL,
    NONSPACING_MARK,
]));

/// What may stand in one from right to left: rule 2.
pub const MIDDLE_RTL_MASK: BidiClassMask = BidiClassMask(mask(&[
    RIGHT_TO_LEFT,
    ARABIC_LETTER,
    ARABIC_NUMBER,
    EUROPEAN_NUMBER,
    EUROPEAN_SEPARATOR,
    COMMON_SEPARATOR,
    EUROPEAN_TERMINATOR,
    OTHER_NEUTRAL,
    BOUNDARY_NEUTRAL,
    NONSPACING_MARK,
]));

/// The bidirectional class of a character.
#[derive(Clone, Copy)]
pub struct BidiClass(u8);

impl BidiClass {
    /// The set of this one.
    #[must_use]
    pub fn to_mask(self) -> BidiClassMask {
        BidiClassMask(mask(&[self.0]))
    }

    /// Left to right.
    #[must_use]
    pub fn is_ltr(self) -> bool {
        self.0 == LEFT_TO_RIGHT
    }

    /// A mark that takes no space.
    #[must_use]
    pub fn is_nonspacing_mark(self) -> bool {
        self.0 == NONSPACING_MARK
    }

    /// A European digit.
    #[must_use]
    pub fn is_european_number(self) -> bool {
        self.0 == EUROPEAN_NUMBER
    }

    /// An Arabic digit.
    #[must_use]
    pub fn is_arabic_number(self) -> bool {
        self.0 == ARABIC_NUMBER
    }
}

/// How a character joins its neighbours in a cursive script.
#[derive(Clone, Copy)]
pub struct JoiningType(u8);

impl JoiningType {
    /// The set of this one.
    #[must_use]
    pub fn to_mask(self) -> JoiningTypeMask {
        JoiningTypeMask(mask(&[self.0]))
    }

    /// It does not count.
    #[must_use]
    pub fn is_transparent(self) -> bool {
        self.0 == TRANSPARENT
    }
}

/// Answers what `idna` asks. The properties are those of characters that host names may have; nobody asks for others'.
pub struct Adapter(());

impl Default for Adapter {
    fn default() -> Self {
        Self::new()
    }
}

impl Adapter {
    /// Costs nothing: the tables are read by who needs them first.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }

    /// Whether `c` is a virama.
    #[must_use]
    pub fn is_virama(&self, c: char) -> bool {
        tables().properties(c).combining == VIRAMA
    }

    /// Whether `c` is a mark of any kind.
    #[must_use]
    pub fn is_mark(&self, c: char) -> bool {
        tables().properties(c).is_mark
    }

    /// The bidirectional class of `c`.
    #[must_use]
    pub fn bidi_class(&self, c: char) -> BidiClass {
        BidiClass(tables().properties(c).bidi)
    }

    /// The joining type of `c`.
    #[must_use]
    pub fn joining_type(&self, c: char) -> JoiningType {
        JoiningType(tables().properties(c).joining)
    }

    /// The steps "Map" and "Normalize" of UTS 46: what is mapped becomes what it is mapped to, what is ignored is left
    /// out, what is not allowed becomes U+FFFD; and then the whole is in normalization form C.
    pub fn map_normalize<'a>(
        &'a self,
        iter: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        normalize::normalized(tables(), iter.collect(), None)
    }

    /// The same for what was Punycode, where nothing is left to map: what is ignored elsewhere is not allowed.
    pub fn normalize_validate<'a>(
        &'a self,
        iter: impl Iterator<Item = char> + 'a,
    ) -> impl Iterator<Item = char> + 'a {
        normalize::normalized(tables(), iter.collect(), Some(char::REPLACEMENT_CHARACTER))
    }
}
