//! udev's processed events: how a stage learns that a node and its links are ready, without asking
//! again and again.
//!
//! Source: systemd's `sd-device/device-monitor.c` for the frame (`struct monitor_netlink_header`), and the
//! kernel's Documentation/ABI/testing/sysfs-uevent for `SYNTH_UUID`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

/// The multicast group of events that udev has finished with; group 1 carries the kernel's own.
const PROCESSED: u32 = 2;
/// The kernel's events, for systems without udev.
const KERNEL: u32 = 1;
/// Larger than any event udev sends (it caps its own at 16 KiB).
const EVENT_BYTES: usize = 64 * 1024;

/// A subscription. Events queue up from the moment it is opened.
pub struct Monitor {
    socket: OwnedFd,
}

impl Monitor {
    /// Subscribes to udev's processed events, or to the kernel's when `has_udev` is false.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn open(has_udev: bool) -> io::Result<Self> {
        let socket = socket::socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )?;
        // A burst of events while we work must not be lost; a refusal leaves the default size.
        let _ = socket::setsockopt(&socket, socket::sockopt::RcvBuf, &(8 << 20));
        socket::bind(
            socket.as_raw_fd(),
            &NetlinkAddr::new(0, if has_udev { PROCESSED } else { KERNEL }),
        )?;
        Ok(Self { socket })
    }

    /// Waits for the next event and returns its properties (`KEY=VALUE`, each ended by NUL); `None` when
    /// `deadline` passes first. An overrun queue is answered with an empty event: look again at the state.
    ///
    /// # Errors
    /// When the kernel refuses to poll or to read.
    pub fn next(&self, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let mut event = vec![0; EVENT_BYTES];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let step = PollTimeout::try_from(left.min(Duration::from_secs(60)) + Duration::from_millis(1))
                .unwrap_or(PollTimeout::MAX);
            match nix::poll::poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], step) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match socket::recv(self.socket.as_raw_fd(), &mut event, MsgFlags::empty()) {
                Ok(length) => {
                    event.truncate(length);
                    return Ok(Some(event));
                }
                Err(nix::errno::Errno::ENOBUFS) => return Ok(Some(Vec::new())),
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether an event carries exactly this property.
#[must_use]
pub fn has_property(event: &[u8], property: &str) -> bool {
    event
        .split(|byte| *byte == 0)
        .any(|field| field == property.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_matched_whole() {
        let event = b"libudev\0\xfe\xed\xca\xfe....UDEV\0ACTION=change\0SYNTH_UUID=ab-1\0DEVNAME=vdb\0";
        assert!(has_property(event, "SYNTH_UUID=ab-1"));
        assert!(!has_property(event, "SYNTH_UUID=ab"));
        assert!(!has_property(event, "UUID=ab-1"));
    }
}
