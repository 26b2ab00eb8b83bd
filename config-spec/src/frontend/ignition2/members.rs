//! The members of every object of the old language, each with the minor version it came in.

use super::Edition;
use super::shape::{Field, Shape};
use crate::fields::Shape::{Boolean, Integer, Text, Texts};

/// Nothing, zero and false are absence in every version.
const NEVER: u8 = u8::MAX;

const fn field(since: u8, told: u8, name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        since,
        told,
        shape,
    }
}

const fn text(since: u8, name: &'static str) -> Field {
    field(since, NEVER, name, Shape::Is(Text))
}

const fn integer(since: u8, name: &'static str) -> Field {
    field(since, NEVER, name, Shape::Is(Integer))
}

const fn flag(since: u8, name: &'static str) -> Field {
    field(since, NEVER, name, Shape::Is(Boolean))
}

const fn texts(since: u8, name: &'static str) -> Field {
    field(since, NEVER, name, Shape::Is(Texts))
}

const fn object(since: u8, name: &'static str, fields: &'static [Field]) -> Field {
    field(since, NEVER, name, Shape::Object(fields))
}

const fn objects(since: u8, name: &'static str, fields: &'static [Field]) -> Field {
    field(since, NEVER, name, Shape::Objects(fields))
}

impl Field {
    /// From this minor version on, absence is one thing and nothing, zero or false another.
    const fn told(self, told: u8) -> Self {
        Self { told, ..self }
    }
}

/// The whole document.
pub(super) fn document(edition: Edition) -> &'static Shape {
    if edition.is_first { &FIRST } else { &SECOND }
}

static SECOND: Shape = Shape::Object(&[
    object(
        0,
        "ignition",
        &[
            text(0, "version"),
            object(
                0,
                "config",
                &[
                    objects(0, "append", REFERENCE),
                    object(0, "replace", REFERENCE).told(0),
                ],
            ),
            object(
                1,
                "timeouts",
                &[
                    integer(1, "httpResponseHeaders").told(1),
                    integer(1, "httpTotal").told(1),
                ],
            ),
            object(
                2,
                "security",
                &[object(
                    2,
                    "tls",
                    &[objects(2, "certificateAuthorities", REFERENCE)],
                )],
            ),
            object(
                4,
                "proxy",
                &[text(4, "httpProxy"), text(4, "httpsProxy"), texts(4, "noProxy")],
            ),
        ],
    ),
    NETWORKD,
    PASSWD,
    object(
        0,
        "storage",
        &[
            DISKS,
            RAID,
            objects(
                0,
                "filesystems",
                &[
                    text(0, "name"),
                    text(0, "path").told(0),
                    object(
                        0,
                        "mount",
                        &[
                            text(0, "device"),
                            text(0, "format"),
                            flag(1, "wipeFilesystem"),
                            text(1, "label").told(1),
                            text(1, "uuid").told(1),
                            texts(1, "options"),
                            CREATE,
                        ],
                    )
                    .told(0),
                ],
            ),
            objects(
                0,
                "files",
                &[
                    text(0, "filesystem"),
                    text(0, "path"),
                    object(0, "user", OWNER),
                    object(0, "group", OWNER),
                    integer(0, "mode").told(2),
                    flag(2, "overwrite").told(2),
                    flag(2, "append"),
                    object(
                        0,
                        "contents",
                        &[text(0, "source"), text(0, "compression"), VERIFICATION, HEADERS],
                    ),
                ],
            ),
            objects(
                1,
                "directories",
                &[
                    text(1, "filesystem"),
                    text(1, "path"),
                    object(1, "user", OWNER),
                    object(1, "group", OWNER),
                    integer(1, "mode").told(2),
                    flag(2, "overwrite").told(2),
                ],
            ),
            objects(
                1,
                "links",
                &[
                    text(1, "filesystem"),
                    text(1, "path"),
                    object(1, "user", OWNER),
                    object(1, "group", OWNER),
                    flag(2, "overwrite").told(2),
                    text(1, "target"),
                    flag(1, "hard"),
                ],
            ),
        ],
    ),
    SYSTEMD,
]);

static FIRST: Shape = Shape::Object(&[
    integer(0, "ignitionVersion"),
    NETWORKD,
    PASSWD,
    object(
        0,
        "storage",
        &[
            DISKS,
            RAID,
            objects(
                0,
                "filesystems",
                &[
                    text(0, "device"),
                    text(0, "format"),
                    CREATE,
                    objects(
                        0,
                        "files",
                        &[
                            text(0, "path"),
                            text(0, "contents"),
                            integer(0, "mode"),
                            integer(0, "uid"),
                            integer(0, "gid"),
                        ],
                    ),
                ],
            ),
        ],
    ),
    SYSTEMD,
]);

const VERIFICATION: Field = object(0, "verification", &[text(0, "hash").told(0)]);

const HEADERS: Field = objects(4, "httpHeaders", &[text(4, "name"), text(4, "value")]);

const REFERENCE: &[Field] = &[text(0, "source"), VERIFICATION, HEADERS];

const CREATE: Field = object(0, "create", &[flag(0, "force"), texts(0, "options")]).told(0);

const OWNER: &[Field] = &[integer(0, "id").told(1), text(1, "name")];

const DISKS: Field = objects(
    0,
    "disks",
    &[
        text(0, "device"),
        flag(0, "wipeTable"),
        objects(
            0,
            "partitions",
            &[
                integer(0, "number"),
                text(0, "label").told(3),
                integer(0, "start").told(3),
                integer(0, "size").told(3),
                integer(3, "startMiB").told(3),
                integer(3, "sizeMiB").told(3),
                text(0, "typeGuid"),
                text(1, "guid"),
                flag(3, "shouldExist").told(3),
                flag(3, "wipePartitionEntry"),
            ],
        ),
    ],
);

const RAID: Field = objects(
    0,
    "raid",
    &[
        text(0, "name"),
        text(0, "level"),
        texts(0, "devices"),
        integer(0, "spares"),
        texts(2, "options"),
    ],
);

const DROPIN: &[Field] = &[text(0, "name"), text(0, "contents")];

const SYSTEMD: Field = object(
    0,
    "systemd",
    &[objects(
        0,
        "units",
        &[
            text(0, "name"),
            text(0, "contents"),
            flag(0, "enable"),
            flag(1, "enabled").told(1),
            flag(0, "mask"),
            objects(0, "dropins", DROPIN),
        ],
    )],
);

const NETWORKD: Field = object(
    0,
    "networkd",
    &[objects(
        0,
        "units",
        &[
            text(0, "name"),
            text(0, "contents"),
            objects(2, "dropins", DROPIN),
        ],
    )],
);

/// What says how an account is made, `since` that minor version.
macro_rules! account {
    ($since:literal $(, $before:expr)*) => {
        &[
            $($before,)*
            integer($since, "uid").told(0),
            text($since, "gecos"),
            text($since, "homeDir"),
            flag($since, "noCreateHome"),
            text($since, "primaryGroup"),
            texts($since, "groups"),
            flag($since, "noUserGroup"),
            flag($since, "noLogInit"),
            text($since, "shell"),
            flag($since, "system"),
        ]
    };
}

const PASSWD: Field = object(
    0,
    "passwd",
    &[
        objects(
            0,
            "users",
            account!(
                1,
                text(0, "name"),
                text(0, "passwordHash").told(1),
                texts(0, "sshAuthorizedKeys"),
                object(0, "create", account!(0)).told(0)
            ),
        ),
        objects(
            0,
            "groups",
            &[
                text(0, "name"),
                integer(0, "gid").told(0),
                text(0, "passwordHash"),
                flag(0, "system"),
            ],
        ),
    ],
);
