//! Real guests: built from the distribution's packages, booted under QEMU, read over their serial console.
//!
//! The way of a run, in order: [`host`] sees to the tools and finds out what the processor offers; [`image`] makes the
//! root disk and [`initramfs`] the initramfs, both once per recipe and kept under `target/vm`; [`cluster`] starts the
//! cluster stand-in with its [`config_server`], [`aws`] that of a cloud and [`boot_server`] that of machines that start from the network, with what
//! [`live`] makes for them, each on a [`server`]; [`config_drive`] makes drives; [`qemu`] boots a guest with them and
//! [`console`] reads what it says; [`report`] turns the guest's own report into values. [`demo`] is that way from end to
//! end, with its progress shown to a person.
//!
//! Nothing on the host changes but the packages [`host::TOOLS`] names and files under `target/vm`. Guests reach nothing
//! but the stand-ins.
#![allow(
    clippy::disallowed_methods,
    reason = "a development tool: it runs programs and writes files of its own, never on a machine to be provisioned"
)]

pub mod api;
pub mod aws;
pub mod bench;
pub mod boot_server;
pub mod cases;
pub mod cluster;
pub mod config_drive;
pub mod config_server;
pub mod console;
pub mod control_plane;
pub mod cpio;
pub mod demo;
pub mod digest;
pub mod host;
pub mod image;
pub mod initramfs;
pub mod live;
pub mod qemu;
pub mod reference;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod screen;
pub mod search;
pub use kindling_api_server::http as server;
pub mod tree;
pub mod workspace;
pub mod writes;
