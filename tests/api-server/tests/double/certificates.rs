//! Every wrong certificate is wrong in the way it says, and in no other.

use std::time::Duration;

use kindling_api_server::{ApiServer, Approval, Issued, Scenario, Signing};
use rcgen::PublicKeyData;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::{Client, REQUESTS, certificate, conditions, key, request};

/// What can be told of a certificate.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    is_our_key: bool,
    common_name: String,
    is_for_clients: bool,
    is_started: bool,
    is_ended: bool,
    is_of_cluster: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            is_our_key: true,
            common_name: "system:node:node-a".to_owned(),
            is_for_clients: true,
            is_started: true,
            is_ended: false,
            is_of_cluster: true,
        }
    }
}

/// The text that a scenario issues, and what its first block is.
fn issued(issued: Issued) -> (String, Told) {
    let server = ApiServer::start(Scenario {
        signing: Signing::AtOnce(issued),
        ..Scenario::default()
    });
    let (client, key) = (Client::of(&server), key());
    client.post(REQUESTS, &request("a", &key, "node-a"));
    let pem = certificate(&client.get(&format!("{REQUESTS}/a")).json());
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    let authority = CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap();
    let (_, authority) = X509Certificate::from_der(&authority).unwrap();
    let now = OffsetDateTime::now_utc();
    let validity = leaf.validity();
    let told = Told {
        is_our_key: leaf.public_key().raw == key.subject_public_key_info(),
        common_name: leaf
            .subject()
            .iter_common_name()
            .next()
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned(),
        is_for_clients: leaf.extended_key_usage().unwrap().unwrap().value.client_auth,
        is_started: validity.not_before.to_datetime() <= now,
        is_ended: validity.not_after.to_datetime() < now,
        is_of_cluster: leaf.verify_signature(Some(authority.public_key())).is_ok(),
    };
    (pem, told)
}

#[test]
fn each_flaw_of_a_certificate_stands_alone() {
    let right = Told::default;
    for (how, told) in [
        (Issued::Right, right()),
        (
            Issued::WrongKey,
            Told {
                is_our_key: false,
                ..right()
            },
        ),
        (
            Issued::WrongSubject("system:node:node-z".to_owned()),
            Told {
                common_name: "system:node:node-z".to_owned(),
                ..right()
            },
        ),
        (
            Issued::WithoutClientAuth,
            Told {
                is_for_clients: false,
                ..right()
            },
        ),
        (
            Issued::NotYetValid(Duration::from_secs(360)),
            Told {
                is_started: false,
                ..right()
            },
        ),
        (
            Issued::Expired,
            Told {
                is_ended: true,
                ..right()
            },
        ),
        (Issued::BackDated(Duration::from_secs(86_400)), right()),
        (
            Issued::OtherAuthority,
            Told {
                is_of_cluster: false,
                ..right()
            },
        ),
        (Issued::Chain, right()),
        (Issued::WithText, right()),
    ] {
        assert_eq!(issued(how.clone()).1, told, "{how:?}");
    }
}

#[test]
fn text_and_chains_are_around_a_good_certificate() {
    let (chain, _) = issued(Issued::Chain);
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    let (text, _) = issued(Issued::WithText);
    assert!(!text.starts_with("-----BEGIN") && !text.trim_end().ends_with('-'));
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 1);
}

#[test]
fn nonsense_is_a_block_and_no_certificate() {
    let server = ApiServer::start(Scenario {
        signing: Signing::AtOnce(Issued::Nonsense),
        ..Scenario::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    let pem = certificate(&client.get(&format!("{REQUESTS}/a")).json());
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    assert!(X509Certificate::from_der(&der).is_err());
}

#[test]
fn what_is_approved_may_be_signed_never_or_fail() {
    for (signing, told) in [
        (Signing::Never, &["Approved"][..]),
        (
            Signing::Fails {
                reason: "SignerValidationFailure".to_owned(),
                message: "no".to_owned(),
            },
            &["Approved", "Failed"][..],
        ),
    ] {
        let server = ApiServer::start(Scenario {
            signing,
            ..Scenario::default()
        });
        let client = Client::of(&server);
        client.post(REQUESTS, &request("a", &key(), "node-a"));
        let object = client.get(&format!("{REQUESTS}/a")).json();
        assert_eq!(conditions(&object), told);
        assert!(object["status"].get("certificate").is_none());
    }
}

#[test]
fn what_is_denied_or_failed_by_hand_says_why() {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    server.fail("a", "the key is weak");
    let object = client.get(&format!("{REQUESTS}/a")).json();
    assert_eq!(object["status"]["conditions"][0]["type"], "Failed");
    assert_eq!(object["status"]["conditions"][0]["message"], "the key is weak");

    let server = ApiServer::start(Scenario {
        approval: Approval::Denied {
            reason: "Policy".to_owned(),
            message: "not in this rack".to_owned(),
        },
        ..Scenario::default()
    });
    let client = Client::of(&server);
    client.post(REQUESTS, &request("a", &key(), "node-a"));
    let object = client.get(&format!("{REQUESTS}/a")).json();
    assert_eq!(object["status"]["conditions"][0]["type"], "Denied");
    assert_eq!(object["status"]["conditions"][0]["reason"], "Policy");
    assert_eq!(object["status"]["conditions"][0]["message"], "not in this rack");
}
