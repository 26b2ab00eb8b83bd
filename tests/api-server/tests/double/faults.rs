//! Wrong answers on order.

use kindling_api_server::{ApiServer, Fault, On, Scenario, With};
use serde_json::json;

use crate::client::{Client, REQUESTS, Reply, key, request};

fn faulty(faults: Vec<Fault>) -> ApiServer {
    ApiServer::start(Scenario {
        faults,
        ..Scenario::default()
    })
}

#[test]
fn a_fault_is_played_as_often_as_it_says_and_on_what_it_says() {
    let server = faulty(vec![
        Fault::first(2, On::Create, With::Unauthorized),
        Fault::always(On::Health, With::Failure(503)),
    ]);
    let client = Client::of(&server);
    assert_eq!(client.get("/version").status, 200);
    let filed: Vec<u16> = (0..4)
        .map(|at| {
            client
                .post(REQUESTS, &request(&format!("a{at}"), &key(), "node-a"))
                .status
        })
        .collect();
    assert_eq!(filed, [401, 401, 201, 201]);
    assert_eq!(
        [client.get("/healthz").status, client.get("/readyz").status],
        [503, 503]
    );
    server.add_fault(Fault::first(1, On::Any, With::Html));
    assert_eq!(
        [client.get("/version").status, client.get("/version").status],
        [502, 200]
    );
    assert_eq!(server.requests().len(), 2);
    let at: Vec<_> = server.seen().iter().map(|seen| seen.at).collect();
    assert!(at.is_sorted(), "{at:?}");
}

/// What the filing of a good request meets.
fn met(with: With) -> Reply {
    let server = faulty(vec![Fault::always(On::Create, with)]);
    let reply = Client::of(&server).post(REQUESTS, &request("a", &key(), "node-a"));
    assert!(server.requests().is_empty());
    assert_eq!(server.findings(), [""; 0]);
    reply
}

#[test]
fn every_wrong_answer_is_formed_as_the_real_one() {
    let invalid = With::Invalid {
        field: "spec.usages".to_owned(),
        message: "Required value".to_owned(),
    };
    for (with, code, reason) in [
        (With::Unauthorized, 401, "Unauthorized"),
        (With::Forbidden, 403, "Forbidden"),
        (With::NotServed, 404, "NotFound"),
        (With::AlreadyExists, 409, "AlreadyExists"),
        (invalid, 422, "Invalid"),
        (With::TooManyRequests(7), 429, "TooManyRequests"),
        (With::Failure(500), 500, "InternalError"),
        (With::Failure(503), 503, "ServiceUnavailable"),
        (With::Failure(504), 504, "Timeout"),
    ] {
        let reply = met(with.clone());
        let answer = reply.json();
        assert_eq!(reply.status, code, "{with:?}");
        assert_eq!(answer["kind"], "Status");
        assert_eq!(answer["status"], "Failure");
        assert_eq!(
            (&answer["code"], &answer["reason"]),
            (&json!(code), &json!(reason))
        );
    }
    assert!(
        met(With::Forbidden).json()["message"]
            .as_str()
            .unwrap()
            .contains("\"system:bootstrap:abcdef\"")
    );
    assert_eq!(met(With::TooManyRequests(7)).header("retry-after"), Some("7"));
    assert_eq!(met(With::NotServed).json()["details"], json!({}));
    let causes = met(With::Invalid {
        field: "spec.usages".to_owned(),
        message: "Required value".to_owned(),
    });
    assert_eq!(causes.json()["details"]["causes"][0]["field"], "spec.usages");
}

#[test]
fn what_stands_between_answers_in_its_own_way() {
    let html = met(With::Html);
    assert_eq!(
        (html.status, html.header("content-type")),
        (502, Some("text/html"))
    );
    assert!(html.body.starts_with(b"<html>"));
    let empty = met(With::Empty(503));
    assert_eq!((empty.status, empty.body.len()), (503, 0));
    let server = faulty(vec![Fault::always(On::Version, With::Cut)]);
    let (_, is_ended) = Client::of(&server).all("/version");
    assert!(!is_ended);
}
