//! The boundary: the only code that talks to a kernel, a network or another program.

pub mod accounts;
pub mod archive;
pub mod block;
pub mod boot;
pub mod console;
pub mod devices;
pub mod fake;
pub mod http;
pub mod journal;
pub mod log;
pub mod loops;
pub mod machine;
pub mod media;
pub mod mounts;
mod never_run;
pub mod probe;
pub mod process;
pub mod sysroot;
pub mod tftp;
pub mod transfer;
pub mod uevent;
mod unwind;
pub mod usage;
pub mod vboxguest;
pub mod vmware;
pub mod vsock;
pub mod workers;
