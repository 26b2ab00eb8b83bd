//! Discovery over real TLS: no authority is known at first, and only those that are pinned and proven are at the end.

use std::time::Duration;

use kindling::fetch::Pace;
use kindling::plan::Stage;
use kindling::report::Failure;
use kindling::stages::discovery::{Wanted, discover};
use kindling_api_server::{ApiServer, ClusterInfo, Listener, Scenario, TOKEN};
use kindling_config_spec::types::Proxy;

fn look(server: &ApiServer, pin: String, within: Duration) -> Result<Vec<String>, Failure> {
    let wanted = Wanted {
        stage: Stage::Files,
        server: &server.url(),
        token: TOKEN,
        pins: &[pin],
        within,
    };
    discover(&wanted, &Proxy::default(), &Pace::real())
}

fn playing(cluster_info: ClusterInfo) -> ApiServer {
    ApiServer::start(Scenario {
        cluster_info,
        ..Scenario::default()
    })
}

/// Enough for all that does not wait; what waits is cut short.
const SHORT: Duration = Duration::from_secs(3);

#[test]
fn the_authority_is_found_and_nothing_is_told_to_anybody() {
    let server = playing(ClusterInfo::Right);
    let found = look(&server, server.ca_pin(), Duration::from_secs(60)).unwrap();
    assert_eq!(found.concat().trim(), server.ca_pem().trim());
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("accept"), Some("application/json"));
    }
    let (_, secret) = TOKEN.split_once('.').unwrap();
    assert!(!server.has_seen(secret.as_bytes()));
    assert_eq!(server.findings(), Vec::<String>::new());
}

#[test]
fn what_is_not_the_cluster_is_not_believed() {
    let none = format!("sha256:{}", "0".repeat(64));
    for (cluster_info, pin, code) in [
        (ClusterInfo::Absent, None, "discovery-refused"),
        (ClusterInfo::Unsigned, None, "discovery-token-unknown"),
        (ClusterInfo::BadSignature, None, "discovery-signature-wrong"),
        (ClusterInfo::OtherAuthoritySecond, None, "discovery-changed"),
        (ClusterInfo::OtherAuthority, None, "discovery-pin-mismatch"),
        (ClusterInfo::Right, Some(none), "discovery-pin-mismatch"),
    ] {
        let server = playing(cluster_info);
        let failure = look(&server, pin.unwrap_or_else(|| server.ca_pin()), SHORT).unwrap_err();
        assert_eq!(failure.code, code, "{failure}");
        let (_, secret) = TOKEN.split_once('.').unwrap();
        assert!(!failure.to_string().contains(secret), "{failure}");
    }
}

#[test]
fn a_server_whose_certificate_is_of_another_authority_is_not_the_clusters() {
    let server = ApiServer::start(Scenario {
        listener: Listener {
            is_of_other_authority: true,
            ..Listener::default()
        },
        ..Scenario::default()
    });
    // The first answer is right in every respect: who answers has it from the cluster.
    let failure = look(&server, server.ca_pin(), SHORT).unwrap_err();
    assert_eq!(failure.code, "discovery-server-untrusted", "{failure}");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let server = ApiServer::start(Scenario {
        listener: Listener {
            is_silent: true,
            ..Listener::default()
        },
        ..Scenario::default()
    });
    let failure = look(&server, server.ca_pin(), SHORT).unwrap_err();
    assert_eq!(failure.code, "network-timeout", "{failure}");
}
