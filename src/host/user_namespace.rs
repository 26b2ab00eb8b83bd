//! Root of a user namespace: who may do nothing on this machine, but mount and own in files of his own.

use std::ffi::OsString;

use super::process::{ProcessError, Processes, System};
use crate::invocation::{Invocation, Program};

/// How numbers of users, or of groups, here are those of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMap(Vec<(u32, u32, u32)>);

impl IdMap {
    /// Those of users and of groups of this process; nothing is known where the kernel has no user namespaces.
    #[must_use]
    pub fn read() -> [Self; 2] {
        let map = |kind| std::fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap_or_default();
        ["uid", "gid"].map(|kind| Self::parse(&map(kind)))
    }

    /// Lines of three numbers: the first one here, the first one outside, how many (user_namespaces(7)).
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut numbers = line.split_whitespace().map(str::parse);
            let mut next = || numbers.next()?.ok();
            Some((next()?, next()?, next()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Whether root here is root of the machine.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        self.0.is_empty() || self.0 == [(0, 0, u32::MAX)]
    }

    /// Whether a file can be given to the user, or group, of that number.
    #[must_use]
    pub fn has(&self, id: u32) -> bool {
        let within =
            |(first, _, count): &(u32, u32, u32)| id.checked_sub(*first).is_some_and(|at| at < *count);
        self.0.is_empty() || self.0.iter().any(within)
    }
}

/// Whether this process is neither root of the machine nor of a namespace.
#[must_use]
pub fn is_needed() -> bool {
    !nix::unistd::geteuid().is_root()
}

/// The environment variable that a process has which was begun anew.
pub const BEGUN_ANEW: &str = "KINDLING_BEGUN_ANEW";

/// Begins this process anew with `words` as its command line, as root of a user namespace with every number that the user may
/// have. It is tried first, with mounts as they are needed then, so that what fails can be told. `again` says that this process
/// was begun so.
///
/// # Errors
/// What `unshare` says, that it is missing, or that it has been run and this is no root yet. Else this does not return.
pub fn begin_anew(programs: &System, words: Vec<OsString>, again: bool) -> ProcessError {
    let program = Program::Unshare;
    if again {
        return ProcessError::Exited {
            program,
            status: 0,
            stderr: "nobody is root behind it".to_owned(),
        };
    }
    // util-linux 2.38; newuidmap and newgidmap give the numbers of /etc/subuid and /etc/subgid.
    let call = Invocation::new(program).args(["--user", "--map-root-user", "--map-auto"]);
    match programs.run(&call.clone().args(["--mount", "--", "true"])) {
        Ok(_) => programs.replace_with(&call.arg("--").args(words), BEGUN_ANEW),
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_the_machine_and_of_namespaces() {
        for (text, machine, zero, subordinate, beyond) in [
            ("         0          0 4294967295\n", true, true, true, true),
            // A kernel without user namespaces.
            ("", true, true, true, true),
            ("0 65534 1\n1 100000 65535\n", false, true, true, false),
            ("0 1000 1\n", false, true, false, false),
            ("1000 1000 1\n", false, false, true, false),
            ("0 0 1000\n1000 1000 4294966295\n", false, true, true, true),
            ("no numbers\n0 5 4294967295", false, true, true, true),
        ] {
            let map = IdMap::parse(text);
            let seen = (map.is_of_machine(), map.has(0), map.has(1000), map.has(70_000));
            assert_eq!(seen, (machine, zero, subordinate, beyond), "{text}");
        }
    }
}
