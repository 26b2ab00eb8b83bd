//! Files, directories and links.

use crate::fields::patterns::PATH;
use crate::fields::resource::CONTENTS;
use crate::fields::{Field, Joining, Limit, Table, boolean, integer, object, objects, text};
use crate::version::Version::{V3_0_0, V3_3_0};

const GROUP: Field = object(
    V3_0_0,
    "group",
    &OWNER,
    "The owning group. Absent is the one that is there, else root.",
);

const USER: Field = object(
    V3_0_0,
    "user",
    &OWNER,
    "The owning user. Absent is the one that is there, else root.",
);

const NODE_PATH: Field = text(
    V3_0_0,
    "path",
    "Absolute path in the new root. A path is a file, a directory or a link, and nothing else of the config \
     may be below a link.",
)
.required()
.pattern(&PATH)
.example(r#""/etc/example""#);

/// Permission and special bits.
const MODE: Limit = Limit::Range(0, 0o7777);

pub(super) static FILE: Table = Table {
    name: "file",
    fields: &[
        objects(
            V3_0_0,
            "append",
            &CONTENTS,
            Joining::Append,
            "What is added at the end of the file, in this order.",
        ),
        object(
            V3_0_0,
            "contents",
            &CONTENTS,
            "The contents. An absent `source` keeps a file that exists, and makes an empty one where there \
             is none.",
        ),
        GROUP,
        integer(
            V3_0_0,
            "mode",
            "Permission bits, in decimal, since JSON has no octal: 420 is 0644, 493 is 0755, 384 is 0600. \
             Setuid, setgid and sticky bits count since 3.6.0. Absent is the mode that is there, else 420.",
        )
        .limit(MODE)
        .default("420"),
        boolean(
            V3_0_0,
            "overwrite",
            "Permission to replace what is at the path; it needs a source. Without it, a file there stops \
             the boot, unless `contents` has no source.",
        ),
        NODE_PATH,
        USER,
    ],
};

pub(super) static DIRECTORY: Table = Table {
    name: "directory",
    fields: &[
        GROUP,
        integer(
            V3_0_0,
            "mode",
            "Permission bits, in decimal: 493 is 0755, 448 is 0700. Setuid, setgid and sticky bits count \
             since 3.6.0. Absent is the mode that is there, else 493.",
        )
        .limit(MODE)
        .default("493"),
        boolean(
            V3_0_0,
            "overwrite",
            "Permission to remove what is at the path, all that a directory holds included. Without it, a \
             directory there is kept and anything else stops the boot.",
        ),
        NODE_PATH,
        USER,
    ],
};

pub(super) static LINK: Table = Table {
    name: "link",
    fields: &[
        GROUP,
        boolean(
            V3_0_0,
            "hard",
            "Whether the link is a hard one. A hard link has the owner of its target.",
        ),
        boolean(
            V3_0_0,
            "overwrite",
            "Permission to replace what is at the path. Without it, anything but this link stops the boot.",
        ),
        NODE_PATH,
        text(
            V3_0_0,
            "target",
            "What the link points to. A relative target of a symbolic link starts at the link's directory.",
        )
        .required_since(V3_3_0)
        .example(r#""../usr/share/zoneinfo/UTC""#),
        USER,
    ],
};

pub(crate) static OWNER: Table = Table {
    name: "owner",
    fields: &[
        integer(V3_0_0, "id", "The numeric id. It excludes `name`.").example("1000"),
        text(
            V3_0_0,
            "name",
            "The name, as the new root knows it; empty counts as absent. It excludes `id`.",
        )
        .example(r#""core""#),
    ],
};
