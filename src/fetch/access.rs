//! The running machine as platforms see it: HTTP through a fetcher, everything else through [`crate::host::media`].

use std::path::Path;
use std::time::Duration;

use kindling_platforms::{Access, AccessError, Channel, Drive, HttpAnswer, HttpRequest, Machine};

use super::Fetcher;
use crate::host::media::{self, MediaPaths};
use crate::host::process::Processes;
use crate::invocation::{Invocation, Program};

/// The machine this process runs on.
pub struct HostAccess<'a> {
    fetcher: &'a Fetcher,
    processes: &'a dyn Processes,
    machine: Machine,
    paths: MediaPaths,
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
        self.fetcher.exchange(request)
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

    fn get(&self, channel: Channel, _key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        Err(AccessError::NotBuilt {
            what: format!("channel {channel:?}"),
        })
    }

    fn set(&self, channel: Channel, _key: &str, _value: Option<&[u8]>) -> Result<(), AccessError> {
        Err(AccessError::NotBuilt {
            what: format!("channel {channel:?}"),
        })
    }

    fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, AccessError> {
        media::read_file(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, AccessError> {
        media::list(directory)
    }
}
