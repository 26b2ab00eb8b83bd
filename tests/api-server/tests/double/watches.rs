//! Watches that go wrong in each of the ways there are.

use kindling_api_server::{ApiServer, Approval, Scenario, Watch};
use serde_json::json;

use crate::client::{Client, REQUESTS, key, request};

fn server(watch: Watch) -> ApiServer {
    ApiServer::start(Scenario {
        watch,
        approval: Approval::ByHand,
        ..Scenario::default()
    })
}

#[test]
fn the_first_watches_go_wrong_in_turn_and_then_one_is_right() {
    let server = server(Watch {
        closed_first: 1,
        cut_first: 1,
        gone_first: 1,
        expired_first: 1,
        ..Watch::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    let path = format!("{REQUESTS}?watch=true");
    // Ended as it should be, with a last chunk; then broken off inside a line.
    assert_eq!(client.get(&path).body, b"");
    let (body, is_ended) = client.all(&path);
    assert!(!is_ended, "{}", String::from_utf8_lossy(&body));
    let gone = client.get(&path);
    assert_eq!((gone.status, &gone.json()["reason"]), (410, &json!("Expired")));
    let mut events = client.watch(&path);
    let (kind, status) = events.next().unwrap();
    assert_eq!(kind, "ERROR");
    assert_eq!(
        (&status["kind"], &status["code"]),
        (&json!("Status"), &json!(410))
    );
    assert!(events.next().is_none());
    let mut events = client.watch(&path);
    assert_eq!(events.next().unwrap().0, "ADDED");
    assert_eq!(server.findings(), [""; 0]);
}

#[test]
fn bookmarks_come_to_whom_asks_for_them() {
    let server = server(Watch {
        has_bookmarks: true,
        ..Watch::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    let mut without = client.watch(&format!("{REQUESTS}?watch=true"));
    let mut with = client.watch(&format!("{REQUESTS}?watch=true&allowWatchBookmarks=true"));
    server.deny("a", "no");
    assert_eq!(
        [without.next().unwrap().0, without.next().unwrap().0],
        ["ADDED", "MODIFIED"]
    );
    let told: Vec<_> = (0..6).map(|_| with.next().unwrap()).collect();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "BOOKMARK", "ADDED", "BOOKMARK", "BOOKMARK", "MODIFIED", "BOOKMARK"
        ]
    );
    let (_, bookmark) = &told[5];
    let (_, denied) = &told[4];
    assert_eq!(
        bookmark["metadata"]["resourceVersion"],
        denied["metadata"]["resourceVersion"]
    );
    assert!(bookmark["metadata"].get("name").is_none());
}

#[test]
fn a_deaf_watch_stays_open_and_says_nothing_until_its_time_is_over() {
    let server = server(Watch {
        is_deaf: true,
        ..Watch::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    let mut events = client.watch(&format!("{REQUESTS}?watch=true&timeoutSeconds=1"));
    server.approve("a");
    assert_eq!(server.watchers(), 1);
    assert!(events.next().is_none());
    assert_eq!(server.watchers(), 0);
}

#[test]
fn what_cannot_be_watched_is_said() {
    let server = server(Watch::default());
    let client = Client::of(&server);
    for query in [
        "watch=true&fieldSelector=metadata.uid%3Dx",
        "fieldSelector=status%3Dx",
        "watch=true&resourceVersion=abc",
    ] {
        assert_eq!(client.get(&format!("{REQUESTS}?{query}")).status, 400, "{query}");
    }
    // A version that this server never gave is a client's mistake.
    drop(client.watch(&format!("{REQUESTS}?watch=true&resourceVersion=999999")));
    assert_eq!(server.findings().len(), 1);
}

#[test]
fn a_test_waits_for_what_a_client_does() {
    use std::time::Duration;
    let server = server(Watch::default());
    let client = Client::of(&server);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            client.post(REQUESTS, &request("a", &key(), "node-a"));
            drop(client.watch(&format!("{REQUESTS}?watch=true")));
        });
        let limit = Duration::from_secs(60);
        assert!(server.wait_for(limit, |server| server.requests().len() == 1));
        assert!(server.wait_for(limit, |server| server.seen().len() == 2));
    });
    assert!(!server.wait_for(Duration::ZERO, |server| !server.nodes().is_empty()));
}
