//! Names in the target: its own files first, then its own name service through `chroot ROOT getent`.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::process::{ProcessError, Processes};
use super::sysroot::{Sysroot, SysrootError};
use crate::inventory::target::Account;
use crate::invocation::{Invocation, Program};

/// Status of getent(1) for "not found".
const NOT_FOUND: i32 = 2;

/// Why a name could not be looked up; that it does not exist is no error.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The target's database cannot be read.
    #[error("cannot read the accounts of the target")]
    Read(#[from] SysrootError),
    /// The target's `getent` did not answer.
    #[error("cannot ask the target for {name}")]
    Ask {
        /// The user or group.
        name: String,
        /// Why.
        source: ProcessError,
    },
}

/// The two databases.
#[derive(Clone, Copy)]
enum Database {
    Passwd,
    Group,
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Group => "group",
        }
    }
}

/// A user of the target.
///
/// # Errors
/// When the target cannot be asked.
pub fn user(
    sysroot: &Sysroot,
    processes: &dyn Processes,
    name: &str,
) -> Result<Option<Account>, LookupError> {
    let Some(line) = line(sysroot, processes, Database::Passwd, name)? else {
        return Ok(None);
    };
    let mut fields = line.split(':').skip(2);
    let mut number = || fields.next().and_then(|field| field.parse().ok());
    let (Some(uid), Some(gid)) = (number(), number()) else {
        return Ok(None);
    };
    let home = PathBuf::from(fields.nth(1).unwrap_or("/"));
    Ok(Some(Account { uid, gid, home }))
}

/// The number of a group of the target.
///
/// # Errors
/// When the target cannot be asked.
pub fn group(sysroot: &Sysroot, processes: &dyn Processes, name: &str) -> Result<Option<u32>, LookupError> {
    let line = line(sysroot, processes, Database::Group, name)?;
    Ok(line.and_then(|line| line.split(':').nth(2).and_then(|field| field.parse().ok())))
}

fn line(
    sysroot: &Sysroot,
    processes: &dyn Processes,
    database: Database,
    name: &str,
) -> Result<Option<String>, LookupError> {
    let file = Path::new("/etc").join(database.name());
    if let Some(mut file) = sysroot.read(&file)? {
        let mut text = Vec::new();
        // A database that cannot be read to its end has no such name for us; getent is asked next.
        drop(file.read_to_end(&mut text));
        if let Some(found) = find(&String::from_utf8_lossy(&text), name) {
            return Ok(Some(found.to_owned()));
        }
    }
    let has_getent = ["/usr/bin/getent", "/bin/getent"]
        .iter()
        .any(|at| sysroot.read(Path::new(at)).is_ok_and(|found| found.is_some()));
    if !has_getent || !processes.is_installed(Program::Chroot) {
        return Ok(None);
    }
    let call = Invocation::new(Program::Chroot)
        .arg(sysroot.path().as_os_str())
        .args(["getent", database.name(), name]);
    let output = processes.status(&call).map_err(|source| LookupError::Ask {
        name: name.to_owned(),
        source,
    })?;
    match output.status {
        0 => Ok(find(&String::from_utf8_lossy(&output.stdout), name).map(str::to_owned)),
        NOT_FOUND => Ok(None),
        status => {
            let source = ProcessError::Exited {
                program: Program::Chroot,
                status,
                stderr: output.stderr,
            };
            Err(LookupError::Ask {
                name: name.to_owned(),
                source,
            })
        }
    }
}

/// The files that the account programs keep, in `/etc`.
const DATABASES: &[&str] = &["passwd", "shadow", "group", "gshadow", "subuid", "subgid"];

/// Removes what killed account programs left in the target's `/etc`: locks, which name a process that another one
/// may be by now, and files that were not renamed yet. No program that is alive has any, since all of them hold
/// the lock of lckpwdf(3) as long; so do we here.
///
/// # Errors
/// The kernel's answer.
pub fn clear_locks(sysroot: &Sysroot) -> Result<(), SysrootError> {
    let etc = Path::new("/etc");
    let _alone = sysroot.lock(&etc.join(".pwd.lock"))?;
    for name in sysroot.names(etc)? {
        let leftover = name.to_str().is_some_and(|name| {
            let rest = DATABASES.iter().find_map(|database| name.strip_prefix(database));
            rest.is_some_and(is_leftover)
        });
        if leftover {
            sysroot.remove(&etc.join(name))?;
        }
    }
    Ok(())
}

/// `.lock`, `.<process>` and `+`, as shadow's commonio names them.
fn is_leftover(rest: &str) -> bool {
    let process = rest.strip_prefix('.').unwrap_or_default();
    let is_process = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    is_process || rest == ".lock" || rest == "+"
}

fn find<'a>(database: &'a str, name: &str) -> Option<&'a str> {
    database.lines().find(|line| line.split(':').next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Scripted;
    use crate::host::sysroot::Access;

    #[test]
    fn the_targets_own_files_answer_first() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        sysroot.make_dirs(Path::new("/etc")).unwrap();
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001::/var/home/ada:/bin/sh\n";
        sysroot
            .put(Path::new("/etc/passwd"), passwd, Access::default())
            .unwrap();
        let none = Scripted::default();
        let ada = Account {
            uid: 1000,
            gid: 1001,
            home: "/var/home/ada".into(),
        };
        assert_eq!(user(&sysroot, &none, "ada").unwrap(), Some(ada));
        assert_eq!(user(&sysroot, &none, "ad").unwrap(), None);
        assert_eq!(group(&sysroot, &none, "wheel").unwrap(), None);
        assert_eq!(none.calls(), Vec::<String>::new());
    }

    #[test]
    fn a_name_the_files_lack_is_asked_from_the_targets_name_service() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        sysroot.make_dirs(Path::new("/usr/bin")).unwrap();
        sysroot
            .put(Path::new("/usr/bin/getent"), b"", Access::default())
            .unwrap();
        let answers = Scripted::answering(&[(0, "wheel:x:10:\n"), (2, "")]);
        assert_eq!(group(&sysroot, &answers, "wheel").unwrap(), Some(10));
        assert_eq!(user(&sysroot, &answers, "nobody").unwrap(), None);
        assert!(answers.calls()[0].ends_with("getent group wheel"));
    }
}
