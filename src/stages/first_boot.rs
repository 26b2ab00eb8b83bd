//! Whether this boot is the first, where the boot loader does not say it, and the end of a first boot, exactly once
//! (docs/decisions/0024-first-boot.md).

mod error;
mod partition;
mod root;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::json;
use kindling_config_spec::units::Bytes;

use self::error::FirstBootError;
use self::root::{file_system, mount_arguments, uuid};
use super::{Context, Environment, kept_program};
use crate::host::devices::{self, Devices};
use crate::host::efivar::EfiVariables;
use crate::host::machine::{self, Machine};
use crate::host::probe::{self, ProbeError};
use crate::host::process::{self, Processes};
use crate::host::real_root;
use crate::host::sysroot::Sysroot;
use crate::inventory::disks::{Content, Probe};
use crate::invocation::{Invocation, Program};
use crate::plan::Stage;
use crate::plan::entries::root_device;
use crate::plan::first_boot::{
    Arguments, Later, Mark, Method, Question, Refused, Root, Stored, Verdict, by_bits, by_variable,
    machine_mark,
};
use crate::report::Failure;

/// The variable of the firmware.
const VARIABLE: &str = "KindlingProvisioned";
/// The same mark on the root, below `/etc` because that is where the root always has it.
const ROOT_MARK: &str = "/etc/.kindling-provisioned";
/// A mark is shorter.
const MARK_BYTES: Bytes = Bytes(4096);
/// How long the root may take where nothing says that this machine was provisioned. On a first boot it may be one that the
/// disks stage makes, and a machine whose firmware has forgotten has it by then.
const BRIEFLY: Duration = Duration::from_secs(10);
/// Made in the directory of this boot when the boot is the first. The files stage puts the mark into it.
const FIRST: &str = "first-boot";
/// Made there when it is not.
const LATER: &str = "not-first-boot";
/// The root that systemd finds without an argument.
const AUTOMATIC_ROOT: &str = "/dev/gpt-auto-root";
/// Where units of the real root can be left in the initramfs.
const UNITS: &str = "/run/systemd/system";
/// The unit that ends a first boot.
const UNIT: &str = "kindling-first-boot-done.service";

/// What is known in each part of a boot.
struct Here<'a> {
    environment: &'a Environment,
    processes: &'a dyn Processes,
    devices: &'a dyn Devices,
    /// Of this machine, as in marks.
    machine: String,
    line: String,
}

/// Finds out which boot this is, says so in the directory of this boot, and starts what follows.
///
/// # Errors
/// The record. Neither a first boot nor a later one was begun.
pub fn check(environment: &Environment) -> Result<(), Failure> {
    let fail = |error: FirstBootError| error.record(Stage::FetchOffline);
    with(environment, |here| here.begin(here.verdict()?)).map_err(fail)
}

/// Keeps the record of a check that failed where other records of a boot are. One that cannot be written stops nothing.
pub fn note(environment: &Environment, failure: &Failure) {
    let dir = &environment.run_dir;
    let kept = machine::private_dir(dir)
        .and_then(|()| machine::replace(&dir.join("failure.json"), json::text(failure).as_bytes(), 0o600));
    if let Err(error) = kept {
        tracing::warn!("cannot keep the record in {}: {error}", dir.display());
    }
}

/// Marks this machine as provisioned, once all that was written is on its medium; with a stamp, removes that instead.
///
/// # Errors
/// The record.
pub fn done(environment: &Environment, stamp: Option<&Path>) -> Result<(), Failure> {
    let fail = |error: FirstBootError| error.record(Stage::Umount);
    // The stages have seen to what they wrote; now also what the real root has made of it.
    real_root::sync();
    if let Some(stamp) = stamp {
        let processes = process::System::new(environment.path.clone());
        return real_root::remove_stamp(&processes, stamp).map_err(|error| fail(error.into()));
    }
    with(environment, |here| {
        let path = environment.run_dir.join(FIRST);
        let text = fs::read(&path).unwrap_or_default();
        if text.is_empty() {
            return Err(FirstBootError::NotProvisioned { path });
        }
        match Arguments::parse(&here.line).method {
            None => Err(FirstBootError::NoArgument),
            Some(method) => match method? {
                Method::Efi => mark_firmware(&text),
                Method::Partition(label) => here.mark_partition(&label),
            },
        }
    })
    .map_err(fail)
}

/// Leaves in the initramfs what ends this first boot in the real root: the mark, the program and a unit that runs it. Nothing
/// where the boot loader's own means end it.
///
/// # Errors
/// The record.
pub(super) fn keep_for_real_root(context: &Context<'_>, root: &Sysroot) -> Result<(), Failure> {
    let dir = &context.environment.run_dir;
    // What an earlier boot found is nobody's business in the running system.
    if !dir.join(FIRST).exists() || !machine::is_initramfs() {
        return Ok(());
    }
    let fail = |error: FirstBootError| error.record(Stage::Files);
    let line = command_line(context.environment).map_err(fail)?;
    let here = Here {
        environment: context.environment,
        processes: &context.processes,
        devices: &context.devices,
        machine: machine_mark(&context.machine.id),
        line,
    };
    here.keep(root, Path::new(UNITS)).map_err(fail)
}

fn with<T>(
    environment: &Environment,
    work: impl FnOnce(&Here<'_>) -> Result<T, FirstBootError>,
) -> Result<T, FirstBootError> {
    let machine = Machine::read();
    let processes = process::System::new(environment.path.clone());
    let devices = devices::System::new(u128::from_be_bytes(machine.fresh), processes.clone());
    work(&Here {
        environment,
        processes: &processes,
        devices: &devices,
        machine: machine_mark(&machine.id),
        line: command_line(environment)?,
    })
}

fn command_line(environment: &Environment) -> Result<String, FirstBootError> {
    let path = &environment.command_line;
    fs::read_to_string(path).map_err(|source| FirstBootError::Unreadable {
        path: path.clone(),
        source,
    })
}

fn keep(path: &Path) -> impl FnOnce(io::Error) -> FirstBootError {
    let path = path.to_owned();
    move |source| FirstBootError::Keep { path, source }
}

fn variables() -> Result<EfiVariables, FirstBootError> {
    EfiVariables::of_machine().ok_or(FirstBootError::NoVariables)
}

/// On the root first: firmware that then does not take the mark is told by the next boot.
fn mark_firmware(text: &[u8]) -> Result<(), FirstBootError> {
    let variables = variables()?;
    if let Err(error) = machine::replace(Path::new(ROOT_MARK), text, 0o600) {
        tracing::warn!("the root does not remember that it was provisioned: {ROOT_MARK}: {error}");
    }
    real_root::sync();
    variables
        .write(VARIABLE, text)
        .map_err(FirstBootError::SetVariable)
}

impl Here<'_> {
    fn begin(&self, verdict: Verdict) -> Result<(), FirstBootError> {
        let (name, other, unit) = match verdict {
            Verdict::First(why) => {
                tracing::info!("this boot is the first: {why}");
                (FIRST, LATER, "ignition-complete.target")
            }
            Verdict::Later(why) => {
                tracing::info!("this boot is not the first: {why}");
                (LATER, FIRST, "ignition-subsequent.target")
            }
            Verdict::Refused(refused) => return Err(FirstBootError::Refused { refused }),
        };
        let dir = &self.environment.run_dir;
        machine::private_dir(dir)
            .and_then(|()| machine::remove(&dir.join(other)))
            .and_then(|()| machine::replace(&dir.join(name), b"", 0o600))
            .map_err(keep(&dir.join(name)))?;
        let systemd = |words: &[&str]| {
            let ended = self
                .processes
                .run(&Invocation::new(Program::Systemctl).args(words));
            ended
                .map(drop)
                .map_err(|source| FirstBootError::Start { unit, source })
        };
        if name == FIRST {
            // Our generator finds that file, and from here on a failure ends as one of a first boot. Other boots stay as they
            // are, and do not pay for it.
            systemd(&["daemon-reload"])?;
        }
        // What is ordered before the root waits for it from here on, as if it had been asked for from the beginning.
        systemd(&["start", "--no-block", unit])
    }

    fn verdict(&self) -> Result<Verdict, FirstBootError> {
        match Arguments::parse(&self.line).question()? {
            Question::Answered(verdict) => Ok(verdict),
            Question::Look(Method::Efi) => self.ask_firmware(&variables()?),
            Question::Look(Method::Partition(label)) => {
                let (_, table, number) = self.partition(&label)?;
                let entry = table.entries.get(&number);
                let verdict = entry.map(|entry| by_bits(&self.machine, entry));
                Ok(verdict.unwrap_or(Verdict::Refused(Refused::UnknownMark)))
            }
        }
    }

    fn ask_firmware(&self, variables: &EfiVariables) -> Result<Verdict, FirstBootError> {
        let value = variables.read(VARIABLE).map_err(FirstBootError::Variable)?;
        let variable = Stored::parse(value.as_deref());
        let root = self.look_at_root(&variable)?;
        let verdict = by_variable(&self.machine, &variable, &root);
        if verdict == Verdict::Later(Later::OfRoot)
            && let Root::There { disk, .. } = root
            && let Err(error) = variables.write(VARIABLE, self.mark(disk).to_text().as_bytes())
        {
            tracing::warn!("the firmware still does not know this machine as provisioned: {error}");
        }
        Ok(verdict)
    }

    fn mark(&self, disk: Option<String>) -> Mark {
        Mark {
            machine: self.machine.clone(),
            disk,
        }
    }

    /// The link to the root's device; `None` for a root that is none.
    fn root(&self) -> Option<PathBuf> {
        let is_named = self.line.split_whitespace().any(|word| word.starts_with("root="));
        let root = root_device(&self.line).or((!is_named).then(|| AUTOMATIC_ROOT.to_owned()));
        root.map(PathBuf::from)
    }

    fn look_at_root(&self, variable: &Stored) -> Result<Root, FirstBootError> {
        let Some(link) = self.root() else {
            let (disk, mark) = (None, Stored::Absent);
            return Ok(Root::There { disk, mark });
        };
        let is_there = if variable.is_of(&self.machine) {
            match self.devices.wait_for(std::slice::from_ref(&link)) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!("{error}");
                    false
                }
            }
        } else {
            real_root::appears(&link, BRIEFLY)
        };
        if !is_there {
            return Ok(Root::Missing);
        }
        let node = self.devices.node(&link).map_err(ProbeError::from)?;
        let content = self.content(&node)?;
        let disk = uuid(&content);
        let is_known =
            matches!(variable, Stored::Known(mark) if mark.machine == self.machine && mark.disk == disk);
        let mark = match file_system(&content) {
            Some(kind) if !is_known => self.mark_on(&node, kind)?,
            _ => Stored::Absent,
        };
        Ok(Root::There { disk, mark })
    }

    fn content(&self, node: &Path) -> Result<Content, FirstBootError> {
        let probe = Probe {
            node: node.to_owned(),
            range: None,
        };
        Ok(probe::content(self.processes, self.devices, &probe)?)
    }

    /// A file system that cannot be read may have a mark: then nobody can tell.
    fn mark_on(&self, node: &Path, kind: &str) -> Result<Stored, FirstBootError> {
        let scratch = &self.environment.run_dir;
        let how = mount_arguments(&self.line, kind);
        let read = machine::private_dir(scratch).and_then(|()| {
            let file = Path::new(ROOT_MARK);
            real_root::read_unmounted(self.processes, (node, &how), scratch, file, MARK_BYTES)
        });
        let text = read.map_err(|source| FirstBootError::Root {
            node: node.to_owned(),
            source,
        })?;
        Ok(Stored::parse(text.as_deref()))
    }

    fn keep(&self, root: &Sysroot, units: &Path) -> Result<(), FirstBootError> {
        let dir = &self.environment.run_dir;
        let disk = match Arguments::parse(&self.line).method {
            Some(Ok(Method::Efi)) => self.final_root()?,
            _ => None,
        };
        let first = dir.join(FIRST);
        machine::replace(&first, self.mark(disk).to_text().as_bytes(), 0o600).map_err(keep(&first))?;
        let program = kept_program::keep(dir, root)?;
        let unit = units.join(UNIT);
        fs::create_dir_all(units)
            .and_then(|()| machine::replace(&unit, unit_text(dir, &program).as_bytes(), 0o644))
            .and_then(|()| {
                let wanted = units.join("multi-user.target.wants").join(UNIT);
                real_root::link(&Path::new("..").join(UNIT), &wanted)
            })
            .map_err(keep(&unit))
    }

    /// What the next boot will find: the disks stage is over, and the root is as it stays.
    fn final_root(&self) -> Result<Option<String>, FirstBootError> {
        let Some(link) = self.root() else { return Ok(None) };
        let node = self.devices.node(&link).map_err(ProbeError::from)?;
        Ok(uuid(&self.content(&node)?))
    }
}

/// As the reference's distributions end a first boot: once the file systems of the real root are there (engine.md 5.6).
fn unit_text(dir: &Path, program: &Path) -> String {
    let (first, program) = (dir.join(FIRST), program.display());
    format!(
        "[Unit]\n\
         Description=Mark this machine as provisioned\n\
         ConditionPathExists={}\n\
         RequiresMountsFor={program}\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={program} first-boot done\n",
        first.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::SystemDirs;
    use crate::host::fake::{Disks, Scripted};
    use crate::plan::accounts::KeyFile;
    use crate::plan::first_boot::First;

    pub(super) fn environment(dir: &Path) -> Environment {
        Environment {
            dirs: SystemDirs::new(None, None, None),
            command_line: dir.join("cmdline"),
            config_file: dir.join("config.ign"),
            key_file: KeyFile::Fragment,
            path: "/usr/bin".into(),
            run_dir: dir.join("run"),
        }
    }

    fn asked(line: &str, value: Option<&Mark>, blkid: &[(i32, &str)]) -> Result<Verdict, FirstBootError> {
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        if let Some(mark) = value {
            variables.write(VARIABLE, mark.to_text().as_bytes()).unwrap();
        }
        let here = Here {
            environment: &environment(dir.path()),
            processes: &Scripted::answering(blkid),
            devices: &Disks::default(),
            machine: "m".to_owned(),
            line: line.to_owned(),
        };
        here.ask_firmware(&variables)
    }

    #[test]
    fn the_firmware_is_asked_for_machine_and_root() {
        let mark = |machine: &str, disk: Option<&str>| Mark {
            machine: machine.to_owned(),
            disk: disk.map(str::to_owned),
        };
        let ext4 = [(0, "TYPE=ext4\nUUID=u\n")];
        let (blank, no_device) = ([(2, "")], "root=nfs:10.0.0.1:/root");
        for (row, line, value, blkid, expected) in [
            (
                "no mark",
                no_device,
                None,
                &[][..],
                Verdict::First(First::Unmarked),
            ),
            (
                "a root that is no device",
                no_device,
                Some(mark("m", None)),
                &[],
                Verdict::Later(Later::Marked),
            ),
            (
                "this root",
                "root=/dev/null",
                Some(mark("m", Some("u"))),
                &ext4,
                Verdict::Later(Later::Marked),
            ),
            (
                "a blank one in its place",
                "root=/dev/null",
                Some(mark("m", Some("u"))),
                &blank,
                Verdict::First(First::OtherDisk),
            ),
            (
                "a machine with a copy of the firmware",
                "root=/dev/null",
                Some(mark("n", Some("u"))),
                &blank,
                Verdict::First(First::OtherMachine),
            ),
        ] {
            assert_eq!(asked(line, value.as_ref(), blkid).unwrap(), expected, "{row}");
        }
    }

    #[test]
    fn a_file_system_that_cannot_be_read_is_not_taken_for_one_without_a_mark() {
        let mount_fails = |found| [(0, found), (32, "")];
        for found in ["TYPE=ext4\nUUID=u\n", "TYPE=xfs\n"] {
            let error = asked("root=/dev/null", None, &mount_fails(found)).unwrap_err();
            assert_eq!(error.code(), "firstboot-unreadable", "{error}");
        }
        let several = asked("root=/dev/null", None, &[(8, ""), (32, "")]).unwrap_err();
        assert_eq!(several.code(), "firstboot-unreadable", "{several}");
        // What is none is not mounted.
        for found in ["TYPE=crypto_LUKS\nUUID=u\n", "TYPE=LVM2_member\n", "TYPE=swap\n"] {
            let verdict = asked("root=/dev/null", None, &mount_fails(found));
            assert_eq!(verdict.unwrap(), Verdict::First(First::Unmarked), "{found}");
        }
    }

    #[test]
    fn only_a_first_boot_changes_how_a_failure_ends() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(dir.path());
        let begun = |verdict| {
            let systemd = Scripted::default();
            let here = Here {
                environment: &environment,
                processes: &systemd,
                devices: &Disks::default(),
                machine: "m".to_owned(),
                line: String::new(),
            };
            (here.begin(verdict).is_ok(), systemd.calls())
        };
        let kept = |name| environment.run_dir.join(name).exists();
        let refused = begun(Verdict::Refused(Refused::RootMissing));
        assert_eq!(refused, (false, Vec::new()));
        assert!(!kept(FIRST) && !kept(LATER));
        let start = |unit| format!("systemctl start --no-block {unit}");
        let later = begun(Verdict::Later(Later::Marked));
        assert_eq!(later, (true, vec![start("ignition-subsequent.target")]));
        assert!(!kept(FIRST) && kept(LATER));
        let first = begun(Verdict::First(First::Unmarked));
        // The generator is asked again before anything can fail.
        let calls = vec![
            "systemctl daemon-reload".to_owned(),
            start("ignition-complete.target"),
        ];
        assert_eq!(first, (true, calls));
        assert!(kept(FIRST) && !kept(LATER));
    }

    #[test]
    fn the_end_is_not_marked_by_a_boot_that_provisioned_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(dir.path());
        machine::replace(&environment.command_line, b"kindling.firstboot=efi\n", 0o600).unwrap();
        assert_eq!(done(&environment, None).unwrap_err().code, "firstboot-unmarked");
        // Begun, and the files stage has not left its mark yet.
        machine::private_dir(&environment.run_dir).unwrap();
        machine::replace(&environment.run_dir.join(FIRST), b"", 0o600).unwrap();
        assert_eq!(done(&environment, None).unwrap_err().code, "firstboot-unmarked");
    }

    #[test]
    fn an_argument_that_means_nothing_begins_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(dir.path());
        machine::replace(&environment.command_line, b"kindling.firstboot=yes\n", 0o600).unwrap();
        let failure = check(&environment).unwrap_err();
        assert_eq!(failure.code, "firstboot-argument");
        assert!(failure.what.contains("\"yes\""), "{failure}");
        assert!(!environment.run_dir.exists());
        note(&environment, &failure);
        let text = fs::read_to_string(environment.run_dir.join("failure.json")).unwrap();
        assert!(text.contains("firstboot-argument"), "{text}");
    }
}
