//! What becomes of each encrypted volume: kept, made, or refused. The table stands in docs/semantics.md
//! (engine.md 4.4.5, and decision 12 for what is different).

mod calls;

use std::path::PathBuf;

use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::types::Luks;

use calls::{calls, flags, with_flags};
pub use calls::{finish, open, secure_key, try_key, unlock};

use super::places::{self, Place, volume_node};
use super::{Planner, in_words};
use crate::identity::{Seed, hex};
use crate::inventory::disks::{Content, Held, Signature};
use crate::invocation::{Invocation, Program};
use crate::plan::step::{Erased, Unlock};
use crate::plan::volumes::{UNFINISHED, unwritable_names};
use crate::plan::{Conflict, Step};

/// What happens to one volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is there, and is opened.
    Keep(Unlock),
    /// It is made on a device without any signature.
    Make,
    /// What is there is erased first.
    EraseAndMake,
    /// Something is there that nobody allowed us to erase.
    Refuse(String),
}

/// What the device holds, seen from one volume of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// No signature.
    Nothing,
    /// A volume of this provisioning whose key is not stored yet, or a partition that carries its mark.
    Unfinished,
    /// The same, but an earlier run of this boot came to its end and handed the key over.
    HandedOver,
    /// A complete volume that this provisioning made and bound; what opens it.
    Bound(Unlock),
    /// The volume of this config, complete: its key was drawn, and is in the target.
    Stored,
    /// A volume that agrees with the config, and whose key there is.
    Agreeing,
    /// A volume that does not, or whose key nobody has: why.
    Differing(String),
    /// Anything else: what.
    Other(String),
}

/// Decides one volume.
pub(super) fn decide(holds: Holds, may_wipe: bool) -> Decision {
    match (holds, may_wipe) {
        (Holds::Nothing, _) => Decision::Make,
        (Holds::HandedOver, false) => Decision::Keep(Unlock::Key),
        (Holds::Bound(unlock), false) => Decision::Keep(unlock),
        (Holds::Stored, false) => Decision::Keep(Unlock::Stored),
        (Holds::Agreeing, false) => Decision::Keep(Unlock::Key),
        (Holds::Differing(why) | Holds::Other(why), false) => Decision::Refuse(why),
        (Holds::Unfinished, _) | (_, true) => Decision::EraseAndMake,
    }
}

/// What a probe of the volume tells besides its signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The flags that its header asks every boot to open it with: `allow-discards`, …
    pub flags: OrderedSet<String>,
    /// An earlier run of this boot left a key in the state, and it opens the volume.
    pub handed_over: bool,
    /// Why its header cannot be read: torn by a run that was cut short, or damaged since.
    pub unreadable: Option<String>,
}

impl Planner<'_> {
    /// Decides every volume, and adds its steps.
    pub(super) fn plan_volumes(&mut self) {
        let config = self.config;
        self.conflicts.extend(unwritable_names(config));
        for (index, want) in config.storage.luks.iter().enumerate() {
            let pointer = format!("/storage/luks/{index}");
            let Some((device, place)) = self.device_of(want) else {
                continue;
            };
            let Some(held) = self.held_now(&device, &place) else {
                continue;
            };
            let holds = self.volume_holds(want, &pointer, &place, &held.content);
            let may_wipe = want.wipe_volume == Some(true) || places::is_wiped(&place, &self.layout);
            let decision = decide(holds, may_wipe);
            self.volumes.insert(want.name.clone(), decision.clone());
            match &decision {
                Decision::Keep(unlock) => self.plan.push(
                    &pointer,
                    Step::KeepVolume {
                        name: want.name.clone(),
                        device: PathBuf::from(&device),
                        unlock: *unlock,
                        refresh: self.refresh(want, *unlock),
                    },
                ),
                Decision::Make | Decision::EraseAndMake => {
                    self.make_volume(want, &pointer, (&device, &place), &held, decision == Decision::EraseAndMake);
                }
                Decision::Refuse(why) => self.conflicts.push(Conflict::new(
                    &pointer,
                    "volume-differs",
                    format!("{device}: {why}"),
                    "set wipeVolume to true if the data may go, or correct the config to describe what is there",
                )),
            }
        }
    }

    /// The call that stores other flags in the header of a volume that is kept.
    fn refresh(&self, want: &Luks, unlock: Unlock) -> Option<Invocation> {
        let stored = self.observed.volumes.get(&want.name).map(|facts| &facts.flags)?;
        let call = Invocation::new(Program::Cryptsetup).args(["refresh", &want.name, "--key-file"]);
        let differs = unlock == Unlock::Key && *stored != flags(want);
        differs.then(|| with_flags(call.key().arg("--persistent"), want))
    }

    fn device_of(&self, want: &Luks) -> Option<(String, Place)> {
        let device = want.device.clone()?;
        let place = self.layout.places.get(&device)?.clone();
        Some((device, place))
    }

    fn volume_holds(&self, want: &Luks, pointer: &str, place: &Place, content: &Content) -> Holds {
        let found = match content {
            Content::Blank => return Holds::Nothing,
            _ if self.is_unfinished(place) => return Holds::Unfinished,
            Content::Known(found) if found.kind == "crypto_LUKS" => found,
            content => return Holds::Other(format!("it holds {}", in_words(content))),
        };
        let facts = self.observed.volumes.get(&want.name).cloned().unwrap_or_default();
        let medium = places::medium(&Place::Volume(want.name.clone()), &self.by_name, &self.layout);
        let own = Own::new(self.known.seed, &medium, pointer);
        if found.subsystem.as_deref() == Some(own.mark.as_str()) {
            return if facts.handed_over {
                Holds::HandedOver
            } else {
                Holds::Unfinished
            };
        }
        if let Some(why) = &facts.unreadable {
            return Holds::Differing(format!(
                "it holds a LUKS volume whose header cannot be read: {why}"
            ));
        }
        if places::is_new(place, &self.layout) {
            let why = "it will lie where a LUKS volume is, on a partition that this run makes anew: it cannot be opened";
            return Holds::Differing(why.to_owned());
        }
        if want.clevis.is_used() && open_uuid(want) && found.uuid.as_deref() == Some(own.uuid.as_str()) {
            let is_given = has_key(want);
            return Holds::Bound(if is_given { Unlock::Key } else { Unlock::Clevis });
        }
        if is_own(want, found, &own.uuid) {
            return if uses_card(want) {
                Holds::Agreeing
            } else {
                Holds::Stored
            };
        }
        match volume_difference(want, found, &facts) {
            None => Holds::Agreeing,
            Some(why) => Holds::Differing(why),
        }
    }

    fn make_volume(&mut self, want: &Luks, pointer: &str, at: (&str, &Place), held: &Held, erases: bool) {
        let (device, place) = at;
        let unfinished = want.wipe_volume != Some(true);
        if let Some(user) = self.user(place, held) {
            if user.stack.is_empty() || !erases {
                self.conflicts.push(Conflict::new(
                    pointer,
                    "device-in-use",
                    format!("cannot make the volume {} on {device}: it is {user}", want.name),
                    "describe the volume as it is, or name another device",
                ));
            } else {
                self.taken_down.add(&user);
            }
        }
        if let Some(mapping) = self.observed.mappings.get(&want.name)
            && !self.taken_down.has(&mapping.node)
        {
            self.conflicts.push(Conflict::new(
                pointer,
                "volume-name-taken",
                format!(
                    "cannot open the volume {}: {} has that name, and is made of another device",
                    want.name,
                    mapping.node.display()
                ),
                "give the volume another name, or close what has this one",
            ));
        }
        if uses_card(want) && self.observed.card_queues.is_empty() {
            self.conflicts.push(Conflict::new(
                format!("{pointer}/cex"),
                "crypto-card-missing",
                format!(
                    "the volume {} wants a crypto card, and no queue of one is in CCA mode here",
                    want.name
                ),
                "give the machine a crypto card in CCA coprocessor mode, or leave cex out",
            ));
        }
        let medium = places::medium(&Place::Volume(want.name.clone()), &self.by_name, &self.layout);
        let own = Own::new(self.known.seed, &medium, pointer);
        let node = place.node();
        self.changed.insert(node.clone());
        self.changed.insert(volume_node(&want.name));
        if unfinished {
            self.mark(place);
        }
        let mark = (!sets(&want.options, "--subsystem", None)).then_some(own.mark.as_str());
        self.plan.push(
            pointer,
            Step::FormatVolume {
                name: want.name.clone(),
                device: PathBuf::from(device),
                node: node.clone(),
                erase: erases.then(|| Erased {
                    found: in_words(&held.content),
                    unfinished,
                }),
                calls: calls(want, &node, &own.uuid, mark, &self.observed.card_queues),
            },
        );
        // The key of a volume that nothing else unlocks must be stored first: that is the files stage's to say.
        if mark.is_some() && (want.clevis.is_used() || has_key(want)) {
            self.finished.push((
                pointer.to_owned(),
                Step::FinishVolume {
                    device: PathBuf::from(device),
                    stored: OrderedSet::new(),
                    call: finish(want.label.as_deref(), &node),
                },
            ));
        }
    }
}

/// What is this provisioning's own about a volume.
struct Own {
    /// Its UUID, where the config leaves it open.
    uuid: String,
    /// The mark in its header until its key is stored: atomic with the header, gone with it. 41 bytes of the 47 there are.
    mark: String,
}

impl Own {
    fn new(seed: &Seed, medium: &str, pointer: &str) -> Self {
        Self {
            uuid: seed.derive_uuid(medium, pointer),
            mark: format!(
                "{UNFINISHED}{}",
                hex(&seed.derive(medium, &format!("{pointer}/unfinished")))
            ),
        }
    }
}

/// Whether the config gives the key.
#[must_use]
pub fn has_key(want: &Luks) -> bool {
    want.key_file
        .source
        .as_deref()
        .is_some_and(|source| !source.is_empty())
}

/// Whether a crypto card protects the key.
#[must_use]
pub fn uses_card(want: &Luks) -> bool {
    want.cex.enabled == Some(true)
}

fn open_uuid(want: &Luks) -> bool {
    want.uuid.as_deref().is_none_or(str::is_empty) && !sets(&want.options, "--uuid", None)
}

fn sets(options: &[String], long: &str, short: Option<&str>) -> bool {
    options
        .iter()
        .any(|option| option.starts_with(long) || short.is_some_and(|short| option.starts_with(short)))
}

/// Whether a volume without a mark is the very one that this config makes with a key of its own. The mark comes off once
/// that key is in the target: after a power cut between that and the end of the first boot nobody has it here.
fn is_own(want: &Luks, found: &Signature, own_uuid: &str) -> bool {
    let given = want.uuid.as_deref().filter(|uuid| !uuid.is_empty());
    let uuid = given.or(open_uuid(want).then_some(own_uuid));
    let is_drawn = !has_key(want) && !want.clevis.is_used();
    is_drawn && found.version.as_deref() != Some("1") && uuid.is_some() && found.uuid.as_deref() == uuid
}

/// Why a LUKS volume cannot be reused, or `None` (engine.md 4.4.5, "Reuse conditions").
fn volume_difference(want: &Luks, found: &Signature, facts: &Facts) -> Option<String> {
    let named = |value: Option<&str>| value.map_or("none".to_owned(), |value| format!("{value:?}"));
    let wanted = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let allows_discards = facts.flags.contains("allow-discards");
    if found.version.as_deref() == Some("1") {
        return Some("it holds a LUKS volume of version 1; only version 2 can be reused".to_owned());
    }
    if want.clevis.is_used() {
        return Some("it holds a LUKS volume, and one with clevis is never reused".to_owned());
    }
    if !has_key(want) {
        return Some("it holds a LUKS volume, and the config gives no key that could open it".to_owned());
    }
    match (wanted(&want.label), wanted(&want.uuid)) {
        (Some(label), _) if !found.has_label(&label) => Some(format!(
            "it holds a LUKS volume with the label {}, and the config asks for {label:?}",
            named(found.label.as_deref())
        )),
        (_, Some(uuid)) if found.uuid.as_deref() != Some(&uuid) => Some(format!(
            "it holds a LUKS volume with the UUID {}, and the config asks for {uuid}",
            found.uuid.as_deref().unwrap_or("none")
        )),
        _ if allows_discards != (want.discard == Some(true)) => Some(format!(
            "it holds a LUKS volume that {} discards, and the config asks for the opposite",
            if allows_discards {
                "allows"
            } else {
                "does not allow"
            }
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
