//! The running machine as platforms see it: HTTP through a fetcher, drives, firmware entries and files through
//! [`crate::host::media`], hypervisors through [`crate::host::channels`].

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kindling_platforms::{
    Access, AccessError, Channel, Drive, HttpAnswer, HttpRequest, Machine, Platform, Recipient,
};

use super::{Fetcher, shown};
use crate::host::channels::Channels;
use crate::host::envelope;
use crate::host::machine;
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
    /// Where the stage before the network leaves word of what it has awaited in vain.
    run_dir: Option<PathBuf>,
}

/// The name of the file with that word.
const AWAITED_IN_VAIN: &str = "awaited-in-vain";

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
            run_dir: None,
        }
    }

    /// The same machine, of which the stage before the network remembers in `dir` which disk it has awaited in vain: the next one
    /// looks whether it is there by now, and does not wait as long once more.
    #[must_use]
    pub fn remembering_in(self, dir: &Path) -> Self {
        Self {
            run_dir: Some(dir.to_owned()),
            ..self
        }
    }

    /// How long to wait for the disk `id`, which may take `wait`.
    fn left_of(&self, id: &str, wait: Duration) -> Duration {
        let word = self.run_dir.as_ref().filter(|_| self.machine.is_online);
        let word = word.and_then(|dir| media::read_file(&dir.join(AWAITED_IN_VAIN)).ok()?);
        if word.is_some_and(|awaited| awaited == id.as_bytes()) {
            Duration::ZERO
        } else {
            wait
        }
    }

    fn awaited_in_vain(&self, id: &str) {
        let Some(dir) = self.run_dir.as_ref().filter(|_| !self.machine.is_online) else {
            return;
        };
        let path = dir.join(AWAITED_IN_VAIN);
        let kept = machine::private_dir(dir).and_then(|()| machine::replace(&path, id.as_bytes(), 0o600));
        if let Err(error) = kept {
            // It costs the next stage the same time.
            tracing::warn!("cannot write {}: {error}", path.display());
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
        let left = self.left_of(id, wait);
        let read = self
            .paths
            .read_block(id, left, &|module| self.load_module(module));
        match read {
            Err(AccessError::Absent { what, .. }) => {
                self.awaited_in_vain(id);
                Err(AccessError::Absent { what, waited: wait })
            }
            read => read,
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fetch::{Network, Pace, TransportSettings};
    use crate::host::fake::Scripted;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a directory of the test's own")]
    fn a_disk_that_was_awaited_before_the_network_is_looked_for_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let programs = Scripted::default();
        let fetcher = |offline| {
            let settings = TransportSettings::first(Duration::ZERO, offline);
            Fetcher::new(Arc::new(Network::default()), settings, Pace::real())
        };
        let (before, after) = (fetcher(true), fetcher(false));
        let via = |fetcher| {
            let paths = MediaPaths {
                by_id: dir.path().to_owned(),
                ..MediaPaths::default()
            };
            HostAccess::new(fetcher, &programs, Path::new("/nonexistent"))
                .with_paths(paths)
                .remembering_in(&dir.path().join("run"))
        };
        let wait = Duration::from_millis(1);
        let absent = || {
            let what = "disk".to_owned();
            Err(AccessError::Absent { what, waited: wait })
        };
        // Whoever begins with the network waits, and leaves no word for another try.
        for _ in 0..2 {
            assert_eq!(via(&after).left_of("disk", wait), wait);
            assert_eq!(via(&after).block("disk", wait), absent());
        }
        // So does each try before it.
        for _ in 0..2 {
            assert_eq!(via(&before).left_of("disk", wait), wait);
            assert_eq!(via(&before).block("disk", wait), absent());
        }
        assert_eq!(via(&after).left_of("disk", wait), Duration::ZERO);
        assert_eq!(via(&after).left_of("other", wait), wait);
        assert_eq!(via(&after).block("disk", wait), absent());
        // A late one is there all the same.
        std::fs::write(dir.path().join("disk"), "config").unwrap();
        assert_eq!(via(&after).block("disk", wait), Ok(b"config".to_vec()));
    }
}
