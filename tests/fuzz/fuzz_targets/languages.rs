//! Any bytes as a config in any language: Ignition 2 and 1, Butane, and what is none. Never a panic; every finding lies inside
//! the text, is shown, and shows no line of a text that is not read. What is found of the config goes back to a place.
#![no_main]

use kindling_config_spec::diagnostic::{Colours, Pointer, render_around, render_lines};
use kindling_config_spec::{Rejected, check, check_merged, explain, place, places};
use libfuzzer_sys::fuzz_target;

mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let findings = match check(&text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(Rejected::Invalid(findings)) => findings,
        Err(_) => Vec::new(),
    };
    let _ = render_around("config.bu", &text, &findings, Colours::None);
    let _ = render_lines(&text, &findings);
    let _ = explain(&text);
    let Some(config) = oracle::checked(&text) else {
        return;
    };
    let mut merged = check_merged(&config);
    place(&text, &mut merged);
    let pointers = ["", "/storage/files/0/contents/source", "/passwd/users/0/passwordHash", "/a/b"].map(Pointer::of);
    let found = places(&text, &pointers.each_ref());
    let spans = found.iter().filter_map(|(_, found)| Some(found.as_ref()?.value.clone()));
    for span in spans.chain(merged.iter().filter_map(|finding| finding.span.clone())) {
        assert!(text.get(span).is_some(), "a place is no part of the text");
    }
});
