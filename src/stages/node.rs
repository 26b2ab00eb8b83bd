//! What the section of a node needs before it can be expanded, and what `kindling join` is left.

use std::io;
use std::path::{Path, PathBuf};

use kindling_config_spec::json;
use kindling_config_spec::types::{Config, Resource};

use super::discovery::{self, Wanted};
use super::kept_program::{self, KeepError};
use super::{Environment, StageError};
use crate::fetch::{FetchError, Fetcher, Pace, shown};
use crate::host::http::parse_roots;
use crate::host::machine;
use crate::host::sysroot::Sysroot;
use crate::node::expand::{Expanded, Facts, expand};
use crate::node::handed::{During, FILE, IN_INITRAMFS, Join, Mode, PENDING};
use crate::plan::{Conflict, Stage};
use crate::report::{Failure, in_merged};

/// More is no token; the longest in use are the signed ones of service accounts.
const TOKEN_LIMIT: u64 = 16 << 10;

/// The section of a whole config with what was fetched for it.
pub(super) struct Settled {
    join: Join,
    token: Option<String>,
    /// There is a token, and it was not fetched.
    awaits_token: bool,
    /// There are placeholders in it, which stand for values of the machine.
    has_values: bool,
}

/// What is fetched for the section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetching {
    /// The token and the authorities.
    All,
    /// Authorities alone: a token may be for one use.
    Authorities,
    /// What is inline.
    Nothing,
}

/// Fetches what the section of `config` refers to; `None` for a config without the section.
///
/// # Errors
/// The record: of a download, of authorities that are none, of a token that is none.
pub(super) fn settle(
    config: &Config,
    fetcher: &Fetcher,
    fetching: Fetching,
) -> Result<Option<Settled>, Failure> {
    let Some(mut join) = Join::of(config) else {
        return Ok(None);
    };
    if join.server.is_none() {
        return Ok(Some(Settled {
            join,
            token: None,
            awaits_token: false,
            has_values: false,
        }));
    }
    let is_wanted = |resource: &Resource, wanted: bool| {
        let source = resource.source.as_deref().unwrap_or_default();
        wanted || source.starts_with("data:")
    };
    let cluster = &config.kindling.node.cluster;
    for (index, resource) in cluster.certificate_authorities.iter().enumerate() {
        if is_wanted(resource, fetching != Fetching::Nothing) {
            let at = format!("/kindling/node/cluster/certificateAuthorities/{index}");
            let what = "the cluster's authorities cannot be had";
            let read = authority(fetcher, resource);
            join.authorities
                .push(read.map_err(|error| refused(&error).at(&at, what))?);
        }
    }
    let bootstrap = &config.kindling.node.bootstrap;
    let source = &bootstrap.token_source;
    let mut token = bootstrap.token.clone();
    if source.source.is_some() && is_wanted(source, fetching == Fetching::All) {
        token = Some(fetched_token(fetcher, source)?);
    }
    if join.authorities.is_empty() && fetching == Fetching::All {
        join.authorities = discovered(config, &join, token.as_deref())?;
    }
    if join.mode == Mode::Native {
        join.token.clone_from(&token);
    }
    let awaits_token = token.is_none() && source.source.is_some();
    Ok(Some(Settled {
        join,
        token,
        awaits_token,
        has_values: fetching != Fetching::All && has_values(config),
    }))
}

/// In the boot the fetch stage has put values in their places.
fn has_values(config: &Config) -> bool {
    let text = json::text(&config.kindling.node);
    text.contains("${machine.") || text.contains("${platform.")
}

fn authority(fetcher: &Fetcher, resource: &Resource) -> Result<String, FetchError> {
    let pem = fetcher.pem(resource)?;
    parse_roots(&pem).map_err(|source| FetchError::Authorities {
        url: shown(resource.source.as_deref().unwrap_or_default()),
        source,
    })?;
    // What is a certificate in PEM is text; what stands beside it need not be.
    Ok(String::from_utf8_lossy(&pem).into_owned())
}

fn refused(error: &FetchError) -> Failure {
    Failure::of(Stage::Files, error.code(), error, error.next())
}

fn fetched_token(fetcher: &Fetcher, source: &Resource) -> Result<String, Failure> {
    let at = "/kindling/node/bootstrap/tokenSource";
    let fetched = fetcher.buffer(source, TOKEN_LIMIT);
    let bytes = fetched.map_err(|error| refused(&error).at(at, "the bootstrap token cannot be had"))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure {
            code: "token-unfit".to_owned(),
            stage: Stage::Files,
            what: "what stands at the address of the bootstrap token is none".to_owned(),
            place: in_merged(at),
            why: vec!["it is empty, or not one word of letters, digits and signs".to_owned()],
            next: "have the address give the token and nothing else".to_owned(),
        });
    }
    Ok(text.to_owned())
}

/// The authorities of a cluster that is known by digests alone, from itself.
fn discovered(config: &Config, join: &Join, token: Option<&str>) -> Result<Vec<String>, Failure> {
    let wanted = Wanted {
        stage: Stage::Files,
        server: join.server.as_deref().unwrap_or_default(),
        token: token.unwrap_or_default(),
        pins: &config.kindling.node.cluster.ca_cert_hashes,
        within: discovery::WITHIN,
    };
    discovery::discover(&wanted, &join.proxy, &Pace::real())
}

impl Settled {
    /// The config with the files and units of the section, for a root that finds this program at `program`.
    pub(super) fn expand(&self, config: Config, program: &Path) -> Expanded {
        let facts = Facts {
            join: &self.join,
            token: self.token.as_deref(),
            program,
        };
        expand(config, facts)
    }

    /// What is not there because it was not fetched, in words.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> {
        let parts = [
            ("the authorities of the cluster are", self.is_unverified()),
            ("the bootstrap token is", !self.has_token()),
        ];
        let missing = parts.into_iter().filter(|(_, is_missing)| *is_missing);
        let missing = missing.map(|(what, _)| format!("{what} fetched in the boot only"));
        let values = "placeholders in kindling.node get their values in the boot only".to_owned();
        missing.chain(self.has_values.then_some(values))
    }

    /// Whether there is a cluster, and nothing yet to know it by.
    fn is_unverified(&self) -> bool {
        self.join.server.is_some() && self.join.authorities.is_empty()
    }

    /// Whether all of it can be made away from the machine.
    ///
    /// # Errors
    /// The record, where the machine alone can ask for the authorities or has the values.
    pub(super) fn is_for_any_machine(&self, stage: Stage) -> Result<(), Failure> {
        let split = "away from the machine, --split writes what must wait to a config of its own";
        let conflict = if self.is_unverified() {
            Conflict::new(
                "/kindling/node/cluster/caCertHashes",
                "waits-for-first-boot",
                "a cluster that is known by digests is asked for its authorities in the boot",
                format!("give certificateAuthorities; {split}"),
            )
        } else if self.has_values {
            Conflict::new(
                "/kindling/node",
                "waits-for-first-boot",
                "placeholders in the section of the node get their values in the boot",
                format!("write the values themselves; {split}"),
            )
        } else {
            return Ok(());
        };
        Err(Failure::of_conflicts(stage, &[conflict]))
    }

    /// Whether the token is known, where there is one.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some() || !self.awaits_token
    }

    /// Whether the engine itself joins, with a token that is for no disk.
    pub(super) fn is_native(&self) -> bool {
        self.join.mode == Mode::Native
    }

    /// Leaves `kindling join` what it needs, in memory alone, and the program.
    ///
    /// # Errors
    /// The record.
    pub(super) fn hand_over(&self, environment: &Environment, root: &Sysroot) -> Result<(), StageError> {
        let path = environment.run_dir.join(FILE);
        let text = json::text(&self.join);
        machine::private_dir(&environment.run_dir)
            .and_then(|()| machine::replace(&path, text.as_bytes(), 0o600))
            .map_err(|error| unwritable(&path, &error))?;
        // What has a unit of the initramfs do it there, and what keeps the first boot from its end until it is done.
        let is_early = self.is_native() && self.join.during == During::Initramfs;
        for (name, is_wanted) in [(IN_INITRAMFS, is_early), (PENDING, self.is_native())] {
            let marker = environment.run_dir.join(name);
            let marked = if is_wanted {
                machine::replace(&marker, b"", 0o600)
            } else {
                machine::remove(&marker)
            };
            marked.map_err(|error| unwritable(&marker, &error))?;
        }
        // Away from the initramfs, whoever runs the stage has the program.
        if machine::is_initramfs() {
            kept_program::keep(&environment.run_dir, root).map_err(|error| unkept(&error))?;
        }
        Ok(())
    }
}

/// Where the real root of this boot will find the program.
///
/// # Errors
/// The record.
pub(super) fn program(environment: &Environment) -> Result<PathBuf, Failure> {
    kept_program::place(&environment.run_dir).map_err(|error| unkept(&error))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    let next = "check that /run is writable and has space left".to_owned();
    let mut failure = Failure::of(Stage::Files, "state-unwritable", error, next);
    failure.what = format!("cannot write {}: {}", path.display(), failure.what);
    failure
}

fn unkept(error: &KeepError) -> Failure {
    let next = "check that /run is writable and has space left".to_owned();
    Failure::of(Stage::Files, "state-unwritable", error, next)
}
