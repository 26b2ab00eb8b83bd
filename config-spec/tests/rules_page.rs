//! `docs/config-rules.md` is made of the rules themselves. After a change, renew it with
//! `KINDLING_RENEW=1 cargo nextest run -p kindling-config-spec --test rules_page`.
#![expect(clippy::disallowed_methods, reason = "a test that reads and renews a page")]

use std::fs;
use std::path::Path;

use kindling_config_spec::lint;
use kindling_config_spec::rules::catalog::{self, Rule};

const HEAD: &str = "\
# Rules for configs

This page is made of `config-spec/src/rules/catalog.rs` and `config-spec/src/lint/catalog.rs` by the test
`config-spec/tests/rules_page.rs`, which also says how to renew it.

A finding names its rule, the place in the document, what is wrong, and what to write instead where that is known:

    error[hash-mismatch]: the hash is not that of the bytes in the data URL
      worker.ign:12:19, /storage/files/0/contents/verification/hash

`kindling validate` ends with a status that is not 0 when it tells an *error*; with `--strict`, also when it tells a
*warning*. Nothing that may be secret is quoted: no contents, no hashes of passwords, no keys, no tokens, no addresses
with credentials.
";

const LINT: &str = "
## What is valid and fails

These look at the config that is left once all references are resolved. The reference accepts all of it in silence, so
the first boot does not refuse it either; `kindling validate` tells it. An *error* is a first boot that fails, or
something that will certainly not work; a *warning* is what most likely was not meant. A rule that needs something beside
the config is skipped where that is not given, and `kindling validate` says so.

| Rule | Severity | Needs | What it finds |
|---|---|---|---|
";

const VALIDITY: &str = "
## What is invalid

A document is held to the rules of its own version. One with an *error* is refused by the first boot, before anything is
changed; one with a *warning* is used. *Reference* is the identifier that the reference has for the same
breach.

| Rule | Severity | Reference | What it finds |
|---|---|---|---|
";

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{text}`")
    }
}

/// A line of a table; `third` is the column that only one of the tables has.
fn row(rule: &Rule, third: &str) -> String {
    let cells = [
        code(rule.id.as_str()),
        rule.severity.to_string(),
        third.to_owned(),
        rule.summary.to_owned(),
    ];
    let cells = cells.map(|cell| {
        if cell.is_empty() {
            " |".to_owned()
        } else {
            format!(" {cell} |")
        }
    });
    format!("|{}\n", cells.concat())
}

fn page() -> String {
    let mut page = format!("{HEAD}{VALIDITY}");
    page.extend(
        catalog::ALL
            .iter()
            .map(|rule| row(rule, &code(rule.reference.unwrap_or_default()))),
    );
    page.push_str(LINT);
    page.extend(lint::ALL.iter().map(|lint| {
        let needs = lint.needs.to_string();
        let is_option = needs.starts_with("--");
        row(&lint.rule, &if is_option { code(&needs) } else { needs })
    }));
    page
}

#[test]
fn the_page_lists_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config-rules.md");
    if std::env::var_os("KINDLING_RENEW").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/config-rules.md is not of these rules; renew it with\n  \
         KINDLING_RENEW=1 cargo nextest run -p kindling-config-spec --test rules_page"
    );
}
