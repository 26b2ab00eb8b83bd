//! Devices that the kernel makes of others, and who uses a device, as data.

use std::fmt;
use std::path::PathBuf;

use kindling_config_spec::order::OrderedSet;

use serde::{Deserialize, Serialize};

/// What made a device of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackKind {
    /// A software RAID array.
    Array,
    /// A device-mapper device: an open LUKS volume, an LVM volume, any other mapping but multipath.
    Mapping,
}

/// A device that stands on others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stacked {
    /// Its node, as the kernel names it.
    pub node: PathBuf,
    /// What made it.
    pub kind: StackKind,
    /// Its name: that of a mapping, or of the node.
    pub name: String,
}

/// Who uses a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// As messages name it: a mount point or the device that holds it.
    pub by: String,
    /// Where nothing but arrays and mappings use the device, and nobody uses those: all of them, top first, so that they
    /// can be taken down in this order. Empty for every other use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<Stacked>,
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.by)
    }
}

impl From<&str> for User {
    /// A use that cannot be taken down.
    fn from(by: &str) -> Self {
        Self {
            by: by.to_owned(),
            stack: Vec::new(),
        }
    }
}

/// An array that the kernel runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunningArray {
    /// Its node, links resolved.
    pub node: PathBuf,
    /// As mdadm names it: `raid1`, `linear`, …
    pub level: String,
    /// Members without spares, present or not.
    pub raid_devices: u32,
    /// 32 lower-case hex digits.
    pub uuid: String,
    /// Without the host it was made for; metadata of version 0.90 has none.
    pub name: Option<String>,
    /// Nodes of the members that are present and at work.
    pub active: OrderedSet<PathBuf>,
    /// Nodes of the spares.
    pub spares: OrderedSet<PathBuf>,
}

impl RunningArray {
    /// Reads the answer of `mdadm --detail --export NODE` (mdadm(8): "key=value" pairs). `None` where it lacks level or
    /// UUID, as for a container.
    #[must_use]
    pub fn parse(node: PathBuf, answer: &str) -> Option<Self> {
        let field = |key: &str| {
            let mut values = answer.lines().filter_map(|line| line.split_once('='));
            values.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let mut array = Self {
            node,
            level: field("MD_LEVEL")?.to_owned(),
            raid_devices: field("MD_DEVICES")?.parse().ok()?,
            uuid: plain_uuid(field("MD_UUID")?),
            name: field("MD_NAME").map(|name| name.split_once(':').map_or(name, |(_, name)| name).to_owned()),
            ..Self::default()
        };
        for line in answer.lines() {
            let Some((member, role)) = line
                .strip_prefix("MD_DEVICE_")
                .and_then(|rest| rest.split_once("_ROLE="))
            else {
                continue;
            };
            let Some(device) = field(&format!("MD_DEVICE_{member}_DEV")) else {
                continue;
            };
            let list = if role == "spare" {
                &mut array.spares
            } else {
                &mut array.active
            };
            list.insert(PathBuf::from(device));
        }
        Some(array)
    }
}

/// A UUID without what programs write between its digits: mdadm puts colons where blkid puts dashes.
#[must_use]
pub fn plain_uuid(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_hexdigit)
        .map(|digit| digit.to_ascii_lowercase())
        .collect()
}

/// A mapping by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its node, as the kernel names it.
    pub node: PathBuf,
    /// The nodes it stands on.
    pub below: OrderedSet<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mdadm_tells_of_an_array() {
        let answer = "MD_LEVEL=raid1\nMD_DEVICES=2\nMD_METADATA=1.2\nMD_UUID=1F2e3d4c:00000000:11111111:22222222\n\
                      MD_DEVNAME=data\nMD_NAME=any:data\nMD_DEVICE_dev_vdb1_ROLE=0\nMD_DEVICE_dev_vdb1_DEV=/dev/vdb1\n\
                      MD_DEVICE_dev_vdc1_ROLE=1\nMD_DEVICE_dev_vdc1_DEV=/dev/vdc1\nMD_DEVICE_dev_vdd_ROLE=spare\n\
                      MD_DEVICE_dev_vdd_DEV=/dev/vdd\n";
        let array = RunningArray::parse("/dev/md127".into(), answer).unwrap();
        let expected = RunningArray {
            node: "/dev/md127".into(),
            level: "raid1".into(),
            raid_devices: 2,
            uuid: "1f2e3d4c000000001111111122222222".into(),
            name: Some("data".into()),
            active: ["/dev/vdb1", "/dev/vdc1"].map(PathBuf::from).into(),
            spares: ["/dev/vdd"].map(PathBuf::from).into(),
        };
        assert_eq!(array, expected);
        assert_eq!(
            RunningArray::parse("/dev/md127".into(), "MD_LEVEL=container\nMD_DEVICES=2\n"),
            None
        );
    }
}
