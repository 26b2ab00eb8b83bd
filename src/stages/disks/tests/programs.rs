//! The programs of that machine, as far as the stage calls them.

use std::fmt::Write;
use std::path::Path;

use kindling_config_spec::order::OrderedSet;

use super::machine::{Address, Array, Header, Lying, Machine, Space, State, array_node};
use crate::gpt::Found;
use crate::host::process::{Output, ProcessError, Processes};
use crate::inventory::disks::Signature;
use crate::inventory::stack::plain_uuid;
use crate::invocation::{Invocation, Program};

/// What a program comes to: its status, and what it says.
type Answer = (i32, String);

const DONE: Answer = (0, String::new());
const FAILED: Answer = (1, String::new());

impl Processes for Machine {
    fn is_installed(&self, _program: Program) -> bool {
        true
    }

    fn status(&self, call: &Invocation) -> Result<Output, ProcessError> {
        let args: Vec<String> = call
            .args
            .iter()
            .map(|arg| arg.expose().to_string_lossy().into_owned())
            .collect();
        let key = call
            .key
            .as_ref()
            .map(|key| key.expose().to_vec())
            .unwrap_or_default();
        let run = Run {
            machine: self,
            text: call.to_string(),
            args,
            key,
        };
        let mut state = self.state();
        if run.changes(call.program) && state.is_dark() {
            return Err(ProcessError::Killed {
                program: call.program,
                signal: 9,
                stderr: String::new(),
            });
        }
        let (status, stdout) = run.answer(call.program, &mut state);
        if status != 0 && run.changes(call.program) {
            state.faults.push(format!("fails: {call}"));
        }
        Ok(Output {
            status,
            stdout: stdout.into_bytes(),
            stderr: String::new(),
        })
    }
}

struct Run<'a> {
    machine: &'a Machine,
    text: String,
    args: Vec<String>,
    key: Vec<u8>,
}

impl Run<'_> {
    /// Whether the call changes the machine, beside what it shows of itself.
    fn changes(&self, program: Program) -> bool {
        match program {
            Program::Blkid => false,
            Program::Mdadm => self.args[0] == "--create" || self.args[0] == "--stop",
            Program::Cryptsetup => !["open", "luksOpen", "luksDump"].contains(&self.args[0].as_str()),
            Program::Clevis => self.args[1] == "bind",
            Program::Dmsetup => self.args[0] != "info",
            _ => true,
        }
    }

    fn value(&self, option: &str) -> Option<String> {
        let at = self.args.iter().position(|arg| arg == option)?;
        self.args.get(at + 1).filter(|value| !value.is_empty()).cloned()
    }

    fn last(&self) -> &Path {
        Path::new(self.args.last().expect("every call ends with a node"))
    }

    fn answer(&self, program: Program, state: &mut State) -> Answer {
        match program {
            Program::Blkid => self.blkid(state),
            Program::Wipefs => self.wipe(state),
            Program::Mdadm => self.mdadm(state),
            Program::Cryptsetup => self.cryptsetup(state),
            Program::Clevis => self.clevis(state),
            // Every mapping that is there has a table.
            Program::Dmsetup if self.args[0] == "info" => FAILED,
            Program::Dmsetup => self.close(state, self.args.last().map(String::as_str)),
            Program::MkfsBtrfs => self.mkfs(state, "btrfs", "-U", "-L"),
            Program::MkfsExt4 => self.mkfs(state, "ext4", "-U", "-L"),
            Program::MkfsXfs => self.mkfs(state, "xfs", "-m", "-L"),
            Program::MkfsFat => self.mkfs(state, "vfat", "-i", "-n"),
            Program::Mkswap => self.mkfs(state, "swap", "-U", "-L"),
            other => panic!("{other} is no program of this stage"),
        }
    }

    fn blkid(&self, state: &State) -> Answer {
        let Some(((space, start), _)) = state.at(self.last()) else {
            return (4, String::new());
        };
        let offset: u64 = self.value("--offset").map_or(0, |offset| offset.parse().unwrap());
        let is_disk = self.value("--offset").is_none() && start == 0;
        if let Space::Disk(disk) = &space
            && is_disk
            && matches!(state.disks[disk].found, Found::Gpt { .. })
        {
            return (0, "PTTYPE=gpt\n".to_owned());
        }
        let Some(Lying { signature, .. }) = state.lying.get(&(space, start + offset)) else {
            return (2, String::new());
        };
        let mut said = format!("TYPE={}\n", signature.kind);
        for (name, value) in [
            ("LABEL", &signature.label),
            ("UUID", &signature.uuid),
            ("VERSION", &signature.version),
            ("SUBSYSTEM", &signature.subsystem),
        ] {
            if let Some(value) = value {
                writeln!(said, "{name}={value}").unwrap();
            }
        }
        (0, said)
    }

    /// Writes over what a node shows, which nobody may use meanwhile.
    fn take(&self, state: &mut State, node: &Path) -> Option<Address> {
        let Some((at, size)) = state.at(node) else {
            state
                .faults
                .push(format!("{}: {} is not there yet", self.text, node.display()));
            return None;
        };
        if let Some(user) = state.user(&at) {
            state
                .faults
                .push(format!("{}: {} is {user}", self.text, node.display()));
        }
        state.erase(&at, size, &self.machine.config, &self.text);
        Some(at)
    }

    fn wipe(&self, state: &mut State) -> Answer {
        let Some(at) = self.take(state, self.last()) else {
            return FAILED;
        };
        if let (Space::Disk(disk), 0) = at
            && let Some(disk) = state.disks.get_mut(&disk)
        {
            disk.found = Found::Blank;
        }
        DONE
    }

    fn put(state: &mut State, at: Address, signature: Signature, leads_to: Option<u32>) {
        let lying = Lying {
            signature,
            precious: false,
            leads_to,
        };
        state.lying.insert(at, lying);
    }

    fn mkfs(&self, state: &mut State, kind: &str, uuid: &str, label: &str) -> Answer {
        let Some((at, _)) = state.at(self.last()) else {
            return FAILED;
        };
        if state.lying.contains_key(&at) {
            state.faults.push(format!("{}: it is not blank", self.text));
        }
        let Some(at) = self.take(state, self.last()) else {
            return FAILED;
        };
        let uuid = self
            .value(uuid)
            .map(|uuid| uuid.trim_start_matches("uuid=").to_owned());
        let signature = Signature {
            kind: kind.to_owned(),
            label: self.value(label),
            uuid,
            ..Signature::default()
        };
        Self::put(state, at, signature, None);
        DONE
    }

    fn mdadm(&self, state: &mut State) -> Answer {
        match self.args[0].as_str() {
            "--detail" => self.detail(state),
            "--create" => self.create(state),
            "--stop" => {
                let node = Path::new(&self.args[1]);
                let Some((at @ (Space::Array(id), _), _)) = state.at(node) else {
                    return FAILED;
                };
                if state.user(&at).is_some() {
                    return FAILED;
                }
                state.running.remove(&id);
                DONE
            }
            "--assemble" => {
                let members: OrderedSet<Address> = self.args[4..]
                    .iter()
                    .filter_map(|node| Some(state.at(Path::new(node))?.0))
                    .collect();
                let leads = |at: &Address| state.lying.get(at).and_then(|lying| lying.leads_to);
                let ids: OrderedSet<Option<u32>> = members.iter().map(leads).collect();
                let Some(id) = ids.first().copied().flatten().filter(|_| ids.len() == 1) else {
                    return FAILED;
                };
                let is_whole = |array: &Array| array.members.iter().all(|at| members.contains(at));
                if !state.arrays.get(&id).is_some_and(is_whole) {
                    return FAILED;
                }
                state.running.insert(id, array_node(id));
                DONE
            }
            other => panic!("mdadm {other}"),
        }
    }

    fn detail(&self, state: &State) -> Answer {
        let Some(((Space::Array(id), _), _)) = state.at(self.last()) else {
            return FAILED;
        };
        let Array {
            name,
            level,
            uuid,
            members,
            spares,
        } = &state.arrays[&id];
        let devices = members.len() - spares;
        let mut said =
            format!("MD_LEVEL={level}\nMD_DEVICES={devices}\nMD_UUID={uuid}\nMD_NAME=any:{name}\n");
        for (role, at) in members.iter().enumerate() {
            let nodes = state.disks.keys().flat_map(|disk| {
                let table = state.table(disk).into_iter();
                let numbers = table.flat_map(|table| table.entries.keys());
                numbers
                    .map(|number| crate::plan::place::partition_name(disk, *number))
                    .chain([disk.clone()])
            });
            let Some(node) = nodes
                .into_iter()
                .find(|node| state.at(node).is_some_and(|(there, _)| there == *at))
            else {
                continue;
            };
            let what = if role < devices {
                role.to_string()
            } else {
                "spare".to_owned()
            };
            writeln!(
                said,
                "MD_DEVICE_m{role}_ROLE={what}\nMD_DEVICE_m{role}_DEV={}",
                node.display()
            )
            .unwrap();
        }
        (0, said)
    }

    fn create(&self, state: &mut State) -> Answer {
        let count = |option: &str| {
            self.value(option)
                .map_or(0, |value| value.parse::<usize>().unwrap())
        };
        let spares = count("--spare-devices");
        let nodes = &self.args[self.args.len() - count("--raid-devices") - spares..];
        let mut members = Vec::new();
        for node in nodes.iter().map(Path::new) {
            if state
                .at(node)
                .is_some_and(|(at, _)| state.lying.contains_key(&at))
            {
                state
                    .faults
                    .push(format!("{}: {} is not blank", self.text, node.display()));
            }
            let Some(at) = self.take(state, node) else {
                return FAILED;
            };
            members.push(at);
        }
        let (id, name) = (
            state.next(),
            self.args[1].rsplit('/').next().unwrap_or_default().to_owned(),
        );
        let uuid = plain_uuid(&self.value("--uuid").unwrap_or_default());
        for at in &members {
            let signature = Signature {
                kind: "linux_raid_member".to_owned(),
                label: Some(format!("any:{name}")),
                uuid: Some(uuid.clone()),
                ..Signature::default()
            };
            Self::put(state, at.clone(), signature, Some(id));
        }
        let level = self.value("--level").unwrap_or_default();
        let array = Array {
            name,
            level,
            uuid,
            members,
            spares,
        };
        state.arrays.insert(id, array);
        state.running.insert(id, array_node(id));
        DONE
    }

    /// The volume that lies on a node.
    fn volume(state: &State, node: &str) -> Option<u32> {
        let (at, _) = state.at(Path::new(node))?;
        let lying = state
            .lying
            .get(&at)
            .filter(|lying| lying.signature.kind == "crypto_LUKS")?;
        lying.leads_to
    }

    fn open(&self, state: &mut State, node: &str, name: &str) -> Answer {
        let Some(id) = Self::volume(state, node) else {
            return FAILED;
        };
        let fits = state
            .volumes
            .get(&id)
            .is_some_and(|header| header.keys.contains(&self.key));
        if !fits || state.open.contains_key(name) {
            return (2, String::new());
        }
        state.open.insert(name.to_owned(), id);
        if self.args.iter().any(|arg| arg == "--persistent") {
            self.set_flags(state, id);
        }
        DONE
    }

    fn set_flags(&self, state: &mut State, id: u32) {
        let allows = self.args.iter().any(|arg| arg == "--allow-discards");
        if let Some(header) = state.volumes.get_mut(&id) {
            header.flags = allows.then(|| "allow-discards".to_owned()).into_iter().collect();
        }
    }

    fn close(&self, state: &mut State, name: Option<&str>) -> Answer {
        let Some(id) = name.and_then(|name| state.open.get(name)).copied() else {
            return FAILED;
        };
        if state.user(&(Space::Volume(id), 0)).is_some() {
            return FAILED;
        }
        state.open.retain(|_, open| *open != id);
        DONE
    }

    fn cryptsetup(&self, state: &mut State) -> Answer {
        match self.args[0].as_str() {
            "luksFormat" => self.format(state),
            "luksOpen" => self.open(state, &self.args[1], &self.args[2]),
            "luksClose" => self.close(state, Some(&self.args[1])),
            "luksDump" => {
                let id = Self::volume(state, &self.args[2]);
                let Some(header) = id.and_then(|id| state.volumes.get(&id)) else {
                    return FAILED;
                };
                let flags: Vec<String> = header.flags.iter().map(|flag| format!("{flag:?}")).collect();
                (0, format!("{{\"config\":{{\"flags\":[{}]}}}}", flags.join(",")))
            }
            "open" => {
                let id = Self::volume(state, &self.args[2]);
                let header = id.and_then(|id| state.volumes.get(&id));
                let fits = header.is_some_and(|header| header.keys.contains(&self.key));
                if fits { DONE } else { (2, String::new()) }
            }
            "luksRemoveKey" => {
                let id = Self::volume(state, &self.args[1]);
                let header = id.and_then(|id| state.volumes.get_mut(&id));
                if header.is_some_and(|header| header.keys.remove(&self.key)) {
                    DONE
                } else {
                    FAILED
                }
            }
            "refresh" => {
                let Some(id) = state.open.get(&self.args[1]).copied() else {
                    return FAILED;
                };
                self.set_flags(state, id);
                DONE
            }
            "config" => {
                let Some((at, _)) = state.at(self.last()) else {
                    return FAILED;
                };
                let Some(lying) = state.lying.get_mut(&at) else {
                    return FAILED;
                };
                lying.signature.label = self.value("--label");
                lying.signature.subsystem = self.value("--subsystem");
                DONE
            }
            other => panic!("cryptsetup {other}"),
        }
    }

    fn format(&self, state: &mut State) -> Answer {
        let Some((at, _)) = state.at(self.last()) else {
            return FAILED;
        };
        if state.lying.contains_key(&at) {
            state.faults.push(format!("{}: it is not blank", self.text));
        }
        let Some(at) = self.take(state, self.last()) else {
            return FAILED;
        };
        let id = state.next();
        let header = Header {
            keys: [self.key.clone()].into(),
            ..Header::default()
        };
        state.volumes.insert(id, header);
        let signature = Signature {
            kind: "crypto_LUKS".to_owned(),
            label: self.value("--label"),
            uuid: self.value("--uuid"),
            version: Some("2".to_owned()),
            subsystem: self.value("--subsystem"),
        };
        Self::put(state, at, signature, Some(id));
        DONE
    }

    fn clevis(&self, state: &mut State) -> Answer {
        let node = self.value("-d").unwrap_or_default();
        let Some(id) = Self::volume(state, &node) else {
            return FAILED;
        };
        let Some(header) = state.volumes.get_mut(&id) else {
            return FAILED;
        };
        match self.value("-n") {
            None => header.clevis = header.keys.contains(&self.key),
            Some(name) if header.clevis && !state.open.contains_key(&name) => {
                state.open.insert(name, id);
            }
            Some(_) => return FAILED,
        }
        DONE
    }
}
