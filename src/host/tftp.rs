//! TFTP, reading only: RFC 1350 in mode `octet`, with the options of RFC 2347, block size (RFC 2348), timeout and
//! transfer size (RFC 2349).
//!
//! The body is read as it arrives, one block in memory; a block is acknowledged when the next one is wanted, so a slow
//! disk slows the server down instead of filling memory. Trying again after the last timeout, hashing and unpacking
//! are not its business ([`crate::fetch`]).

mod packet;

use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use kindling_config_spec::url_syntax::unescaped;
use url::Url;

use self::packet::{Offer, Packet, acknowledgement, read_request, refusal};
use super::console::WAITING;
use super::transfer::{TELL_EVERY, TransferError, Waiting};

/// Error codes of RFC 1350 and RFC 2347 that mean something here.
const ILLEGAL_OPERATION: u16 = 4;
const OPTIONS_REFUSED: u16 = 8;

/// The well-known port of the protocol.
const PORT: u16 = 69;

/// The block size asked for in bytes: what fits an Ethernet frame of 1,500 bytes below IPv6 and UDP. A larger one would
/// be cut into fragments, and firmware networks lose fragments.
const BLOCK: u16 = 1448;

/// The block size of RFC 1350, where the server knows no options.
const CLASSIC_BLOCK: u16 = 512;

/// How long an answer is waited for before a packet is sent again.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a packet is sent before the transfer has failed, each time with a longer wait: 1, 2, 4, 5 and 5 seconds.
const SENDS: u32 = 5;

/// The longest wait for one answer.
const LONGEST_PATIENCE: Duration = Duration::from_secs(5);

/// All these waits together.
const GIVEN_UP: Duration = Duration::from_secs(17);

/// A transfer whose first block has arrived.
pub struct Download {
    /// The length in bytes, where the server told it.
    pub length: Option<u64>,
    /// The content. A failing read carries a [`TransferError`] as the inner error of its `io::Error`.
    pub body: Box<dyn Read + Send>,
}

/// Asks for the file that `url` names and returns when its first block is there. `within` bounds the whole transfer.
///
/// # Errors
/// `Address`, `Dns`, `Connect`, `Timeout`, and `Tftp` when the server refuses.
pub fn open(url: &Url, within: Option<Duration>) -> Result<Download, TransferError> {
    let end = within.and_then(|limit| Instant::now().checked_add(limit));
    let file = file_of(url)?;
    let servers = addresses(url)?;
    let host = authority(url);
    let mut link = Link::new(host, servers, within, end)?;
    let (offer, first) = match link.request(&read_request(&file, Some(BLOCK))) {
        // RFC 2347: a server that does not like the options says so, and is asked without them.
        Err(TransferError::Tftp {
            code: OPTIONS_REFUSED,
            ..
        }) => {
            link.is_plain = true;
            link.request(&read_request(&file, None))?
        }
        other => other?,
    };
    // A server without that option has blocks of the classic size (RFC 2348); a larger one than asked for is a fault.
    let size = offer.block.unwrap_or(CLASSIC_BLOCK);
    if !(8..=BLOCK).contains(&size) {
        return Err(link.broken("it offers blocks of a size that was not asked for"));
    }
    let mut body = Body {
        link,
        block: Vec::new(),
        read: 0,
        number: 0,
        size: usize::from(size),
        received: 0,
        length: offer.length,
        is_last: false,
    };
    match first {
        Some(block) => body.accept(1, block)?,
        // The options are acknowledged as block 0; the first block follows.
        None => body.next_block()?,
    }
    Ok(Download {
        length: body.length,
        body: Box::new(body),
    })
}

/// The path of `url` without its escapes. It keeps the leading slash, as in the reference: some servers need it.
fn file_of(url: &Url) -> Result<Vec<u8>, TransferError> {
    let broken = |why: &str| TransferError::Address { why: why.to_owned() };
    let file = unescaped(url.path()).ok_or_else(|| broken("its path has a broken escape"))?;
    if file.contains(&0) {
        return Err(broken("its path has a NUL byte"));
    }
    if file.is_empty() || file == b"/" {
        return Err(broken("it names no file"));
    }
    Ok(file)
}

/// Host and port as the operator would write them.
fn authority(url: &Url) -> String {
    format!(
        "{}:{}",
        url.host_str().unwrap_or_default(),
        url.port().unwrap_or(PORT)
    )
}

fn addresses(url: &Url) -> Result<Vec<SocketAddr>, TransferError> {
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err(TransferError::Address {
            why: "it names no host".to_owned(),
        });
    }
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let failed = |why: String| TransferError::Dns {
        host: name.to_owned(),
        why,
    };
    let found: Vec<SocketAddr> = (name, url.port().unwrap_or(PORT))
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?
        .collect();
    if found.is_empty() {
        return Err(failed("it has no address".to_owned()));
    }
    Ok(found)
}

/// Our end of a transfer: the socket, the server, and how long it all may take.
struct Link {
    host: String,
    /// The addresses of the host, until one of them answers.
    servers: Vec<SocketAddr>,
    /// Who answered: address and port of the transfer (RFC 1350 §4).
    peer: Option<SocketAddr>,
    v4: Option<UdpSocket>,
    v6: Option<UdpSocket>,
    within: Option<Duration>,
    end: Option<Instant>,
    /// Whether the server was asked without options.
    is_plain: bool,
    /// When the console hears of the transfer next.
    tell: Instant,
}

impl Link {
    fn new(
        host: String,
        servers: Vec<SocketAddr>,
        within: Option<Duration>,
        end: Option<Instant>,
    ) -> Result<Self, TransferError> {
        let bind = |wanted: bool, any: &str| {
            if !wanted {
                return Ok(None);
            }
            UdpSocket::bind((any, 0)).map(Some)
        };
        let v4 = bind(servers.iter().any(SocketAddr::is_ipv4), "0.0.0.0");
        let v6 = bind(servers.iter().any(SocketAddr::is_ipv6), "::");
        let (v4, v6) = match (v4, v6) {
            // A machine without one of the two protocols still has the other.
            (Err(error), Ok(None)) | (Ok(None), Err(error)) | (Err(error), Err(_)) => {
                return Err(TransferError::Connect {
                    host,
                    why: error.to_string(),
                });
            }
            (v4, v6) => (v4.ok().flatten(), v6.ok().flatten()),
        };
        Ok(Self {
            host,
            servers,
            peer: None,
            v4,
            v6,
            within,
            end,
            is_plain: false,
            tell: Instant::now() + TELL_EVERY,
        })
    }

    fn socket(&self, to: &SocketAddr) -> Option<&UdpSocket> {
        if to.is_ipv4() {
            self.v4.as_ref()
        } else {
            self.v6.as_ref()
        }
    }

    /// Sends a read request until something answers it: the options the server agrees to, and the first block where it
    /// agrees to none.
    fn request(&mut self, request: &[u8]) -> Result<(Offer, Option<Vec<u8>>), TransferError> {
        self.peer = None;
        match self.exchange(request, |packet| {
            matches!(packet, Packet::Options(_) | Packet::Data { number: 1, .. })
        })? {
            Packet::Options(offer) => Ok((offer, None)),
            Packet::Data { content, .. } => Ok((Offer::default(), Some(content))),
            Packet::Error { .. } | Packet::Other => Err(self.broken("it answers out of turn")),
        }
    }

    /// Sends `packet` until a packet comes that `wanted` takes.
    fn exchange(&mut self, packet: &[u8], wanted: impl Fn(&Packet) -> bool) -> Result<Packet, TransferError> {
        let mut patience = PATIENCE;
        let mut unreachable = None;
        for attempt in 0..SENDS {
            // Without an answer yet, each address of the host has its turn.
            let turn = usize::try_from(attempt).unwrap_or(0) % self.servers.len().max(1);
            let Some(to) = self.peer.or_else(|| self.servers.get(turn).copied()) else {
                break;
            };
            let sent = self.socket(&to).map(|socket| socket.send_to(packet, to));
            match sent {
                Some(Ok(_)) => {}
                Some(Err(error)) => unreachable = Some(error.to_string()),
                None => unreachable = Some("this machine has no such network".to_owned()),
            }
            let until = Instant::now() + patience;
            if let Some(answer) = self.answer(to, until, &wanted)? {
                return Ok(answer);
            }
            patience = patience.saturating_mul(2).min(LONGEST_PATIENCE);
        }
        Err(match unreachable {
            Some(why) => TransferError::Connect {
                host: self.host.clone(),
                why,
            },
            None => TransferError::Timeout {
                waiting: Waiting::Packet,
                after: GIVEN_UP,
            },
        })
    }

    /// What `wanted` takes of that which arrives until `until`; `None` when nothing does. Everything else is old, or
    /// from strangers.
    fn answer(
        &mut self,
        to: SocketAddr,
        until: Instant,
        wanted: &impl Fn(&Packet) -> bool,
    ) -> Result<Option<Packet>, TransferError> {
        let mut datagram = vec![0; usize::from(BLOCK) + 1024];
        loop {
            let now = Instant::now();
            if self.end.is_some_and(|end| end <= now) {
                // Whether it was there and slow, or never there, is what the operator wants to know.
                let was_there = self.peer.is_some();
                return Err(TransferError::Timeout {
                    waiting: if was_there {
                        Waiting::Total
                    } else {
                        Waiting::Packet
                    },
                    after: self.within.unwrap_or_default(),
                });
            }
            let until = self.end.map_or(until, |end| end.min(until));
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(None);
            }
            let Some(socket) = self.socket(&to) else {
                return Ok(None);
            };
            let received = socket
                .set_read_timeout(Some(left))
                .and_then(|()| socket.recv_from(&mut datagram));
            let (length, from) = match received {
                Ok(received) => received,
                // A timeout, or a report that nobody listens there: both leave the time for the next try.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => continue,
            };
            let is_peer = match self.peer {
                Some(peer) => peer == from,
                None => self.servers.iter().any(|server| server.ip() == from.ip()),
            };
            if !is_peer {
                // RFC 1350 §4: a stranger is told so, and the transfer goes on.
                let _ = socket.send_to(&refusal(5, "unknown transfer"), from);
                continue;
            }
            let packet = Packet::parse(datagram.get(..length).unwrap_or_default());
            if let Packet::Error { code, message } = packet {
                // A slow server may refuse the options of a first request twice.
                if code == OPTIONS_REFUSED && self.is_plain {
                    continue;
                }
                return Err(TransferError::Tftp { code, message });
            }
            if wanted(&packet) {
                self.peer = Some(from);
                return Ok(Some(packet));
            }
        }
    }

    /// A server that breaks the protocol, which it will do again; as RFC 1350 numbers it.
    fn broken(&self, why: &str) -> TransferError {
        TransferError::Tftp {
            code: ILLEGAL_OPERATION,
            message: format!("{} {why}", self.host),
        }
    }

    /// Tells the server something that needs no answer.
    fn tell(&self, packet: &[u8]) {
        if let Some((peer, socket)) = self.peer.and_then(|peer| Some((peer, self.socket(&peer)?))) {
            // What is lost here costs the server a timeout, and this side nothing.
            let _ = socket.send_to(packet, peer);
        }
    }
}

/// The content as it arrives.
struct Body {
    link: Link,
    block: Vec<u8>,
    /// How much of `block` has been read.
    read: usize,
    /// The number of `block`. It starts again at 0 after 65,535, as every server does that sends such files.
    number: u16,
    size: usize,
    received: u64,
    length: Option<u64>,
    is_last: bool,
}

impl Body {
    /// Acknowledges the current block and waits for the next one.
    fn next_block(&mut self) -> Result<(), TransferError> {
        let number = self.number.wrapping_add(1);
        let now = Instant::now();
        if self.link.tell <= now {
            self.link.tell = now + TELL_EVERY;
            tracing::info!(target: WAITING, "{} KiB from {} so far", self.received >> 10, self.link.host);
        }
        let acknowledged = acknowledgement(self.number);
        let packet = self.link.exchange(
            &acknowledged,
            |packet| matches!(packet, Packet::Data { number: got, .. } if *got == number),
        )?;
        let Packet::Data { content, .. } = packet else {
            return Err(self.link.broken("it answers out of turn"));
        };
        self.accept(number, content)
    }

    fn accept(&mut self, number: u16, content: Vec<u8>) -> Result<(), TransferError> {
        if content.len() > self.size {
            return Err(self.link.broken("it sends larger blocks than agreed"));
        }
        self.received += u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.is_last = content.len() < self.size;
        self.number = number;
        self.block = content;
        self.read = 0;
        if !self.is_last {
            return Ok(());
        }
        self.link.tell(&acknowledgement(number));
        match self.length.filter(|length| *length != self.received) {
            None => Ok(()),
            Some(length) => Err(TransferError::BodyCut {
                after: self.received,
                why: format!("the server announced {length} bytes"),
            }),
        }
    }
}

impl Read for Body {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let rest = self.block.get(self.read..).unwrap_or_default();
            let count = rest.len().min(into.len());
            if let (Some(to), Some(from)) = (into.get_mut(..count), rest.get(..count))
                && count > 0
            {
                to.copy_from_slice(from);
                self.read += count;
                return Ok(count);
            }
            if self.is_last {
                return Ok(0);
            }
            self.next_block().map_err(|error| {
                io::Error::other(match error {
                    // Begun and broken off: what is there is kept, and the rest is asked for again.
                    TransferError::Timeout {
                        waiting: Waiting::Packet,
                        ..
                    }
                    | TransferError::Connect { .. } => TransferError::BodyCut {
                        after: self.received,
                        why: error.to_string(),
                    },
                    other => other,
                })
            })?;
        }
    }
}

impl Drop for Body {
    /// A transfer that is given up is told to the server, which would send its block again and again.
    fn drop(&mut self) {
        if !self.is_last {
            self.link.tell(&refusal(0, "given up"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_path_without_escapes() {
        let file = |text: &str| file_of(&Url::parse(text).unwrap());
        assert_eq!(file("tftp://h/a/b"), Ok(b"/a/b".to_vec()));
        assert_eq!(
            file("tftp://h/a%20b%2f%c3%a4?x#y"),
            Ok("/a b/ä".as_bytes().to_vec())
        );
        for broken in ["tftp://h", "tftp://h/", "tftp://h/a%00b", "tftp://h/a%0"] {
            assert!(
                matches!(file(broken), Err(TransferError::Address { .. })),
                "{broken}"
            );
        }
    }

    #[test]
    fn hosts_are_found_with_and_without_a_port() {
        let found = |text: &str| addresses(&Url::parse(text).unwrap());
        assert_eq!(
            found("tftp://127.0.0.1/f").unwrap(),
            ["127.0.0.1:69".parse().unwrap()]
        );
        assert_eq!(found("tftp://[::1]:70/f").unwrap(), ["[::1]:70".parse().unwrap()]);
        assert!(matches!(found("tftp:///f"), Err(TransferError::Address { .. })));
    }
}
