//! What a boot tells about itself: the cause of a failure, and what each stage did.

pub mod failure;
pub mod policy;
pub mod progress;
pub mod receipt;
pub mod units;
mod unparsable;

pub use failure::{Failure, chain};
pub use unparsable::Unparsable;
