//! What texts must look like: in words for people, as regular expressions for the schema, and as functions where the
//! table itself is the rule, since the binary has no engine for expressions. A test compares the three.

use std::borrow::Cow;

use crate::url_syntax;
use crate::version::Version::{self, V3_0_0, V3_1_0, V3_2_0, V3_4_0, V3_7_0Experimental};

/// What a text must look like.
#[derive(Debug)]
pub(crate) struct Pattern {
    /// In words, after "expected".
    pub(crate) wanted: &'static str,
    /// Alternatives (ECMA-262, each for the whole text) with the version that brought them. They may take more than
    /// the rules do, never less.
    pub(crate) forms: &'static [(Version, &'static str)],
    /// The same as a function, for patterns of the extension.
    pub(crate) fits: Option<fn(&str) -> bool>,
}

impl Pattern {
    /// What `text` should be instead; `None` when it fits, or only the rules can tell.
    pub(crate) fn refuses(&self, text: &str) -> Option<&'static str> {
        self.fits.is_some_and(|fits| !fits(text)).then_some(self.wanted)
    }

    /// The expression for a document of `version`.
    pub(crate) fn expression(&self, version: Version) -> String {
        let forms = self.forms.iter().filter(|(first, _)| *first <= version);
        let forms: Vec<_> = forms.map(|(_, form)| *form).collect();
        format!("^(?:{})$", forms.join("|"))
    }
}

const fn described(wanted: &'static str, forms: &'static [(Version, &'static str)]) -> Pattern {
    Pattern {
        wanted,
        forms,
        fits: None,
    }
}

const fn held(
    wanted: &'static str,
    forms: &'static [(Version, &'static str)],
    fits: fn(&str) -> bool,
) -> Pattern {
    Pattern {
        wanted,
        forms,
        fits: Some(fits),
    }
}

/// The root, or segments that are not empty, `.` or `..`.
const CLEAN: &str = r"/|(?:/(?:[^/.]|\.[^/.]|\.\.[^/])[^/]*)+";

pub(super) static PATH: Pattern = held(
    "an absolute path in its shortest form",
    &[(V3_0_0, CLEAN)],
    |path| path.starts_with('/') && crate::rules::clean_path(path) == path,
);

pub(super) static PATH_OR_EMPTY: Pattern = described(
    "an absolute path in its shortest form, or an empty text",
    &[(V3_0_0, ""), (V3_0_0, CLEAN)],
);

/// A virtiofs tag has at most 36 bytes, of which no expression can count more than the characters.
pub(super) static DEVICE_OR_TAG: Pattern = described(
    "the absolute path of a device, or the tag of a virtiofs share",
    &[(V3_0_0, CLEAN), (V3_7_0Experimental, r"[\s\S]{1,36}")],
);

pub(super) static SOURCE: Pattern = described(
    "a URL (http, https, tftp, s3, data; gs since 3.2.0, arn since 3.4.0) or an empty text",
    &[
        (V3_0_0, ""),
        (V3_0_0, r"(?:[Hh][Tt][Tt][Pp][Ss]?|[Tt][Ff][Tt][Pp]|[Ss]3):[^\n]*"),
        (V3_0_0, r"data:[^,\n]*,[^\n]*"),
        (V3_2_0, r"[Gg][Ss]:[^\n]*"),
        (V3_4_0, r"[Aa][Rr][Nn]:[^\n]*"),
    ],
);

pub(super) static HTTP: Pattern = described(
    "an http or https URL",
    &[(V3_0_0, r"[Hh][Tt][Tt][Pp][Ss]?:[^\n]*")],
);

/// The rules measure a digest in bytes and do not look at its letters, so text beyond ASCII may have any length here.
pub(super) static HASH: Pattern = described(
    "`sha512-` and 128 hex digits, or since 3.1.0 `sha256-` and 64",
    &[
        (V3_0_0, r"sha512-(?:[ -~]{128}|[\s\S]*[^ -~][\s\S]*)"),
        (V3_1_0, r"sha256-(?:[ -~]{64}|[\s\S]*[^ -~][\s\S]*)"),
    ],
);

pub(super) static GUID_OR_EMPTY: Pattern = described(
    "a GUID of the form 8-4-4-4-12, or an empty text",
    &[
        (V3_0_0, ""),
        (V3_0_0, "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"),
    ],
);

pub(super) static PARTITION_LABEL: Pattern =
    described("at most 36 bytes without a colon", &[(V3_0_0, "[^:]{0,36}")]);

pub(super) static NO_SLASH: Pattern = described("a name without a slash", &[(V3_0_0, "[^/]*")]);

pub(super) static UNIT: Pattern = described(
    "a name with the extension of a unit type",
    &[(
        V3_0_0,
        r"[\s\S]*\.(?:service|socket|device|mount|automount|swap|target|path|timer|snapshot|slice|scope)",
    )],
);

pub(super) static DROPIN: Pattern = described("a name that ends in `.conf`", &[(V3_0_0, r"[\s\S]*\.conf")]);

pub(super) static HTTPS_SERVER: Pattern = held(
    "a URL of the form https://host:port, without user, query and fragment",
    &[(V3_0_0, r"https://[^/?#@\n][^?#@\n]*")],
    |url| has_authority(url, &["https://"]) && !url.contains(['?', '#', '@', '\n']),
);

pub(super) static SINK_URL: Pattern = held(
    "an http, https, tcp or tls URL",
    &[(V3_0_0, r"(?:https?|tcp|tls)://[^/\n][^\n]*")],
    |url| has_authority(url, &["http://", "https://", "tcp://", "tls://"]),
);

fn has_authority(url: &str, schemes: &[&str]) -> bool {
    let behind = schemes.iter().find_map(|scheme| url.strip_prefix(scheme));
    behind.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/')) && url_syntax::parse(url).is_ok()
}

pub(super) static CA_HASH: Pattern = held(
    "`sha256:` and 64 hex digits",
    &[(V3_0_0, "sha256:[0-9A-Fa-f]{64}")],
    |hash| {
        hash.strip_prefix("sha256:")
            .is_some_and(|digest| digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    },
);

pub(super) static TOKEN: Pattern = held(
    "an id of 6 and a secret of 16 lower-case letters or digits, with a dot between",
    &[(V3_0_0, r"[0-9a-z]{6}\.[0-9a-z]{16}")],
    |token| {
        let is_word = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        token
            .split_once('.')
            .is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && is_word(id) && is_word(secret))
    },
);

/// The place of a value that only the machine has (docs/placeholders.md), in a member that takes one.
macro_rules! placeholder {
    () => {
        r"\$\{(?:machine|platform)\.[-0-9a-z]+\}"
    };
}

/// `text` with a digit in the place of each placeholder. Whether there is such a value shows on the machine.
fn filled(text: &str) -> Cow<'_, str> {
    let mut filled = Cow::Borrowed(text);
    let mut from = 0;
    while let Some(start) = filled[from..].find("${").map(|at| from + at) {
        let end = filled[start..].find('}').map(|at| start + at);
        let name = end.and_then(|end| filled.get(start + 2..end));
        let name = name.and_then(|name| {
            name.strip_prefix("machine.")
                .or_else(|| name.strip_prefix("platform."))
        });
        let is_name = |name: &str| {
            let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !name.is_empty() && name.bytes().all(inner)
        };
        let Some(end) = end.filter(|_| name.is_some_and(is_name)) else {
            break;
        };
        filled.to_mut().replace_range(start..=end, "0");
        from = start;
    }
    filled
}

pub(super) static NODE_NAME: Pattern = held(
    "a host name in lower case, with or without placeholders",
    &[(
        V3_0_0,
        concat!(
            "(?:[0-9a-z]|",
            placeholder!(),
            ")(?:(?:[-.0-9a-z]|",
            placeholder!(),
            "){0,251}(?:[0-9a-z]|",
            placeholder!(),
            "))?"
        ),
    )],
    |name| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        is_bounded(&filled(name), 253, inner)
    },
);

/// Letters for which `inner` holds, with a letter or a digit at both ends.
fn is_bounded(text: &str, longest: usize, inner: fn(u8) -> bool) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= longest
        && bytes.iter().all(|byte| inner(*byte))
        && ends(bytes.first())
        && ends(bytes.last())
}

fn is_label_name(text: &str) -> bool {
    is_bounded(text, 63, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
    })
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_domain = |text: &str| {
        (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte))
    };
    prefix.is_none_or(is_domain) && is_label_name(name)
}

pub(super) static LABEL_KEY: Pattern = held(
    "a label's name of Kubernetes, with or without a domain and a slash before it",
    &[(
        V3_0_0,
        "(?:[-.0-9a-z]{1,253}/)?[0-9A-Za-z](?:[-_.0-9A-Za-z]{0,61}[0-9A-Za-z])?",
    )],
    is_label_key,
);

pub(super) static LABEL_VALUE: Pattern = held(
    "a label's value of Kubernetes: empty, or up to 63 letters, digits, `-`, `_`, `.` and placeholders",
    &[(
        V3_0_0,
        concat!(
            "(?:(?:[0-9A-Za-z]|",
            placeholder!(),
            ")(?:(?:[-_.0-9A-Za-z]|",
            placeholder!(),
            "){0,61}(?:[0-9A-Za-z]|",
            placeholder!(),
            "))?)?"
        ),
    )],
    |value| value.is_empty() || is_label_name(&filled(value)),
);

pub(super) static TAINT: Pattern = held(
    "`key=value:Effect` with NoSchedule, PreferNoSchedule or NoExecute",
    &[(
        V3_0_0,
        "(?:[-.0-9a-z]{1,253}/)?[0-9A-Za-z](?:[-_.0-9A-Za-z]{0,61}[0-9A-Za-z])?\
         (?:=(?:[0-9A-Za-z](?:[-_.0-9A-Za-z]{0,61}[0-9A-Za-z])?)?)?:(?:NoSchedule|PreferNoSchedule|NoExecute)",
    )],
    |taint| {
        taint.split_once(':').is_some_and(|(key, effect)| {
            let (key, value) = key.split_once('=').unwrap_or((key, ""));
            matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
                && is_label_key(key)
                && (value.is_empty() || is_label_name(value))
        })
    },
);

pub(super) static ADDRESSES: Pattern = held(
    "an IP address, or one of each family with a comma between, or placeholders for them",
    &[(
        V3_0_0,
        concat!(
            "(?:[.:0-9A-Fa-f]|",
            placeholder!(),
            ")+(?:,(?:[.:0-9A-Fa-f]|",
            placeholder!(),
            ")+)?"
        ),
    )],
    |addresses| {
        let addresses = filled(addresses);
        let is_address = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte))
        };
        addresses.split(',').count() <= 2 && addresses.split(',').all(is_address)
    },
);

pub(super) static SERVICE: Pattern = held(
    "the name of a service unit",
    &[(V3_0_0, r"[A-Za-z0-9:_.\\@-]+\.service")],
    |unit| {
        let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b":_.\\@-".contains(&letter);
        unit.strip_suffix(".service")
            .is_some_and(|name| !name.is_empty() && name.bytes().all(is_letter))
    },
);

pub(super) static HOST: Pattern = held(
    "a host, or a host and a port: `host:port`",
    &[(V3_0_0, r"(?:\[[.:0-9A-Fa-f]+\]|[-._0-9A-Za-z]+)(?::[0-9]{1,5})?")],
    |host| {
        let (name, port) = match host.rfind(':') {
            Some(colon) if !host.ends_with(']') => host.split_at(colon),
            _ => (host, ":0"),
        };
        let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_name = match bracketed {
            Some(address) => {
                !address.is_empty()
                    && address
                        .bytes()
                        .all(|byte| byte.is_ascii_hexdigit() || b".:".contains(&byte))
            }
            None => {
                !name.is_empty()
                    && name
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        let digits = port.strip_prefix(':').unwrap_or_default();
        is_name && (1..=5).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
    },
);
