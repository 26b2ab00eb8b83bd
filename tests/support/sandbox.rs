//! One machine's first boot below a temporary directory: the real binary with the reference's command line, and
//! every path it knows pointed inside.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How a process ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status; `None` when a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A machine: target root, `/run`, environment.
pub(crate) struct Sandbox {
    dir: TempDir,
    /// Where programs are looked up.
    pub(crate) path: OsString,
}

impl Sandbox {
    /// A machine with a small root of its own and no config.
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// The same in memory, where a sync takes no time.
    pub(crate) fn in_memory() -> Self {
        Self::below(Path::new("/dev/shm"))
    }

    fn below(parent: &Path) -> Self {
        let machine = Self::bare(parent);
        fs::create_dir(machine.at("run")).unwrap();
        fs::write(machine.at("cmdline"), "ignition.firstboot\n").unwrap();
        blank_root(&machine.root());
        machine
    }

    /// A copy of a machine as it stands.
    pub(crate) fn copy_of(other: &Self) -> Self {
        let mut machine = Self::bare(other.dir.path().parent().unwrap());
        machine.path.clone_from(&other.path);
        let parts = ["root", "run", "cmdline", "config.ign"].map(|name| other.at(name));
        let copied = Command::new("cp")
            .arg("-a")
            .args(parts.iter().filter(|part| part.exists()))
            .arg(machine.dir.path())
            .status();
        assert!(copied.unwrap().success(), "cannot copy a machine");
        machine
    }

    fn bare(parent: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        let dir = builder.prefix("kindling-").tempdir_in(parent).unwrap();
        symlink(env!("CARGO_BIN_EXE_kindling"), dir.path().join("ignition")).unwrap();
        let path = "/usr/sbin:/usr/bin:/sbin:/bin".into();
        Self { dir, path }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.at("root")
    }

    /// The name by which nobody else's processes can be mistaken for this machine's.
    pub(crate) fn name(&self) -> &Path {
        self.dir.path()
    }

    /// Gives the platform `file` its config.
    pub(crate) fn give(&self, config: &str) {
        fs::write(self.at("config.ign"), config).unwrap();
    }

    /// The command line of a stage, its first word the program.
    pub(crate) fn words(&self, platform: &str, stage: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![self.at("ignition").into()];
        for (flag, value) in [
            ("-platform", OsString::from(platform)),
            ("-stage", stage.into()),
            ("-root", self.root().into()),
            ("-config-cache", self.at("run/ignition.json").into()),
            ("-state-file", self.at("run/state").into()),
            ("-neednet", self.at("run/neednet").into()),
            ("-fetch-timeout", "20s".into()),
        ] {
            words.extend([flag.into(), value]);
        }
        words.push("-log-to-stdout".into());
        words
    }

    /// Runs `words` in this machine's environment.
    pub(crate) fn run(&self, words: &[OsString]) -> Ran {
        let output = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", &self.path)
            .env("IGNITION_CONFIG_FILE", self.at("config.ign"))
            .env("IGNITION_KERNEL_CMDLINE_PATH", self.at("cmdline"))
            .env("IGNITION_SYSTEM_CONFIG_DIR", self.at("system"))
            .env("IGNITION_SYSTEM_LOCAL_CONFIG_DIR", self.at("local"))
            .env("IGNITION_SYSTEM_RUNTIME_CONFIG_DIR", self.at("runtime"))
            .env("KINDLING_RUN_DIR", self.at("run/kindling"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let ran = Ran {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        // Secrets of configs, addresses, headers and servers are called that, wherever a test needs one.
        for said in [&ran.stdout, &ran.stderr] {
            assert!(!said.contains("planted"), "a secret is printed:\n{said}");
        }
        ran
    }

    /// Runs a stage on the platform `file`.
    pub(crate) fn stage(&self, stage: &str) -> Ran {
        self.run(&self.words("file", stage))
    }

    /// Runs a stage that must succeed.
    pub(crate) fn done(&self, stage: &str) -> Ran {
        let ran = self.stage(stage);
        assert_eq!(ran.status, Some(0), "{stage}: {}\n{}", ran.stderr, ran.stdout);
        ran
    }
}

/// The least that the shadow programs and the files stage need of a distribution's root.
fn blank_root(root: &Path) {
    for dir in ["", "etc", "etc/skel", "home", "var", "usr"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    for (path, text, mode) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            0o644,
        ),
        ("etc/group", "root:x:0:\nadm:x:4:\nnogroup:x:65534:\n", 0o644),
        (
            "etc/shadow",
            "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n",
            0o640,
        ),
        ("etc/gshadow", "root:*::\nadm:*::\nnogroup:*::\n", 0o640),
        (
            "etc/login.defs",
            "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUMASK 022\nHOME_MODE 0750\nUSERGROUPS_ENAB yes\n",
            0o644,
        ),
        ("etc/hosts", "127.0.0.1 localhost\n", 0o644),
        ("etc/hostname", "blank\n", 0o644),
        ("etc/skel/.profile", "umask 022\n", 0o644),
    ] {
        fs::write(root.join(path), text).unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// A first boot is root's, and so are owners, mounts and the tracing of its programs.
pub(crate) fn require_root() {
    let uid = fs::metadata("/proc/self").unwrap().uid();
    assert_eq!(
        uid, 0,
        "this test must run as root: make unit does that through sudo"
    );
}

/// Path to kind, mode, owner and content of everything below `root`, in words that can be compared.
pub(crate) type Listing = BTreeMap<String, String>;

/// Lists `root`; names that are other names of one file say so.
pub(crate) fn listing(root: &Path) -> Listing {
    let mut listing = Listing::new();
    let mut inodes = BTreeMap::new();
    walk(root, root, &mut listing, &mut inodes);
    listing
}

fn walk(root: &Path, dir: &Path, listing: &mut Listing, inodes: &mut BTreeMap<u64, String>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    entries.insert(0, dir.to_owned());
    for path in entries {
        let at = fs::symlink_metadata(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let who = format!("{:04o} {}:{}", at.mode() & 0o7777, at.uid(), at.gid());
        let text = if at.is_dir() {
            format!("directory {who}")
        } else if at.is_symlink() {
            format!(
                "link {}:{} {}",
                at.uid(),
                at.gid(),
                fs::read_link(&path).unwrap().display()
            )
        } else if at.is_file() {
            let first = inodes.entry(at.ino()).or_insert_with(|| name.clone());
            let same = if *first == name {
                String::new()
            } else {
                format!(" same as {first}")
            };
            format!(
                "file {who}{same}\n{}",
                String::from_utf8_lossy(&fs::read(&path).unwrap())
            )
        } else {
            format!("special {who}")
        };
        listing.insert(name, text);
        if at.is_dir() && path != dir {
            walk(root, &path, listing, inodes);
        }
    }
}

/// Fails with the entries in which two listings differ.
pub(crate) fn assert_same(found: &Listing, expected: &Listing, when: &str) {
    let names: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| found.get(*name) != expected.get(*name))
        .map(|name| {
            format!(
                "/{name}\n  found:    {:?}\n  expected: {:?}",
                found.get(name),
                expected.get(name)
            )
        })
        .collect();
    assert!(differing.is_empty(), "{when}:\n{}", differing.join("\n"));
}
