//! File systems, and what their names become.

use crate::frontend::tree::{Node, Place};
use crate::order::OrderedMap;
use crate::rules::catalog as rule;
use crate::suggest::quoted;

use super::draft::{Draft, same, taken};
use super::{names, shortest};

/// Where the new root is mounted while the first boot runs.
const NEW_ROOT: &str = "/sysroot";

/// Where distributions with an OEM partition have it, and the name of its file system.
const OEM: (&str, &str) = ("/oem", "oem");

const ROOT: &str = "root";

/// What a name means.
#[derive(Clone, PartialEq, Eq)]
enum Meaning {
    /// A directory of the machine, without a slash at its end; empty is the root.
    Directory(String),
    /// A file system that is made, named at this place; its directory comes last.
    Made(Place),
    /// A swap area, which holds no files.
    Swap,
    /// Nothing, as was told already.
    Refused,
}

/// What the names of a document mean.
#[derive(Default)]
pub(super) struct Names(OrderedMap<String, Meaning>);

/// A name that is given to a device.
struct Given {
    name: String,
    at: Place,
    /// Which of the made file systems it is.
    index: usize,
}

impl Names {
    /// The file systems that `given` make, and from then on what their names mean.
    pub(super) fn made<'a>(&mut self, draft: &mut Draft<'a>, given: Vec<Node<'a>>) -> Vec<Node<'a>> {
        let mut made: Vec<Node<'a>> = Vec::new();
        let mut by_device: OrderedMap<String, usize> = OrderedMap::new();
        let mut named: Vec<Given> = Vec::new();
        for mut filesystem in given {
            let from = filesystem.from;
            let name = filesystem.take("name");
            let at = name.as_ref().map_or(from, |name| name.from);
            let name = name.as_ref().and_then(Node::as_text).map(key);
            let is_new = |name: &String| !self.0.contains_key(name);
            if let Some(name) = name.as_ref().filter(|name| !is_new(name)) {
                let message = format!(
                    "the file system {} is defined twice: for files, this one counts",
                    quoted(name)
                );
                draft.tell(rule::V2_DOUBTFUL, at, &message, "give each a name of its own");
            }
            let meaning = match (filesystem.take("path"), filesystem.take("mount")) {
                (Some(path), None) => directory(draft, &path),
                (None, Some(mount)) => {
                    let mount = flat(draft, mount, name.as_deref());
                    let device = mount.word("device").unwrap_or_default().to_owned();
                    let index = *by_device.entry(device).or_insert(made.len());
                    let earlier = made.get(index);
                    let is_other = earlier.is_some_and(|earlier| !same(earlier, &mount));
                    if is_other {
                        let message =
                            "the device is given another file system before: Ignition 3 makes one of each";
                        draft.tell(rule::V2_INEXPRESSIBLE, mount.from, message, "keep one of the two");
                    } else if earlier.is_none() {
                        made.push(mount);
                    }
                    if is_other {
                        Meaning::Refused
                    } else {
                        named.extend(name.clone().map(|name| Given { name, at, index }));
                        Meaning::Made(at)
                    }
                }
                (path, _) => {
                    let message = match path {
                        Some(_) => "a file system has both path and mount",
                        None => "a file system has neither mount nor path",
                    };
                    draft.tell(rule::V2_INVALID, from, message, "give one of the two");
                    Meaning::Refused
                }
            };
            if let Some(name) = name {
                self.0.insert(name, meaning);
            }
        }
        for given in named {
            // A later definition may have taken the name.
            if self.0.get(&given.name) != Some(&Meaning::Made(given.at)) {
                continue;
            }
            self.place(draft, &mut made, given);
        }
        made
    }

    /// Gives a file system the path of its name; of several names, that of the first.
    fn place<'a>(&mut self, draft: &mut Draft<'a>, made: &mut [Node<'a>], given: Given) {
        let Given { name, at, index } = given;
        let Some(filesystem) = made.get_mut(index) else {
            return;
        };
        let meaning = if name == ROOT {
            let message = "files of \"root\" go to the root of the machine, which should be on this device";
            draft.tell(rule::V2_DOUBTFUL, at, message, "leave the name out");
            Meaning::Directory(String::new())
        } else if filesystem.word("format") == Some("swap") {
            Meaning::Swap
        } else if let Some(path) = filesystem.word("path") {
            Meaning::Directory(path.to_owned())
        } else {
            let path = if name == OEM.1 {
                OEM.0.to_owned()
            } else {
                names::path_of(&name)
            };
            draft.note(
                at,
                "a file system has no name, but a path at which it is mounted while files are written",
                &format!("\"path\": \"{path}\""),
            );
            filesystem.set("path", Node::text(path.clone(), at));
            Meaning::Directory(path)
        };
        self.0.insert(name, meaning);
    }

    /// The directory that a node's file system is, for the node at `at`; empty for the root.
    pub(super) fn directory(&self, draft: &mut Draft<'_>, name: Option<&Node<'_>>, at: Place) -> String {
        let Some(name) = name else {
            draft.tell(
                rule::V2_INVALID,
                at,
                "no file system is named",
                "write \"filesystem\": \"root\" for that of the machine",
            );
            return String::new();
        };
        let at = name.from;
        let key = key(name.as_text().unwrap_or_default());
        match self.0.get(&key) {
            Some(Meaning::Directory(path)) => return path.clone(),
            Some(Meaning::Refused | Meaning::Made(_)) => {}
            Some(Meaning::Swap) => {
                let message = format!("{} is a swap area, which holds no files", quoted(&key));
                draft.tell(rule::V2_INVALID, at, &message, "name another file system");
            }
            None if key == ROOT => draft.note(
                at,
                "no file system is named: a path is one of the machine",
                "leave \"filesystem\" out",
            ),
            None if key == OEM.1 => {
                let message = "the file system \"oem\" is not defined in this document, and no other one's can be meant";
                let help = "define it in storage.filesystems of this document";
                draft.tell(rule::V2_INEXPRESSIBLE, at, message, help);
            }
            None => {
                let message = format!("the file system {} is not defined in this document", quoted(&key));
                let help =
                    "define it in storage.filesystems, unless this config is merged with one that does";
                draft.tell(rule::V2_FILESYSTEM_ELSEWHERE, at, &message, help);
                return names::path_of(&key);
            }
        }
        String::new()
    }
}

/// The name as it is compared: distributions write that of the OEM partition in either case.
fn key(name: &str) -> String {
    if name.eq_ignore_ascii_case(OEM.1) {
        OEM.1.to_owned()
    } else {
        name.to_owned()
    }
}

/// What a file system means that is only a path of the initramfs.
fn directory(draft: &mut Draft<'_>, path: &Node<'_>) -> Meaning {
    let at = path.from;
    let text = path.as_text().unwrap_or_default();
    if !text.starts_with('/') {
        let message = format!("{} is not an absolute path", quoted(text));
        draft.tell(rule::PATH_RELATIVE, at, &message, "start the path with a slash");
        return Meaning::Refused;
    }
    let path = shortest(text);
    let below = path
        .strip_prefix(NEW_ROOT)
        .filter(|below| below.is_empty() || below.starts_with('/'));
    match below {
        Some(below) => Meaning::Directory(below.to_owned()),
        None if path == "/" => Meaning::Directory(String::new()),
        None => {
            let message = format!(
                "{} is a directory of the initramfs, which Ignition 3 writes nothing to",
                quoted(&path)
            );
            let help = format!("only {NEW_ROOT} and what is below it are of the machine");
            draft.tell(rule::V2_INEXPRESSIBLE, at, &message, &help);
            Meaning::Refused
        }
    }
}

/// `mount` with what `create` says, as a file system of Ignition 3, without a path.
fn flat<'a>(draft: &mut Draft<'a>, mut mount: Node<'a>, name: Option<&str>) -> Node<'a> {
    let at = mount.from;
    if !draft.edition.is_first {
        draft.note(
            at,
            "device, format and the rest stand in the file system itself, without mount",
            "{\"device\": \"…\", \"format\": \"…\"}",
        );
    }
    if let Some(device) = mount.get_mut("device") {
        *device = Node::text(
            shortest(device.as_text().unwrap_or_default()).into_owned(),
            device.from,
        );
    }
    if let Some(create) = mount.take("create") {
        created(draft, &mut mount, create);
    }
    format(draft, &mut mount);
    let is_kept = !mount.is("wipeFilesystem");
    if name == Some(OEM.1) && is_kept && mount.word("format") != Some("btrfs") {
        let from = mount.get("format").map_or(at, |format| format.from);
        let message = "the OEM partition is taken for btrfs, which distributions have there by now";
        draft.tell(rule::V2_CHANGED, from, message, "write \"format\": \"btrfs\"");
        mount.set("format", Node::text("btrfs", from));
    }
    mount
}

fn created<'a>(draft: &mut Draft<'a>, mount: &mut Node<'a>, mut create: Node<'a>) {
    let at = create.from;
    draft.note(
        at,
        "create with force is wipeFilesystem, and its options stand in the file system",
        "\"wipeFilesystem\": true, \"options\": […]",
    );
    for other in ["wipeFilesystem", "options"] {
        if let Some(given) = mount.take(other) {
            let message = format!("create and \"{other}\" are given, which exclude each other");
            draft.tell(
                rule::V2_INVALID,
                given.from,
                &message,
                "remove create, and say all in the mount",
            );
        }
    }
    if !create.is("force") {
        let message =
            "create without force fails when the device holds anything: Ignition 3 has nothing like it";
        let help =
            "to reuse a file system of that format, remove create; to make it anew, write \"force\": true";
        draft.tell(rule::V2_INEXPRESSIBLE, at, message, help);
    }
    mount.set("wipeFilesystem", Node::boolean(true, at));
    let options = create.get("options").map_or(at, |options| options.from);
    super::draft::put(mount, "options", taken(&mut create, "options"), options);
}

/// Refuses a format that the version does not have; 3.4.0 has more.
fn format<'a>(draft: &mut Draft<'a>, mount: &mut Node<'a>) {
    let known: &[&str] = match draft.minor() {
        0 => &["ext4", "btrfs", "xfs"],
        _ => &["ext4", "btrfs", "xfs", "vfat", "swap"],
    };
    let format = mount.word("format").unwrap_or_default();
    if known.contains(&format) {
        return;
    }
    let at = mount.get("format").map_or(mount.from, |format| format.from);
    let help = format!("use one of {}", known.join(", "));
    if format.is_empty() {
        draft.tell(
            rule::FILESYSTEM_FORMAT_MISSING,
            at,
            "a file system has no format",
            &help,
        );
    } else {
        let message = format!(
            "version {} has no format {}",
            draft.edition.as_str(),
            quoted(format)
        );
        draft.tell(rule::FILESYSTEM_FORMAT_UNKNOWN, at, &message, &help);
    }
    // No more is said of it; the document is refused.
    mount.set("format", Node::text("ext4", at));
}
