//! Why a root gives no facts.

use std::io;

use crate::host::sysroot::SysrootError;

/// Why a root gives no facts. The path of the root itself is for the caller to say.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is nothing to open, or not for us.
    #[error("it cannot be opened")]
    Open {
        /// The kernel's answer.
        source: io::Error,
    },
    /// A pipe, a device or a socket.
    #[error("it is neither a directory nor a regular file")]
    Kind,
    /// A part of the directory cannot be read.
    #[error(transparent)]
    Directory(#[from] SysrootError),
    /// A text of the root that cannot be read, or is larger than 16 MiB.
    #[error("cannot read {path}")]
    Text {
        /// Its path in the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// No tar archive, or a damaged one.
    #[error("there is no tar header at byte {at}")]
    Header {
        /// Offset in bytes, after unpacking.
        at: u64,
        /// What the reader of the format says.
        source: io::Error,
    },
    /// Compressed data that cannot be unpacked.
    #[error("it cannot be unpacked behind byte {at}")]
    Packing {
        /// Offset in bytes, after unpacking.
        at: u64,
        /// What the reader of the format says.
        source: io::Error,
    },
    /// An archive that is shorter than it says.
    #[error("the archive ends too early, at or behind byte {at}")]
    Cut {
        /// Offset in bytes, after unpacking.
        at: u64,
    },
    /// Names larger than any real one, or more of them than in any real root.
    #[error("the archive has more names, or longer ones, than any root")]
    Names,
    /// A name that leads out of the root.
    #[error("the archive's entry {name:?} has a step \"..\"")]
    Outside {
        /// The name as it is written.
        name: String,
    },
    /// Layers of an image in place of the tree that they make.
    #[error("it holds layers of an image, not a root: it has {marker}")]
    Layers {
        /// What told so.
        marker: &'static str,
    },
    /// Some other tree.
    #[error("it holds no root: it has neither etc nor usr")]
    NoRoot,
}

impl InspectError {
    /// What the operator does next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        match self {
            Self::Open { .. } => "give the directory of a root, or a tar archive of one",
            Self::Kind => "write it to a file first, and give that file",
            Self::Directory(_) => "read it as a user who may read all of it, such as root",
            Self::Text { .. } => "correct the file in the root, or leave it out",
            Self::Header { at: 0, .. } => {
                "give a tar archive, plain or packed with gzip; unpack any other format first"
            }
            Self::Header { .. } | Self::Packing { .. } | Self::Cut { .. } => {
                "make the archive anew, or copy it again: this one is damaged"
            }
            Self::Names | Self::Outside { .. } => {
                "make the archive anew from the root's own directory, as in tar -C ROOT -cf root.tar ."
            }
            Self::Layers { .. } => {
                "give a flattened root: docker create IMAGE, then docker export CONTAINER (not docker save)"
            }
            Self::NoRoot => "give the top directory of a root, or a tar archive made there",
        }
    }
}
