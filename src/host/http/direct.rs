//! Requests that have a connection of their own: from a privileged port, or to a server of this machine. No proxy, no
//! redirect, no TLS, and nothing that a later request could use again.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Cursor, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind, connect, getsockopt,
    socket, sockopt,
};
use url::{Position, Url};

use super::client::authority;
use super::stream::{Question, Reply, StreamError, exchange};
use super::{ACCEPT, AGENT, Answer, Connection, Request};
use crate::host::transfer::{TransferError, Waiting};

/// The ports that are set aside for clients of the system, as `rresvport` takes them: below are those of services.
const PORTS: std::ops::RangeInclusive<u16> = 512..=1023;

/// Time for a connection. Both kinds of server are next door.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Sends `request` from a port below 1024 that nobody uses.
///
/// # Errors
/// [`TransferError::Address`] for a scheme other than `http`; [`TransferError::Connect`] also when the system does not let
/// this process have such a port, or all are in use; otherwise as
/// [`HttpClient::open`](super::HttpClient::open).
pub fn from_privileged_port(request: &Request, connection: &Connection) -> Result<Answer, TransferError> {
    if request.url.scheme() != "http" {
        return Err(TransferError::Address {
            why: format!("{} cannot be asked from a privileged port", request.url.scheme()),
        });
    }
    let host = authority(&request.url);
    let found = request
        .url
        .socket_addrs(|| None)
        .map_err(|error| TransferError::Dns {
            host: request.url.host_str().unwrap_or_default().to_owned(),
            why: error.to_string(),
        })?;
    let address = found.first().copied().ok_or_else(|| TransferError::Dns {
        host: host.clone(),
        why: "it has no address".to_owned(),
    })?;
    let opened = privileged(address).map_err(|error| unconnected(&host, &error))?;
    let named = &request.url[Position::BeforeHost..Position::AfterPort];
    let target = &request.url[Position::BeforePath..Position::AfterQuery];
    ask(opened, request, connection, named, target)
}

/// Sends `request` to a server of this machine: `unix://HOST/SOCKET:/PATH`.
///
/// # Errors
/// [`TransferError::Address`] when it has not that form; [`TransferError::Connect`] when nobody listens; otherwise as
/// [`HttpClient::open`](super::HttpClient::open).
pub fn over_socket(request: &Request, connection: &Connection) -> Result<Answer, TransferError> {
    let (host, path, target) = socket_of(&request.url).ok_or_else(|| TransferError::Address {
        why: "it is not unix://HOST/SOCKET:/PATH".to_owned(),
    })?;
    let opened = UnixAddr::new(path)
        .map_err(io::Error::from)
        .and_then(|address| opened(AddressFamily::Unix, None, &address))
        .map_err(|error| unconnected(path, &error))?;
    ask(opened, request, connection, host, target)
}

/// What the server is called, its socket, and what to ask for.
fn socket_of(url: &Url) -> Option<(&str, &str, &str)> {
    let whole = &url[Position::BeforePath..Position::AfterQuery];
    let (path, target) = whole.split_at(whole.find(":/")?);
    Some((url.host_str()?, path, target.strip_prefix(':')?))
}

/// A connection with `address` from one of [`PORTS`]: a random one, or the next that is free.
fn privileged(address: SocketAddr) -> io::Result<OwnedFd> {
    let (family, any) = match address {
        SocketAddr::V4(_) => (AddressFamily::Inet, Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (AddressFamily::Inet6, Ipv6Addr::UNSPECIFIED.into()),
    };
    // The standard library seeds its hash maps from the kernel.
    let random = RandomState::new().build_hasher().finish();
    let first = usize::try_from(random % 512).unwrap_or(0);
    for port in PORTS.skip(first).chain(PORTS.take(first)) {
        let from = SockaddrStorage::from(SocketAddr::new(any, port));
        match opened(family, Some(&from), &SockaddrStorage::from(address)) {
            // In use by another program, or by a connection of a moment ago that the kernel still remembers.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
                ) => {}
            other => return other,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "every port from 512 to 1023 is in use",
    ))
}

/// A connected socket, bound to `from` before.
fn opened(
    family: AddressFamily,
    from: Option<&SockaddrStorage>,
    to: &dyn SockaddrLike,
) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let opened = socket(family, SockType::Stream, flags, None)?;
    if let Some(from) = from {
        bind(opened.as_raw_fd(), from)?;
    }
    match connect(opened.as_raw_fd(), to) {
        Ok(()) => return Ok(opened),
        Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    await_ready(
        opened.as_fd(),
        PollFlags::POLLOUT,
        Instant::now() + CONNECT_WITHIN,
    )?;
    match getsockopt(&opened, sockopt::SocketError)? {
        0 => Ok(opened),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Waits until `socket` is ready, but not beyond `end`.
fn await_ready(socket: BorrowedFd<'_>, flags: PollFlags, end: Instant) -> io::Result<()> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let step = PollTimeout::try_from(left.min(Duration::from_secs(60)) + Duration::from_millis(1));
        match poll(
            &mut [PollFd::new(socket, flags)],
            step.unwrap_or(PollTimeout::MAX),
        ) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A socket whose other side may be silent for so long, and which is given up at the end.
struct Bounded {
    socket: std::fs::File,
    silence: Option<Duration>,
    end: Option<Instant>,
}

impl Bounded {
    fn await_ready(&self, flags: PollFlags) -> io::Result<()> {
        // A limit beyond what the clock can express is no limit.
        let silent = self.silence.and_then(|limit| Instant::now().checked_add(limit));
        let far = || Instant::now() + Duration::from_secs(86_400);
        let end = [silent, self.end].into_iter().flatten().min().unwrap_or_else(far);
        await_ready(self.socket.as_fd(), flags, end)
    }
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.await_ready(PollFlags::POLLIN)?;
        self.socket.read(into)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.await_ready(PollFlags::POLLOUT)?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One exchange over a socket that is connected.
fn ask(
    opened: OwnedFd,
    request: &Request,
    connection: &Connection,
    host: &str,
    target: &str,
) -> Result<Answer, TransferError> {
    let mut stream = Bounded {
        socket: opened.into(),
        silence: connection.header_timeout,
        end: request
            .finish_within
            .and_then(|limit| Instant::now().checked_add(limit)),
    };
    let question = Question {
        method: request.method,
        target,
        headers: &headers(request, host),
        body: &request.body,
    };
    let reply = exchange(&mut stream, &question).map_err(|error| {
        let is_over = stream.end.is_some_and(|end| end <= Instant::now());
        let (waiting, after) = if is_over {
            (Waiting::Total, request.finish_within)
        } else {
            (Waiting::Headers, connection.header_timeout)
        };
        judged(error, host, waiting, after.unwrap_or_default())
    })?;
    Ok(answer(reply))
}

/// The engine's own headers, and those of the request over them; never another host than the one that is asked.
fn headers(request: &Request, host: &str) -> Vec<(String, String)> {
    let own = [
        ("Host", host),
        ("User-Agent", AGENT),
        ("Accept", ACCEPT),
        ("Accept-Encoding", "identity"),
    ];
    let mut headers: Vec<(String, String)> = own
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for header in request
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
    {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&header.0));
        headers.push(header.clone());
    }
    headers
}

fn answer(reply: Reply) -> Answer {
    Answer {
        status: reply.status,
        headers: reply.headers,
        length: u64::try_from(reply.body.len()).ok(),
        is_redirected: false,
        body: Box::new(Cursor::new(reply.body)),
    }
}

fn unconnected(host: &str, error: &io::Error) -> TransferError {
    let host = host.to_owned();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TransferError::Refused { host },
        io::ErrorKind::TimedOut => TransferError::Timeout {
            waiting: Waiting::Connection,
            after: CONNECT_WITHIN,
        },
        _ => TransferError::Connect {
            host,
            why: error.to_string(),
        },
    }
}

fn judged(error: StreamError, host: &str, waiting: Waiting, after: Duration) -> TransferError {
    let host = host.to_owned();
    let why = error.to_string();
    match error {
        StreamError::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            TransferError::Timeout { waiting, after }
        }
        StreamError::Io(_) | StreamError::Silent => TransferError::Connect { host, why },
        StreamError::Cut => TransferError::BodyCut { after: 0, why },
        StreamError::NotHttp(_) => TransferError::NotHttp { host, why },
        StreamError::Question | StreamError::TooLarge => TransferError::Address { why },
    }
}

#[cfg(test)]
mod tests;
