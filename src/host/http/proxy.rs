//! Which requests go through a proxy: the rules of `ignition.proxy`, nothing from the environment.

use std::net::IpAddr;

use url::{Host, Url};

/// The proxy settings of a config, understood.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyRules {
    http: Option<Url>,
    https: Option<Url>,
    direct: Vec<Direct>,
}

impl std::fmt::Debug for ProxyRules {
    /// Leaves the addresses out: a proxy's may hold its password.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (http, https) = (self.http.is_some(), self.https.is_some());
        write!(
            out,
            "ProxyRules(http: {http}, https: {https}, {} exceptions)",
            self.direct.len()
        )
    }
}

/// A proxy setting that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is not a proxy address: {why}")]
pub struct ProxyError {
    /// The config field.
    pub field: &'static str,
    /// What is wrong. The address itself may hold a password.
    pub why: String,
}

/// One entry of `noProxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Direct {
    Everything,
    Network {
        address: IpAddr,
        prefix: u32,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// `suffix` starts with a dot; `itself` says whether the name without the dot matches too.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

impl ProxyRules {
    /// Understands `httpProxy` (also used for `https` unless the next is given), `httpsProxy` and `noProxy`.
    /// Entries of `no_proxy` that mean nothing match nothing, as in the reference.
    ///
    /// # Errors
    /// [`ProxyError`] when an address is not an `http` or `https` URL.
    pub fn new(http: Option<&str>, https: Option<&str>, no_proxy: &[String]) -> Result<Self, ProxyError> {
        let http = http
            .map(|text| address("ignition.proxy.httpProxy", text))
            .transpose()?;
        let https = https
            .map(|text| address("ignition.proxy.httpsProxy", text))
            .transpose()?;
        Ok(Self {
            https: https.or_else(|| http.clone()),
            http,
            direct: no_proxy.iter().filter_map(|entry| parse_direct(entry)).collect(),
        })
    }

    /// The proxy for `url`, or `None` to go there directly. Loopback never goes through a proxy.
    #[must_use]
    pub fn choose(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        let port = url.port_or_known_default();
        let goes_direct = match url.host()? {
            Host::Domain(name) => {
                let name = name.to_ascii_lowercase();
                name == "localhost" || self.direct.iter().any(|rule| rule.matches_name(&name, port))
            }
            Host::Ipv4(address) => self.is_direct(address.into(), port),
            Host::Ipv6(address) => self.is_direct(address.into(), port),
        };
        (!goes_direct).then_some(proxy)
    }

    fn is_direct(&self, host: IpAddr, port: Option<u16>) -> bool {
        host.is_loopback() || self.direct.iter().any(|rule| rule.matches_address(host, port))
    }
}

impl Direct {
    fn matches_name(&self, host: &str, at: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain { suffix, itself, port } => {
                (port.is_none() || *port == at)
                    && (host.ends_with(suffix.as_str())
                        || (*itself && Some(host) == suffix.strip_prefix('.')))
            }
            Self::Network { .. } | Self::Address { .. } => false,
        }
    }

    fn matches_address(&self, host: IpAddr, at: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Network { address, prefix } => in_network(host, *address, *prefix),
            Self::Address { address, port } => *address == host && (port.is_none() || *port == at),
            Self::Domain { .. } => false,
        }
    }
}

fn address(field: &'static str, text: &str) -> Result<Url, ProxyError> {
    let url = Url::parse(text).map_err(|error| ProxyError {
        field,
        why: error.to_string(),
    })?;
    if matches!(url.scheme(), "http" | "https") {
        Ok(url)
    } else {
        Err(ProxyError {
            field,
            why: format!("its scheme is {}, not http or https", url.scheme()),
        })
    }
}

fn parse_direct(entry: &str) -> Option<Direct> {
    let entry = entry.trim().to_ascii_lowercase();
    if entry == "*" {
        return Some(Direct::Everything);
    }
    if let Some((address, prefix)) = entry.split_once('/') {
        let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u32>().ok()?);
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return (prefix <= bits).then_some(Direct::Network { address, prefix });
    }
    let (name, port) = split_port(&entry);
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(Direct::Address { address, port });
    }
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    match name {
        "" | "." => None,
        _ if name.starts_with('.') => Some(Direct::Domain {
            suffix: name.to_owned(),
            itself: false,
            port,
        }),
        _ => Some(Direct::Domain {
            suffix: format!(".{name}"),
            itself: true,
            port,
        }),
    }
}

/// Splits `host:port`. A bare IPv6 address has colons too, and no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if entry.parse::<IpAddr>().is_ok() {
        return (entry, None);
    }
    match entry.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        None => (entry, None),
    }
}

fn in_network(host: IpAddr, network: IpAddr, prefix: u32) -> bool {
    match (host, network) {
        (IpAddr::V4(host), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            u32::from(host) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(host), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            u128::from(host) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rules: &ProxyRules, url: &str) -> Option<String> {
        rules.choose(&Url::parse(url).unwrap()).map(ToString::to_string)
    }

    #[test]
    fn the_http_proxy_serves_https_unless_there_is_one_for_it() {
        let one = ProxyRules::new(Some("http://p:3128"), None, &[]).unwrap();
        assert_eq!(chosen(&one, "http://h/"), Some("http://p:3128/".to_owned()));
        assert_eq!(chosen(&one, "https://h/"), Some("http://p:3128/".to_owned()));
        let both = ProxyRules::new(Some("http://p:3128"), Some("https://s"), &[]).unwrap();
        assert_eq!(chosen(&both, "https://h/"), Some("https://s/".to_owned()));
        let only = ProxyRules::new(None, Some("https://s"), &[]).unwrap();
        assert_eq!(chosen(&only, "http://h/"), None);
    }

    #[test]
    fn exceptions_go_direct() {
        for (entry, url, direct) in [
            ("*", "http://any/", true),
            ("example.com", "http://example.com/", true),
            ("example.com", "http://a.example.com/", true),
            ("example.com", "http://badexample.com/", false),
            (".example.com", "http://example.com/", false),
            (".example.com", "http://a.example.com/", true),
            ("*.example.com", "http://a.example.com/", true),
            ("*.example.com", "http://example.com/", false),
            ("EXAMPLE.com", "http://Example.COM/", true),
            ("example.com:8080", "http://example.com/", false),
            ("example.com:80", "http://example.com/", true),
            ("example.com:8080", "http://example.com:8080/", true),
            ("10.0.0.0/8", "http://10.255.0.1/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("0.0.0.0/0", "http://11.0.0.1/", true),
            ("10.0.0.0/33", "http://10.0.0.1/", false),
            ("10.1.2.3", "http://10.1.2.3:99/", true),
            ("10.1.2.3:98", "http://10.1.2.3:99/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd12::1", "http://[fd12::1]/", true),
            ("[fd12::1]:80", "http://[fd12::1]/", true),
            ("", "http://h/", false),
            (".", "http://h/", false),
        ] {
            let rules = ProxyRules::new(Some("http://p:3128"), None, &[entry.to_owned()]).unwrap();
            assert_eq!(chosen(&rules, url).is_none(), direct, "{entry:?} and {url}");
        }
    }

    #[test]
    fn loopback_never_uses_a_proxy() {
        let rules = ProxyRules::new(Some("http://p:3128"), None, &[]).unwrap();
        for url in ["http://localhost/", "http://127.9.9.9/", "http://[::1]/"] {
            assert_eq!(chosen(&rules, url), None, "{url}");
        }
    }

    #[test]
    fn a_broken_address_is_named_without_its_password() {
        let error = ProxyRules::new(Some("socks5://u:secret@p"), None, &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "ignition.proxy.httpProxy is not a proxy address: its scheme is socks5, not http or https"
        );
    }
}
