//! Places that a boot reports to, apart from those of HTTP, which the fetcher asks. Each call is bounded in time.

pub mod port;
pub mod sentinel;
pub mod syslog;
