//! What a platform tells of its machine beside the config: attributes, names, keys, addresses; and what it wants to be told.
//!
//! Each question is asked by itself: an attributes file needs no keys, and a service that is asked for less answers sooner.

use core::net::IpAddr;

use crate::network::Interface;
use crate::{Access, PlatformError, PlatformId, StageEnd};

/// A platform that knows more of its machine than the config.
pub trait Metadata: Sync {
    /// Which questions it can answer: a row of `docs/platforms.md`.
    fn offers(&self) -> Offers {
        Offers::default()
    }

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

    /// Tells the platform how a stage of the first boot ended, where it listens.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`]; nobody's boot depends on it.
    fn stage_ended(&self, _via: &dyn Access, _end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        Ok(CheckIn::Unsupported)
    }

    /// Tells the platform that the machine has booted.
    ///
    /// # Errors
    /// As [`crate::Platform::user_data`].
    fn check_in(&self, _via: &dyn Access) -> Result<CheckIn, PlatformError> {
        Ok(CheckIn::Unsupported)
    }
}

/// What a platform can tell. What it says of one machine may still be nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offers {
    /// See [`Metadata::attributes`].
    pub attributes: bool,
    /// See [`Metadata::hostname`].
    pub hostname: bool,
    /// See [`Metadata::ssh_keys`].
    pub ssh_keys: bool,
    /// See [`Metadata::network`].
    pub network: bool,
    /// See [`Metadata::network_arguments`].
    pub network_arguments: bool,
    /// See [`Metadata::check_in`].
    pub check_in: bool,
    /// See [`Metadata::stage_ended`].
    pub failure: bool,
}

impl Default for Offers {
    /// Attributes alone.
    fn default() -> Self {
        Self {
            attributes: true,
            hostname: false,
            ssh_keys: false,
            network: false,
            network_arguments: false,
            check_in: false,
            failure: false,
        }
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

impl Attribute {
    /// What this is by the name for all platforms, and the value that is the same on all of them: an address without the
    /// length of a network, a type without the path to it.
    #[must_use]
    pub fn as_fact(&self) -> Option<(Fact, &str)> {
        let fact = self.fact?;
        let value = match fact {
            Fact::Ipv4 | Fact::PublicIpv4 | Fact::Ipv6 => self.value.split('/').next(),
            Fact::InstanceType => self.value.rsplit('/').next(),
            _ => None,
        };
        Some((fact, value.unwrap_or(&self.value)))
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

    /// Adds `PREFIX_NAME` where there is a value. Of several that are the same fact the first is it.
    pub(crate) fn add(&mut self, name: &str, fact: impl Into<Option<Fact>>, value: Option<&str>) {
        let name = format!("{}{name}", self.prefix);
        let is_said = |fact: &Fact| self.found.iter().any(|made| made.fact == Some(*fact));
        let fact = fact.into().filter(|fact| !is_said(fact));
        let made = value.and_then(|value| Attribute::new(name, fact, value));
        self.found.extend(made);
    }

    /// Adds `PREFIX_NAME_0`, `_1` … for each value.
    pub(crate) fn add_each<'a>(
        &mut self,
        name: &str,
        fact: Option<Fact>,
        values: impl IntoIterator<Item = &'a str>,
    ) {
        for (number, value) in values.into_iter().enumerate() {
            self.add(&format!("{name}_{number}"), fact, Some(value));
        }
    }

    /// What was gathered.
    pub(crate) fn done(self) -> Vec<Attribute> {
        self.found
    }
}

/// What a kernel takes for the name of a host (`HOST_NAME_MAX`), in bytes.
const HOST_NAME_MAX: usize = 64;

/// The name of a host out of what a platform says: its first word, without a dot at the end, cut to what a kernel takes. A
/// name that was cut ends before its first dot, where it has one: half a domain is none. `None` where nothing is left, and
/// for what no host is called.
#[must_use]
pub fn host_name(raw: &str) -> Option<String> {
    if raw.trim().contains(|at: char| at == '/' || at.is_control()) {
        return None;
    }
    let name = raw.split_whitespace().next()?.trim_end_matches('.');
    let mut cut = name.len().min(HOST_NAME_MAX);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let (kept, rest) = name.split_at(cut);
    let kept = match kept.split_once('.') {
        Some((host, _)) if !rest.is_empty() => host,
        _ => kept,
    };
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// The lines of a list of public keys, each once; `None` for a line that is none.
pub(crate) fn keys<'a>(
    id: PlatformId,
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<String>, PlatformError> {
    let mut keys: Vec<String> = Vec::new();
    let mut is_something = false;
    for line in lines.into_iter().map(str::trim) {
        is_something |= !line.is_empty();
        if is_key(line) && !keys.iter().any(|known| known == line) {
            keys.push(line.to_owned());
        }
    }
    if keys.is_empty() && is_something {
        let why = "what it gives as keys has none in it".to_owned();
        return Err(PlatformError::Malformed { id, why });
    }
    Ok(keys)
}

/// As [`keys`], of texts that may have several lines each.
pub(crate) fn keys_of(id: PlatformId, texts: &[String]) -> Result<Vec<String>, PlatformError> {
    keys(id, texts.iter().flat_map(|text| text.lines()))
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
pub(crate) mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    /// A key.
    pub(crate) const KEY: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER demo@example";

    /// A service that has these things below an address.
    pub(crate) fn service(base: &str, answers: &[(&str, &str)]) -> RecordedAccess {
        let empty = RecordedAccess::of_service(&[]);
        answers.iter().fold(empty, |via, (path, text)| {
            via.with_answer(&format!("{base}{path}"), 200, text)
        })
    }

    /// `NAME=value` for each; a fact stands in brackets behind the name.
    pub(crate) fn lines(metadata: &dyn Metadata, via: &RecordedAccess) -> Vec<String> {
        let shown = |made: &Attribute| match made.fact {
            Some(fact) => format!("{} ({})={}", made.name, fact.name(), made.value),
            None => format!("{}={}", made.name, made.value),
        };
        let found = metadata.attributes(via);
        found.unwrap().iter().map(shown).collect()
    }

    /// Holds a platform to its row of the documentation, on a machine that has everything it may have.
    pub(crate) fn keeps_its_offers(metadata: &dyn Metadata, via: &RecordedAccess) {
        let failed = StageEnd {
            stage: "disks",
            failure: Some("FAILED"),
        };
        let kept = Offers {
            attributes: !metadata.attributes(via).unwrap().is_empty(),
            hostname: metadata.hostname(via).unwrap().is_some(),
            ssh_keys: !metadata.ssh_keys(via).unwrap().is_empty(),
            network: !metadata.network(via).unwrap().is_empty(),
            network_arguments: metadata.network_arguments(via).unwrap().is_some(),
            check_in: metadata.check_in(via).unwrap() == CheckIn::Told,
            // Whether the answer was recorded or not: it was asked.
            failure: metadata.stage_ended(via, &failed) != Ok(CheckIn::Unsupported),
        };
        assert_eq!(metadata.offers(), kept);
    }

    /// Holds a platform to a failure that names what is wrong, and quotes nothing of it.
    pub(crate) fn is_malformed<T: std::fmt::Debug>(answer: Result<T, PlatformError>, what: &str) {
        let error = answer.unwrap_err();
        assert!(matches!(error, PlatformError::Malformed { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(what) && !text.contains("planted"), "{text}");
    }

    #[test]
    fn names_of_hosts_are_cut_where_a_kernel_would_not_take_them() {
        let long = "a".repeat(70);
        let domain = format!("n1.{long}");
        let wide = "ä".repeat(40);
        for (raw, expected) in [
            ("n1", Some("n1")),
            (" n1.example \n", Some("n1.example")),
            ("n1.example.", Some("n1.example")),
            (
                "ip-10-0-0-7.internal other.internal",
                Some("ip-10-0-0-7.internal"),
            ),
            (&long, Some(&long[..64])),
            (&domain, Some("n1")),
            (&format!("{}.b", &long[..64]), Some(&long[..64])),
            (&wide, Some(&wide[..64])),
            ("", None),
            (" \n", None),
            ("...", None),
            ("a/b", None),
            ("../../x", None),
            ("a\nb", None),
            ("a\0", None),
            ("n1 \u{7}", None),
        ] {
            assert_eq!(host_name(raw).as_deref(), expected, "{raw:?}");
        }
    }

    #[test]
    fn facts_are_written_the_same_everywhere() {
        for (fact, value, expected) in [
            (Fact::PublicIpv4, "198.51.100.7/32", "198.51.100.7"),
            (Fact::Ipv6, "2001:db8::7/128", "2001:db8::7"),
            (Fact::InstanceType, "projects/1/machineTypes/e2-small", "e2-small"),
            (Fact::Region, "a/b", "a/b"),
        ] {
            let made = Attribute::new("X", Some(fact), value).unwrap();
            assert_eq!(made.as_fact(), Some((fact, expected)));
        }
        assert_eq!(Attribute::new("X", None, "1").unwrap().as_fact(), None);
    }

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
        let id = crate::Platform::id(&crate::Aws);
        assert_eq!(keys(id, lines), Ok(vec![key.to_owned(), with_options.clone()]));
        assert_eq!(keys(id, ["", " "]), Ok(Vec::new()));
        // Keys that are there stay, where the answer is of somebody else.
        is_malformed(keys(id, ["<html>planted</html>"]), "has none in it");
    }
}
