//! Software RAID arrays.

use crate::fields::patterns::PATH;
use crate::fields::{Joining, Limit, Table, integer, text, texts};
use crate::version::Version::V3_0_0;

pub(super) static RAID: Table = Table {
    name: "raid",
    fields: &[
        texts(
            V3_0_0,
            "devices",
            Joining::ByText,
            "Absolute paths of the members' devices, spares included.",
        )
        .required()
        .pattern(&PATH)
        .example(r#"["/dev/disk/by-partlabel/a", "/dev/disk/by-partlabel/b"]"#),
        text(V3_0_0, "level", "The level, by one of mdadm's names for it.")
            .required()
            .limit(Limit::Words(&[
                (V3_0_0, "linear"),
                (V3_0_0, "raid0"),
                (V3_0_0, "0"),
                (V3_0_0, "stripe"),
                (V3_0_0, "raid1"),
                (V3_0_0, "1"),
                (V3_0_0, "mirror"),
                (V3_0_0, "raid4"),
                (V3_0_0, "4"),
                (V3_0_0, "raid5"),
                (V3_0_0, "5"),
                (V3_0_0, "raid6"),
                (V3_0_0, "6"),
                (V3_0_0, "raid10"),
                (V3_0_0, "10"),
            ])),
        text(
            V3_0_0,
            "name",
            "The array's name; its device is `/dev/md/` and the name.",
        )
        .example(r#""data""#),
        texts(
            V3_0_0,
            "options",
            Joining::Append,
            "Further arguments for `mdadm --create`.",
        )
        .example(r#"["--chunk=64"]"#),
        integer(
            V3_0_0,
            "spares",
            "How many of the members are spares. Levels without redundancy (linear, raid0) have none.",
        )
        .default("0"),
    ],
};
