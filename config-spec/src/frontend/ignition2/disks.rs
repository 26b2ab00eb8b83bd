//! Disks, partitions and arrays.

use crate::frontend::tree::{Node, Place, Value};
use crate::order::{Gather, OrderedMap, OrderedSet};
use crate::rules::catalog as rule;
use crate::suggest::quoted;

use super::draft::{Draft, put, taken};
use super::sections::{TWICE, TWICE_FORM};
use super::{accounts, shortest};

/// Sectors of 512 bytes in a MiB, which is also what the old engine aligns to.
const SECTORS_PER_MIB: i64 = 2048;

/// The disks that `given` make, each device once: the old engine works through entries of one device in turn.
pub(super) fn disks<'a>(draft: &mut Draft<'a>, given: Vec<Node<'a>>) -> Vec<Node<'a>> {
    let mut joined: Vec<Node<'a>> = Vec::new();
    let mut by_device: OrderedMap<String, usize> = OrderedMap::new();
    for mut disk in given {
        if let Some(device) = disk.get_mut("device") {
            clean(device);
        }
        let at = disk.from;
        let mut partitions = taken(&mut disk, "partitions");
        let device = disk.word("device").unwrap_or_default().to_owned();
        checked(draft, &device, &partitions);
        for partition in &mut partitions {
            self::partition(draft, partition);
        }
        let index = *by_device.entry(device).or_insert(joined.len());
        match joined.get_mut(index) {
            Some(earlier) => {
                draft.note(at, TWICE, TWICE_FORM);
                // Wiping takes away what the entry before made.
                let mut all = taken(earlier, "partitions");
                if let Some(wipes) = disk.take("wipeTable") {
                    all.clear();
                    earlier.set("wipeTable", wipes);
                }
                all.append(&mut partitions);
                put(earlier, "partitions", all, at);
            }
            None => {
                put(&mut disk, "partitions", partitions, at);
                joined.push(disk);
            }
        }
    }
    for disk in &mut joined {
        labels(draft, disk);
        number(draft, disk);
    }
    joined
}

fn clean(path: &mut Node<'_>) {
    *path = Node::text(
        shortest(path.as_text().unwrap_or_default()).into_owned(),
        path.from,
    );
}

/// What the old engine refuses of a disk, and nobody else.
fn checked(draft: &mut Draft<'_>, device: &str, partitions: &[Node<'_>]) {
    let first = |members: [&str; 2]| {
        let given = partitions
            .iter()
            .flat_map(|partition| members.map(|name| partition.get(name)));
        given.flatten().next()
    };
    let in_sectors = first(["start", "size"]);
    if let (Some(sectors), Some(_)) = (in_sectors, first(["startMiB", "sizeMiB"])) {
        let message = "a disk's partitions are given in sectors and in MiB";
        draft.tell(
            rule::V2_INVALID,
            sectors.from,
            message,
            "use startMiB and sizeMiB for all of them",
        );
    }
    let sizes = partitions
        .iter()
        .flat_map(|partition| ["start", "size"].map(|name| partition.get(name)));
    let written = sizes.flatten().find(|node| node.as_integer() != Some(0));
    if let Some(written) = written {
        let message = format!(
            "sectors are taken as 512 bytes: if {} has sectors of 4096 bytes, Ignition 2 made this eight times as much",
            quoted(device)
        );
        draft.tell(
            rule::V2_CHANGED,
            written.from,
            &message,
            "give startMiB and sizeMiB, which mean the same on every disk",
        );
    }
    let is_absent =
        |partition: &&Node<'_>| partition.get("shouldExist").and_then(Node::as_boolean) == Some(false);
    let open = partitions
        .iter()
        .find(|partition| partition.get("number").is_none());
    if let (Some(open), Some(_)) = (open, partitions.iter().find(is_absent)) {
        let message = "a partition has no number, on a disk of which another shall not exist";
        draft.tell(
            rule::V2_INVALID,
            open.from,
            message,
            "give every partition of the disk its number",
        );
    }
    if draft.edition.is_first {
        let mut open = partitions
            .iter()
            .filter(|partition| partition.get("number").is_none());
        if let Some(second) = open.nth(1) {
            let message = "two partitions of a disk have number 0";
            draft.tell(
                rule::PARTITION_NUMBER_COLLISION,
                second.from,
                message,
                "number them",
            );
        }
    }
}

/// Places and sizes in MiB, and what else has another form.
fn partition<'a>(draft: &mut Draft<'a>, partition: &mut Node<'a>) {
    let from = partition.from;
    let is_absent = partition.get("shouldExist").and_then(Node::as_boolean) == Some(false);
    if is_absent {
        for size in ["startMiB", "sizeMiB"] {
            if let Some(size) = partition.take(size) {
                let message = "a partition that shall not exist has no place and no size";
                draft.tell(rule::V2_DOUBTFUL, size.from, message, "remove them");
            }
        }
    }
    for (sectors, mib) in [("start", "startMiB"), ("size", "sizeMiB")] {
        match partition.take(sectors) {
            Some(given) => {
                let size = in_mib(draft, partition, sectors, &given);
                partition.set(mib, Node::integer(size, given.from));
            }
            // There absence was zero: the largest free block, also where a partition of that number is.
            None if draft.minor() < 3 => partition.set(mib, Node::integer(0, from)),
            None => {}
        }
    }
}

/// Cuts labels at their colons, as the old engine's tool does. Two that become equal are told here, where it is known what
/// somebody wrote.
fn labels(draft: &mut Draft<'_>, disk: &mut Node<'_>) {
    let Some(Value::List(partitions)) = disk.get_mut("partitions").map(|list| &mut list.value) else {
        return;
    };
    let mut first: OrderedMap<String, String> = OrderedMap::new();
    for (index, partition) in partitions.iter_mut().enumerate() {
        let Some(label) = partition.get_mut("label") else {
            continue;
        };
        let at = label.from;
        let written = label.as_text().unwrap_or_default().to_owned();
        let kept = written.split(':').next().unwrap_or_default();
        let is_cut = kept.len() < written.len();
        let other = first.get(kept).filter(|other| is_cut || other.contains(':'));
        if let Some(other) = other {
            let [written, other, both] = [&written, other, kept].map(quoted);
            let message = format!(
                "the labels {written} and {other} of one disk are cut at a colon, and become {both} both"
            );
            draft.tell(
                rule::V2_INEXPRESSIBLE,
                at,
                &message,
                "give them labels without colons, which differ",
            );
            // No more is said of it; the document is refused.
            *label = Node::text(format!("-{index}"), at);
            continue;
        }
        if is_cut {
            let message = format!("the label is cut at its colon: it becomes {}", quoted(kept));
            let help = "write it without the colon and what is behind it";
            draft.tell(rule::V2_DOUBTFUL, at, &message, help);
            *label = Node::text(kept.to_owned(), at);
        }
        let kept = kept.to_owned();
        first.entry(kept).or_insert(written);
    }
}

/// `given` sectors in MiB; what is no whole number of them is told.
fn in_mib(draft: &mut Draft<'_>, partition: &Node<'_>, member: &str, given: &Node<'_>) -> i64 {
    let sectors = given.as_integer().unwrap_or_default();
    let mib = sectors / SECTORS_PER_MIB;
    draft.note(
        given.from,
        "places and sizes of partitions are in MiB, not in sectors",
        &format!("\"{member}MiB\": {mib}"),
    );
    let called = match (partition.number("number"), partition.word("label")) {
        (Some(number), _) => format!("partition {number}"),
        (None, Some(label)) => format!("partition {}", quoted(label)),
        (None, None) => "a partition without number and label".to_owned(),
    };
    if sectors < 0 && draft.minor() == 0 {
        let message = format!("the {member} of {called} is negative");
        draft.tell(rule::V2_INVALID, given.from, &message, "write 0 or more");
    } else if sectors % SECTORS_PER_MIB == 0 {
        // A whole number.
    } else if member == "start" {
        let message = format!("{called} does not start at a multiple of {SECTORS_PER_MIB} sectors");
        draft.tell(
            rule::V2_INVALID,
            given.from,
            &message,
            "partitions start at whole MiB",
        );
    } else {
        let message = format!("the size of {called} is no whole number of MiB: Ignition 3 has no other unit");
        let (less, more) = (
            mib * SECTORS_PER_MIB,
            mib.saturating_add(1).saturating_mul(SECTORS_PER_MIB),
        );
        let help = format!("write {less} or {more} sectors");
        draft.tell(rule::V2_INEXPRESSIBLE, given.from, &message, &help);
    }
    mib
}

/// An empty label is none.
fn is_nameless(partition: &Node<'_>) -> bool {
    partition.get("number").is_none() && partition.word("label").is_none_or(str::is_empty)
}

/// Numbers what has neither number nor label. On a table that is wiped the old engine gives all that have no number the lowest free
/// ones, in the order of the list, behind those that have one: so as soon as one of them has no label either, all are numbered, for
/// otherwise it would come before those that are known by their labels.
fn number<'a>(draft: &mut Draft<'a>, disk: &mut Node<'a>) {
    let wipes = disk.is("wipeTable");
    if !disk.each("partitions").iter().any(is_nameless) {
        return;
    }
    let mut used: OrderedSet<i64> = disk
        .each("partitions")
        .iter()
        .filter_map(|partition| partition.number("number"))
        .into_set();
    let mut partitions = taken(disk, "partitions");
    let is_alone = partitions.len() == 1;
    let mut next = 1;
    for partition in &mut partitions {
        if partition.get("number").is_some() || !(wipes || is_nameless(partition)) {
            continue;
        }
        while !used.insert(next) {
            next += 1;
        }
        let at = partition.from;
        number_one(draft, partition, wipes, is_alone);
        draft.note(
            at,
            "a partition has a number or a label",
            &format!("\"number\": {next}"),
        );
        partition.set("number", Node::integer(next, at));
    }
    let from = disk.from;
    put(disk, "partitions", partitions, from);
}

/// Without wiping, the old engine takes the next number that is free on the disk, which nobody knows here. A partition of
/// which nothing is demanded may take the first: on a blank disk that is the same, and one that is there stays.
fn number_one(draft: &mut Draft<'_>, partition: &Node<'_>, wipes: bool, is_alone: bool) {
    let at: Place = partition.from;
    let is_empty = |name: &str| matches!(partition.number(name), None | Some(0));
    let demands = partition.members().iter();
    let asks_nothing = demands
        .clone()
        .all(|member| matches!(member.name.as_ref(), "startMiB" | "sizeMiB") && is_empty(&member.name));
    if wipes {
        return;
    }
    if is_alone && asks_nothing {
        // Before 2.3 a place and a size that are not given are zero, not whatever is there.
        let message = if draft.minor() < 3 {
            "this partition becomes number 1: if the disk has one of that number, the boot stops before it writes"
        } else {
            "this partition becomes number 1: if the disk has one of that number, it is kept, and none is added"
        };
        draft.tell(rule::V2_CHANGED, at, message, "give it a number or a label");
    } else {
        let message = "a partition has neither number nor label, and the disk's table is not wiped: which one is meant \
                       depends on the disk";
        draft.tell(rule::V2_INEXPRESSIBLE, at, message, "give it a number or a label");
    }
}

/// The arrays that `given` make.
pub(super) fn arrays<'a>(draft: &mut Draft<'a>, mut given: Vec<Node<'a>>) -> Vec<Node<'a>> {
    for array in &mut given {
        if let Some(devices) = array.get_mut("devices")
            && let Value::List(devices) = &mut devices.value
        {
            devices.iter_mut().for_each(clean);
        }
    }
    accounts::once(draft, given, "the array")
}
