//! Checks of the machine and its image: programs, files, units, memory, the clock.

use super::facts::RUNTIMES;
use super::{Facts, Finding, Setting, Unit};
use crate::node::access::{CONSOLES, SSH};

/// What kubeadm calls enough, in MiB: 2 GB less what firmware and kernel keep.
const MEMORY_MIB: u64 = 1700;

pub(super) fn is_root(facts: &Facts, _: &Setting, _: &str) -> Finding {
    Finding::of(facts.is_root, "this is not root's process")
}

pub(super) fn nothing_is_left(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    let left = setting.left.iter().copied();
    // Of the same cluster it is this first boot's, which was interrupted at its end.
    let is_ours = |path: &str| {
        let text = facts.text(path).unwrap_or_default();
        setting
            .server
            .as_deref()
            .is_some_and(|server| text.contains(server))
    };
    let left: Vec<&str> = left
        .filter(|path| facts.paths.contains(path) && !is_ours(path))
        .collect();
    Finding::of(left.is_empty(), format!("there is already {}", left.join(", ")))
}

pub(super) fn kubelet_is_enabled(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    let unit = &setting.unit;
    match facts.units.get(unit) {
        Some(Unit::Enabled) => Finding::Good,
        Some(Unit::There) => Finding::Bad(format!("nothing starts {unit}")),
        Some(Unit::Masked) => Finding::Bad(format!("{unit} is masked")),
        None => Finding::Bad(format!("there is no {unit}")),
    }
}

/// Sockets of container runtimes, where the kubelet's configuration names none.
const SOCKETS: [&str; 3] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
];

pub(super) fn runtime_listens(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    let named = facts.endpoint(setting.config);
    let sockets = named.as_ref().map_or(&SOCKETS[..], std::slice::from_ref);
    if sockets.iter().any(|socket| facts.listens(socket)) {
        return Finding::Good;
    }
    let starts = |unit: &&str| facts.units.get(*unit) == Some(&Unit::Enabled);
    match RUNTIMES.iter().find(|unit| starts(unit)) {
        Some(unit) => Finding::Unknown(format!("{unit} does not listen yet")),
        None => Finding::Bad(format!(
            "no container runtime listens on {}",
            sockets.join(" or ")
        )),
    }
}

pub(super) fn has_program(facts: &Facts, _: &Setting, name: &str) -> Finding {
    Finding::of(
        facts.programs.contains(name),
        format!("there is no program {name}"),
    )
}

pub(super) fn has_no_swap(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    if facts.kubelet_says(setting.config, "failSwapOn") == Some(false) {
        return Finding::Good;
    }
    // The first line is the heading.
    let active = facts.text("/proc/swaps").unwrap_or_default().lines().skip(1);
    let active: Vec<&str> = active.filter_map(|line| line.split_whitespace().next()).collect();
    Finding::of(
        active.is_empty(),
        format!("swap is active, and the kubelet would end: {}", active.join(", ")),
    )
}

pub(super) fn clock_is_set(facts: &Facts, _: &Setting, _: &str) -> Finding {
    Finding::of(
        facts.now >= facts.earliest,
        "the clock is before the time this program was built: every certificate would be judged wrongly",
    )
}

pub(super) fn clock_is_synchronised(facts: &Facts, _: &Setting, _: &str) -> Finding {
    if facts.paths.contains("/run/systemd/timesync/synchronized") {
        Finding::Good
    } else if facts.paths.contains("/run/systemd/timesync") {
        Finding::Bad("systemd-timesyncd has not reached a time server yet".to_owned())
    } else {
        Finding::unknown("systemd-timesyncd does not run; other programs do not say it in a file")
    }
}

pub(super) fn has_memory(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let total = facts.text("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    match total {
        Some(kib) => Finding::of(
            kib / 1024 >= MEMORY_MIB,
            format!("{} MiB of memory; a node needs {MEMORY_MIB}", kib / 1024),
        ),
        None => Finding::unknown("the kernel does not say how much memory there is"),
    }
}

pub(super) fn has_cpus(facts: &Facts, _: &Setting, _: &str) -> Finding {
    match facts.cpus {
        Some(count) => Finding::of(count >= 2, "one CPU, which kubelet and pods share"),
        None => Finding::unknown("the kernel does not say how many CPUs there are"),
    }
}

pub(super) fn has_space(facts: &Facts, _: &Setting, path: &str) -> Finding {
    match facts.space {
        // The kubelet calls less than a tenth pressure, and takes no pods (nodefs.available<10%).
        Some((free, all)) => Finding::of(
            free >= all / 10,
            format!(
                "{} of {} MiB are free for {path}, less than a tenth",
                free >> 20,
                all >> 20
            ),
        ),
        None => Finding::Unknown(format!("the file system of {path} does not say its size")),
    }
}

pub(super) fn uuid_is_own(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let Some(uuid) = facts.text("/sys/class/dmi/id/product_uuid") else {
        return Finding::unknown("the firmware gives the machine no id");
    };
    let uuid = uuid.to_ascii_lowercase();
    let is_one = |digit: char| uuid.chars().all(|c| c == digit || c == '-');
    // What vendors of boards leave in.
    let is_left = matches!(
        uuid.as_str(),
        "03000200-0400-0500-0006-000700080009" | "00020003-0004-0005-0006-000700080009"
    );
    Finding::of(
        !is_one('0') && !is_one('f') && !is_left,
        format!("the firmware's id is {uuid}, as that of many machines"),
    )
}

pub(super) fn id_is_own(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let id = facts.text("/etc/machine-id").unwrap_or_default();
    let is_id = id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0');
    Finding::of(is_id, "/etc/machine-id holds no id")
}

pub(super) fn root_is_shared(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let Some(table) = facts.text("/proc/self/mountinfo") else {
        return Finding::unknown("the kernel does not list its mounts");
    };
    // The last one that is mounted at / is the one that is seen (proc_pid_mountinfo(5)).
    let root = table.lines().rfind(|line| line.split(' ').nth(4) == Some("/"));
    let optional = root.map(|line| line.split(' ').skip(6).take_while(|word| *word != "-"));
    let is_shared = optional.is_some_and(|mut words| words.any(|word| word.starts_with("shared:")));
    Finding::of(
        is_shared,
        "mounts in pods would not reach the host: / is not shared",
    )
}

pub(super) fn has_device(facts: &Facts, _: &Setting, path: &str) -> Finding {
    Finding::of(facts.paths.contains(path), format!("there is no {path}"))
}

pub(super) fn has_entropy(facts: &Facts, _: &Setting, _: &str) -> Finding {
    /// Newer kernels say 256, once and for all.
    const ENOUGH: u32 = 128;
    match facts
        .text("/proc/sys/kernel/random/entropy_avail")
        .map(str::parse::<u32>)
    {
        Some(Ok(bits)) => Finding::of(bits >= ENOUGH, format!("{bits} bits of entropy")),
        _ => Finding::unknown("the kernel does not say how much entropy there is"),
    }
}

pub(super) fn ssh_is_off(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    if !setting.access.is_ssh_off {
        return Finding::Good;
    }
    let mut open = unmasked(facts, &SSH);
    if facts.listening().is_some_and(|ports| ports.contains(&22)) {
        open.push("a listener on port 22");
    }
    Finding::of(
        open.is_empty(),
        format!("SSH shall be off, and there is {}", open.join(", ")),
    )
}

pub(super) fn consoles_are_off(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    if !setting.access.is_console_login_off {
        return Finding::Good;
    }
    let open = unmasked(facts, &CONSOLES);
    Finding::of(
        open.is_empty(),
        format!("consoles shall have no login, and there is {}", open.join(", ")),
    )
}

fn unmasked(facts: &Facts, units: &[&'static str]) -> Vec<&'static str> {
    let units = units.iter().copied();
    units
        .filter(|unit| facts.units.get(*unit).is_some_and(|state| *state != Unit::Masked))
        .collect()
}
