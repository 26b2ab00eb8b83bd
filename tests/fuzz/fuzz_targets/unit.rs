//! Any text as the contents of units and drop-ins.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;

mod oracle;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (first, rest) = match text.split_once('\0') {
        Some((first, rest)) => (first, rest),
        None => (text.as_ref(), ""),
    };
    let config = json!({
        "ignition": { "version": "3.6.0" },
        "systemd": { "units": [
            { "name": "a.service", "enabled": true, "contents": first,
              "dropins": [{ "name": "10.conf", "contents": rest }] },
            { "name": "b@.service", "contents": rest },
            { "name": "b@x.service", "enabled": true },
            { "name": first, "enabled": true },
        ] }
    });
    let _ = oracle::checked(&config.to_string());
});
