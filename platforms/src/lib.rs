//! Where configs come from: one module per platform, each asking for bytes and parsing them.
//!
//! No config language, no sockets, no mounts: a platform reaches its machine through [`Access`], which the engine
//! implements and the tests replay. The platform is always told to us (`ignition.platform.id`), never guessed.
//!
//! Adding a platform is one module, one line in [`ALL`] and one folder below `fixtures/platforms`.

mod access;
mod file;
mod metal;
mod platform;
mod qemu;
#[cfg(test)]
mod recorded;

pub use access::{
    Access, AccessError, Channel, Drive, DriveName, HttpAnswer, HttpMethod, HttpRequest, Machine,
};
pub use file::File;
pub use metal::Metal;
pub use platform::{Deletion, Platform, PlatformError, PlatformId, Reach, UnknownPlatform, UserData};
pub use qemu::Qemu;

/// Every platform of this build, in alphabetical order.
pub static ALL: &[&dyn Platform] = &[&File, &Metal, &Qemu];

/// Every platform id the reference engine accepts, in alphabetical order. Those that are not in [`ALL`] are known
/// but not supported by this build, which is another message than "unknown".
pub const KNOWN: [&str; 31] = [
    "akamai",
    "aliyun",
    "applehv",
    "aws",
    "azure",
    "azurestack",
    "brightbox",
    "cloudstack",
    "digitalocean",
    "exoscale",
    "file",
    "gcp",
    "hetzner",
    "hyperv",
    "ibmcloud",
    "kubevirt",
    "metal",
    "nutanix",
    "nvidiabluefield",
    "openstack",
    "oraclecloud",
    "packet",
    "powervs",
    "proxmoxve",
    "qemu",
    "scaleway",
    "upcloud",
    "virtualbox",
    "vmware",
    "vultr",
    "zvm",
];

/// The platform that users call `id`.
///
/// # Errors
/// [`UnknownPlatform::NotBuilt`] for an id of [`KNOWN`] without an implementation here;
/// [`UnknownPlatform::Unknown`] for anything else, the empty string included. Both end the process with status 2.
pub fn get(id: &str) -> Result<&'static dyn Platform, UnknownPlatform> {
    if let Some(platform) = ALL.iter().find(|platform| platform.id().as_str() == id) {
        return Ok(*platform);
    }
    Err(match KNOWN.iter().find(|known| **known == id) {
        Some(known) => UnknownPlatform::NotBuilt { id: known },
        None => UnknownPlatform::Unknown { id: id.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_is_found_by_its_own_id() {
        for platform in ALL {
            let id = platform.id();
            assert_eq!(get(id.as_str()).map(Platform::id), Ok(id));
            assert!(KNOWN.contains(&id.as_str()), "{id} is not an id of the reference");
        }
    }

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(KNOWN.is_sorted_by(|a, b| a < b));
        assert!(ALL.is_sorted_by(|a, b| a.id().as_str() < b.id().as_str()));
    }

    #[test]
    fn an_id_of_the_reference_without_code_is_not_called_unknown() {
        let error = get("aws").map(Platform::id).unwrap_err();
        assert_eq!(error, UnknownPlatform::NotBuilt { id: "aws" });
        assert_eq!(
            error.to_string(),
            "platform \"aws\" is known but not supported by this build, which has: file, metal, qemu"
        );
    }

    #[test]
    fn an_unknown_id_is_answered_with_the_known_ones() {
        for id in ["", "Qemu", "no such\nplace"] {
            let text = get(id).map(Platform::id).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("unknown platform {id:?}; known are: akamai, aliyun, ")),
                "{text}"
            );
            assert!(!text.contains('\n'), "{text}");
        }
    }
}
