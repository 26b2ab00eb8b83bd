//! Joining a cluster against an API server's double over real TLS.

mod discovery;
