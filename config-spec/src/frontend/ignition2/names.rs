//! Names of file systems, which Ignition 3 does not have. A name becomes the path at which its file system is mounted
//! while files are written. The path depends on nothing but the name, so a name means the same in all documents that
//! are merged, and who uses one without anybody defining it is found in the sum (`crate::rules`).

const ABOVE: &str = "/tmp/";

/// The old engine's translation counts here; a number that depends on the document would part a config from its child.
const BEHIND: &str = "-ign1";

/// The path of the file system `name`.
pub(crate) fn path_of(name: &str) -> String {
    format!("{ABOVE}{}{BEHIND}", escaped(name, "-_."))
}

/// The path of a named file system at or above `path`, if there is one.
pub(crate) fn above(path: &str) -> Option<&str> {
    let first = path.strip_prefix(ABOVE)?.split('/').next()?;
    let is_one = first.strip_suffix(BEHIND).is_some_and(|name| !name.is_empty());
    is_one.then(|| path.get(..ABOVE.len() + first.len()))?
}

/// The name whose path this is.
pub(crate) fn name_of(path: &str) -> String {
    let name = path
        .strip_prefix(ABOVE)
        .and_then(|name| name.strip_suffix(BEHIND));
    let bytes = name.and_then(crate::url_syntax::unescaped).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `text` with every byte as `%XX` that is no ASCII letter or digit, nor one of `kept`.
pub(super) fn escaped(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.extend(char::from_digit(u32::from(digit), 16).map(|digit| digit.to_ascii_uppercase()));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_its_path_lead_to_each_other() {
        for (name, path) in [
            ("var", "/tmp/var-ign1"),
            ("a/../b", "/tmp/a%2F..%2Fb-ign1"),
            ("..", "/tmp/..-ign1"),
            ("50%", "/tmp/50%25-ign1"),
            ("ü", "/tmp/%C3%BC-ign1"),
        ] {
            assert_eq!(path_of(name), path);
            assert_eq!(above(path), Some(path));
            assert_eq!(above(&format!("{path}/x/y")), Some(path));
            assert_eq!(name_of(path), name);
        }
        for path in [
            "/tmp",
            "/tmp/var",
            "/tmp/-ign1",
            "/tmp/x/var-ign1",
            "/var/var-ign1",
            "/tmp/var-ign1x",
        ] {
            assert_eq!(above(path), None, "{path}");
        }
    }
}
