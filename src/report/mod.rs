//! What a boot tells about itself: the cause of a failure, and what each stage did.

pub mod failure;
pub mod progress;
pub mod receipt;
pub mod remembered;
pub mod screen;
mod unparsable;

pub use failure::{Failure, chain};
pub use unparsable::Unparsable;
