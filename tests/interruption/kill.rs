//! Killing a process in front of its n-th change.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// The calls that change something, or start a program that does. strace counts each by itself.
pub(crate) const CHANGES: [&str; 28] = [
    "openat",
    "openat2",
    "write",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "symlink",
    "symlinkat",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "chown",
    "fchown",
    "fchownat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fdatasync",
    "fsync",
    "syncfs",
    "ftruncate",
    "clone3",
    "execve",
];

/// In front of which call a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// The call.
    pub(crate) call: &'static str,
    /// The how manyth of its kind, from 1.
    pub(crate) n: usize,
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "killed at {} {}", self.call, self.n)
    }
}

/// Whose calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// The main thread's; programs it started live on.
    Main,
    /// Those of every thread and program, each by itself; the first that gets to the number dies.
    Everybody,
}

/// No case needs more calls than this; a sweep that gets here does not end by itself.
const MOST: usize = 5_000;

/// The start of a command line that kills what follows.
pub(crate) fn killer(whom: Whom, at: Point) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["strace".into(), "-o".into(), "/dev/null".into()];
    if whom == Whom::Everybody {
        words.push("-f".into());
    }
    words.extend([
        "-e".into(),
        format!("trace={}", at.call).into(),
        "-e".into(),
        format!("inject={}:signal=SIGKILL:when={}", at.call, at.n).into(),
        "--".into(),
    ]);
    words
}

/// Runs a stage that dies there. Whether it lived to its end with success.
pub(crate) fn killed(machine: &Sandbox, stage: &str, whom: Whom, at: Point) -> bool {
    let mut words = killer(whom, at);
    words.extend(machine.words("file", stage));
    let ran = machine.run(&words);
    wait_for_orphans(machine);
    ran.status == Some(0)
}

/// A program that a killed stage had started goes on alone; the next run of a boot would find it ended.
fn wait_for_orphans(machine: &Sandbox) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while lives(machine) {
        assert!(Instant::now() < deadline, "an orphan does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn lives(machine: &Sandbox) -> bool {
    let name = machine.name().as_os_str().as_bytes();
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline"))
            .is_ok_and(|words| words.windows(name.len()).any(|part| part == name))
    })
}

/// Tries `case` for each kind of call with every `step`-th number, until one says that its run survived.
/// Returns how many were killed.
pub(crate) fn sweep(step: usize, case: impl Fn(Point) -> bool + Sync) -> usize {
    CHANGES
        .iter()
        .map(|call| {
            sweep_numbers(|turn| {
                let n = 1 + turn * step;
                case(Point { call, n })
            })
        })
        .sum()
}

/// Calls `case` with 0, 1, … from several threads until one says that its run survived; returns that number.
fn sweep_numbers(case: impl Fn(usize) -> bool + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let end = AtomicUsize::new(MOST);
    let failure = Mutex::new(None);
    let worker = || {
        loop {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            if turn >= end.load(Ordering::Relaxed) {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| case(turn))) {
                Ok(false) => {}
                Ok(true) => drop(end.fetch_min(turn, Ordering::Relaxed)),
                Err(why) => {
                    *failure.lock().unwrap() = Some(why);
                    end.store(0, Ordering::Relaxed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(worker);
        }
    });
    if let Some(why) = failure.into_inner().unwrap() {
        resume_unwind(why);
    }
    let end = end.into_inner();
    assert!(end < MOST, "no run survived");
    end
}
