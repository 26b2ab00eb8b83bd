//! The `systemd` section.

use super::patterns::{DROPIN, UNIT as UNIT_NAME};
use super::{Joining, Table, boolean, objects, text};
use crate::version::Version::V3_0_0;

pub(super) static SYSTEMD: Table = Table {
    name: "systemd",
    fields: &[objects(
        V3_0_0,
        "units",
        &UNIT,
        Joining::By("name"),
        "Units to write, to enable, to disable or to mask.",
    )],
};

pub(super) static UNIT: Table = Table {
    name: "unit",
    fields: &[
        text(
            V3_0_0,
            "contents",
            "The unit file itself, with `\\n` between its lines. Absent or empty leaves the image's unit \
             alone.",
        )
        .example(r#""[Service]\nExecStart=/usr/bin/true\n\n[Install]\nWantedBy=multi-user.target\n""#),
        objects(
            V3_0_0,
            "dropins",
            &DROP_IN,
            Joining::By("name"),
            "Drop-ins of the unit, which change single settings of it.",
        ),
        boolean(
            V3_0_0,
            "enabled",
            "True enables the unit by its `[Install]` section, false disables it; absent leaves that as it \
             is.",
        )
        .no_default(),
        boolean(
            V3_0_0,
            "mask",
            "True masks the unit, so that nothing starts it, false unmasks it; absent leaves that as it is.",
        )
        .no_default(),
        text(
            V3_0_0,
            "name",
            "The unit's name with its type: `.service`, `.socket`, `.device`, `.mount`, `.automount`, \
             `.swap`, `.target`, `.path`, `.timer`, `.snapshot`, `.slice` or `.scope`.",
        )
        .required()
        .pattern(&UNIT_NAME)
        .example(r#""hello.service""#),
    ],
};

pub(super) static DROP_IN: Table = Table {
    name: "dropin",
    fields: &[
        text(
            V3_0_0,
            "contents",
            "The drop-in itself, with `\\n` between its lines. Absent or empty writes none.",
        )
        .example(r#""[Service]\nEnvironment=DEBUG=1\n""#),
        text(V3_0_0, "name", "The drop-in's name, which ends in `.conf`.")
            .required()
            .pattern(&DROPIN)
            .example(r#""10-debug.conf""#),
    ],
};
