//! Where configs come from: one module per platform, each asking for bytes and parsing them.
//!
//! No config language, no sockets, no mounts: a platform reaches its machine through [`Access`], which the engine
//! implements and the tests replay. The platform is always told to us (`ignition.platform.id`), never guessed.
//!
//! Adding a platform is one module with its exchanges in its tests, and one line in [`ALL`].

mod access;
mod akamai;
mod aliyun;
mod applehv;
mod aws;
mod azure;
mod azurestack;
mod brightbox;
mod cloudstack;
mod config_drive;
mod digitalocean;
pub mod dmi;
mod document;
mod drive_or_service;
mod exoscale;
mod file;
mod gcp;
mod hetzner;
mod hyperv;
mod ibmcloud;
mod ibmcloud_classic;
mod kubevirt;
mod lease;
mod lxd;
mod maas;
mod metadata;
mod metal;
pub mod network;
mod nocloud;
mod nutanix;
mod nvidiabluefield;
mod opennebula;
mod openstack;
mod oraclecloud;
mod packet;
mod padding;
mod platform;
mod powervs;
mod proxmoxve;
mod qemu;
#[cfg(test)]
mod recorded;
mod scaleway;
mod service;
mod stage_end;
mod upcloud;
mod virtualbox;
mod vmware;
mod vultr;
mod xml;
pub mod yaml;
mod zvm;

pub use access::{
    Access, AccessError, Channel, Drive, DriveName, EnvelopeFault, HttpAnswer, HttpMethod, HttpRequest,
    Machine, Recipient,
};
pub use akamai::Akamai;
pub use aliyun::Aliyun;
pub use applehv::AppleHv;
pub use aws::Aws;
pub use azure::Azure;
pub use azurestack::AzureStack;
pub use brightbox::Brightbox;
pub use cloudstack::CloudStack;
pub use digitalocean::DIGITALOCEAN;
pub use exoscale::EXOSCALE;
pub use file::File;
pub use gcp::GCP;
pub use hetzner::HETZNER;
pub use hyperv::HyperV;
pub use ibmcloud::IbmCloud;
pub use ibmcloud_classic::IbmCloudClassic;
pub use kubevirt::KubeVirt;
pub use lxd::Lxd;
pub use maas::Maas;
pub use metadata::{Attribute, CheckIn, Fact, Metadata, Offers, host_name};
pub use metal::Metal;
pub use nocloud::NoCloud;
pub use nutanix::NUTANIX;
pub use nvidiabluefield::NvidiaBlueField;
pub use opennebula::OpenNebula;
pub use openstack::OpenStack;
pub use oraclecloud::OracleCloud;
pub use packet::PACKET;
pub use platform::{Deletion, Platform, PlatformError, PlatformId, Reach, UnknownPlatform, UserData};
pub use powervs::POWERVS;
pub use proxmoxve::ProxmoxVe;
pub use qemu::Qemu;
pub use scaleway::Scaleway;
pub use stage_end::StageEnd;
pub use upcloud::UPCLOUD;
pub use virtualbox::VirtualBox;
pub use vmware::VmWare;
pub use vultr::VULTR;
pub use zvm::Zvm;

/// Every platform of this build, in alphabetical order.
pub static ALL: &[&dyn Platform] = &[
    &Akamai,
    &Aliyun,
    &AppleHv,
    &Aws,
    &Azure,
    &AzureStack,
    &Brightbox,
    &CloudStack,
    &DIGITALOCEAN,
    &EXOSCALE,
    &File,
    &GCP,
    &HETZNER,
    &HyperV,
    &IbmCloud,
    &IbmCloudClassic,
    &KubeVirt,
    &Lxd,
    &Maas,
    &Metal,
    &NoCloud,
    &NUTANIX,
    &NvidiaBlueField,
    &OpenNebula,
    &OpenStack,
    &OracleCloud,
    &PACKET,
    &POWERVS,
    &ProxmoxVe,
    &Qemu,
    &Scaleway,
    &UPCLOUD,
    &VirtualBox,
    &VmWare,
    &VULTR,
    &Zvm,
];

/// Those of [`ALL`] that the reference engine does not have, in alphabetical order.
pub const OWN: [&str; 5] = ["ibmcloud-classic", "lxd", "maas", "nocloud", "opennebula"];

/// The platform that users call `id`.
///
/// # Errors
/// [`UnknownPlatform`] for anything else, the empty string included; it ends the process with status 2.
pub fn get(id: &str) -> Result<&'static dyn Platform, UnknownPlatform> {
    let found = ALL.iter().find(|platform| platform.id().as_str() == id);
    found
        .copied()
        .ok_or_else(|| UnknownPlatform { id: id.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every platform id the reference engine accepts, in alphabetical order.
    const REFERENCE: [&str; 31] = [
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

    #[test]
    fn every_platform_is_found_by_its_own_id() {
        for platform in ALL {
            let id = platform.id();
            assert_eq!(get(id.as_str()).map(Platform::id), Ok(id));
            let lists = [REFERENCE.contains(&id.as_str()), OWN.contains(&id.as_str())];
            assert!(lists[0] != lists[1], "{id} is of the reference or our own");
        }
        for id in REFERENCE.into_iter().chain(OWN) {
            assert!(get(id).is_ok(), "{id}");
        }
    }

    /// The table of what a machine is told beside the config, and what the platform is told of it.
    fn matrix() -> String {
        let mut table = String::from(
            "\nWhat else a machine is told, and what its platform is told of it. *Network*: files of systemd-networkd, or \
             arguments for the\ninitramfs. *Failure*: whether it is told why a first boot failed. *Deletion*: whether the config can be removed once\nthe machine is made.\n\n\
             | Platform | Config before the network | Attributes | Hostname | SSH keys | Network | Check-in | Failure | Deletion |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        let nothing = Offers {
            attributes: false,
            ..Offers::default()
        };
        for platform in ALL {
            let offers = platform.metadata().map_or(nothing, Metadata::offers);
            let network = match (offers.network, offers.network_arguments) {
                (true, true) => "files, arguments",
                (true, false) => "files",
                (false, true) => "arguments",
                (false, false) => "·",
            };
            let via = recorded::RecordedAccess::of_channel(&[]);
            let deletion = platform.delete_user_data(&via);
            let cells = [
                platform.reach() == Reach::Local,
                offers.attributes,
                offers.hostname,
                offers.ssh_keys,
                offers.check_in,
                offers.failure,
                deletion != Ok(Deletion::Unsupported),
            ];
            let [local, attributes, hostname, keys, check_in, failure, deletion] =
                cells.map(|is| if is { "yes" } else { "·" });
            table += &format!(
                "| `{}` | {local} | {attributes} | {hostname} | {keys} | {network} | {check_in} | {failure} | {deletion} |\n",
                platform.id()
            );
        }
        table
    }

    /// `KINDLING_RENEW=1` writes the page instead of comparing it.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the page is compared, or renewed")]
    fn the_page_of_platforms_is_what_the_code_says() {
        let mut page = String::from(
            "# Platforms\n\nWhere a machine's config stands, by the value of `ignition.platform.id`. Made from the code \
             (`platforms/src`);\na test compares it. *Before the network*: whether the config can be had before the \
             network is up.\n\n| Platform | Before the network | Where, and what its absence means |\n|---|---|---|\n",
        );
        for platform in ALL {
            let local = match platform.reach() {
                Reach::Local => "yes",
                Reach::Network => "no",
            };
            page += &format!("| `{}` | {local} | {} |\n", platform.id(), platform.place());
        }
        page += &matrix();
        page += "\nNot of the reference are: ";
        page += &OWN.map(|id| format!("`{id}`")).join(", ");
        page += ".\n\nConfigs that are gzip or zstd, or base64 of either, are unpacked wherever they come from. A metadata \
                 service is asked\nwithout a proxy, within `--fetch-timeout`; transport errors and statuses from 500 on are \
                 tried again.\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/platforms.md");
        if std::env::var_os("KINDLING_RENEW").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page);
    }

    #[test]
    fn ids_are_sorted_and_unique() {
        assert!(REFERENCE.is_sorted_by(|a, b| a < b));
        assert!(OWN.is_sorted_by(|a, b| a < b));
        assert!(ALL.is_sorted_by(|a, b| a.id().as_str() < b.id().as_str()));
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
