//! What becomes of each configured array: kept, made, or refused. The table stands in docs/semantics.md
//! (engine.md 4.4.4, and decision 12 for what is different).

use std::path::PathBuf;

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::types::Raid;

use super::places::{self, Place, array_node};
use super::{Planner, in_words};
use crate::inventory::disks::Content;
use crate::inventory::stack::{RunningArray, User, plain_uuid};
use crate::invocation::{Invocation, Program};
use crate::plan::step::{Erased, Member};
use crate::plan::{Conflict, Step};

/// What happens to one array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs as configured.
    Keep,
    /// It is made of members without any signature.
    Make,
    /// What the members hold is erased first.
    EraseAndMake,
    /// The members hold something that nobody allowed us to erase.
    Refuse,
}

/// What all members together hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// No signature anywhere.
    Nothing,
    /// The array as configured, running.
    Configured,
    /// What an interrupted run of this provisioning left.
    Unfinished,
    /// Anything else.
    Other,
}

/// Decides one array. `may_wipe` says that everything on its members may go.
pub(super) fn decide(holds: Holds, may_wipe: bool) -> Decision {
    match (holds, may_wipe) {
        (Holds::Nothing, _) => Decision::Make,
        (Holds::Configured, _) => Decision::Keep,
        (Holds::Unfinished, _) | (Holds::Other, true) => Decision::EraseAndMake,
        (Holds::Other, false) => Decision::Refuse,
    }
}

/// One member as it is now.
struct Found {
    device: String,
    place: Place,
    content: Content,
    user: Option<User>,
    /// Of this provisioning's own, cut short.
    ours: bool,
    may_wipe: bool,
}

impl Planner<'_> {
    /// Decides every array, and adds its steps.
    pub(super) fn plan_arrays(&mut self) {
        let config = self.config;
        for (index, want) in config.storage.raid.iter().enumerate() {
            let pointer = format!("/storage/raid/{index}");
            let members = self.members(want);
            let holds = self.holds(want, &members);
            let may_wipe = members
                .iter()
                .all(|member| member.content == Content::Blank || member.ours || member.may_wipe);
            let decision = decide(holds, may_wipe);
            self.arrays.insert(want.name.clone(), decision);
            match decision {
                Decision::Keep => {
                    let conflicts = self.resized_members(want, &pointer, &members);
                    self.conflicts.extend(conflicts);
                    let device = array_node(&want.name);
                    self.plan.push(&pointer, Step::KeepArray { device });
                }
                Decision::Make | Decision::EraseAndMake => self.make_array(want, &pointer, &members),
                Decision::Refuse => {
                    let conflicts = self.refuse_array(want, &pointer, &members);
                    self.conflicts.extend(conflicts);
                }
            }
        }
    }

    fn members(&self, want: &Raid) -> Vec<Found> {
        let found = want.devices.iter().filter_map(|device| {
            let place = self.layout.places.get(device)?;
            let held = self.held(device);
            Some(Found {
                device: device.clone(),
                place: place.clone(),
                user: self.user(place, &held),
                content: held.content,
                // Only the mark says so. The UUID alone may be that of an array that has been in use for years.
                ours: self.is_unfinished(place),
                may_wipe: places::may_wipe(place, &self.by_name, &self.layout),
            })
        });
        found.collect()
    }

    fn holds(&self, want: &Raid, members: &[Found]) -> Holds {
        let marked = members.iter().any(|member| member.ours);
        let new = members
            .iter()
            .any(|member| places::is_new(&member.place, &self.layout));
        // Marks come off disk by disk, and the first one only once everything is complete.
        let is_complete = !marked || members.iter().any(|member| self.has_no_mark(&member.place));
        let running = self
            .observed
            .arrays
            .get(&want.name)
            .filter(|_| !new && is_complete);
        let nodes = members.iter().map(|member| member.place.node()).into_set();
        if running.is_some_and(|running| differences(want, running, &nodes).is_empty()) {
            Holds::Configured
        } else if members.iter().all(|member| member.content == Content::Blank) {
            Holds::Nothing
        } else if members
            .iter()
            .all(|member| member.ours || member.content == Content::Blank)
        {
            Holds::Unfinished
        } else {
            Holds::Other
        }
    }

    fn make_array(&mut self, want: &Raid, pointer: &str, members: &[Found]) {
        for member in members {
            let Some(user) = &member.user else { continue };
            if user.stack.is_empty() || !(member.ours || member.may_wipe) {
                self.conflicts.push(Conflict::new(
                    pointer,
                    "device-in-use",
                    format!(
                        "cannot make {} a member of the array {}: it is {user}",
                        member.device, want.name
                    ),
                    "describe the array as it is, or name another device",
                ));
            } else {
                self.taken_down.add(user);
            }
        }
        let uuid = (!sets_uuid(&want.options)).then(|| self.array_uuid(want, pointer));
        let nodes: Vec<PathBuf> = members.iter().map(|member| member.place.node()).collect();
        let node = array_node(&want.name);
        for member in members {
            self.changed.insert(member.place.node());
            self.mark(&member.place);
        }
        self.changed.insert(node.clone());
        self.plan.push(
            pointer,
            Step::CreateArray {
                device: node.clone(),
                node,
                members: members.iter().map(to_step).collect(),
                call: create(want, uuid.as_deref(), &nodes),
            },
        );
    }

    /// Members of an array that is kept stay as they are: what makes a partition a member may lie at its end. Of an array
    /// that was not started when the table was planned, nobody told that it uses them.
    fn resized_members(&self, want: &Raid, pointer: &str, members: &[Found]) -> Vec<Conflict> {
        let resized = members
            .iter()
            .filter(|member| places::is_resized(&member.place, &self.layout));
        resized
            .map(|member| {
                let (device, name) = (&member.device, &want.name);
                Conflict::new(
                    pointer,
                    "partition-in-use",
                    format!("cannot change the size of {device}: it is a member of the array {name}"),
                    "describe the partition as it is",
                )
            })
            .collect()
    }

    fn refuse_array(&self, want: &Raid, pointer: &str, members: &[Found]) -> Vec<Conflict> {
        let nodes: OrderedSet<PathBuf> = members.iter().map(|member| member.place.node()).into_set();
        let name = &want.name;
        let next = "set wipeTable or wipePartitionEntry for the members if the data may go, or correct the config to \
                    describe what is there";
        if let Some(running) = self.observed.arrays.get(name).filter(|running| {
            let there: OrderedSet<PathBuf> = running.active.iter().chain(&running.spares).cloned().into_set();
            nodes.is_subset(&there) || there.is_subset(&nodes)
        }) {
            let node = running.node.display();
            let differences = differences(want, running, &nodes);
            let what = if differences.is_empty() {
                format!("{name}: {node} may be incomplete: a run that made it was cut short")
            } else {
                format!("{name}: {node} is there, and differs: {}", differences.join(", "))
            };
            return vec![Conflict::new(pointer, "array-differs", what, next)];
        }
        let foreign = members
            .iter()
            .filter(|member| member.content != Content::Blank && !member.ours && !member.may_wipe);
        foreign
            .map(|member| {
                let why = match &member.content {
                    content if is_member(content) => {
                        "is a member of an array that does not run as configured".to_owned()
                    }
                    content => format!("holds {}", in_words(content)),
                };
                let what = format!("{name}: the member {} {why}", member.device);
                Conflict::new(pointer, "array-differs", what, next)
            })
            .collect()
    }

    /// The UUID that this provisioning gives the array; 32 hex digits.
    fn array_uuid(&self, want: &Raid, pointer: &str) -> String {
        let medium = places::medium(&Place::Array(want.name.clone()), &self.by_name, &self.layout);
        plain_uuid(&self.known.seed.derive_uuid(&medium, pointer))
    }
}

/// blkid's name for what a member carries.
const MEMBER: &str = "linux_raid_member";

/// Whether a place holds what makes it a member of an array.
pub(super) fn is_member(content: &Content) -> bool {
    matches!(content, Content::Known(known) if known.kind == MEMBER)
}

fn to_step(member: &Found) -> Member {
    Member {
        device: PathBuf::from(&member.device),
        node: member.place.node(),
        erase: (member.content != Content::Blank).then(|| Erased {
            found: in_words(&member.content),
            unfinished: member.ours,
        }),
    }
}

/// The one name of a level that has several (mdadm(8), `--level`).
fn level(name: &str) -> &str {
    match name {
        "0" | "stripe" => "raid0",
        "1" | "mirror" => "raid1",
        "4" => "raid4",
        "5" => "raid5",
        "6" => "raid6",
        "10" => "raid10",
        other => other,
    }
}

/// How a running array differs from what the config asks, in words.
fn differences(want: &Raid, running: &RunningArray, nodes: &OrderedSet<PathBuf>) -> Vec<String> {
    let mut found = Vec::new();
    let asked = level(want.level.as_deref().unwrap_or_default());
    if level(&running.level) != asked {
        found.push(format!("its level is {}, not {asked}", running.level));
    }
    let spares = spares(want);
    let devices = want.devices.len().saturating_sub(spares);
    if usize::try_from(running.raid_devices).ok() != Some(devices) {
        found.push(format!("it has {} devices, not {devices}", running.raid_devices));
    }
    let there: OrderedSet<PathBuf> = running.active.iter().chain(&running.spares).cloned().into_set();
    let list = |nodes: &mut dyn Iterator<Item = &PathBuf>| {
        let names: Vec<String> = nodes.map(|node| node.display().to_string()).collect();
        names.join(" and ")
    };
    if there != *nodes {
        let (lacks, has) = (
            list(&mut nodes.difference(&there)),
            list(&mut there.difference(nodes)),
        );
        found.extend((!lacks.is_empty()).then(|| format!("it lacks {lacks}")));
        found.extend((!has.is_empty()).then(|| format!("{has} belongs to it as well")));
    } else if running.spares.len() != spares {
        found.push(format!("it has {} spares, not {spares}", running.spares.len()));
    }
    let name = own_name(&want.name);
    if let Some(other) = running.name.as_deref().filter(|other| *other != name) {
        found.push(format!("its name is {other}, not {name}"));
    }
    found
}

/// The name in the metadata of an array that is created as `NAME`: what mdadm makes of a path.
fn own_name(name: &str) -> &str {
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.strip_prefix("md") {
        Some(number) if name.starts_with("/dev/") && number.parse::<u32>().is_ok() => number,
        _ => last,
    }
}

fn spares(want: &Raid) -> usize {
    want.spares
        .and_then(|spares| usize::try_from(spares).ok())
        .unwrap_or(0)
}

fn sets_uuid(options: &[String]) -> bool {
    options
        .iter()
        .any(|option| option.starts_with("--uuid") || option.starts_with("-u"))
}

/// The call that makes the array, with the reference's arguments in the reference's order, and a UUID.
fn create(want: &Raid, uuid: Option<&str>, members: &[PathBuf]) -> Invocation {
    let spares = spares(want);
    let devices = want.devices.len().saturating_sub(spares);
    Invocation::new(Program::Mdadm)
        .args(["--create", &want.name, "--force", "--run", "--homehost", "any"])
        .args(["--level", want.level.as_deref().unwrap_or_default()])
        .args(["--raid-devices", &devices.to_string()])
        .option("--spare-devices", (spares > 0).then(|| spares.to_string()))
        .derived("--uuid", uuid, "UUID")
        .args(&want.options)
        .args(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_decides_an_array_as_the_code_does() {
        let rows = crate::plan::page::table("## RAID arrays");
        assert_eq!(rows.len(), 5);
        for (holds, word) in [
            (Holds::Nothing, "nothing"),
            (Holds::Configured, "the array as configured, running"),
            (Holds::Unfinished, "what an interrupted run left, or nothing"),
            (Holds::Other, "anything else"),
        ] {
            for may_wipe in [false, true] {
                let may = if may_wipe { "yes" } else { "no" };
                let covers = |row: &&Vec<&str>| row[0] == word && (row[1] == "any" || row[1] == may);
                let matching: Vec<_> = rows.iter().filter(covers).collect();
                let [row] = matching[..] else {
                    panic!("{word}, {may} is covered by {} rows", matching.len());
                };
                let expected = match decide(holds, may_wipe) {
                    Decision::Keep => "kept",
                    Decision::Make => "made",
                    Decision::EraseAndMake => "erased, then made",
                    Decision::Refuse => "refused: `array-differs`",
                };
                assert_eq!(row[2], expected, "{word}, {may}");
            }
        }
    }

    #[test]
    fn the_call_that_makes_an_array() {
        let want = Raid {
            name: "data".into(),
            level: Some("raid5".into()),
            devices: ["/dev/a", "/dev/b", "/dev/c", "/dev/d"].map(str::to_owned).into(),
            spares: Some(1),
            options: vec!["--chunk=64".into()],
        };
        let nodes: Vec<PathBuf> = want.devices.iter().map(PathBuf::from).collect();
        assert_eq!(
            create(&want, Some("12"), &nodes).to_string(),
            "mdadm --create data --force --run --homehost any --level raid5 --raid-devices 3 --spare-devices 1 \
             --uuid 12 --chunk=64 /dev/a /dev/b /dev/c /dev/d"
        );
    }

    #[test]
    fn names_as_mdadm_stores_them() {
        for (name, expected) in [
            ("data", "data"),
            ("/dev/md/data", "data"),
            ("/dev/md7", "7"),
            ("md7", "md7"),
            ("/dev/mdx", "mdx"),
        ] {
            assert_eq!(own_name(name), expected, "{name}");
        }
    }
}
