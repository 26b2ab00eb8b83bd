//! The demo: a blank machine boots once and joins its cluster, shown while it happens.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use crate::console::Line;
use crate::initramfs::STAGE_MARK;
use crate::report::{self, Report};
use crate::scenario::{self, Boot, End, Node, ScenarioError, UserData};

/// What the demo ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The machine is a node of the cluster.
    Joined,
    /// It is not; the output says why.
    NotJoined,
}

/// Sections of the guest's report that the demo shows, with the command they come from.
const SHOWN: &[(&str, &str)] = &[
    ("lsblk", "lsblk"),
    (
        "active",
        "systemctl is-active var-lib-data.mount node-announce.service",
    ),
    (
        "kubeconfig",
        "stat -c '%A %U %n' /etc/kubernetes/bootstrap-kubeconfig",
    ),
    ("ssh", "systemctl is-enabled ssh"),
];

/// Output with the time since the start before each line.
struct Progress<'a> {
    out: &'a mut dyn Write,
    started: Instant,
}

impl Progress<'_> {
    fn say(&mut self, text: &str) {
        // Nobody may be listening any more; the run's verdict does not depend on that.
        drop(writeln!(
            self.out,
            "[{:6.1} s] {text}",
            self.started.elapsed().as_secs_f32()
        ));
        drop(self.out.flush());
    }

    fn plain(&mut self, text: &str) {
        drop(writeln!(self.out, "{text}"));
    }
}

/// Runs the demo with `engine` and the user data in `config`; `pipe` is this crate's program.
///
/// # Errors
/// [`ScenarioError`] when no guest could be started; what goes wrong in the guest is in the output and the verdict.
pub fn run(engine: &Path, config: &Path, pipe: &Path, out: &mut dyn Write) -> Result<Verdict, ScenarioError> {
    let mut progress = Progress {
        out,
        started: Instant::now(),
    };
    let built = scenario::set_up(engine, &mut |text| progress.say(text))?;
    let user_data = UserData::Firmware(config.to_path_buf());
    let mut node = Node::new("demo", &built, &user_data, pipe, scenario::worker_offer())?;
    progress.say(&format!(
        "cluster stand-in listens on 127.0.0.1:{} (TLS, its own CA)",
        node.cluster.port()
    ));
    progress.say(&format!(
        "guest starts: root disk, one blank disk, user data {}",
        config.display()
    ));
    let boot = node.boot(&mut |line| show(&mut progress, line))?;
    progress.say(&format!(
        "guest is off after {:.1} s; console in {}",
        boot.took.as_secs_f32(),
        node.log().display()
    ));
    match &boot.end {
        End::Reported(report) => Ok(finish(&mut progress, &node, report)),
        End::Stopped | End::Cut => Ok(give_up(
            &mut progress,
            &boot,
            "the machine stopped before it was a node",
        )),
        End::TimedOut => Ok(give_up(
            &mut progress,
            &boot,
            "the machine did not come up in time and was ended",
        )),
    }
}

/// Of a console, what shows how far the boot is.
fn show(progress: &mut Progress<'_>, line: &Line) {
    if let Some(stage) = line.text.strip_prefix(STAGE_MARK) {
        progress.say(&format!("  guest: stage{stage}"));
    } else if line.text == "kindling-report: start" {
        progress.say("  guest: the real root is up");
    }
}

fn finish(progress: &mut Progress<'_>, node: &Node, report: &Report) -> Verdict {
    progress.plain("\n== What the guest reports");
    for (section, command) in SHOWN {
        progress.plain(&format!("\n$ {command}"));
        for line in report.lines(section) {
            progress.plain(line);
        }
    }
    progress.plain("\n== What the cluster saw\n");
    let nodes = node.cluster.nodes();
    for name in &nodes {
        progress.plain(&format!("node {name} joined"));
    }
    let hostname = report.lines("hostname").first();
    let joined = hostname.is_some_and(|name| nodes.contains(name));
    if !joined {
        progress.plain("no announcement of this machine with the bootstrap token arrived");
        for request in node.cluster.seen() {
            progress.plain(&format!(
                "  {} {} -> {}",
                request.method, request.path, request.status
            ));
        }
    }
    progress.plain("\n== Stages\n");
    match report.stages() {
        Ok(stages) => progress.plain(report::table(&stages).trim_end()),
        Err(error) => progress.plain(&format!(
            "the engine left no readable record of its stages: {error}"
        )),
    }
    if joined {
        Verdict::Joined
    } else {
        Verdict::NotJoined
    }
}

/// Shows the whole console but for the marks the harness itself put there: with `quiet` it is short, and the engine's
/// own failure record is at its end.
fn give_up(progress: &mut Progress<'_>, boot: &Boot, why: &str) -> Verdict {
    progress.plain("\n== The guest's console\n");
    for line in boot
        .console
        .iter()
        .filter(|line| !line.text.starts_with(STAGE_MARK) && !line.text.is_empty())
    {
        progress.plain(&line.text);
    }
    progress.plain(&format!("\n{why}"));
    Verdict::NotJoined
}
