//! Any bytes as a config: checked, refused or accepted, never a panic, and findings with a place that is there.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod oracle;

fuzz_target!(|bytes: &[u8]| {
    // Callers refuse what is not UTF-8; the text around the break is as good as any.
    let text = String::from_utf8_lossy(bytes);
    let _ = oracle::checked(&text);
});
