//! Each rule for Butane has a config below `fixtures/configs/mistakes` that breaks it, and nothing else.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::fs;
use std::path::Path;

use kindling_config_spec::diagnostic::{Lines, Severity};
use kindling_config_spec::lint::{Setting, lint};
use kindling_config_spec::rules::catalog;
use kindling_config_spec::{examine, place};

#[test]
fn each_mistake_breaks_its_rule_alone() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/configs");
    let table = fs::read_to_string(fixtures.join("mistakes.txt")).expect("the table is there");
    let mut mistakes = 0;
    for row in table.lines().filter(|row| row.starts_with("butane-")) {
        let [name, severity, rule, line] = row
            .split_whitespace()
            .collect::<Vec<_>>()
            .try_into()
            .expect("a row has four columns");
        let path = fixtures.join("mistakes").join(format!("{name}.bu"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let findings = match examine(&text) {
            Ok(examined) => {
                let mut findings = examined.findings;
                let mut doubts = lint(&examined.config, &Setting::default());
                place(&text, &mut doubts);
                // It asks the same of configs in any language.
                doubts.retain(|doubt| doubt.rule.as_str() != "mode-decimal");
                findings.append(&mut doubts);
                findings
            }
            Err(rejected) => rejected.diagnostics().into_owned(),
        };
        let lines = Lines::new(&text);
        let told: Vec<_> = findings
            .iter()
            .map(|finding| {
                let at = finding.span.as_ref().map(|span| lines.position(span.start).line);
                let at = at.unwrap_or_default().to_string();
                (finding.severity.to_string(), finding.rule.as_str(), at)
            })
            .collect();
        assert_eq!(
            told,
            [(severity.to_owned(), rule, line.to_owned())],
            "{name}: {findings:?}"
        );
        mistakes += 1;
    }
    for rule in catalog::ALL.iter().filter(|rule| rule.severity > Severity::Info) {
        let id = rule.id.as_str();
        let is_met = table.split_whitespace().any(|word| word == id);
        assert!(is_met || !id.starts_with("butane-"), "{id}");
    }
    assert!(mistakes >= 20, "{mistakes}");
}
