//! What can go wrong between a request and the last byte of its answer, whatever carries it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use crate::calendar::utc;

/// How often the console hears of a wait, or of a download, that goes on.
pub const TELL_EVERY: Duration = Duration::from_secs(5);

/// A request that brought no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The address cannot be asked over HTTP at all.
    #[error("the address cannot be used: {why}")]
    Address {
        /// What is wrong with it.
        why: String,
    },
    /// The host's name has no address, or no name server answered.
    #[error("cannot resolve host {host}: {why}")]
    Dns {
        /// The host name.
        host: String,
        /// The resolver's words.
        why: String,
    },
    /// The host is there and nobody listens.
    #[error("{host} refused the connection")]
    Refused {
        /// Host and port.
        host: String,
    },
    /// No connection could be made, or it broke before the headers were complete.
    #[error("no connection with {host}: {why}")]
    Connect {
        /// Host and port.
        host: String,
        /// The system's words.
        why: String,
    },
    /// A time limit struck.
    #[error("no {waiting} within {} s", (after.as_secs_f64() * 10.0).round() / 10.0)]
    Timeout {
        /// What was awaited.
        waiting: Waiting,
        /// The limit.
        after: Duration,
    },
    /// The server's certificate cannot be trusted.
    #[error(transparent)]
    Certificate(Box<CertificateRefused>),
    /// The server wants another client certificate than it was shown, or one at all.
    #[error("{host} does not accept this machine: {why}")]
    ClientCertificate {
        /// Host and port.
        host: String,
        /// The name of the server's alert.
        why: String,
    },
    /// Both sides do not agree on how to speak TLS.
    #[error("TLS with {host} failed: {why}")]
    Tls {
        /// Host and port.
        host: String,
        /// The library's words.
        why: String,
    },
    /// The trust anchors cannot be used.
    #[error("the certificate authorities cannot be used: {why}")]
    Trust {
        /// The library's words.
        why: String,
    },
    /// What comes back is not HTTP, or its headers have no end.
    #[error("{host} does not answer in HTTP: {why}")]
    NotHttp {
        /// Host and port.
        host: String,
        /// The library's words.
        why: String,
    },
    /// The answer is not what was asked for.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The server is there, cannot serve now, and says when to come back (header `Retry-After`).
    #[error("the server answered with status {status} and asks to wait {} s", wait.as_secs())]
    Busy {
        /// The status.
        status: u16,
        /// How long it asks to wait.
        wait: Duration,
    },
    /// The connection ended before the body did.
    #[error("the body broke off after {after} bytes: {why}")]
    BodyCut {
        /// How many bytes had arrived.
        after: u64,
        /// The library's words.
        why: String,
    },
    /// More redirects than [`super::http::MAX_REDIRECTS`].
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The limit.
        limit: usize,
    },
    /// A redirect from `https` to something that anybody on the way can read and change.
    #[error("a redirect leads from https to {scheme}")]
    Downgrade {
        /// The scheme it leads to.
        scheme: String,
    },
    /// A redirect without a usable target.
    #[error("a redirect leads nowhere: {why}")]
    RedirectBroken {
        /// What is wrong with it.
        why: String,
    },
    /// The TFTP server refuses.
    #[error("the server answered with error {code} ({})", tftp_meaning(*code, message))]
    Tftp {
        /// As RFC 1350 numbers them.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// A header that HTTP cannot carry.
    #[error("header {name:?} cannot be sent")]
    Header {
        /// Its name; its value may be a secret.
        name: String,
    },
}

impl TransferError {
    /// Whether trying again can help. Networks, overloaded servers and a certificate that is not valid *yet* (a
    /// clock that somebody sets meanwhile) heal; everything else stays as it is.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Dns { .. }
            | Self::Refused { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Tls { .. }
            | Self::Busy { .. }
            | Self::BodyCut { .. } => true,
            Self::Certificate(refused) => refused.fault == CertificateFault::NotYetValid,
            // Too slow to ask, too early, too many requests: later is another matter.
            Self::Status(status) => matches!(status, 408 | 425 | 429) || *status >= 500,
            Self::Address { .. }
            | Self::Trust { .. }
            | Self::NotHttp { .. }
            | Self::ClientCertificate { .. }
            | Self::TooManyRedirects { .. }
            | Self::Downgrade { .. }
            | Self::RedirectBroken { .. }
            | Self::Tftp { .. }
            | Self::Header { .. } => false,
        }
    }

    /// The error a failing [`super::http::Answer::body`] carries, if `error` comes from there.
    #[must_use]
    pub fn of_body(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// The server's own words, or the protocol's where it sends none.
fn tftp_meaning(code: u16, message: &str) -> &str {
    match code {
        _ if !message.is_empty() => message,
        1 => "file not found",
        2 => "access violation",
        3 => "disk full",
        4 => "illegal operation",
        5 => "unknown transfer",
        8 => "options refused",
        _ => "no reason given",
    }
}

/// What a limit was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A connection, TLS included.
    Connection,
    /// The response headers.
    Headers,
    /// The next packet of a TFTP server.
    Packet,
    /// The whole resource, every attempt included.
    Total,
}

impl fmt::Display for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connection => "connection",
            Self::Headers => "response headers",
            Self::Packet => "answer from the TFTP server",
            Self::Total => "complete answer",
        })
    }
}

/// Why a certificate was refused, with the dates that decided where dates did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRefused {
    /// Host and port of the server.
    pub host: String,
    /// What is wrong.
    pub fault: CertificateFault,
    /// The time it was judged at, in seconds since 1970.
    pub now: Option<u64>,
    /// When it becomes valid, in seconds since 1970.
    pub not_before: Option<u64>,
    /// When it stops being valid, in seconds since 1970.
    pub not_after: Option<u64>,
}

/// What is wrong with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// Its time has not come; most often the machine's clock is wrong.
    NotYetValid,
    /// No trusted authority signed it.
    UnknownIssuer,
    /// An authority of that name is trusted, but its key did not sign this: often the authority was made anew.
    WrongSignature,
    /// It belongs to another host.
    WrongName,
    /// Something else, in the library's words.
    Other(String),
}

impl CertificateRefused {
    /// Translates the library's finding.
    pub(crate) fn new(host: &str, error: &CertificateError) -> Self {
        let mut refused = Self {
            host: host.to_owned(),
            fault: CertificateFault::Other(error.to_string()),
            now: None,
            not_before: None,
            not_after: None,
        };
        match error {
            CertificateError::Expired => refused.fault = CertificateFault::Expired,
            CertificateError::ExpiredContext { time, not_after } => {
                refused.fault = CertificateFault::Expired;
                refused.now = Some(time.as_secs());
                refused.not_after = Some(not_after.as_secs());
            }
            CertificateError::NotValidYet => refused.fault = CertificateFault::NotYetValid,
            CertificateError::NotValidYetContext { time, not_before } => {
                refused.fault = CertificateFault::NotYetValid;
                refused.now = Some(time.as_secs());
                refused.not_before = Some(not_before.as_secs());
            }
            CertificateError::UnknownIssuer => refused.fault = CertificateFault::UnknownIssuer,
            CertificateError::BadSignature => refused.fault = CertificateFault::WrongSignature,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                refused.fault = CertificateFault::WrongName;
            }
            _ => {}
        }
        refused
    }
}

impl Error for CertificateRefused {}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the certificate of {} is refused: ", self.host)?;
        match &self.fault {
            CertificateFault::Expired => out.write_str("it has expired")?,
            CertificateFault::NotYetValid => out.write_str("it is not valid yet")?,
            CertificateFault::UnknownIssuer => out.write_str("no trusted authority signed it")?,
            CertificateFault::WrongSignature => {
                out.write_str("the trusted authority of that name did not sign it")?;
            }
            CertificateFault::WrongName => out.write_str("it was issued for another host")?,
            CertificateFault::Other(why) => out.write_str(why)?,
        }
        if let Some(seconds) = self.not_after {
            write!(out, ", valid until {}", utc(seconds))?;
        }
        if let Some(seconds) = self.not_before {
            write!(out, ", valid from {}", utc(seconds))?;
        }
        match self.now {
            Some(seconds) => write!(out, ", and this machine takes the time for {}", utc(seconds)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_time_can_heal_is_transient() {
        let refused = |fault| {
            TransferError::Certificate(Box::new(CertificateRefused {
                host: "h:443".to_owned(),
                fault,
                now: None,
                not_before: None,
                not_after: None,
            }))
        };
        assert!(refused(CertificateFault::NotYetValid).is_transient());
        assert!(!refused(CertificateFault::Expired).is_transient());
        assert!(!refused(CertificateFault::UnknownIssuer).is_transient());
        assert!(TransferError::Status(500).is_transient());
        assert!(TransferError::Status(429).is_transient());
        assert!(!TransferError::Status(499).is_transient());
        assert!(!TransferError::Status(404).is_transient());
    }
}
