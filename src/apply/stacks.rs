//! Arrays and encrypted volumes: what is in their way is taken down, then they are made, one after the other.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;

use super::{ApplyError, Host, Outcome, disks};
use crate::host::machine;
use crate::inventory::stack::{StackKind, Stacked};
use crate::invocation::{Invocation, Program};
use crate::plan::step::Member;

/// Stops arrays and removes mappings, top first, and erases what would bring them back: udev assembles an array as soon
/// as it sees a member.
pub(super) fn take_down(
    host: &Host<'_>,
    stack: &[Stacked],
    erase: &OrderedSet<PathBuf>,
) -> Result<Outcome, ApplyError> {
    let erased: Vec<PathBuf> = erase.iter().cloned().collect();
    let _locks = host.devices.lock(&erased)?;
    for stacked in stack {
        // Taking down what stands on it may have taken it along, as the last volume of a group does.
        if !host.devices.is_there(&stacked.node) {
            continue;
        }
        let call = match stacked.kind {
            StackKind::Array => stop(&stacked.node),
            StackKind::Mapping => {
                Invocation::new(Program::Dmsetup).args(["remove", "--retry", &stacked.name])
            }
        };
        host.processes.run(&call)?;
    }
    for node in erase {
        disks::erase(host, node)?;
    }
    Ok(Outcome::Changed)
}

/// The call that stops an array.
pub(super) fn stop(node: &Path) -> Invocation {
    Invocation::new(Program::Mdadm).arg("--stop").arg(node)
}

/// Makes an array of members without signatures, and waits for its node.
pub(super) fn create_array(
    host: &Host<'_>,
    node: &Path,
    members: &[Member],
    call: &Invocation,
) -> Result<Outcome, ApplyError> {
    let nodes: Vec<PathBuf> = members.iter().map(|member| member.node.clone()).collect();
    let locks = host.devices.lock(&nodes)?;
    for member in members.iter().filter(|member| member.erase.is_some()) {
        disks::erase(host, &member.node)?;
    }
    host.processes.run(call)?;
    drop(locks);
    host.devices.wait_for(&[node.to_owned()])?;
    // What the members held further in can show through a new array.
    disks::wipe(host, node)
}

/// Where secure keys of crypto cards are kept.
const SECURE_KEYS: &str = "/etc/zkey/repository";

/// Makes a volume, opens it, and has it bound.
pub(super) fn format_volume(
    host: &Host<'_>,
    name: &str,
    node: &Path,
    erases: bool,
    calls: &[Invocation],
) -> Result<Outcome, ApplyError> {
    if erases {
        disks::wipe(host, node)?;
    }
    if calls.iter().any(|call| call.program == Program::Zkey) {
        machine::private_dir(Path::new(SECURE_KEYS)).map_err(|source| ApplyError::Write {
            path: SECURE_KEYS.into(),
            source,
        })?;
    }
    let key = host.keys.get(name);
    for call in calls {
        host.processes.run(&call.with_key(key))?;
    }
    Ok(Outcome::Changed)
}
