//! The channels between this machine and whatever runs it, each opened when it is first asked for.

use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_platforms::{AccessError, Channel, HttpAnswer, HttpRequest};
use tracing::warn;

use super::http::stream::{BODY_LIMIT, Question, StreamError};
use super::hyperv::{self, Pairs};
use super::media::{self, LoadModule};
use super::process::Processes;
use super::vboxguest::GuestProperties;
use super::vmware::GuestInfo;
use super::vsock::Peer;
use super::{machine, zvm};

/// The pool of Hyper-V's pairs that the host fills.
const HOST_POOL: u8 = 0;
/// How long a node may take to appear once its driver is there.
const NODE_WAIT: Duration = Duration::from_secs(10);
/// How long an exchange with the host may take. Nothing but a queue in memory lies between.
const EXCHANGE_WAIT: Duration = Duration::from_secs(30);

/// Where the kernel shows the channels. The default is the running system; tests have directories of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPaths {
    /// There once sockets to the host are.
    pub vsock: PathBuf,
    /// There once the driver of Hyper-V's services is.
    pub hv_utils: PathBuf,
    /// Its node for key/value pairs.
    pub hv_kvp: PathBuf,
    /// The node of VirtualBox's driver.
    pub vboxguest: PathBuf,
    /// Where a file may lie for a moment.
    pub scratch: PathBuf,
}

impl Default for ChannelPaths {
    fn default() -> Self {
        Self {
            vsock: "/sys/devices/virtual/misc/vsock".into(),
            hv_utils: "/sys/bus/vmbus/drivers/hv_utils".into(),
            hv_kvp: "/dev/vmbus/hv_kvp".into(),
            vboxguest: "/dev/vboxguest".into(),
            scratch: "/run".into(),
        }
    }
}

/// The channels of this machine.
#[derive(Default)]
pub struct Channels {
    paths: ChannelPaths,
    /// Where what can be read once is kept for the next stage.
    kept_in: Option<PathBuf>,
    pairs: OnceCell<Pairs>,
}

impl Channels {
    /// The channels as the kernel shows them below `paths`.
    #[must_use]
    pub fn new(paths: ChannelPaths) -> Self {
        Self {
            paths,
            ..Self::default()
        }
    }

    /// Keeps what can be read once in `dir`, which root alone may enter, and finds it there.
    #[must_use]
    pub fn kept_in(self, dir: &Path) -> Self {
        Self {
            kept_in: Some(dir.to_owned()),
            ..self
        }
    }

    /// The pairs of Hyper-V, where they were asked for.
    #[must_use]
    pub fn pairs(&self) -> Option<&Pairs> {
        self.pairs.get()
    }

    /// The value under `key`; see [`kindling_platforms::Access::get`].
    ///
    /// # Errors
    /// `Absent`, `Failed`, `TooLarge`.
    pub fn get(
        &self,
        channel: Channel,
        key: &str,
        processes: &dyn Processes,
        load: LoadModule<'_>,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        match channel {
            Channel::Guestinfo => guest_info()?.get(key),
            Channel::GuestProperties => self.guest_properties(load)?.get(key),
            Channel::HypervKvp => {
                let pairs = self.received_pairs(load)?;
                Ok(pairs.get(HOST_POOL, key).map(<[u8]>::to_vec))
            }
            Channel::ZvmReader => self.once("reader", || zvm::receive(processes, &self.paths.scratch, key)),
            Channel::BootFifo => self.once("bootfifo", || {
                // No alias leads to it, and nothing but this asks for it.
                needed(load, "mlxbf_bootctl")?;
                media::read_file(Path::new(key))
            }),
        }
    }

    /// Replaces or removes the value under `key`; see [`kindling_platforms::Access::set`].
    ///
    /// # Errors
    /// `Absent`, `Failed`, `Unchanged`; `NotBuilt` where a channel has no such thing.
    pub fn set(
        &self,
        channel: Channel,
        key: &str,
        value: Option<&[u8]>,
        load: LoadModule<'_>,
    ) -> Result<(), AccessError> {
        match (channel, value) {
            (Channel::Guestinfo, Some(value)) => guest_info()?.set(key, value),
            (Channel::GuestProperties, None) => self.guest_properties(load)?.delete(key),
            // Not waited for: the config came this way, if the host is there.
            (Channel::HypervKvp, Some(value)) => self
                .open_kvp()
                .and_then(|device| hyperv::tell(device, key, value))
                .map_err(|error| AccessError::Unchanged {
                    what: key.to_owned(),
                    why: error.to_string(),
                }),
            _ => Err(AccessError::NotBuilt {
                what: format!("changing {channel:?} this way"),
            }),
        }
    }

    /// One exchange with `peer`.
    ///
    /// # Errors
    /// `Failed`, `TooLarge`.
    pub fn ask(
        &self,
        peer: Peer,
        target: &str,
        request: &HttpRequest,
        load: LoadModule<'_>,
    ) -> Result<HttpAnswer, AccessError> {
        if !self.paths.vsock.exists() {
            needed(load, "vsock")?;
            needed(load, "vmw_vsock_virtio_transport")?;
        }
        let question = Question {
            method: request.method.into(),
            target,
            headers: &request.headers,
            body: &request.body,
        };
        let what = request.url.clone();
        let reply = peer.ask(&question, EXCHANGE_WAIT).map_err(|error| match error {
            StreamError::TooLarge => AccessError::TooLarge {
                what,
                limit: BODY_LIMIT,
            },
            error => AccessError::Failed {
                what,
                why: error.to_string(),
            },
        })?;
        Ok(HttpAnswer {
            status: reply.status,
            headers: reply.headers,
            body: reply.body,
            time: None,
        })
    }

    /// udev loads the driver where it sees the device; waiting for its node covers a slow one.
    fn guest_properties(&self, load: LoadModule<'_>) -> Result<GuestProperties, AccessError> {
        let node = &self.paths.vboxguest;
        if !node.exists()
            && let Err(why) = load("vboxguest")
        {
            warn!("cannot load kernel module vboxguest: {why}");
        }
        media::await_path(node, NODE_WAIT)?;
        GuestProperties::open(node).map_err(|error| failed(node, &error))
    }

    fn received_pairs(&self, load: LoadModule<'_>) -> Result<&Pairs, AccessError> {
        if let Some(pairs) = self.pairs.get() {
            return Ok(pairs);
        }
        let bytes = self.once("pairs", || {
            let bytes = self.receive_pairs(load)?.to_bytes();
            Ok((!bytes.is_empty()).then_some(bytes))
        })?;
        let pairs = Pairs::from_bytes(&bytes.unwrap_or_default());
        Ok(self.pairs.get_or_init(|| pairs))
    }

    fn receive_pairs(&self, load: LoadModule<'_>) -> Result<Pairs, AccessError> {
        if !self.paths.hv_utils.exists() {
            needed(load, "hv_utils")?;
        }
        let node = &self.paths.hv_kvp;
        media::await_path(node, NODE_WAIT)?;
        self.open_kvp()
            .and_then(Pairs::receive)
            .map_err(|error| failed(node, &error))
    }

    fn open_kvp(&self) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(&self.paths.hv_kvp)
    }

    /// What `read` brings, or brought before in this boot: reading takes it away from where it was.
    fn once(
        &self,
        name: &str,
        read: impl FnOnce() -> Result<Option<Vec<u8>>, AccessError>,
    ) -> Result<Option<Vec<u8>>, AccessError> {
        let Some(dir) = &self.kept_in else { return read() };
        let path = dir.join(kept_name(name));
        if let Some(kept) = media::read_file(&path)? {
            return Ok(Some(kept));
        }
        let found = read()?;
        if let Some(bytes) = &found
            && let Err(error) = machine::private_dir(dir).and_then(|()| machine::replace(&path, bytes, 0o600))
        {
            // It only matters to a stage after this one, or to another try of this one.
            warn!("cannot keep the config in {}: {error}", path.display());
        }
        Ok(found)
    }
}

fn kept_name(name: &str) -> String {
    format!("config-of-{name}")
}

/// Forgets what [`Channels::kept_in`] kept in `dir`: no stage needs it any more.
///
/// # Errors
/// When the kernel refuses.
pub fn forget_kept(dir: &Path) -> io::Result<()> {
    ["bootfifo", "pairs", "reader"]
        .iter()
        .try_for_each(|name| machine::remove(&dir.join(kept_name(name))))
}

fn guest_info() -> Result<GuestInfo, AccessError> {
    GuestInfo::open().ok_or_else(|| AccessError::Absent {
        what: "VMware".to_owned(),
        waited: Duration::ZERO,
    })
}

fn needed(load: LoadModule<'_>, module: &str) -> Result<(), AccessError> {
    load(module).map_err(|why| AccessError::Failed {
        what: "the channel to the host".to_owned(),
        why: format!("kernel module {module} cannot be loaded: {why}"),
    })
}

fn failed(node: &Path, error: &io::Error) -> AccessError {
    AccessError::Failed {
        what: node.display().to_string(),
        why: error.to_string(),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests fill a directory of their own")]
mod tests {
    use std::cell::RefCell;
    use std::fs;

    use super::*;
    use crate::host::fake::Scripted;

    /// A machine whose kernel shows what is put into a directory.
    struct Host {
        root: tempfile::TempDir,
        loaded: RefCell<Vec<String>>,
    }

    impl Host {
        fn new() -> Self {
            Self {
                root: tempfile::tempdir().unwrap(),
                loaded: RefCell::default(),
            }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.root.path().join(name)
        }

        fn channels(&self) -> Channels {
            Channels::new(ChannelPaths {
                vsock: self.at("vsock"),
                hv_utils: self.at("hv_utils"),
                hv_kvp: self.at("hv_kvp"),
                vboxguest: self.at("vboxguest"),
                scratch: self.at("scratch"),
            })
            .kept_in(&self.at("run"))
        }

        fn get(
            &self,
            channels: &Channels,
            channel: Channel,
            key: &str,
        ) -> Result<Option<Vec<u8>>, AccessError> {
            channels.get(channel, key, &Scripted::default(), &|module| {
                self.loaded.borrow_mut().push(module.to_owned());
                Err("no such module".to_owned())
            })
        }
    }

    #[test]
    fn a_fifo_is_read_once_and_kept_for_the_next_stage() {
        let host = Host::new();
        let fifo = host.at("bootfifo");
        fs::write(&fifo, "config").unwrap();
        let key = fifo.display().to_string();
        let get = |load: LoadModule<'_>| {
            let processes = Scripted::default();
            host.channels().get(Channel::BootFifo, &key, &processes, load)
        };
        assert_eq!(get(&|_| Ok(())), Ok(Some(b"config".to_vec())));
        fs::write(&fifo, "").unwrap();
        assert_eq!(
            get(&|_| Err("not asked for".to_owned())),
            Ok(Some(b"config".to_vec()))
        );
        forget_kept(&host.at("run")).unwrap();
        assert_eq!(get(&|_| Ok(())), Ok(Some(Vec::new())));
        fs::remove_file(&fifo).unwrap();
        forget_kept(&host.at("run")).unwrap();
        assert_eq!(get(&|_| Ok(())), Ok(None));
        assert_eq!(
            get(&|_| Err("no such module".to_owned()))
                .unwrap_err()
                .to_string(),
            "cannot read the channel to the host: kernel module mlxbf_bootctl cannot be loaded: no such module"
        );
        forget_kept(&host.at("run")).unwrap();
    }

    #[test]
    fn what_is_kept_is_for_root_alone() {
        use std::os::unix::fs::PermissionsExt;
        let host = Host::new();
        let kept = host.channels().once("reader", || Ok(Some(b"config".to_vec())));
        assert_eq!(kept, Ok(Some(b"config".to_vec())));
        let mode = |path: &str| host.at(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("run"), mode("run/config-of-reader")), (0o700, 0o600));
    }

    #[test]
    fn pairs_that_were_received_are_not_asked_for_again() {
        let host = Host::new();
        let mut pair = b"\0ignition.config".to_vec();
        pair.resize(513, 0);
        pair.extend(b"config");
        pair.resize(2561, 0);
        host.channels().once("pairs", || Ok(Some(pair))).unwrap();
        let channels = host.channels();
        assert!(channels.pairs().is_none());
        let found = host.get(&channels, Channel::HypervKvp, "ignition.config");
        assert_eq!(found, Ok(Some(b"config".to_vec())));
        assert_eq!(host.get(&channels, Channel::HypervKvp, "other"), Ok(None));
        assert!(channels.pairs().is_some());
        assert_eq!(host.loaded.borrow().len(), 0);
        forget_kept(&host.at("run")).unwrap();
        assert!(
            host.get(&host.channels(), Channel::HypervKvp, "ignition.config")
                .is_err()
        );
    }

    #[test]
    fn a_module_is_loaded_where_its_driver_is_not_there() {
        let host = Host::new();
        let error = host.get(&host.channels(), Channel::HypervKvp, "a").unwrap_err();
        assert!(error.to_string().contains("kernel module hv_utils"), "{error}");
        fs::create_dir(host.at("hv_utils")).unwrap();
        fs::create_dir(host.at("hv_kvp")).unwrap();
        let error = host.get(&host.channels(), Channel::HypervKvp, "a").unwrap_err();
        assert!(
            error.to_string().ends_with("Is a directory (os error 21)"),
            "{error}"
        );
        assert_eq!(*host.loaded.borrow(), ["hv_utils"]);
        fs::write(host.at("vboxguest"), "").unwrap();
        let error = host
            .get(&host.channels(), Channel::GuestProperties, "a")
            .unwrap_err();
        assert!(error.to_string().contains("Inappropriate ioctl"), "{error}");
        assert_eq!(*host.loaded.borrow(), ["hv_utils"]);
    }

    /// Not further: a machine that runs tests may have a host of its own at the other end.
    #[test]
    fn sockets_to_the_host_need_their_modules() {
        let host = Host::new();
        let request = HttpRequest {
            method: kindling_platforms::HttpMethod::Get,
            url: "vsock:2:1024/".to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            retry_also: Vec::new(),
            is_from_privileged_port: false,
        };
        let (peer, target) = Peer::parse(&request.url).unwrap();
        let loaded = RefCell::new(Vec::new());
        let load = |module: &str| {
            loaded.borrow_mut().push(module.to_owned());
            if module == "vsock" {
                Ok(())
            } else {
                Err("no such module".to_owned())
            }
        };
        let error = host.channels().ask(peer, target, &request, &load).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read the channel to the host: kernel module vmw_vsock_virtio_transport cannot be loaded: no such module"
        );
        assert_eq!(*loaded.borrow(), ["vsock", "vmw_vsock_virtio_transport"]);
    }

    #[test]
    fn channels_that_can_only_be_read_say_so() {
        let channels = Host::new().channels();
        for (channel, value) in [
            (Channel::Guestinfo, None),
            (Channel::GuestProperties, Some(&b"x"[..])),
            (Channel::HypervKvp, None),
            (Channel::ZvmReader, None),
            (Channel::BootFifo, None),
        ] {
            let error = channels.set(channel, "a", value, &|_| Ok(())).unwrap_err();
            assert!(matches!(error, AccessError::NotBuilt { .. }), "{error}");
        }
    }
}
