//! Disks and partitions.

use crate::fields::patterns::{GUID_OR_EMPTY, PARTITION_LABEL, PATH};
use crate::fields::{Joining, Table, boolean, integer, objects, text};
use crate::version::Version::{V3_0_0, V3_2_0};

pub(super) static DISK: Table = Table {
    name: "disk",
    fields: &[
        text(
            V3_0_0,
            "device",
            "Absolute path of the disk's device. The links below `/dev/disk` stay the same from boot to \
             boot.",
        )
        .required()
        .pattern(&PATH)
        .example(r#""/dev/disk/by-id/virtio-data""#),
        objects(
            V3_0_0,
            "partitions",
            &PARTITION,
            Joining::By("number, or label where the number is 0"),
            "Partitions. Those on the disk that are not named here stay as they are.",
        ),
        boolean(
            V3_0_0,
            "wipeTable",
            "Whether the partition table, and with it all that is on the disk, is erased first.",
        ),
    ],
};

pub(super) static PARTITION: Table = Table {
    name: "partition",
    fields: &[
        text(
            V3_0_0,
            "guid",
            "The partition's own GUID. Absent or empty is a fresh one.",
        )
        .pattern(&GUID_OR_EMPTY)
        .example(r#""5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6""#),
        text(
            V3_0_0,
            "label",
            "The label, at most 36 bytes, without a colon, no two alike on a disk. A partition needs a label \
             or a number.",
        )
        .pattern(&PARTITION_LABEL)
        .example(r#""data""#),
        integer(
            V3_0_0,
            "number",
            "The slot in the table, from 1; 0 is the next free one.",
        )
        .default("0"),
        boolean(
            V3_2_0,
            "resize",
            "Permission to change the size of a partition that differs in nothing else. What is in it is not \
             resized.",
        ),
        boolean(
            V3_0_0,
            "shouldExist",
            "Whether the partition shall be there. False goes with a number alone, and deletes only with \
             `wipePartitionEntry`.",
        )
        .default("true"),
        integer(
            V3_0_0,
            "sizeMiB",
            "The size in MiB; 0 fills the largest free block. Absent keeps the size of a partition that is \
             there, and is 0 for a new one.",
        )
        .example("1024"),
        integer(
            V3_0_0,
            "startMiB",
            "The start in MiB; 0 is the start of the largest free block. Absent keeps the start of a \
             partition that is there, and is 0 for a new one.",
        )
        .example("1"),
        text(
            V3_0_0,
            "typeGuid",
            "The partition type. Absent or empty is that of Linux file systems.",
        )
        .pattern(&GUID_OR_EMPTY)
        .default(r#""0FC63DAF-8483-4772-8E79-3D69D8477DE4""#),
        boolean(
            V3_0_0,
            "wipePartitionEntry",
            "Permission to delete or to replace a partition that does not match. Without it a difference \
             stops the boot.",
        ),
    ],
};
