//! The `storage` section: disks and what is on them.

use super::object::object;

mod disk;
mod filesystem;
mod luks;
mod node;
mod raid;

pub use disk::{Disk, Partition};
pub use filesystem::Filesystem;
pub use luks::{Cex, Clevis, ClevisCustom, Luks, Tang};
pub use node::{Directory, File, Link, Owner};
pub use raid::Raid;

object! {
    /// Disks and what is on them.
    pub struct Storage {
        pub directories: Vec<Directory>;
        pub disks: Vec<Disk>;
        pub files: Vec<File>;
        pub filesystems: Vec<Filesystem>;
        pub links: Vec<Link>;
        pub luks: Vec<Luks>;
        pub raid: Vec<Raid>;
    }
}
