//! What every stage starts with: base configs, state, platform, and, after the fetch stages, the cached config.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kindling_config_spec::json;
use kindling_config_spec::merge;
use kindling_config_spec::types::Config;
use kindling_platforms::Platform;

use super::{Environment, Options, StageError, values};
use crate::apply::{Host, Keys, Noted};
use crate::fetch::{self, Base, Fetcher, Network, Pace, Stores, TransportSettings};
use crate::host::devices;
use crate::host::machine::{self, Machine};
use crate::host::process;
use crate::host::sysroot::Sysroot;
use crate::identity::{Seed, sha256_hex_of, write_json};
use crate::plan::Stage;
use crate::report::{Failure, Unparsable};
use crate::state::State;

/// Mode of a new cache: programs of the distribution that run as root read it.
const CACHE_MODE: u32 = 0o640;

/// The time that a metadata service told, for the stages behind the one that heard it.
const TIME: &str = "time";

/// The opened surroundings of a stage.
pub struct Context<'a> {
    /// The command line.
    pub options: &'a Options,
    /// The environment.
    pub environment: &'a Environment,
    /// The platform.
    pub platform: &'static dyn Platform,
    /// The distribution's configs.
    pub base: Base,
    /// What earlier stages left.
    pub state: State,
    /// Remote content.
    pub fetcher: Fetcher,
    /// Facts about the machine.
    pub machine: Machine,
    /// Programs.
    pub processes: process::System,
    /// Disks.
    pub devices: devices::System,
    /// Where the stage notes its times.
    pub noted: &'a Noted,
    /// Keys of encrypted volumes; the disks stage fills them in.
    pub keys: Keys,
}

/// What asks a platform, and fetches the first config: `timeout` is for all tries together, zero for no limit.
#[must_use]
pub fn fetcher(platform: &str, timeout: Duration, offline: bool) -> Fetcher {
    let settings = TransportSettings::first(timeout, offline);
    Fetcher::new(Arc::new(Network::default()), settings, Pace::real())
        .with_stores(Stores::of_platform(platform, machine::is_fips()))
        .no_earlier_than(machine::earliest())
}

/// Goes by the time that a metadata service told an earlier process of this boot.
pub(super) fn recall_time(run_dir: &Path) {
    let told = fs::read_to_string(run_dir.join(TIME)).ok();
    if let Some(told) = told.and_then(|text| text.trim().parse().ok()) {
        machine::note_time(told);
    }
}

impl<'a> Context<'a> {
    /// Opens everything that does not depend on the config.
    ///
    /// # Errors
    /// `Platform`, `State`, or a base config that is not valid.
    pub fn open(
        options: &'a Options,
        environment: &'a Environment,
        noted: &'a Noted,
    ) -> Result<Self, StageError> {
        let platform = kindling_platforms::get(&options.platform).map_err(StageError::Platform)?;
        let state = read_state(&options.state_file, options.stage).map_err(StageError::State)?;
        let base = fetch::read_base(&environment.dirs, &options.platform)
            .map_err(|error| Failure::of(options.stage, error.code(), &error, error.next()))?;
        if let Some(dropped) = &base.platform_dropped {
            tracing::error!("the platform's base configs are left out: {dropped}");
        }
        let offline = options.stage == Stage::FetchOffline;
        let machine = Machine::read();
        let processes = process::System::new(environment.path.clone()).noted_in(&noted.runs);
        Ok(Self {
            options,
            environment,
            platform,
            base,
            state,
            fetcher: fetcher(&options.platform, options.fetch_timeout, offline).noted_in(&noted.runs),
            devices: devices::System::new(u128::from_be_bytes(machine.fresh), processes.clone()),
            keys: Keys::new(),
            noted,
            machine,
            processes,
        })
    }

    /// Leaves the time that a metadata service told for the next stages, where the clock is behind it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn keep_time(&self) -> io::Result<()> {
        let told = machine::noted_time();
        if told <= machine::seconds_since_1970() {
            return Ok(());
        }
        let run_dir = &self.environment.run_dir;
        machine::private_dir(run_dir)?;
        machine::replace(&run_dir.join(TIME), format!("{told}\n").as_bytes(), 0o600)
    }

    /// The stage this is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.options.stage
    }

    /// The base config with the user's on top, as every stage computes it; never checked again.
    #[must_use]
    pub fn whole(&self, user: Config) -> Config {
        merge(self.base.config.clone(), user)
    }

    /// The config that a fetch stage left, whole, and the digest that names it. The fetcher works under its
    /// settings afterwards.
    ///
    /// # Errors
    /// When there is no cache, it cannot be parsed, or a certificate authority in it is broken.
    pub fn cached(&mut self) -> Result<(Config, String), Failure> {
        let path = &self.options.config_cache;
        let stage = self.stage();
        // As text: a second way to read a config would be a second copy of its readers in the binary.
        let text = fs::read_to_string(path).map_err(|error| cache_failure(stage, path, &error))?;
        let user: Config =
            json::parse(&text).map_err(|error| cache_failure(stage, path, &Unparsable::of(&error)))?;
        self.fetcher
            .configure(&user.ignition)
            .and_then(|()| self.fetcher.identify(&user.kindling.transport))
            .map_err(|error| Failure::of(stage, error.code(), &error, error.next()))?;
        let whole = self.whole(user);
        let digest = sha256_hex_of(&whole);
        let named = values::identity(&self.environment.run_dir, &digest);
        Ok((whole, named.unwrap_or(digest)))
    }

    /// From which identifiers that the config leaves open are derived.
    #[must_use]
    pub fn seed(&self, digest: &str) -> Seed {
        Seed::new(&self.machine.id, digest)
    }

    /// The target's root.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn sysroot(&self) -> Result<Sysroot, Failure> {
        Sysroot::open(&self.options.root).map_err(|error| {
            let next = "check that the root file system is mounted, and where (--root)".to_owned();
            Failure::of(self.stage(), "root-unreadable", &error, next)
        })
    }

    /// The boundaries for a stage without a target.
    #[must_use]
    pub fn host(&self) -> Host<'_> {
        Host {
            processes: &self.processes,
            devices: &self.devices,
            keys: &self.keys,
            sysroot: None,
            fetcher: Some(&self.fetcher),
            journal: None,
            receipt: None,
            noted: Some(self.noted),
        }
    }

    /// Keeps the state for the next stage. Only a stage that succeeded does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&mut self) -> Result<(), Failure> {
        self.state.record([&self.base.origin]);
        let path = &self.options.state_file;
        let mut text = Vec::new();
        let said = write_json(&mut text, &self.state);
        text.push(b'\n');
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
        let written = said
            .map_err(io::Error::from)
            .and_then(|()| dir.map_or(Ok(()), machine::private_dir))
            .and_then(|()| machine::replace(path, &text, 0o600));
        written.map_err(|error| {
            let next = "check that /run is writable and has space left".to_owned();
            let mut failure = Failure::of(self.stage(), "state-unwritable", &error, next);
            failure.what = format!("cannot write {}: {}", path.display(), failure.what);
            failure
        })
    }
}

/// Puts the user's config where the stages after this one, and programs of the distribution, read it.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn cache(path: &Path, user: &Config) -> io::Result<()> {
    let mut text = Vec::new();
    user.write_json(&mut text)?;
    let mode = fs::metadata(path).map_or(CACHE_MODE, |present| present.permissions().mode() & 0o777);
    machine::replace(path, &text, mode)
}

fn cache_failure(stage: Stage, path: &Path, error: &dyn std::error::Error) -> Failure {
    let next = "run the stage fetch-offline or fetch first; its failure is the cause".to_owned();
    let mut failure = Failure::of(stage, "config-cache-unreadable", error, next);
    failure.why.insert(0, std::mem::take(&mut failure.what));
    failure.what = format!(
        "cannot read the config that a fetch stage leaves in {}",
        path.display()
    );
    failure
}

fn read_state(path: &Path, stage: Stage) -> Result<State, Failure> {
    let unreadable = |error: &dyn std::error::Error| {
        let next = format!("remove {} to start the first boot anew", path.display());
        let mut failure = Failure::of(stage, "state-unreadable", error, next);
        failure.what = format!("cannot read {}: {}", path.display(), failure.what);
        failure
    };
    match fs::read_to_string(path) {
        Ok(text) => json::parse(&text).map_err(|error| unreadable(&Unparsable::of(&error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(unreadable(&error)),
    }
}
