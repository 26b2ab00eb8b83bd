//! What was read of a machine, as data.

use kindling_config_spec::order::{OrderedMap, OrderedSet};

/// Files that are read whole where they are there; the checks read them.
pub const FILES: &[&str] = &[
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/nsswitch.conf",
    "/proc/cgroups",
    "/proc/filesystems",
    "/proc/meminfo",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/net/unix",
    "/proc/self/mountinfo",
    "/proc/swaps",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/keys/root_maxbytes",
    "/proc/sys/kernel/keys/root_maxkeys",
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/kernel/random/entropy_avail",
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/default/forwarding",
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/panic_on_oom",
    "/sys/class/dmi/id/product_uuid",
    "/sys/fs/cgroup/cgroup.controllers",
];

/// Paths of which only counts whether they are there.
pub const PATHS: &[&str] = &[
    "/dev/fuse",
    "/dev/kmsg",
    "/run/systemd/timesync",
    "/run/systemd/timesync/synchronized",
];

/// Programs that a node calls.
pub const PROGRAMS: &[&str] = &[
    "ebtables", "ethtool", "ip", "iptables", "mount", "nsenter", "socat", "tc", "touch",
];

/// Units of container runtimes.
pub const RUNTIMES: &[&str] = &["containerd.service", "crio.service", "cri-docker.service"];

/// A machine, as far as it could be read.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The contents of [`FILES`], and of the kubelet's configuration.
    pub texts: OrderedMap<&'static str, String>,
    /// Which of [`PATHS`] are there, and of the files of [`Setting::left`](super::Setting::left).
    pub paths: OrderedSet<&'static str>,
    /// Which of the programs of the checks are on the path of programs.
    pub programs: OrderedSet<&'static str>,
    /// Whether this is root's process.
    pub is_root: bool,
    /// How many CPUs there are.
    pub cpus: Option<usize>,
    /// The configuration the kernel was built with, as `CONFIG_…=y` lines.
    pub kernel_config: Option<String>,
    /// `modules.dep` of the running kernel.
    pub modules: Option<String>,
    /// Bytes free, and bytes in all, of the file system of `/var/lib`.
    pub space: Option<(u64, u64)>,
    /// The system clock, in seconds since 1970.
    pub now: u64,
    /// A time that is certainly past, in seconds since 1970.
    pub earliest: u64,
    /// Network cards with a device behind them, and their addresses.
    pub cards: Vec<(String, String)>,
    /// Units that were asked for and are there.
    pub units: OrderedMap<String, Unit>,
}

/// What systemd makes of a unit that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// It cannot be started.
    Masked,
    /// Something pulls it in.
    Enabled,
    /// It is there.
    There,
}

impl Facts {
    /// The socket of the container runtime, where the kubelet's configuration names one.
    pub(super) fn endpoint(&self, config: &str) -> Option<&str> {
        let (_, behind) = self.text(config)?.split_once("containerRuntimeEndpoint")?;
        let value = behind
            .trim_start_matches(['"', '\'', ':', ' '])
            .strip_prefix("unix://")?;
        value.split(['"', '\'', ',', '\n', ' ']).next()
    }

    /// The text of a file, without white space around it.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(|text| text.trim())
    }

    /// A member of the kubelet's configuration that is true or false, in YAML or JSON.
    pub(super) fn kubelet_says(&self, config: &str, member: &str) -> Option<bool> {
        let (_, behind) = self.text(config)?.split_once(member)?;
        let value = behind.trim_start_matches(['"', ':', ' ']);
        if value.starts_with("true") {
            Some(true)
        } else {
            value.starts_with("false").then_some(false)
        }
    }

    /// Whether somebody listens on the socket `path`; one that the kernel calls by another name counts if it ends alike.
    pub(super) fn listens(&self, path: &str) -> bool {
        /// `__SO_ACCEPTCON` of the kernel (include/uapi/linux/net.h), in hex.
        const ACCEPTS: &str = "00010000";
        let path = path.trim_start_matches("/var");
        self.text("/proc/net/unix")
            .unwrap_or_default()
            .lines()
            .any(|line| {
                let mut words = line.split_whitespace();
                words.nth(3) == Some(ACCEPTS)
                    && words
                        .nth(3)
                        .is_some_and(|known| known.trim_start_matches("/var") == path)
            })
    }

    /// The ports that somebody listens on; `None` where that cannot be known.
    pub(super) fn listening(&self) -> Option<OrderedSet<u16>> {
        /// `TCP_LISTEN` of the kernel (include/net/tcp_states.h), in hex.
        const LISTEN: &str = "0A";
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| self.text(path));
        tables.iter().any(Option::is_some).then(|| {
            let lines = tables.into_iter().flatten().flat_map(str::lines);
            let port = |line: &str| {
                let mut words = line.split_whitespace().skip(1);
                let (_, port) = words.next()?.rsplit_once(':')?;
                (words.nth(1)? == LISTEN).then(|| u16::from_str_radix(port, 16).ok())?
            };
            let mut ports = OrderedSet::new();
            for port in lines.filter_map(port) {
                ports.insert(port);
            }
            ports
        })
    }
}
