//! What holds for every text, whoever wrote it.
#![allow(dead_code, reason = "each target uses a part of it")]

use kindling_config_spec::diagnostic::{Diagnostic, Lines, Severity, render};
use kindling_config_spec::types::Config;
use kindling_config_spec::{Rejected, check};

/// Checks `text` and returns its config, if it is one. Panics where a promise of the config layer is broken.
pub(crate) fn checked(text: &str) -> Option<Config> {
    match check(text) {
        Ok(checked) => {
            assert!(
                checked
                    .warnings()
                    .iter()
                    .all(|finding| finding.severity != Severity::Error),
                "an accepted document has errors"
            );
            show(text, checked.warnings());
            let config = checked.into_config();
            survives_the_cache(&config);
            Some(config)
        }
        Err(rejected) => {
            let findings = rejected.diagnostics();
            assert!(
                findings.iter().any(|finding| finding.severity == Severity::Error),
                "a refused document has no error"
            );
            if matches!(rejected, Rejected::Invalid(_)) {
                assert!(
                    findings.iter().all(|finding| finding.span.is_some()),
                    "a finding has no place"
                );
            }
            show(text, &findings);
            None
        }
    }
}

/// Findings lie inside the text, between characters, and can be shown.
pub(crate) fn show(text: &str, findings: &[Diagnostic]) {
    let lines = Lines::new(text);
    for finding in findings {
        if let Some(span) = &finding.span {
            assert!(
                text.get(span.clone()).is_some(),
                "{span:?} is no part of the text"
            );
        }
        let _ = finding.reference_position(&lines);
        let _ = finding.to_string();
    }
    let shown = render("config.json", text, findings);
    let is_control = |letter: char| letter.is_control() && letter != '\n';
    assert!(!shown.contains(is_control), "what is shown can steer a terminal");
}

/// What later stages read is what was checked.
pub(crate) fn survives_the_cache(config: &Config) {
    let cache = serde_json::to_string(config).expect("plain data serialises");
    let read: Config = serde_json::from_str(&cache).expect("the cache reads");
    assert!(read == *config, "the cache reads differently");
}
