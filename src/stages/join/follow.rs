//! After the kubelet has started: until its certificate is there and its Node is Ready, which the node's own credential is asked
//! for.

use std::time::Duration;

use super::files::Files;
use super::line::Line;
use super::{Options, Progress, World};
use crate::host::http::{ClientIdentity, Method};
use crate::node::answer::{self, Meaning, Registered};
use crate::node::cause::Cause;
use crate::node::handed::Join;
use crate::node::status::Step;
use crate::report::Failure;

/// How long a kubelet may take from its certificate to its Node, and the Node until it is Ready (kubeadm grants 4 min).
const NODE: Duration = Duration::from_secs(300);
/// How often the disk is looked at for the certificate.
const LOOK: Duration = Duration::from_secs(3);

/// Waits for the certificate, then for the Node. A Node that is not Ready in time is none of first boot's failures: most often it
/// waits for the cluster's network add-on.
///
/// # Errors
/// `NoCertificate`, `NodeAbsent`, or why the API server could not be asked.
pub(super) fn run(
    handed: &Join,
    options: &Options,
    world: &World<'_>,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let followed = Files::open(&options.root, handed.layout.paths(), world.did).and_then(|files| {
        let pair = certificate(handed, &files, world, progress)?;
        progress.did(Step::Installed, &files.current().to_string_lossy());
        node(handed, &files, &pair, world, progress)
    });
    if let Err(failure) = &followed {
        progress.failed(failure);
    }
    followed?;
    super::note_in_receipt(&options.root, progress);
    Ok(())
}

/// The pair that the kubelet shows, once it is there, and whose node it is.
fn certificate(
    handed: &Join,
    files: &Files<'_>,
    world: &World<'_>,
    progress: &Progress<'_>,
) -> Result<(String, String), Failure> {
    let within = Duration::from_secs(handed.approval_timeout_seconds);
    let end = world.pace.now().saturating_add(within);
    loop {
        let found = files.pair();
        if let Some((certificate, pem)) = found
            && let Some(node) = certificate.node()
        {
            return Ok((node, pem));
        }
        if world.pace.now() >= end {
            let what = format!("the kubelet has no certificate after {} s", within.as_secs());
            let why = vec![format!("there is no pair at {}", files.current().display())];
            return Err(Cause::NoCertificate.record(what, why));
        }
        progress.waits("waiting for the kubelet's certificate");
        world.pace.sleep(LOOK);
    }
}

fn node(
    handed: &Join,
    files: &Files<'_>,
    (node, pair): &(String, String),
    world: &World<'_>,
    progress: &Progress<'_>,
) -> Result<(), Failure> {
    let identity = ClientIdentity::parse(pair.as_bytes(), pair.as_bytes()).map_err(|error| {
        Cause::Unfit.record(
            "the kubelet's certificate cannot be used",
            vec![error.to_string()],
        )
    })?;
    let line = Line::open(handed, world, progress, NODE)?.with_identity(identity, NODE);
    let ids = files.ids();
    let mut pauses = line.pauses();
    let mut last = String::new();
    loop {
        let answered = line.ask(Method::Get, &format!("/api/v1/nodes/{node}"), "")?;
        let waits_for = match answered.meaning {
            Meaning::Done(found) => {
                let registered = answer::registered(&found, &ids);
                // One that says of no machine may be any's: a kubelet says it with its first status.
                let is_nobodys = answer::is_of_no_machine(&found);
                let is_foreign = matches!(registered, Registered::Other { .. }) && !is_nobodys;
                if !is_foreign {
                    progress.did(Step::Registered, node);
                }
                match registered {
                    Registered::Ours { is_ready: true, .. } | Registered::Other { is_ready: true }
                        if !is_foreign =>
                    {
                        progress.set("note", "");
                        progress.did(Step::Ready, node);
                        return Ok(());
                    }
                    Registered::Ours { why, .. } => format!("Node {node} is not Ready: {why}"),
                    // A kubelet that joins under the name makes it its own.
                    Registered::Other { .. } if is_foreign => {
                        format!("Node {node} is not this machine's yet")
                    }
                    Registered::Other { .. } => format!("Node {node} is not Ready"),
                }
            }
            _ => format!("there is no Node {node} yet"),
        };
        progress.waits(&waits_for);
        last.clone_from(&waits_for);
        if !line.pause(&mut pauses) {
            break;
        }
    }
    if !progress.has(Step::Registered) {
        let what = format!(
            "the kubelet has not registered Node {node} within {} s",
            NODE.as_secs()
        );
        return Err(Cause::NodeAbsent.record(what, vec![last]));
    }
    tracing::warn!("{last}");
    progress.set("note", &last);
    Ok(())
}
