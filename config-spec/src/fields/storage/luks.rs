//! Encrypted volumes.

use crate::fields::patterns::{HTTP, NO_SLASH, PATH};
use crate::fields::resource::CONTENTS;
use crate::fields::{Joining, Limit, Table, boolean, integer, object, objects, text, texts};
use crate::version::Version::{V3_2_0, V3_4_0, V3_5_0, V3_6_0};

pub(super) static LUKS: Table = Table {
    name: "luks",
    fields: &[
        object(
            V3_5_0,
            "cex",
            &CEX,
            "Key protection by a crypto card of IBM Z. It excludes `clevis` and `keyFile`.",
        ),
        object(
            V3_2_0,
            "clevis",
            &CLEVIS,
            "Unlocking at boot without a passphrase, by clevis.",
        ),
        text(
            V3_2_0,
            "device",
            "Absolute path of the device that holds the volume.",
        )
        .required()
        .pattern(&PATH)
        .example(r#""/dev/disk/by-partlabel/secret""#),
        boolean(
            V3_4_0,
            "discard",
            "Whether discards reach the device below. It shows which blocks are in use.",
        ),
        object(
            V3_2_0,
            "keyFile",
            &CONTENTS,
            "The key. Absent is a generated one, which is kept on the root file system unless clevis holds \
             it.",
        ),
        text(V3_2_0, "label", "The label, at most 47 bytes.")
            .limit(Limit::MaxBytes(47))
            .example(r#""secret""#),
        text(
            V3_2_0,
            "name",
            "The volume's name, without a slash; its device is `/dev/mapper/` and the name.",
        )
        .pattern(&NO_SLASH)
        .example(r#""secret""#),
        texts(
            V3_4_0,
            "openOptions",
            Joining::ByText,
            "Further arguments for opening the volume, each at most once.",
        )
        .example(r#"["--perf-no_read_workqueue"]"#),
        texts(
            V3_2_0,
            "options",
            Joining::Append,
            "Further arguments for `cryptsetup luksFormat`.",
        )
        .example(r#"["--cipher", "aes-xts-plain64"]"#),
        text(V3_2_0, "uuid", "The volume's UUID. Absent is a fresh one.")
            .example(r#""1e3d7ac6-25a5-4a05-a8b3-7d0f2f9b1e11""#),
        boolean(
            V3_2_0,
            "wipeVolume",
            "Whether a volume is made in any case, over whatever is there. Otherwise one that matches is \
             kept.",
        ),
    ],
};

pub(crate) static CEX: Table = Table {
    name: "cex",
    fields: &[boolean(V3_5_0, "enabled", "Whether it is used.")],
};

pub(super) static CLEVIS: Table = Table {
    name: "clevis",
    fields: &[
        object(
            V3_2_0,
            "custom",
            &CUSTOM,
            "A pin of the user's own. It excludes the other members.",
        ),
        objects(
            V3_2_0,
            "tang",
            &TANG,
            Joining::By("url"),
            "Tang servers that can unlock the volume.",
        ),
        integer(
            V3_2_0,
            "threshold",
            "How many of the pins must answer; 0 counts as absent.",
        )
        .default("1"),
        boolean(V3_2_0, "tpm2", "Whether the machine's TPM is one of the pins."),
    ],
};

pub(super) static CUSTOM: Table = Table {
    name: "clevisCustom",
    fields: &[
        text(
            V3_2_0,
            "config",
            "The pin's configuration, as clevis takes it: mostly JSON. A custom pin needs it.",
        )
        .example(r#""{\"pcr_ids\":\"7\"}""#),
        boolean(V3_2_0, "needsNetwork", "Whether unlocking needs the network."),
        text(
            V3_2_0,
            "pin",
            "The pin's name: `tpm2`, `tang` or `sss`, since 3.6.0 any. A custom pin needs it.",
        )
        .limit(Limit::WordsBefore(V3_6_0, &["", "tpm2", "tang", "sss"]))
        .example(r#""tpm2""#),
    ],
};

pub(crate) static TANG: Table = Table {
    name: "tang",
    fields: &[
        text(
            V3_4_0,
            "advertisement",
            "The server's advertisement, as JSON in a text, for binding while the server is out of reach.",
        )
        .example(r#""{\"payload\":\"\",\"protected\":\"\",\"signature\":\"\"}""#),
        text(
            V3_2_0,
            "thumbprint",
            "The thumbprint of a signing key of the server; `tang-show-keys` prints it.",
        )
        .required()
        .limit(Limit::Filled)
        .example(r#""REPLACE-WITH-THUMBPRINT""#),
        text(V3_2_0, "url", "The server's URL.")
            .required()
            .pattern(&HTTP)
            .example(r#""http://tang.example.com""#),
    ],
};
