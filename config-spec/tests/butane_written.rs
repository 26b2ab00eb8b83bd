//! Documents of Ignition 3 written as Butane configs are the same configs.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use kindling_config_spec::butane::butane_of;
use kindling_config_spec::version::Version;
use kindling_config_spec::{Checked, Dialect, check, data_url};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

#[path = "support/generate.rs"]
mod generate;

/// What a config means: contents that stand in it by their bytes, however they are written.
fn meaning(checked: &Checked) -> Value {
    let mut value = serde_json::to_value(checked.config()).expect("plain data serialises");
    plain(&mut value);
    value
}

fn plain(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(plain),
        Value::Object(members) => {
            members.values_mut().for_each(plain);
            let source = members.get("source").and_then(Value::as_str).unwrap_or_default();
            let Ok(mut bytes) = data_url::decode(source) else {
                return;
            };
            if members.get("compression").and_then(Value::as_str) == Some("gzip") {
                let mut plain = Vec::new();
                if GzDecoder::new(&bytes[..]).read_to_end(&mut plain).is_ok() {
                    bytes = plain;
                }
            }
            members.remove("compression");
            members.insert("source".to_owned(), bytes.into());
        }
        _ => {}
    }
}

/// Whether `text` is valid Ignition 3; then it is held to being the same as a Butane config.
fn survives(name: &str, text: &str) -> bool {
    let Ok(checked) = check(text) else {
        return false;
    };
    if !matches!(checked.dialect(), Dialect::Ignition(_)) {
        return false;
    }
    let written = butane_of(text).unwrap_or_else(|| panic!("{name}: not written"));
    let again = check(&written).unwrap_or_else(|error| panic!("{name}: {error}\n{text}\n{written}"));
    assert_eq!(again.version(), checked.version(), "{name}");
    assert!(
        meaning(&again) == meaning(&checked),
        "{name}\n{text}\n{written}\n{}",
        meaning(&again)
    );
    true
}

#[test]
fn fixtures_are_the_same_as_butane_configs() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/configs");
    let mut valid = 0;
    for directory in ["examples", "manual", "merge", "mistakes", "valid"] {
        for entry in fs::read_dir(fixtures.join(directory)).expect("the fixtures are there") {
            let path = entry.expect("a directory can be read").path();
            if path.extension().is_some_and(|end| end == "bu") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("fixtures are texts");
            valid += usize::from(survives(&path.display().to_string(), &text));
        }
    }
    assert!(valid >= 55, "{valid} are valid");
}

/// Butane leaves empty objects out. In 3.2.0 one of them says something: an empty custom pin.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(drop_empty),
        Value::Object(members) => members.retain(|_, member| {
            drop_empty(member);
            member.as_object().is_none_or(|members| !members.is_empty())
        }),
        _ => {}
    }
}

#[test]
fn any_config_is_the_same_as_a_butane_config() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Cases {
        cases: 400,
        failure_persistence: None,
        ..Cases::default()
    };
    let valid = Cell::new(0);
    let configs = generate::config().prop_map(|config| {
        Version::ALL.map(|version| {
            let mut config = config.clone();
            version.as_str().clone_into(&mut config.ignition.version);
            let mut value = serde_json::to_value(&config).expect("plain data serialises");
            drop_empty(&mut value);
            value.to_string()
        })
    });
    let run = TestRunner::new_with_rng(config, rng).run(&configs, |texts| {
        for text in texts {
            valid.set(valid.get() + usize::from(survives("made", &text)));
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    assert!(valid.get() >= 200, "{} are valid", valid.get());
}
