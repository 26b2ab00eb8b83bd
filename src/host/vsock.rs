//! Sockets between a virtual machine and its host.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, VsockAddr, connect, socket};

use super::http::stream::{Question, Reply, StreamError, Until, exchange};

/// One end of such a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Which machine; 2 is the host.
    pub machine: u32,
    /// Where it listens.
    pub port: u32,
}

impl Peer {
    /// Peer and target of an address `vsock:MACHINE:PORT/TARGET`; `None` for any other.
    #[must_use]
    pub fn parse(url: &str) -> Option<(Self, &str)> {
        let rest = url.strip_prefix("vsock:")?;
        let (peer, target) = rest.split_at(rest.find('/')?);
        let (machine, port) = peer.split_once(':')?;
        let peer = Self {
            machine: machine.parse().ok()?,
            port: port.parse().ok()?,
        };
        Some((peer, target))
    }

    /// Connects, and asks once.
    ///
    /// # Errors
    /// [`StreamError`]: nobody listens, there is no such socket in this kernel, no complete answer came `within` that time.
    pub fn ask(self, question: &Question<'_>, within: Duration) -> Result<Reply, StreamError> {
        // The kernel gives up connecting after two seconds by itself.
        exchange(&mut Until::new(self.connect()?, within)?, question)
    }

    fn connect(self) -> io::Result<OwnedFd> {
        let opened = socket(
            AddressFamily::Vsock,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        connect(opened.as_raw_fd(), &VsockAddr::new(self.machine, self.port))?;
        Ok(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_machine_port_and_target() {
        let peer = Peer {
            machine: 2,
            port: 1024,
        };
        assert_eq!(Peer::parse("vsock:2:1024/"), Some((peer, "/")));
        assert_eq!(Peer::parse("vsock:2:1024/a?b"), Some((peer, "/a?b")));
        for other in [
            "vsock:2:1024",
            "vsock:2/",
            "vsock:-1:2/",
            "vsock:2:4294967296/",
            "http://2:1024/",
        ] {
            assert_eq!(Peer::parse(other), None, "{other}");
        }
    }
}
