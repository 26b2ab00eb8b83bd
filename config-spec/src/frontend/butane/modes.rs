//! Modes that were most likely meant in octal: YAML takes `644` for a decimal number, which is 01204.

use super::remark::{Remark, Tell};
use super::ways::each;
use crate::frontend::tree::Node;
use crate::rules::catalog as rule;

/// What a mode is the mode of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    File,
    Directory,
}

/// Tells of modes of files and directories whose digits make sense as an octal number and whose bits do not.
pub(super) fn warn(source: &Node<'_>, tell: &mut Tell<'_>) {
    for (way, of) in [
        ("storage.directories.*.mode", Of::Directory),
        ("storage.files.*.mode", Of::File),
    ] {
        each(source, way, &mut |mode| {
            if let Some(number) = mode.as_integer().and_then(|mode| u16::try_from(mode).ok())
                && is_slip(number, of)
            {
                let message = format!("{number} is read as a decimal number, which is the mode {number:04o}");
                let help = "write the mode with a leading zero, as in 0644";
                tell(Remark::new(rule::BUTANE_MODE_DECIMAL, mode.from, message, help));
            }
        });
    }
}

/// All bits that a mode has.
const BITS: u16 = 0o7777;

fn is_slip(mode: u16, of: Of) -> bool {
    let meant = u16::from_str_radix(&mode.to_string(), 8);
    mode <= BITS && !is_typical(mode, of) && meant.is_ok_and(|meant| meant <= BITS && is_typical(meant, of))
}

/// Whether somebody gives such a mode on purpose.
fn is_typical(mode: u16, of: Of) -> bool {
    const READ: u16 = 4;
    const WRITE: u16 = 2;
    const EXECUTE: u16 = 1;
    if mode == 0 {
        return true;
    }
    let [user, group, other] = [6, 3, 0].map(|shift| (mode >> shift) & 7);
    let any = user | group | other;
    let has = |bits: u16, bit: u16| bits & bit != 0;
    // Those nearer to the owner may at least what the others may.
    let never_grows = group & !user == 0 && other & !group == 0;
    let is_readable = has(any, READ);
    let needs_read = [user, group, other]
        .iter()
        .all(|class| has(*class, READ) || !has(*class, WRITE | EXECUTE));
    // Who may read may also execute, where anybody may.
    let executes_alike = [(user, group), (user, other), (group, other)]
        .iter()
        .all(|(more, less)| !has(*more, EXECUTE) || !has(*less, READ) || has(*less, EXECUTE));
    let is_set_id = has(mode, 0o6000);
    let is_special = match of {
        Of::File => !has(mode, 0o1000) && (!is_set_id || (has(any, EXECUTE) && !has(other, WRITE))),
        Of::Directory => has(any, EXECUTE) && !has(mode, 0o4000) && (!has(mode, 0o3000) || has(any, WRITE)),
    };
    never_grows && is_readable && needs_read && executes_alike && is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_that_look_octal_are_told() {
        for mode in [777, 755, 644, 640, 600, 500, 444, 400] {
            assert!(is_slip(mode, Of::File), "{mode}");
        }
        for mode in [420, 493, 0, 384, 256, 1000, 888, 4096, 9999, 0o755, 0o4755] {
            assert!(!is_slip(mode, Of::File), "{mode}");
        }
        assert!(!is_slip(644, Of::Directory), "no directory has it");
        for mode in [755, 700, 777, 1777] {
            assert!(is_slip(mode, Of::Directory), "{mode}");
        }
        for mode in [493, 448, 0o1777] {
            assert!(!is_slip(mode, Of::Directory), "{mode}");
        }
    }

    #[test]
    fn every_sane_octal_is_silent() {
        for mode in [
            0o644, 0o600, 0o755, 0o700, 0o640, 0o750, 0o444, 0o400, 0o500, 0o4755, 0o2755,
        ] {
            assert!(!is_slip(mode, Of::File), "{mode:o}");
        }
        for mode in [0o755, 0o700, 0o750, 0o1777, 0o2775, 0o711, 0o555] {
            assert!(!is_slip(mode, Of::Directory), "{mode:o}");
        }
    }
}
