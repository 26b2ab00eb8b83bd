//! Configs that boot are told nothing that is not so.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::fs;
use std::path::Path;

use kindling_config_spec::check;
use kindling_config_spec::lint::{Setting, lint};

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

fn findings_of(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/vm")
        .join(name);
    let text = fs::read_to_string(path).expect("the fixtures are there");
    let checked = check(&text).expect("the demo's configs are valid");
    let setting = Setting {
        now: Some(NOW),
        ..Setting::default()
    };
    let findings = lint(checked.config(), &setting);
    findings
        .iter()
        .map(|finding| format!("{finding} [{}]", finding.rule))
        .collect()
}

#[test]
fn the_demos_configs_are_sound() {
    for name in ["worker.ign", "pointer.ign"] {
        assert_eq!(findings_of(name), Vec::<String>::new(), "{name}");
    }
}
