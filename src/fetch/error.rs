//! Why a resource could not be had.

use std::time::Duration;

use kindling_config_spec::data_url::DataUrlError;

use crate::host::http::{IdentityError, ProxyError, TrustError};
use crate::host::transfer::{CertificateFault, TransferError};

/// A resource that could not be fetched. Every address in it is already fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The network is not up yet; not a failure before it should be.
    #[error("the network is needed for {url}")]
    NeedsNetwork {
        /// What is wanted.
        url: String,
    },
    /// No scheme of the config language.
    #[error("unknown scheme {scheme:?} in {url}")]
    SchemeUnknown {
        /// The scheme, empty where there is none.
        scheme: String,
        /// The address.
        url: String,
    },
    /// Not an address.
    #[error("broken address {url}: {why}")]
    Address {
        /// What is left of it.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// Inline data that breaks its own grammar.
    #[error("broken inline data")]
    DataUrl {
        /// What is wrong.
        #[source]
        source: DataUrlError,
    },
    /// A header without a value.
    #[error("header {name:?} for {url} has no value")]
    HeaderWithoutValue {
        /// Its name.
        name: String,
        /// The address.
        url: String,
    },
    /// A compression nobody knows.
    #[error("unknown compression {compression:?} of {url}")]
    CompressionUnknown {
        /// The value of the field.
        compression: String,
        /// The address.
        url: String,
    },
    /// A digest that cannot be compared with anything.
    #[error("broken digest for {url}: {why}")]
    HashMalformed {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// The cloud did not say who this machine is, or where the object is.
    #[error("cannot ask the object store for {url}: {why}")]
    Identity {
        /// The address.
        url: String,
        /// What is wrong.
        why: String,
    },
    /// There is no such bucket.
    #[error("the bucket of {url} does not exist")]
    BucketAbsent {
        /// The address.
        url: String,
    },
    /// The exchange failed in a way that does not heal, or too often.
    #[error("cannot fetch {url}")]
    Transfer {
        /// The address.
        url: String,
        /// The cause.
        source: TransferError,
    },
    /// The time for the resource is over.
    #[error("{url} was not fetched within {} s, in {attempts} attempts", after.as_secs())]
    TimedOut {
        /// The address.
        url: String,
        /// The limit.
        after: Duration,
        /// How often it was tried.
        attempts: u32,
        /// Why the last attempt failed.
        source: TransferError,
    },
    /// Another download failed meanwhile, so this one was given up.
    #[error("the download of {url} was given up")]
    Stopped {
        /// The address.
        url: String,
    },
    /// More bytes than anybody means.
    #[error("{url} is larger than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit in bytes, counted after decompression.
        limit: u64,
    },
    /// It unpacks to more than anybody packs.
    #[error("{url} unpacks to more than a thousand times its size: {packed} bytes so far")]
    Grows {
        /// The address.
        url: String,
        /// How many bytes had been unpacked.
        packed: u64,
    },
    /// Not the compression the config names, or an end that comes too soon.
    #[error("cannot decompress {url}: {why}")]
    Packed {
        /// The address.
        url: String,
        /// `gzip` or `zstd`.
        format: &'static str,
        /// The library's words.
        why: String,
    },
    /// After a broken connection the server sent something else than before.
    #[error("{url} changed while it was downloaded")]
    Changed {
        /// The address.
        url: String,
    },
    /// The bytes are not the ones the config means.
    #[error("the content of {url} has the wrong digest: expected {expected}, got {got}")]
    HashMismatch {
        /// The address.
        url: String,
        /// Function and lower-case hex digest, as in the config.
        expected: String,
        /// The same of what arrived.
        got: String,
    },
    /// The bytes could not be put where they belong.
    #[error("cannot store the content of {url}: {why}")]
    Sink {
        /// The address.
        url: String,
        /// The system's words.
        why: String,
    },
    /// A certificate authority of the config that is none.
    #[error("cannot use the certificate authorities of {url}")]
    Authorities {
        /// The address.
        url: String,
        /// What is wrong.
        source: TrustError,
    },
    /// A client certificate of the config, or its key, that cannot be used.
    #[error("cannot use the client certificate for {host}")]
    ClientIdentity {
        /// The host, as the config names it.
        host: String,
        /// What is wrong.
        source: IdentityError,
    },
    /// A proxy setting that cannot be understood.
    #[error("cannot use the proxy settings")]
    Proxy {
        /// What is wrong.
        #[from]
        source: ProxyError,
    },
}

impl FetchError {
    /// Whether the network would help.
    #[must_use]
    pub fn needs_network(&self) -> bool {
        matches!(self, Self::NeedsNetwork { .. })
    }

    /// The stable name of this failure.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NeedsNetwork { .. } => "network-needed",
            Self::SchemeUnknown { .. } => "scheme-unknown",
            Self::Address { .. } => "address-broken",
            Self::DataUrl { .. } => "data-url-broken",
            Self::HeaderWithoutValue { .. } => "header-without-value",
            Self::CompressionUnknown { .. } => "compression-unknown",
            Self::HashMalformed { .. } => "hash-malformed",
            Self::Identity { .. } => "store-identity",
            Self::BucketAbsent { .. } => "bucket-absent",
            Self::Transfer { source, .. } => transfer_code(source),
            Self::TimedOut { source, .. } => match source {
                // A clock that is wrong is not a network that is slow.
                TransferError::Certificate(_) => transfer_code(source),
                _ => "network-timeout",
            },
            Self::Stopped { .. } => "download-stopped",
            Self::TooLarge { .. } => "resource-too-large",
            Self::Grows { .. } => "resource-grows",
            Self::Packed { format: "zstd", .. } => "zstd-broken",
            Self::Packed { .. } => "gzip-broken",
            Self::Changed { .. } => "resource-changed",
            Self::HashMismatch { .. } => "hash-mismatch",
            Self::Sink { .. } => "resource-store",
            Self::Authorities { .. } => "tls-authority-broken",
            Self::ClientIdentity { .. } => "tls-client-broken",
            Self::Proxy { .. } => "proxy-broken",
        }
    }

    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> String {
        match self {
            Self::NeedsNetwork { .. } => "bring the network up, then run the fetch stage".to_owned(),
            Self::SchemeUnknown { .. } => "use http, https, tftp, s3, arn, gs or data".to_owned(),
            Self::Address { .. } => "write a complete address, for example https://host/path".to_owned(),
            Self::DataUrl { .. } => "write data:,TEXT with percent escapes, or data:;base64,TEXT".to_owned(),
            Self::HeaderWithoutValue { name, .. } => format!("give header {name:?} a value or remove it"),
            Self::CompressionUnknown { .. } => "set compression to \"gzip\" or leave it out".to_owned(),
            Self::HashMalformed { .. } => "write sha512-HEX or sha256-HEX of the content".to_owned(),
            Self::Identity { .. } => {
                "check the machine's role in its cloud, and the way to its metadata service and to the store"
                    .to_owned()
            }
            Self::BucketAbsent { .. } => "check the name of the bucket".to_owned(),
            Self::Transfer {
                url,
                source: TransferError::Status(401 | 403),
            } if is_object(url) => {
                "check that the machine's role or account in its cloud may read this object".to_owned()
            }
            Self::Transfer { source, .. } | Self::TimedOut { source, .. } => transfer_next(source),
            Self::Stopped { .. } => "see the failure of the other download".to_owned(),
            Self::TooLarge { .. } => "check that the address is the right one".to_owned(),
            Self::Grows { .. } => {
                "check the file; if it is the right one, put its digest into verification.hash".to_owned()
            }
            Self::Packed { format, .. } => format!("check that the file is complete and really {format}"),
            Self::Changed { .. } => "let the server finish its update, then boot again".to_owned(),
            Self::HashMismatch { .. } => {
                "check the server's copy; if it is the right one, put its digest into the config".to_owned()
            }
            Self::Sink { .. } => "look at the disk: it may be full or read-only".to_owned(),
            Self::Authorities { .. } => "provide a PEM bundle of CA certificates".to_owned(),
            Self::ClientIdentity { .. } => {
                "provide a PEM bundle that begins with the client's certificate, and its key in PEM"
                    .to_owned()
            }
            Self::Proxy { .. } => "write the proxy as http://host:port or https://host:port".to_owned(),
        }
    }
}

fn transfer_code(error: &TransferError) -> &'static str {
    match error {
        TransferError::Address { .. } => "address-broken",
        TransferError::Dns { .. } => "dns-failed",
        TransferError::Refused { .. } => "connection-refused",
        TransferError::Connect { .. } => "connection-failed",
        TransferError::Timeout { .. } => "network-timeout",
        TransferError::Certificate(refused) if refused.fault == CertificateFault::NotYetValid => {
            "tls-certificate-not-yet-valid"
        }
        TransferError::Certificate(_) => "tls-certificate-refused",
        TransferError::ClientCertificate { .. } => "tls-client-refused",
        TransferError::Tls { .. } => "tls-failed",
        TransferError::Trust { .. } => "tls-authority-broken",
        TransferError::NotHttp { .. } => "http-answer-broken",
        TransferError::Status(_) => "http-status",
        TransferError::Busy { .. } => "http-status",
        TransferError::BodyCut { .. } => "body-cut",
        TransferError::TooManyRedirects { .. } => "redirects-too-many",
        TransferError::Downgrade { .. } => "redirect-downgrade",
        TransferError::RedirectBroken { .. } => "redirect-broken",
        TransferError::Tftp { .. } => "tftp-refused",
        TransferError::Header { .. } => "header-invalid",
    }
}

/// Whether the address is one of an object store, where the machine's cloud says what it may read, and no header does.
fn is_object(url: &str) -> bool {
    url.split_once(':').is_some_and(|(scheme, _)| {
        ["s3", "arn", "gs"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
    })
}

fn transfer_next(error: &TransferError) -> String {
    match error {
        TransferError::Address { .. } => "write a complete address, for example https://host/path".to_owned(),
        TransferError::Dns { host, .. } => {
            format!("check the spelling of {host} and the name servers this network hands out")
        }
        TransferError::Refused { host } => format!("check that a server listens at {host}"),
        TransferError::Connect { host, .. } => format!("check the way from this machine to {host}"),
        TransferError::Timeout { .. } => "check the server's load and the way to it, or raise \
             ignition.timeouts (for the first config: --fetch-timeout)"
            .to_owned(),
        TransferError::Certificate(refused) => certificate_next(&refused.fault),
        TransferError::ClientCertificate { host, .. } => {
            format!("give the machine a certificate that {host} knows, in kindling.transport.hosts")
        }
        TransferError::Tls { .. } => "check that the server speaks TLS 1.2 or 1.3 on this port".to_owned(),
        TransferError::Trust { .. } => "provide a PEM bundle of CA certificates".to_owned(),
        TransferError::NotHttp { host, .. } => {
            format!("check that {host} is the port of an HTTP server, and http or https the right one")
        }
        TransferError::Status(401 | 403) => {
            "check the credentials in httpHeaders and the server's access rules".to_owned()
        }
        TransferError::Status(404) => "check the path on the server".to_owned(),
        TransferError::Busy { .. } => {
            "give the server more room, or more time: raise ignition.timeouts".to_owned()
        }
        TransferError::Status(_) => "look at the server's log for this request".to_owned(),
        TransferError::BodyCut { .. } => {
            "check the server and what lies between: it ends transfers early".to_owned()
        }
        TransferError::TooManyRedirects { .. } => "use the address the redirects lead to".to_owned(),
        TransferError::Downgrade { .. } => "let the server redirect to https only".to_owned(),
        TransferError::RedirectBroken { .. } => "correct the redirect on the server".to_owned(),
        TransferError::Tftp { code: 1, .. } => "check the path below the server's directory".to_owned(),
        TransferError::Tftp { .. } => "check that the server may read the file, and its log".to_owned(),
        TransferError::Header { name } => format!("remove what HTTP does not allow from header {name:?}"),
    }
}

fn certificate_next(fault: &CertificateFault) -> String {
    match fault {
        CertificateFault::Expired => "renew the server's certificate",
        CertificateFault::NotYetValid => "set this machine's clock; if it is right, the certificate's dates are wrong",
        CertificateFault::UnknownIssuer => {
            "add the issuing CA to ignition.security.tls.certificateAuthorities of the config that refers to it"
        }
        CertificateFault::WrongSignature => {
            "put the authority's current certificate into ignition.security.tls.certificateAuthorities"
        }
        CertificateFault::WrongName => "use a host name that the certificate lists",
        CertificateFault::Other(_) => "replace the server's certificate",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_is_told_where_that_is_decided() {
        let next = |url: &str| {
            let error = FetchError::Transfer {
                url: url.to_owned(),
                source: TransferError::Status(403),
            };
            error.next()
        };
        for object in ["s3://bucket/key", "arn:aws:s3:::bucket/key", "gs://bucket/key"] {
            assert!(next(object).contains("role or account"), "{object}");
        }
        assert!(next("https://server/key").contains("httpHeaders"));
    }
}
