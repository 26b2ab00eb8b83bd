//! Why a boot is in emergency mode although no stage has said so: systemd's answers read, and the record made of them.

use super::Failure;
use super::progress::StageRecord;
use crate::plan::Stage;

/// What is asked of each unit, as `systemctl show --property=` takes it.
pub const PROPERTIES: &str =
    "Id,Description,Result,ExecMainCode,ExecMainStatus,OnFailure,StateChangeTimestampMonotonic";

/// The unit that ends with a failure when the time for the first boot is over.
pub const DEADLINE_UNIT: &str = "kindling-deadline.service";

/// The code of its record.
pub const DEADLINE: &str = "deadline";

/// More units than this are counted, not named.
const NAMED: usize = 3;
/// Characters of another unit's last line: it has to fit on a console, and is not ours to repeat at length.
const LINE_KEPT: usize = 200;
/// `CLD_EXITED` of waitid(2), as systemd gives it in `ExecMainCode`.
const EXITED: &str = "1";

/// One unit, as `systemctl show` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub id: String,
    description: String,
    /// How it ended: `signal`, `exit-code`, `timeout`, … (systemd.exec(5), `$SERVICE_RESULT`).
    result: String,
    code: String,
    status: String,
    /// Whether its failure is what leads to emergency mode.
    leads_here: bool,
    /// When it came into its state, in microseconds since the kernel's start.
    since: u64,
}

/// The names in an answer of `systemctl list-units --plain --no-legend`.
#[must_use]
pub fn names(list: &str) -> Vec<&str> {
    // Where systemd marks a unit that failed, the mark stands in front.
    let name = |line: &'_ str| -> Option<usize> {
        let word = line.split_whitespace().find(|word| word.contains('.'))?;
        line.find(word)
    };
    list.lines()
        .filter_map(|line| {
            let from = name(line)?;
            line.get(from..)?.split_whitespace().next()
        })
        .collect()
}

/// The units in an answer of `systemctl show` about several.
#[must_use]
pub fn read(shown: &str) -> Vec<Unit> {
    let units = shown.split("\n\n").map(|block| {
        let mut unit = Unit::default();
        for (name, value) in block.lines().filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match name {
                "Id" => unit.id = value,
                "Description" => unit.description = value,
                "Result" => unit.result = value,
                "ExecMainCode" => unit.code = value,
                "ExecMainStatus" => unit.status = value,
                "OnFailure" => unit.leads_here = value.contains("emergency"),
                "StateChangeTimestampMonotonic" => unit.since = value.parse().unwrap_or(u64::MAX),
                _ => {}
            }
        }
        unit
    });
    units.filter(|unit| !unit.id.is_empty()).collect()
}

/// The last line of the log that is the unit's own, in an answer of `systemctl status --output=cat`: the log stands below an
/// empty line, and what systemd says of the unit begins with its name, or is how starting it ended.
#[must_use]
pub fn last_line(status: &str, unit: &str) -> Option<String> {
    let (_, log) = status.trim_end().rsplit_once("\n\n")?;
    let is_of_systemd = |line: &&str| {
        let said = ["Starting ", "Failed to ", "Stopped ", "Dependency failed "];
        line.strip_prefix(unit).is_some_and(|rest| rest.starts_with(':'))
            || said.iter().any(|word| line.starts_with(word))
            // The rest of a line before.
            || line.starts_with(' ')
    };
    let line = log.lines().rev().find(|line| !is_of_systemd(line))?;
    let line: String = line.chars().filter(|c| !c.is_control()).take(LINE_KEPT).collect();
    (!line.trim().is_empty()).then_some(line)
}

/// The unit to name, of those that failed: a stage before others, then one whose failure leads to emergency mode, then the
/// one that failed first.
#[must_use]
pub fn culprit(units: &[Unit]) -> Option<&Unit> {
    units
        .iter()
        .min_by_key(|unit| (unit.stage().is_none(), !unit.leads_here, unit.since))
}

/// The stage that a boot is at, by the records of those that ended.
#[must_use]
pub fn reached(records: &[StageRecord]) -> Stage {
    let Some(last) = records.last() else {
        return Stage::FetchOffline;
    };
    match (last.stage, last.outcome.as_str()) {
        // Nothing is left to fetch.
        (Stage::FetchOffline, "ok") => Stage::Kargs,
        (stage, "ok" | "needs-network") => {
            let mut after = Stage::ALL.iter().skip_while(|known| **known != stage);
            after.nth(1).copied().unwrap_or(stage)
        }
        (stage, _) => stage,
    }
}

impl Unit {
    /// The stage whose unit this is.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        let name = self.id.strip_prefix("ignition-")?.strip_suffix(".service")?;
        Stage::from_name(name)
    }

    /// What ended the process of this unit, where it did not end by itself.
    fn killed_by(&self) -> Option<String> {
        match self.result.as_str() {
            "oom-kill" => Some("by the kernel, for want of memory".to_owned()),
            "timeout" | "watchdog" => Some("by systemd, because it took too long".to_owned()),
            "signal" | "core-dump" if self.code == EXITED => Some("by a signal".to_owned()),
            "signal" | "core-dump" => Some(format!("by {}", signal(&self.status))),
            _ => None,
        }
    }

    /// The record of a stage that was killed before it could say anything; `None` for any other unit.
    #[must_use]
    pub fn killed_stage(&self) -> Option<Failure> {
        let stage = self.stage()?;
        let by = self.killed_by()?;
        // The unit of mount runs umount when it is stopped; its main process had ended well then.
        let stage = match stage {
            Stage::Mount if self.code == EXITED && self.status == "0" => Stage::Umount,
            stage => stage,
        };
        let next = match self.result.as_str() {
            "oom-kill" => "give the machine more memory; the next boot goes on from what this one has done",
            "core-dump" => {
                "this is a defect of kindling: report it with the log; the next boot goes on from what this one has done"
            }
            _ => {
                "see in the kernel log who killed it (as a rule for want of memory); the next boot goes on from what this \
                 one has done"
            }
        };
        Some(Failure {
            code: "stage-killed".to_owned(),
            stage,
            what: format!("the process of this stage was killed {by}"),
            place: None,
            why: vec![format!("{} ended with result {}", self.id, self.result)],
            next: next.to_owned(),
        })
    }

    /// The record of a unit that failed, when the boot was at stage `at`; `others` failed as well.
    #[must_use]
    pub fn record(&self, others: &[Unit], at: Stage, last_line: Option<String>) -> Failure {
        let how = match (self.killed_by(), self.result.as_str()) {
            (Some(by), _) => format!("was killed {by}"),
            (None, "exit-code") => format!("ended with status {}", self.status),
            (None, "" | "success") => "failed".to_owned(),
            (None, result) => format!("failed: {result}"),
        };
        let others: Vec<&str> = others
            .iter()
            .map(|unit| unit.id.as_str())
            .filter(|id| *id != self.id)
            .collect();
        let mut why = Vec::new();
        why.extend(last_line.map(|line| format!("its last line: {line}")));
        if let (Some(named), more) = (
            others.get(..others.len().min(NAMED)),
            others.len().saturating_sub(NAMED),
        ) {
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            if !named.is_empty() {
                why.push(format!("also failed: {}{more}", named.join(", ")));
            }
        }
        let about = match self.description.as_str() {
            "" => String::new(),
            description if description == self.id => String::new(),
            description => format!(" ({description})"),
        };
        boot_failed(
            self.stage().unwrap_or(at),
            format!("{}{about} {how}", self.id),
            why,
            "look at what this unit needs; boot with rd.shell=1 to read the whole log",
        )
    }
}

/// The record of a root that is not there. `what` is its device as `sysroot.mount` names it.
#[must_use]
pub fn root_missing(what: &str, at: Stage) -> Failure {
    boot_failed(
        at,
        format!("the root device {what} did not appear"),
        vec!["sysroot.mount waits for it".to_owned()],
        "check that the disk is attached, and the kernel argument root=",
    )
}

/// The record of an emergency that nobody can explain.
#[must_use]
pub fn unexplained(at: Stage) -> Failure {
    boot_failed(
        at,
        "the machine is in emergency mode, and systemd knows of no unit that failed".to_owned(),
        Vec::new(),
        "boot with rd.shell=1 and read the log",
    )
}

/// The record of a first boot that took too long. `seconds` is what the kernel arguments allow, `running` what was at work,
/// `waiting` what that waited for, where it has said so.
#[must_use]
pub fn deadline(seconds: Option<u32>, running: &[&str], waiting: Option<String>, at: Stage) -> Failure {
    let limit = seconds.map_or_else(|| "in time".to_owned(), |seconds| format!("within {seconds} s"));
    let working = running
        .iter()
        .find_map(|id| {
            let unit = Unit {
                id: (*id).to_owned(),
                ..Unit::default()
            };
            unit.stage()
        })
        .unwrap_or(at);
    let why = match running {
        [] => "nothing was running".to_owned(),
        running => format!("at work: {}", running.join(", ")),
    };
    Failure {
        code: DEADLINE.to_owned(),
        stage: working,
        what: format!("the first boot did not come to its end {limit} (kindling.deadline)"),
        place: None,
        why: std::iter::once(why).chain(waiting).collect(),
        next: "look at what that unit waits for, or allow more time; the next boot goes on from what this one has done".to_owned(),
    }
}

fn boot_failed(stage: Stage, what: String, why: Vec<String>, next: &str) -> Failure {
    Failure {
        code: "boot-failed".to_owned(),
        stage,
        what,
        place: None,
        why,
        next: next.to_owned(),
    }
}

/// Names of signals that end processes on a boot (signal(7), the numbers of x86 and ARM).
fn signal(number: &str) -> String {
    let name = match number {
        "1" => "SIGHUP",
        "2" => "SIGINT",
        "4" => "SIGILL",
        "6" => "SIGABRT",
        "7" => "SIGBUS",
        "8" => "SIGFPE",
        "9" => "SIGKILL",
        "11" => "SIGSEGV",
        "13" => "SIGPIPE",
        "15" => "SIGTERM",
        "31" => "SIGSYS",
        _ => return format!("signal {number}"),
    };
    format!("{name} (signal {number})")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of systemd 252.
    const SHOWN: &str = "\
Id=ignition-files.service
Description=Ignition (files)
Result=signal
ExecMainCode=2
ExecMainStatus=9
OnFailure=emergency.target
StateChangeTimestampMonotonic=9000000

Id=systemd-vconsole-setup.service
Description=Virtual Console Setup
Result=exit-code
ExecMainCode=1
ExecMainStatus=1
OnFailure=
StateChangeTimestampMonotonic=1000000

Id=kindling-hostname.service
Description=The name that the platform has for this host
Result=exit-code
ExecMainCode=1
ExecMainStatus=1
OnFailure=emergency.target
StateChangeTimestampMonotonic=8000000
";

    #[test]
    fn a_stage_that_was_killed_is_named_with_its_signal() {
        let units = read(SHOWN);
        assert_eq!(units.len(), 3);
        let record = culprit(&units).unwrap().killed_stage().unwrap();
        assert_eq!(
            (record.code.as_str(), record.stage),
            ("stage-killed", Stage::Files)
        );
        assert_eq!(
            record.what,
            "the process of this stage was killed by SIGKILL (signal 9)"
        );
        let of = |result: &str, id: &str, code: &str, status: &str| {
            let unit = Unit {
                id: id.to_owned(),
                result: result.to_owned(),
                code: code.to_owned(),
                status: status.to_owned(),
                ..Unit::default()
            };
            unit.killed_stage().map(|record| (record.stage, record.what))
        };
        let (stage, what) = of("oom-kill", "ignition-fetch-offline.service", "2", "9").unwrap();
        assert!(
            stage == Stage::FetchOffline && what.contains("want of memory"),
            "{what}"
        );
        assert!(
            of("core-dump", "ignition-disks.service", "3", "6")
                .unwrap()
                .1
                .contains("SIGABRT")
        );
        assert!(
            of("timeout", "ignition-disks.service", "2", "15")
                .unwrap()
                .1
                .contains("too long")
        );
        let (stage, _) = of("signal", "ignition-mount.service", "1", "0").unwrap();
        assert_eq!(stage, Stage::Umount);
        assert_eq!(of("exit-code", "ignition-disks.service", "1", "1"), None);
        assert_eq!(of("signal", "sshd.service", "2", "9"), None);
        assert_eq!(of("signal", "ignition-remount-sysroot.service", "2", "9"), None);
    }

    #[test]
    fn of_other_units_the_one_that_leads_here_is_named_and_the_rest_follow() {
        let units = &read(SHOWN)[1..];
        let unit = culprit(units).unwrap();
        let record = unit.record(units, Stage::Files, Some("no answer".into()));
        assert_eq!(
            record.to_string(),
            "kindling: first boot FAILED in stage files [boot-failed]\n  \
             what:  kindling-hostname.service (The name that the platform has for this host) ended with status 1\n  \
             why:   its last line: no answer\n         \
             also failed: systemd-vconsole-setup.service\n  \
             next:  look at what this unit needs; boot with rd.shell=1 to read the whole log"
        );
        assert_eq!(culprit(&[]), None);
    }

    #[test]
    fn names_and_last_lines_are_found() {
        assert_eq!(
            names("dev-a.mount loaded failed failed /a\n\u{25cf} b.service loaded failed failed b\n\n"),
            ["dev-a.mount", "b.service"]
        );
        let status = "x b.service - B\n   Loaded: loaded\n   Active: failed\n\nmount: bad \u{1b}[1moption\n";
        assert_eq!(last_line(status, "a.mount").unwrap(), "mount: bad [1moption");
        let status = "x r.service - R\n\nStarting r.service - R...\nmount: /sysroot: write-protected.\n       dmesg(1) may have \
                      more information.\nr.service: Main process exited\nFailed to start r.service - R.\nr.service: Triggering\n";
        assert_eq!(
            last_line(status, "r.service").unwrap(),
            "mount: /sysroot: write-protected."
        );
        assert_eq!(
            last_line("x b.service - B\n   Active: failed\n", "b.service"),
            None
        );
        assert_eq!(
            last_line(&format!("x\n\n{}", "y".repeat(999)), "x")
                .unwrap()
                .len(),
            LINE_KEPT
        );
    }

    #[test]
    fn the_deadline_names_what_was_at_work() {
        let record = deadline(
            Some(90),
            &["kindling-network.service", "ignition-fetch.service"],
            Some("GET https://h/: attempt #8 failed: status 500".to_owned()),
            Stage::Kargs,
        );
        assert_eq!(record.stage, Stage::Fetch);
        assert!(record.what.contains("within 90 s"), "{record}");
        assert!(
            record.why[0].contains("kindling-network.service, ignition-fetch.service"),
            "{record}"
        );
        assert_eq!(record.why[1], "GET https://h/: attempt #8 failed: status 500");
        assert_eq!(
            deadline(None, &["a.mount"], None, Stage::Mount).stage,
            Stage::Mount
        );
    }

    #[test]
    fn where_a_boot_is_follows_from_what_ended() {
        let record = |stage, outcome: &str| {
            StageRecord::new(
                stage,
                crate::host::runs::Timed::default(),
                crate::apply::Applied::default(),
                outcome,
            )
        };
        for (records, at) in [
            (vec![], Stage::FetchOffline),
            (vec![record(Stage::FetchOffline, "ok")], Stage::Kargs),
            (vec![record(Stage::FetchOffline, "needs-network")], Stage::Fetch),
            (vec![record(Stage::Disks, "ok")], Stage::Mount),
            (vec![record(Stage::Disks, "device-missing")], Stage::Disks),
            (vec![record(Stage::Umount, "ok")], Stage::Umount),
        ] {
            assert_eq!(reached(&records), at);
        }
    }
}
