//! The `passwd` section.

use super::{Joining, Table, boolean, integer, objects, text, texts};
use crate::version::Version::{V3_0_0, V3_2_0};

pub(super) static PASSWD: Table = Table {
    name: "passwd",
    fields: &[
        objects(
            V3_0_0,
            "groups",
            &GROUP,
            Joining::By("name"),
            "Groups. They are made before the users.",
        ),
        objects(
            V3_0_0,
            "users",
            &USER,
            Joining::By("name"),
            "Users to create, change or delete.",
        ),
    ],
};

pub(super) static GROUP: Table = Table {
    name: "group",
    fields: &[
        integer(
            V3_0_0,
            "gid",
            "The group's id. Absent is the next free one. A group that exists is changed to it.",
        )
        .example("2000"),
        text(
            V3_0_0,
            "name",
            "The group's name, by which it is found in the new root.",
        )
        .example(r#""ops""#),
        text(
            V3_0_0,
            "passwordHash",
            "The hashed password of the group, as crypt(5) writes it.",
        )
        .example(r#""$y$j9T$example$hash""#),
        boolean(
            V3_2_0,
            "shouldExist",
            "Whether the group shall be there; false deletes it.",
        )
        .default("true"),
        boolean(
            V3_0_0,
            "system",
            "Whether a new group takes an id of the system's range.",
        ),
    ],
};

pub(super) static USER: Table = Table {
    name: "user",
    fields: &[
        text(
            V3_0_0,
            "gecos",
            "The comment field of the account, mostly the person's name.",
        )
        .example(r#""Ada Example""#),
        texts(
            V3_0_0,
            "groups",
            Joining::ByText,
            "Names of further groups. Of a user that exists they replace the ones it is in.",
        )
        .example(r#"["wheel"]"#),
        text(
            V3_0_0,
            "homeDir",
            "The home directory. Absent is `/home` and the name, as the system's defaults have it.",
        )
        .example(r#""/var/home/ada""#),
        text(
            V3_0_0,
            "name",
            "The user's name. An account that exists is changed, and keeps what the config does not name.",
        )
        .example(r#""core""#),
        boolean(
            V3_0_0,
            "noCreateHome",
            "Whether a new account gets no home directory.",
        ),
        boolean(
            V3_0_0,
            "noLogInit",
            "Whether a new account is left out of the files of the last logins.",
        ),
        boolean(
            V3_0_0,
            "noUserGroup",
            "Whether a new account gets no group of its own name.",
        ),
        text(
            V3_0_0,
            "passwordHash",
            "The hashed password, as crypt(5) writes it, never the password. Absent leaves a new account \
             without one, so that no password lets anybody in.",
        )
        .example(r#""$y$j9T$example$hash""#),
        text(
            V3_0_0,
            "primaryGroup",
            "Name or id of the primary group. Absent is the group of the user's own name.",
        )
        .example(r#""users""#),
        text(
            V3_0_0,
            "shell",
            "The login shell, as an absolute path. Absent is the system's default.",
        )
        .example(r#""/bin/bash""#),
        boolean(
            V3_2_0,
            "shouldExist",
            "Whether the account shall be there; false deletes it with its home directory.",
        )
        .default("true"),
        texts(
            V3_0_0,
            "sshAuthorizedKeys",
            Joining::ByText,
            "Public keys that may log in as this user, one line each.",
        )
        .example(r#"["ssh-ed25519 AAAAexample ada@example.com"]"#),
        boolean(
            V3_0_0,
            "system",
            "Whether a new account takes an id of the system's range.",
        ),
        integer(
            V3_0_0,
            "uid",
            "The user's id. Absent is the next free one. A user that exists is changed to it.",
        )
        .example("1001"),
    ],
};
