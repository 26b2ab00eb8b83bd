//! Troubles that end in a certificate all the same.

use std::thread;
use std::time::Duration;

use kindling::host::machine::seconds_since_1970;
use kindling_api_server::{
    ApiServer, Approval, Fault, Issued, Listener, Node, On, Protocol, Release, Scenario, Signing, Watch, With,
};
use serde_json::json;

use super::machine::{Machine, NODE};

const ALL: [&str; 6] = [
    "named",
    "requested",
    "approved",
    "issued",
    "verified",
    "installed",
];

fn faulty(faults: Vec<Fault>) -> Scenario {
    Scenario {
        faults,
        ..Scenario::default()
    }
}

fn issuing(issued: Issued) -> Scenario {
    Scenario {
        signing: Signing::AtOnce(issued),
        ..Scenario::default()
    }
}

fn watching(watch: Watch) -> Scenario {
    Scenario {
        watch,
        approval: Approval::After(Duration::from_millis(1500)),
        ..Scenario::default()
    }
}

fn table() -> Vec<(&'static str, Scenario)> {
    let first = Fault::first;
    vec![
        ("nothing is wrong", Scenario::default()),
        (
            "approved and signed later",
            Scenario {
                approval: Approval::After(Duration::from_millis(300)),
                signing: Signing::After(Duration::from_millis(300), Issued::Right),
                ..Scenario::default()
            },
        ),
        (
            "an old server",
            Scenario {
                release: Release::Old,
                ..Scenario::default()
            },
        ),
        (
            "TLS 1.2",
            Scenario {
                listener: Listener {
                    protocol: Protocol::Only12,
                    ..Listener::default()
                },
                ..Scenario::default()
            },
        ),
        (
            "a slow body",
            Scenario {
                listener: Listener {
                    slow_body: Some(Duration::from_millis(200)),
                    ..Listener::default()
                },
                ..Scenario::default()
            },
        ),
        (
            "a token that is not seen yet",
            faulty(vec![first(3, On::Any, With::Unauthorized)]),
        ),
        (
            "a binding that comes later",
            faulty(vec![first(2, On::Create, With::Forbidden)]),
        ),
        (
            "a version that is not told",
            faulty(vec![Fault::always(On::Version, With::Forbidden)]),
        ),
        (
            "a name that seems taken",
            faulty(vec![first(1, On::Create, With::AlreadyExists)]),
        ),
        (
            "too many requests",
            faulty(vec![first(2, On::Create, With::TooManyRequests(3))]),
        ),
        (
            "a server that starts",
            faulty(vec![first(5, On::Any, With::Failure(503))]),
        ),
        (
            "a load balancer's page",
            faulty(vec![
                first(2, On::Any, With::Html),
                first(1, On::Create, With::Html),
            ]),
        ),
        (
            "nothing behind the status",
            faulty(vec![first(1, On::Create, With::Empty(500))]),
        ),
        (
            "half an answer to the request",
            faulty(vec![first(1, On::Create, With::Cut)]),
        ),
        ("text around the certificate", issuing(Issued::WithText)),
        ("two blocks", issuing(Issued::Chain)),
        ("dated back", issuing(Issued::BackDated(Duration::from_secs(300)))),
        (
            "watches that end at once",
            watching(Watch {
                closed_first: 2,
                ..Watch::default()
            }),
        ),
        (
            "watches that break",
            watching(Watch {
                cut_first: 2,
                ..Watch::default()
            }),
        ),
        (
            "watches that are gone",
            watching(Watch {
                gone_first: 2,
                ..Watch::default()
            }),
        ),
        (
            "watches that are too old",
            watching(Watch {
                expired_first: 2,
                ..Watch::default()
            }),
        ),
        (
            "bookmarks",
            watching(Watch {
                has_bookmarks: true,
                ..Watch::default()
            }),
        ),
        (
            "a watch that tells nothing",
            watching(Watch {
                is_deaf: true,
                ..Watch::default()
            }),
        ),
        (
            "no watch at all",
            Scenario {
                faults: vec![Fault::always(On::Watch, With::Forbidden)],
                approval: Approval::After(Duration::from_millis(1)),
                ..Scenario::default()
            },
        ),
        (
            "an old Node of that name",
            Scenario {
                nodes: vec![Node {
                    name: NODE.to_owned(),
                    is_ready: false,
                }],
                ..Scenario::default()
            },
        ),
        (
            "a certificate that is known later",
            faulty(vec![first(2, On::Nodes, With::Unauthorized)]),
        ),
    ]
}

#[test]
fn what_heals_ends_in_a_certificate() {
    for (name, scenario) in table() {
        let server = ApiServer::start(scenario);
        // Time is skipped where the machine pauses; where it watches, it passes.
        let machine = Machine::of(&server, if name.contains("tells nothing") { 6 } else { 300 });
        machine
            .join()
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        machine.assert_joined();
        assert_eq!(machine.steps(), ALL, "{name}");
        assert_eq!(server.requests().len(), 1, "{name}");
        assert_eq!(server.findings(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_clock_may_be_behind_the_signers() {
    let server = ApiServer::start(issuing(Issued::BackDated(Duration::ZERO)));
    let machine = Machine::of(&server, 30);
    machine.join_at(&|| seconds_since_1970() - 240, &|_| {}).unwrap();
    machine.assert_joined();
}

#[test]
fn the_request_is_as_the_server_wants_it() {
    let server = ApiServer::start(Scenario::default());
    let machine = Machine::of(&server, 30);
    machine.join().unwrap();
    let request = &server.requests()[0];
    let name = request["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("node-csr-") && name.len() == 9 + 43, "{name}");
    assert_eq!(
        request["spec"]["usages"],
        json!(["digital signature", "client auth"])
    );
    assert_eq!(request["spec"]["expirationSeconds"], 86_400);
    let annotations = request["metadata"]["annotations"].as_object().unwrap();
    assert_eq!(annotations["kindling.internal/platform"], "metal");
    assert_eq!(annotations["kindling.internal/runs-in"], "system");
    assert!(
        annotations
            .keys()
            .all(|key| key.starts_with("kindling.internal/"))
    );
    for seen in server.seen() {
        assert!(seen.user_agent.starts_with("kindling/"), "{}", seen.user_agent);
        assert_eq!(seen.accept, "application/json");
    }
    let status = machine.status();
    assert_eq!(status["seenAs"], "system:bootstrap:abcdef");
    assert_eq!(
        (&status["request"], &status["state"]),
        (&json!(name), &json!("installed"))
    );
}

#[test]
fn an_old_server_is_asked_for_three_usages() {
    let server = ApiServer::start(Scenario {
        release: Release::Old,
        ..Scenario::default()
    });
    Machine::of(&server, 30).join().unwrap();
    let usages = &server.requests()[0]["spec"]["usages"];
    assert_eq!(
        *usages,
        json!(["digital signature", "key encipherment", "client auth"])
    );
}

/// Does `change` to the first request once it is there, then approves what is there until the join has ended.
fn while_pending(change: impl FnOnce(&ApiServer, &str) + Send) -> (ApiServer, Machine) {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let machine = Machine::of(&server, 300);
    thread::scope(|scope| {
        let (server, machine) = (&server, &machine);
        let joining = scope.spawn(move || machine.join());
        let filed = |server: &ApiServer| {
            server
                .requests()
                .first()
                .map(|one| one["metadata"]["name"].clone())
        };
        let name = loop {
            if let Some(name) = filed(server) {
                break name.as_str().unwrap().to_owned();
            }
            thread::yield_now();
        };
        change(server, &name);
        while !joining.is_finished() {
            if let Some(name) = filed(server) {
                server.approve(name.as_str().unwrap());
            }
            thread::yield_now();
        }
        joining.join().unwrap().unwrap();
    });
    (server, machine)
}

#[test]
fn a_request_that_is_deleted_is_filed_again() {
    let (server, machine) = while_pending(ApiServer::delete);
    machine.assert_joined();
    let posts = server.seen().iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 2);
}

#[test]
fn a_request_that_was_made_anew_is_not_believed_before_it_is_looked_at() {
    let (server, machine) = while_pending(ApiServer::recreate);
    machine.assert_joined();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn watches_may_end_at_any_time() {
    let (_server, machine) = while_pending(|server, _| server.end_watches());
    machine.assert_joined();
}

#[test]
fn another_request_under_the_name_costs_a_key_and_not_the_join() {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let machine = Machine::of(&server, 2);
    assert_eq!(machine.join().unwrap_err().code, "join-pending");
    let name = server.requests()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    server.delete(&name);
    server.plant(&name, "somebody-else");
    let failure = machine.join().unwrap_err();
    assert_eq!(failure.code, "join-pending", "{failure}");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_denied_request_stays_denied_and_no_other_is_filed() {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let machine = Machine::of(&server, 2);
    assert_eq!(machine.join().unwrap_err().code, "join-pending");
    let name = server.requests()[0]["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    server.deny(&name, "no");
    for _ in 0..3 {
        assert_eq!(machine.join().unwrap_err().code, "join-denied");
    }
    assert_eq!(server.requests().len(), 1);
    // As the record says.
    server.delete(&name);
    assert_eq!(machine.join().unwrap_err().code, "join-pending");
}
