//! Reporting.

use crate::types::object::object;
use crate::types::resource::{HttpHeader, Resource};

object! {
    /// Who is told how the first boot went.
    pub struct Report {
        pub sinks: Vec<Sink>;
    }
}

object! {
    /// One place that is told.
    pub struct Sink {
        pub certificate_authorities: Vec<Resource>;
        pub headers: Vec<HttpHeader>;
        pub path: Option<String>;
        pub port: Option<String>;
        pub kind: String as "type";
        pub url: Option<String>;
    }
}
