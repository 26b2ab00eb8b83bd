//! `kindling emergency`: what systemd runs in the initramfs in the place of a shell when a first boot has failed.

use super::words::{Command, Flag, Given};
use super::{complain, environment};
use crate::host::log::Log;
use crate::host::machine;
use crate::report::policy;
use crate::stages::emergency;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "emergency",
    about: "In the initramfs, when a first boot has failed: tell why, then do what the policy says (reboot, power off, wait).",
    positional: None,
    flags: &[
        Flag::bare(
            "before-shell",
            "Only tell: a shell of the distribution comes next.",
        ),
        Flag::bare(
            "deadline",
            "Only keep the record that the time for the first boot is over.",
        ),
        Flag::bare(
            "shell-asked",
            "Only say whether the kernel arguments ask for a shell: 0 is yes, 1 is no.",
        ),
    ],
};

/// Runs the command and returns its exit status.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    let known = ["before-shell", "deadline", "shell-asked"];
    let mut asked = known.into_iter().filter(|name| given.is(name));
    let (task, second) = (asked.next(), asked.next());
    if let (Some(first), Some(second)) = (task, second) {
        return Err(format!("--{first} and --{second} exclude each other"));
    }
    let environment = environment()?;
    if task == Some("shell-asked") {
        let line = std::fs::read_to_string(&environment.command_line).unwrap_or_default();
        return Ok(u8::from(!policy::asks_for_shell(&line)));
    }
    if !machine::is_initramfs() {
        complain("kindling: this is not an initramfs: nothing is done");
        return Ok(1);
    }
    Log::open(false, COMMAND.name).install();
    Ok(match task {
        Some("before-shell") => {
            emergency::before_shell(&environment);
            0
        }
        // The unit fails, and so does the boot.
        Some(_) => {
            emergency::deadline(&environment);
            1
        }
        None => {
            emergency::run(&environment);
            1
        }
    })
}
