//! From an address to verified bytes.
//!
//! [`acquire`] asks the sources of the user's config in order. [`Fetcher`] turns any resource of a config into bytes:
//! scheme, retries ([`retry`]), decompression and digest ([`resource`]). [`needs_network`] says before the network
//! is up whether it will be wanted; [`download`] fetches many things at once. What moves the bytes is a
//! [`Transport`]: [`Network`] over [`crate::host::http`] and [`crate::host::tftp`].

mod access;
mod address;
mod base;
mod body;
mod digest;
mod error;
mod fetcher;
mod netscan;
mod parallel;
mod post;
pub mod resource;
pub mod retry;
mod s3;
mod source;
mod stores;
mod transport;
mod unpack;

pub use access::HostAccess;
pub(crate) use address::path_of;
pub use address::{Scheme, shown};
pub use base::{Base, BaseError, SystemDirs, read_base};
pub(crate) use digest::{Function, Sum};
pub use error::FetchError;
pub use fetcher::Fetcher;
pub use netscan::{Need, needs_network};
pub use parallel::{Limits, download};
pub use resource::Received;
pub use retry::{Backoff, Clock, Load, Pace, SimulatedClock, Stop};
pub use source::{
    Acquired, Arguments, Fetched, Origin, OriginKind, Places, SourceError, acquire, argument, parse_arguments,
};
pub use stores::Stores;
pub use transport::{Network, Transport, TransportSettings};
pub use unpack::UnpackError;

/// The largest config document, 64 MiB. A megabyte is large; more than this is a mistake or an attack, and a machine
/// with little memory must survive both.
pub const DOCUMENT_LIMIT: u64 = 64 << 20;
