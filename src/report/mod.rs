//! What a boot tells about itself: the cause of a failure, what each stage did, and the forms in which others hear of it.

pub mod event;
pub mod failure;
pub mod progress;
pub mod queue;
pub mod receipt;
pub mod remembered;
pub mod screen;
pub mod sentinel;
pub mod sinks;
pub mod syslog;
mod unparsable;

pub use failure::{Failure, chain};
pub use unparsable::Unparsable;
