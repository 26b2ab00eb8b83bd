//! What holds for every config and every text. The cases are made from a fixed seed, so that a run is as good as
//! any other; `make fuzz` looks further with the same oracles.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use kindling_config_spec::diagnostic::Severity;
use kindling_config_spec::types::{Config, Ignition, Resource};
use kindling_config_spec::version::{NEWEST, Version};
use kindling_config_spec::{check, check_merged, merge};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestError, TestRng, TestRunner};

#[path = "support/generate.rs"]
mod generate;
#[path = "../../tests/fuzz/fuzz_targets/oracle.rs"]
mod oracle;

/// Holds `property` against `cases` values.
fn holds<S: Strategy>(cases: u32, values: &S, property: impl Fn(S::Value)) {
    let config = Cases {
        cases,
        failure_persistence: None,
        ..Cases::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = TestRunner::new_with_rng(config, rng).run(values, |value| {
        property(value);
        Ok(())
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, _)) => panic!("{why}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn text(config: &Config) -> String {
    serde_json::to_string(config).expect("plain data serialises")
}

#[test]
fn a_config_survives_writing_and_reading() {
    let accepted = Cell::new(0);
    holds(1_000, &generate::config(), |config| {
        oracle::survives_the_cache(&config);
        if let Some(read) = oracle::checked(&text(&config)) {
            assert!(read == config, "{}\n{}", text(&config), text(&read));
            accepted.set(accepted.get() + 1);
        }
    });
    assert!(accepted.get() >= 100, "only {} are valid", accepted.get());
}

#[test]
fn merging_with_nothing_changes_nothing() {
    let version_only = Config {
        ignition: Ignition {
            version: NEWEST.as_str().to_owned(),
            ..Ignition::default()
        },
        ..Config::default()
    };
    holds(1_000, &generate::config(), |config| {
        for nothing in [&Config::default(), &version_only] {
            let below = merge(nothing.clone(), config.clone());
            assert!(below == config, "below: {}", text(&config));
            let above = merge(config.clone(), nothing.clone());
            assert!(above == config, "above: {}", text(&config));
        }
    });
}

/// Takes away the headers without a value, which say: remove the one of this name when merging.
fn without_removals(mut config: Config) -> Config {
    let references = &mut config.ignition.config;
    let storage = &mut config.storage;
    let resources = references
        .merge
        .iter_mut()
        .chain([&mut references.replace])
        .chain(&mut config.ignition.security.tls.certificate_authorities)
        .chain(storage.files.iter_mut().map(|file| &mut file.contents))
        .chain(storage.luks.iter_mut().map(|volume| &mut volume.key_file));
    for resource in resources {
        resource.http_headers.retain(|header| header.value.is_some());
    }
    config
}

/// Does to each list that merging strings together what `strings` and `resources` do.
fn change_appended(
    config: &mut Config,
    strings: impl Fn(&mut Vec<String>),
    resources: impl Fn(&mut Vec<Resource>),
) {
    let storage = &mut config.storage;
    storage
        .files
        .iter_mut()
        .for_each(|file| resources(&mut file.append));
    for filesystem in &mut storage.filesystems {
        strings(&mut filesystem.options);
        strings(&mut filesystem.mount_options);
    }
    storage
        .luks
        .iter_mut()
        .for_each(|volume| strings(&mut volume.options));
    storage
        .raid
        .iter_mut()
        .for_each(|array| strings(&mut array.options));
}

#[test]
fn a_config_over_itself_is_itself_but_for_removals_and_what_is_strung_together() {
    holds(1_000, &generate::config(), |config| {
        let mut expected = without_removals(config.clone());
        change_appended(
            &mut expected,
            |list| list.extend(list.clone()),
            |list| list.extend(list.clone()),
        );
        let merged = merge(config.clone(), config.clone());
        assert!(merged == expected, "{}", text(&config));
    });
}

#[test]
fn a_child_merged_twice_changes_nothing_but_what_is_strung_together() {
    holds(
        500,
        &(generate::config(), generate::config()),
        |(parent, child)| {
            let [parent, child] = [parent, child].map(|config| {
                let mut config = without_removals(config);
                change_appended(&mut config, Vec::clear, Vec::clear);
                config
            });
            let once = merge(parent, child.clone());
            let twice = merge(once.clone(), child);
            assert!(twice == once, "{}\n{}", text(&once), text(&twice));
        },
    );
}

/// Errors that a valid document of `version` may have once it is translated (config-spec.md 4).
fn documented(version: Version) -> &'static [&'static str] {
    match version {
        Version::V3_0_0 => &[
            "ErrLinkTargetRequired",
            "ErrSourceRequired",
            "ErrVerificationAndNilSource",
        ],
        Version::V3_1_0 => &["ErrLinkTargetRequired"],
        Version::V3_2_0 => &[
            "ErrLinkTargetRequired",
            "ErrClevisPinRequired",
            "ErrClevisConfigRequired",
        ],
        _ => &[],
    }
}

#[test]
fn translating_adds_no_error_but_the_documented_ones() {
    let accepted = Cell::new([0; Version::ALL.len()]);
    let met = RefCell::new(BTreeSet::new());
    holds(400, &generate::config(), |mut config| {
        for (index, version) in Version::ALL.into_iter().enumerate() {
            version.as_str().clone_into(&mut config.ignition.version);
            let Ok(checked) = check(&text(&config)) else {
                continue;
            };
            let mut counts = accepted.get();
            counts[index] += 1;
            accepted.set(counts);
            let findings = check_merged(checked.config());
            let errors = findings
                .iter()
                .filter(|finding| finding.severity == Severity::Error);
            for error in errors {
                let name = error.rule.reference().unwrap_or_default();
                assert!(
                    documented(version).contains(&name),
                    "{version}: {error}\n{}",
                    text(&config)
                );
                met.borrow_mut().insert((version, name));
            }
        }
    });
    let accepted = accepted.get();
    assert!(
        accepted.iter().all(|count| *count >= 30),
        "too few are valid: {accepted:?}"
    );
    let all = Version::ALL
        .into_iter()
        .flat_map(|version| documented(version).iter().map(move |name| (version, *name)));
    assert_eq!(met.into_inner(), all.collect(), "what is documented is met");
}

#[test]
fn any_bytes_are_survived() {
    let tokens = select(
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "null",
            "-0",
            "1e9",
            "\"ignition\":",
            "{\"version\":\"3.6.0\"}",
            "\"storage\":",
            "\"files\":",
            "\"\\ud800\"",
            "\u{feff}",
            "é",
            " ",
            "\n",
            "\0",
        ][..],
    );
    let tokens = vec(tokens, 0..60).prop_map(|tokens| tokens.concat().into_bytes());
    let bytes = prop_oneof![vec(any::<u8>(), 0..200), tokens];
    holds(3_000, &bytes, |bytes| {
        let _ = oracle::checked(&String::from_utf8_lossy(&bytes));
    });
}

#[test]
fn damaged_configs_are_survived() {
    let damage = (
        any::<usize>(),
        any::<usize>(),
        select(&["", "}", "\"", "\\", "null", "[{", ",", "é", "\n"][..]),
    );
    holds(
        2_000,
        &(generate::config(), damage),
        |(config, (at, length, with))| {
            let text = text(&config);
            let at = text.floor_char_boundary(at % text.len());
            let end = text.ceil_char_boundary(at + length % 12);
            let damaged = format!("{}{with}{}", &text[..at], &text[end.min(text.len())..]);
            let _ = oracle::checked(&damaged);
        },
    );
}
