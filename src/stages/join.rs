//! The stage `join`: the machine gets its certificate from the cluster (mode `native`) or leaves that to the kubelet, and tells
//! on the way where it stands. What it has to know, the files stage left in `join.json`.
//!
//! Killed at any point and run again it goes on: the key is on the disk before its request is filed, the request has a name that
//! follows from the key, and a machine that has everything asks for nothing.

mod files;
mod follow;
mod line;
mod native;
mod progress;

use std::fs;
use std::path::Path;

use kindling_config_spec::json;
use kindling_config_spec::types::Config;

use super::{Ended, Environment, Finished, Options, Reporter, StageError, preflight, receipt, run_as};
use crate::apply::Applied;
use crate::fetch::{Network, Pace, Transport, argument};
use crate::host::machine;
use crate::host::sysroot::Sysroot;
use crate::node::cause::Cause;
use crate::node::handed::{self, During, Join, Mode};
use crate::node::name;
use crate::node::status::{self, Step};
use crate::report::{Failure, Unparsable};
pub use progress::Progress;

/// What the join works with; tests have others.
pub struct World<'a> {
    /// Requests.
    pub transport: &'a dyn Transport,
    /// Time as waits see it.
    pub pace: Pace,
    /// The system clock, in seconds since 1970.
    pub clock: &'a dyn Fn() -> u64,
    /// Called after each effect, with its name.
    pub did: &'a dyn Fn(&'static str),
}

/// Runs the join as a stage runs.
pub(super) fn execute(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<Ended, StageError> {
    in_this_world(environment, |world| join(options, environment, reporter, world))
}

/// Runs after the kubelet has started, until the Node is Ready.
///
/// # Errors
/// As [`super::run`].
pub fn follow(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
) -> Result<Finished, StageError> {
    run_as(options, environment, reporter, &|_| {
        in_this_world(environment, |world| {
            let (handed, progress) = begin(options, environment, reporter, world)?;
            follow::run(&handed, options, world, &progress)
        })
    })
}

fn in_this_world(
    _environment: &Environment,
    work: impl FnOnce(&World<'_>) -> Result<(), Failure>,
) -> Result<Ended, StageError> {
    let network = Network::default();
    let world = World {
        transport: &network,
        pace: Pace::real(),
        clock: &machine::seconds_since_1970,
        did: &|_| {},
    };
    work(&world)?;
    Ok(Ended::Done(Applied::default()))
}

/// What is known of the join of this machine, as `kindling join --status` prints it.
#[must_use]
pub fn status(environment: &Environment) -> status::Status {
    let kept = fs::read(environment.run_dir.join(status::FILE));
    status::Status::read(&kept.unwrap_or_default())
}

/// The join, in `world`.
///
/// # Errors
/// One of the codes of [`Cause`].
pub fn join(
    options: &Options,
    environment: &Environment,
    reporter: &Reporter,
    world: &World<'_>,
) -> Result<(), Failure> {
    let (handed, progress) = begin(options, environment, reporter, world)?;
    let joined = named(&handed, options, &progress).and_then(|node| {
        look_first(&handed, options, environment, &progress)?;
        match handed.mode {
            Mode::Kubelet => Ok(()),
            Mode::Native => native::run(&handed, &node, options, world, &progress),
        }
    });
    if let Err(failure) = &joined {
        progress.failed(failure);
        return joined;
    }
    if handed.token.is_some() {
        forget_token(&environment.run_dir, handed)?;
        (world.did)("token-removed");
    }
    end_wait(&environment.run_dir)?;
    progress.done();
    note_in_receipt(&options.root, &progress);
    Ok(())
}

/// Reads what was left for the join, and tells the sinks that it begins.
fn begin<'a>(
    options: &Options,
    environment: &'a Environment,
    reporter: &'a Reporter,
    world: &'a World<'_>,
) -> Result<(Join, Progress<'a>), Failure> {
    let handed = read(&environment.run_dir)?;
    let mut config = Config::default();
    config.kindling.report = handed.report.clone();
    config.ignition.proxy = handed.proxy.clone();
    reporter.heard(&config);
    let progress = Progress::begin(environment, reporter, world.did);
    progress.set(
        "mode",
        if handed.mode == Mode::Native {
            "native"
        } else {
            "kubelet"
        },
    );
    progress.set("server", handed.server.as_deref().unwrap_or_default());
    progress.set("platform", &options.platform);
    Ok((handed, progress))
}

fn read(run_dir: &Path) -> Result<Join, Failure> {
    let path = run_dir.join(handed::FILE);
    let cannot = |why: String| Cause::Handed.record(format!("cannot read {}", path.display()), vec![why]);
    let text = fs::read_to_string(&path).map_err(|error| cannot(error.to_string()))?;
    // Its words may quote the file, which holds the token.
    let handed: Join = json::parse(&text).map_err(|error| cannot(Unparsable::of(&error).to_string()))?;
    if handed.format > handed::FORMAT {
        return Err(cannot(format!("it has format {}", handed.format)));
    }
    Ok(handed)
}

/// The platform that the kernel command line names.
#[must_use]
pub fn platform(environment: &Environment) -> String {
    let line = fs::read_to_string(&environment.command_line).unwrap_or_default();
    argument(&line, "ignition.platform.id")
        .unwrap_or_default()
        .to_owned()
}

/// Settles the node's name: the config's, else the machine's, in lower case as the kubelet takes it.
fn named(handed: &Join, options: &Options, progress: &Progress<'_>) -> Result<String, Failure> {
    let of_machine = || {
        if options.root == Path::new("/") {
            machine::hostname()
        } else {
            receipt::hostname(&options.root)
        }
    };
    // The name of a certificate stays its name.
    let settled = progress.text("node");
    let settled = (progress.has(Step::Installed) && !settled.is_empty()).then_some(settled);
    let given = handed.name.clone().or(settled);
    let node = given.or_else(of_machine).unwrap_or_default();
    let node = node.trim().to_ascii_lowercase();
    // Nothing is joined: then it need not be the name of a node.
    if handed.server.is_none() {
        return Ok(node);
    }
    if let Some(fault) = name::fault(&node) {
        return Err(Cause::Name.record(
            format!("{node:?} cannot be the name of a node"),
            vec![fault.to_owned()],
        ));
    }
    progress.set("node", &node);
    progress.did(Step::Named, &node);
    Ok(node)
}

/// What the machine lacks as a node is found here, before anybody is asked for anything. In the initramfs there is not yet
/// what would be looked at; and a join that goes on has left what would be in the way of a new one.
fn look_first(
    handed: &Join,
    options: &Options,
    environment: &Environment,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    // What joined in the initramfs was not looked at yet, and no kubelet runs.
    let goes_on = handed.during == During::Unit && progress.has(Step::Requested)
        || handed.mode == Mode::Kubelet && progress.has(Step::Installed);
    if options.root != Path::new("/") || machine::is_initramfs() || goes_on {
        return Ok(());
    }
    let (report, failure) = preflight::run(handed, &environment.path, &options.root);
    progress.set_value("preflight", report.json());
    failure.map_or(Ok(()), Err)
}

/// Takes the token out of what was left for the join.
fn forget_token(run_dir: &Path, handed: Join) -> Result<(), Failure> {
    let path = run_dir.join(handed::FILE);
    let without = Join {
        token: None,
        ..handed
    };
    machine::replace(&path, json::text(&without).as_bytes(), 0o600).map_err(|error| {
        let what = format!("cannot take the token out of {}", path.display());
        Cause::Unwritable.record(what, vec![error.to_string()])
    })
}

/// The first boot may end.
fn end_wait(run_dir: &Path) -> Result<(), Failure> {
    let marker = run_dir.join(handed::PENDING);
    machine::remove(&marker).map_err(|error| {
        let what = format!("cannot remove {}", marker.display());
        Cause::Unwritable.record(what, vec![error.to_string()])
    })
}

/// Notes in the receipt, where there is one, how the join ended. It is not worth a join.
fn note_in_receipt(root: &Path, progress: &Progress<'_>) {
    let noted = Sysroot::open(root).and_then(|sysroot| receipt::note_join(&sysroot, &progress.json()));
    if let Err(error) = noted {
        tracing::warn!("cannot note the join in the receipt: {error}: {}", error.source);
    }
}
