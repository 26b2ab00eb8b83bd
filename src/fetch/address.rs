//! Addresses of resources: their scheme, and how they may be shown.

use std::fmt;
use std::net::Ipv6Addr;

use url::{Host, Url};

/// The longest address that is printed in full, in characters.
const SHOWN_LENGTH: usize = 300;

/// How a resource is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// No source: zero bytes.
    Empty,
    /// Inside the address.
    Data,
    /// HTTP, plain.
    Http,
    /// HTTP over TLS.
    Https,
    /// Trivial file transfer.
    Tftp,
    /// A bucket of Amazon S3.
    S3,
    /// A bucket or an access point of Amazon S3, by its resource name.
    Arn,
    /// A bucket of Google's store.
    Gs,
    /// A scheme the config language does not have.
    Unknown(String),
    /// Text without a scheme.
    Missing,
}

impl Scheme {
    /// The scheme of `source`. Network schemes are recognised in any case, `data` in lower case only, as in the
    /// reference.
    #[must_use]
    pub fn of(source: &str) -> Self {
        if source.is_empty() {
            return Self::Empty;
        }
        if source.starts_with("data:") {
            return Self::Data;
        }
        let Some((name, _)) = source.split_once(':') else {
            return Self::Missing;
        };
        let is_scheme = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        if !is_scheme {
            return Self::Missing;
        }
        match name.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "https" => Self::Https,
            "tftp" => Self::Tftp,
            "s3" => Self::S3,
            "arn" => Self::Arn,
            "gs" => Self::Gs,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Whether the network must be up: everything but inline data and nothing at all.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        !matches!(self, Self::Empty | Self::Data)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Empty | Self::Missing => "",
            Self::Data => "data",
            Self::Http => "http",
            Self::Https => "https",
            Self::Tftp => "tftp",
            Self::S3 => "s3",
            Self::Arn => "arn",
            Self::Gs => "gs",
            Self::Unknown(name) => name,
        })
    }
}

/// `source` as it may stand in a log or a record: without user, password, query and fragment, any of which may be a
/// credential, and without the content of inline data.
#[must_use]
pub fn shown(source: &str) -> String {
    match Scheme::of(source) {
        Scheme::Empty => return "an empty source".to_owned(),
        Scheme::Data => return "data:…".to_owned(),
        Scheme::Missing => return "an address without a scheme".to_owned(),
        _ => {}
    }
    let Ok(mut url) = Url::parse(source) else {
        // What cannot be parsed cannot be cleaned either: where does its password end?
        return format!("{}:…", Scheme::of(source));
    };
    let had_query = url.query().is_some();
    // Both fail only for addresses that cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    let mut text: String = url.as_str().chars().take(SHOWN_LENGTH).collect();
    if url.as_str().len() > text.len() {
        text.push('…');
    }
    if had_query {
        text.push_str("?…");
    }
    text
}

/// AWS's metadata service where there is no IPv4. As link-local as the other: no router passes it on.
const AWS_SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Whether a server is on this machine's own link, by its address; names are not.
pub(super) fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_link_local(),
        Some(Host::Ipv6(address)) => address.is_unicast_link_local() || address == AWS_SIX,
        _ => false,
    }
}

/// The path of `source`, which is what the reference records as the name of a referenced config; empty for inline
/// data.
#[must_use]
pub(crate) fn path_of(source: &str) -> String {
    match Scheme::of(source) {
        Scheme::Empty | Scheme::Data | Scheme::Missing => String::new(),
        _ => Url::parse(source)
            .map(|url| url.path().to_owned())
            .unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_are_told_apart() {
        for (source, scheme) in [
            ("", Scheme::Empty),
            ("data:,x", Scheme::Data),
            ("DATA:,x", Scheme::Unknown("data".to_owned())),
            ("HTTP://h/", Scheme::Http),
            ("https://h/", Scheme::Https),
            ("tftp://h/x", Scheme::Tftp),
            ("TFTP://h/x", Scheme::Tftp),
            ("s3://b/k", Scheme::S3),
            ("gs://b/o", Scheme::Gs),
            ("arn:aws:s3:::b/k", Scheme::Arn),
            ("file:///etc/passwd", Scheme::Unknown("file".to_owned())),
            ("/etc/passwd", Scheme::Missing),
            ("://x", Scheme::Missing),
            ("1http://x", Scheme::Missing),
            ("h", Scheme::Missing),
        ] {
            assert_eq!(Scheme::of(source), scheme, "{source}");
        }
    }

    #[test]
    fn what_is_next_door_is_known_by_its_address_alone() {
        for (url, is_next_door) in [
            ("http://169.254.169.254/x", true),
            ("http://169.254.42.42/x", true),
            ("http://[fe80::1]/x", true),
            ("http://[fd00:ec2::254]/x", true),
            ("http://[fd00:ec2::253]/x", false),
            ("http://100.100.100.200/x", false),
            ("http://10.254.169.254/x", false),
            ("http://169.254.169.254.example/x", false),
            ("unix://lxd/dev/lxd/sock:/1.0", false),
        ] {
            assert_eq!(is_link_local(&Url::parse(url).unwrap()), is_next_door, "{url}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (source, text) in [
            (
                "https://user:hunter2@h.example/a/b?token=hunter2#hunter2",
                "https://h.example/a/b?…",
            ),
            ("https://h/@scope/x", "https://h/@scope/x"),
            ("data:;base64,aHVudGVyMg==", "data:…"),
            ("http://user:hunter/2@h/", "http:…"),
            ("s3://bucket/key?versionId=hunter2", "s3://bucket/key?…"),
            ("hunter2", "an address without a scheme"),
            ("ftp://hunter2@h/", "ftp://h/"),
        ] {
            assert_eq!(shown(source), text);
        }
        assert!(shown(&format!("http://h/{}", "x".repeat(10_000))).chars().count() < 310);
    }
}
