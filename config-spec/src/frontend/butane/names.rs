//! Names of members: camel case in the made document, snake case where people write. A capital letter is an underscore and
//! its small one; `MiB` counts as one letter.

/// The one that counts as a letter.
const MIB: &str = "MiB";

/// `name` as people write it.
pub(super) fn snake(name: &str) -> String {
    let mut written = String::with_capacity(name.len() + 4);
    let mut rest = name;
    while let Some(letter) = rest.chars().next() {
        let step = if rest.starts_with(MIB) {
            MIB.len()
        } else {
            letter.len_utf8()
        };
        let (this, behind) = rest.split_at(step);
        if letter.is_ascii_uppercase() {
            written.push('_');
        }
        written.push_str(&this.to_ascii_lowercase());
        rest = behind;
    }
    written
}

/// Whether `written` is how people write `name`, a word of ASCII letters and digits.
pub(super) fn is(name: &str, written: &str) -> bool {
    let mut rest = written.as_bytes();
    let mut letters = name.as_bytes();
    while let Some((letter, behind)) = letters.split_first() {
        let is_unit = letters.starts_with(MIB.as_bytes());
        let this = if is_unit {
            MIB.as_bytes()
        } else {
            std::slice::from_ref(letter)
        };
        if letter.is_ascii_uppercase() {
            let Some(after) = rest.strip_prefix(b"_") else {
                return false;
            };
            rest = after;
        }
        let Some((start, after)) = rest.split_at_checked(this.len()) else {
            return false;
        };
        let is_small = start.iter().all(|letter| !letter.is_ascii_uppercase());
        if !is_small || !start.eq_ignore_ascii_case(this) {
            return false;
        }
        rest = after;
        letters = if is_unit { &letters[MIB.len()..] } else { behind };
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (name, written) in [
            ("path", "path"),
            ("sizeMiB", "size_mib"),
            ("startMiB", "start_mib"),
            ("typeGuid", "type_guid"),
            ("httpResponseHeaders", "http_response_headers"),
            ("sshAuthorizedKeysLocal", "ssh_authorized_keys_local"),
            ("shouldNotExist", "should_not_exist"),
            ("tpm2", "tpm2"),
        ] {
            assert_eq!(snake(name), written);
            assert!(is(name, written), "{name}");
            assert!(!is(name, &format!("{written}x")));
            assert!(!is(name, written.get(1..).unwrap()));
            assert_eq!(is(name, name), name == written, "camel case is not for people");
        }
        assert!(!is("sizeMiB", "size_MiB"));
        assert!(!is("sizeMiB", "size_mi_b"));
        assert!(!is("sizeMiB", "sizemib"));
        assert!(!is("path", ""));
    }
}
