//! The approver that knows machines: what it goes by, and when it stops.

use std::time::Duration;

use kindling_api_server::{ApiServer, Approval, Machines, Scenario};

use crate::client::{Client, REQUESTS, conditions, key, request};

const LIMIT: Duration = Duration::from_secs(60);

fn with(machines: Machines) -> ApiServer {
    ApiServer::start(Scenario {
        approval: Approval::Machines(machines),
        ..Scenario::default()
    })
}

fn machines(names: &[&str]) -> Machines {
    Machines {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        age: Duration::from_secs(60),
        every: Duration::from_millis(5),
    }
}

fn is_approved(server: &ApiServer, name: &str) -> bool {
    server
        .requests()
        .iter()
        .any(|one| one["metadata"]["name"] == name && conditions(one) == ["Approved"])
}

fn file(server: &ApiServer, name: &str, node: &str) {
    assert_eq!(
        Client::of(server)
            .post(REQUESTS, &request(name, &key(), node))
            .status,
        201
    );
}

#[test]
fn a_machine_of_that_name_is_approved_whatever_its_case_and_last_dot() {
    let server = with(machines(&["Node-A.lab.test."]));
    file(&server, "a", "node-a.lab.test");
    assert!(server.wait_for(LIMIT, |server| is_approved(server, "a")));
    assert_eq!(server.refusals(), [""; 0]);
}

#[test]
fn the_log_alone_says_why_one_is_not_approved() {
    let server = with(machines(&["node-a", "node-b"]));
    server.set_node("node-a", true);
    for (name, node, why) in [
        ("taken", "node-a", "node node-a already exists"),
        ("unknown", "node-z", "failed to find machine for node node-z"),
    ] {
        file(&server, name, node);
        let expected = format!("{name}: {why}");
        assert!(server.wait_for(LIMIT, |server| server.refusals().contains(&expected)));
        assert!(!is_approved(&server, name));
    }
    // What changes is seen at the next look.
    server.remove_node("node-a");
    assert!(server.wait_for(LIMIT, |server| is_approved(server, "taken")));

    let server = with(Machines {
        age: Duration::from_secs(2 * 3600),
        ..machines(&["node-a"])
    });
    file(&server, "late", "node-a");
    assert!(server.wait_for(LIMIT, |server| server.refusals().len() == 1));
    assert!(!is_approved(&server, "late"));
}

#[test]
fn too_many_pending_requests_stop_it_until_they_are_old() {
    let server = with(machines(&["node-a"]));
    for at in 0..101 {
        server.plant(&format!("stale-{at}"), "node-z");
    }
    // With this one 102 are pending, and one machine allows 101.
    file(&server, "a", "node-a");
    let expected = "a: 102 requests are pending, more than 101".to_owned();
    assert!(server.wait_for(LIMIT, |server| server.refusals().contains(&expected)));
    assert!(!is_approved(&server, "a"));
    server.age("stale-0", Duration::from_secs(3601));
    assert!(server.wait_for(LIMIT, |server| is_approved(server, "a")));
}
