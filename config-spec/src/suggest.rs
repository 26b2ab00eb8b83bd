//! Names that were probably meant, and names fit for a message.

/// Longer names are nobody's slip of the finger.
const MAX_LEN: usize = 40;

/// So many names are compared: nobody chooses from more.
const MAX_NAMES: usize = 1000;

/// The one of `names` that `typed` was probably meant to be: equal but for case, or two edits away at most.
pub(crate) fn similar<'n>(typed: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    if typed.is_empty() || typed.len() > MAX_LEN {
        return None;
    }
    let typed = typed.to_lowercase();
    // A third of a short name's letters is a different name.
    let limit = (typed.chars().count() / 3).min(2);
    let length = typed.len();
    names
        .take(MAX_NAMES)
        .filter(|name| name.len().abs_diff(length) <= 4 * limit)
        .map(|name| (distance(&typed, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters must be inserted, removed or replaced to make `a` of `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, letter) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (other, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(*other != letter);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        if let Some(start) = row.first_mut() {
            *start = line + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A name from the document in double quotes: control characters escaped, and cut when it is very long.
pub(crate) fn quoted(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut letters = name.chars();
    let short: String = letters.by_ref().take(LONGEST).collect();
    let rest = if letters.next().is_some() { "…" } else { "" };
    format!("{short:?}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_recognised() {
        let names = ["files", "filesystems", "disks", "mode", "id"];
        for (typed, meant) in [
            ("Files", Some("files")),
            ("file", Some("files")),
            ("fileSystem", Some("filesystems")),
            ("dsiks", None),
            ("modes", Some("mode")),
            ("uid", Some("id")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(similar(typed, names.into_iter()), meant, "{typed:?}");
        }
    }

    #[test]
    fn names_are_fit_to_print() {
        assert_eq!(quoted("a\u{1b}[2J"), "\"a\\u{1b}[2J\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 83);
    }
}
