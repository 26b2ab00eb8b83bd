//! How a platform reaches the machine it runs on. The engine implements [`Access`]; tests replay it.
//!
//! Nine questions serve every family of platforms, and two more the keys of one:
//!
//! | Family | Asks |
//! |---|---|
//! | metadata service (`akamai aliyun aws digitalocean exoscale gcp hetzner maas oraclecloud packet scaleway upcloud vultr`) | [`Access::http`], tokens by PUT and headers |
//! | metadata service, then a drive (`azure`), or both (`brightbox cloudstack nocloud openstack`) | [`Access::http`], [`Access::drive`]; leases by [`Access::list`] and [`Access::file`] |
//! | drive (`azurestack ibmcloud ibmcloud-classic kubevirt nutanix opennebula powervs proxmoxve`) | [`Access::drive`] by label or by file system |
//! | firmware or disk (`qemu`) | [`Access::fw_cfg`], [`Access::block`] |
//! | hypervisor channel (`hyperv nvidiabluefield virtualbox vmware zvm`) | [`Access::get`], and [`Access::set`] to delete |
//! | file (`file`) | [`Access::file`] |
//! | vsock (`applehv`) | [`Access::http`] with a `vsock:CID:PORT/` URL |
//! | socket (`lxd`) | [`Access::http`] with a `unix:` URL |
//! | nothing (`metal`) | — |
//! | keys of `azurestack`, in an envelope | [`Access::recipient`], [`Access::enclosed_key`] |

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The machine, as far as a platform may see it.
pub trait Access {
    /// Facts that need no device.
    fn machine(&self) -> &Machine;

    /// One HTTP exchange, tried again while the answer is a transport error, a status of 500 or above, or one of
    /// [`HttpRequest::retry_also`]. Every other status is an answer, also 404: what it means is the platform's business.
    ///
    /// # Errors
    /// [`AccessError::NeedsNetwork`] before the network is up; [`AccessError::TooLarge`] above the request's limit;
    /// [`AccessError::Failed`] when the time ran out or a certificate was refused.
    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError>;

    /// Mounts the drive read-only, reads `paths` below its root, unmounts it. One entry per path, in order;
    /// `None` for a file that is not there.
    ///
    /// # Errors
    /// [`AccessError::Absent`] when no such drive appeared in time; [`AccessError::Failed`] when it cannot be
    /// mounted or read; [`AccessError::TooLarge`] for a file above 64 MiB.
    fn drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError>;

    /// Every byte of the block device that udev calls `id` below `/dev/disk/by-id`, waiting for it up to `wait`.
    ///
    /// # Errors
    /// [`AccessError::Absent`] when it did not appear in time; [`AccessError::TooLarge`] above 64 MiB;
    /// [`AccessError::Failed`] when it cannot be read.
    fn block(&self, id: &str, wait: Duration) -> Result<Vec<u8>, AccessError>;

    /// The content of a firmware configuration entry of QEMU, or `None` when there is no such entry.
    ///
    /// # Errors
    /// [`AccessError::Absent`] on a machine that has no entries at all, [`AccessError::NoModule`] where the kernel cannot show
    /// them; [`AccessError::Failed`] when it shows one of another length than it said;
    /// [`AccessError::TooLarge`] above 64 MiB.
    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError>;

    /// The value a hypervisor keeps under `key`, or `None`. What a channel gives once is given again for the rest of the
    /// boot, so that a config that turns out to need the network can be read by the next stage too.
    ///
    /// # Errors
    /// [`AccessError::Absent`] when this machine has no such channel; [`AccessError::TooLarge`]; [`AccessError::Failed`]
    /// when it broke.
    fn get(&self, channel: Channel, key: &str) -> Result<Option<Vec<u8>>, AccessError>;

    /// Replaces the value under `key`; `None` removes it.
    ///
    /// # Errors
    /// [`AccessError::Absent`] when this machine has no such channel; [`AccessError::Unchanged`] when the host does not let
    /// the guest write, or the channel broke; [`AccessError::NotBuilt`] for a channel that can only be read.
    fn set(&self, channel: Channel, key: &str, value: Option<&[u8]>) -> Result<(), AccessError>;

    /// The content of a file of the running system, or `None` when there is none.
    ///
    /// # Errors
    /// [`AccessError::Failed`] when it exists and cannot be read; [`AccessError::TooLarge`] above 64 MiB.
    fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, AccessError>;

    /// The names of the files in a directory of the running system, in order; none when it is not there.
    ///
    /// # Errors
    /// [`AccessError::Failed`] when it exists and cannot be listed.
    fn list(&self, directory: &Path) -> Result<Vec<String>, AccessError>;

    /// Makes a pair of keys for one answer that nobody else shall read.
    ///
    /// # Errors
    /// [`AccessError::Envelope`] when this system cannot; [`AccessError::NotBuilt`] where it never does.
    fn recipient(&self) -> Result<Recipient, AccessError> {
        Err(AccessError::NotBuilt {
            what: "a certificate of this machine's own".to_owned(),
        })
    }

    /// Opens an envelope (CMS, RFC 5652) that was closed for the recipient, with certificates inside (PKCS #12, without a
    /// password). Of the first of them that came without its private key this is the public key, as a line `ssh-rsa …`;
    /// `None` where there is no such certificate.
    ///
    /// # Errors
    /// As [`Self::recipient`], and when it is no such envelope.
    fn enclosed_key(&self, _recipient: &Recipient, _envelope: &[u8]) -> Result<Option<String>, AccessError> {
        Err(AccessError::NotBuilt {
            what: "an envelope".to_owned(),
        })
    }

    /// Tells whoever watches the boot what is odd and does not stop it. Never quotes a config.
    fn warn(&self, _what: &str) {}
}

/// Facts about the machine that are read once, at the edge of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The instruction set, in the words of `std::env::consts::ARCH`: `x86_64`, `aarch64`, `s390x`, `powerpc64`.
    pub architecture: String,
    /// Where platform `file` finds its config: `IGNITION_CONFIG_FILE`, or `config.ign` in the working directory.
    pub config_file: PathBuf,
    /// The kernel command line.
    pub command_line: String,
    /// Whether the network may be asked: not in the stage before it is up.
    pub is_online: bool,
}

/// Whom an envelope is closed for: a certificate, and the private key that opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The certificate in DER, as base64 in one line.
    pub certificate: String,
    /// Certificate and private key, as whoever made them keeps them.
    pub secret: Vec<u8>,
}

impl core::fmt::Debug for Recipient {
    /// Without the key.
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("Recipient")
    }
}

/// What to ask a metadata service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// How.
    pub method: HttpMethod,
    /// Where. Beside `http` and `https`, `unix://HOST/SOCKET:/PATH` asks a server of this machine by the path of its
    /// socket, also before the network; `HOST` is what it is called in the request.
    pub url: String,
    /// Headers beside the engine's own, which a header of the same name replaces.
    pub headers: Vec<(String, String)>,
    /// What to send; empty for most.
    pub body: Vec<u8>,
    /// Statuses below 500 that this service uses for "later".
    pub retry_also: Vec<u16>,
    /// Whether to ask from a port below 1024, by which a service tells the system from its users. This request alone: it
    /// has a connection of its own, and follows no redirect.
    pub is_from_privileged_port: bool,
}

/// The methods metadata services use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// Read.
    Get,
    /// Read the headers alone.
    Head,
    /// Ask for a token.
    Put,
    /// Report.
    Post,
    /// Change a part.
    Patch,
}

/// What a metadata service answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it was given by the server's clock (header `Date`), in seconds since 1970; `None` where it does not say.
    pub time: Option<u64>,
    /// The body, at most 64 MiB.
    pub body: Vec<u8>,
}

/// Which drive to read, and how long it may take to appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive<'a> {
    /// How to recognise it.
    pub name: DriveName<'a>,
    /// How long to wait for it, mounting included.
    pub wait: Duration,
}

/// How a drive is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveName<'a> {
    /// By the label of its file system: one path component, in the spelling of `/dev/disk/by-label`.
    Label(&'a str),
    /// By the type of its file system, for example `udf`: the first disc in an optical drive that has one of these types
    /// and the first of the wanted files.
    FileSystem(&'a [&'a str]),
}

/// A key/value channel between a hypervisor and its guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// VMware guest variables, without the prefix `guestinfo.`.
    Guestinfo,
    /// VirtualBox guest properties.
    GuestProperties,
    /// Hyper-V key/value pairs, pool 0.
    HypervKvp,
    /// The z/VM reader; the key is the type of a spool file, and the first file of that type the value.
    ZvmReader,
    /// The boot fifo of a BlueField card; the key is its path in sysfs. Reading empties it.
    BootFifo,
}

/// Why the machine could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The network is not up yet.
    #[error("the network is needed")]
    NeedsNetwork,
    /// It did not appear in time.
    #[error("{what} did not appear within {} s", waited.as_secs())]
    Absent {
        /// The drive, disk or channel.
        what: String,
        /// How long it was awaited.
        waited: Duration,
    },
    /// The kernel has no code for it.
    #[error("cannot read {what}: kernel module {module} cannot be loaded: {why}")]
    NoModule {
        /// The device, drive or channel.
        what: String,
        /// What would drive it.
        module: &'static str,
        /// The cause, in the words of the layer below.
        why: String,
    },
    /// More than anybody means by a config.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The file, disk or address.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// This build has no code for it.
    #[error("{what} is not supported by this build")]
    NotBuilt {
        /// The channel or address.
        what: String,
    },
    /// It was there and did not work.
    #[error("cannot read {what}: {why}")]
    Failed {
        /// The file, drive, disk or address.
        what: String,
        /// The cause, in the words of the layer below.
        why: String,
    },
    /// Keys in an envelope were not had.
    #[error("{fault}: {why}")]
    Envelope {
        /// What was not to be done.
        fault: EnvelopeFault,
        /// The cause, in the words of the layer below; never what was in the envelope.
        why: String,
    },
    /// It stays as it is.
    #[error("cannot change {what}: {why}")]
    Unchanged {
        /// The key of the channel.
        what: String,
        /// The cause, in the words of the layer below.
        why: String,
    },
}

/// How far keys in an envelope were away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeFault {
    /// What makes keys and opens envelopes is not on this system.
    #[error("cannot read keys that come in an envelope")]
    NoProgram,
    /// There was nobody to close it for.
    #[error("cannot make a key and a certificate for the envelope")]
    NoRecipient,
    /// It is none, or closed for somebody else.
    #[error("cannot open the envelope with this machine's key")]
    Closed,
    /// What is in it holds no certificates that can be read.
    #[error("cannot read the certificates in the envelope")]
    Contents,
    /// The key is not one that is asked for here.
    #[error("cannot make a line of the key in the envelope")]
    Key,
}
