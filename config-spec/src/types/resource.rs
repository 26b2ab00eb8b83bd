//! A reference to bytes kept elsewhere.

use super::object::object;

object! {
    /// A reference to bytes kept elsewhere, and how to check them.
    pub struct Resource {
        pub compression: Option<String>;
        pub http_headers: Vec<HttpHeader>;
        pub source: Option<String>;
        pub verification: Verification;
    }
}

object! {
    /// A header of a request.
    pub struct HttpHeader {
        pub name: String;
        pub value: Option<String>;
    }
}

object! {
    /// How to check fetched bytes.
    pub struct Verification {
        pub hash: Option<String>;
    }
}
