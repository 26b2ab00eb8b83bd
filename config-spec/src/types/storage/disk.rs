//! Disks and partitions.

use crate::types::object::object;

object! {
    /// A disk and the partitions it shall have.
    pub struct Disk {
        pub device: String;
        pub partitions: Vec<Partition>;
        pub wipe_table: Option<bool>;
    }
}

object! {
    /// A partition.
    pub struct Partition {
        pub guid: Option<String>;
        pub label: Option<String>;
        pub number: i64, unless empty;
        pub resize: Option<bool>;
        pub should_exist: Option<bool>;
        pub size_mib: Option<i64> as "sizeMiB";
        pub start_mib: Option<i64> as "startMiB";
        pub type_guid: Option<String>;
        pub wipe_partition_entry: Option<bool>;
    }
}
