//! The two fetch stages: acquire, check, render, cache (engine.md 2).

use std::fs;
use std::path::Path;

use kindling_config_spec::types::Config;
use kindling_config_spec::types::kindling::{FileExtra, Kindling, OnFailure};
use kindling_config_spec::{Rejected, Source, check, diagnostic, merge};

use super::values::{self, Expanded};
use super::{Context, Ended, Reporter, StageError, emergency, places, pools};
use crate::apply::Applied;
use crate::fetch::{Acquired, Fetched, HostAccess, Places, acquire, needs_network, parse_arguments};
use crate::host::channels::Channels;
use crate::host::log;
use crate::identity::sha256_hex_of;
use crate::plan::Stage;
use crate::render::{First, RenderError, Rendered, log_dialect, render_heard};
use crate::report::Failure;

/// What a source leads to.
enum Outcome {
    Rendered(Box<Rendered>),
    NeedsNetwork(String),
}

/// Runs the stage.
pub(super) fn run(mut context: Context<'_>, reporter: &Reporter) -> Result<Ended, StageError> {
    let offline = context.stage() == Stage::FetchOffline;
    reporter.heard(&context.base.config);
    let mut outcome = outcome(&mut context, reporter)?;
    if let Outcome::Rendered(rendered) = &mut outcome
        && let Expanded::NeedsNetwork(what) = with_values(&context, rendered)?
    {
        outcome = Outcome::NeedsNetwork(what);
    }
    let rendered = match outcome {
        Outcome::Rendered(rendered) => rendered,
        Outcome::NeedsNetwork(what) if offline => return ask_for_network(&mut context, &what),
        Outcome::NeedsNetwork(what) => {
            return Err(Failure {
                code: "network-unavailable".to_owned(),
                stage: context.stage(),
                what: format!("the network is needed for {what}"),
                place: None,
                why: Vec::new(),
                next: "check that the distribution brings the network up before ignition-fetch.service"
                    .to_owned(),
            }
            .into());
        }
    };
    rendered
        .warnings()
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    cache(&context, &rendered)?;
    let run_dir = &context.environment.run_dir;
    if let Err(error) = places::keep(run_dir, rendered.written()) {
        tracing::warn!("records of this boot will have no lines of the config: {error}");
    }
    context.state.record(rendered.origins());
    log::config_fetched("base", &context.base.origin.source, false);
    for origin in rendered.origins() {
        log::config_fetched(&origin.kind.to_string(), &origin.source, origin.referenced);
    }
    let needs = if offline {
        needs_network(&context.whole(rendered.config().clone()))
    } else {
        Vec::new()
    };
    if let Some(need) = needs.first() {
        let what = format!("{} ({})", need.what, need.pointer);
        return ask_for_network(&mut context, &what);
    }
    settle(&context, rendered.config(), reporter);
    context.save()?;
    Ok(Ended::Done(Applied {
        documents: rendered.origins().to_vec(),
        ..Applied::default()
    }))
}

/// Puts values into the config; it goes on by the digest that it had before.
fn with_values(context: &Context<'_>, rendered: &mut Rendered) -> Result<Expanded, Failure> {
    let digest = |rendered: &Rendered| sha256_hex_of(&context.whole(rendered.config().clone()));
    let asks = |extra: &FileExtra| extra.expand == Some(true);
    let run_dir = &context.environment.run_dir;
    let section = &rendered.config().kindling;
    if section.node.cluster.server.is_none() && !section.files.values().any(asks) {
        values::keep_identity(run_dir, "", "").map_err(|error| unwritable(context, run_dir, &error))?;
        return Ok(Expanded::Done);
    }
    let before = digest(rendered);
    let expanded = values::replace(context, rendered.config_mut())?;
    if let Expanded::Done = expanded {
        values::keep_identity(run_dir, &before, &digest(rendered))
            .map_err(|error| unwritable(context, run_dir, &error))?;
    }
    Ok(expanded)
}

/// No more sinks come now.
fn settle(context: &Context<'_>, user: &Config, reporter: &Reporter) {
    let digest = || {
        let digest = sha256_hex_of(&context.whole(user.clone()));
        values::identity(&context.environment.run_dir, &digest).unwrap_or(digest)
    };
    reporter.settled(&context.base.config, user, digest);
}

fn outcome(context: &mut Context<'_>, reporter: &Reporter) -> Result<Outcome, Failure> {
    let stage = context.stage();
    let path = &context.environment.command_line;
    let command_line = fs::read_to_string(path).map_err(|error| {
        let mut failure = Failure::of(
            stage,
            "kernel-arguments-unreadable",
            &error,
            "check that /proc is mounted".into(),
        );
        failure.what = format!("cannot read {}: {}", path.display(), failure.what);
        failure
    })?;
    let mut arguments = parse_arguments(&command_line);
    arguments.url = arguments
        .url
        .map(|url| values::in_address(stage, url))
        .transpose()?;
    let places = Places {
        arguments: &arguments,
        dirs: &context.environment.dirs,
        platform: context.platform,
    };
    let via = HostAccess::new(
        &context.fetcher,
        &context.processes,
        &context.environment.config_file,
    )
    .started_with(&command_line)
    .on(context.platform)
    .with_channels(Channels::default().kept_in(&context.environment.run_dir));
    let acquired = acquire(places, &context.fetcher, &via)
        .map_err(|error| Failure::of(stage, error.code(), &error, error.next()))?;
    let received = via.channels().pairs().map(pools::files);
    if let Some(files) = received {
        context.state.provider_output_files = files;
    }
    let outcome = match acquired {
        Acquired::Config(fetched) => render_fetched(context, fetched, reporter),
        Acquired::NeedsNetwork { what } => Ok(Outcome::NeedsNetwork(what)),
        Acquired::Empty { source } => {
            tracing::info!("{source} gives no config: an empty one is used");
            Ok(Outcome::Rendered(Box::new(Rendered::empty())))
        }
    };
    // Only now: a reference may have been the first to need an identity of the metadata service.
    if let Err(error) = context.keep_time() {
        tracing::warn!("the time of the metadata service is not kept: {error}");
    }
    outcome
}

fn render_fetched(
    context: &mut Context<'_>,
    fetched: Fetched,
    reporter: &Reporter,
) -> Result<Outcome, Failure> {
    let stage = context.stage();
    let checked =
        check(&fetched.text).map_err(|rejected| rejection(stage, &fetched.name, &fetched.text, &rejected))?;
    log_dialect(&fetched.name, &checked);
    if !checked.warnings().is_empty() {
        tracing::warn!(
            "{}",
            diagnostic::render(&fetched.name, &fetched.text, checked.warnings())
        );
    }
    // Now, and not when all is rendered: what it refers to may be what fails.
    keep_policy(context, &checked.config().kindling);
    let first = First {
        checked,
        name: &fetched.name,
        source: Source::alone(&fetched.text),
        origin: fetched.origin,
    };
    match render_heard(first, &mut context.fetcher, &|config| reporter.heard(config)) {
        Ok(rendered) => {
            keep_policy(context, &rendered.config().kindling);
            Ok(Outcome::Rendered(Box::new(rendered)))
        }
        Err(error) if error.needs_network() => Ok(Outcome::NeedsNetwork("a referenced config".to_owned())),
        Err(error) => Err(Failure::of(stage, error.code(), &error, error.next())),
    }
}

/// Keeps what is to be done when this boot fails, as the base configs and this section have it.
fn keep_policy(context: &Context<'_>, section: &Kindling) {
    let of = |on_failure: &OnFailure| Config {
        kindling: Kindling {
            on_failure: on_failure.clone(),
            ..Kindling::default()
        },
        ..Config::default()
    };
    let both = merge(
        of(&context.base.config.kindling.on_failure),
        of(&section.on_failure),
    );
    emergency::keep_policy(&context.environment.run_dir, &both.kindling.on_failure);
}

/// The record of a document that is not a valid config.
pub(super) fn rejection(stage: Stage, name: &str, text: &str, rejected: &Rejected) -> Failure {
    let error = RenderError::of_rejected(name, text, rejected);
    Failure::of(stage, error.code(), &error, error.next())
}

fn cache(context: &Context<'_>, rendered: &Rendered) -> Result<(), Failure> {
    let path = &context.options.config_cache;
    super::context::cache(path, rendered.config()).map_err(|error| unwritable(context, path, &error))
}

fn ask_for_network(context: &mut Context<'_>, what: &str) -> Result<Ended, StageError> {
    let path = context.options.neednet.clone();
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)
        .and_then(|()| fs::File::create(&path))
        .map_err(|error| unwritable(context, &path, &error))?;
    tracing::info!("the network is needed for {what}");
    context.save()?;
    Ok(Ended::NeedsNetwork)
}

fn unwritable(context: &Context<'_>, path: &Path, error: &std::io::Error) -> Failure {
    let next = "check that /run is writable and has space left".to_owned();
    let mut failure = Failure::of(context.stage(), "state-unwritable", error, next);
    failure.what = format!("cannot write {}: {}", path.display(), failure.what);
    failure
}
