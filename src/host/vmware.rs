//! Guest variables of VMware: text commands to the hypervisor, over an I/O port that only it answers.
//!
//! A message goes four bytes at a time. There is a second port that takes whole buffers; a config is small enough to do
//! without it, and its calls would need registers that compilers keep for themselves.
//!
//! Source: drivers/gpu/drm/vmwgfx/vmwgfx_msg.c and arch/x86/include/asm/vmware.h of Linux, which speak the same protocol.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "no safe code reaches an I/O port")
)]

use kindling_platforms::AccessError;

/// What every call has in `eax`.
const MAGIC: u32 = 0x564D_5868;
/// The port.
const PORT: u32 = 0x5658;
/// Asks for the version; the answer has the magic number in `ebx`.
#[cfg(any(test, target_arch = "x86_64"))]
const GET_VERSION: u32 = 10;
/// Message channels.
const MESSAGE: u32 = 30;
/// The protocol of text commands, on a channel that is guarded by a cookie.
const RPCI: u32 = 0x4943_5052 | 0x8000_0000;

/// Bits of the answer to a message call, in the upper half of `ecx`.
const SUCCESS: u32 = 0x0001;
const MUST_RECEIVE: u32 = 0x0002;
/// The machine was saved and restored between two calls: the message begins anew.
const CHECKPOINT: u32 = 0x0010;
/// How often a message begins anew.
const TRIES: usize = 3;

/// The largest reply that is read, in bytes. Hosts allow variables of 1 MiB in all unless told otherwise.
const LIMIT: u32 = 16 << 20;

/// What a message call does, in the upper half of `ecx`.
#[derive(Clone, Copy)]
enum Call {
    Open = 0,
    SendSize = 1,
    Send = 2,
    ReceiveSize = 3,
    Receive = 4,
    Acknowledge = 5,
    Close = 6,
}

/// The registers of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Registers {
    eax: u32,
    ebx: u32,
    ecx: u32,
    edx: u32,
    esi: u32,
    edi: u32,
}

/// The hypervisor's end.
trait Port {
    /// One call; what is left in the registers is the answer.
    fn call(&mut self, registers: Registers) -> Registers;
}

/// The variables of this machine.
pub struct GuestInfo(Box<dyn Port>);

impl GuestInfo {
    /// The variables, where this machine runs on VMware. Elsewhere the port is not touched: the kernel would end the
    /// process.
    #[must_use]
    pub fn open() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let mut port = backdoor::Backdoor::open()?;
            knock(&mut port).then(|| Self(Box::new(port)))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }

    /// The value of `guestinfo.KEY`, or `None`.
    ///
    /// # Errors
    /// `TooLarge` above 16 MiB; `Failed` when the host breaks off.
    pub fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        let what = variable(key);
        let mut reply = self.command(&what, format!("info-get {what}").as_bytes())?;
        match reply.first() {
            Some(b'1') => Ok(Some(reply.split_off(reply.len().min(2)))),
            Some(b'0') => Ok(None),
            _ => Err(failed(what, "the host's reply is none")),
        }
    }

    /// Gives `guestinfo.KEY` another value.
    ///
    /// # Errors
    /// `Unchanged` when the host refuses or breaks off.
    pub fn set(&mut self, key: &str, value: &[u8]) -> Result<(), AccessError> {
        let what = variable(key);
        let mut command = format!("info-set {what} ").into_bytes();
        command.extend_from_slice(value);
        let why = match self.command(&what, &command) {
            Ok(reply) if reply.first() == Some(&b'1') => return Ok(()),
            Ok(_) => "the host does not let the guest write it (isolation.tools.setinfo)".to_owned(),
            Err(AccessError::Failed { why, .. }) => why,
            Err(error) => error.to_string(),
        };
        Err(AccessError::Unchanged { what, why })
    }

    /// Sends a command and returns the reply, on a channel of its own.
    fn command(&mut self, what: &str, command: &[u8]) -> Result<Vec<u8>, AccessError> {
        let mut channel = Channel::open(self.0.as_mut())
            .ok_or_else(|| failed(what.to_owned(), "the host opens no channel"))?;
        let reply = channel.send(command).and_then(|()| channel.receive());
        channel.close();
        reply.map_err(|broken| match broken {
            Broken::TooLarge => AccessError::TooLarge {
                what: what.to_owned(),
                limit: LIMIT.into(),
            },
            Broken::At(why) => failed(what.to_owned(), why),
        })
    }
}

fn variable(key: &str) -> String {
    format!("guestinfo.{key}")
}

fn failed(what: String, why: &str) -> AccessError {
    AccessError::Failed {
        what,
        why: why.to_owned(),
    }
}

/// Whether somebody answers at the port.
#[cfg(any(test, target_arch = "x86_64"))]
fn knock(port: &mut dyn Port) -> bool {
    let answer = port.call(Registers {
        eax: MAGIC,
        ebx: !MAGIC,
        ecx: GET_VERSION,
        edx: PORT,
        ..Registers::default()
    });
    answer.ebx == MAGIC && answer.eax != u32::MAX
}

/// Whether the processor says that it is VMware's: the bit for guests (leaf 1, `ecx`), then the name (leaf 0x40000000,
/// `ebx`, `ecx`, `edx`).
#[cfg(any(test, target_arch = "x86_64"))]
fn is_vmware(features: u32, name: [u32; 3]) -> bool {
    let [first, second, third] = name.map(u32::to_le_bytes);
    features >> 31 == 1 && [first, second, third].concat() == b"VMwareVMware"
}

/// A message that did not pass.
enum Broken {
    TooLarge,
    At(&'static str),
}

/// A step of a message that did not pass.
enum Stop {
    /// The message must begin anew.
    Again,
    For(Broken),
}

/// An open channel.
struct Channel<'a> {
    port: &'a mut dyn Port,
    id: u32,
    cookie: (u32, u32),
}

impl<'a> Channel<'a> {
    fn open(port: &'a mut dyn Port) -> Option<Self> {
        let mut channel = Self {
            port,
            id: 0,
            cookie: (0, 0),
        };
        let answer = channel.call(Call::Open, RPCI);
        channel.id = answer.edx >> 16;
        channel.cookie = (answer.esi, answer.edi);
        is_success(answer).then_some(channel)
    }

    fn call(&mut self, call: Call, argument: u32) -> Registers {
        self.port.call(Registers {
            eax: MAGIC,
            ebx: argument,
            ecx: (call as u32) << 16 | MESSAGE,
            edx: self.id << 16 | PORT,
            esi: self.cookie.0,
            edi: self.cookie.1,
        })
    }

    /// A call that must succeed.
    fn step(&mut self, call: Call, argument: u32, why: &'static str) -> Result<Registers, Stop> {
        let answer = self.call(call, argument);
        match status(answer) {
            status if status & SUCCESS != 0 => Ok(answer),
            status if status & CHECKPOINT != 0 => Err(Stop::Again),
            _ => Err(Stop::For(Broken::At(why))),
        }
    }

    fn send(&mut self, message: &[u8]) -> Result<(), Broken> {
        const WHY: &str = "the host takes no command";
        let size = u32::try_from(message.len()).map_err(|_| Broken::TooLarge)?;
        persist(|| {
            self.step(Call::SendSize, size, WHY)?;
            for part in message.chunks(4) {
                let mut word = [0; 4];
                word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
                self.step(Call::Send, u32::from_le_bytes(word), WHY)?;
            }
            Ok(())
        })
    }

    fn receive(&mut self) -> Result<Vec<u8>, Broken> {
        const WHY: &str = "the host breaks its reply off";
        persist(|| {
            let answer = self.step(Call::ReceiveSize, 0, WHY)?;
            if status(answer) & MUST_RECEIVE == 0 {
                return Err(Stop::For(Broken::At("the host does not reply")));
            }
            if answer.ebx > LIMIT {
                return Err(Stop::For(Broken::TooLarge));
            }
            let size = usize::try_from(answer.ebx).unwrap_or(usize::MAX);
            let mut reply = Vec::with_capacity(size.next_multiple_of(4));
            while reply.len() < size {
                let part = self.step(Call::Receive, SUCCESS, WHY)?;
                reply.extend(part.ebx.to_le_bytes());
            }
            reply.truncate(size);
            self.step(Call::Acknowledge, SUCCESS, WHY)?;
            Ok(reply)
        })
    }

    /// The reply is there: whether the host closes its end as well makes no difference.
    fn close(mut self) {
        self.call(Call::Close, 0);
    }
}

fn status(answer: Registers) -> u32 {
    answer.ecx >> 16
}

fn is_success(answer: Registers) -> bool {
    status(answer) & SUCCESS != 0
}

/// Begins a message anew when the machine was saved and restored in the middle of it.
fn persist<T>(mut message: impl FnMut() -> Result<T, Stop>) -> Result<T, Broken> {
    for _ in 0..TRIES {
        match message() {
            Ok(done) => return Ok(done),
            Err(Stop::Again) => {}
            Err(Stop::For(broken)) => return Err(broken),
        }
    }
    Err(Broken::At("the machine is saved and restored all the time"))
}

#[cfg(target_arch = "x86_64")]
mod backdoor {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid;

    use super::{Port, Registers, is_vmware};

    /// The port of the hypervisor below this very machine: there is one only where [`Self::open`] found VMware.
    pub(super) struct Backdoor(());

    impl Backdoor {
        pub(super) fn open() -> Option<Self> {
            let name = __cpuid(0x4000_0000);
            if !is_vmware(__cpuid(1).ecx, [name.ebx, name.ecx, name.edx]) {
                return None;
            }
            // SAFETY: the call takes a number and changes nothing but what this thread may do with ports. The hypervisor
            // answers at its port without it too, so that a refusal (a locked-down kernel) does no harm.
            unsafe { nix::libc::iopl(3) };
            Some(Self(()))
        }
    }

    impl Port for Backdoor {
        fn call(&mut self, registers: Registers) -> Registers {
            let Registers {
                mut eax,
                ebx,
                mut ecx,
                mut edx,
                mut esi,
                mut edi,
            } = registers;
            let mut rbx = u64::from(ebx);
            // SAFETY: a `Backdoor` exists on VMware only, where the hypervisor takes this instruction at this port. It
            // answers in the six registers, all of which are named here (`rbx`, which may not be, is swapped in and out
            // again), and on these calls it neither reads nor writes memory.
            unsafe {
                asm!(
                    "xchg {rbx}, rbx",
                    "in eax, dx",
                    "xchg {rbx}, rbx",
                    rbx = inout(reg) rbx,
                    inout("eax") eax,
                    inout("ecx") ecx,
                    inout("edx") edx,
                    inout("esi") esi,
                    inout("edi") edi,
                    options(nostack),
                );
            }
            Registers {
                eax,
                // The upper half is not part of the answer.
                ebx: u32::try_from(rbx & u64::from(u32::MAX)).unwrap_or_default(),
                ecx,
                edx,
                esi,
                edi,
            }
        }
    }
}

#[cfg(test)]
mod tests;
