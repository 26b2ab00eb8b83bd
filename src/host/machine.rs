//! Facts about the running machine, and the private files of a boot below `/run`.

use kindling_config_spec::order;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::calendar::{Moment, utc};

/// What tells this machine from others and this boot from others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The DMI product UUID, or what the firmware offers instead; empty when it offers nothing.
    pub id: String,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Random bytes, for a table that is made anew.
    pub fresh: [u8; 16],
    /// Now, RFC 3339 in UTC with second precision.
    pub now: String,
}

impl Machine {
    /// Reads the facts. What cannot be read stays empty: none of it is worth a boot.
    #[must_use]
    pub fn read() -> Self {
        let text = |path: &str| {
            fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let ids = [
            "/sys/class/dmi/id/product_uuid",
            "/sys/firmware/devicetree/base/serial-number",
        ];
        let id = ids
            .iter()
            .map(|path| text(path))
            .find(|id| !id.is_empty())
            .unwrap_or_default();
        let mut fresh = [0; 16];
        // Without random bytes the GUID of a new table is the same on each try, which harms nobody.
        drop(File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut fresh)));
        Self {
            id,
            boot_id: boot_id(),
            fresh,
            now: utc(seconds_since_1970()),
        }
    }
}

/// Whether this runs in an initramfs, as systemd tells (systemd's initrd interface).
#[must_use]
pub fn is_initramfs() -> bool {
    Path::new("/etc/initrd-release").exists()
}

/// The kernel's id of this boot; empty where it cannot be read.
#[must_use]
pub fn boot_id() -> String {
    line(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default()
}

/// One field of what the firmware says of the machine, where it says something.
#[must_use]
pub fn dmi(field: &str) -> Option<String> {
    line(&Path::new("/sys/class/dmi/id").join(field))
}

/// The name that the kernel has for this host, where it is more than none.
#[must_use]
pub fn hostname() -> Option<String> {
    line(Path::new("/proc/sys/kernel/hostname")).filter(|name| name != "(none)")
}

/// The address of the first network card by its number, in lower case with colons. A card is what has a device behind it.
#[must_use]
pub fn first_mac() -> Option<String> {
    mac_below(Path::new("/sys/class/net"))
}

fn mac_below(dir: &Path) -> Option<String> {
    let cards = fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let numbered = cards
        .filter(|card| card.join("device").exists())
        .filter_map(|card| {
            let number: u32 = line(&card.join("ifindex"))?.parse().ok()?;
            Some((number, line(&card.join("address"))?))
        });
    numbered.min().map(|(_, address)| address.to_ascii_lowercase())
}

/// The one line of a file of the kernel; `None` for nothing, and for what is no text.
fn line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty() && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// The queues of the crypto cards of this machine that are in CCA mode, as `zkey` takes them: `xx.xxxx`.
#[must_use]
pub fn card_queues() -> Vec<String> {
    queues_below(Path::new("/sys/bus/ap/devices"))
}

fn queues_below(dir: &Path) -> Vec<String> {
    let is_queue = |name: &str| {
        let (card, domain) = name.split_once('.').unwrap_or_default();
        let is_hex = |text: &str| text.bytes().all(|digit| digit.is_ascii_hexdigit());
        (card.len(), domain.len()) == (2, 4) && is_hex(card) && is_hex(domain)
    };
    let is_cca = |event: &str| {
        let mut values = event.lines().filter_map(|line| line.split_once('='));
        values.any(|(_, value)| value == "cca")
    };
    let mut queues: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| fs::read_to_string(entry.path().join("uevent")).is_ok_and(|event| is_cca(&event)))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_queue(name))
        .collect();
    order::sort(&mut queues);
    queues
}

/// Whether the kernel allows validated cryptography only (`/proc/sys/crypto/fips_enabled`).
#[must_use]
pub fn is_fips() -> bool {
    fs::read("/proc/sys/crypto/fips_enabled").is_ok_and(|text| text.starts_with(b"1"))
}

/// When this program was built, in seconds since 1970 (`build.rs`).
const BUILT_AT: &str = env!("KINDLING_BUILT_AT");

/// A time that is certainly past, in seconds since 1970: the program is no older than its build, and the distribution no
/// older than the stamp that its own tools keep for clocks without a battery.
#[must_use]
pub fn earliest() -> u64 {
    let stamped = fs::metadata("/usr/lib/clock-epoch")
        .and_then(|stamp| stamp.modified())
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| since.as_secs());
    stamped.max(BUILT_AT.parse().unwrap_or(0))
}

/// The latest time that a metadata service has told, in seconds since 1970; 0 for none.
static TOLD: AtomicU64 = AtomicU64::new(0);

/// Notes a time that is past, since a metadata service has told it, in seconds since 1970. An earlier one changes nothing.
pub fn note_time(seconds: u64) {
    TOLD.fetch_max(seconds, Ordering::Relaxed);
}

/// The latest time that was noted in this process, in seconds since 1970; 0 for none.
#[must_use]
pub fn noted_time() -> u64 {
    TOLD.load(Ordering::Relaxed)
}

/// The system clock: seconds since 1970-01-01 UTC, 0 where it stands before that.
#[must_use]
pub fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Now, by the system clock and by the kernel's own since its start.
#[must_use]
pub fn now() -> Moment {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    Moment {
        seconds: now.as_secs(),
        millisecond: now.subsec_millis(),
        since_boot: u64::try_from(up.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Makes a directory that only root may enter, and its parents as usual.
///
/// # Errors
/// When the kernel refuses.
pub fn private_dir(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Puts a file in place in one visible step, on the medium; never readable by more than `mode` says.
///
/// # Errors
/// When the kernel refuses; the file is as before then.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::IsADirectory)?
        .to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.new"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            file.sync_data()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing depends on the leftover; the next write starts it anew.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Removes a file; that it is not there is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_of_crypto_cards() {
        let dir = tempfile::tempdir().unwrap();
        for (name, event) in [
            ("01.0005", "DEV_TYPE=000B\nMODE=cca\n"),
            ("01.0004", "MODE=cca\n"),
            ("02.0004", "MODE=ep11\n"),
            ("card01", "MODE=cca\n"),
        ] {
            fs::create_dir(dir.path().join(name)).unwrap();
            replace(&dir.path().join(name).join("uevent"), event.as_bytes(), 0o600).unwrap();
        }
        assert_eq!(queues_below(dir.path()), ["01.0004", "01.0005"]);
        assert_eq!(queues_below(&dir.path().join("absent")), Vec::<String>::new());
    }

    #[test]
    fn no_machine_lives_before_its_program_was_built() {
        // The first commit of this project is of 2026.
        assert!(earliest() > 1_767_225_599);
    }

    #[test]
    fn a_replaced_file_has_exactly_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        replace(&path, b"one", 0o640).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
