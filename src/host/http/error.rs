//! What can go wrong between a request and the last byte of its answer.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

/// A request that brought no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
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
    #[error("no {waiting} within {} s", after.as_secs_f64())]
    Timeout {
        /// What was awaited.
        waiting: Waiting,
        /// The limit.
        after: Duration,
    },
    /// The server's certificate cannot be trusted.
    #[error(transparent)]
    Certificate(Box<CertificateRefused>),
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
    /// The answer is not what was asked for.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// The connection ended before the body did.
    #[error("the body broke off after {after} bytes: {why}")]
    BodyCut {
        /// How many bytes had arrived.
        after: u64,
        /// The library's words.
        why: String,
    },
    /// More redirects than [`super::MAX_REDIRECTS`].
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
    /// A header that HTTP cannot carry.
    #[error("header {name:?} cannot be sent")]
    Header {
        /// Its name; its value may be a secret.
        name: String,
    },
}

impl HttpError {
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
            | Self::BodyCut { .. } => true,
            Self::Certificate(refused) => refused.fault == CertificateFault::NotYetValid,
            Self::Status(status) => *status >= 500,
            Self::Address { .. }
            | Self::Trust { .. }
            | Self::TooManyRedirects { .. }
            | Self::Downgrade { .. }
            | Self::RedirectBroken { .. }
            | Self::Header { .. } => false,
        }
    }

    /// The error a failing [`super::Answer::body`] carries, if `error` comes from there.
    #[must_use]
    pub fn of_body(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

/// What a limit was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A connection, TLS included.
    Connection,
    /// The response headers.
    Headers,
    /// The whole resource, every attempt included.
    Total,
}

impl fmt::Display for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connection => "connection",
            Self::Headers => "response headers",
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
    pub(super) fn new(host: &str, error: &CertificateError) -> Self {
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

/// `2031-04-05T06:07:08Z`. Seconds that no calendar has are printed as seconds.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    if days > 2_932_896 {
        return format!("{seconds} s after 1970"); // The year 10000 and beyond.
    }
    // Counting from March puts the leap day at the end of a year: 400 years of 146,097 days, no special cases.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    let year = era * 400 + year;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

/// Names the cause of a failed exchange with `host` (host and port, as the operator would write it).
pub(super) fn classify(error: &reqwest::Error, host: &str) -> HttpError {
    let host = host.to_owned();
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    let mut root = error.to_string();
    while let Some(current) = next {
        if let Some(tls) = find_tls(current) {
            return match tls {
                rustls::Error::InvalidCertificate(why) => {
                    HttpError::Certificate(Box::new(CertificateRefused::new(&host, why)))
                }
                other => HttpError::Tls {
                    host,
                    why: other.to_string(),
                },
            };
        }
        if let Some(system) = current.downcast_ref::<io::Error>()
            && system.kind() == io::ErrorKind::ConnectionRefused
        {
            return HttpError::Refused { host };
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
            return HttpError::Dns { host: name, why };
        }
        next = current.source();
    }
    if error.is_builder() {
        return HttpError::Address { why: root };
    }
    HttpError::Connect { host, why: root }
}

/// The TLS library's error, which the layers above wrap in `io::Error`.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = error.downcast_ref() {
        return Some(tls);
    }
    find_tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (u64::MAX, "18446744073709551615 s after 1970"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

    #[test]
    fn only_what_time_can_heal_is_transient() {
        let refused = |fault| {
            HttpError::Certificate(Box::new(CertificateRefused {
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
        assert!(HttpError::Status(500).is_transient());
        assert!(!HttpError::Status(499).is_transient());
        assert!(!HttpError::Status(404).is_transient());
    }
}
