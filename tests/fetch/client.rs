//! Servers that want to know who asks.

use kindling::fetch::{FetchError, Fetcher};
use kindling::host::transfer::TransferError;
use kindling_config_spec::types::kindling::{Identity as Client, Transport};
use kindling_config_spec::types::{Ignition, Resource, Security, Tls};

use crate::server::{Identity, Reply, Server};
use crate::{at, fetcher};

const LIMIT: u64 = 1 << 20;

fn inline(pem: &str) -> Resource {
    at(&kindling_config_spec::data_url::encode(pem.as_bytes()))
}

fn known_to(host: &str, certificate: Resource, key: Resource) -> Transport {
    let client = Client {
        client_certificate: certificate,
        client_key: key,
    };
    Transport {
        hosts: [(host.to_owned(), client)].into(),
    }
}

/// A fetcher that trusts `server`.
fn trusting(server: &Identity) -> Fetcher {
    let mut fetcher = fetcher();
    let ignition = Ignition {
        security: Security {
            tls: Tls {
                certificate_authorities: vec![inline(&server.authority_pem())],
            },
        },
        ..Ignition::default()
    };
    fetcher.configure(&ignition).unwrap();
    fetcher
}

#[test]
fn a_certificate_of_the_config_is_shown_to_its_host_and_to_no_other() {
    let (ours, clients) = (Identity::new(), Identity::new());
    let server = Server::https_for(&ours, &clients, |_, _| Reply::ok("for machines"));
    let other = Server::https_for(&ours, &clients, |_, _| Reply::ok("for machines"));
    let with_port = |server: &Server| server.url("").trim_start_matches("https://").to_owned();
    let (certificate, key) = clients.client();
    let mut fetcher = trusting(&ours);
    fetcher
        .identify(&known_to(&with_port(&server), inline(&certificate), inline(&key)))
        .unwrap();
    assert_eq!(
        fetcher.buffer(&at(&server.url("/")), LIMIT),
        Ok(b"for machines".to_vec())
    );
    let refused = fetcher.buffer(&at(&other.url("/")), LIMIT).unwrap_err();
    assert_eq!(refused.code(), "tls-client-refused", "{refused:?}");
    assert!(
        refused.next().contains("kindling.transport.hosts"),
        "{}",
        refused.next()
    );
    // Without a port the name is good for all of them.
    fetcher
        .identify(&known_to("127.0.0.1", inline(&certificate), inline(&key)))
        .unwrap();
    assert!(fetcher.buffer(&at(&other.url("/")), LIMIT).is_ok());
}

#[test]
fn a_certificate_of_another_authority_is_refused_at_once() {
    let (ours, clients) = (Identity::new(), Identity::new());
    let server = Server::https_for(&ours, &clients, |_, _| Reply::ok("for machines"));
    let (certificate, key) = Identity::new().client();
    let mut fetcher = trusting(&ours);
    fetcher
        .identify(&known_to("127.0.0.1", inline(&certificate), inline(&key)))
        .unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    let FetchError::Transfer {
        source: TransferError::ClientCertificate { host, .. },
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(host.starts_with("127.0.0.1:"));
}

#[test]
fn what_makes_no_identity_is_named_without_being_shown() {
    let identity = Identity::new();
    let ((certificate, key), (_, foreign)) = (identity.client(), identity.client());
    for (certificate, key) in [
        ("planted", key.as_str()),
        (certificate.as_str(), "planted"),
        (certificate.as_str(), foreign.as_str()),
        (key.as_str(), key.as_str()),
    ] {
        let error = fetcher()
            .identify(&known_to("host.example", inline(certificate), inline(key)))
            .unwrap_err();
        assert_eq!(error.code(), "tls-client-broken");
        let told = format!("{error:?} {error} {}", error.next());
        assert!(told.contains("host.example"));
        assert!(!told.contains("planted") && !told.contains("PRIVATE"), "{told}");
    }
}
