//! What a platform tells of its machine beside the config: attributes, names, keys, addresses; and what it wants to be told.
//!
//! Each question is asked by itself: an attributes file needs no keys, and a service that is asked for less answers sooner.

use core::net::IpAddr;

use crate::network::Interface;
use crate::{Access, PlatformError};

/// A platform that knows more of its machine than the config.
pub trait Metadata: Sync {
    /// Everything it calls by a name, in the order of its documentation. What it does not say of this machine is not there.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError>;

    /// The host's name, where the platform has one that DHCP does not bring.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn hostname(&self, _via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(None)
    }

    /// Public keys of those who may log in, one line each.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn ssh_keys(&self, _via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        Ok(Vec::new())
    }

    /// Interfaces that the platform configures, for systemd-networkd.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn network(&self, _via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        Ok(Vec::new())
    }

    /// Network arguments for the initramfs, from platforms that can be asked before there is a network; `None` where
    /// the distribution's default stands.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn network_arguments(&self, _via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(None)
    }

    /// Tells the platform that the machine has booted.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn check_in(&self, _via: &dyn Access) -> Result<CheckIn, PlatformError> {
        Ok(CheckIn::Unsupported)
    }
}

/// Whether a platform was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckIn {
    /// It has nobody to tell.
    Unsupported,
    /// It knows now.
    Told,
}

/// One thing that a platform says of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The established name, without the agent's prefix: `AWS_INSTANCE_ID`.
    pub name: String,
    /// What it is, where every platform has the like.
    pub fact: Option<Fact>,
    /// One line, at least one character.
    pub value: String,
}

impl Attribute {
    /// One line of text, without the spaces around it; `None` where nothing is left.
    #[must_use]
    pub fn new(name: impl Into<String>, fact: Option<Fact>, value: &str) -> Option<Self> {
        let value = value.trim();
        (!value.is_empty() && !value.contains(char::is_control)).then(|| Self {
            name: name.into(),
            fact,
            value: value.to_owned(),
        })
    }
}

/// What platforms say of their machines, by one name for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// The platform's name of the machine, for its programs.
    InstanceId,
    /// The size or kind that was bought.
    InstanceType,
    /// The host's name.
    Hostname,
    /// Where it stands, among places that fail together.
    Zone,
    /// Where it stands, in the large.
    Region,
    /// The first address of version 4 for the inside.
    Ipv4,
    /// The first address of version 4 for the outside.
    PublicIpv4,
    /// The first address of version 6.
    Ipv6,
}

impl Fact {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::InstanceId,
        Self::InstanceType,
        Self::Hostname,
        Self::Zone,
        Self::Region,
        Self::Ipv4,
        Self::PublicIpv4,
        Self::Ipv6,
    ];

    /// As a config writes it after `platform.`: `instance-id`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InstanceId => "instance-id",
            Self::InstanceType => "instance-type",
            Self::Hostname => "hostname",
            Self::Zone => "zone",
            Self::Region => "region",
            Self::Ipv4 => "ipv4",
            Self::PublicIpv4 => "public-ipv4",
            Self::Ipv6 => "ipv6",
        }
    }
}

/// Attributes as they are gathered: what is not said is left out.
#[derive(Default)]
pub(crate) struct Attributes {
    prefix: &'static str,
    found: Vec<Attribute>,
}

impl Attributes {
    /// Names begin with `prefix`, for example `AWS_`.
    pub(crate) fn of(prefix: &'static str) -> Self {
        Self {
            prefix,
            found: Vec::new(),
        }
    }

    /// Adds `PREFIX_NAME` where there is a value.
    pub(crate) fn add(&mut self, name: &str, fact: impl Into<Option<Fact>>, value: Option<&str>) {
        let name = format!("{}{name}", self.prefix);
        let made = value.and_then(|value| Attribute::new(name, fact.into(), value));
        self.found.extend(made);
    }

    /// Adds `PREFIX_NAME_0`, `_1` … for each value; the first of them is the fact.
    pub(crate) fn add_each<'a>(
        &mut self,
        name: &str,
        fact: Option<Fact>,
        values: impl IntoIterator<Item = &'a str>,
    ) {
        for (number, value) in values.into_iter().enumerate() {
            let fact = fact.filter(|_| number == 0);
            self.add(&format!("{name}_{number}"), fact, Some(value));
        }
    }

    /// What was gathered.
    pub(crate) fn done(self) -> Vec<Attribute> {
        self.found
    }
}

/// The lines of a list of public keys, each once; `None` for a line that is none.
pub(crate) fn keys<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for line in lines {
        let line = line.trim();
        if is_key(line) && !keys.iter().any(|known| known == line) {
            keys.push(line.to_owned());
        }
    }
    keys
}

/// `TYPE BASE64 [COMMENT]`, or with options before (sshd(8), AUTHORIZED_KEYS FILE FORMAT): enough to keep an error page
/// out of the file.
fn is_key(line: &str) -> bool {
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    words.windows(2).any(|pair| {
        is_type(pair[0])
            && pair[1].len() >= 16
            && pair[1]
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
    }) && !line.contains(char::is_control)
}

/// An address out of text, without the length of a network behind it.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_one_line_that_says_something() {
        let value = |text| Attribute::new("A", None, text).map(|made| made.value);
        assert_eq!(value(" vm-9\n").as_deref(), Some("vm-9"));
        for nothing in ["", " \n", "a\nAFTERBURN_B=c", "a\0b"] {
            assert_eq!(value(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn the_first_of_several_is_the_fact() {
        let mut attributes = Attributes::of("X_");
        attributes.add_each("IPV4", Some(Fact::Ipv4), ["10.0.0.1", "10.0.0.2"]);
        attributes.add("ZONE", Fact::Zone, None);
        let done: Vec<_> = attributes
            .done()
            .into_iter()
            .map(|made| (made.name, made.fact, made.value))
            .collect();
        assert_eq!(
            done,
            [
                ("X_IPV4_0".to_owned(), Some(Fact::Ipv4), "10.0.0.1".to_owned()),
                ("X_IPV4_1".to_owned(), None, "10.0.0.2".to_owned()),
            ]
        );
    }

    #[test]
    fn keys_are_kept_once_and_error_pages_never() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERER demo@example";
        let with_options = format!("command=\"ls\",no-pty {key}");
        let lines = [
            key,
            "<html>not found</html>",
            "",
            key,
            " ",
            &with_options,
            "ssh-rsa short",
        ];
        assert_eq!(keys(lines), [key.to_owned(), with_options.clone()]);
    }
}
