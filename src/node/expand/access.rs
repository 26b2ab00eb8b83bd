//! Ways to log in that are closed: masks, which no preset, no dependency and no generator gets past.

use super::Made;
use crate::node::handed::Access;

/// SSH servers by the names that distributions give them, and what starts one for each connection.
pub const SSH: [&str; 11] = [
    "ssh.service",
    "ssh.socket",
    "ssh@.service",
    "sshd.service",
    "sshd.socket",
    "sshd@.service",
    // Of systemd-ssh-generator(8), for hypervisors and containers.
    "sshd-unix-local.socket",
    "sshd-vsock.socket",
    "dropbear.service",
    "dropbear.socket",
    "dropbear@.service",
];

/// Login prompts of consoles, and the shell that asks for no password (systemd-debug-generator(8)).
pub const CONSOLES: [&str; 7] = [
    "getty.target",
    "getty@.service",
    "serial-getty@.service",
    "console-getty.service",
    "container-getty@.service",
    "autovt@.service",
    "debug-shell.service",
];

pub(super) fn make(made: &mut Made, access: Access) {
    if access.is_ssh_off {
        made.mask("/kindling/node/access/ssh", &SSH);
    }
    if access.is_console_login_off {
        made.mask("/kindling/node/access/consoleLogin", &CONSOLES);
    }
}
