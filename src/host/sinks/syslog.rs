//! A log server on a stream: TCP (RFC 6587), or TLS over it (RFC 5425).
//!
//! The protocol has no answer. That the server closes its side after ours, or keeps silent, is all that can be known.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::host::http::stream::Until;
use crate::host::http::{Connection, SystemTrust, authority, tls_configuration, tls_error};
use crate::host::transfer::{TransferError, Waiting};

/// The registered port of syslog over TCP.
const TCP_PORT: u16 = 601;
/// The registered port of syslog over TLS.
const TLS_PORT: u16 = 6514;

/// How long the server is given to close its side.
const FAREWELL: Duration = Duration::from_secs(1);

/// Sends `frames` to the server of `url`, `tcp` or `tls`, under the trust of `connection`.
///
/// # Errors
/// The server cannot be reached or believed, does not take the frames `within` that time, or breaks the connection.
pub fn send(
    url: &Url,
    connection: &Connection,
    frames: &[u8],
    within: Duration,
) -> Result<(), TransferError> {
    let is_tls = url.scheme() == "tls";
    let port = if is_tls { TLS_PORT } else { TCP_PORT };
    let host = match url.port() {
        Some(_) => authority(url),
        None => format!("{}:{port}", authority(url)),
    };
    let end = Instant::now() + within;
    let socket = connect(url, port, &host, end)?;
    let failed = |error: io::Error| unsent(&error, &host, within);
    let mut plain = until(&socket, left(end)).map_err(failed)?;
    if !is_tls {
        plain.write_all(frames).map_err(failed)?;
        socket.shutdown(Shutdown::Write).map_err(failed)?;
        return farewell(&mut until(&socket, FAREWELL).map_err(failed)?).map_err(failed);
    }
    let mut tls = session(url, connection, &host)?;
    rustls::Stream::new(&mut tls, &mut plain)
        .write_all(frames)
        .and_then(|()| {
            tls.send_close_notify();
            while tls.wants_write() {
                tls.write_tls(&mut plain)?;
            }
            socket.shutdown(Shutdown::Write)
        })
        .map_err(failed)?;
    // What is not read when the socket is closed would make the kernel take back what is on its way.
    let mut last = until(&socket, FAREWELL).map_err(failed)?;
    farewell(&mut rustls::Stream::new(&mut tls, &mut last)).map_err(failed)
}

fn left(end: Instant) -> Duration {
    // A limit of nothing is refused by the system.
    end.saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

fn until(socket: &TcpStream, within: Duration) -> io::Result<Until> {
    Until::new(socket.try_clone()?.into(), within)
}

/// A connection with the first address of the host that takes one.
fn connect(url: &Url, port: u16, host: &str, end: Instant) -> Result<TcpStream, TransferError> {
    let nowhere = |why: String| TransferError::Dns {
        host: url.host_str().unwrap_or_default().to_owned(),
        why,
    };
    let addresses = url
        .socket_addrs(|| Some(port))
        .map_err(|error| nowhere(error.to_string()))?;
    let mut last = nowhere("it has no address".to_owned());
    for address in addresses {
        match TcpStream::connect_timeout(&address, left(end)) {
            Ok(socket) => return Ok(socket),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = TransferError::Refused {
                    host: host.to_owned(),
                };
            }
            Err(error) => {
                last = TransferError::Connect {
                    host: host.to_owned(),
                    why: error.to_string(),
                };
            }
        }
    }
    Err(last)
}

fn session(url: &Url, connection: &Connection, host: &str) -> Result<ClientConnection, TransferError> {
    let config = tls_configuration(
        Some(&SystemTrust::default()),
        &connection.roots,
        connection.time_floor,
        None,
    )?;
    // The brackets of an address are the URL's.
    let name = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let name = ServerName::try_from(name).map_err(|error| TransferError::Address {
        why: error.to_string(),
    })?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| tls_error(&error, host))
}

/// Waits until the server has closed its side. One that keeps it open has not complained.
fn farewell(stream: &mut impl Read) -> io::Result<()> {
    let mut rest = [0; 512];
    loop {
        match stream.read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::TimedOut | io::ErrorKind::UnexpectedEof
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

fn unsent(error: &io::Error, host: &str, within: Duration) -> TransferError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(tls) => tls_error(tls, host),
        None if error.kind() == io::ErrorKind::TimedOut => TransferError::Timeout {
            waiting: Waiting::Connection,
            after: within,
        },
        None => TransferError::Connect {
            host: host.to_owned(),
            why: error.to_string(),
        },
    }
}
