//! What is fetched, or stands in the config as a data URL: whether it is what it is said to be, and fit to be there.

mod authorities;
mod digests;
pub(super) mod inline;
mod packing;
mod pem;
mod secrets;
mod verified;

use super::{Check, Setting, catalog as lint};
pub use secrets::secret_in;

pub(super) const CHECKS: &[Check] = &[
    verified::remote_bytes_are_verified,
    digests::digests_fit,
    packing::compression_is_true,
    authorities::authorities_can_be_trusted,
    secrets::secrets_are_kept,
];
