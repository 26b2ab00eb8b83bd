//! What preflight wants to know of the running machine. Everything is read from files, each once; no program is started, and
//! nobody is asked over the network. What cannot be read is left out: the checks say what that means.

use kindling_config_spec::order::{OrderedMap, OrderedSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;
use nix::sys::statvfs::statvfs;
use nix::unistd::geteuid;

use super::machine;
use crate::node::access::{CONSOLES, SSH};
use crate::node::preflight::{FILES, Facts, PATHS, PROGRAMS, RUNTIMES, Setting, Unit};

/// Where systemd finds units, the first that has one counts; and where it finds what pulls them in (systemd.unit(5)).
const UNITS: [&str; 6] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// The most bytes of a kernel's configuration. Those of distributions have a quarter of a megabyte.
const CONFIG_LIMIT: u64 = 4 << 20;

/// Reads the machine. `path` is where its programs are, as in `PATH`.
#[must_use]
pub fn read(setting: &Setting, path: &OsStr) -> Facts {
    let text = |path: &str| fs::read_to_string(path).ok();
    let files = FILES.iter().chain(&setting.left).copied().chain([setting.config]);
    let texts: OrderedMap<&'static str, String> =
        files.filter_map(|path| Some((path, text(path)?))).collect();
    let release = texts.get("/proc/sys/kernel/osrelease").map(|text| text.trim());
    let paths = PATHS.iter().chain(&setting.left).copied();
    let wanted = SSH.iter().chain(&CONSOLES).chain(RUNTIMES).copied();
    Facts {
        paths: paths.filter(|path| Path::new(path).exists()).collect(),
        programs: PROGRAMS
            .iter()
            .copied()
            .filter(|name| has_program(path, name))
            .collect(),
        is_root: geteuid().is_root(),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
        kernel_config: kernel_config(release),
        modules: release.and_then(|release| text(&format!("/lib/modules/{release}/modules.dep"))),
        space: space(Path::new("/var/lib")),
        now: machine::seconds_since_1970(),
        earliest: machine::earliest(),
        cards: cards(Path::new("/sys/class/net")),
        units: units(&UNITS.map(PathBuf::from), wanted.chain([setting.unit.as_str()])),
        texts,
    }
}

fn has_program(path: &OsStr, name: &str) -> bool {
    std::env::split_paths(path).any(|dir| {
        let found = fs::metadata(dir.join(name));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    })
}

/// The kernel's own copy, else the one beside its modules, else the one beside its image.
fn kernel_config(release: Option<&str>) -> Option<String> {
    if let Ok(packed) = fs::read("/proc/config.gz") {
        let mut text = String::new();
        let mut unpacked = GzDecoder::new(packed.as_slice()).take(CONFIG_LIMIT);
        if unpacked.read_to_string(&mut text).is_ok() {
            return Some(text);
        }
    }
    let release = release?;
    let places = [
        format!("/lib/modules/{release}/config"),
        format!("/boot/config-{release}"),
        format!("/usr/lib/ostree-boot/config-{release}"),
    ];
    places.iter().find_map(|place| fs::read_to_string(place).ok())
}

/// Bytes that are free for everybody, and bytes in all.
fn space(dir: &Path) -> Option<(u64, u64)> {
    let found = statvfs(dir).ok()?;
    let block = found.fragment_size();
    Some((found.blocks_available() * block, found.blocks() * block))
}

/// Network cards that have a device, and their addresses.
fn cards(dir: &Path) -> Vec<(String, String)> {
    let cards = fs::read_dir(dir).into_iter().flatten().flatten();
    cards
        .map(|card| card.path())
        .filter(|card| card.join("device").exists())
        .filter_map(|card| {
            let address = fs::read_to_string(card.join("address")).ok()?;
            let name = card.file_name()?.to_string_lossy().into_owned();
            Some((name, address.trim().to_ascii_lowercase()))
        })
        .collect()
}

/// Those of `wanted` that are there, with what systemd makes of them.
fn units<'a>(dirs: &[PathBuf], wanted: impl Iterator<Item = &'a str>) -> OrderedMap<String, Unit> {
    let mut pulled = OrderedSet::new();
    for dir in dirs {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".wants") || name.ends_with(".requires") {
                let units = fs::read_dir(entry.path()).into_iter().flatten().flatten();
                pulled.extend(units.map(|unit| unit.file_name().to_string_lossy().into_owned()));
            }
        }
    }
    let state = |name: &str| {
        let found = dirs
            .iter()
            .map(|dir| dir.join(name))
            .find(|path| path.is_symlink() || path.exists())?;
        let leads = fs::read_link(&found).is_ok_and(|target| target == Path::new("/dev/null"));
        // An empty file masks as well.
        let is_empty = fs::metadata(&found).is_ok_and(|found| found.is_file() && found.len() == 0);
        Some(match leads || is_empty {
            true => Unit::Masked,
            false if pulled.contains(name) => Unit::Enabled,
            false => Unit::There,
        })
    };
    wanted
        .filter_map(|name| Some((name.to_owned(), state(name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::node::preflight::{CHECKS, judge};

    #[test]
    fn this_machine_can_be_looked_at() {
        let path = OsStr::new("/usr/sbin:/usr/bin:/sbin:/bin");
        let setting = Setting::default();
        let facts = read(&setting, path);
        assert!(facts.texts.contains_key("/proc/meminfo") && facts.cpus.is_some() && facts.space.is_some());
        assert!(facts.programs.contains("mount") && facts.paths.contains("/dev/kmsg"));
        let report = judge(&facts, &setting, &[]);
        assert_eq!(report.0.len(), CHECKS.len());
        let text = report.text();
        assert!(text.contains("checks: "), "{text}");
    }

    #[test]
    fn units_are_masked_enabled_or_there() {
        let dir = tempfile::tempdir().unwrap();
        let (etc, lib) = (dir.path().join("etc"), dir.path().join("lib"));
        fs::create_dir_all(etc.join("multi-user.target.wants")).unwrap();
        fs::create_dir_all(lib.join("sockets.target.requires")).unwrap();
        let put = |name: &str| machine::replace(&lib.join(name), b"[Unit]\n", 0o644).unwrap();
        for name in ["a.service", "b.service", "c.service", "d.socket"] {
            put(name);
        }
        machine::replace(&lib.join("e.service"), b"", 0o644).unwrap();
        symlink("/dev/null", etc.join("a.service")).unwrap();
        symlink(
            lib.join("b.service"),
            etc.join("multi-user.target.wants/b.service"),
        )
        .unwrap();
        symlink("../d.socket", lib.join("sockets.target.requires/d.socket")).unwrap();
        let names = [
            "a.service",
            "b.service",
            "c.service",
            "d.socket",
            "e.service",
            "f.service",
        ];
        let found = units(&[etc, lib, dir.path().join("absent")], names.into_iter());
        let found: Vec<_> = found
            .iter()
            .map(|(name, state)| (name.as_str(), *state))
            .collect();
        assert_eq!(
            found,
            [
                ("a.service", Unit::Masked),
                ("b.service", Unit::Enabled),
                ("c.service", Unit::There),
                ("d.socket", Unit::Enabled),
                ("e.service", Unit::Masked),
            ]
        );
    }
}
