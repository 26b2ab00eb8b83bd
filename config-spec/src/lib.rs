//! What users write: the config language. No I/O, no clock, no platform.
//!
//! [`check()`] takes a document's text to a [`Checked`] config of the newest types, or says all that is wrong with
//! it; [`merge()`] lays one config over another; [`check_merged()`] looks at the result once more. Findings are
//! [`diagnostic::Diagnostic`]s, shown by [`diagnostic::render()`].

#![forbid(unsafe_code)]

// Unit tests share the makers of configs with the tests outside.
#[cfg(test)]
extern crate self as kindling_config_spec;

pub mod calendar;
pub mod certificate;
mod check;
pub mod convert;
pub mod data_url;
pub mod diagnostic;
pub mod document;
mod extension;
pub mod facts;
mod fields;
mod frontend;
pub mod json;
mod keyed;
pub mod lint;
#[cfg(test)]
mod manual;
mod merge;
pub mod order;
pub mod preflight;
pub mod provenance;
pub mod reference_report;
pub mod rules;
mod schema;
mod source;
mod suggest;
pub mod types;
mod unit_file;
pub mod units;
pub mod url_syntax;
pub mod version;
mod versions;

pub use check::{Checked, Examined, Rejected, check, check_merged, examine, place, places};
pub use extension::ENTRY as EXTENSION_FILE;
pub use frontend::{Dialect, butane, explain};
pub use merge::merge;
pub use schema::{Language, schema};
pub use source::Source;
