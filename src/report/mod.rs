//! What a boot tells about itself: the cause of a failure, and what each stage did.

pub mod boot;
pub mod failure;
pub mod found;
pub mod html;
pub mod progress;
pub mod receipt;
mod serial;
pub mod text;
mod unparsable;
mod waterfall;

pub use boot::Boot;
pub use failure::{Failure, chain};
pub use unparsable::Unparsable;
