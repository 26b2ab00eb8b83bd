//! What the firmware says of the machine, and which platform that speaks for (platforms.md 2.12). It only ever informs: the
//! platform is told to us by `ignition.platform.id`.

/// The fields of `/sys/class/dmi/id` that tell platforms apart; empty where the firmware says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dmi {
    /// `sys_vendor`.
    pub vendor: String,
    /// `product_name`.
    pub product: String,
    /// `product_serial`.
    pub serial: String,
    /// `product_uuid`.
    pub uuid: String,
    /// `chassis_asset_tag`.
    pub asset_tag: String,
}

impl Dmi {
    /// The names of the fields' files, in the order of [`Self::from_values`].
    pub const FILES: [&str; 5] = [
        "sys_vendor",
        "product_name",
        "product_serial",
        "product_uuid",
        "chassis_asset_tag",
    ];

    /// From what stands in [`Self::FILES`].
    #[must_use]
    pub fn from_values(values: [String; 5]) -> Self {
        let [vendor, product, serial, uuid, asset_tag] = values.map(|value| value.trim().to_owned());
        Self {
            vendor,
            product,
            serial,
            uuid,
            asset_tag,
        }
    }
}

/// A platform that the firmware speaks for, and by which words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The id.
    pub platform: &'static str,
    /// `sys_vendor is "Hetzner"`.
    pub why: String,
}

/// A field, by the name of its file.
#[derive(Clone, Copy)]
enum Field {
    Vendor,
    Product,
    Serial,
    AssetTag,
}

#[derive(Clone, Copy)]
enum Test {
    Is(&'static str),
    Starts(&'static str),
    Ends(&'static str),
}

use Field::{AssetTag, Product, Serial, Vendor};
use Test::{Ends, Is, Starts};

/// In the order of the digest's table.
const RULES: &[(&str, Field, Test)] = &[
    ("akamai", Vendor, Is("Linode")),
    ("akamai", Vendor, Is("Akamai")),
    ("aliyun", Product, Is("Alibaba Cloud ECS")),
    ("azure", AssetTag, Is("7783-7084-3265-9085-8269-3286-77")),
    ("brightbox", Serial, Ends(".brightbox.com")),
    ("cloudstack", Product, Starts("CloudStack")),
    ("exoscale", Product, Starts("Exoscale")),
    ("digitalocean", Vendor, Is("DigitalOcean")),
    ("hetzner", Vendor, Is("Hetzner")),
    ("upcloud", Vendor, Is("UpCloud")),
    ("vultr", Vendor, Is("Vultr")),
    ("scaleway", Vendor, Is("Scaleway")),
    ("gcp", Product, Is("Google Compute Engine")),
    ("gcp", Serial, Starts("GoogleCloud-")),
    ("nocloud", Serial, Starts("ds=nocloud")),
    ("openstack", Product, Is("OpenStack Nova")),
    ("openstack", Product, Is("OpenStack Compute")),
    ("openstack", AssetTag, Is("OpenStack Nova")),
    ("openstack", AssetTag, Is("OpenStack Compute")),
    ("openstack", AssetTag, Is("OpenTelekomCloud")),
    ("openstack", AssetTag, Is("SAP CCloud VM")),
    ("openstack", AssetTag, Is("HUAWEICLOUD")),
    ("openstack", AssetTag, Is("Samsung Cloud Platform")),
    ("oraclecloud", AssetTag, Is("OracleCloud.com")),
    ("vmware", Vendor, Starts("VMware")),
    ("virtualbox", Product, Is("VirtualBox")),
    ("qemu", Vendor, Is("QEMU")),
];

/// Every platform the firmware speaks for; none is no proof of the contrary.
#[must_use]
pub fn hints(dmi: &Dmi) -> Vec<Hint> {
    let mut found: Vec<Hint> = Vec::new();
    if let Some(why) = of_ec2(&dmi.uuid) {
        found.push(Hint { platform: "aws", why });
    }
    for (platform, field, test) in RULES {
        let (name, value) = match field {
            Vendor => ("sys_vendor", &dmi.vendor),
            Product => ("product_name", &dmi.product),
            Serial => ("product_serial", &dmi.serial),
            AssetTag => ("chassis_asset_tag", &dmi.asset_tag),
        };
        let how = match test {
            Is(word) => (value == word).then(|| format!("is {word:?}")),
            Starts(word) => value.starts_with(word).then(|| format!("starts with {word:?}")),
            Ends(word) => value.ends_with(word).then(|| format!("ends with {word:?}")),
        };
        let is_new = found.iter().all(|hint| hint.platform != *platform);
        if let Some(how) = how.filter(|_| is_new) {
            found.push(Hint {
                platform,
                why: format!("{name} {how}"),
            });
        }
    }
    found
}

/// `ec2…`, or the same where the firmware has the first group's bytes the other way around.
fn of_ec2(uuid: &str) -> Option<String> {
    let uuid = uuid.to_ascii_lowercase();
    let first = uuid.split('-').next().unwrap_or_default();
    let swapped = first.len() == 8 && first.ends_with("ec") && first.as_bytes().get(4) == Some(&b'2');
    (uuid.starts_with("ec2") || swapped).then(|| "product_uuid is one of EC2's".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(change: impl FnOnce(&mut Dmi)) -> Vec<(&'static str, String)> {
        let mut dmi = Dmi::default();
        change(&mut dmi);
        hints(&dmi)
            .into_iter()
            .map(|hint| (hint.platform, hint.why))
            .collect()
    }

    #[test]
    fn firmware_speaks_for_a_platform() {
        assert_eq!(
            of(|dmi| dmi.vendor = "Hetzner".to_owned()),
            [("hetzner", "sys_vendor is \"Hetzner\"".to_owned())]
        );
        assert_eq!(
            of(|dmi| dmi.serial = "GoogleCloud-0123".to_owned()),
            [("gcp", "product_serial starts with \"GoogleCloud-\"".to_owned())]
        );
        assert_eq!(of(|_| {}), []);
        // Both rules of one platform hold: it is told once.
        let both = of(|dmi| {
            dmi.product = "OpenStack Nova".to_owned();
            dmi.asset_tag = "OpenStack Nova".to_owned();
        });
        assert_eq!(both.len(), 1);
    }

    #[test]
    fn ec2_is_known_by_its_uuid_in_either_order() {
        for (uuid, is_ec2) in [
            ("EC2E1916-9099-7CAF-FD21-012345ABCDEF", true),
            ("45E12AEC-DCD1-B213-94ED-012345ABCDEF", true),
            ("45E13AEC-DCD1-B213-94ED-012345ABCDEF", false),
            ("", false),
            ("2ec", false),
        ] {
            assert_eq!(!of(|dmi| dmi.uuid = uuid.to_owned()).is_empty(), is_ec2, "{uuid}");
        }
    }

    #[test]
    fn every_rule_is_of_a_platform_there_is() {
        for (platform, _, _) in RULES {
            assert!(crate::get(platform).is_ok(), "{platform}");
        }
    }
}
