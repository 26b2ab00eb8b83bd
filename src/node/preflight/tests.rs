use std::path::Path;

use super::*;

/// A machine that is fit, in the form that the host reads it.
fn fit() -> Facts {
    let mut facts = Facts {
        is_root: true,
        cpus: Some(2),
        kernel_config: Some(config()),
        modules: Some(
            "kernel/fs/overlayfs/overlay.ko.xz: \nkernel/net/bridge/br_netfilter.ko: kernel/net/bridge.ko\n"
                .into(),
        ),
        space: Some((50 << 30, 100 << 30)),
        now: 2_000_000_000,
        earliest: 1_900_000_000,
        cards: vec![("eth0".into(), "52:54:00:12:34:56".into())],
        ..Facts::default()
    };
    for (path, text) in [
        (
            "/etc/hosts",
            "127.0.0.1 localhost\n10.0.0.5 node-a.lab node-a # me\n",
        ),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("/etc/nsswitch.conf", "passwd: files\nhosts: files dns\n"),
        ("/proc/filesystems", "nodev\tsysfs\nnodev\toverlay\n\text4\n"),
        ("/proc/meminfo", "MemTotal:        4028876 kB\nMemFree: 1 kB\n"),
        ("/proc/net/tcp", &listening(&[22, 8080])),
        ("/proc/net/tcp6", &listening(&[])),
        (
            "/proc/net/unix",
            "Num       RefCount Protocol Flags    Type St Inode Path\n\
             0000000000000000: 00000002 00000000 00010000 0001 01 21 /run/containerd/containerd.sock\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 22 /run/crio/crio.sock\n",
        ),
        (
            "/proc/self/mountinfo",
            "21 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n",
        ),
        ("/proc/swaps", "Filename\t\t\t\tType\t\tSize\n"),
        ("/proc/sys/kernel/hostname", "node-a\n"),
        ("/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
        ("/proc/sys/kernel/random/entropy_avail", "256\n"),
        ("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n"),
        ("/proc/sys/net/ipv4/ip_forward", "1\n"),
        ("/proc/sys/net/ipv6/conf/default/forwarding", "1\n"),
        ("/proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
        (
            "/sys/class/dmi/id/product_uuid",
            "4c4c4544-0042-3510-8054-b4c04f564433\n",
        ),
        (
            "/sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu io memory hugetlb pids\n",
        ),
    ] {
        facts.texts.insert(path, text.to_owned());
    }
    facts.programs.extend(PROGRAMS);
    facts.paths.extend([
        "/dev/kmsg",
        "/dev/fuse",
        "/run/systemd/timesync",
        "/run/systemd/timesync/synchronized",
    ]);
    facts.units.insert("kubelet.service".into(), Unit::Enabled);
    facts
}

fn config() -> String {
    let names = "NAMESPACES NET_NS PID_NS IPC_NS UTS_NS CGROUPS CGROUP_CPUACCT CGROUP_DEVICE CGROUP_FREEZER CGROUP_SCHED \
                 CPUSETS MEMCG INET PROC_FS NETFILTER_XT_TARGET_REDIRECT NETFILTER_XT_MATCH_COMMENT FAIR_GROUP_SCHED \
                 BLK_DEV_DM CFS_BANDWIDTH SECCOMP";
    let lines: Vec<String> = names.split(' ').map(|name| format!("CONFIG_{name}=y")).collect();
    format!(
        "# Linux\nCONFIG_EXT4_FS=m\nCONFIG_OVERLAY_FS=m\n# CONFIG_AUFS_FS is not set\n{}\n",
        lines.join("\n")
    )
}

/// A table of sockets in which somebody listens on `ports`, and somebody is connected from 10250 on.
fn listening(ports: &[u16]) -> String {
    let mut text = "  sl  local_address rem_address   st tx_queue rx_queue\n".to_owned();
    for port in ports {
        text += &format!("   0: 00000000:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000\n");
    }
    text + "   1: 0100007F:280A 0100007F:A281 01 00000000:00000000 00:00000000\n"
}

fn outcome(facts: &Facts, setting: &Setting, id: &str) -> &'static str {
    let report = judge(facts, setting, &[]);
    report
        .0
        .iter()
        .find(|looked| looked.check.id == id)
        .unwrap()
        .outcome()
}

/// Changes what is there into what a check is about.
type Change = fn(&mut Facts, &mut Setting);

/// Each check with facts that are good, bad, and not there; `ok`, `error` and `warning` as it finds them.
const ROWS: &[(&str, Change, &str)] = &[
    ("user-root", |f, _| f.is_root = false, "error"),
    (
        "kubeconfig-left",
        |f, _| {
            f.paths.insert("/etc/kubernetes/kubelet.conf");
        },
        "error",
    ),
    (
        "kubelet-unit",
        |f, _| {
            f.units.clear();
        },
        "warning",
    ),
    (
        "kubelet-unit",
        |f, _| {
            f.units.insert("kubelet.service".into(), Unit::There);
        },
        "warning",
    ),
    (
        "kubelet-unit",
        |f, _| {
            f.units.insert("kubelet.service".into(), Unit::Masked);
        },
        "warning",
    ),
    (
        "runtime-socket",
        |f, _| {
            f.texts.remove("/proc/net/unix");
        },
        "warning",
    ),
    (
        "runtime-socket",
        |f, s| {
            f.texts.insert(
                s.config,
                "containerRuntimeEndpoint: unix:///run/crio/crio.sock\n".into(),
            );
        },
        "warning",
    ),
    (
        "runtime-socket",
        |f, s| {
            f.texts.insert(
                s.config,
                r#"{"containerRuntimeEndpoint":"unix:///var/run/containerd/containerd.sock"}"#.into(),
            );
        },
        "ok",
    ),
    (
        "runtime-socket",
        |f, _| {
            f.texts.remove("/proc/net/unix");
            f.units.insert("crio.service".into(), Unit::Enabled);
        },
        "unknown",
    ),
    (
        "program-ip",
        |f, _| {
            f.programs.remove("ip");
        },
        "error",
    ),
    (
        "program-iptables",
        |f, _| {
            f.programs.remove("iptables");
        },
        "error",
    ),
    (
        "program-mount",
        |f, _| {
            f.programs.remove("mount");
        },
        "error",
    ),
    (
        "program-nsenter",
        |f, _| {
            f.programs.remove("nsenter");
        },
        "error",
    ),
    (
        "program-ebtables",
        |f, _| {
            f.programs.remove("ebtables");
        },
        "warning",
    ),
    (
        "program-ethtool",
        |f, _| {
            f.programs.remove("ethtool");
        },
        "warning",
    ),
    (
        "program-socat",
        |f, _| {
            f.programs.remove("socat");
        },
        "warning",
    ),
    (
        "program-tc",
        |f, _| {
            f.programs.remove("tc");
        },
        "warning",
    ),
    (
        "program-touch",
        |f, _| {
            f.programs.remove("touch");
        },
        "warning",
    ),
    (
        "kernel-version",
        |f, _| set(f, "/proc/sys/kernel/osrelease", "5.1.21"),
        "error",
    ),
    (
        "kernel-version",
        |f, _| set(f, "/proc/sys/kernel/osrelease", "5.2.0-rc1+"),
        "ok",
    ),
    (
        "kernel-version",
        |f, _| set(f, "/proc/sys/kernel/osrelease", "odd"),
        "unknown",
    ),
    (
        "kernel-features",
        |f, _| set(f, "/proc/sys/kernel/osrelease", "5.10.0"),
        "warning",
    ),
    (
        "kernel-features",
        |f, _| {
            f.texts.remove("/proc/sys/kernel/osrelease");
        },
        "unknown",
    ),
    (
        "kernel-config",
        |f, _| f.kernel_config = Some(config().replace("CONFIG_MEMCG=y", "# CONFIG_MEMCG is not set")),
        "error",
    ),
    (
        "kernel-config",
        |f, _| f.kernel_config = Some(config().replace("CONFIG_INET=y", "CONFIG_INET_DIAG=y")),
        "error",
    ),
    ("kernel-config", |f, _| f.kernel_config = None, "unknown"),
    (
        "kernel-config-advised",
        |f, _| f.kernel_config = Some(config().replace("CONFIG_SECCOMP=y", "")),
        "warning",
    ),
    ("kernel-config-advised", |f, _| f.kernel_config = None, "unknown"),
    (
        "cgroup-version",
        |f, _| {
            f.texts.remove("/sys/fs/cgroup/cgroup.controllers");
        },
        "warning",
    ),
    (
        "cgroup-controllers",
        |f, _| set(f, "/sys/fs/cgroup/cgroup.controllers", "cpuset cpu pids"),
        "error",
    ),
    (
        "cgroup-controllers",
        |f, _| {
            f.texts.remove("/sys/fs/cgroup/cgroup.controllers");
        },
        "unknown",
    ),
    ("cgroup-controllers", |f, _| version_1(f, "1"), "ok"),
    ("cgroup-controllers", |f, _| version_1(f, "0"), "error"),
    (
        "module-overlay",
        |f, _| set(f, "/proc/filesystems", "\text4\n"),
        "ok",
    ),
    (
        "module-overlay",
        |f, _| {
            set(f, "/proc/filesystems", "\text4\n");
            f.modules = Some(String::new());
        },
        "error",
    ),
    (
        "module-overlay",
        |f, _| {
            set(f, "/proc/filesystems", "\text4\n");
            f.modules = None;
        },
        "error",
    ),
    (
        "module-br-netfilter",
        |f, _| {
            f.texts.remove("/proc/sys/net/bridge/bridge-nf-call-iptables");
        },
        "warning",
    ),
    (
        "module-nf-conntrack",
        |f, _| {
            f.texts.remove("/proc/sys/net/netfilter/nf_conntrack_max");
        },
        "warning",
    ),
    (
        "bridge-netfilter",
        |f, _| set(f, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0"),
        "warning",
    ),
    (
        "bridge-netfilter",
        |f, _| {
            f.texts.remove("/proc/sys/net/bridge/bridge-nf-call-iptables");
        },
        "unknown",
    ),
    (
        "kernel-defaults",
        |f, s| {
            f.texts.insert(s.config, "protectKernelDefaults: true\n".into());
            set(f, "/proc/sys/kernel/panic", "0");
        },
        "error",
    ),
    (
        "kernel-defaults",
        |f, s| {
            f.texts.insert(s.config, "protectKernelDefaults: true\n".into());
            set(f, "/proc/sys/kernel/panic", "10");
        },
        "ok",
    ),
    (
        "kernel-defaults",
        |f, s| {
            f.texts.insert(s.config, "protectKernelDefaults: false\n".into());
            set(f, "/proc/sys/kernel/panic", "0");
        },
        "ok",
    ),
    (
        "ip-forward",
        |f, s| {
            s.server = Some("https://10.0.0.1:6443".into());
            set(f, "/proc/sys/net/ipv4/ip_forward", "0");
        },
        "error",
    ),
    (
        "ip-forward",
        |f, s| {
            s.server = Some("https://cp.test:6443".into());
            set(f, "/proc/sys/net/ipv4/ip_forward", "0");
        },
        "ok",
    ),
    (
        "ip-forward",
        |f, s| {
            s.server = Some("https://[2001:db8::1]:6443".into());
            set(f, "/proc/sys/net/ipv6/conf/default/forwarding", "0");
        },
        "error",
    ),
    (
        "ip-forward",
        |f, s| {
            s.server = Some("https://[2001:db8::1]:6443".into());
            set(f, "/proc/sys/net/ipv4/ip_forward", "0");
        },
        "ok",
    ),
    (
        "swap",
        |f, _| set(f, "/proc/swaps", "Filename Type\n/dev/vda2 partition 1 0 -2\n"),
        "warning",
    ),
    (
        "swap",
        |f, s| {
            set(f, "/proc/swaps", "Filename\n/swap file 1\n");
            f.texts.insert(s.config, r#"{"failSwapOn": false}"#.into());
        },
        "ok",
    ),
    (
        "hostname",
        |f, _| set(f, "/proc/sys/kernel/hostname", "node_a"),
        "warning",
    ),
    (
        "hostname",
        |f, _| set(f, "/proc/sys/kernel/hostname", "-a"),
        "warning",
    ),
    (
        "hostname",
        |f, s| {
            set(f, "/proc/sys/kernel/hostname", "node_a");
            s.name = Some("Node-A.lab".into());
        },
        "ok",
    ),
    (
        "hostname",
        |f, _| {
            f.texts.remove("/proc/sys/kernel/hostname");
        },
        "unknown",
    ),
    (
        "hostname-unique",
        |f, _| set(f, "/proc/sys/kernel/hostname", "localhost.localdomain"),
        "error",
    ),
    (
        "hostname-unique",
        |f, s| {
            set(f, "/proc/sys/kernel/hostname", "localhost");
            s.name = Some("node-a".into());
        },
        "ok",
    ),
    (
        "hostname-unique",
        |f, _| {
            f.texts.remove("/proc/sys/kernel/hostname");
        },
        "unknown",
    ),
    (
        "hostname-resolves",
        |f, _| set(f, "/etc/hosts", "127.0.0.1 localhost # node-a\n"),
        "unknown",
    ),
    (
        "hostname-resolves",
        |f, _| {
            set(f, "/etc/hosts", "");
            set(f, "/etc/nsswitch.conf", "hosts: files myhostname");
        },
        "ok",
    ),
    (
        "hostname-resolves",
        |f, _| {
            set(f, "/etc/hosts", "");
            set(f, "/etc/nsswitch.conf", "hosts:\tfiles");
        },
        "warning",
    ),
    (
        "hostname-resolves",
        |f, _| {
            f.texts.remove("/proc/sys/kernel/hostname");
        },
        "unknown",
    ),
    (
        "port-kubelet",
        |f, _| set(f, "/proc/net/tcp6", &listening(&[10250])),
        "error",
    ),
    ("port-kubelet", |f, _| no_sockets(f), "unknown"),
    (
        "port-proxy",
        |f, _| set(f, "/proc/net/tcp", &listening(&[10256])),
        "warning",
    ),
    ("port-proxy", |f, _| no_sockets(f), "unknown"),
    (
        "ports-nodes",
        |f, _| set(f, "/proc/net/tcp", &listening(&[29999, 32768])),
        "ok",
    ),
    (
        "ports-nodes",
        |f, _| set(f, "/proc/net/tcp", &listening(&[30000])),
        "warning",
    ),
    ("ports-nodes", |f, _| no_sockets(f), "unknown"),
    ("proxy", |_, s| s.is_proxied = true, "warning"),
    ("clock-set", |f, _| f.now = 0, "error"),
    (
        "clock-synchronised",
        |f, _| {
            f.paths.remove("/run/systemd/timesync/synchronized");
        },
        "warning",
    ),
    ("clock-synchronised", |f, _| f.paths.clear(), "unknown"),
    (
        "memory",
        |f, _| set(f, "/proc/meminfo", "MemTotal: 1000000 kB\n"),
        "warning",
    ),
    (
        "memory",
        |f, _| {
            f.texts.remove("/proc/meminfo");
        },
        "unknown",
    ),
    ("cpus", |f, _| f.cpus = Some(1), "warning"),
    ("cpus", |f, _| f.cpus = None, "unknown"),
    (
        "disk-space",
        |f, _| f.space = Some((9 << 30, 100 << 30)),
        "warning",
    ),
    ("disk-space", |f, _| f.space = None, "unknown"),
    (
        "product-uuid",
        |f, _| {
            set(
                f,
                "/sys/class/dmi/id/product_uuid",
                "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            )
        },
        "warning",
    ),
    (
        "product-uuid",
        |f, _| {
            set(
                f,
                "/sys/class/dmi/id/product_uuid",
                "03000200-0400-0500-0006-000700080009",
            )
        },
        "warning",
    ),
    (
        "product-uuid",
        |f, _| {
            f.texts.remove("/sys/class/dmi/id/product_uuid");
        },
        "unknown",
    ),
    (
        "machine-id",
        |f, _| set(f, "/etc/machine-id", "uninitialized"),
        "warning",
    ),
    (
        "machine-id",
        |f, _| set(f, "/etc/machine-id", "00000000000000000000000000000000"),
        "warning",
    ),
    (
        "mac-address",
        |f, _| f.cards.push(("eth1".into(), "00:00:00:00:00:00".into())),
        "warning",
    ),
    ("mac-address", |f, _| f.cards.clear(), "unknown"),
    (
        "mount-propagation",
        |f, _| {
            set(
                f,
                "/proc/self/mountinfo",
                "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n22 21 0:5 / /x rw shared:2 - tmpfs t rw\n",
            )
        },
        "error",
    ),
    (
        "mount-propagation",
        |f, _| {
            f.texts.remove("/proc/self/mountinfo");
        },
        "unknown",
    ),
    (
        "device-kmsg",
        |f, _| {
            f.paths.remove("/dev/kmsg");
        },
        "error",
    ),
    (
        "device-fuse",
        |f, _| {
            f.paths.remove("/dev/fuse");
        },
        "warning",
    ),
    (
        "entropy",
        |f, _| set(f, "/proc/sys/kernel/random/entropy_avail", "17"),
        "warning",
    ),
    (
        "entropy",
        |f, _| {
            f.texts.remove("/proc/sys/kernel/random/entropy_avail");
        },
        "unknown",
    ),
    ("ssh-off", |_, s| s.access.is_ssh_off = true, "error"),
    (
        "ssh-off",
        |f, s| {
            s.access.is_ssh_off = true;
            set(f, "/proc/net/tcp", &listening(&[]));
            f.units.insert("sshd.service".into(), Unit::Masked);
        },
        "ok",
    ),
    (
        "ssh-off",
        |f, s| {
            s.access.is_ssh_off = true;
            set(f, "/proc/net/tcp", &listening(&[]));
            f.units.insert("ssh.socket".into(), Unit::There);
        },
        "error",
    ),
    (
        "console-login-off",
        |f, s| {
            s.access.is_console_login_off = true;
            f.units.insert("getty@.service".into(), Unit::There);
        },
        "error",
    ),
    (
        "console-login-off",
        |f, s| {
            s.access.is_console_login_off = true;
            f.units.insert("getty@.service".into(), Unit::Masked);
        },
        "ok",
    ),
];

fn set(facts: &mut Facts, path: &'static str, text: &str) {
    facts.texts.insert(path, text.to_owned());
}

fn no_sockets(facts: &mut Facts) {
    facts.texts.remove("/proc/net/tcp");
    facts.texts.remove("/proc/net/tcp6");
}

fn version_1(facts: &mut Facts, memory: &str) {
    facts.texts.remove("/sys/fs/cgroup/cgroup.controllers");
    let text = format!(
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t3\t1\t1\ncpu\t1\t1\t1\nmemory\t5\t1\t{memory}\npids\t9\t1\t1\n"
    );
    set(facts, "/proc/cgroups", &text);
}

#[test]
fn a_fit_machine_passes_every_check() {
    let report = judge(&fit(), &Setting::default(), &[]);
    for looked in &report.0 {
        assert_eq!(looked.finding, Finding::Good, "{}", looked.check.id);
    }
    assert!(report.verdict(Severity::Fail).is_none());
    assert_eq!(
        report.text(),
        format!(
            "{0} checks: {0} ok, 0 errors, 0 warnings, 0 ignored, 0 not known",
            CHECKS.len()
        )
    );
}

#[test]
fn every_check_finds_what_it_is_there_for() {
    for (id, change, expected) in ROWS {
        let (mut facts, mut setting) = (fit(), Setting::default());
        change(&mut facts, &mut setting);
        assert_eq!(outcome(&facts, &setting, id), *expected, "{id}");
    }
    for check in CHECKS {
        let weight = match check.weight {
            Weight::Error => "error",
            Weight::Warning => "warning",
        };
        let is_shown = ROWS
            .iter()
            .any(|(id, _, outcome)| *id == check.id && *outcome == weight);
        assert!(is_shown, "no row shows {} fail", check.id);
    }
}

#[test]
fn of_a_machine_that_says_nothing_no_check_panics() {
    let facts = Facts::default();
    let mut setting = Setting::default();
    setting.access.is_ssh_off = true;
    setting.server = Some("https://".into());
    let report = judge(&facts, &setting, &[]);
    assert_eq!(report.0.len(), CHECKS.len());
    // Whatever a file holds.
    for text in [
        "",
        "\n",
        "\t",
        "::::",
        "a b c d e f g",
        "\u{fffd}",
        "10250 0A",
        "containerRuntimeEndpoint",
    ] {
        let mut facts = fit();
        for path in FILES.iter().chain(&["/var/lib/kubelet/config.yaml"]) {
            facts.texts.insert(path, text.to_owned());
        }
        facts.kernel_config = Some(text.to_owned());
        assert_eq!(judge(&facts, &setting, &[]).0.len(), CHECKS.len(), "{text:?}");
    }
}

#[test]
fn what_is_ignored_is_told_and_stops_nothing() {
    let mut facts = fit();
    facts.programs.clear();
    let setting = Setting::default();
    let ignored = ["program-ip", "program-iptables", "program-mount"].map(str::to_owned);
    let report = judge(&facts, &setting, &ignored);
    let (what, why, next) = report.verdict(Severity::Fail).unwrap();
    assert_eq!(what, "this machine is not fit to be a node: program-nsenter");
    assert_eq!(why, ["program-nsenter: there is no program nsenter"]);
    assert!(next.starts_with("put the program into the image; "), "{next}");
    assert!(report.verdict(Severity::Warn).is_none());
    let rows = report.json();
    let row = |id: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["id"] == id)
            .unwrap()
            .clone()
    };
    assert_eq!(
        row("program-ip"),
        json!({ "id": "program-ip", "outcome": "ignored", "what": "there is no program ip" })
    );
    assert_eq!(row("swap"), json!({ "id": "swap", "outcome": "ok" }));
    assert_eq!(row("program-tc")["next"], "put the program into the image");
    assert!(
        report
            .text()
            .contains("ignored [program-ip]: there is no program ip\nignored [program-iptables]")
    );
}

#[test]
fn the_config_language_and_the_page_know_the_same_checks() {
    let ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    assert_eq!(ids, kindling_config_spec::preflight::CHECKS);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/preflight.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> = CHECKS
        .iter()
        .map(|check| {
            let weight = match check.weight {
                Weight::Error => "error",
                Weight::Warning => "warning",
            };
            format!("| `{}` | {weight} | ", check.id)
        })
        .collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.starts_with(expected), "{row}\nis not {expected}");
    }
}
