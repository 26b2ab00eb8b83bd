//! Whose config it is: the kernel command line, `user.ign`, the platform, in this order.
//!
//! The next source is asked only when the one before says that it is not there at all. A config that is empty or
//! broken, or that needs the network, ends the search: falling through would provision a machine that nobody meant.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::Utf8Error;
use std::time::Duration;

use kindling_config_spec::types::Resource;
use kindling_platforms::{Access, AccessError, Drive, DriveName, Platform, PlatformError};
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use super::base::SystemDirs;
use super::resource::{sha256, sha512_hex};
use super::unpack::{UnpackError, unpacked};
use super::{DOCUMENT_LIMIT, FetchError, Fetcher, Scheme, shown};
use crate::identity::hex;

/// How long the drive of `ignition.config.device` may take to appear.
const DRIVE_WAIT: Duration = Duration::from_secs(30);

/// Where a config came from, as the state file and the result file record it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The distribution's or the user's.
    pub kind: OriginKind,
    /// `cmdline`, `system`, a platform id; for a referenced config the path of its address.
    pub source: String,
    /// Whether another config refers to it.
    pub referenced: bool,
    /// The digest of its text in lower-case hex, where one was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Who wrote a config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginKind {
    /// The distribution.
    Base,
    /// The user.
    User,
}

impl fmt::Display for OriginKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Base => "base",
            Self::User => "user",
        })
    }
}

/// The text of the user's config.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The document.
    pub text: String,
    /// What to call it in findings: an address fit to be shown, a path, a platform.
    pub name: String,
    /// Who gave it.
    pub origin: Origin,
}

impl fmt::Debug for Fetched {
    /// Leaves the text out: a config holds secrets.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Fetched")
            .field("name", &self.name)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// What the sources brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// A config.
    Config(Fetched),
    /// A source that is there and says "nothing": success with an empty config, which is not recorded as the user's.
    Empty {
        /// The source: `cmdline`, `system` or the platform.
        source: String,
    },
    /// The answer is known only once the network is up.
    NeedsNetwork {
        /// What it is needed for, fit to be shown.
        what: String,
    },
}

/// The places a config may be.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// What the kernel command line says of it.
    pub arguments: &'a Arguments,
    /// The directories of `user.ign`.
    pub dirs: &'a SystemDirs,
    /// The platform this machine was told to be on.
    pub platform: &'a dyn Platform,
}

/// No config, and not because there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// `ignition.config.url` cannot be fetched, or is no address.
    #[error("cannot fetch the config of kernel argument ignition.config.url")]
    Url {
        /// The cause, which names the address.
        source: FetchError,
    },
    /// One of `ignition.config.device` and `ignition.config.path` without the other.
    #[error("kernel argument {given} needs {missing} as well")]
    Half {
        /// The argument that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// A label that would lead out of the directory of labels.
    #[error("kernel argument ignition.config.device={label:?} is not the label of a file system")]
    Label {
        /// The value.
        label: String,
    },
    /// The drive cannot be read.
    #[error("cannot read the config from the drive labelled {label:?}")]
    Drive {
        /// The label.
        label: String,
        /// The cause.
        source: AccessError,
    },
    /// The drive is there, the file is not.
    #[error("the drive labelled {label:?} has no file {path}")]
    NoFile {
        /// The label.
        label: String,
        /// The path below its root.
        path: String,
    },
    /// `user.ign` exists and cannot be read.
    #[error("cannot read {}", path.display())]
    UserFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: AccessError,
    },
    /// The platform could not tell.
    #[error("platform {platform} cannot give the config")]
    Platform {
        /// The platform.
        platform: String,
        /// The cause.
        source: PlatformError,
    },
    /// Packed, and not whole.
    #[error("cannot unpack {name}")]
    Packed {
        /// The document.
        name: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// Not text.
    #[error("{name} is not UTF-8 text")]
    NotText {
        /// The document.
        name: String,
        /// Where it stops being text.
        source: Utf8Error,
    },
}

impl SourceError {
    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url { source } => source.code(),
            Self::Half { .. } | Self::Label { .. } => "kernel-argument-invalid",
            Self::Drive {
                source: AccessError::Absent { .. },
                ..
            } => "config-drive-absent",
            Self::Drive { .. } => "config-drive-unreadable",
            Self::NoFile { .. } => "config-file-absent",
            Self::UserFile { .. } => "config-file-unreadable",
            Self::Platform {
                source: PlatformError::NotHere { .. },
                ..
            } => "platform-not-here",
            Self::Platform { .. } => "platform-unreadable",
            Self::Packed { .. } => "config-packed-broken",
            Self::NotText { .. } => "config-not-text",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Url { source } => source.next(),
            Self::Half { given, missing } => {
                format!("add {missing} to the kernel command line or remove {given}")
            }
            Self::Label { .. } => "write the name of an entry of /dev/disk/by-label".to_owned(),
            Self::Drive { label, .. } => {
                format!("attach a drive whose file system is labelled {label:?}, and check it with blkid")
            }
            Self::NoFile { path, .. } => format!("put the config at {path} of that drive"),
            Self::UserFile { path, .. } => format!("make {} a readable file", path.display()),
            Self::Platform {
                source: PlatformError::NotHere { .. },
                ..
            } => "set ignition.platform.id to the platform this machine runs on".to_owned(),
            Self::Platform { platform, .. } => {
                format!("check what platform {platform} holds for this machine, and ignition.platform.id")
            }
            Self::Packed {
                source: UnpackError::TooLarge { .. },
                ..
            } => "check that it is the right file; split a config of that size".to_owned(),
            Self::Packed { .. } => {
                "pack the config again: gzip or zstd, and base64 over it if need be".to_owned()
            }
            Self::NotText { .. } => "write the config in UTF-8".to_owned(),
        }
    }
}

/// Asks the sources in order.
///
/// # Errors
/// See [`SourceError`].
pub fn acquire(places: Places<'_>, fetcher: &Fetcher, via: &dyn Access) -> Result<Acquired, SourceError> {
    let arguments = places.arguments;
    if let Some(url) = &arguments.url {
        if arguments.device.is_some() || arguments.path.is_some() {
            warn!(
                "ignition.config.url is given, so ignition.config.device and ignition.config.path are ignored"
            );
        }
        return from_url(url, fetcher);
    }
    match (&arguments.device, &arguments.path) {
        (Some(label), Some(path)) => return from_drive(label, path, via),
        (Some(_), None) => return Err(half("ignition.config.device", "ignition.config.path")),
        (None, Some(_)) => return Err(half("ignition.config.path", "ignition.config.device")),
        (None, None) => {}
    }
    for path in places.dirs.user_files() {
        let unreadable = |source| SourceError::UserFile {
            path: path.clone(),
            source,
        };
        if let Some(bytes) = via.file(&path).map_err(unreadable)? {
            info!("reading the config from {}", path.display());
            return given("system", path.display().to_string(), bytes);
        }
    }
    from_platform(places.platform, via)
}

fn half(given: &'static str, missing: &'static str) -> SourceError {
    SourceError::Half { given, missing }
}

fn from_url(url: &str, fetcher: &Fetcher) -> Result<Acquired, SourceError> {
    let name = shown(url);
    if Scheme::of(url) == Scheme::Missing {
        let source = FetchError::SchemeUnknown {
            scheme: String::new(),
            url: name,
        };
        return Err(SourceError::Url { source });
    }
    info!("reading the config from {name}, as the kernel command line says");
    let resource = Resource {
        source: Some(url.to_owned()),
        ..Resource::default()
    };
    match fetcher.buffer(&resource, DOCUMENT_LIMIT) {
        Ok(bytes) => given("cmdline", name, bytes),
        Err(FetchError::NeedsNetwork { url }) => Ok(Acquired::NeedsNetwork { what: url }),
        Err(source) => Err(SourceError::Url { source }),
    }
}

fn from_drive(label: &str, path: &str, via: &dyn Access) -> Result<Acquired, SourceError> {
    let is_one_component = !label.contains('/') && !matches!(label, "." | "..");
    if !is_one_component {
        return Err(SourceError::Label {
            label: label.to_owned(),
        });
    }
    let path = clean(path);
    info!("reading the config from {path} of the drive labelled {label:?}");
    let drive = Drive {
        name: DriveName::Label(label),
        wait: DRIVE_WAIT,
    };
    let mut files = via
        .drive(&drive, &[path.as_str()])
        .map_err(|source| SourceError::Drive {
            label: label.to_owned(),
            source,
        })?;
    match files.pop().flatten() {
        Some(bytes) => given("cmdline", format!("{label}:{path}"), bytes),
        None => Err(SourceError::NoFile {
            label: label.to_owned(),
            path,
        }),
    }
}

fn from_platform(platform: &dyn Platform, via: &dyn Access) -> Result<Acquired, SourceError> {
    let id = platform.id().to_string();
    match platform.user_data(via) {
        Ok(Some(data)) => {
            let name = format!("config of platform {id}");
            given(&id, name, data.into_bytes())
        }
        Ok(None) => Ok(Acquired::Empty { source: id }),
        Err(error) if error.needs_network() => Ok(Acquired::NeedsNetwork {
            what: format!("the metadata service of platform {id}"),
        }),
        Err(source) => Err(SourceError::Platform { platform: id, source }),
    }
}

fn given(source: &str, name: String, bytes: Vec<u8>) -> Result<Acquired, SourceError> {
    if bytes.is_empty() {
        info!("{name} is empty");
        return Ok(Acquired::Empty {
            source: source.to_owned(),
        });
    }
    let bytes = unpacked(bytes).map_err(|source| SourceError::Packed {
        name: name.clone(),
        source,
    })?;
    debug!("{name} has SHA-512 {}", sha512_hex(&bytes));
    let sha256 = Some(hex(&sha256(&bytes)));
    let text = String::from_utf8(bytes).map_err(|error| SourceError::NotText {
        name: name.clone(),
        source: error.utf8_error(),
    })?;
    let origin = Origin {
        kind: OriginKind::User,
        source: source.to_owned(),
        referenced: false,
        sha256,
    };
    Ok(Acquired::Config(Fetched { text, name, origin }))
}

/// The path below the root of a drive: absolute, without `.` and `..`.
fn clean(path: &str) -> String {
    let mut cleaned = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned.display().to_string()
}

/// The kernel arguments that say where the config is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// `ignition.config.url`.
    pub url: Option<String>,
    /// `ignition.config.device`: the label of a file system.
    pub device: Option<String>,
    /// `ignition.config.path`: a file on it.
    pub path: Option<String>,
}

/// Reads the arguments from a kernel command line: split at blanks, no quoting, the last occurrence wins, one
/// without a value is ignored.
#[must_use]
pub fn parse_arguments(command_line: &str) -> Arguments {
    let mut arguments = Arguments::default();
    for word in command_line.split_whitespace() {
        let Some((name, value)) = word.split_once('=') else {
            continue;
        };
        let place = match name {
            "ignition.config.url" => &mut arguments.url,
            "ignition.config.device" => &mut arguments.device,
            "ignition.config.path" => &mut arguments.path,
            _ => continue,
        };
        if value.is_empty() {
            info!("kernel argument {name} has no value and is ignored");
        } else {
            *place = Some(value.to_owned());
        }
    }
    arguments
}

/// The value of one kernel argument, the last that has one.
#[must_use]
pub fn argument(command_line: &str, name: &str) -> Option<String> {
    let values = command_line
        .split_whitespace()
        .filter_map(|word| word.split_once('='));
    let mut of_name = values.filter(|(found, value)| *found == name && !value.is_empty());
    of_name.next_back().map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_argument_with_a_value_wins() {
        let arguments = parse_arguments(
            "quiet ignition.config.url=http://a/ ignition.config.url=http://b/?x=y ignition.config.url= \
             ignition.config.device=IGN ignition.config.path=/a\nignition.config.urls=no ignition.config.url",
        );
        assert_eq!(arguments.url.as_deref(), Some("http://b/?x=y"));
        assert_eq!(arguments.device.as_deref(), Some("IGN"));
        assert_eq!(arguments.path.as_deref(), Some("/a"));
        assert_eq!(parse_arguments(""), Arguments::default());
    }

    #[test]
    fn paths_stay_on_the_drive() {
        for (path, cleaned) in [
            ("/a/b", "/a/b"),
            ("a", "/a"),
            ("../../etc/shadow", "/etc/shadow"),
            ("/a/./../../b//c/", "/b/c"),
            ("", "/"),
        ] {
            assert_eq!(clean(path), cleaned);
        }
    }
}
