//! `kindling join --follow`: until the Node is there and Ready.

use std::fs;

use kindling_api_server::{ApiServer, Scenario};
use serde_json::json;

use super::machine::{Machine, NODE};

use kindling::stages::join::follow;
use kindling::stages::{Finished, Reporter};

fn followed(machine: &Machine) -> Result<Finished, String> {
    let (options, environment) = (machine.options(), machine.environment());
    let reporter = Reporter::begin(&options, &environment);
    follow(&options, &environment, &reporter).map_err(|error| error.code().to_owned())
}

#[test]
fn a_node_that_is_ready_ends_it() {
    let server = ApiServer::start(Scenario::default());
    let machine = Machine::of(&server, 30);
    machine.join().unwrap();
    server.set_node(NODE, true);
    assert_eq!(followed(&machine), Ok(Finished::Done));
    assert_eq!(machine.steps().last().unwrap(), "ready");
    let last = server.seen().pop().unwrap();
    // Its own credential, and no token.
    assert_eq!(
        (last.path.as_str(), last.header("authorization")),
        ("/api/v1/nodes/node-a.test", None)
    );
    assert_eq!(last.status, 200);
}

#[test]
fn a_kubelet_without_a_certificate_is_told() {
    let server = ApiServer::start(Scenario::default());
    let over = json!({ "mode": "kubelet", "token": null, "approvalTimeoutSeconds": 1 });
    let machine = Machine::handed(&server.url(), &server.ca_pem(), &over);
    machine.join().unwrap();
    assert_eq!(
        (machine.steps(), server.seen()),
        (vec!["named".to_owned()], vec![])
    );
    assert_eq!(followed(&machine), Err("join-kubelet-silent".to_owned()));
    let record = fs::read_to_string(machine.at("run/kindling/failure.json")).unwrap();
    assert!(record.contains("join-kubelet-silent"), "{record}");
    // The kubelet's own work overcomes it.
    let other = Machine::of(&server, 30);
    other.join().unwrap();
    fs::remove_dir_all(machine.root()).unwrap();
    fs::rename(other.root(), machine.root()).unwrap();
    server.set_node(NODE, true);
    assert_eq!(followed(&machine), Ok(Finished::Done));
    assert!(!machine.at("run/kindling/failure.json").exists());
}
