//! Preflight on the machine this runs on: read, judge, tell. Nothing of the machine is changed; only the receipt gains what was
//! found, in one visible step, so that a run that is cut short leaves the old one.

use std::ffi::OsStr;
use std::path::Path;

use kindling_config_spec::json;
use serde_json::Value;
use tracing::{info, warn};
use url::Url;

use crate::host::http::ProxyRules;
use crate::host::{machine, node_facts};
use crate::node::handed::{Join, Severity};
use crate::node::preflight::{Finding, Report, Setting, judge};
use crate::plan::Stage;
use crate::plan::files::RECEIPT;
use crate::report::Failure;

/// Until the join has a stage of its own, its failures are those of the stage that prepares it.
const STAGE: Stage = Stage::Files;

/// Looks at this machine before anything is requested of the cluster, tells the log, and adds what was found to the receipt
/// below `root`. `path` is where programs are. Where the config lets a finding stop the join, the record of the failure comes
/// with the report. Not to be called once the machine has joined: a kubelet that runs is a finding.
pub fn run(join: &Join, path: &OsStr, root: &Path) -> (Report, Option<Failure>) {
    if join.preflight.mode == Severity::Off {
        info!("preflight: off, as the config says");
        return (Report::default(), None);
    }
    let report = look(join, path);
    for looked in &report.0 {
        let (id, outcome) = (looked.check.id, looked.outcome());
        match &looked.finding {
            Finding::Good => {}
            Finding::Unknown(what) => info!("preflight: {outcome} [{id}]: {what}"),
            Finding::Bad(what) => match looked.next() {
                Some(next) => warn!("preflight: {outcome} [{id}]: {what}; next: {next}"),
                None => info!("preflight: {outcome} [{id}]: {what}"),
            },
        }
    }
    if let Err(why) = note(&report, &root.join(RECEIPT.trim_start_matches('/'))) {
        warn!("preflight is not in the receipt: {why}");
    }
    let failure = failure(&report, join.preflight.mode);
    (report, failure)
}

/// What every check says of this machine.
#[must_use]
pub fn look(join: &Join, path: &OsStr) -> Report {
    let setting = Setting::of(join, is_proxied(join));
    judge(
        &node_facts::read(&setting, path),
        &setting,
        &join.preflight.ignore,
    )
}

/// Whether requests to the API server go through a proxy. What is broken is told where it is used.
fn is_proxied(join: &Join) -> bool {
    let proxy = &join.proxy;
    let rules = ProxyRules::new(
        proxy.http_proxy.as_deref(),
        proxy.https_proxy.as_deref(),
        &proxy.no_proxy,
    );
    let server = join.server.as_deref().and_then(|server| Url::parse(server).ok());
    match (rules, server) {
        (Ok(rules), Some(server)) => rules.choose(&server).is_some(),
        _ => false,
    }
}

/// The record, where `mode` lets what was found stop the machine.
fn failure(report: &Report, mode: Severity) -> Option<Failure> {
    let (what, why, next) = report.verdict(mode)?;
    Some(Failure {
        code: "preflight-failed".to_owned(),
        stage: STAGE,
        what,
        place: Some("merged config, /kindling/node/preflight".to_owned()),
        why,
        next,
    })
}

/// Adds the report to the receipt at `path`; a machine without one has none to add to.
fn note(report: &Report, path: &Path) -> Result<(), String> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| error.to_string())?,
    };
    let mut receipt: Value = json::read(&text).ok_or("it is not JSON")?;
    let members = receipt.as_object_mut().ok_or("it is no object")?;
    members.insert("preflight".to_owned(), report.json());
    machine::replace(path, json::text(&receipt).as_bytes(), 0o600).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::preflight::Facts;

    #[test]
    fn errors_stop_the_join_only_where_the_config_lets_them() {
        // A machine of which nothing is known is not one to join.
        let report = judge(&Facts::default(), &Setting::default(), &[]);
        assert!(failure(&report, Severity::Warn).is_none());
        let failure = failure(&report, Severity::Fail).unwrap();
        assert_eq!(failure.code, "preflight-failed");
        assert!(failure.what.contains("program-ip, program-iptables"), "{failure}");
        assert!(failure.to_string().lines().count() <= 12, "{failure}");
    }

    #[test]
    fn the_receipt_gains_the_report_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipt.json");
        let report = judge(&Facts::default(), &Setting::default(), &["user-root".to_owned()]);
        assert_eq!(note(&report, &path), Ok(()));
        assert!(!path.exists());
        machine::replace(&path, br#"{"format":3,"nodes":[]}"#, 0o600).unwrap();
        for _ in 0..2 {
            assert_eq!(note(&report, &path), Ok(()));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let receipt: Value = json::read(text.as_bytes()).unwrap();
        assert_eq!(receipt["format"], 3);
        assert_eq!(receipt["preflight"][0]["id"], "user-root");
        assert_eq!(receipt["preflight"][0]["outcome"], "ignored");
        machine::replace(&path, b"{", 0o600).unwrap();
        assert!(note(&report, &path).is_err());
    }
}
