//! What a boot tells about itself: the cause of a failure, what each stage did, and the forms in which others hear of it.

pub mod boot;
pub mod event;
pub mod failure;
pub mod found;
pub mod html;
pub mod policy;
pub mod progress;
pub mod queue;
pub mod receipt;
pub mod remembered;
pub mod screen;
pub mod sentinel;
mod serial;
pub mod sinks;
pub mod syslog;
pub mod text;
pub mod units;
mod unparsable;
mod waterfall;

pub use boot::Boot;
pub use failure::{Failure, chain, in_merged};
pub use unparsable::Unparsable;

/// What an earlier process of this boot kept as JSON; nothing where that cannot be read: a report must not stop a boot.
fn kept<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> T {
    text.and_then(|text| kindling_config_spec::json::parse(text).ok())
        .unwrap_or_default()
}
