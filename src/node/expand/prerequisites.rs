//! What a node wants of the kernel (cluster.md 3.6).

use kindling_config_spec::types::Config;
use serde_json::Value;

use super::Made;

const POINTER: &str = "/kindling/node/prerequisites";
/// Sorted behind the distribution's own.
const SYSCTL: &str = "/etc/sysctl.d/90-kindling-node.conf";
const MODULES: &str = "/etc/modules-load.d/kindling-node.conf";

/// systemd-sysctl comes after systemd-modules-load, so the keys of the bridge are there.
const FORWARDING: &str = "net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
";

/// For a cluster of IPv6: the kernel then takes a router's announcements only with `accept_ra=2`, which is the network's to say.
const FORWARDING_6: &str = "net.ipv6.conf.all.forwarding = 1
net.ipv6.conf.default.forwarding = 1
";

/// What a kubelet with `protectKernelDefaults` ends over if it is otherwise.
const PROTECTED: &str = "vm.overcommit_memory = 1
vm.panic_on_oom = 0
kernel.panic = 10
kernel.panic_on_oops = 1
kernel.keys.root_maxkeys = 1000000
kernel.keys.root_maxbytes = 25000000
";

/// All swap that systemd knows of, from fstab and from partitions of the type, is pulled in by the target (systemd.swap(5),
/// systemd-gpt-auto-generator(8)); the services call `swapon` themselves.
const SWAP: [&str; 3] = ["swap.target", "zramswap.service", "dphys-swapfile.service"];

pub(super) fn make(made: &mut Made, config: &Config) {
    let kubelet = &config.kindling.node.kubelet.config;
    let is = |name: &str, value: bool| kubelet.get(name) == Some(&Value::Bool(value));
    made.file(POINTER, MODULES, 0o644, "overlay\nbr_netfilter\n");
    let protected = if is("protectKernelDefaults", true) {
        PROTECTED
    } else {
        ""
    };
    let node = &config.kindling.node;
    let is_6 = node.kubelet.node_ip.as_deref().is_some_and(|ip| ip.contains(':'))
        || node
            .cluster
            .server
            .as_deref()
            .is_some_and(|server| server.contains('['));
    let forwarding_6 = if is_6 { FORWARDING_6 } else { "" };
    made.file(
        POINTER,
        SYSCTL,
        0o644,
        &format!("{FORWARDING}{forwarding_6}{protected}"),
    );
    if !is("failSwapOn", false) && !config.asks_for_swap() {
        made.mask(POINTER, &SWAP);
    }
}
