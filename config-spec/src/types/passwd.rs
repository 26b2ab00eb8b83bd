//! The `passwd` section: accounts.

use super::object::object;

object! {
    /// Accounts.
    pub struct Passwd {
        pub groups: Vec<Group>;
        pub users: Vec<User>;
    }
}

object! {
    /// A group.
    pub struct Group {
        pub gid: Option<i64>;
        pub name: String;
        pub password_hash: Option<String>;
        pub should_exist: Option<bool>;
        pub system: Option<bool>;
    }
}

object! {
    /// A user.
    pub struct User {
        pub gecos: Option<String>;
        pub groups: Vec<String>;
        pub home_dir: Option<String>;
        pub name: String;
        pub no_create_home: Option<bool>;
        pub no_log_init: Option<bool>;
        pub no_user_group: Option<bool>;
        pub password_hash: Option<String>;
        pub primary_group: Option<String>;
        pub ssh_authorized_keys: Vec<String>;
        pub shell: Option<String>;
        pub should_exist: Option<bool>;
        pub system: Option<bool>;
        pub uid: Option<i64>;
    }
}
