//! From the library's error to the cause of a failed exchange.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

use crate::host::transfer::{CertificateRefused, TransferError};

/// Names the cause of a failed exchange with `host` (host and port, as the operator would write it).
pub(super) fn classify(error: &reqwest::Error, host: &str) -> TransferError {
    let host = host.to_owned();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    let mut root = error.to_string();
    while let Some(current) = next {
        if let Some(tls) = find_tls(current) {
            return tls_error(tls, &host);
        }
        if let Some(protocol) = current.downcast_ref::<hyper::Error>()
            && protocol.is_parse()
        {
            return TransferError::NotHttp {
                host,
                why: protocol.to_string(),
            };
        }
        if let Some(system) = current.downcast_ref::<io::Error>()
            && system.kind() == io::ErrorKind::ConnectionRefused
        {
            return TransferError::Refused { host };
        }
        root = current.to_string();
        // The resolver's error has no public type. What it is called is asserted by a test.
        if root == "dns error" {
            let why = current.source().map_or(root, ToString::to_string);
            // The port plays no part here, and `host` is `name:port`.
            let name = host
                .rsplit_once(':')
                .map_or(host.as_str(), |(name, _)| name)
                .to_owned();
            return TransferError::Dns { host: name, why };
        }
        next = current.source();
    }
    if error.is_builder() {
        return TransferError::Address { why: root };
    }
    TransferError::Connect { host, why: root }
}

/// What an error of the TLS library with `host` means.
pub(in crate::host) fn tls_error(error: &rustls::Error, host: &str) -> TransferError {
    let host = host.to_owned();
    match error {
        rustls::Error::InvalidCertificate(why) => {
            TransferError::Certificate(Box::new(CertificateRefused::new(&host, why)))
        }
        rustls::Error::AlertReceived(alert) if is_about_the_client(*alert) => {
            TransferError::ClientCertificate {
                host,
                why: format!("{alert:?}"),
            }
        }
        other => TransferError::Tls {
            host,
            why: other.to_string(),
        },
    }
}

/// Whether a server says with `alert` that it wants, or does not like, a client certificate (RFC 8446, 6.2).
fn is_about_the_client(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
    )
}

/// The TLS library's error, which the layers above wrap in `io::Error`.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    find_tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}
