//! Preflight: whether a machine is fit to be a node (cluster.md 3.5, 3.6), decided from what was read of it.
//!
//! A check has a name that the config may ignore it by ([`kindling_config_spec::preflight::CHECKS`]), one severity, and three
//! outcomes: what cannot be known is told as that, and never as a fault. `docs/preflight.md` lists them.

mod facts;
mod kernel;
mod machine;
mod network;

use std::fmt::Write;

use serde_json::{Value, json};

use super::handed::{Access, Join, Layout, Mode, Severity};
pub use facts::{FILES, Facts, PATHS, PROGRAMS, RUNTIMES, Unit};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as a node needs it, or plays no part here.
    Good,
    /// It could not be found out, for this reason.
    Unknown(String),
    /// It is not as a node needs it.
    Bad(String),
}

impl Finding {
    /// Good where `is_good`, else what `bad` says.
    fn of(is_good: bool, bad: impl Into<String>) -> Self {
        if is_good {
            Self::Good
        } else {
            Self::Bad(bad.into())
        }
    }

    fn unknown(why: &str) -> Self {
        Self::Unknown(why.to_owned())
    }
}

/// What the config says that a check needs.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Whether the machine joins. Otherwise only the ways to log in are looked at.
    pub joins: bool,
    /// The node's name, where it is settled.
    pub name: Option<String>,
    /// The API server.
    pub server: Option<String>,
    /// Whether requests to it go through a proxy.
    pub is_proxied: bool,
    /// Files that only a node has which has joined already.
    pub left: Vec<&'static str>,
    /// The kubelet's configuration.
    pub config: &'static str,
    /// The kubelet's unit.
    pub unit: String,
    /// Ways to log in that shall be closed.
    pub access: Access,
}

impl Setting {
    /// As the files stage handed it over.
    #[must_use]
    pub fn of(join: &Join, is_proxied: bool) -> Self {
        let paths = join.layout.paths();
        // In mode native what an interrupted run installed is taken over or made anew; that mode knows no token on the disk.
        // OpenShift's config server leaves one in every machine.
        let left = match (join.mode, join.layout) {
            (Mode::Native, Layout::Openshift) => None,
            (Mode::Native, _) => Some(paths.bootstrap_kubeconfig),
            (Mode::Kubelet, _) => Some(paths.kubeconfig),
        };
        Self {
            joins: join.server.is_some(),
            name: join.name.clone(),
            server: join.server.clone(),
            is_proxied,
            left: left.into_iter().collect(),
            config: paths.config,
            unit: join.unit.clone(),
            access: join.access,
        }
    }
}

impl Default for Setting {
    /// A machine that nobody has told anything, as `kubeadm join` would look at it.
    fn default() -> Self {
        let paths = Layout::Kubeadm.paths();
        Self {
            joins: true,
            name: None,
            server: None,
            is_proxied: false,
            left: vec![paths.kubeconfig, paths.bootstrap_kubeconfig, paths.authorities],
            config: paths.config,
            unit: "kubelet.service".to_owned(),
            access: Access {
                is_ssh_off: false,
                is_console_login_off: false,
            },
        }
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The machine would be no node, or a harmful one.
    Error,
    /// It would be one, with less than it should have.
    Warning,
}

/// One check.
pub struct Check {
    /// Its name.
    pub id: &'static str,
    /// What its finding weighs.
    pub weight: Weight,
    /// Decides. The text is what the check is about, where several are decided alike.
    judge: fn(&Facts, &Setting, &str) -> Finding,
    about: &'static str,
    /// What to do about it.
    next: &'static str,
}

const fn error(
    id: &'static str,
    about: &'static str,
    judge: fn(&Facts, &Setting, &str) -> Finding,
    next: &'static str,
) -> Check {
    Check {
        id,
        weight: Weight::Error,
        judge,
        about,
        next,
    }
}

const fn warning(
    id: &'static str,
    about: &'static str,
    judge: fn(&Facts, &Setting, &str) -> Finding,
    next: &'static str,
) -> Check {
    Check {
        weight: Weight::Warning,
        ..error(id, about, judge, next)
    }
}

const INSTALL: &str = "put the program into the image";
const MODULE: &str = "load it: kindling.node.prerequisites does, or a file in /etc/modules-load.d";
const KERNEL: &str = "use an image with a kernel for containers";
const UNIQUE: &str =
    "make it unique: the image is a copy of a machine that has run, or the firmware was never given one";
const FREE: &str = "stop what listens there, or boot the image anew";

/// The checks of a machine that only closes the ways to log in.
const ACCESS: [&str; 2] = ["ssh-off", "console-login-off"];

/// Every check, in the order in which they are told.
pub static CHECKS: &[Check] = &[
    error("user-root", "", machine::is_root, "run it as root"),
    error(
        "kubeconfig-left",
        "",
        machine::nothing_is_left,
        "boot a fresh image, or remove the files (`kubeadm reset`): the machine has joined before",
    ),
    warning(
        "kubelet-unit",
        "",
        machine::kubelet_is_enabled,
        "install the kubelet, and enable its unit",
    ),
    warning(
        "runtime-socket",
        "",
        machine::runtime_listens,
        "install a container runtime, and enable its unit",
    ),
    error("program-ip", "ip", machine::has_program, INSTALL),
    error("program-iptables", "iptables", machine::has_program, INSTALL),
    error("program-mount", "mount", machine::has_program, INSTALL),
    error("program-nsenter", "nsenter", machine::has_program, INSTALL),
    warning("program-ebtables", "ebtables", machine::has_program, INSTALL),
    warning("program-ethtool", "ethtool", machine::has_program, INSTALL),
    warning("program-socat", "socat", machine::has_program, INSTALL),
    warning("program-tc", "tc", machine::has_program, INSTALL),
    warning("program-touch", "touch", machine::has_program, INSTALL),
    error("kernel-version", "", kernel::is_new_enough, KERNEL),
    warning("kernel-features", "", kernel::has_features, KERNEL),
    error("kernel-config", "", kernel::has_options, KERNEL),
    warning("kernel-config-advised", "", kernel::has_advised_options, KERNEL),
    warning(
        "cgroup-version",
        "",
        kernel::is_cgroup_v2,
        "boot with systemd.unified_cgroup_hierarchy=1; kubelets from 1.35 on do not start otherwise",
    ),
    error(
        "cgroup-controllers",
        "",
        kernel::has_controllers,
        "take cgroup_disable= out of the kernel arguments, or use another kernel",
    ),
    error("module-overlay", "overlay", kernel::has_overlay, MODULE),
    warning(
        "module-br-netfilter",
        "br_netfilter",
        kernel::has_bridge_filter,
        MODULE,
    ),
    warning(
        "module-nf-conntrack",
        "nf_conntrack",
        kernel::has_conntrack,
        MODULE,
    ),
    warning(
        "bridge-netfilter",
        "",
        kernel::filters_bridges,
        "set net.bridge.bridge-nf-call-iptables to 1: kindling.node.prerequisites does",
    ),
    error(
        "kernel-defaults",
        "",
        kernel::has_defaults,
        "set them in /etc/sysctl.d, or leave protectKernelDefaults out of kindling.node.kubelet.config",
    ),
    error(
        "ip-forward",
        "",
        network::forwards,
        "set net.ipv4.ip_forward to 1, for IPv6 net.ipv6.conf.default.forwarding: kindling.node.prerequisites does",
    ),
    warning(
        "swap",
        "",
        machine::has_no_swap,
        "turn it off (kindling.node.prerequisites does), or set failSwapOn to false in kindling.node.kubelet.config",
    ),
    warning(
        "hostname",
        "",
        network::name_is_valid,
        "give the machine a name of letters, digits, - and .",
    ),
    error(
        "hostname-unique",
        "",
        network::name_is_own,
        "set kindling.node.name, or give the machine a name",
    ),
    warning(
        "hostname-resolves",
        "",
        network::name_resolves,
        "add it to /etc/hosts, or myhostname to the hosts of /etc/nsswitch.conf",
    ),
    error("port-kubelet", "10250", network::port_is_free, FREE),
    warning("port-proxy", "10256", network::port_is_free, FREE),
    warning("ports-nodes", "30000-32767", network::ports_are_free, FREE),
    warning(
        "proxy",
        "",
        network::server_is_direct,
        "add the API server to ignition.proxy.noProxy",
    ),
    error(
        "clock-set",
        "",
        machine::clock_is_set,
        "set the clock: give the machine a time server it can reach",
    ),
    warning(
        "clock-synchronised",
        "",
        machine::clock_is_synchronised,
        "give the machine a time server it can reach",
    ),
    warning("memory", "", machine::has_memory, "give the machine 2 GB or more"),
    warning("cpus", "", machine::has_cpus, "give the machine a second CPU"),
    warning(
        "disk-space",
        "/var/lib",
        machine::has_space,
        "make the file system larger, or empty it",
    ),
    warning("product-uuid", "", machine::uuid_is_own, UNIQUE),
    warning("machine-id", "", machine::id_is_own, UNIQUE),
    warning("mac-address", "", network::addresses_are_own, UNIQUE),
    error(
        "mount-propagation",
        "",
        machine::root_is_shared,
        "run `mount --make-rshared /` before the runtime starts; systemd does",
    ),
    error(
        "device-kmsg",
        "/dev/kmsg",
        machine::has_device,
        "give the container it, if this is one",
    ),
    warning(
        "device-fuse",
        "/dev/fuse",
        machine::has_device,
        "load the kernel module fuse",
    ),
    warning(
        "entropy",
        "",
        machine::has_entropy,
        "give the machine a source of random numbers (virtio-rng)",
    ),
    error(
        "ssh-off",
        "",
        machine::ssh_is_off,
        "mask the units named: something has undone kindling.node.access, or the image has another SSH server",
    ),
    error(
        "console-login-off",
        "",
        machine::consoles_are_off,
        "mask the units named: something has undone kindling.node.access",
    ),
];

/// A check, and what became of it.
pub struct Looked {
    /// Which.
    pub check: &'static Check,
    /// What it found.
    pub finding: Finding,
    /// Whether the config says that it does not matter.
    pub is_ignored: bool,
}

impl Looked {
    /// The word that the receipt has.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match (&self.finding, self.is_ignored, self.check.weight) {
            (Finding::Good, _, _) => "ok",
            (Finding::Unknown(_), _, _) => "unknown",
            (Finding::Bad(_), true, _) => "ignored",
            (Finding::Bad(_), false, Weight::Error) => "error",
            (Finding::Bad(_), false, Weight::Warning) => "warning",
        }
    }

    /// What there is to say of it.
    #[must_use]
    pub fn what(&self) -> Option<&str> {
        match &self.finding {
            Finding::Good => None,
            Finding::Unknown(what) | Finding::Bad(what) => Some(what),
        }
    }

    /// What to do, where there is something to do.
    #[must_use]
    pub fn next(&self) -> Option<&'static str> {
        let is_bad = matches!(self.finding, Finding::Bad(_)) && !self.is_ignored;
        is_bad.then_some(self.check.next)
    }

    fn is_error(&self) -> bool {
        self.outcome() == "error"
    }
}

/// What every check found, in the order of [`CHECKS`]; empty where nobody looked.
#[derive(Default)]
pub struct Report(pub Vec<Looked>);

/// Lets every check look at `facts`.
#[must_use]
pub fn judge(facts: &Facts, setting: &Setting, ignored: &[String]) -> Report {
    let wanted = CHECKS
        .iter()
        .filter(|check| setting.joins || ACCESS.contains(&check.id));
    let looked = wanted.map(|check| Looked {
        check,
        finding: (check.judge)(facts, setting, check.about),
        is_ignored: ignored.iter().any(|id| id == check.id),
    });
    Report(looked.collect())
}

impl Report {
    /// Those that keep the machine from joining.
    pub fn errors(&self) -> impl Iterator<Item = &Looked> {
        self.0.iter().filter(|looked| looked.is_error())
    }

    /// What the failure record says, where `mode` lets errors count: what failed, why, and what to do.
    #[must_use]
    pub fn verdict(&self, mode: Severity) -> Option<(String, Vec<String>, String)> {
        /// Of more than these only the number is told.
        const SHOWN: usize = 4;
        let first = self.errors().next().filter(|_| mode == Severity::Fail)?;
        let ids: Vec<&str> = self.errors().map(|looked| looked.check.id).collect();
        let said = |looked: &Looked| format!("{}: {}", looked.check.id, looked.what().unwrap_or_default());
        let mut why: Vec<String> = self.errors().take(SHOWN).map(said).collect();
        if ids.len() > SHOWN {
            why.push(format!("and {} more, which the log lists", ids.len() - SHOWN));
        }
        Some((
            format!("this machine is not fit to be a node: {}", ids.join(", ")),
            why,
            format!(
                "{}; what does not matter here can be named in kindling.node.preflight.ignore",
                first.check.next
            ),
        ))
    }

    /// As data, for the receipt and for programs: a list of `id`, `outcome`, and `what` where there is something to say.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows = self.0.iter().map(|looked| {
            let mut row = json!({ "id": looked.check.id, "outcome": looked.outcome() });
            for (name, text) in [("what", looked.what()), ("next", looked.next())] {
                if let Some(text) = text {
                    row[name] = text.into();
                }
            }
            row
        });
        Value::Array(rows.collect())
    }

    /// For people: a line for each check that found something, with what to do below it, and their number at the end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for looked in self.0.iter().filter(|looked| looked.finding != Finding::Good) {
            let what = looked.what().unwrap_or_default();
            // Writing to a string does not fail.
            let _ = writeln!(text, "{} [{}]: {what}", looked.outcome(), looked.check.id);
            if let Some(next) = looked.next() {
                let _ = writeln!(text, "  next: {next}");
            }
        }
        let count = |outcome: &str| self.0.iter().filter(|looked| looked.outcome() == outcome).count();
        let _ = write!(
            text,
            "{} checks: {} ok, {} errors, {} warnings, {} ignored, {} not known",
            self.0.len(),
            count("ok"),
            count("error"),
            count("warning"),
            count("ignored"),
            count("unknown")
        );
        text
    }
}

#[cfg(test)]
mod tests;
