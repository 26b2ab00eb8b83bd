//! A config carried out where the machine does not run: into a root below some directory.

use std::collections::BTreeSet;
use std::path::Path;

use kindling_config_spec::types::Config;

use super::Environment;
use super::files::{Job, unreadable};
use super::given::{self, Given};
use crate::apply::{Applied, Host, Keys, Secrets};
use crate::fetch::needs_network;
use crate::host::devices;
use crate::host::machine::Machine;
use crate::host::process;
use crate::host::sysroot::Sysroot;
use crate::identity::sha256_hex_of;
use crate::plan::Stage;
use crate::plan::offline::{Extent, leave_out, waiting};
use crate::report::Failure;

/// What is asked for.
pub struct Request<'a> {
    /// The config's text.
    pub text: &'a str,
    /// How findings call it.
    pub name: &'a str,
    /// The network may not be used.
    pub offline: bool,
    /// Sections that must wait for the first boot are left out without a word.
    pub skips_what_waits: bool,
    /// What the environment says.
    pub environment: &'a Environment,
}

impl Request<'_> {
    /// Reads the config, renders it, and sees to it that all of it can be done.
    ///
    /// # Errors
    /// The record: of the config, of a reference, of the network that is needed, or of what must wait.
    fn read(&self, extent: Extent) -> Result<(Given, Config), Failure> {
        let given = given::read(self.text, self.name, self.offline)?;
        for warning in &given.warnings {
            tracing::warn!("{warning}");
        }
        let mut config = given.rendered.config().clone();
        if self.skips_what_waits {
            leave_out(&mut config, extent);
        }
        if self.offline
            && let Some(need) = needs_network(&config).first()
        {
            return Err(Failure {
                code: "network-unavailable".to_owned(),
                stage: Stage::Fetch,
                what: format!("the network is needed for {}", need.what),
                place: Some(format!("merged config, {}", need.pointer)),
                why: vec!["it may not be used: --offline".to_owned()],
                next: "give the content inline, or run it without --offline".to_owned(),
            });
        }
        let waiting = waiting(&config, extent);
        if waiting.is_empty() {
            Ok((given, config))
        } else {
            Err(Failure::of_conflicts(Stage::Files, &waiting))
        }
    }

    /// Carries the config out below `root`.
    ///
    /// # Errors
    /// The record. Unless it is of a step, nothing was changed.
    pub fn into_root(&self, root: &Path, extent: Extent) -> Result<Applied, Failure> {
        let (given, config) = self.read(extent)?;
        let machine = Machine::read();
        let sysroot = Sysroot::open(root).map_err(|error| {
            let next = "check the directory given as --root".to_owned();
            Failure::of(Stage::Files, "root-unreadable", &error, next)
        })?;
        let processes = process::System::new(self.environment.path.clone());
        let devices = devices::System::new(u128::from_be_bytes(machine.fresh), processes.clone());
        let host = Host {
            processes: &processes,
            devices: &devices,
            keys: &Keys::new(),
            sysroot: Some(&sysroot),
            fetcher: Some(&given.fetcher),
            journal: None,
        };
        let job = Job {
            config: &config,
            digest: sha256_hex_of(&config),
            made_by_mount: &[],
            user_config_provided: true,
            keys: &BTreeSet::new(),
            secrets: &Secrets::default(),
            environment: self.environment,
            machine: &machine,
            extent: Some(extent),
        };
        let applied = job.run(&sysroot, &host)?;
        // What stands behind the last word must not be lost with the power.
        sysroot.sync(Path::new("/")).map_err(|error| unreadable(&error))?;
        Ok(applied)
    }
}
