//! `boot_device`: the root file system encrypted, or on a mirror of whole disks.

use std::borrow::Cow;

use super::remark::{Remark, Tell};
use super::variant::Variant;
use crate::frontend::tree::{Node, Place};
use crate::rules::catalog as rule;

/// How the boot disk of an architecture is laid out.
struct Layout {
    name: &'static str,
    /// The generation of Fedora CoreOS's members that it came in.
    first: u8,
    disk: Disk,
}

enum Disk {
    /// The first two partitions of a mirrored disk.
    Mirrored([Slot; 2]),
    /// It cannot be mirrored. Where the root partition has no label that is always the same: what a disk is called, up
    /// to its one letter, and the root partition's number.
    Lone(Option<(&'static str, &'static str)>),
}

/// A small partition in front of those for booting and for the root.
struct Slot {
    name: &'static str,
    size_mib: i64,
    kind: &'static str,
}

const fn slot(name: &'static str, size_mib: i64, kind: &'static str) -> Slot {
    Slot { name, size_mib, kind }
}

const BIOS: Slot = slot("bios", 1, "21686148-6449-6E6F-744E-656564454649");
const PREP: Slot = slot("prep", 4, "9E1A2D38-C612-4316-AA26-8B49521E5A8B");
const ESP: Slot = slot("esp", 127, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
const RESERVED: Slot = slot("reserved", 1, "8DA63339-0007-60C0-C436-083AC8230908");

const BOOT_MIB: i64 = 384;

const fn layout(name: &'static str, first: u8, disk: Disk) -> Layout {
    Layout { name, first, disk }
}

/// The first one counts where none is named.
static LAYOUTS: [Layout; 6] = [
    layout("x86_64", 3, Disk::Mirrored([BIOS, ESP])),
    layout("aarch64", 3, Disk::Mirrored([RESERVED, ESP])),
    layout("ppc64le", 3, Disk::Mirrored([PREP, RESERVED])),
    layout("s390x-eckd", 6, Disk::Lone(Some(("/dev/dasd", "2")))),
    layout("s390x-virt", 6, Disk::Lone(None)),
    layout("s390x-zfcp", 6, Disk::Lone(Some(("/dev/sd", "4")))),
];

/// What the section says.
struct Section<'s, 'a> {
    node: &'s Node<'a>,
    named: Option<&'s Node<'a>>,
    layout: Option<&'static Layout>,
    luks: Option<&'s Node<'a>>,
    mirror: Option<&'s Node<'a>>,
    devices: &'s [Node<'a>],
    has_tang: bool,
    has_tpm2: bool,
    has_cex: bool,
}

impl<'s, 'a> Section<'s, 'a> {
    fn of(source: &'s Node<'a>) -> Option<Self> {
        let node = source.get("bootDevice")?;
        let named = node.get("layout");
        let luks = node.get("luks");
        let mirror = node.get("mirror");
        let name = named.and_then(Node::as_text);
        Some(Self {
            node,
            named,
            layout: name.and_then(|name| LAYOUTS.iter().find(|layout| layout.name == name)),
            luks,
            mirror,
            devices: mirror.map_or(&[], |mirror| mirror.each("devices")),
            has_tang: luks.is_some_and(|luks| !luks.each("tang").is_empty()),
            has_tpm2: luks.is_some_and(|luks| luks.is("tpm2")),
            has_cex: luks
                .and_then(|luks| luks.get("cex"))
                .is_some_and(|cex| cex.is("enabled")),
        })
    }

    fn is_encrypted(&self) -> bool {
        self.has_tang || self.has_tpm2 || self.has_cex
    }

    /// What is called what the layout says, for what the layout needs it for.
    fn disk(&self) -> Option<&'s str> {
        self.luks.and_then(|luks| luks.word("device"))
    }
}

/// Checks the section of the typed tree `source`.
pub(super) fn check(source: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let (Some(section), Some(minor)) = (Section::of(source), variant.fcos) else {
        return;
    };
    check_layout(&section, minor, tell);
    check_mirror(&section, minor, tell);
    check_luks(&section, minor, tell);
}

fn error(at: Place, message: &str, help: &'static str) -> Remark {
    Remark::new(rule::BUTANE_BOOT_DEVICE, at, message, help)
}

fn check_layout(section: &Section<'_, '_>, minor: u8, tell: &mut Tell<'_>) {
    let Some(named) = section.named else { return };
    match section.layout.filter(|layout| layout.first <= minor) {
        None => {
            let help = if minor < 6 {
                "write aarch64, ppc64le or x86_64"
            } else {
                "write aarch64, ppc64le, x86_64, s390x-eckd, s390x-virt or s390x-zfcp"
            };
            tell(error(
                named.from,
                "this version of the config knows no such layout",
                help,
            ));
        }
        Some(Layout {
            disk: Disk::Lone(Some((prefix, _))),
            ..
        }) if !section.disk().is_some_and(|disk| is_disk(disk, prefix)) => {
            let help = match *prefix {
                "/dev/sd" => "write as luks.device what the disk is called: /dev/sda, or with another letter",
                _ => "write as luks.device what the disk is called: /dev/dasda, or with another letter",
            };
            let message = "the layout needs a disk with a name of its kind";
            tell(error(named.from, message, help));
        }
        Some(_) => {}
    }
}

/// Whether a name ends in the one of a disk: `prefix` and one letter.
fn is_disk(name: &str, prefix: &str) -> bool {
    let bare = name.strip_suffix(|letter: char| letter.is_ascii_lowercase());
    bare.is_some_and(|bare| bare.ends_with(prefix))
}

fn check_mirror(section: &Section<'_, '_>, minor: u8, tell: &mut Tell<'_>) {
    let Some(mirror) = section.mirror.filter(|_| !section.devices.is_empty()) else {
        return;
    };
    match (section.named, section.layout) {
        (None, _) => {
            let rule = if minor < 7 {
                rule::BUTANE_BOOT_LAYOUT
            } else {
                rule::BUTANE_BOOT_DEVICE
            };
            let message =
                "a mirror needs boot_device.layout, since each architecture boots from other partitions";
            tell(Remark::new(
                rule,
                mirror.from,
                message,
                "write layout: x86_64, aarch64 or ppc64le",
            ));
        }
        (
            Some(named),
            Some(Layout {
                disk: Disk::Lone(_),
                first,
                ..
            }),
        ) if *first <= minor => {
            let help = "remove the mirror; only x86_64, aarch64 and ppc64le boot from one";
            tell(error(named.from, "disks of this layout cannot be mirrored", help));
        }
        _ => {}
    }
    if section.devices.len() == 1 {
        let at = mirror.get("devices").unwrap_or(mirror).from;
        let help = "name a second disk, or leave the mirror out";
        tell(error(at, "a mirror needs at least two disks", help));
    }
}

fn check_luks(section: &Section<'_, '_>, minor: u8, tell: &mut Tell<'_>) {
    let Some(luks) = section.luks else { return };
    if section.has_cex {
        let cex = luks.get("cex").unwrap_or(luks).from;
        let lone = "write layout: s390x-eckd, s390x-virt or s390x-zfcp";
        match (section.named, section.layout) {
            (None, _) => tell(error(cex, "a crypto card needs boot_device.layout", lone)),
            (
                Some(named),
                Some(Layout {
                    disk: Disk::Mirrored(_),
                    ..
                }),
            ) => {
                tell(error(named.from, "this layout has no crypto card", lone));
            }
            _ => {}
        }
        if section.has_tang || section.has_tpm2 {
            let help = "keep either cex, or tang and tpm2";
            tell(error(luks.from, "a crypto card excludes tang and tpm2", help));
        }
    }
    let has_tang = || {
        luks.each("tang")
            .iter()
            .any(|tang| !tang.members().iter().all(|member| is_empty(&member.node)))
    };
    let is_used = section.has_cex || section.has_tpm2 || has_tang();
    if minor >= 7 && luks.get("device").is_some() && !is_used {
        let help = "add tang, tpm2: true, or cex with enabled: true; or remove the device";
        tell(error(
            luks.from,
            "a device is given, but nothing that unlocks it",
            help,
        ));
    }
}

fn is_empty(node: &Node<'_>) -> bool {
    node.as_text().is_some_and(str::is_empty)
}

/// The document of Ignition that the section of the valid tree `source` asks for; `None` if it asks for nothing.
pub(super) fn expand<'a>(source: &Node<'a>) -> Option<Node<'a>> {
    let section = Section::of(source)?;
    let mirror = section.mirror.filter(|_| !section.devices.is_empty());
    let luks = section.luks.filter(|_| section.is_encrypted());
    if mirror.is_none() && luks.is_none() {
        return None;
    }
    let at = section.node.from;
    let mut filesystems = Vec::new();
    let mut storage = Node::object(at);
    if let Some(mirror) = mirror {
        let slots = section.slots();
        let disks = section.devices.iter().enumerate();
        let disks = disks
            .map(|(index, device)| disk(device, index + 1, slots))
            .collect();
        let has_esp = slots.iter().any(|slot| slot.name == ESP.name);
        for (index, device) in section.devices.iter().enumerate().filter(|_| has_esp) {
            let label = format!("esp-{}", index + 1);
            filesystems.push(filesystem(by_partlabel(&label), "vfat", label, device.from));
        }
        filesystems.push(filesystem("/dev/md/md-boot", "ext4", "boot", mirror.from));
        storage = storage
            .with("disks", Node::list(disks, at))
            .with("raid", Node::list(raid(mirror.from, section.devices.len()), at));
    }
    let root = if luks.is_some() {
        "/dev/mapper/root"
    } else {
        MIRRORED_ROOT
    };
    filesystems.push(filesystem(root, "xfs", "root", at));
    let volume = luks.map(|luks| Node::list(vec![section.volume(luks)], at));
    storage = storage
        .with("filesystems", Node::list(filesystems, at))
        .with_some("luks", volume);
    Some(Node::object(at).with("storage", storage))
}

const MIRRORED_ROOT: &str = "/dev/md/md-root";

fn by_partlabel(label: &str) -> String {
    format!("/dev/disk/by-partlabel/{label}")
}

impl<'a> Section<'_, 'a> {
    /// The partitions in front; a layout that cannot be mirrored was refused.
    fn slots(&self) -> &'static [Slot] {
        match self.layout.or(LAYOUTS.first()) {
            Some(Layout {
                disk: Disk::Mirrored(slots),
                ..
            }) => slots,
            _ => &[],
        }
    }

    /// The encrypted volume of the root.
    fn volume(&self, luks: &Node<'a>) -> Node<'a> {
        let at = luks.from;
        let device = match self.layout {
            Some(Layout {
                disk: Disk::Lone(Some((_, number))),
                ..
            }) => Cow::Owned(format!("{}{number}", self.disk().unwrap_or_default())),
            _ if !self.devices.is_empty() => Cow::Borrowed(MIRRORED_ROOT),
            _ => Cow::Borrowed("/dev/disk/by-partlabel/root"),
        };
        let volume = Node::object(at)
            .with("name", Node::text("root", at))
            .with("label", Node::text("luks-root", at))
            .with("device", Node::text(device, at))
            .with("wipeVolume", Node::boolean(true, at))
            .with_some("discard", luks.get("discard").cloned());
        if self.has_cex {
            return volume.with_some("cex", luks.get("cex").cloned());
        }
        let pins = ["tang", "threshold", "tpm2"].into_iter();
        let clevis = pins.fold(Node::object(at), |clevis, pin| {
            clevis.with_some(pin, luks.get(pin).cloned())
        });
        volume.with("clevis", clevis)
    }
}

/// A disk of the mirror, the `number`th counted from 1.
fn disk<'a>(device: &Node<'a>, number: usize, slots: &'static [Slot]) -> Node<'a> {
    let at = device.from;
    let partition = |name: &str| Node::object(at).with("label", Node::text(format!("{name}-{number}"), at));
    let size = |node: Node<'a>, mib| node.with("sizeMiB", Node::integer(mib, at));
    let mut partitions: Vec<_> = slots
        .iter()
        .map(|slot| size(partition(slot.name), slot.size_mib).with("typeGuid", Node::text(slot.kind, at)))
        .collect();
    partitions.push(size(partition("boot"), BOOT_MIB));
    partitions.push(partition("root"));
    Node::object(at)
        .with("device", device.clone())
        .with("partitions", Node::list(partitions, at))
        .with("wipeTable", Node::boolean(true, at))
}

/// The arrays for booting and for the root. The first has its superblock at the end, so that firmware that knows no
/// arrays can read its members.
fn raid<'a>(at: Place, disks: usize) -> Vec<Node<'a>> {
    let array = |name: &str| {
        let member = |number| Node::text(by_partlabel(&format!("{name}-{number}")), at);
        Node::object(at)
            .with("name", Node::text(format!("md-{name}"), at))
            .with("level", Node::text("raid1", at))
            .with("devices", Node::list((1..=disks).map(member).collect(), at))
    };
    let options = Node::list(vec![Node::text("--metadata=1.0", at)], at);
    vec![array("boot").with("options", options), array("root")]
}

fn filesystem<'a>(
    device: impl Into<Cow<'a, str>>,
    format: &'static str,
    label: impl Into<Cow<'a, str>>,
    at: Place,
) -> Node<'a> {
    Node::object(at)
        .with("device", Node::text(device, at))
        .with("format", Node::text(format, at))
        .with("label", Node::text(label, at))
        .with("wipeFilesystem", Node::boolean(true, at))
}

#[cfg(test)]
mod tests;
