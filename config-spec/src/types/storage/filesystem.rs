//! File systems.

use crate::types::object::object;

object! {
    /// A file system and where it is mounted while files are written.
    pub struct Filesystem {
        pub device: String;
        pub format: Option<String>;
        pub label: Option<String>;
        pub mount_options: Vec<String>;
        pub options: Vec<String>;
        pub path: Option<String>;
        pub uuid: Option<String>;
        pub wipe_filesystem: Option<bool>;
    }
}
