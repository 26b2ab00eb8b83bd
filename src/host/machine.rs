//! Facts about the running machine, and the private files of a boot below `/run`.

use kindling_config_spec::order;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

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
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            fresh,
            now: rfc3339(seconds_since_1970()),
        }
    }
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

/// The system clock: seconds since 1970-01-01 UTC, 0 where it stands before that.
#[must_use]
pub fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Seconds since 1970 as RFC 3339 in UTC. The calendar is Howard Hinnant's `civil_from_days`.
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 {
        month_index + 3
    } else {
        month_index - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
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
    fn dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_704_164_645, "2024-01-02T03:04:05Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
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
