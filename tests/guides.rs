//! The guides of `docs/guides`: their files are valid, each page names the files it has, and its commands run.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot read the guides or run the binary should panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn pages() -> Vec<(PathBuf, String)> {
    let pages = entries(&root().join("docs/guides")).into_iter();
    pages
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

/// The exit status, and all that was said.
fn kindling(words: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
        .args(words)
        .current_dir(root())
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn every_config_of_a_guide_is_valid_and_its_page_names_it() {
    let pages = pages();
    let mut configs = 0;
    for dir in entries(&root().join("fixtures/guides")) {
        for file in entries(&dir) {
            let of_repository = file.strip_prefix(root()).unwrap().to_str().unwrap();
            let is_named = pages
                .iter()
                .any(|(_, text)| text.contains(&format!("../../{of_repository}")));
            assert!(is_named, "no guide links {of_repository}");
            if file.extension().is_some_and(|end| end == "ign") {
                let (status, said) = kindling(&["validate", of_repository]);
                assert_eq!(status, Some(0), "{said}");
                assert!(said.contains(" 0 errors"), "{said}");
                configs += 1;
            }
        }
    }
    assert!(configs >= 10, "{configs}");
}

#[test]
fn every_link_of_a_guide_leads_somewhere() {
    for (page, text) in pages() {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let is_of_ours = !path.is_empty() && !path.contains("://");
            let there = page.parent().unwrap().join(path);
            assert!(!is_of_ours || there.exists(), "{}: {link}", page.display());
        }
    }
}

/// Indented lines that call this program with files of the repository.
#[test]
fn the_commands_of_a_guide_run() {
    let mut ran = 0;
    for (page, text) in pages() {
        let lines = text.lines().filter_map(|line| line.strip_prefix("    kindling "));
        for line in lines.filter(|line| line.contains("fixtures/") || *line == "schema") {
            let words: Vec<&str> = line.split(' ').collect();
            let (status, said) = kindling(&words);
            assert_eq!(status, Some(0), "{}: {line}: {said}", page.display());
            ran += 1;
        }
    }
    assert!(ran >= 4, "{ran}");
}

#[test]
fn the_sizes_of_the_guide_are_those_of_the_check() {
    let page = fs::read_to_string(root().join("docs/guides/user-data.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut judged = 0;
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = row.split('|').skip(1);
        let (platforms, limit) = (cells.next().unwrap(), cells.next().unwrap());
        let limit: usize = limit.trim().replace(',', "").parse().unwrap();
        for platform in platforms.split(',').map(|name| name.trim().trim_matches('`')) {
            for (length, fits) in [(limit, true), (limit + 1, false)] {
                let config = r#"{"ignition":{"version":"3.4.0"}}"#;
                let path = dir.path().join("a.ign");
                fs::write(&path, config.to_owned() + &" ".repeat(length - config.len())).unwrap();
                let (_, said) = kindling(&["validate", "--platform", platform, path.to_str().unwrap()]);
                let is_told = said.contains("error[user-data-too-large]");
                assert_eq!(!is_told, fits, "{platform} {length}: {said}");
                let in_base64 = format!("({} in base64)", length.div_ceil(3) * 4);
                assert!(fits || said.contains(&in_base64), "{said}");
                judged += 1;
            }
        }
    }
    assert_eq!(judged, 2 * 13);
}
