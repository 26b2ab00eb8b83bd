//! Files, directories and links.

use crate::types::object::object;
use crate::types::resource::Resource;

object! {
    /// An owning user or group, by id or by name but not both.
    pub struct Owner {
        pub id: Option<i64>;
        pub name: Option<String>;
    }
}

object! {
    /// A regular file.
    pub struct File {
        pub group: Owner;
        pub overwrite: Option<bool>;
        pub path: String;
        pub user: Owner;
        pub append: Vec<Resource>;
        pub contents: Resource;
        pub mode: Option<i64>;
    }
}

object! {
    /// A directory.
    pub struct Directory {
        pub group: Owner;
        pub overwrite: Option<bool>;
        pub path: String;
        pub user: Owner;
        pub mode: Option<i64>;
    }
}

object! {
    /// A symbolic or hard link.
    pub struct Link {
        pub group: Owner;
        pub overwrite: Option<bool>;
        pub path: String;
        pub user: Owner;
        pub hard: Option<bool>;
        pub target: Option<String>;
    }
}
