//! The name of a node.

/// The longest name, in bytes.
const LONGEST: usize = 253;

/// What is wrong with `name` as a node's: it has to be a lower-case subdomain of RFC 1123, and no machine's own name for itself,
/// which all machines have. `None` for a good one.
#[must_use]
pub fn fault(name: &str) -> Option<&'static str> {
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(is_letter)
            && bytes.last().is_some_and(is_letter)
            && bytes.iter().all(|byte| is_letter(byte) || *byte == b'-')
    };
    if name.is_empty() {
        Some("there is none")
    } else if name.len() > LONGEST {
        Some("it is longer than 253 characters")
    } else if !name.split('.').all(is_label) {
        Some(
            "only lower-case letters, digits, - and . may be in it, with a letter or digit at both ends of each part",
        )
    } else if name.split('.').next() == Some("localhost") {
        Some("every machine is called that")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_subdomains_are_names() {
        for name in ["a", "node-1.lab.test", "10-0-0-1", "1.2", "localhost1"] {
            assert_eq!(fault(name), None, "{name}");
        }
        assert_eq!(fault(&["a"; 127].join(".")), None);
        let long = format!("{}.ab", ["a"; 126].join("."));
        for name in [
            "",
            "A",
            "a_b",
            "-a",
            "a-",
            "a..b",
            ".a",
            "a.",
            "a.-b",
            "ä",
            "a b",
            "localhost",
            "localhost.localdomain",
            long.as_str(),
        ] {
            assert!(fault(name).is_some(), "{name}");
        }
    }
}
