//! A config with its `data:` children, rendered as the engine renders it but without fetching anything else.
#![no_main]

use kindling_config_spec::types::{Config, Resource};
use kindling_config_spec::{check_merged, data_url, merge};
use libfuzzer_sys::fuzz_target;

mod oracle;

/// The engine's own limits are higher; these keep one input fast.
const DEPTH: usize = 4;
const DOCUMENTS: usize = 32;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(bytes) = data_url::decode(&text) {
        assert_eq!(
            data_url::decode(&data_url::encode(&bytes)).as_deref(),
            Ok(bytes.as_slice()),
            "encoding is not the way back"
        );
    }
    let Some(config) = oracle::checked(&text) else {
        return;
    };
    let mut documents = 0;
    let rendered = resolve(config, DEPTH, &mut documents);
    for finding in check_merged(&rendered) {
        assert!(finding.span.is_none(), "a merged config has no text");
        let _ = finding.to_string();
    }
    oracle::survives_the_cache(&rendered);
    let again = merge(Config::default(), rendered.clone());
    assert!(again == rendered, "an empty parent changes its child");
    let again = merge(rendered.clone(), Config::default());
    assert!(again == rendered, "an empty child changes its parent");
});

/// `config` with its children laid over it, or the config that replaces it. Children that are not inline, or not
/// valid, are left out.
fn resolve(config: Config, depth: usize, documents: &mut usize) -> Config {
    let child = |resource: &Resource, documents: &mut usize| {
        let text = data_url::decode(resource.source.as_deref()?).ok()?;
        *documents += 1;
        (*documents <= DOCUMENTS && depth > 0).then_some(())?;
        let child = oracle::checked(std::str::from_utf8(&text).ok()?)?;
        Some(resolve(child, depth - 1, documents))
    };
    if let Some(replaced) = child(&config.ignition.config.replace, documents) {
        return replaced;
    }
    let references = config.ignition.config.merge.clone();
    references
        .iter()
        .fold(config, |merged, reference| match child(reference, documents) {
            Some(child) => merge(merged, child),
            None => merged,
        })
}
