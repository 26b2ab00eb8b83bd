//! Who keeps a file system busy: what is mounted on it, what the kernel uses of it, and the processes that have
//! something of it open. Found by looking around in procfs and sysfs, so it may miss what shows nowhere there: files of
//! another subvolume, or a socket with its name on the file system.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedSet};

use super::super::loops;
use super::table::{self, Mounted, unescaped};

/// More are counted, not named.
const NAMED: usize = 5;

/// What keeps a file system busy, in words; first what a process's end would not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders(Vec<String>);

impl fmt::Display for Holders {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return out.write_str("still in use, and nothing shows by whom");
        }
        let shown: Vec<&str> = self.0.iter().take(NAMED).map(String::as_str).collect();
        write!(out, "still used by {}", shown.join(", "))?;
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(out, " and {more} more"),
        }
    }
}

/// Where the kernel tells.
#[derive(Clone, Copy)]
pub(super) struct Kernel<'a> {
    /// procfs.
    pub(super) proc: &'a Path,
    /// sysfs.
    pub(super) sys: &'a Path,
}

/// One file system, and how it is called in the target.
struct Busy<'a> {
    target: PathBuf,
    path: &'a Path,
    device: Option<u64>,
    mounted: Option<Mounted>,
}

impl Kernel<'_> {
    /// Who uses the file system that is seen at `target`, which the target itself calls `path`.
    pub(super) fn holders(&self, target: &Path, path: &Path) -> Holders {
        let text = fs::read(self.proc.join("self/mountinfo")).unwrap_or_default();
        let mounts = table::parse(&String::from_utf8_lossy(&text));
        let target = target.canonicalize().unwrap_or_else(|_| target.to_owned());
        let busy = Busy {
            path,
            device: fs::metadata(&target).ok().map(|at| at.dev()),
            mounted: table::stack(&mounts, &target).last().map(|seen| (*seen).clone()),
            target,
        };
        let swaps = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        let mut found = busy.mounts(&mounts);
        found.extend(busy.swaps(&swaps));
        found.extend(busy.loops(&self.sys.join("block")));
        found.extend(busy.processes(self.proc));
        Holders(found)
    }
}

impl Busy<'_> {
    fn mounts(&self, mounts: &[Mounted]) -> Vec<String> {
        let own = self.mounted.as_ref().map(|mounted| &mounted.id);
        let inside = mounts.iter().filter(|mount| Some(&mount.parent) == own);
        inside
            .map(|mount| format!("the file system mounted at {}", self.shown(&mount.at)))
            .collect()
    }

    /// The first column of proc_swaps(5), below its heading.
    fn swaps(&self, swaps: &str) -> Vec<String> {
        let files = swaps.lines().skip(1).filter_map(|line| line.split(' ').next());
        let files = files.map(|file| PathBuf::from(unescaped(file)));
        files
            .filter(|file| self.holds(file))
            .map(|file| format!("the swap file {}", self.shown(&file)))
            .collect()
    }

    /// Loop devices whose file is here.
    fn loops(&self, block: &Path) -> Vec<String> {
        let mut found = OrderedSet::new();
        for (name, file) in loops::all(block) {
            if self.holds(&file) {
                found.insert(format!(
                    "/dev/{} on the file {}",
                    name.display(),
                    self.shown(&file)
                ));
            }
        }
        found.into_iter().collect()
    }

    /// Processes in the order of their numbers. One that ends meanwhile is left out.
    fn processes(&self, proc: &Path) -> Vec<String> {
        let entries = fs::read_dir(proc).into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let numbers: OrderedSet<u32> = numbers.into_set();
        numbers
            .into_iter()
            .filter_map(|pid| {
                let process = proc.join(pid.to_string());
                let name = self
                    .is_used_by(&process)
                    .then(|| fs::read(process.join("comm")))?;
                let name = String::from_utf8_lossy(&name.ok()?).trim_end().to_owned();
                Some(format!("{} (pid {pid})", name.escape_debug()))
            })
            .collect()
    }

    /// Working directory, root, program, open files, or mapped ones (proc(5)).
    fn is_used_by(&self, process: &Path) -> bool {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let links = ["cwd", "root", "exe"].map(|name| process.join(name)).into_iter();
        links
            .chain(open.map(|entry| entry.path()))
            .any(|link| self.is_here(&link))
            || fs::read(process.join("maps"))
                .is_ok_and(|maps| self.is_mapped(&String::from_utf8_lossy(&maps)))
    }

    /// The fourth column of proc_pid_maps(5) is the device's number, in hex.
    fn is_mapped(&self, maps: &str) -> bool {
        let Some(number) = self
            .mounted
            .as_ref()
            .and_then(|mounted| parse_number(&mounted.number, 10))
        else {
            return false;
        };
        let columns = maps.lines().filter_map(|line| line.split(' ').nth(3));
        columns
            .filter_map(|column| parse_number(column, 16))
            .any(|found| found == number)
    }

    /// What a path leads to is on the file system.
    fn is_here(&self, path: &Path) -> bool {
        self.device.is_some() && fs::metadata(path).ok().map(|at| at.dev()) == self.device
    }

    /// As [`Busy::is_here`], for a name the kernel tells; one that is gone or of another namespace is judged as text.
    fn holds(&self, file: &Path) -> bool {
        file.starts_with(&self.target) || self.is_here(file)
    }

    fn shown(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.target).map(|rest| self.path.join(rest));
        inside.unwrap_or_else(|_| path.to_owned()).display().to_string()
    }
}

/// `major:minor`.
fn parse_number(text: &str, radix: u32) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    let parse = |part| u32::from_str_radix(part, radix).ok();
    Some((parse(major)?, parse(minor)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A file system at `target` of a folder, and the kernel that tells of it.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.write("target/file", "");
            let target = machine.at("target").canonicalize().unwrap();
            let target = target.display();
            let mountinfo = format!(
                "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 254:17 / {target} rw - xfs /dev/vdb1 rw\n"
            );
            machine.write("proc/self/mountinfo", &mountinfo);
            machine.write(
                "proc/swaps",
                "Filename Type Size Used Priority\n/dev/vda2 partition 1 0 -2\n",
            );
            machine.write("sys/block/loop0/size", "0\n");
            machine
        }

        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        #[expect(clippy::disallowed_methods, reason = "this stands for the kernel's own files")]
        fn write(&self, name: &str, text: &str) {
            fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
            fs::write(self.at(name), text).unwrap();
        }

        fn add(&self, name: &str, line: &str) {
            let text = fs::read_to_string(self.at(name)).unwrap();
            self.write(name, &(text + line + "\n"));
        }

        /// A process with nothing here but what `link` leads to.
        fn process(&self, pid: u32, name: &str, link: &str, to: &Path) {
            self.write(&format!("proc/{pid}/comm"), &format!("{name}\n"));
            self.write(
                &format!("proc/{pid}/maps"),
                "55d000-55e000 r-xp 0 08:01 12  /usr/bin/x\n",
            );
            let link = self.at(&format!("proc/{pid}/{link}"));
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(to, link).unwrap();
        }

        fn holders(&self) -> String {
            let (proc, sys) = (self.at("proc"), self.at("sys"));
            let kernel = Kernel {
                proc: &proc,
                sys: &sys,
            };
            kernel.holders(&self.at("target"), Path::new("/var")).to_string()
        }
    }

    #[test]
    fn processes_are_named_by_what_they_have_here() {
        let machine = Machine::new();
        let elsewhere = Path::new("/proc/self/status");
        machine.process(9, "elsewhere", "fd/0", elsewhere);
        assert_eq!(machine.holders(), "still in use, and nothing shows by whom");
        machine.process(120, "cat", "fd/3", &machine.at("target/file"));
        machine.process(7, "sh", "cwd", &machine.at("target"));
        machine.process(8, "in\nroot", "root", &machine.at("target"));
        machine.process(1234, "run", "exe", &machine.at("target/file"));
        machine.process(11, "maps", "fd/0", elsewhere);
        machine.write(
            "proc/11/maps",
            "7f0-7f1 r-xp 0 00:00 0 \n7f1-7f2 r--p 0 fe:11 7 /lib/x.so\n",
        );
        assert_eq!(
            machine.holders(),
            "still used by sh (pid 7), in\\nroot (pid 8), maps (pid 11), cat (pid 120), run (pid 1234)"
        );
    }

    #[test]
    fn a_process_that_ends_meanwhile_is_left_out() {
        let machine = Machine::new();
        machine.process(5, "gone", "cwd", &machine.at("target"));
        fs::remove_file(machine.at("proc/5/comm")).unwrap();
        machine.process(6, "going", "fd/3", &machine.at("target/no-more"));
        fs::create_dir(machine.at("proc/44")).unwrap();
        assert_eq!(machine.holders(), "still in use, and nothing shows by whom");
    }

    #[test]
    fn mounts_swap_files_and_loop_devices_come_first() {
        let machine = Machine::new();
        let target = machine.at("target").canonicalize().unwrap();
        let target = target.display();
        machine.process(7, "sh", "cwd", &machine.at("target"));
        machine.add(
            "proc/self/mountinfo",
            &format!("32 31 0:40 / {target}/lib/a\\040b rw - tmpfs tmpfs rw"),
        );
        machine.add(
            "proc/self/mountinfo",
            &format!("33 32 0:41 / {target}/lib/a\\040b/deeper rw - tmpfs tmpfs rw"),
        );
        machine.add(
            "proc/swaps",
            &format!("{target}/swap\\040file                 file 1 0 -3"),
        );
        machine.write(
            "sys/block/loop3/loop/backing_file",
            &format!("{target}/image (deleted)\n"),
        );
        machine.write("sys/block/loop4/loop/backing_file", "/somewhere/else\n");
        assert_eq!(
            machine.holders(),
            "still used by the file system mounted at /var/lib/a b, the swap file /var/swap file, \
             /dev/loop3 on the file /var/image (deleted), sh (pid 7)"
        );
    }

    #[test]
    fn at_most_five_are_named() {
        let machine = Machine::new();
        for pid in 1..=8 {
            machine.process(pid, "sh", "cwd", &machine.at("target"));
        }
        assert!(
            machine.holders().ends_with("sh (pid 5) and 3 more"),
            "{}",
            machine.holders()
        );
    }
}
