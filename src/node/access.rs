//! Ways to log in: the units that open them, by the names that distributions give them.

/// SSH servers, and what starts one for each connection.
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
