//! Checks of the kernel: its version, its configuration, control groups, modules and parameters.

use super::{Facts, Finding, Setting};

/// The oldest kernel on which control groups of version 2 have a freezer.
const OLDEST: (u32, u32) = (5, 2);

/// What comes with a later kernel, and which.
const FEATURES: [((u32, u32), &str); 3] = [
    ((5, 8), "CPU figures of the root control group"),
    ((5, 12), "recursive read-only mounts"),
    ((5, 13), "the nftables mode of kube-proxy"),
];

const REQUIRED: &str = "NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CGROUPS CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER \
     CGROUP_SCHED CPUSETS MEMCG INET EXT4_FS PROC_FS NETFILTER_XT_TARGET_REDIRECT NETFILTER_XT_MATCH_COMMENT FAIR_GROUP_SCHED";
/// AUFS is in no kernel of kernel.org, and what has overlay needs none.
const ADVISED: &str = "OVERLAY_FS BLK_DEV_DM CFS_BANDWIDTH SECCOMP";

/// What a kubelet with `protectKernelDefaults` ends over if it is otherwise.
const DEFAULTS: [(&str, &str); 6] = [
    ("/proc/sys/vm/overcommit_memory", "1"),
    ("/proc/sys/vm/panic_on_oom", "0"),
    ("/proc/sys/kernel/panic", "10"),
    ("/proc/sys/kernel/panic_on_oops", "1"),
    ("/proc/sys/kernel/keys/root_maxkeys", "1000000"),
    ("/proc/sys/kernel/keys/root_maxbytes", "25000000"),
];

fn release(facts: &Facts) -> Option<((u32, u32), &str)> {
    let text = facts.text("/proc/sys/kernel/osrelease")?;
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some(((major, minor), text))
}

const NO_RELEASE: &str = "the kernel does not say its version";

pub(super) fn is_new_enough(facts: &Facts, _: &Setting, _: &str) -> Finding {
    match release(facts) {
        Some((version, text)) => Finding::of(
            version >= OLDEST,
            format!("the kernel is {text}; 5.2 is the oldest for control groups of version 2"),
        ),
        None => Finding::unknown(NO_RELEASE),
    }
}

pub(super) fn has_features(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let Some((version, text)) = release(facts) else {
        return Finding::unknown(NO_RELEASE);
    };
    let missing = FEATURES.iter().filter(|(first, _)| version < *first);
    let missing: Vec<&str> = missing.map(|(_, feature)| *feature).collect();
    Finding::of(
        missing.is_empty(),
        format!("kernel {text} is without {}", missing.join(", ")),
    )
}

pub(super) fn has_options(facts: &Facts, _: &Setting, _: &str) -> Finding {
    options(facts, REQUIRED)
}

pub(super) fn has_advised_options(facts: &Facts, _: &Setting, _: &str) -> Finding {
    options(facts, ADVISED)
}

fn options(facts: &Facts, wanted: &str) -> Finding {
    let Some(config) = &facts.kernel_config else {
        return Finding::unknown(
            "the kernel's configuration is nowhere: not in /proc/config.gz, nor beside its modules, nor in /boot",
        );
    };
    let is_set = |name: &str| {
        config.lines().any(|line| {
            let value = line
                .strip_prefix("CONFIG_")
                .and_then(|line| line.strip_prefix(name));
            matches!(value, Some("=y" | "=m"))
        })
    };
    let missing: Vec<&str> = wanted.split(' ').filter(|name| !is_set(name)).collect();
    Finding::of(
        missing.is_empty(),
        format!("the kernel was built without {}", missing.join(", ")),
    )
}

pub(super) fn is_cgroup_v2(facts: &Facts, _: &Setting, _: &str) -> Finding {
    Finding::of(
        facts.text("/sys/fs/cgroup/cgroup.controllers").is_some(),
        "control groups are not of version 2",
    )
}

pub(super) fn has_controllers(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let unified = facts.text("/sys/fs/cgroup/cgroup.controllers");
    let has: Vec<&str> = match (unified, facts.text("/proc/cgroups")) {
        (Some(names), _) => names.split(' ').collect(),
        // Name, hierarchy, number of groups, whether it is on.
        (None, Some(table)) => {
            let on = table.lines().filter(|line| line.ends_with("\t1"));
            on.filter_map(|line| line.split('\t').next()).collect()
        }
        (None, None) => return Finding::unknown("the kernel does not list its control groups"),
    };
    let wanted = ["cpu", "cpuset", "memory", "pids"];
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !has.contains(name)).collect();
    Finding::of(
        missing.is_empty(),
        format!("control groups are without {}", missing.join(", ")),
    )
}

/// Whether a module that shows no effect yet can be loaded.
fn loadable(facts: &Facts, name: &str) -> Finding {
    match &facts.modules {
        Some(list) => Finding::of(
            list.contains(&format!("/{name}.ko")),
            format!("neither in the kernel nor among its modules: {name}"),
        ),
        None => Finding::Bad(format!("not in the kernel, which has no modules here: {name}")),
    }
}

pub(super) fn has_overlay(facts: &Facts, _: &Setting, name: &str) -> Finding {
    let known = facts.text("/proc/filesystems").unwrap_or_default();
    if known
        .lines()
        .any(|line| line.split('\t').next_back() == Some(name))
    {
        return Finding::Good;
    }
    // The first mount loads it.
    loadable(facts, name)
}

pub(super) fn has_bridge_filter(facts: &Facts, _: &Setting, name: &str) -> Finding {
    if facts
        .text("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_some()
    {
        return Finding::Good;
    }
    match loadable(facts, name) {
        // Nothing loads this one by itself.
        Finding::Good => Finding::Bad(format!("kernel module {name} is not loaded")),
        other => other,
    }
}

pub(super) fn has_conntrack(facts: &Facts, _: &Setting, name: &str) -> Finding {
    if facts.text("/proc/sys/net/netfilter/nf_conntrack_max").is_some() {
        return Finding::Good;
    }
    // The first rule of a packet filter loads it.
    loadable(facts, name)
}

pub(super) fn filters_bridges(facts: &Facts, _: &Setting, _: &str) -> Finding {
    match facts.text("/proc/sys/net/bridge/bridge-nf-call-iptables") {
        Some(value) => Finding::of(value == "1", "packets over bridges go past iptables"),
        None => Finding::unknown("kernel module br_netfilter is not loaded"),
    }
}

pub(super) fn has_defaults(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    if facts.kubelet_says(setting.config, "protectKernelDefaults") != Some(true) {
        return Finding::Good;
    }
    let other = DEFAULTS.iter().filter_map(|(path, wanted)| {
        let is = facts.text(path).filter(|is| is != wanted)?;
        let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
        Some(format!("{name} is {is} and not {wanted}"))
    });
    let other: Vec<String> = other.collect();
    Finding::of(
        other.is_empty(),
        format!("the kubelet would end: {}", other.join(", ")),
    )
}
