//! What the files stage leaves for `kindling join`: everything it has to know, so that it reads no config.

use kindling_config_spec::types::kindling::Report;
use kindling_config_spec::types::{Config, Proxy};
use serde::{Deserialize, Serialize};

/// The directory of this boot, as units name it.
pub const DIRECTORY: &str = "/run/kindling";

/// Its name below the directory of this boot (`/run/kindling`). Mode 0600: it may hold the bootstrap token, which is nowhere
/// else on the machine in mode `native`. It goes when the machine has its certificate.
pub const FILE: &str = "join.json";

/// There where the join is to be before the root is switched: `kindling-join.service` of the initramfs looks for it.
pub const IN_INITRAMFS: &str = "join-in-initramfs";

/// There while a machine in mode `native` has no certificate yet: its first boot is not over.
pub const PENDING: &str = "join-pending";

/// The version of the form.
pub const FORMAT: u32 = 1;

/// The machine's way into its cluster, as the config says it, with what was fetched and settled on the way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// [`FORMAT`].
    pub format: u32,
    /// The node's name as the config or the platform gives it; `None` is the machine's host name at the time of the join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The API server, `https://host:port`; `None` where only the machine is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The authorities its certificate may come from, PEM, one or more blocks each; fetched, or discovered and verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorities: Vec<String>,
    /// The bootstrap token; mode `native` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Who asks for the certificate.
    pub mode: Mode,
    /// When mode `native` asks.
    pub during: During,
    /// How long the cluster may take to approve and issue, in seconds.
    pub approval_timeout_seconds: u64,
    /// The certificate's lifetime to wish for, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<u32>,
    /// Where this image's kubelet looks.
    pub layout: Layout,
    /// The kubelet's unit.
    pub unit: String,
    /// What is looked at first.
    pub preflight: Preflight,
    /// Ways to log in that have to be closed.
    pub access: Access,
    /// Who is told.
    #[serde(default)]
    pub report: Report,
    /// How the network is reached.
    #[serde(default)]
    pub proxy: Proxy,
}

impl Join {
    /// What a whole config says of it; `None` for one without the section. Authorities and token are for whoever fetches them.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let node = &config.kindling.node;
        if *node == Default::default() {
            return None;
        }
        let (bootstrap, kubelet) = (&node.bootstrap, &node.kubelet);
        let is_off = |word: &Option<String>| word.as_deref() == Some("off");
        Some(Self {
            format: FORMAT,
            name: node.name.clone(),
            server: node.cluster.server.clone(),
            authorities: Vec::new(),
            token: None,
            mode: match bootstrap.mode.as_deref() {
                Some("native") => Mode::Native,
                _ => Mode::Kubelet,
            },
            during: match bootstrap.during.as_deref() {
                Some("initramfs") => During::Initramfs,
                _ => During::Unit,
            },
            approval_timeout_seconds: bootstrap
                .approval_timeout_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .unwrap_or(APPROVAL_SECONDS),
            lifetime_seconds: bootstrap
                .lifetime_seconds
                .and_then(|seconds| u32::try_from(seconds).ok()),
            layout: match kubelet.layout.as_deref() {
                Some("plain") => Layout::Plain,
                Some("openshift") => Layout::Openshift,
                _ => Layout::Kubeadm,
            },
            unit: kubelet
                .unit
                .clone()
                .unwrap_or_else(|| "kubelet.service".to_owned()),
            preflight: Preflight {
                mode: match node.preflight.mode.as_deref() {
                    Some("warn") => Severity::Warn,
                    Some("off") => Severity::Off,
                    _ => Severity::Fail,
                },
                ignore: node.preflight.ignore.clone(),
            },
            access: Access {
                is_ssh_off: is_off(&node.access.ssh),
                is_console_login_off: is_off(&node.access.console_login),
            },
            report: config.kindling.report.clone(),
            proxy: config.ignition.proxy.clone(),
        })
    }
}

/// How long the cluster may take where the config does not say (docs/config-spec.md).
const APPROVAL_SECONDS: u64 = 300;

/// Who asks for the node's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The kubelet, with the bootstrap kubeconfig.
    Kubelet,
    /// This program.
    Native,
}

/// When mode `native` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum During {
    /// In a unit of the real root, before the kubelet.
    Unit,
    /// Before the root is switched.
    Initramfs,
}

/// Where the kubelet of an image looks for its files (cluster.md 2.2, 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// As kubeadm's packages have it.
    Kubeadm,
    /// In places named on its command line.
    Plain,
    /// As OpenShift's images have it.
    Openshift,
}

/// What a check that failed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The machine does not join.
    Fail,
    /// It is told.
    Warn,
    /// Nobody looks.
    Off,
}

/// What is looked at before the machine joins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// What a failed check means.
    pub mode: Severity,
    /// Checks by name whose result does not matter here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// Ways to log in that the config closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// The SSH server is masked.
    pub is_ssh_off: bool,
    /// The login prompts of consoles are masked.
    pub is_console_login_off: bool,
}

/// Where a layout has things, as absolute paths of the real root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paths {
    /// What the kubelet joins with in mode `kubelet`.
    pub bootstrap_kubeconfig: &'static str,
    /// What it works with.
    pub kubeconfig: &'static str,
    /// The kubelet's own configuration.
    pub config: &'static str,
    /// The cluster's authorities.
    pub authorities: &'static str,
    /// Keys and certificates.
    pub certificates: &'static str,
}

impl Layout {
    /// Where it has them.
    #[must_use]
    pub fn paths(self) -> Paths {
        const CERTIFICATES: &str = "/var/lib/kubelet/pki";
        match self {
            Self::Kubeadm => Paths {
                bootstrap_kubeconfig: "/etc/kubernetes/bootstrap-kubelet.conf",
                kubeconfig: "/etc/kubernetes/kubelet.conf",
                config: "/var/lib/kubelet/config.yaml",
                authorities: "/etc/kubernetes/pki/ca.crt",
                certificates: CERTIFICATES,
            },
            Self::Plain => Paths {
                bootstrap_kubeconfig: "/etc/kubernetes/kubelet/bootstrap-kubeconfig",
                kubeconfig: "/etc/kubernetes/kubelet/kubeconfig",
                config: "/etc/kubernetes/kubelet/config",
                authorities: "/etc/kubernetes/pki/ca.crt",
                certificates: CERTIFICATES,
            },
            Self::Openshift => Paths {
                bootstrap_kubeconfig: "/etc/kubernetes/kubeconfig",
                kubeconfig: "/var/lib/kubelet/kubeconfig",
                config: "/etc/kubernetes/kubelet.conf",
                authorities: "/etc/kubernetes/kubelet-ca.crt",
                certificates: CERTIFICATES,
            },
        }
    }
}
