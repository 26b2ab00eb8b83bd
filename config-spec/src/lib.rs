//! What users write: the config language. No I/O, no clock, no platform.

pub mod types;
pub mod units;
