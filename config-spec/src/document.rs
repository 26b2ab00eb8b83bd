//! JSON text: its grammar, the bytes a pointer means, and whether its members are ones the spec knows.
//!
//! The text is walked on demand; nothing is indexed, so a document costs no memory beyond its own. The order in
//! which [`crate::check()`] uses this module: [`syntax()`] over the whole text, [`find()`] for the version,
//! `conform` for members and types, and [`locate()`] once for all findings.

pub(crate) mod conform;
mod locate;
pub(crate) mod scan;

pub use locate::{Found, find, locate};
pub(crate) use locate::{find_below, locate_exactly};
pub use scan::{MAX_DEPTH, SyntaxError, syntax};

pub(crate) use scan::decode;

/// Whether the reference's decoder takes `name` for the member `field`, an ASCII word: letters match in either case,
/// and so do the two that Unicode folds onto ASCII letters, U+017F onto `s` and U+212A onto `k`.
pub(crate) fn folds_to(name: &str, field: &str) -> bool {
    let folded = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(folded).eq(field.chars().map(folded))
}
