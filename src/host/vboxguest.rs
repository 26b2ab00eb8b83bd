//! Guest properties of VirtualBox, over the driver that Linux has for its guests.
//!
//! Source: linux/vboxguest.h and linux/vbox_vmmdev_types.h for what the driver takes; VirtualBox's
//! HostServices/GuestPropertySvc.h for the functions of the service behind it.
#![expect(unsafe_code, reason = "ioctl(2) has no safe form")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use kindling_platforms::AccessError;
use nix::libc::c_ulong;

/// `VBG_IOCTL_HDR_VERSION`.
const HEADER_VERSION: u32 = 0x0001_0001;
/// `VBG_IOC_VERSION`: what this code was written for.
const INTERFACE: u32 = 0x0001_0000;
/// `VMMDEV_HGCM_LOC_LOCALHOST_EXISTING`.
const LOCAL_EXISTING: u32 = 2;
/// The service that keeps the properties.
const SERVICE: &[u8] = b"VBoxGuestPropSvc";
/// Room for the name of a service.
const SERVICE_ROOM: usize = 128;
/// How long the host may take for a call, in milliseconds.
const PATIENCE: u32 = 30_000;

/// Functions of the service (`GUEST_PROP_FN_GET_PROP`, `GUEST_PROP_FN_DEL_PROP`).
const GET: u32 = 1;
const DELETE: u32 = 4;

/// Status codes of VirtualBox (linux/vbox_err.h): below zero is a failure.
const PERMISSION_DENIED: i32 = -10;
const BUFFER_OVERFLOW: i32 = -41;
const NOT_FOUND: i32 = -78;

/// Bytes of `struct vbg_ioctl_hdr`, and where the status is in it.
const HEADER: usize = 24;
const STATUS_AT: usize = 12;
/// Bytes in front of the parameters of a call (`struct vbg_ioctl_hgcm_call`), and of one parameter.
const CALL: usize = HEADER + 16;
const PARAMETER: usize = 16;

/// The largest property that is read, in bytes. The driver itself takes no more than 24 MiB.
const LIMIT: u32 = 16 << 20;
/// How often the length of a property may have grown since it was asked for.
const TRIES: usize = 4;

/// One parameter of a call.
enum Parameter<'a> {
    /// A 32-bit number, which the host may change.
    Word(u32),
    /// A 64-bit number, which the host may change.
    Wide(u64),
    /// Bytes for the host.
    In(&'a [u8]),
    /// Room that the host fills.
    Out(&'a mut [u8]),
}

/// The service at the host's end.
trait Service {
    /// Calls one of its functions, and returns the host's status. Numbers among the parameters hold what the host made of
    /// them afterwards.
    ///
    /// # Errors
    /// When the driver does not pass the call on.
    fn call(&mut self, function: u32, parameters: &mut [Parameter<'_>]) -> io::Result<i32>;
}

/// The properties of this machine.
pub struct GuestProperties(Box<dyn Service>);

impl GuestProperties {
    /// Connects with the service, through the driver's node.
    ///
    /// # Errors
    /// When there is no such node, the driver has another interface, or the host no such service.
    pub fn open(node: &Path) -> io::Result<Self> {
        let driver = Driver::open(node)?;
        Ok(Self(Box::new(driver)))
    }

    /// The value of a property, or `None`.
    ///
    /// # Errors
    /// `Failed` when the host refuses, or its answer is none; `TooLarge` above 16 MiB.
    pub fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        let failed = |why: String| AccessError::Failed {
            what: property(key),
            why,
        };
        // One byte is never enough, and its refusal tells the length.
        let mut room = vec![0; 1];
        for _ in 0..TRIES {
            let (status, size) = self
                .read(key, &mut room)
                .map_err(|error| failed(error.to_string()))?;
            match status {
                NOT_FOUND => return Ok(None),
                BUFFER_OVERFLOW if size > LIMIT => {
                    return Err(AccessError::TooLarge {
                        what: property(key),
                        limit: LIMIT.into(),
                    });
                }
                BUFFER_OVERFLOW => room = vec![0; usize::try_from(size).unwrap_or(usize::MAX)],
                status if status < 0 => return Err(failed(refusal(status))),
                _ => {
                    room.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                    let value =
                        parse_value(&room).ok_or_else(|| failed("its value has no end".to_owned()))?;
                    return Ok(Some(value.to_vec()));
                }
            }
        }
        Err(failed("its length changes all the time".to_owned()))
    }

    /// Removes a property; that it is not there is no error.
    ///
    /// # Errors
    /// `Unchanged` when the host refuses.
    pub fn delete(&mut self, key: &str) -> Result<(), AccessError> {
        let name = terminated(key);
        let why = match self.0.call(DELETE, &mut [Parameter::In(&name)]) {
            Ok(NOT_FOUND | 0..) => return Ok(()),
            Ok(PERMISSION_DENIED) => "the host made it read-only for the guest".to_owned(),
            Ok(status) => refusal(status),
            Err(error) => error.to_string(),
        };
        Err(AccessError::Unchanged {
            what: property(key),
            why,
        })
    }

    /// The host's status, and the length it tells.
    fn read(&mut self, key: &str, room: &mut [u8]) -> io::Result<(i32, u32)> {
        let name = terminated(key);
        let mut parameters = [
            Parameter::In(&name),
            Parameter::Out(room),
            Parameter::Wide(0),
            Parameter::Word(0),
        ];
        let status = self.0.call(GET, &mut parameters)?;
        match parameters {
            [.., Parameter::Word(size)] => Ok((status, size)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn property(key: &str) -> String {
    format!("guest property {key}")
}

fn refusal(status: i32) -> String {
    format!("VirtualBox answers with status {status}")
}

fn terminated(key: &str) -> Vec<u8> {
    [key.as_bytes(), b"\0"].concat()
}

/// Value, NUL, flags, NUL: the value of a property as the host gives it. `None` where the first NUL is missing.
fn parse_value(reply: &[u8]) -> Option<&[u8]> {
    let end = reply.iter().position(|byte| *byte == 0)?;
    reply.get(..end)
}

/// A connection with the service.
struct Driver {
    node: File,
    client: u32,
}

impl Driver {
    fn open(node: &Path) -> io::Result<Self> {
        let node = OpenOptions::new().read(true).write(true).open(node)?;
        let mut version = version_request();
        send(&node, 0, &mut version)?;
        expect_success(&version, "its driver has another interface")?;
        let mut connect = connect_request();
        send(&node, 4, &mut connect)?;
        expect_success(&connect, "the host has no service for guest properties")?;
        let client = word(&connect, HEADER);
        Ok(Self { node, client })
    }
}

impl Service for Driver {
    fn call(&mut self, function: u32, parameters: &mut [Parameter<'_>]) -> io::Result<i32> {
        let mut request = call_request(self.client, function, parameters)?;
        send(&self.node, 7, &mut request)?;
        take_numbers(&request, parameters);
        Ok(status(&request))
    }
}

/// A header for `size_in` bytes to the driver and `size_out` from it, and room for the larger.
fn request(size_in: usize, size_out: usize) -> Vec<u8> {
    let mut bytes = vec![0; size_in.max(size_out)];
    put(&mut bytes, 0, &narrow(size_in).to_ne_bytes());
    put(&mut bytes, 4, &HEADER_VERSION.to_ne_bytes());
    put(&mut bytes, 16, &narrow(size_out).to_ne_bytes());
    bytes
}

/// `struct vbg_ioctl_driver_version_info`.
fn version_request() -> Vec<u8> {
    let mut bytes = request(HEADER + 16, HEADER + 20);
    put(&mut bytes, HEADER, &INTERFACE.to_ne_bytes());
    put(&mut bytes, HEADER + 4, &INTERFACE.to_ne_bytes());
    bytes
}

/// `struct vbg_ioctl_hgcm_connect`.
fn connect_request() -> Vec<u8> {
    let mut bytes = request(HEADER + 4 + SERVICE_ROOM, HEADER + 4);
    put(&mut bytes, HEADER, &LOCAL_EXISTING.to_ne_bytes());
    put(&mut bytes, HEADER + 4, SERVICE);
    bytes
}

/// `struct vbg_ioctl_hgcm_call` with its parameters, as 64-bit kernels take them. It holds the addresses of `parameters`,
/// which stay where they are for as long as the caller holds them.
fn call_request(client: u32, function: u32, parameters: &mut [Parameter<'_>]) -> io::Result<Vec<u8>> {
    let size = CALL + PARAMETER * parameters.len();
    let mut bytes = request(size, size);
    put(&mut bytes, HEADER, &client.to_ne_bytes());
    put(&mut bytes, HEADER + 4, &function.to_ne_bytes());
    put(&mut bytes, HEADER + 8, &PATIENCE.to_ne_bytes());
    let count = u16::try_from(parameters.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    put(&mut bytes, HEADER + 14, &count.to_ne_bytes());
    for (at, parameter) in (CALL..).step_by(PARAMETER).zip(parameters) {
        // Type, then value, or length and address.
        let (kind, pointer): (u32, Option<(usize, u64)>) = match parameter {
            Parameter::Word(word) => {
                put(&mut bytes, at + 4, &word.to_ne_bytes());
                (1, None)
            }
            Parameter::Wide(wide) => {
                put(&mut bytes, at + 4, &wide.to_ne_bytes());
                (2, None)
            }
            Parameter::In(from) => (5, Some((from.len(), from.as_ptr().expose_provenance() as u64))),
            Parameter::Out(into) => (
                6,
                Some((into.len(), into.as_mut_ptr().expose_provenance() as u64)),
            ),
        };
        put(&mut bytes, at, &kind.to_ne_bytes());
        if let Some((length, address)) = pointer {
            put(&mut bytes, at + 4, &narrow(length).to_ne_bytes());
            put(&mut bytes, at + 8, &address.to_ne_bytes());
        }
    }
    Ok(bytes)
}

/// What the host made of the numbers.
fn take_numbers(request: &[u8], parameters: &mut [Parameter<'_>]) {
    for (at, parameter) in (CALL + 4..).step_by(PARAMETER).zip(parameters) {
        match parameter {
            Parameter::Word(number) => *number = word(request, at),
            Parameter::Wide(number) => {
                let halves = [word(request, at), word(request, at + 4)].map(u32::to_ne_bytes);
                *number = u64::from_ne_bytes(halves.concat().try_into().unwrap_or_default());
            }
            Parameter::In(_) | Parameter::Out(_) => {}
        }
    }
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(room) = bytes.get_mut(at..at + what.len()) {
        room.copy_from_slice(what);
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..at + 4).and_then(|word| word.try_into().ok());
    u32::from_ne_bytes(found.unwrap_or_default())
}

fn narrow(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn status(request: &[u8]) -> i32 {
    word(request, STATUS_AT).cast_signed()
}

fn expect_success(request: &[u8], why: &str) -> io::Result<()> {
    match status(request) {
        0.. => Ok(()),
        status => Err(io::Error::other(format!("{why} (status {status})"))),
    }
}

/// Hands `request` to the driver, which answers in its place.
fn send(node: &File, function: u8, request: &mut [u8]) -> io::Result<()> {
    let number: c_ulong = nix::request_code_readwrite!(b'V', function, request.len());
    // SAFETY: `node` keeps the descriptor open for the call. The driver reads and writes as many bytes as the header of
    // `request` says, which is its length at most (`request`), and as the request number says, which is its length. The
    // buffers that a call names are the parameters of `Service::call`, borrowed for as long as the call takes, those that
    // are written to exclusively; the driver copies no more than the length that stands beside each address.
    let answer = unsafe { nix::libc::ioctl(node.as_raw_fd(), number, request.as_mut_ptr()) };
    nix::errno::Errno::result(answer)?;
    Ok(())
}

#[cfg(test)]
mod tests;
