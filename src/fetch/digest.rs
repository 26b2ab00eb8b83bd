//! The digest of what streams past: computed on the way, and beside it once there is much of it.

use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use ring::digest::{Context, SHA256, SHA512};

/// From this many bytes on hashing gets a thread of its own: below, starting it takes longer than it saves.
const MUCH: u64 = 1 << 20;

/// Pieces that may wait to be hashed. What hashes is about as fast as what brings, so a few even out the rest.
const PIECES: usize = 4;

/// A function of the config language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Sha256,
    Sha512,
}

impl Function {
    /// As it stands before the `-` of a digest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

/// A digest on its way.
pub(crate) struct Sum {
    seen: u64,
    place: Place,
}

enum Place {
    Here(Context),
    Beside(Worker),
}

/// A thread that hashes pieces and gives their memory back.
struct Worker {
    to: SyncSender<Vec<u8>>,
    back: Receiver<Vec<u8>>,
    made: usize,
    thread: JoinHandle<Context>,
}

fn context(function: Function) -> Context {
    Context::new(match function {
        Function::Sha256 => &SHA256,
        Function::Sha512 => &SHA512,
    })
}

impl Sum {
    /// Of nothing yet.
    pub(crate) fn new(function: Function) -> Self {
        Self {
            seen: 0,
            place: Place::Here(context(function)),
        }
    }

    /// Takes `bytes`, which follow those before.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.seen = self
            .seen
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        match &mut self.place {
            Place::Here(hash) => {
                hash.update(bytes);
                if self.seen >= MUCH {
                    self.part();
                }
            }
            Place::Beside(worker) => worker.take(bytes),
        }
    }

    /// Goes on in a thread, where there may be one.
    fn part(&mut self) {
        let Place::Here(hash) = &self.place else { return };
        let mut hash = hash.clone();
        let (to, from) = sync_channel::<Vec<u8>>(PIECES);
        let (give, back) = channel();
        let thread = Builder::new().name("hash".to_owned()).spawn(move || {
            for piece in from {
                hash.update(&piece);
                // The stream may be at its end, and need no memory any more.
                let _ = give.send(piece);
            }
            hash
        });
        if let Ok(thread) = thread {
            self.place = Place::Beside(Worker {
                to,
                back,
                made: 0,
                thread,
            });
        }
    }

    /// The digest of all bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self.place {
            Place::Here(hash) => hash.finish().as_ref().to_vec(),
            Place::Beside(Worker { to, thread, .. }) => {
                drop(to);
                thread
                    .join()
                    .expect("hashing does not panic")
                    .finish()
                    .as_ref()
                    .to_vec()
            }
        }
    }
}

impl Worker {
    fn take(&mut self, bytes: &[u8]) {
        // As many pieces as may wait, one that is hashed, and one that is filled.
        let mut piece = match self.back.try_recv() {
            Ok(piece) => piece,
            Err(_) if self.made < PIECES + 2 => {
                self.made += 1;
                Vec::with_capacity(bytes.len())
            }
            Err(_) => self.back.recv().unwrap_or_default(),
        };
        piece.clear();
        piece.extend_from_slice(bytes);
        self.to
            .send(piece)
            .expect("hashing goes on until the stream ends");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::hex;

    #[test]
    fn the_digest_does_not_depend_on_where_it_is_made() {
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|n| (n ^ (n >> 7)).to_le_bytes()[0])
            .collect();
        for length in [0, 1, 1 << 20, (1 << 20) + 1, bytes.len()] {
            for piece in [1_000, 64 << 10, 700_000] {
                let content = &bytes[..length];
                let mut sums = [Sum::new(Function::Sha256), Sum::new(Function::Sha512)];
                for part in content.chunks(piece) {
                    sums.iter_mut().for_each(|sum| sum.update(part));
                }
                let found = sums.map(|sum| hex(&sum.finish()));
                assert_eq!(
                    found,
                    [&SHA256, &SHA512].map(|function| hex(ring::digest::digest(function, content).as_ref()))
                );
            }
        }
    }
}
