//! A config carried out where the machine does not run: into a root below some directory, or into its disks as images.

mod images;
mod kernel_arguments;
mod partitions;
mod rootless;
mod stamp;

use std::path::{Path, PathBuf};

use kindling_config_spec::convert::convert_minimal;
use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::types::Config;
use kindling_config_spec::version::NEWEST;
use kindling_config_spec::{Source, check};

use super::Environment;
use super::files::{Job, unreadable};
use super::given::{self, Given};
use super::node::{self, Fetching};
use super::places::located;
use crate::apply::{Applied, Host, Keys, Noted, Secrets};
use crate::fetch::{Origin, needs_network};
use crate::host::accounts;
use crate::host::devices;
use crate::host::machine::{self, Machine};
use crate::host::process;
use crate::host::sysroot::Sysroot;
use crate::identity::sha256_hex_of;
use crate::node::expand::Expanded;
use crate::node::handed::DIRECTORY;
use crate::plan::Stage;
use crate::plan::offline::{Extent, leave_out, waiting};
use crate::plan::origins::Origins;
use crate::plan::split::{Seen, Split, Unseen, split};
use crate::render::Written;
use crate::report::progress::StageRecord;
use crate::report::{Failure, in_merged};
pub use images::Image;
pub use rootless::no_namespace;

/// The config that was carried out.
const BAKED: &str = "baked.ign";
/// The config for the first boot.
const WAITING: &str = "first-boot.ign";

/// What is asked for.
pub struct Request<'a> {
    /// The config.
    pub source: Source<'a>,
    /// How findings call it.
    pub name: &'a str,
    /// The network may not be used.
    pub offline: bool,
    /// Sections that must wait for the first boot are left out without a word.
    pub skips_what_waits: bool,
    /// Where to write what is carried out and what must wait, as two configs; then nothing is refused for having to wait.
    pub split: Option<&'a Path>,
    /// What the environment says.
    pub environment: &'a Environment,
}

impl Request<'_> {
    /// Sees to it that the config can be read, with everything it refers to.
    ///
    /// # Errors
    /// The record: of the config or of a reference.
    pub fn check(&self) -> Result<(), Failure> {
        given::read(self.source, self.name, self.offline).map(drop)
    }

    /// Reads the config, renders it, and sees to it that all of it can be done.
    ///
    /// # Errors
    /// The record: of the config, of a reference, of the network that is needed, or of what must wait.
    fn read(&self, extent: Extent, seen: &dyn Seen) -> Result<(Given, Expanded), Failure> {
        let given = given::read(self.source, self.name, self.offline)?;
        let written = self.written(&given);
        self.settle(given, extent, seen)
            .map_err(|failure| located(failure, &written))
    }

    /// The lines of the entries, as long as the entries are those that were written.
    fn written(&self, given: &Given) -> Written {
        if self.skips_what_waits || self.split.is_some() {
            return Written::default();
        }
        given.rendered.written().clone()
    }

    fn settle(&self, given: Given, extent: Extent, seen: &dyn Seen) -> Result<(Given, Expanded), Failure> {
        for warning in &given.warnings {
            tracing::warn!("{warning}");
        }
        let mut config = given.rendered.config().clone();
        if self.skips_what_waits {
            leave_out(&mut config, extent);
        }
        if let Some(dir) = self.split {
            let split = split(&config, extent, seen);
            write_both(dir, &split)?;
            config = split.baked;
        }
        if self.offline
            && let Some(need) = needs_network(&without_bootstrap(&config)).first()
        {
            return Err(Failure {
                code: "network-unavailable".to_owned(),
                stage: Stage::Fetch,
                what: format!("the network is needed for {}", need.what),
                place: in_merged(&need.pointer),
                why: vec!["it may not be used: --offline".to_owned()],
                next: "give the content inline, or run it without --offline".to_owned(),
            });
        }
        let waiting = waiting(&config, extent);
        if !waiting.is_empty() {
            return Err(Failure::of_conflicts(Stage::Files, &waiting));
        }
        let Some(settled) = node::settle(&config, &given.fetcher, Fetching::Authorities)? else {
            let origins = Origins::default();
            return Ok((given, Expanded { config, origins }));
        };
        settled.is_for_any_machine(Stage::Files)?;
        if !settled.has_token() {
            tracing::warn!("the bootstrap token is fetched in the first boot: the root does not get it");
        }
        if settled.is_native() {
            tracing::warn!(
                "mode native joins in the first boot, and its token is for no disk: the root gets the files of the node, and \
                 joins only when its own first boot has the section too (--split writes it to a config of its own)"
            );
        }
        let expanded = settled.expand(config, &Path::new(DIRECTORY).join("bin/kindling"));
        Ok((given, expanded))
    }

    /// Only writes the two configs of [`Request::split`].
    ///
    /// # Errors
    /// The record.
    pub fn only_split(&self) -> Result<(), Failure> {
        self.read(Extent::Tree, &Unseen).map(drop)
    }

    /// Carries the config out below `root`.
    ///
    /// # Errors
    /// The record. Unless it is of a step, nothing was changed.
    pub fn into_root(&self, root: &Path, extent: Extent) -> Result<Applied, Failure> {
        let unreadable = |error: &dyn std::error::Error| {
            let next = "check the directory given as --root".to_owned();
            Failure::of(Stage::Files, "root-unreadable", error, next)
        };
        // Account programs take no other.
        let root = std::path::absolute(root).map_err(|error| unreadable(&error))?;
        let sysroot = Sysroot::open(&root).map_err(|error| unreadable(&error))?;
        let noted = Noted::begin();
        let processes = process::System::new(self.environment.path.clone()).noted_in(&noted.runs);
        let seen = SeenRoot {
            sysroot: &sysroot,
            processes: &processes,
        };
        let (mut given, expanded) = self.read(extent, &seen)?;
        let written = self.written(&given);
        given.fetcher = given.fetcher.noted_in(&noted.runs);
        // No device is made or looked at below a root.
        let devices = devices::System::new(0, processes.clone());
        let host = Host {
            processes: &processes,
            devices: &devices,
            keys: &Keys::new(),
            sysroot: None,
            fetcher: Some(&given.fetcher),
            journal: None,
            receipt: None,
            noted: Some(&noted),
        };
        let digest = sha256_hex_of(&expanded.config);
        let below = Below {
            sysroot: &sysroot,
            made_by_mount: &[],
            documents: given.rendered.origins().to_vec(),
            stages: Vec::new(),
            extent,
        };
        self.files(&expanded, digest, below, &host)
            .map_err(|failure| located(failure, &written))
    }

    fn files(
        &self,
        expanded: &Expanded,
        digest: String,
        below: Below<'_>,
        host: &Host<'_>,
    ) -> Result<Applied, Failure> {
        let job = Job {
            config: &expanded.config,
            origins: &expanded.origins,
            digest,
            made_by_mount: below.made_by_mount,
            user_config_provided: true,
            keys: &OrderedSet::new(),
            secrets: &Secrets::default(),
            environment: self.environment,
            machine: &Machine::read(),
            documents: below.documents,
            stages: below.stages,
            extent: Some(below.extent),
            is_part: self.split.is_some(),
        };
        job.run(below.sysroot, host)
    }
}

/// A config in the oldest version that has all it needs; `None` where it is not valid.
#[must_use]
pub fn in_oldest(config: &Config) -> Option<String> {
    let mut newest = config.clone();
    newest.ignition.version = NEWEST.as_str().to_owned();
    let checked = check(&newest.to_json()).ok()?;
    convert_minimal(&checked).ok()
}

/// What is fetched or asked for in the boot alone is nothing that is wanted here.
fn without_bootstrap(config: &Config) -> Config {
    let mut config = config.clone();
    config.kindling.node.bootstrap = Default::default();
    config
}

/// The root below a directory, as far as [`split`] must know it.
struct SeenRoot<'a> {
    sysroot: &'a Sysroot,
    processes: &'a process::System,
}

impl Seen for SeenRoot<'_> {
    fn real(&self, path: &Path) -> PathBuf {
        // What cannot be resolved cannot be written either: the stage will say so.
        self.sysroot.resolve(path).unwrap_or_else(|_| path.to_owned())
    }

    fn home(&self, user: &str) -> Option<PathBuf> {
        let known = accounts::user(self.sysroot, self.processes, user).ok().flatten();
        known.map(|account| account.home)
    }
}

/// A root, and what was done before it gets its files.
struct Below<'a> {
    sysroot: &'a Sysroot,
    made_by_mount: &'a [PathBuf],
    documents: Vec<Origin>,
    stages: Vec<StageRecord>,
    extent: Extent,
}

/// Writes the two configs, each in the oldest version that has all it needs, and says why anything waits.
fn write_both(dir: &Path, split: &Split) -> Result<(), Failure> {
    let unwritable = |error: &dyn std::error::Error| {
        let next = "check the directory given as --split".to_owned();
        Failure::of(Stage::Fetch, "split-unwritable", error, next)
    };
    for (pointer, why) in &split.why {
        tracing::info!("waits for the first boot: {pointer}: {why}");
    }
    std::fs::create_dir_all(dir).map_err(|error| unwritable(&error))?;
    // What waits has secrets in it, and both say how to fetch, which may take credentials.
    for (name, config) in [(BAKED, &split.baked), (WAITING, &split.waiting)] {
        let text = in_oldest(config).ok_or_else(|| Failure {
            code: "internal".to_owned(),
            stage: Stage::Fetch,
            what: format!("{name} would not be a valid config"),
            place: None,
            why: vec!["nothing was changed".to_owned()],
            next: "this is a defect of kindling: report it with this record".to_owned(),
        })?;
        machine::replace(&dir.join(name), text.as_bytes(), 0o600).map_err(|error| unwritable(&error))?;
    }
    Ok(())
}
