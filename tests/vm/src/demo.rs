//! The demo: a blank machine boots once and joins its cluster, shown while it happens.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use crate::api::{Api, Offered};
use crate::console::Line;
use crate::initramfs::STAGE_MARK;
use crate::report::{self, Report};
use crate::scenario::{self, Boot, End, Node, ScenarioError, UserData};
use crate::search;

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
        "join",
        "kindling join --status; journalctl -u kindling-join* -u kubelet",
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
    let offer = scenario::node_offer(Offered::best());
    let mut node = Node::new("demo", &built, &user_data, pipe, offer)?;
    progress.say(&format!(
        "the cluster's config server (stand-in) listens on 127.0.0.1:{} (TLS, its own CA)",
        node.cluster.port()
    ));
    if let Some(api) = &node.api {
        let (title, port) = (api.title(), api.port());
        progress.say(&format!(
            "{title} listens on 127.0.0.1:{port} (TLS, a CA of its own)"
        ));
    }
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
        progress.plain(&format!("node {name} announced itself"));
    }
    let hostname = report.lines("hostname").first();
    let mut joined = hostname.is_some_and(|name| nodes.contains(name));
    if let (Some(api), Some(name)) = (&node.api, hostname) {
        joined |= show_api(progress, api, name);
        is_kept_secret(progress, node, api);
    }
    if !joined {
        progress.plain("this machine has not joined");
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

/// The life of each request and of the Node, as the API server has them; says whether the Node is Ready.
fn show_api(progress: &mut Progress<'_>, api: &Api, name: &str) -> bool {
    match api.requests() {
        Ok(requests) => requests
            .iter()
            .for_each(|request| show_request(progress, request)),
        Err(error) => progress.plain(&format!(
            "the API server does not say which requests it has: {error}"
        )),
    }
    let Some(node) = api.node(name) else {
        progress.plain(&format!("there is no Node {name}"));
        return false;
    };
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    let status = ready.map_or("unknown", |ready| text(&ready["status"]));
    progress.plain(&format!("Node {name} is there; Ready: {status}"));
    status == "True"
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn show_request(progress: &mut Progress<'_>, request: &Value) {
    let (about, spec, status) = (&request["metadata"], &request["spec"], &request["status"]);
    progress.plain(&format!("request {}", text(&about["name"])));
    let usages = spec["usages"].as_array().into_iter().flatten().map(text);
    progress.plain(&format!(
        "  filed     {} by {}, for {}",
        text(&about["creationTimestamp"]),
        text(&spec["username"]),
        usages.collect::<Vec<_>>().join(", ")
    ));
    for condition in status["conditions"].as_array().into_iter().flatten() {
        progress.plain(&format!(
            "  {:<9} {} ({}: {})",
            text(&condition["type"]).to_lowercase(),
            text(&condition["lastUpdateTime"]),
            text(&condition["reason"]),
            text(&condition["message"])
        ));
    }
    let issued = status["certificate"].as_str().map_or("not issued", |_| "issued");
    progress.plain(&format!("  {issued}"));
    for (key, value) in about["annotations"].as_object().into_iter().flatten() {
        progress.plain(&format!("  says      {key}: {}", text(value)));
    }
}

/// Says whether the token's secret stands anywhere on the machine's disks.
fn is_kept_secret(progress: &mut Progress<'_>, node: &Node, api: &Api) {
    let (_, secret) = api.token().split_once('.').unwrap_or_default();
    for disk in [node.root_disk(), node.data_disk()] {
        let said = match search::holds(disk, secret) {
            Ok(false) => "the bootstrap token is nowhere on it",
            Ok(true) => "THE BOOTSTRAP TOKEN IS ON IT",
            Err(_) => "it cannot be searched",
        };
        let name = disk.file_name().unwrap_or_default().to_string_lossy();
        progress.plain(&format!("disk {name}: {said}"));
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
