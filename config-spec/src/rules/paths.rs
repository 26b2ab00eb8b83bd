//! Paths as the language wants them: absolute and in their shortest form, compared as text.

use crate::diagnostic::Pointer;
use crate::rules::{Findings, catalog as rule};

/// Reports `path` at `at` unless it is absolute and clean.
pub(super) fn check(path: &str, at: impl FnOnce() -> Pointer, findings: &mut Findings) {
    if path.is_empty() {
        findings
            .report(rule::PATH_MISSING, at(), "a path is missing")
            .help("write an absolute path");
    } else if !path.starts_with('/') {
        let message = format!("{} is not an absolute path", crate::suggest::quoted(path));
        findings
            .report(rule::PATH_RELATIVE, at(), message)
            .help("start the path with a slash");
    } else {
        let clean = clean(path);
        if clean != path {
            let message = format!("{} is not in its shortest form", crate::suggest::quoted(path));
            findings
                .report(rule::PATH_UNCLEAN, at(), message)
                .help(format!("write {}", crate::suggest::quoted(&clean)));
        }
    }
}

/// The shortest path that means the same if no link is on the way: no `.`, no `..` that can be resolved, no empty
/// segments, no slash at the end.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => match segments.last() {
                Some(&last) if last != ".." => drop(segments.pop()),
                // The root is its own parent.
                _ if rooted => {}
                _ => segments.push(".."),
            },
            name => segments.push(name),
        }
    }
    let joined = segments.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_shortest_form() {
        for (path, shortest) in [
            ("/", "/"),
            ("//", "/"),
            ("/a/", "/a"),
            ("/a//b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("a/..", "."),
            ("../a", "../a"),
            ("", "."),
            ("/a/b", "/a/b"),
        ] {
            assert_eq!(clean(path), shortest, "{path}");
        }
    }
}
