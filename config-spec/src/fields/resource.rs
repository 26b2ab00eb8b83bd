//! References to bytes kept elsewhere.

use super::patterns::{HASH, SOURCE};
use super::{Field, Joining, Limit, Shape, Table, object, objects, text};
use crate::version::Version::{V3_0_0, V3_1_0};

const COMPRESSION: Field = text(
    V3_0_0,
    "compression",
    "How the fetched bytes are compressed: `gzip`, or empty for not at all.",
)
.limit(Limit::Words(&[(V3_0_0, ""), (V3_0_0, "gzip")]));

const HEADERS: Field = objects(
    V3_1_0,
    "httpHeaders",
    &HTTP_HEADER,
    Joining::By("name"),
    "Headers of the request, for `http` and `https` only. They are not sent on to where a server redirects.",
);

const SOURCE_URL: Field = text(
    V3_0_0,
    "source",
    "Where the bytes are: a URL of `http`, `https`, `tftp`, `s3`, `gs`, `arn` (of an S3 object), or `data` \
     for contents that stand in the config itself. An empty text is empty contents; absent is nothing at \
     all.",
)
.pattern(&SOURCE)
.example(r#""https://config.example.com/worker.ign""#);

const CHECKED_BY: Field = object(
    V3_0_0,
    "verification",
    &VERIFICATION,
    "How to check the bytes. A mismatch stops the boot.",
);

/// A resource that is a config or an authority: 3.0.0 could not compress those.
pub(super) static REFERENCE: Table = Table {
    name: "reference",
    fields: &[
        Field {
            first: V3_1_0,
            ..COMPRESSION
        },
        HEADERS,
        SOURCE_URL,
        CHECKED_BY,
    ],
};

/// A resource that is the contents of a file or a key.
pub(super) static CONTENTS: Table = Table {
    name: "contents",
    fields: &[COMPRESSION, HEADERS, SOURCE_URL, CHECKED_BY],
};

/// A resource of the extension, which is the same in documents of all versions.
pub(super) static RESOURCE: Table = Table {
    name: "resource",
    fields: &[
        COMPRESSION,
        Field {
            first: V3_0_0,
            ..HEADERS
        },
        SOURCE_URL,
        Field {
            shape: Shape::Object(&RESOURCE_VERIFICATION),
            ..CHECKED_BY
        },
    ],
};

/// Its members are there wherever the list is.
pub(super) static HTTP_HEADER: Table = Table {
    name: "httpHeader",
    fields: &[
        text(V3_0_0, "name", "The header's name; `A` and `a` are two headers.")
            .required()
            .limit(Limit::Filled)
            .example(r#""Authorization""#),
        text(
            V3_0_0,
            "value",
            "The header's value. Absent removes the header of that name from what is merged over.",
        )
        .limit(Limit::Filled)
        .example(r#""Bearer example""#),
    ],
};

pub(super) static VERIFICATION: Table = Table {
    name: "verification",
    fields: &[HASH_TEXT],
};

/// The same of the extension, which has the functions of all versions.
static RESOURCE_VERIFICATION: Table = Table {
    name: "resourceVerification",
    fields: &[HASH_TEXT],
};

const HASH_TEXT: Field = text(
    V3_0_0,
    "hash",
    "The function, a hyphen and the hex digest of the bytes after decompression: `sha512-` and 128 digits, \
     or since 3.1.0 `sha256-` and 64.",
)
.pattern(&HASH)
.example(r#""sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#);
