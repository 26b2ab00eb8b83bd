//! Any bytes as YAML: all of a document, and the rest of one that starts as Butane does, so that each key is told of with its
//! place. Whatever line is shown, the secrets that are in it are found.
#![no_main]

use kindling_config_spec::butane::{butane, files::NoFiles};
use kindling_config_spec::diagnostic::{Diagnostic, Pointer, Severity};
use kindling_config_spec::rules::catalog;
use libfuzzer_sys::fuzz_target;

mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    look(&text);
    look(&format!("variant: fcos\nversion: 1.7.0\n{text}"));
});

fn look(text: &str) {
    let mut findings = butane(text, &NoFiles, false).findings;
    let lines = text.match_indices('\n').map(|(end, _)| end + 1);
    findings.extend(lines.take(64).map(|start| Diagnostic {
        severity: Severity::Warning,
        rule: catalog::KEY_UNKNOWN.id,
        at: Pointer::root(),
        span: Some(start..start),
        message: String::new(),
        help: None,
    }));
    oracle::show(text, &findings);
}
