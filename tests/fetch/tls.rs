//! Whom the engine believes.

use std::time::Duration;

use kindling::fetch::FetchError;
use kindling::host::transfer::{CertificateFault, TransferError};
use kindling_config_spec::data_url;
use kindling_config_spec::types::{Ignition, Resource, Security, Tls};

use crate::server::{Identity, Reply, Server};
use crate::{at, fetcher, limited};

const LIMIT: u64 = 1 << 20;

fn trusting(pem: &str) -> Ignition {
    trusting_all(vec![at(&data_url::encode(pem.as_bytes()))])
}

fn trusting_all(certificate_authorities: Vec<Resource>) -> Ignition {
    Ignition {
        security: Security {
            tls: Tls {
                certificate_authorities,
            },
        },
        ..Ignition::default()
    }
}

fn refused(error: FetchError) -> kindling::host::transfer::CertificateRefused {
    match error {
        FetchError::Transfer {
            source: TransferError::Certificate(refused),
            ..
        }
        | FetchError::TimedOut {
            source: TransferError::Certificate(refused),
            ..
        } => *refused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_unknown_authority_is_refused_at_once() {
    let server = Server::https(&Identity::new(), |_, _| Reply::ok("secret"));
    let error = fetcher().buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "tls-certificate-refused");
    assert!(
        error
            .next()
            .contains("ignition.security.tls.certificateAuthorities"),
        "{}",
        error.next()
    );
    assert_eq!(refused(error).fault, CertificateFault::UnknownIssuer);
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn an_authority_of_the_same_name_with_another_key_does_not_help() {
    let server = Server::https(&Identity::new(), |_, _| Reply::ok("secret"));
    let mut fetcher = fetcher();
    fetcher
        .configure(&trusting(&Identity::new().authority_pem()))
        .unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "tls-certificate-refused");
    assert_eq!(refused(error).fault, CertificateFault::WrongSignature);
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn authorities_of_the_config_are_believed_also_in_a_bundle_with_blank_lines() {
    let (one, two) = (Identity::new(), Identity::new());
    let bundle = format!("{}\n{}\n\n\n", one.authority_pem(), two.authority_pem());
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&bundle)).unwrap();
    for identity in [&one, &two] {
        let server = Server::https(identity, |_, _| Reply::ok("secret"));
        assert_eq!(
            fetcher.buffer(&at(&server.url("/")), LIMIT),
            Ok(b"secret".to_vec())
        );
    }
}

#[test]
fn an_empty_list_keeps_the_authorities_and_a_new_list_replaces_them() {
    let identity = Identity::new();
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    fetcher.configure(&Ignition::default()).unwrap();
    assert!(fetcher.buffer(&at(&server.url("/")), LIMIT).is_ok());
    fetcher
        .configure(&trusting(&Identity::new().authority_pem()))
        .unwrap();
    assert!(fetcher.buffer(&at(&server.url("/")), LIMIT).is_err());
}

#[test]
fn an_authority_is_downloaded_once() {
    let identity = Identity::new();
    let pem = identity.authority_pem();
    let plain = Server::http(move |_, _| Reply::ok(pem.clone()));
    let mut fetcher = fetcher();
    for _ in 0..3 {
        fetcher
            .configure(&trusting_all(vec![at(&plain.url("/ca.pem"))]))
            .unwrap();
    }
    assert_eq!(plain.seen().len(), 1);
}

#[test]
fn a_bundle_that_is_none_is_an_error() {
    for text in [
        "",
        "hello",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        let error = fetcher().configure(&trusting(text)).unwrap_err();
        assert_eq!(error.code(), "tls-authority-broken", "{text}");
    }
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let (from, until) = (rcgen::date_time_ymd(1975, 1, 1), rcgen::date_time_ymd(4096, 1, 1));
    let identity = Identity::valid("other.example", from, until);
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(refused(error).fault, CertificateFault::WrongName);
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let (from, until) = (rcgen::date_time_ymd(1975, 1, 1), rcgen::date_time_ymd(2001, 2, 3));
    let identity = Identity::valid("127.0.0.1", from, until);
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    let refused = refused(error);
    assert_eq!(refused.fault, CertificateFault::Expired);
    let text = refused.to_string();
    assert!(
        text.contains("it has expired, valid until 2001-02-03T00:00:00Z, and this machine takes"),
        "{text}"
    );
}

#[test]
fn a_certificate_of_the_future_waits_for_the_clock_and_a_floor_helps() {
    let (from, until) = (rcgen::date_time_ymd(2200, 1, 1), rcgen::date_time_ymd(2300, 1, 1));
    let identity = Identity::valid("127.0.0.1", from, until);
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let mut fetcher = limited(Duration::from_secs(2));
    let mut config = trusting(&identity.authority_pem());
    config.timeouts.http_total = Some(2);
    fetcher.configure(&config).unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "tls-certificate-not-yet-valid");
    assert!(error.next().contains("clock"), "{}", error.next());
    assert!(
        refused(error)
            .to_string()
            .contains("it is not valid yet, valid from 2200-01-01T00:00:00Z")
    );
    fetcher.raise_time_floor(7_900_000_000);
    assert_eq!(
        fetcher.buffer(&at(&server.url("/")), LIMIT),
        Ok(b"secret".to_vec())
    );
    // A floor only raises: it never makes an old certificate valid.
    fetcher.raise_time_floor(1);
    assert_eq!(fetcher.settings().connection.time_floor, Some(7_900_000_000));
    fetcher.raise_time_floor(10_500_000_000);
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(refused(error).fault, CertificateFault::Expired);
}

#[test]
fn an_authority_of_the_config_tells_that_its_time_has_come() {
    let (from, until) = (rcgen::date_time_ymd(2200, 1, 1), rcgen::date_time_ymd(2300, 1, 1));
    let identity = Identity::valid_with_authority("127.0.0.1", from, until, from);
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    assert_eq!(
        fetcher.buffer(&at(&server.url("/")), LIMIT),
        Ok(b"secret".to_vec())
    );
}

#[test]
fn https_never_falls_to_http() {
    let plain = Server::always(Reply::ok("open to everybody"));
    let identity = Identity::new();
    let to = plain.url("/");
    let server = Server::https(&identity, move |_, _| Reply::redirect(302, &to));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    let error = fetcher.buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "redirect-downgrade");
    assert_eq!(plain.seen().len(), 0);
}

#[test]
fn plain_http_may_lead_to_https() {
    let identity = Identity::new();
    let server = Server::https(&identity, |_, _| Reply::ok("secret"));
    let to = server.url("/");
    let plain = Server::http(move |_, _| Reply::redirect(301, &to));
    let mut fetcher = fetcher();
    fetcher.configure(&trusting(&identity.authority_pem())).unwrap();
    assert_eq!(
        fetcher.buffer(&at(&plain.url("/")), LIMIT),
        Ok(b"secret".to_vec())
    );
}
