//! File systems.

use crate::fields::patterns::{DEVICE_OR_TAG, PATH_OR_EMPTY};
use crate::fields::{Joining, Limit, Table, boolean, text, texts};
use crate::version::Version::{V3_0_0, V3_1_0, V3_3_0, V3_7_0Experimental};

pub(super) static FILESYSTEM: Table = Table {
    name: "filesystem",
    fields: &[
        text(
            V3_0_0,
            "device",
            "Absolute path of the device; of a virtiofs share the tag, at most 36 bytes.",
        )
        .required()
        .pattern(&DEVICE_OR_TAG)
        .example(r#""/dev/disk/by-partlabel/data""#),
        text(
            V3_0_0,
            "format",
            "What is made on the device; needed as soon as another member but `device` is given. `none` \
             makes nothing, and erases what is there if `wipeFilesystem` is set. `virtiofs` is a share of \
             the host, which is only mounted.",
        )
        .limit(Limit::Words(&[
            (V3_0_0, ""),
            (V3_0_0, "ext4"),
            (V3_0_0, "btrfs"),
            (V3_0_0, "xfs"),
            (V3_0_0, "vfat"),
            (V3_0_0, "swap"),
            (V3_3_0, "none"),
            (V3_7_0Experimental, "virtiofs"),
        ])),
        text(
            V3_0_0,
            "label",
            "The label, in bytes at most: ext4 16, btrfs 256, xfs 12, vfat 11, swap 15. A virtiofs share has \
             none.",
        )
        .example(r#""data""#),
        texts(
            V3_1_0,
            "mountOptions",
            Joining::Append,
            "Options for mounting while files are written. A mount of the running system is a unit of its \
             own.",
        )
        .example(r#"["noatime"]"#),
        texts(
            V3_0_0,
            "options",
            Joining::Append,
            "Further arguments for the format's mkfs.",
        )
        .example(r#"["-K"]"#),
        text(
            V3_0_0,
            "path",
            "Where it is mounted while files are written: an absolute path in the new root. Empty or absent \
             is nowhere.",
        )
        .pattern(&PATH_OR_EMPTY)
        .example(r#""/var/data""#),
        text(V3_0_0, "uuid", "The file system's UUID. Absent is a fresh one.")
            .example(r#""1e3d7ac6-25a5-4a05-a8b3-7d0f2f9b1e11""#),
        boolean(
            V3_0_0,
            "wipeFilesystem",
            "Whether a file system is made in any case. Otherwise one that matches in format, label and UUID \
             is kept, and anything else on the device stops the boot.",
        ),
    ],
};
