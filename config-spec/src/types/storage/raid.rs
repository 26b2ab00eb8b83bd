//! Software RAID arrays.

use crate::types::object::object;

object! {
    /// A software RAID array.
    pub struct Raid {
        pub devices: Vec<String>;
        pub level: Option<String>;
        pub name: String;
        pub options: Vec<String>;
        pub spares: Option<i64>;
    }
}
