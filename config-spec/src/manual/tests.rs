//! The page that is kept is the page that is made, and what it shows is true.
#![expect(
    clippy::disallowed_methods,
    reason = "the page is read, and written when asked to"
)]

use std::path::Path;

use super::*;
use crate::{Language, check, check_merged, schema};

#[test]
fn the_page_is_what_the_table_gives() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config-spec.md");
    let made = page();
    if std::env::var_os("KINDLING_RENEW").is_some() {
        std::fs::write(&path, &made).expect("the folder is there");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/config-spec.md is not of this table: run `make language`"
    );
}

#[test]
fn examples_are_valid() {
    let schema = schema(Language::Spec(crate::version::NEWEST_STABLE));
    let validator = jsonschema::validator_for(&schema).expect("a schema is one");
    for section in &SECTIONS {
        let checked = check(section.example).unwrap_or_else(|error| panic!("{}: {error}", section.name));
        assert!(
            checked.warnings().is_empty(),
            "{}: {:?}",
            section.name,
            checked.warnings()
        );
        assert!(check_merged(checked.config()).is_empty(), "{}", section.name);
        let butane = crate::butane::butane_of(section.example).expect("it was checked");
        let same = check(&butane).unwrap_or_else(|error| panic!("{}: {error}", section.name));
        assert_eq!(same.version(), checked.version(), "{}", section.name);
        assert!(
            same.warnings().is_empty(),
            "{}: {:?}",
            section.name,
            same.warnings()
        );
        let document: serde_json::Value = serde_json::from_str(section.example).expect("it was checked");
        assert!(validator.is_valid(&document), "{}", section.name);
        assert!(
            document.get(section.name).is_some(),
            "{} is not in its example",
            section.name
        );
    }
}

#[test]
fn every_section_is_on_the_page() {
    let mut shown: Vec<_> = SECTIONS.iter().map(|section| section.name).collect();
    shown.sort_unstable();
    let sections: Vec<_> = ROOT.fields.iter().map(|field| field.name).collect();
    assert_eq!(shown, sections);
}

#[test]
fn tables_have_as_many_cells_in_each_row() {
    let mut width = None;
    for line in page().lines() {
        let cells = line.starts_with('|').then(|| line.matches('|').count());
        assert!(width.is_none() || cells.is_none() || cells == width, "{line}");
        width = cells;
    }
}
