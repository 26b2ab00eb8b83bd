//! The end of a first boot that failed: the cause is told last, and then the policy is followed. systemd runs this in the
//! initramfs in the place of its emergency shell.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use kindling_config_spec::json;
use kindling_config_spec::types::kindling::OnFailure;

use super::attempts::{self, Attempts};
use super::{Environment, FAILURE, Options, TOLD, WAITING, last_failure, reporting, telling};
use crate::fetch::{self, argument};
use crate::host::process::{self, Processes};
use crate::host::typed::{Typed, Woken};
use crate::host::{console, log, machine};
use crate::invocation::{Invocation, Program};
use crate::plan::Stage;
use crate::report::policy::{self, Action, Policy, Verdict};
use crate::report::progress;
use crate::report::{Failure, units};

/// Where the initramfs mounts the target.
const ROOT: &str = "/sysroot";
/// That this boot's attempt is in the count already, if this process was killed and started again.
const COUNTED: &str = "attempt";
/// How often what is done meanwhile is done.
const PACE: Duration = Duration::from_secs(30);
/// No two records come closer than this, whatever a noisy serial line seems to type.
const APART: Duration = Duration::from_secs(2);
/// How long a console may take to appear that the kernel arguments ask for, where the boot failed before its driver was there.
const PATIENCE_FOR_CONSOLES: Duration = Duration::from_secs(10);
/// How long systemd may take to stop the machine before it is told to stop it without more ado.
const PATIENCE: Duration = Duration::from_secs(90);

/// Tells what failed and follows the policy. Returns never, or after the machine was told to stop.
pub fn run(environment: &Environment) {
    let processes = process::System::new(environment.path.clone());
    let line = command_line(environment);
    let failure = known_or_found(environment, &processes, &line);
    // Before anything that may hang on a sick disk.
    let began = Instant::now();
    console::show_record(&failure);
    tell(environment, &line, &failure);
    let (policy, fault) = policy(environment, &line);
    let verdict = verdict(&policy, &environment.run_dir, &processes);
    let lines: Vec<String> = fault.into_iter().chain([verdict.line(&policy)]).collect();
    tracing::warn!("{}", verdict.line(&policy));
    let end = End {
        failure,
        lines: lines.join("\n"),
    };
    // Who waited for an answer has said so on the console.
    if began.elapsed() > APART {
        end.show();
    } else {
        console::show_below(&end.lines);
    }
    if console::wait_for_named(&line, PATIENCE_FOR_CONSOLES) {
        end.show();
    }
    let mut typed = Typed::at_console();
    match verdict {
        Verdict::Stay(_) => wait(&mut typed, environment, &end, None),
        Verdict::Act(action, after, _) => {
            wait(&mut typed, environment, &end, Some(after));
            act(action, &processes, &mut typed);
        }
    }
}

/// What stands last on the consoles.
struct End {
    failure: Failure,
    /// What happens now.
    lines: String,
}

impl End {
    fn show(&self) {
        console::show_record(&self.failure);
        console::show_below(&self.lines);
    }
}

/// Tells what failed, if anything did, before the distribution's own emergency shell.
pub fn before_shell(environment: &Environment) {
    let processes = process::System::new(environment.path.clone());
    let known = known(&environment.run_dir);
    // A break that was asked for is no failure.
    let found = known.or_else(|| {
        let failed = failed_units(&processes);
        (!failed.is_empty()).then(|| found(environment, &processes, &command_line(environment), &failed))
    });
    if let Some(failure) = found {
        console::show_record(&failure);
    }
}

/// Keeps the record of a first boot that did not come to its end in time; one that is there already stays.
pub fn deadline(environment: &Environment) {
    if known(&environment.run_dir).is_some() {
        return;
    }
    let processes = process::System::new(environment.path.clone());
    let list = ask(
        &processes,
        &[
            "list-units",
            "--state=activating",
            "--plain",
            "--no-legend",
            "--full",
            "--no-pager",
        ],
    );
    let running: Vec<&str> = units::names(&list)
        .into_iter()
        .filter(|name| *name != units::DEADLINE_UNIT)
        .collect();
    let failure = units::deadline(
        seconds(&command_line(environment)),
        &running,
        waiting(environment),
        reached(environment),
    );
    tracing::error!("{failure}");
    keep(&environment.run_dir, &failure);
}

/// What the stage at work has waited for, where it said so.
fn waiting(environment: &Environment) -> Option<String> {
    let text = fs::read_to_string(environment.run_dir.join(WAITING)).ok()?;
    Some(format!("the last wait it told of: {text}"))
}

/// Whether the time for the first boot is over. A stage that was still at work when that was noted may end well after all.
pub(super) fn is_over_time(run_dir: &Path) -> bool {
    known(run_dir).is_some_and(|failure| failure.code == units::DEADLINE)
}

/// Keeps the policy of a config, for whatever fails from now on. A boot is not worth less where that cannot be done.
pub(super) fn keep_policy(run_dir: &Path, policy: &OnFailure) {
    let text = json::text(policy);
    let kept = machine::private_dir(run_dir)
        .and_then(|()| machine::replace(&run_dir.join(policy::FILE), text.as_bytes(), 0o600));
    if let Err(error) = kept {
        tracing::warn!("cannot keep what is to be done when this boot fails: {error}");
    }
}

fn command_line(environment: &Environment) -> String {
    fs::read_to_string(&environment.command_line).unwrap_or_default()
}

/// The policy of this boot: of the config as far as one was read, else of the base configs; below the kernel arguments.
fn policy(environment: &Environment, line: &str) -> (Policy, Option<String>) {
    let kept = fs::read_to_string(environment.run_dir.join(policy::FILE)).ok();
    let kept = kept.and_then(|text| json::parse(&text).ok());
    let config = kept.unwrap_or_else(|| {
        let base = fetch::read_base(&environment.dirs, &platform(line));
        // A base config that is broken has failed the boot, and its record says so.
        base.map(|base| base.config.kindling.on_failure)
            .unwrap_or_default()
    });
    Policy::of(line, &config)
}

/// What the policy comes to. The count is kept before anything is done.
fn verdict(policy: &Policy, run_dir: &Path, processes: &dyn Processes) -> Verdict {
    if !policy.counts() {
        return policy.verdict(Ok(0));
    }
    let counted = run_dir.join(COUNTED);
    let is_counted = counted.exists();
    let attempts = Attempts::find(Path::new(ROOT), processes);
    let made = attempts.as_ref().map_err(Clone::clone).and_then(|attempts| {
        let made = attempts.made()?;
        Ok(if is_counted { made.saturating_sub(1) } else { made })
    });
    let verdict = policy.verdict(made);
    let (Ok(attempts), Verdict::Act(_, _, Some(count))) = (&attempts, &verdict) else {
        return verdict;
    };
    match attempts.keep(*count) {
        Ok(()) => {
            // Without it a second run on this boot counts one attempt too many, which errs on the safe side.
            drop(machine::private_dir(run_dir).and_then(|()| machine::replace(&counted, b"", 0o600)));
            verdict
        }
        Err(why) => policy.verdict(Err(why)),
    }
}

/// The record that is kept of this boot.
pub(super) fn known(run_dir: &Path) -> Option<Failure> {
    let text = fs::read_to_string(run_dir.join(FAILURE)).ok()?;
    json::parse(&text).ok()
}

fn keep(run_dir: &Path, failure: &Failure) {
    let text = json::text(failure);
    let kept = machine::private_dir(run_dir)
        .and_then(|()| machine::replace(&run_dir.join(FAILURE), text.as_bytes(), 0o600));
    if let Err(error) = kept {
        tracing::warn!("cannot keep the record of this failure: {error}");
    }
}

/// The record of a stage, or, where none could leave one, a new one of what systemd knows, kept as a stage would have done.
fn known_or_found(environment: &Environment, processes: &dyn Processes, line: &str) -> Failure {
    if let Some(known) = known(&environment.run_dir) {
        return known;
    }
    let failure = found(environment, processes, line, &failed_units(processes)).fit();
    tracing::error!("{failure}");
    keep(&environment.run_dir, &failure);
    failure
}

/// Tells everybody but the consoles, unless the stage that failed has done so.
fn tell(environment: &Environment, line: &str, failure: &Failure) {
    if environment.run_dir.join(TOLD).exists() {
        return;
    }
    log::failed(failure);
    last_failure::keep(failure);
    let options = Options {
        stage: failure.stage,
        platform: platform(line),
        root: ROOT.into(),
        config_cache: "/run/ignition.json".into(),
        state_file: "/run/ignition/state".into(),
        neednet: "/run/ignition/neednet".into(),
        fetch_timeout: Duration::ZERO,
    };
    telling::platform_of_failure(&options, environment, failure);
    reporting::tell_failure(environment, failure);
    telling::note_told(&environment.run_dir);
}

/// Why the machine is in emergency mode, by what systemd knows.
fn found(
    environment: &Environment,
    processes: &dyn Processes,
    line: &str,
    failed: &[units::Unit],
) -> Failure {
    let at = reached(environment);
    let Some(unit) = units::culprit(failed) else {
        return match attempts::root_device(processes) {
            Some(device) if !attempts::is_mounted(Path::new(ROOT)) && !Path::new(&device).exists() => {
                units::root_missing(&device, at)
            }
            _ => units::unexplained(at),
        };
    };
    if let Some(killed) = unit.killed_stage() {
        return killed;
    }
    if unit.id == units::DEADLINE_UNIT {
        return units::deadline(seconds(line), &[], waiting(environment), at);
    }
    let status = ask(
        processes,
        &[
            "status",
            "--lines=10",
            "--output=cat",
            "--no-pager",
            "--full",
            &unit.id,
        ],
    );
    unit.record(failed, at, units::last_line(&status, &unit.id))
}

fn failed_units(processes: &dyn Processes) -> Vec<units::Unit> {
    let list = ask(
        processes,
        &[
            "list-units",
            "--failed",
            "--plain",
            "--no-legend",
            "--full",
            "--no-pager",
        ],
    );
    let names = units::names(&list);
    if names.is_empty() {
        return Vec::new();
    }
    let properties = format!("--property={}", units::PROPERTIES);
    let mut words = vec!["show", &properties, "--"];
    words.extend(names);
    units::read(&ask(processes, &words))
}

/// An answer of systemctl, whatever its status: that of `status` tells of the unit. Nothing where it cannot be asked.
fn ask(processes: &dyn Processes, words: &[&str]) -> String {
    let call = Invocation::new(Program::Systemctl).args(words);
    match processes.status(&call) {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => {
            tracing::warn!("{error}");
            String::new()
        }
    }
}

fn reached(environment: &Environment) -> Stage {
    let list = fs::read_to_string(environment.run_dir.join(progress::LIST)).ok();
    units::reached(&progress::read(list.as_deref()))
}

fn platform(line: &str) -> String {
    argument(line, "ignition.platform.id").unwrap_or_default()
}

fn seconds(line: &str) -> Option<u32> {
    argument(line, policy::DEADLINE)?.parse().ok()
}

/// Waits for `time`, or for ever. Enter shows the record again.
fn wait(typed: &mut Typed, environment: &Environment, end: &End, time: Option<Duration>) {
    let began = Instant::now();
    let mut shown = began;
    let mut told = began;
    loop {
        let left = time.map_or(PACE, |time| time.saturating_sub(began.elapsed()));
        if left.is_zero() {
            return;
        }
        let woken = typed.wait(left.min(PACE.saturating_sub(told.elapsed())));
        if woken == Woken::Line && shown.elapsed() > APART {
            shown = Instant::now();
            end.show();
        }
        if told.elapsed() >= PACE {
            told = Instant::now();
            let again = reporting::tell_again(environment);
            if again.told > 0 {
                tracing::info!(
                    "{} reports were told late, {} still wait",
                    again.told,
                    again.untold
                );
            }
        }
    }
}

/// Has the machine stopped: in good order, and where that does not come to its end, with ever less of it.
fn act(action: Action, processes: &dyn Processes, typed: &mut Typed) {
    for force in [&[][..], &["--force"], &["--force", "--force"]] {
        let call = Invocation::new(Program::Systemctl).arg(action.name()).args(force);
        if let Err(error) = processes.run(&call) {
            tracing::error!("{error}");
            console::show(&format!("kindling: {error}"));
            continue;
        }
        // The event is the end of this process.
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            typed.wait(until.saturating_duration_since(Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::Scripted;

    #[test]
    fn a_policy_that_is_kept_is_the_one_that_counts() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("kindling");
        let on_failure: OnFailure =
            serde_json::from_str(r#"{"action": "reboot", "attempts": 3, "delaySeconds": 1}"#).unwrap();
        keep_policy(&run_dir, &on_failure);
        let environment = environment(dir.path(), &run_dir);
        assert_eq!(policy(&environment, "quiet").0.to_string(), "reboot,1,3");
        assert_eq!(
            policy(&environment, "kindling.onfailure=halt").0.to_string(),
            "halt,1,3"
        );
        machine::remove(&run_dir.join(policy::FILE)).unwrap();
        assert_eq!(policy(&environment, "quiet").0.to_string(), "emergency,30");
        // A base config speaks for a machine whose own was never read.
        let base = dir.path().join("base.d");
        machine::private_dir(&base).unwrap();
        let text = r#"{"ignition": {"version": "3.4.0"}, "kindling": {"version": "1.0.0",
            "onFailure": {"action": "poweroff", "delaySeconds": 2}}}"#;
        machine::replace(&base.join("00.ign"), text.as_bytes(), 0o600).unwrap();
        assert_eq!(policy(&environment, "quiet").0.to_string(), "poweroff,2");
    }

    #[test]
    fn the_record_of_a_stage_stays_and_a_killed_one_gets_one() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("kindling");
        let environment = environment(dir.path(), &run_dir);
        let shown = "Id=ignition-disks.service\nResult=signal\nExecMainCode=2\nExecMainStatus=9\n";
        let systemd = Scripted::answering(&[
            (
                0,
                "ignition-disks.service loaded failed failed Ignition (disks)\n",
            ),
            (0, shown),
        ]);
        let failure = known_or_found(&environment, &systemd, "quiet");
        assert_eq!(
            (failure.code.as_str(), failure.stage.name()),
            ("stage-killed", "disks")
        );
        assert_eq!(systemd.calls().len(), 2, "{:?}", systemd.calls());
        let unasked = Scripted::default();
        let again = known_or_found(&environment, &unasked, "quiet");
        assert_eq!(again, failure);
        assert_eq!(unasked.calls(), [""; 0]);
        deadline(&environment);
        assert_eq!(known(&run_dir), Some(failure));
    }

    #[test]
    fn the_time_is_over_while_a_stage_waits_for_a_server() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("kindling");
        let environment = environment(dir.path(), &run_dir);
        super::super::on_wait(&environment, &reporting::Reporter::silent())(
            "GET http://h/: attempt #8 failed",
        );
        deadline(&environment);
        let record = known(&run_dir).unwrap();
        assert_eq!(
            (record.code.as_str(), record.why.last().map(String::as_str)),
            (
                "deadline",
                Some("the last wait it told of: GET http://h/: attempt #8 failed")
            )
        );
    }

    #[test]
    fn another_unit_is_named_with_its_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let environment = environment(dir.path(), &dir.path().join("kindling"));
        let systemd = Scripted::answering(&[
            (0, "sysroot.mount loaded failed failed /sysroot\n"),
            (
                0,
                "Id=sysroot.mount\nDescription=/sysroot\nResult=exit-code\nExecMainCode=1\nExecMainStatus=32\n",
            ),
            (
                3,
                "x sysroot.mount - /sysroot\n   Loaded: loaded\n\nmount: wrong fs type\n",
            ),
        ]);
        let failure = known_or_found(&environment, &systemd, "quiet");
        assert_eq!(failure.code, "boot-failed");
        assert!(failure.what.starts_with("sysroot.mount"), "{failure}");
        assert_eq!(failure.why, ["its last line: mount: wrong fs type"]);
    }

    fn environment(dir: &Path, run_dir: &Path) -> Environment {
        let nowhere = || Some(dir.join("nowhere"));
        Environment {
            dirs: fetch::SystemDirs::new(nowhere(), nowhere(), Some(dir.to_owned())),
            command_line: dir.join("cmdline"),
            config_file: dir.join("config.ign"),
            key_file: crate::plan::accounts::KeyFile::Whole,
            path: "/nonexistent".into(),
            run_dir: run_dir.to_owned(),
        }
    }
}
