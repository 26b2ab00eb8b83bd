//! The running machine as platforms see it: HTTP through a fetcher, drives, firmware entries and files through
//! [`crate::host::media`], hypervisors through [`crate::host::channels`].

use std::path::Path;
use std::time::{Duration, Instant};

use kindling_platforms::{
    Access, AccessError, Channel, Drive, HttpAnswer, HttpRequest, Machine, Platform, Recipient,
};

use super::{Fetcher, shown};
use crate::host::channels::Channels;
use crate::host::envelope;
use crate::host::media::{self, MediaPaths};
use crate::host::process::Processes;
use crate::host::vsock::Peer;
use crate::invocation::{Invocation, Program};

/// The machine this process runs on.
pub struct HostAccess<'a> {
    fetcher: &'a Fetcher,
    processes: &'a dyn Processes,
    machine: Machine,
    paths: MediaPaths,
    channels: Channels,
    /// When the last exchange must be over.
    deadline: Option<Instant>,
    /// See [`kindling_platforms::Platform::also_at`].
    also_at: &'static [(&'static str, &'static str)],
}

impl<'a> HostAccess<'a> {
    /// `processes` loads kernel modules; `config_file` is what platform `file` reads.
    #[must_use]
    pub fn new(fetcher: &'a Fetcher, processes: &'a dyn Processes, config_file: &Path) -> Self {
        let machine = Machine {
            architecture: std::env::consts::ARCH.to_owned(),
            config_file: config_file.to_owned(),
            command_line: String::new(),
            is_online: !fetcher.settings().offline,
        };
        Self {
            fetcher,
            processes,
            machine,
            paths: MediaPaths::default(),
            channels: Channels::default(),
            deadline: None,
            also_at: &[],
        }
    }

    /// The same machine, started with this kernel command line.
    #[must_use]
    pub fn started_with(mut self, command_line: &str) -> Self {
        command_line.clone_into(&mut self.machine.command_line);
        self
    }

    /// The same machine with its media elsewhere, for tests.
    #[must_use]
    pub fn with_paths(self, paths: MediaPaths) -> Self {
        Self { paths, ..self }
    }

    /// The same machine with these channels to its hypervisor.
    #[must_use]
    pub fn with_channels(self, channels: Channels) -> Self {
        Self { channels, ..self }
    }

    /// The same machine, whose services have this time for all answers together.
    #[must_use]
    pub fn for_at_most(self, patience: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(patience),
            ..self
        }
    }

    /// The same machine, on that platform: its services may have addresses of their own for IPv6.
    #[must_use]
    pub fn on(self, platform: &dyn Platform) -> Self {
        Self {
            also_at: platform.also_at(),
            ..self
        }
    }

    /// The fetcher, which has what is left of that time for one more.
    fn exchange(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        let others = addresses(&request.url, self.also_at);
        let Some(deadline) = self.deadline else {
            return self.fetcher.exchange(request, &others);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AccessError::Failed {
                what: shown(&request.url),
                why: "its time is over".to_owned(),
            });
        }
        self.fetcher.within(left).exchange(request, &others)
    }

    /// The channels, and what was asked of them.
    #[must_use]
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// It is done when the call returns.
    fn load_module(&self, name: &str) -> Result<(), String> {
        let call = Invocation::new(Program::Modprobe).arg(name);
        self.processes
            .run(&call)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

impl Access for HostAccess<'_> {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        match Peer::parse(&request.url) {
            Some((peer, target)) => {
                let load = |module: &str| self.load_module(module);
                self.channels.ask(peer, target, request, &load)
            }
            None => self.exchange(request),
        }
    }

    fn drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        self.paths.read_drive(drive, paths)
    }

    fn block(&self, id: &str, wait: Duration) -> Result<Vec<u8>, AccessError> {
        self.paths
            .read_block(id, wait, &|module| self.load_module(module))
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.paths.read_fw_cfg(name, &|module| self.load_module(module))
    }

    fn get(&self, channel: Channel, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.channels
            .get(channel, key, self.processes, &|module| self.load_module(module))
    }

    fn set(&self, channel: Channel, key: &str, value: Option<&[u8]>) -> Result<(), AccessError> {
        self.channels
            .set(channel, key, value, &|module| self.load_module(module))
    }

    fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, AccessError> {
        media::read_file(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, AccessError> {
        media::list(directory)
    }

    fn recipient(&self) -> Result<Recipient, AccessError> {
        envelope::recipient(self.processes)
    }

    fn enclosed_key(&self, recipient: &Recipient, envelope: &[u8]) -> Result<Option<String>, AccessError> {
        envelope::enclosed_key(self.processes, recipient, envelope)
    }

    fn warn(&self, what: &str) {
        tracing::warn!("{what}");
    }
}

/// Where else `url` can be asked for.
pub(super) fn addresses(url: &str, also_at: &[(&str, &str)]) -> Vec<String> {
    let moved = |(here, there): &(&str, &str)| {
        let rest = url.strip_prefix(here)?;
        Some(format!("{there}{rest}"))
    };
    also_at.iter().filter_map(moved).collect()
}
