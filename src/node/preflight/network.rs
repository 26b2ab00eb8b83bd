//! Checks of the machine's name, its addresses and its ports.

use std::net::IpAddr;

use super::{Facts, Finding, Setting};

const NO_PORTS: &str = "the kernel does not list its sockets";
const NO_NAME: &str = "the kernel does not say the machine's name";

/// The node's name: as settled, or the machine's own.
fn name<'a>(facts: &'a Facts, setting: &'a Setting) -> Option<&'a str> {
    let own = || facts.text("/proc/sys/kernel/hostname");
    setting.name.as_deref().or_else(own)
}

/// As RFC 1123 has names, in lower case.
pub(super) fn name_is_valid(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    let Some(name) = name(facts, setting) else {
        return Finding::unknown(NO_NAME);
    };
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        let fits = (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
        fits && label.bytes().all(is_letter)
    };
    // The kubelet makes it lower case.
    let is_valid = name.len() <= 253 && name.to_lowercase().split('.').all(is_label);
    Finding::of(is_valid, format!("no node can have the name {name:?}"))
}

pub(super) fn name_is_own(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    match name(facts, setting) {
        Some(name) => {
            let first = name.split('.').next().unwrap_or_default();
            Finding::of(
                !matches!(first, "" | "localhost" | "(none)"),
                format!("the name is {name:?}, which every machine without one has"),
            )
        }
        None => Finding::unknown(NO_NAME),
    }
}

/// From the machine's own files: nobody is asked, because a name server that is away would hold up the boot.
pub(super) fn name_resolves(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let Some(name) = facts.text("/proc/sys/kernel/hostname") else {
        return Finding::unknown(NO_NAME);
    };
    let words = |line: &'_ str| -> Vec<String> {
        let text = line.split('#').next().unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    };
    let hosts = facts.text("/etc/hosts").unwrap_or_default();
    let is_listed = hosts.lines().any(|line| {
        words(line)
            .iter()
            .skip(1)
            .any(|known| known.eq_ignore_ascii_case(name))
    });
    if is_listed {
        return Finding::Good;
    }
    let switch = facts.text("/etc/nsswitch.conf").unwrap_or_default();
    let sources = switch.lines().find_map(|line| line.strip_prefix("hosts:"));
    let sources = sources.map_or_else(Vec::new, words);
    let asks = |known: &[&str]| sources.iter().any(|source| known.contains(&source.as_str()));
    if asks(&["myhostname", "resolve"]) {
        Finding::Good
    } else if sources.is_empty() || asks(&["dns"]) {
        Finding::Unknown(format!("{name} is not in /etc/hosts; no name server was asked"))
    } else {
        Finding::Bad(format!("{name} has no address"))
    }
}

pub(super) fn port_is_free(facts: &Facts, _: &Setting, port: &str) -> Finding {
    match facts.listening() {
        Some(ports) => Finding::of(
            !ports.iter().any(|known| known.to_string() == port),
            format!("somebody listens on port {port}"),
        ),
        None => Finding::unknown(NO_PORTS),
    }
}

pub(super) fn ports_are_free(facts: &Facts, _: &Setting, range: &str) -> Finding {
    let Some((first, last)) = range.split_once('-') else {
        return Finding::Good;
    };
    let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
    match facts.listening() {
        Some(ports) => {
            let is_inside = |port: &u16| bounds.is_some_and(|(first, last)| (first..=last).contains(port));
            let taken = ports.into_iter().filter(is_inside);
            let taken: Vec<String> = taken.map(|port| port.to_string()).collect();
            Finding::of(
                taken.is_empty(),
                format!("somebody listens on ports of services: {}", taken.join(", ")),
            )
        }
        None => Finding::unknown(NO_PORTS),
    }
}

pub(super) fn server_is_direct(_: &Facts, setting: &Setting, _: &str) -> Finding {
    Finding::of(
        !setting.is_proxied,
        "requests to the API server go through a proxy, which the kubelet will not use",
    )
}

/// As kubeadm: only where the server is an address, and for its family.
pub(super) fn forwards(facts: &Facts, setting: &Setting, _: &str) -> Finding {
    let host = setting.server.as_deref().and_then(host);
    let (path, name) = match host.and_then(|host| host.parse().ok()) {
        Some(IpAddr::V4(_)) => ("/proc/sys/net/ipv4/ip_forward", "net.ipv4.ip_forward"),
        Some(IpAddr::V6(_)) => (
            "/proc/sys/net/ipv6/conf/default/forwarding",
            "net.ipv6.conf.default.forwarding",
        ),
        None => return Finding::Good,
    };
    match facts.text(path) {
        Some(value) => Finding::of(value == "1", format!("{name} is {value}")),
        None => Finding::Bad(format!("the kernel has no {name}")),
    }
}

/// The host of `https://host:port/path`, an IPv6 address without its brackets.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://")?.split('/').next()?;
    match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => rest.split(':').next(),
    }
}

pub(super) fn addresses_are_own(facts: &Facts, _: &Setting, _: &str) -> Finding {
    let nobodys = facts.cards.iter().filter(|(_, address)| {
        let is_all = |digit: char| address.chars().all(|c| c == digit || c == ':');
        is_all('0') || is_all('f')
    });
    let nobodys: Vec<&str> = nobodys.map(|(name, _)| name.as_str()).collect();
    if facts.cards.is_empty() {
        return Finding::unknown("there is no network card with a device");
    }
    Finding::of(
        nobodys.is_empty(),
        format!("no address of its own has network card {}", nobodys.join(", ")),
    )
}
