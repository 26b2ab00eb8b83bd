//! Key/value pairs of Hyper-V, as its integration daemon exchanges them: the host hands each of its own over once per boot,
//! asks for those of the machine from time to time, and whoever is registered answers.
//!
//! Source: linux/hyperv.h (`struct hv_kvp_msg`) and tools/hv/hv_kvp_daemon.c of Linux for the order of messages and the
//! format of the daemon's files.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tracing::{debug, warn};

/// Bytes of a message, whatever it says.
const MESSAGE: usize = 7432;
/// Room for a key and for a value, their NUL included; a pair in a file has the same.
const KEY_ROOM: usize = 512;
const VALUE_ROOM: usize = 2048;
const RECORD: usize = KEY_ROOM + VALUE_ROOM;
/// Where a message has its parts: the operation and the pool are its first two bytes.
const KEY_SIZE_AT: usize = 8;
const VALUE_SIZE_AT: usize = 12;
const KEY_AT: usize = 16;
const VALUE_AT: usize = KEY_AT + KEY_ROOM;
/// In a question for a pair by its number, the number stands here, and everything behind it by its length later.
const NUMBER_AT: usize = 4;
const NUMBER: usize = 4;

/// Operations: the host sets a pair, asks for the pair of a number, two generations of registration.
const SET: u8 = 1;
const ENUMERATE: u8 = 3;
const REGISTER_OLD: u8 = 4;
const REGISTER: u8 = 100;

/// Answers (`HV_S_OK`, `HV_E_FAIL`, `HV_S_CONT`).
const DONE: u32 = 0;
const REFUSED: u32 = 0x8000_4005;
const NO_SUCH_PAIR: u32 = 0x8007_0103;

/// The pools; configs come in the first.
pub const POOLS: u8 = 5;
/// The pool of the pairs that the machine tells the host.
const OURS: u8 = 1;
/// A host that says nothing for so long has nothing more to say.
const QUIET: Duration = Duration::from_secs(1);
/// The most that all of it takes: a host that asks other things all the time is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the host may take to ask for a pair of ours: as long as the end of a failed stage may take.
const ASKED_WITHIN: Duration = Duration::from_secs(10);
/// The most pairs that are kept: 32 MiB of the longest values.
const MAX_PAIRS: usize = 16_384;

/// The answer to a message, or none, and whether it is the last one.
type Heard = ControlFlow<u32, Option<u32>>;

/// What the host handed over.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<Pair>);

/// One pair; neither part has a NUL.
#[derive(Clone, PartialEq, Eq)]
struct Pair {
    pool: u8,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Pairs {
    /// Registers at `device`, and takes what the host has until it is quiet for a second.
    ///
    /// # Errors
    /// When the kernel refuses the registration (the daemon runs already), or reading breaks.
    pub fn receive(device: File) -> io::Result<Self> {
        let mut pairs = Self::default();
        converse(device, QUIET, PATIENCE, &mut |message| {
            ControlFlow::Continue(pairs.hear(message))
        })?;
        debug!("Hyper-V handed over {} pairs", pairs.0.len());
        Ok(pairs)
    }

    /// Takes a message in; `None` where it wants no answer.
    fn hear(&mut self, message: &[u8]) -> Option<u32> {
        match message {
            // The kernel confirms the registration. An answer would be taken for one to the host's next question.
            [REGISTER | REGISTER_OLD, ..] => None,
            [SET, pool, ..] => Some(match parse_pair(*pool, message) {
                Some(pair) if self.0.len() < MAX_PAIRS => {
                    self.keep(pair);
                    DONE
                }
                _ => REFUSED,
            }),
            _ => Some(REFUSED),
        }
    }

    /// The last value of a key stands.
    fn keep(&mut self, pair: Pair) {
        let is_same = |known: &&mut Pair| (known.pool, &known.key) == (pair.pool, &pair.key);
        match self.0.iter_mut().find(is_same) {
            Some(known) => known.value = pair.value,
            None => self.0.push(pair),
        }
    }

    /// The value of `key` in `pool`.
    #[must_use]
    pub fn get(&self, pool: u8, key: &str) -> Option<&[u8]> {
        let found = self
            .0
            .iter()
            .find(|pair| pair.pool == pool && pair.key == key.as_bytes());
        found.map(|pair| pair.value.as_slice())
    }

    /// The file that the daemon keeps of a pool.
    #[must_use]
    pub fn pool_file(&self, pool: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for pair in self.0.iter().filter(|pair| pair.pool == pool) {
            for (part, room) in [(&pair.key, KEY_ROOM), (&pair.value, VALUE_ROOM)] {
                let end = bytes.len() + room;
                bytes.extend_from_slice(part);
                bytes.resize(end, 0);
            }
        }
        bytes
    }

    /// All pairs as bytes, for the next stage: the number of the pool in front of each record of its file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for pool in 0..POOLS {
            for record in self.pool_file(pool).chunks(RECORD) {
                bytes.push(pool);
                bytes.extend_from_slice(record);
            }
        }
        bytes
    }

    /// The pairs that were such bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut pairs = Self::default();
        for record in bytes.chunks_exact(1 + RECORD) {
            let (pool, record) = record.split_at(1);
            let (key, value) = record.split_at(KEY_ROOM);
            pairs.0.extend(pool.first().map(|pool| Pair {
                pool: *pool,
                key: text(key),
                value: text(value),
            }));
        }
        pairs
    }
}

/// Registers at `device` and waits until the host has asked for the pair `key`, which is all that this machine has to say. A
/// part that has no room is cut.
///
/// # Errors
/// When the host did not ask within `wait`; those of [`Pairs::receive`].
fn tell_within(wait: Duration, device: File, key: &str, value: &[u8]) -> io::Result<()> {
    let mut is_told = false;
    converse(device, wait, wait, &mut |message| {
        let number = message.get(NUMBER_AT..NUMBER_AT + NUMBER);
        let is_first = number.is_some_and(|number| number.iter().all(|byte| *byte == 0));
        match message {
            [REGISTER | REGISTER_OLD, ..] => ControlFlow::Continue(None),
            [ENUMERATE, OURS, ..] if is_first => {
                for (part, at, room) in [(key.as_bytes(), KEY_AT, KEY_ROOM), (value, VALUE_AT, VALUE_ROOM)] {
                    // A NUL ends either.
                    let part = part.get(..room - 1).unwrap_or(part);
                    put(message, NUMBER + at, part);
                }
                is_told = true;
                ControlFlow::Continue(Some(DONE))
            }
            // It goes on to the next one: it has the first.
            [ENUMERATE, OURS, ..] if is_told => ControlFlow::Break(NO_SUCH_PAIR),
            [ENUMERATE, ..] => ControlFlow::Continue(Some(NO_SUCH_PAIR)),
            _ => ControlFlow::Continue(Some(REFUSED)),
        }
    })?;
    if is_told {
        Ok(())
    } else {
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// As [`tell_within`] of a failed stage's end.
///
/// # Errors
/// As there.
pub fn tell(device: File, key: &str, value: &[u8]) -> io::Result<()> {
    tell_within(ASKED_WITHIN, device, key, value)
}

/// Registers at `device`, and answers messages as `hear` says, which may change them, until it breaks off, or the host is
/// quiet for so long, or all of it took `patience`.
fn converse(
    mut device: File,
    quiet: Duration,
    patience: Duration,
    hear: &mut dyn FnMut(&mut [u8]) -> Heard,
) -> io::Result<()> {
    let end = Instant::now() + patience;
    let mut message = vec![0; MESSAGE];
    put(&mut message, 0, &[REGISTER]);
    device.write_all(&message)?;
    while Instant::now() < end && is_readable(&device, quiet)? {
        let length = match device.read(&mut message) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let heard = hear(message.get_mut(..length).unwrap_or_default());
        let (ControlFlow::Break(answer) | ControlFlow::Continue(Some(answer))) = heard else {
            continue;
        };
        put(&mut message, 0, &answer.to_ne_bytes());
        // The kernel refuses an answer that comes too late, and asks again.
        if let Err(error) = device.write_all(&message) {
            warn!("Hyper-V does not take an answer: {error}");
        }
        if heard.is_break() {
            break;
        }
    }
    Ok(())
}

/// The pair of a message; `None` where it is longer than its room, or of no pool.
fn parse_pair(pool: u8, message: &[u8]) -> Option<Pair> {
    let part = |size_at: usize, at: usize, room: usize| {
        let size = message.get(size_at..size_at + 4)?.try_into().ok()?;
        let size = usize::try_from(u32::from_ne_bytes(size)).ok()?;
        (size <= room).then(|| message.get(at..at + size).map(text))?
    };
    let (key, value) = (
        part(KEY_SIZE_AT, KEY_AT, KEY_ROOM)?,
        part(VALUE_SIZE_AT, VALUE_AT, VALUE_ROOM)?,
    );
    (pool < POOLS).then_some(Pair { pool, key, value })
}

/// What stands before the first NUL.
fn text(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn put(message: &mut [u8], at: usize, what: &[u8]) {
    if let Some(room) = message.get_mut(at..at + what.len()) {
        room.copy_from_slice(what);
    }
}

/// Whether there is something to read within `wait`.
fn is_readable(device: &File, wait: Duration) -> io::Result<bool> {
    let end = Instant::now() + wait;
    loop {
        let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now()));
        let mut asked = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        match poll(&mut asked, left.unwrap_or(PollTimeout::MAX)) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
