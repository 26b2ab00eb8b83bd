//! `ds=nocloud;KEY=VALUE;…`: where the config is, in the words of whoever starts the machine.

use std::path::Path;

use crate::{Access, PlatformError, PlatformId};

/// Where the firmware's tables are.
const DMI: &str = "/sys/class/dmi/id";

/// Names of DMI values as `dmidecode` has them, and the kernel's.
const DMI_NAMES: [(&str, &str); 19] = [
    ("baseboard-asset-tag", "board_asset_tag"),
    ("baseboard-manufacturer", "board_vendor"),
    ("baseboard-product-name", "board_name"),
    ("baseboard-serial-number", "board_serial"),
    ("baseboard-version", "board_version"),
    ("bios-release-date", "bios_date"),
    ("bios-vendor", "bios_vendor"),
    ("bios-version", "bios_version"),
    ("chassis-asset-tag", "chassis_asset_tag"),
    ("chassis-manufacturer", "chassis_vendor"),
    ("chassis-serial-number", "chassis_serial"),
    ("chassis-version", "chassis_version"),
    ("system-family", "product_family"),
    ("system-manufacturer", "sys_vendor"),
    ("system-product-name", "product_name"),
    ("system-serial-number", "product_serial"),
    ("system-sku-number", "product_sku"),
    ("system-uuid", "product_uuid"),
    ("system-version", "product_version"),
];

/// The place that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seed {
    /// An address, up to the name of the file.
    Server(String),
    /// A folder of the running system.
    Folder(String),
}

/// The place that the serial number names, or else the kernel command line; `None` when neither does.
///
/// # Errors
/// [`PlatformError::Malformed`] for an address that nobody here can ask; [`PlatformError::Access`] when the firmware's
/// tables cannot be read.
pub(super) fn seed(via: &dyn Access, id: PlatformId) -> Result<Option<Seed>, PlatformError> {
    let serial = dmi(via, id, "product_serial")?;
    let line = &via.machine().command_line;
    let argument = line.split_whitespace().rev().find_map(place_of);
    let Some(place) = place_of(&serial).or(argument) else {
        return Ok(None);
    };
    let place = expanded(via, id, place)?;
    if let Some(folder) = place.strip_prefix("file://") {
        return Ok(Some(Seed::Folder(folder.to_owned())));
    }
    match place.split_once("://") {
        Some(("http" | "https", _)) if place.ends_with('/') => Ok(Some(Seed::Server(place))),
        Some(("http" | "https", _)) => Ok(Some(Seed::Server(place + "/"))),
        None if place.starts_with('/') => Ok(Some(Seed::Folder(place))),
        _ => Err(malformed(id, "is neither http, https nor a folder")),
    }
}

/// What `s=` or `seedfrom=` says, where `text` is meant for this platform.
fn place_of(text: &str) -> Option<&str> {
    // A boot loader for which `;` has a meaning may leave its quotes.
    let source = text.trim().trim_matches('"').strip_prefix("ds=")?;
    let mut parts = source.trim_start_matches('"').split(';');
    matches!(parts.next()?, "nocloud" | "nocloud-net").then_some(())?;
    parts
        .filter_map(|part| part.split_once('='))
        .find(|(key, value)| matches!(*key, "s" | "seedfrom") && !value.is_empty())
        .map(|(_, value)| value)
}

/// `place` with every `__dmi.NAME__` replaced by what the firmware says.
fn expanded(via: &dyn Access, id: PlatformId, place: &str) -> Result<String, PlatformError> {
    let mut whole = String::new();
    let mut rest = place;
    while let Some((before, after)) = rest.split_once("__dmi.") {
        let known = after
            .split_once("__")
            .and_then(|(name, after)| Some((DMI_NAMES.iter().find(|(theirs, _)| *theirs == name)?.1, after)));
        let Some((name, after)) = known else {
            return Err(malformed(id, "names a DMI value that there is not"));
        };
        whole += before;
        whole += dmi(via, id, name)?.trim();
        rest = after;
    }
    Ok(whole + rest)
}

/// A value of the firmware's tables; empty where there is none.
fn dmi(via: &dyn Access, id: PlatformId, name: &str) -> Result<String, PlatformError> {
    let bytes = via
        .file(&Path::new(DMI).join(name))
        .map_err(|source| PlatformError::Access { id, source })?;
    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
}

fn malformed(id: PlatformId, what: &str) -> PlatformError {
    PlatformError::Malformed {
        id,
        why: format!("the place of the config (s= of ds=nocloud) {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const ID: PlatformId = PlatformId::new("nocloud");

    fn named(line: &str) -> Result<Option<Seed>, PlatformError> {
        let via = RecordedAccess::of_drives(&[])
            .with_command_line(line)
            .with_file("/sys/class/dmi/id/product_uuid", "03AA\n")
            .with_file("/sys/class/dmi/id/chassis_serial", "c 9\n");
        seed(&via, ID)
    }

    #[test]
    fn values_of_the_firmware_are_put_in() {
        let server = |text: &str| Ok(Some(Seed::Server(text.to_owned())));
        assert_eq!(
            named("ds=nocloud;s=http://h/__dmi.system-uuid__/x"),
            server("http://h/03AA/x/")
        );
        assert_eq!(
            named("ds=nocloud;s=http://h/__dmi.system-uuid__-__dmi.chassis-serial-number__"),
            server("http://h/03AA-c 9/")
        );
        for broken in ["http://h/__dmi.system-uuid", "http://h/__dmi.nothing__/"] {
            let error = named(&format!("ds=nocloud;s={broken}")).unwrap_err();
            assert!(matches!(error, PlatformError::Malformed { .. }), "{error:?}");
        }
    }

    #[test]
    fn the_last_argument_counts_and_other_sources_none() {
        assert_eq!(
            named("ds=nocloud;s=http://a/ ds=nocloud;s=http://b/"),
            Ok(Some(Seed::Server("http://b/".to_owned())))
        );
        for line in ["\"ds=nocloud;s=/a\"", "ds=\"nocloud;s=/a\""] {
            assert_eq!(named(line), Ok(Some(Seed::Folder("/a".to_owned()))), "{line}");
        }
        for line in [
            "ds=openstack;s=http://a/",
            "ds=nocloud2;s=http://a/",
            "xds=nocloud;s=/a",
            "ds=nocloud;s=",
        ] {
            assert_eq!(named(line), Ok(None), "{line}");
        }
        for line in ["ds=nocloud;s=ftp://a/", "ds=nocloud;s=seed"] {
            let error = named(line).unwrap_err();
            assert!(
                matches!(error, PlatformError::Malformed { .. }),
                "{line}: {error:?}"
            );
        }
    }
}
