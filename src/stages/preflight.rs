//! Preflight on the machine this runs on: read, judge, tell. Nothing of the machine is changed; only the receipt gains what was
//! found, in one visible step, so that a run that is cut short leaves the old one.

use std::ffi::OsStr;
use std::path::Path;

use tracing::{info, warn};
use url::Url;

use super::receipt;
use crate::host::http::ProxyRules;
use crate::host::node_facts;
use crate::host::sysroot::Sysroot;
use crate::node::handed::{Join, Severity};
use crate::node::preflight::{Finding, Report, Setting, judge};
use crate::plan::Stage;
use crate::report::{Failure, in_merged};

const STAGE: Stage = Stage::Join;

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
    let noted = Sysroot::open(root).and_then(|sysroot| receipt::note(&sysroot, "preflight", report.json()));
    if let Err(error) = noted {
        warn!("cannot note preflight in the receipt: {error}: {}", error.source);
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
        place: in_merged("/kindling/node/preflight"),
        why,
        next,
    })
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::json;
    use serde_json::Value;

    use super::*;
    use crate::host::machine;
    use crate::node::preflight::Facts;
    use crate::plan::files::RECEIPT;

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
        let path = dir.path().join(RECEIPT.trim_start_matches('/'));
        let report = judge(&Facts::default(), &Setting::default(), &["user-root".to_owned()]);
        let sysroot = Sysroot::open(dir.path()).unwrap();
        let note = || receipt::note(&sysroot, "preflight", report.json()).unwrap();
        note();
        assert!(!path.exists());
        machine::private_dir(path.parent().unwrap()).unwrap();
        machine::replace(&path, br#"{"format":3,"nodes":[]}"#, 0o600).unwrap();
        note();
        note();
        let text = std::fs::read_to_string(&path).unwrap();
        let receipt: Value = json::read(text.as_bytes()).unwrap();
        assert_eq!(receipt["format"], 3);
        assert_eq!(receipt["preflight"][0]["id"], "user-root");
        assert_eq!(receipt["preflight"][0]["outcome"], "ignored");
    }
}
