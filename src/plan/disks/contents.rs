//! The steps of the file systems; what becomes of each is decided in [`filesystems`].

use std::path::PathBuf;

use kindling_config_spec::types::Filesystem;

use super::places::{self, Place};
use super::{Planner, in_words};
use crate::inventory::disks::Held;
use crate::inventory::stack::User;
use crate::plan::filesystems::{self, Decision};
use crate::plan::step::{Erased, Format};
use crate::plan::{Conflict, Step};

impl Planner<'_> {
    /// Decides every file system, and adds its steps.
    pub(super) fn plan_filesystems(&mut self) {
        let config = self.config;
        for (index, want) in config.storage.filesystems.iter().enumerate() {
            let place = self.layout.places.get(&want.device).cloned();
            let (Some(format), Some(place)) = (filesystems::format_of(want), place) else {
                continue;
            };
            if self.observed.unseen.contains(&want.device) {
                continue;
            }
            let Some(held) = self.held_now(&want.device, &place) else {
                continue;
            };
            let pointer = format!("/storage/filesystems/{index}");
            let unfinished = self.is_unfinished(&place);
            let may_go = unfinished || places::is_wiped(&place, &self.layout);
            let decision = filesystems::decide(&held.content, want, format, may_go);
            if let Decision::Refuse(why) = &decision {
                self.conflicts.push(refusal(&pointer, want, why));
                continue;
            }
            let user = self.user(&place, &held).filter(|_| decision != Decision::Keep);
            if let Some(user) = user {
                // What may be erased may be taken down, as long as nobody uses it.
                if user.stack.is_empty() || decision != Decision::WipeAndMake {
                    self.conflicts.push(in_use(&pointer, want, &user));
                    continue;
                }
                self.taken_down.add(&user);
            }
            self.push_filesystem(&pointer, want, format, &place, &held, &decision);
        }
    }

    fn push_filesystem(
        &mut self,
        pointer: &str,
        want: &Filesystem,
        format: Format,
        place: &Place,
        held: &Held,
        decision: &Decision,
    ) {
        let (device, node) = (PathBuf::from(&want.device), place.node());
        if *decision == Decision::Keep {
            let format = filesystems::name(format).to_owned();
            self.plan.push(pointer, Step::KeepFilesystem { device, format });
            return;
        }
        let may_wipe = want.wipe_filesystem == Some(true);
        if *decision == Decision::WipeAndMake {
            let (device, node) = (device.clone(), node.clone());
            let erase = Erased {
                found: in_words(&held.content),
                unfinished: self.is_unfinished(place),
            };
            self.plan
                .push(pointer, Step::WipeSignatures { device, node, erase });
        }
        let medium = places::medium(place, &self.by_name, &self.layout);
        let derived = self.known.seed.derive_uuid(&medium, pointer);
        if let Some(call) = filesystems::mkfs(want, format, &node, &derived) {
            let node = node.clone();
            self.plan.push(
                pointer,
                Step::MakeFilesystem {
                    device,
                    node,
                    format,
                    call,
                },
            );
        }
        self.changed.insert(node);
        // Where the config lets us erase, a rerun may anyway; and a corrected config must not inherit the leave.
        if !may_wipe {
            self.mark(place);
        }
    }
}

fn in_use(pointer: &str, want: &Filesystem, user: &User) -> Conflict {
    Conflict::new(
        pointer,
        "device-in-use",
        format!("cannot make a file system on {}: it is {user}", want.device),
        "describe the file system as it is, or name another device",
    )
}

fn refusal(pointer: &str, want: &Filesystem, why: &str) -> Conflict {
    Conflict::new(
        pointer,
        "filesystem-differs",
        format!("{}: {why}", want.device),
        "set wipeFilesystem to true if the data may go, or correct the config to describe what is there",
    )
}
