//! The extension: what the base language cannot say, below one key.
//!
//! It has versions of its own, of which there is one, so every member counts in a document of every version.

mod node;
mod report;

use super::patterns::{HOST, PATH};
use super::resource::RESOURCE;
use super::{Field, Joining, Limit, Shape, Table, boolean, field, integer, object, text};
use crate::version::Version::{self, V3_0_0};

/// The first version of the base language: all of them have the extension.
const ALWAYS: Version = V3_0_0;

/// Its place in the document.
pub(super) const SECTION: Field = field(
    ALWAYS,
    "kindling",
    Shape::Strict(&KINDLING),
    "The extension: joining a cluster, reporting, and what else the base language cannot say. Other engines \
     ignore it with a warning. An unknown member inside it is an error.",
);

pub(crate) static KINDLING: Table = Table {
    name: "kindling",
    fields: &[
        field(
            ALWAYS,
            "files",
            Shape::Map(&PATH, &Shape::Object(&FILE_EXTRA)),
            "By the path of a file of `storage.files`: what the base language cannot say of it.",
        ),
        object(
            ALWAYS,
            "node",
            &node::NODE,
            "How the machine becomes a node of its cluster.",
        ),
        object(
            ALWAYS,
            "onFailure",
            &ON_FAILURE,
            "What a machine does whose first boot failed.",
        ),
        object(
            ALWAYS,
            "report",
            &report::REPORT,
            "Who is told how the first boot went.",
        ),
        object(
            ALWAYS,
            "transport",
            &TRANSPORT,
            "How to speak to the hosts that things are fetched from.",
        ),
        text(
            ALWAYS,
            "version",
            "The version of the extension; it must be given as soon as another member is.",
        )
        .limit(Limit::ExtensionVersion),
    ],
};

pub(super) static FILE_EXTRA: Table = Table {
    name: "fileExtra",
    fields: &[
        text(
            ALWAYS,
            "compression",
            "How the fetched contents are compressed, where that is not gzip. It excludes \
             `contents.compression` of the file.",
        )
        .limit(Limit::Words(&[(ALWAYS, "zstd")])),
        boolean(
            ALWAYS,
            "expand",
            "Whether placeholders for facts of this machine are replaced in the contents before the file is \
             written.",
        ),
    ],
};

pub(super) static ON_FAILURE: Table = Table {
    name: "onFailure",
    fields: &[
        text(
            ALWAYS,
            "action",
            "What to do when the failure has been told: stay, with the record on the console, or end this attempt.",
        )
        .limit(Limit::Words(&[
            (ALWAYS, "emergency"),
            (ALWAYS, "reboot"),
            (ALWAYS, "poweroff"),
            (ALWAYS, "halt"),
        ]))
        .default(r#""emergency""#),
        integer(
            ALWAYS,
            "attempts",
            "How often in a row `reboot` tries again before the machine stays as it is. Absent is no limit.",
        )
        .limit(Limit::Range(1, 1000))
        .example("5"),
        integer(
            ALWAYS,
            "delaySeconds",
            "Seconds between telling the failure and the action, so that somebody can read it.",
        )
        .limit(Limit::Range(0, 86_400))
        .default("30"),
    ],
};

pub(super) static TRANSPORT: Table = Table {
    name: "transport",
    fields: &[field(
        ALWAYS,
        "hosts",
        Shape::Map(&HOST, &Shape::Object(&IDENTITY)),
        "By `host` or `host:port`: who the machine is for that host. The entry with the port wins.",
    )],
};

/// Both or none, which a merged config must have and a part of one need not.
pub(super) static IDENTITY: Table = Table {
    name: "identity",
    fields: &[
        object(
            ALWAYS,
            "clientCertificate",
            &RESOURCE,
            "The certificate shown to the host, as PEM, with the chain behind it. It needs a key.",
        ),
        object(
            ALWAYS,
            "clientKey",
            &RESOURCE,
            "The private key of the certificate, as PEM. It is never shown or kept.",
        ),
    ],
};

/// A list of authorities, here and there in the extension.
const fn authorities(about: &'static str) -> Field {
    super::objects(
        ALWAYS,
        "certificateAuthorities",
        &RESOURCE,
        Joining::By("source"),
        about,
    )
    .demands("source", ALWAYS)
}
