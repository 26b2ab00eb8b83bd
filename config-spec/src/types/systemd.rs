//! The `systemd` section: units and drop-ins.

use super::object::object;

object! {
    /// Units.
    pub struct Systemd {
        pub units: Vec<Unit>;
    }
}

object! {
    /// A unit.
    pub struct Unit {
        pub contents: Option<String>;
        pub dropins: Vec<Dropin>;
        pub enabled: Option<bool>;
        pub mask: Option<bool>;
        pub name: String;
    }
}

object! {
    /// A drop-in of a unit.
    pub struct Dropin {
        pub contents: Option<String>;
        pub name: String;
    }
}
