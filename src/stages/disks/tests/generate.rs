//! Machines made from small pools: names, places and sizes meet often.

use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};
use proptest::option::weighted;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use super::machine::{Array, Header, Lying, Space, State, array_node};
use crate::gpt::{Entry, Guid, Table};
use crate::inventory::disks::Signature;

/// The disks, each with a link to it.
pub(super) const DISKS: [(&str, &str); 2] = [
    ("/dev/vdb", "/dev/disk/by-id/first"),
    ("/dev/vdc", "/dev/disk/by-id/second"),
];
pub(super) const LABELS: [&str; 3] = ["a", "b", "c"];

/// What lies on a partition, an array, or in a volume.
#[derive(Clone, Debug)]
enum Holds {
    Nothing,
    Plain(&'static str),
    /// A volume that opens with the key `k`, or with another one, and what is in it.
    Volume(bool, Option<&'static str>),
    Member,
}

#[derive(Clone, Debug)]
struct Part {
    label: &'static str,
    /// Sectors behind the place where it would start.
    gap: u64,
    mib: u64,
    holds: Holds,
    is_used: bool,
}

#[derive(Clone, Debug)]
struct Medium {
    sector: SectorSize,
    /// `None`: no table, and this as a whole.
    parts: Option<Vec<(u32, Part)>>,
    whole: Holds,
    is_used: bool,
}

fn holds() -> impl Strategy<Value = Holds> + Clone {
    prop_oneof![
        3 => Just(Holds::Nothing),
        3 => select(&["ext4", "xfs", "vfat", "LVM2_member"][..]).prop_map(Holds::Plain),
        2 => (any::<bool>(), weighted(0.7, select(&["ext4", "xfs"][..]))).prop_map(|(fits, inside)| Holds::Volume(fits, inside)),
        3 => Just(Holds::Member),
    ]
}

fn medium() -> impl Strategy<Value = Medium> {
    let gap = prop_oneof![6 => Just(0_u64), 2 => Just(2048), 1 => Just(8), 1 => 1..4000_u64];
    let part = (
        select(&LABELS[..]),
        gap,
        select(&[4_u64, 8][..]),
        holds(),
        weighted(0.15, Just(())),
    );
    let part = part.prop_map(|(label, gap, mib, holds, used)| Part {
        label,
        gap,
        mib,
        holds,
        is_used: used.is_some(),
    });
    let numbers = subsequence(vec![1_u32, 2, 3, 4], 0..=3);
    let parts = numbers.prop_flat_map(move |numbers| {
        numbers
            .into_iter()
            .map(|number| (Just(number), part.clone()))
            .collect::<Vec<_>>()
    });
    let sector = prop_oneof![4 => Just(SectorSize::S512), 1 => Just(SectorSize::S4096)];
    (sector, weighted(0.75, parts), holds(), weighted(0.1, Just(()))).prop_map(
        |(sector, parts, whole, used)| Medium {
            sector,
            parts,
            whole,
            is_used: used.is_some(),
        },
    )
}

fn plain(kind: &str, label: Option<&str>) -> Lying {
    Lying {
        signature: Signature {
            kind: kind.to_owned(),
            label: label.map(str::to_owned),
            uuid: Some("11111111-2222-4333-8444-555555555555".to_owned()),
            ..Signature::default()
        },
        precious: true,
        leads_to: None,
    }
}

/// Puts what a place holds there; its members are gathered for the array.
fn lay(state: &mut State, at: (Space, u64), holds: &Holds, is_used: bool, members: &mut Vec<(Space, u64)>) {
    match holds {
        Holds::Nothing => {}
        Holds::Plain(kind) => {
            state.lying.insert(at.clone(), plain(kind, Some("old")));
            if is_used && *kind != "LVM2_member" {
                state.mounted.insert(at);
            }
        }
        Holds::Volume(fits, inside) => {
            let id = state.next();
            let key = if *fits { b"k".to_vec() } else { b"other".to_vec() };
            let header = Header {
                keys: [key].into(),
                ..Header::default()
            };
            state.volumes.insert(id, header);
            let mut lying = plain("crypto_LUKS", None);
            lying.signature.version = Some("2".to_owned());
            lying.leads_to = Some(id);
            state.lying.insert(at, lying);
            if let Some(kind) = inside {
                state
                    .lying
                    .insert((Space::Volume(id), 0), plain(kind, Some("old")));
            }
            if is_used {
                state.open.insert(format!("open{id}"), id);
            }
        }
        Holds::Member => {
            state
                .lying
                .insert(at.clone(), plain("linux_raid_member", Some("any:data")));
            members.push(at);
        }
    }
}

fn table(medium: &Medium, disk: u8, parts: &[(u32, Part)]) -> Table {
    let guid = |number: u32| Guid::from_random([0x10 * (disk + 1) + u8::try_from(number).unwrap(); 16]);
    let mut table = Table::new(guid(0), Bytes(64 * MIB), medium.sector).unwrap();
    let mib = MIB / medium.sector.bytes();
    let mut free = mib;
    for (number, part) in parts {
        let first = free + part.gap * 512 / medium.sector.bytes();
        let last = first + part.mib * mib - 1;
        let entry = Entry {
            type_guid: Guid::LINUX_FILESYSTEM,
            guid: guid(*number),
            first: Lba(first),
            last: Lba(last),
            attributes: 1 << 60,
            label: part.label.parse().unwrap(),
            extra: Vec::new(),
        };
        table.entries.insert(*number, entry);
        free = last + 1;
    }
    table
}

/// A machine with two disks, whose members make one array that runs or not.
pub(super) fn machine() -> impl Strategy<Value = State> {
    let array = (
        select(&["raid1", "raid0"][..]),
        any::<bool>(),
        holds(),
        weighted(0.15, Just(())),
    );
    (medium(), medium(), array).prop_map(|(first, second, (level, runs, holds, used))| {
        let mut state = State::default();
        let mut members = Vec::new();
        for (index, medium) in [first, second].iter().enumerate() {
            let (node, alias) = DISKS[index];
            let index = u8::try_from(index).unwrap();
            let space = Space::Disk(node.into());
            let table = medium.parts.as_ref().map(|parts| table(medium, index, parts));
            state.add_disk(node, alias, medium.sector, table);
            for (number, part) in medium.parts.iter().flatten() {
                let (start, _) = state.span(node.as_ref(), *number).unwrap();
                lay(
                    &mut state,
                    (space.clone(), start),
                    &part.holds,
                    part.is_used,
                    &mut members,
                );
            }
            if medium.parts.is_none() {
                lay(
                    &mut state,
                    (space, 0),
                    &medium.whole,
                    medium.is_used,
                    &mut members,
                );
            }
        }
        if members.len() > 1 {
            let id = state.next();
            for at in &members {
                state.lying.get_mut(at).unwrap().leads_to = Some(id);
            }
            let array = Array {
                name: "data".to_owned(),
                level: level.to_owned(),
                uuid: "5d6c1f0e9a4b7c3321d8e0f4a6b79c12".to_owned(),
                members,
                spares: 0,
            };
            state.arrays.insert(id, array);
            let inside = if matches!(holds, Holds::Member) {
                &Holds::Nothing
            } else {
                &holds
            };
            lay(
                &mut state,
                (Space::Array(id), 0),
                inside,
                used.is_some() && runs,
                &mut Vec::new(),
            );
            if runs {
                state.running.insert(id, array_node(id));
            }
        }
        state
    })
}
