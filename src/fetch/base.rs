//! The distribution's configs: fragments below `base.d` and `base.platform.d`, read again by every stage.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedMap;
use kindling_config_spec::types::Config;
use kindling_config_spec::{Rejected, check, diagnostic, merge};

use super::source::{Origin, OriginKind};
use super::{DOCUMENT_LIMIT, resource};

/// The directories that distributions and administrators put configs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemDirs {
    by_priority: [PathBuf; 3],
}

impl SystemDirs {
    /// The reference's directories, each replaced by its environment variable where that is set and not empty:
    /// `IGNITION_SYSTEM_RUNTIME_CONFIG_DIR`, `IGNITION_SYSTEM_LOCAL_CONFIG_DIR`, `IGNITION_SYSTEM_CONFIG_DIR`.
    #[must_use]
    pub fn new(runtime: Option<PathBuf>, local: Option<PathBuf>, vendor: Option<PathBuf>) -> Self {
        let or = |given: Option<PathBuf>, usual: &str| {
            given
                .filter(|path| !path.as_os_str().is_empty())
                .unwrap_or_else(|| usual.into())
        };
        Self {
            by_priority: [
                or(runtime, "/run/ignition"),
                or(local, "/etc/ignition"),
                or(vendor, "/usr/lib/ignition"),
            ],
        }
    }

    /// Where `user.ign` may be, highest priority first.
    pub(super) fn user_files(&self) -> impl Iterator<Item = PathBuf> {
        self.by_priority.iter().map(|dir| dir.join("user.ign"))
    }

    /// The fragments below `name` of all directories: by file name in byte order, the copy of the highest priority.
    fn fragments(&self, name: &Path) -> Result<OrderedMap<OsString, PathBuf>, BaseError> {
        let mut fragments = OrderedMap::new();
        for dir in &self.by_priority {
            let dir = dir.join(name);
            let unreadable = |source: io::Error| BaseError::Read {
                path: dir.clone(),
                why: source.to_string(),
            };
            let entries = match fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(error)),
            };
            for entry in entries {
                let entry = entry.map_err(unreadable)?;
                fragments.entry(entry.file_name()).or_insert_with(|| entry.path());
            }
        }
        Ok(fragments)
    }
}

/// The distribution's config.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    /// All fragments, merged. Their own references are not followed.
    pub config: Config,
    /// What to record, always one entry.
    pub origin: Origin,
    /// Why the fragments of the platform were left out, if they were: the reference goes on without them, so it is
    /// for the caller to tell.
    pub platform_dropped: Option<BaseError>,
}

/// A fragment that is not a config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// It cannot be read: a directory, for example.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// It is empty, which hides nothing.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is not a valid config.
    #[error("{} is not a valid config\n{findings}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The findings with their source lines.
        findings: String,
    },
}

impl BaseError {
    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "base-config-unreadable",
            Self::Empty { .. } => "base-config-empty",
            Self::Invalid { .. } => "base-config-invalid",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::Read { .. } => "keep nothing but config files in base.d".to_owned(),
            Self::Empty { path } => format!(
                "to neutralise a vendor's fragment, put {{\"ignition\":{{\"version\":\"3.4.0\"}}}} into {}",
                path.display()
            ),
            Self::Invalid { path, .. } => format!("correct {} and rebuild the initramfs", path.display()),
        }
    }
}

/// Reads `base.d`, and over it `base.platform.d/<platform>`.
///
/// # Errors
/// See [`BaseError`], for `base.d`; an error in the platform's directory is in [`Base::platform_dropped`].
pub fn read_base(dirs: &SystemDirs, platform: &str) -> Result<Base, BaseError> {
    let mut config = Config::default();
    for fragment in read_fragments(dirs, Path::new("base.d"))? {
        config = merge(config, fragment);
    }
    let platform_dropped = match read_fragments(dirs, &Path::new("base.platform.d").join(platform)) {
        Ok(fragments) => {
            config = fragments.into_iter().fold(config, merge);
            None
        }
        Err(error) => Some(error),
    };
    let origin = Origin {
        kind: OriginKind::Base,
        source: "system".to_owned(),
        referenced: false,
        sha256: None,
    };
    Ok(Base {
        config,
        origin,
        platform_dropped,
    })
}

fn read_fragments(dirs: &SystemDirs, name: &Path) -> Result<Vec<Config>, BaseError> {
    dirs.fragments(name)?
        .into_values()
        .map(|path| read_fragment(&path))
        .collect()
}

fn read_fragment(path: &Path) -> Result<Config, BaseError> {
    let unreadable = |why: String| BaseError::Read {
        path: path.to_owned(),
        why,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(DOCUMENT_LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > DOCUMENT_LIMIT) {
        return Err(unreadable(format!("it is larger than {DOCUMENT_LIMIT} bytes")));
    }
    tracing::debug!("{} has SHA-512 {}", path.display(), resource::sha512_hex(&bytes));
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.utf8_error().to_string()))?;
    match check(&text) {
        Ok(checked) => Ok(checked.into_config()),
        Err(Rejected::Empty) => Err(BaseError::Empty {
            path: path.to_owned(),
        }),
        Err(rejected) => Err(BaseError::Invalid {
            path: path.to_owned(),
            findings: diagnostic::render(&path.display().to_string(), &text, &rejected.diagnostics()),
        }),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests fill a directory of their own")]
mod tests {
    use super::*;

    struct Dirs {
        root: tempfile::TempDir,
        dirs: SystemDirs,
    }

    impl Dirs {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let below = |name: &str| Some(root.path().join(name));
            let dirs = SystemDirs::new(below("run"), below("etc"), below("usr"));
            Self { root, dirs }
        }

        fn put(&self, path: &str, text: &str) {
            let path = self.root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn kargs(&self) -> Vec<String> {
            read_base(&self.dirs, "qemu")
                .unwrap()
                .config
                .kernel_arguments
                .should_exist
        }
    }

    fn with_karg(karg: &str) -> String {
        format!(r#"{{"ignition":{{"version":"3.4.0"}},"kernelArguments":{{"shouldExist":["{karg}"]}}}}"#)
    }

    #[test]
    fn fragments_merge_in_name_order_and_higher_directories_hide_lower_ones() {
        let dirs = Dirs::new();
        dirs.put("usr/base.d/20-b", &with_karg("usr-20"));
        dirs.put("usr/base.d/10-a", &with_karg("usr-10"));
        dirs.put("etc/base.d/20-b", &with_karg("etc-20"));
        dirs.put("run/base.d/15-c", &with_karg("run-15"));
        dirs.put("etc/base.platform.d/qemu/05", &with_karg("qemu"));
        dirs.put("etc/base.platform.d/aws/05", &with_karg("aws"));
        assert_eq!(dirs.kargs(), ["usr-10", "run-15", "etc-20", "qemu"]);
    }

    #[test]
    fn without_directories_the_base_is_empty() {
        let base = read_base(&Dirs::new().dirs, "qemu").unwrap();
        assert_eq!((base.config, base.platform_dropped), (Config::default(), None));
    }

    #[test]
    fn a_stray_file_stops_the_boot_and_is_named() {
        for (text, code) in [("", "base-config-empty"), ("hello", "base-config-invalid")] {
            let dirs = Dirs::new();
            dirs.put("etc/base.d/README", text);
            let error = read_base(&dirs.dirs, "qemu").unwrap_err();
            assert_eq!(error.code(), code);
            assert!(error.to_string().contains("etc/base.d/README"), "{error}");
        }
        let dirs = Dirs::new();
        dirs.put("etc/base.d/sub/x", "");
        assert_eq!(
            read_base(&dirs.dirs, "qemu").unwrap_err().code(),
            "base-config-unreadable"
        );
    }

    #[test]
    fn a_broken_platform_fragment_drops_the_platform_alone() {
        let dirs = Dirs::new();
        dirs.put("usr/base.d/1", &with_karg("kept"));
        dirs.put("usr/base.platform.d/qemu/1", &with_karg("dropped"));
        dirs.put("usr/base.platform.d/qemu/2", "{");
        assert_eq!(dirs.kargs(), ["kept"]);
        let dropped = read_base(&dirs.dirs, "qemu").unwrap().platform_dropped.unwrap();
        assert_eq!(dropped.code(), "base-config-invalid");
    }
}
