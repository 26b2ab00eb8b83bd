//! Names in the target: its own files first, then its own name service through `chroot ROOT getent`. And the files
//! themselves, under the locks that the programs of shadow(8) take.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use kindling_config_spec::units::{Bytes, Mode};

use super::process::{ProcessError, Processes};
use super::sysroot::{Access, Sysroot, SysrootError};
use crate::inventory::target::{Account, Kind};
use crate::invocation::{Invocation, Program};
use crate::shadow::{Database, Databases, Defaults};

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

/// Which field of a line a look-up goes by.
const BY_NAME: usize = 0;
const BY_NUMBER: usize = 2;

/// A user of the target.
///
/// # Errors
/// When the target cannot be asked.
pub fn user(
    sysroot: &Sysroot,
    processes: &dyn Processes,
    name: &str,
) -> Result<Option<Account>, LookupError> {
    let Some(line) = line(sysroot, processes, Database::Passwd, BY_NAME, name)? else {
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
    let line = line(sysroot, processes, Database::Group, BY_NAME, name)?;
    Ok(line.and_then(|line| line.split(':').nth(2).and_then(|field| field.parse().ok())))
}

/// Whether somebody in `database`, users or groups, has the number.
///
/// # Errors
/// When the target cannot be asked.
pub fn has_number(
    sysroot: &Sysroot,
    processes: &dyn Processes,
    database: Database,
    id: u32,
) -> Result<bool, LookupError> {
    let found = line(sysroot, processes, database, BY_NUMBER, &id.to_string())?;
    Ok(found.is_some())
}

fn line(
    sysroot: &Sysroot,
    processes: &dyn Processes,
    database: Database,
    by: usize,
    name: &str,
) -> Result<Option<String>, LookupError> {
    let file = Path::new("/etc").join(database.name());
    if let Some(mut file) = sysroot.read(&file)? {
        let mut text = Vec::new();
        // A database that cannot be read to its end has no such name for us; getent is asked next.
        let is_whole = file.read_to_end(&mut text).is_ok();
        if let Some(found) = find(&String::from_utf8_lossy(&text), by, name) {
            return Ok(Some(found.to_owned()));
        }
        // getent would read the same file again, and it is two programs.
        if is_whole && is_by_files_alone(sysroot, database)? {
            return Ok(None);
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
        0 => Ok(find(&String::from_utf8_lossy(&output.stdout), by, name).map(str::to_owned)),
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

/// Where the target says who answers for a database (nsswitch.conf(5)).
const SERVICES: &str = "/etc/nsswitch.conf";

/// Whether the target's name service goes by the file of `database` and by nothing else.
fn is_by_files_alone(sysroot: &Sysroot, database: Database) -> Result<bool, SysrootError> {
    let text = sysroot.read_text(Path::new(SERVICES), LIMIT)?.unwrap_or_default();
    let services = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim() == database.name());
    Ok(services.is_some_and(|(_, services)| services.split_whitespace().eq(["files"])))
}

/// A database of this size is none.
const LIMIT: Bytes = Bytes(64 << 20);

/// Whether passwords are read with the databases, or only that there is a place for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passwords {
    /// They are read.
    Read,
    /// They are left where they are.
    LeftOut,
}

/// The account databases of the target, and its settings for new accounts.
///
/// # Errors
/// One that is there and cannot be read.
pub fn databases(sysroot: &Sysroot, passwords: Passwords) -> Result<Databases, SysrootError> {
    let text =
        |path: &str| Ok::<_, SysrootError>(sysroot.read_text(Path::new(path), LIMIT)?.unwrap_or_default());
    let defaults = Defaults::parse(&text("/etc/login.defs")?, &text("/etc/default/useradd")?);
    let mut databases = Databases::new(defaults);
    for which in Database::ALL {
        let path = file(which, "");
        let is_secret = matches!(which, Database::Shadow | Database::Gshadow);
        let text = match passwords {
            Passwords::LeftOut if is_secret => sysroot.look(&path)?.map(|_| Vec::new()),
            _ => sysroot.read_bytes(&path, LIMIT)?,
        };
        databases.put(which, text.as_deref());
    }
    Ok(databases)
}

/// The file of a database, or one that belongs to it.
fn file(which: Database, end: &str) -> PathBuf {
    Path::new("/etc").join(format!("{}{end}", which.name()))
}

/// The right to change the databases, until it is dropped.
pub struct Locked<'a> {
    sysroot: &'a Sysroot,
    _alone: File,
}

/// Takes the lock of lckpwdf(3), waiting for it, and then the lock file of each database, as shadow's programs do. One
/// that is there has nobody behind it: whoever has one holds the first lock as long.
///
/// # Errors
/// The kernel's answer.
pub fn lock(sysroot: &Sysroot) -> Result<Locked<'_>, SysrootError> {
    let alone = sysroot.lock(Path::new("/etc/.pwd.lock"))?;
    let locked = Locked {
        sysroot,
        _alone: alone,
    };
    let access = Access {
        mode: Some(Mode(0o600)),
        ..Access::default()
    };
    for which in Database::ALL {
        let process = format!("{}\0", std::process::id());
        sysroot.put(&file(which, ".lock"), process.as_bytes(), access)?;
    }
    Ok(locked)
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        for which in Database::ALL {
            // One that stays is taken over by the next run.
            drop(self.sysroot.remove(&file(which, ".lock")));
        }
    }
}

impl Locked<'_> {
    /// Replaces the files of the databases that were changed, in this order, each on the medium before the next. What a
    /// file held before is kept beside it, under the name that shadow's programs keep it by.
    ///
    /// # Errors
    /// The kernel's answer, or a database that is no file.
    pub fn write(&self, databases: &Databases, order: [Database; 6]) -> Result<(), SysrootError> {
        for which in order {
            let Some(text) = databases.get(which).and_then(crate::shadow::Table::rewritten) else {
                continue;
            };
            let path = file(which, "");
            let access = match self.sysroot.look(&path)? {
                Some(node) if node.kind == Kind::File => {
                    let access = Access {
                        uid: Some(node.uid),
                        gid: Some(node.gid),
                        mode: Some(Mode(node.mode.0 & 0o664)),
                    };
                    let old = self.sysroot.read_bytes(&path, LIMIT)?.unwrap_or_default();
                    self.sysroot.put_durably(&file(which, "-"), &old, access)?;
                    access
                }
                Some(node) => {
                    return Err(SysrootError {
                        doing: "replace",
                        source: io::Error::other(format!("it is {}", node.kind.name())),
                        path,
                    });
                }
                None => Access {
                    uid: Some(0),
                    gid: databases
                        .get(Database::Group)
                        .and_then(|group| group.id_of("shadow")),
                    mode: Some(match which {
                        Database::Shadow | Database::Gshadow => Mode(0o440),
                        _ => Mode(0o644),
                    }),
                },
            };
            self.sysroot.put_durably(&path, &text, access)?;
        }
        Ok(())
    }
}

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
            let mut all = Database::ALL.iter();
            let rest = all.find_map(|database| name.strip_prefix(database.name()));
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

fn find<'a>(database: &'a str, by: usize, name: &str) -> Option<&'a str> {
    database
        .lines()
        .find(|line| line.split(':').nth(by) == Some(name))
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
    fn a_target_that_goes_by_its_files_alone_is_not_asked() {
        for (services, asked) in [
            ("passwd:  files # ours\n", 0),
            ("# passwd: files\npasswd: files systemd\n", 1),
            ("passwd: files [NOTFOUND=continue]\n", 1),
            ("group: files\n", 1),
            ("", 1),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let sysroot = Sysroot::open(dir.path()).unwrap();
            sysroot.make_dirs(Path::new("/etc")).unwrap();
            sysroot.make_dirs(Path::new("/usr/bin")).unwrap();
            let put = |path: &str, text: &str| {
                let path = Path::new(path);
                sysroot.put(path, text.as_bytes(), Access::default()).unwrap();
            };
            put("/usr/bin/getent", "");
            put("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
            put("/etc/nsswitch.conf", services);
            let answers = Scripted::answering(&[(2, "")]);
            assert_eq!(user(&sysroot, &answers, "ada").unwrap(), None);
            assert_eq!(answers.calls().len(), asked, "{services:?}");
        }
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
