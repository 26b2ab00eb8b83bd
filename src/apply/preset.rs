//! The preset file: lines are added that are not there yet, so that a second run adds none.

use std::path::Path;

use kindling_config_spec::units::{Bytes, Mode};

use super::{ApplyError, Host, Outcome};
use crate::host::sysroot::Access;
use crate::invocation::{Invocation, Program};
use crate::plan::step::PresetLine;
use crate::plan::units::PRESET_FILE;

/// A preset file of this size is no preset file.
const LIMIT: Bytes = Bytes(16 << 20);

/// Writes the missing lines, then takes the enablement away from the units that had one. In this order: a run
/// that is cut short between the two finds the unit still enabled.
pub(super) fn write(host: &Host<'_>, lines: &[PresetLine]) -> Result<Outcome, ApplyError> {
    let sysroot = host.sysroot()?;
    let path = Path::new(PRESET_FILE);
    let mut disabled = Vec::new();
    let mut wanted = Vec::new();
    for line in lines {
        match line {
            PresetLine::Enable(line) => wanted.push(line.clone()),
            PresetLine::DisableIfEnabled(unit) => {
                if host
                    .processes
                    .status(&systemctl(host, "is-enabled", unit)?)?
                    .status
                    == 0
                {
                    wanted.push(format!("disable {unit}"));
                    disabled.push(unit);
                }
            }
        }
    }
    // As bytes: what stands there stays as it is, text or not.
    let mut text = sysroot.read_bytes(path, LIMIT)?.unwrap_or_default();
    let before = text.len();
    for line in wanted {
        if !text
            .split(|byte| *byte == b'\n')
            .any(|present| present == line.as_bytes())
        {
            if !text.is_empty() && !text.ends_with(b"\n") {
                text.push(b'\n');
            }
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
    }
    let is_changed = text.len() > before;
    if is_changed {
        let present = sysroot.look(path)?;
        sysroot.make_dirs(path.parent().unwrap_or(path))?;
        let mode = present.map_or(Mode(0o644), |node| node.mode);
        // It may hold lines that are not ours and that nobody could write again.
        sysroot.put_durably(
            path,
            &text,
            Access {
                mode: Some(mode),
                ..Access::default()
            },
        )?;
    }
    for unit in &disabled {
        host.processes.run(&systemctl(host, "disable", unit)?)?;
    }
    Ok(if is_changed || !disabled.is_empty() {
        Outcome::Changed
    } else {
        Outcome::AlreadySo
    })
}

fn systemctl(host: &Host<'_>, verb: &str, unit: &str) -> Result<Invocation, ApplyError> {
    let root = host.sysroot()?.path().as_os_str();
    Ok(Invocation::new(Program::Systemctl)
        .option("--root", Some(root))
        .args([verb, unit]))
}
