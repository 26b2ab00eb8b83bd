//! What a client meets before it can ask anything.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use kindling_api_server::{ApiServer, Listener, Protocol, Scenario};

use crate::client::Client;

fn listening(listener: Listener) -> ApiServer {
    ApiServer::start(Scenario {
        listener,
        ..Scenario::default()
    })
}

#[test]
fn the_servers_certificate_is_refused_for_the_reason_ordered() {
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    for (listener, reason) in [
        (
            Listener {
                is_of_other_authority: true,
                ..Listener::default()
            },
            "BadSignature",
        ),
        (
            Listener {
                not_before: Some(now + hour),
                ..Listener::default()
            },
            "not valid yet",
        ),
        (
            Listener {
                not_before: Some(now - 2 * hour),
                not_after: Some(now - hour),
                ..Listener::default()
            },
            "expired",
        ),
    ] {
        let server = listening(listener);
        let error = Client::of(&server).error();
        assert!(error.contains(reason), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[test]
fn the_server_speaks_the_versions_ordered() {
    let only = |version| vec![version];
    for (protocol, with_12, with_13) in [
        (Protocol::Any, true, true),
        (Protocol::Only12, true, false),
        (Protocol::Only13, false, true),
    ] {
        let server = listening(Listener {
            protocol,
            ..Listener::default()
        });
        for (version, is_spoken) in [
            (&rustls::version::TLS12, with_12),
            (&rustls::version::TLS13, with_13),
        ] {
            let mut client = Client::of(&server);
            client.versions = only(version);
            if is_spoken {
                assert_eq!(client.get("/version").status, 200);
            } else {
                let error = client.error();
                assert!(error.contains("ProtocolVersion"), "{error}");
            }
        }
    }
}

#[test]
fn a_silent_server_takes_the_connection_and_says_nothing() {
    let server = listening(Listener {
        is_silent: true,
        ..Listener::default()
    });
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    assert!(server.seen().is_empty());
}

#[test]
fn a_slow_body_is_whole_in_the_end() {
    let server = listening(Listener {
        slow_body: Some(Duration::from_millis(20)),
        ..Listener::default()
    });
    let reply = Client::of(&server).get("/version");
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.json()["major"], "1");
}
