//! A config that somebody gives by hand: read, checked, and rendered until no reference is left.

use std::sync::Arc;
use std::time::Duration;

use kindling_config_spec::{Source, diagnostic};

use crate::fetch::{Fetcher, Network, Pace, TransportSettings};
use crate::host::machine;
use crate::plan::Stage;
use crate::render::{First, Rendered, render};
use crate::report::Failure;

/// For how long the first config of a chain may be waited for.
const FIRST_CONFIG: Duration = Duration::from_secs(120);

/// The config, and what came with it.
pub(super) struct Given {
    /// With everything it refers to.
    pub(super) rendered: Rendered,
    /// For the contents of its files, under its settings.
    pub(super) fetcher: Fetcher,
    /// What is doubtful in it, with the lines.
    pub(super) warnings: Vec<String>,
}

/// Reads `source`, called `name` in findings. With `offline`, a reference to the network is an error at once.
///
/// # Errors
/// The record that a boot would end with.
pub(super) fn read(source: Source<'_>, name: &str, offline: bool) -> Result<Given, Failure> {
    let settings = TransportSettings::first(FIRST_CONFIG, offline);
    let mut fetcher = Fetcher::new(Arc::new(Network::default()), settings, Pace::real())
        .no_earlier_than(machine::earliest());
    let text = source.text;
    let checked = source
        .check()
        .map_err(|rejected| super::fetch::rejection(Stage::Fetch, name, text, &rejected))?;
    let of_first =
        (!checked.warnings().is_empty()).then(|| diagnostic::render(name, text, checked.warnings()));
    let rendered = render(First::given(checked, name, source), &mut fetcher)
        .map_err(|error| Failure::of(Stage::Fetch, error.code(), &error, error.next()))?;
    let warnings = of_first
        .into_iter()
        .chain(rendered.warnings().iter().cloned())
        .collect();
    Ok(Given {
        rendered,
        fetcher,
        warnings,
    })
}
