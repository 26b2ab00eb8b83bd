//! Which members exist: their names, what they hold, and the version that introduced them.
//!
//! One table for all versions. It says which members a document of some version may have, and drives the findings
//! about unknown members and wrong types. A test compares it with the types.

use crate::version::Version::{self, V3_0_0, V3_1_0, V3_2_0, V3_3_0, V3_4_0, V3_5_0};

/// A member of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// The name in JSON.
    pub(crate) name: &'static str,
    /// The first version that has it. No version took one away.
    pub(crate) first: Version,
    /// What it holds.
    pub(crate) shape: Shape,
}

/// What a value must be. `null` is allowed everywhere and means absence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Integer,
    Boolean,
    Texts,
    Object(&'static [Field]),
    Objects(&'static [Field]),
}

/// The whole document.
pub(crate) const ROOT: &[Field] = &[
    since(V3_0_0, "ignition", Shape::Object(IGNITION)),
    since(V3_3_0, "kernelArguments", Shape::Object(KERNEL_ARGUMENTS)),
    since(V3_0_0, "passwd", Shape::Object(PASSWD)),
    since(V3_0_0, "storage", Shape::Object(STORAGE)),
    since(V3_0_0, "systemd", Shape::Object(SYSTEMD)),
];

const fn since(first: Version, name: &'static str, shape: Shape) -> Field {
    Field { name, first, shape }
}

pub(crate) const IGNITION: &[Field] = &[
    since(V3_0_0, "config", Shape::Object(IGNITION_CONFIG)),
    since(V3_1_0, "proxy", Shape::Object(PROXY)),
    since(V3_0_0, "security", Shape::Object(SECURITY)),
    since(V3_0_0, "timeouts", Shape::Object(TIMEOUTS)),
    since(V3_0_0, "version", Shape::Text),
];

pub(crate) const IGNITION_CONFIG: &[Field] = &[
    since(V3_0_0, "merge", Shape::Objects(REFERENCE)),
    since(V3_0_0, "replace", Shape::Object(REFERENCE)),
];

pub(crate) const PROXY: &[Field] = &[
    since(V3_1_0, "httpProxy", Shape::Text),
    since(V3_1_0, "httpsProxy", Shape::Text),
    since(V3_1_0, "noProxy", Shape::Texts),
];

pub(crate) const SECURITY: &[Field] = &[since(V3_0_0, "tls", Shape::Object(TLS))];

pub(crate) const TLS: &[Field] = &[since(V3_0_0, "certificateAuthorities", Shape::Objects(REFERENCE))];

pub(crate) const TIMEOUTS: &[Field] = &[
    since(V3_0_0, "httpResponseHeaders", Shape::Integer),
    since(V3_0_0, "httpTotal", Shape::Integer),
];

/// A resource that is a config or an authority: 3.0.0 could not compress those.
pub(crate) const REFERENCE: &[Field] = &[
    since(V3_1_0, "compression", Shape::Text),
    since(V3_1_0, "httpHeaders", Shape::Objects(HTTP_HEADER)),
    since(V3_0_0, "source", Shape::Text),
    since(V3_0_0, "verification", Shape::Object(VERIFICATION)),
];

/// A resource that is the contents of a file or a key.
pub(crate) const CONTENTS: &[Field] = &[
    since(V3_0_0, "compression", Shape::Text),
    since(V3_1_0, "httpHeaders", Shape::Objects(HTTP_HEADER)),
    since(V3_0_0, "source", Shape::Text),
    since(V3_0_0, "verification", Shape::Object(VERIFICATION)),
];

pub(crate) const HTTP_HEADER: &[Field] = &[
    since(V3_1_0, "name", Shape::Text),
    since(V3_1_0, "value", Shape::Text),
];

pub(crate) const VERIFICATION: &[Field] = &[since(V3_0_0, "hash", Shape::Text)];

pub(crate) const KERNEL_ARGUMENTS: &[Field] = &[
    since(V3_3_0, "shouldExist", Shape::Texts),
    since(V3_3_0, "shouldNotExist", Shape::Texts),
];

pub(crate) const PASSWD: &[Field] = &[
    since(V3_0_0, "groups", Shape::Objects(GROUP)),
    since(V3_0_0, "users", Shape::Objects(USER)),
];

pub(crate) const GROUP: &[Field] = &[
    since(V3_0_0, "gid", Shape::Integer),
    since(V3_0_0, "name", Shape::Text),
    since(V3_0_0, "passwordHash", Shape::Text),
    since(V3_2_0, "shouldExist", Shape::Boolean),
    since(V3_0_0, "system", Shape::Boolean),
];

pub(crate) const USER: &[Field] = &[
    since(V3_0_0, "gecos", Shape::Text),
    since(V3_0_0, "groups", Shape::Texts),
    since(V3_0_0, "homeDir", Shape::Text),
    since(V3_0_0, "name", Shape::Text),
    since(V3_0_0, "noCreateHome", Shape::Boolean),
    since(V3_0_0, "noLogInit", Shape::Boolean),
    since(V3_0_0, "noUserGroup", Shape::Boolean),
    since(V3_0_0, "passwordHash", Shape::Text),
    since(V3_0_0, "primaryGroup", Shape::Text),
    since(V3_0_0, "sshAuthorizedKeys", Shape::Texts),
    since(V3_0_0, "shell", Shape::Text),
    since(V3_2_0, "shouldExist", Shape::Boolean),
    since(V3_0_0, "system", Shape::Boolean),
    since(V3_0_0, "uid", Shape::Integer),
];

pub(crate) const STORAGE: &[Field] = &[
    since(V3_0_0, "directories", Shape::Objects(DIRECTORY)),
    since(V3_0_0, "disks", Shape::Objects(DISK)),
    since(V3_0_0, "files", Shape::Objects(FILE)),
    since(V3_0_0, "filesystems", Shape::Objects(FILESYSTEM)),
    since(V3_0_0, "links", Shape::Objects(LINK)),
    since(V3_2_0, "luks", Shape::Objects(LUKS)),
    since(V3_0_0, "raid", Shape::Objects(RAID)),
];

pub(crate) const DISK: &[Field] = &[
    since(V3_0_0, "device", Shape::Text),
    since(V3_0_0, "partitions", Shape::Objects(PARTITION)),
    since(V3_0_0, "wipeTable", Shape::Boolean),
];

pub(crate) const PARTITION: &[Field] = &[
    since(V3_0_0, "guid", Shape::Text),
    since(V3_0_0, "label", Shape::Text),
    since(V3_0_0, "number", Shape::Integer),
    since(V3_2_0, "resize", Shape::Boolean),
    since(V3_0_0, "shouldExist", Shape::Boolean),
    since(V3_0_0, "sizeMiB", Shape::Integer),
    since(V3_0_0, "startMiB", Shape::Integer),
    since(V3_0_0, "typeGuid", Shape::Text),
    since(V3_0_0, "wipePartitionEntry", Shape::Boolean),
];

pub(crate) const RAID: &[Field] = &[
    since(V3_0_0, "devices", Shape::Texts),
    since(V3_0_0, "level", Shape::Text),
    since(V3_0_0, "name", Shape::Text),
    since(V3_0_0, "options", Shape::Texts),
    since(V3_0_0, "spares", Shape::Integer),
];

pub(crate) const FILESYSTEM: &[Field] = &[
    since(V3_0_0, "device", Shape::Text),
    since(V3_0_0, "format", Shape::Text),
    since(V3_0_0, "label", Shape::Text),
    since(V3_1_0, "mountOptions", Shape::Texts),
    since(V3_0_0, "options", Shape::Texts),
    since(V3_0_0, "path", Shape::Text),
    since(V3_0_0, "uuid", Shape::Text),
    since(V3_0_0, "wipeFilesystem", Shape::Boolean),
];

pub(crate) const LUKS: &[Field] = &[
    since(V3_5_0, "cex", Shape::Object(CEX)),
    since(V3_2_0, "clevis", Shape::Object(CLEVIS)),
    since(V3_2_0, "device", Shape::Text),
    since(V3_4_0, "discard", Shape::Boolean),
    since(V3_2_0, "keyFile", Shape::Object(CONTENTS)),
    since(V3_2_0, "label", Shape::Text),
    since(V3_2_0, "name", Shape::Text),
    since(V3_4_0, "openOptions", Shape::Texts),
    since(V3_2_0, "options", Shape::Texts),
    since(V3_2_0, "uuid", Shape::Text),
    since(V3_2_0, "wipeVolume", Shape::Boolean),
];

pub(crate) const CEX: &[Field] = &[since(V3_5_0, "enabled", Shape::Boolean)];

pub(crate) const CLEVIS: &[Field] = &[
    since(V3_2_0, "custom", Shape::Object(CLEVIS_CUSTOM)),
    since(V3_2_0, "tang", Shape::Objects(TANG)),
    since(V3_2_0, "threshold", Shape::Integer),
    since(V3_2_0, "tpm2", Shape::Boolean),
];

pub(crate) const CLEVIS_CUSTOM: &[Field] = &[
    since(V3_2_0, "config", Shape::Text),
    since(V3_2_0, "needsNetwork", Shape::Boolean),
    since(V3_2_0, "pin", Shape::Text),
];

pub(crate) const TANG: &[Field] = &[
    since(V3_4_0, "advertisement", Shape::Text),
    since(V3_2_0, "thumbprint", Shape::Text),
    since(V3_2_0, "url", Shape::Text),
];

pub(crate) const OWNER: &[Field] = &[
    since(V3_0_0, "id", Shape::Integer),
    since(V3_0_0, "name", Shape::Text),
];

pub(crate) const FILE: &[Field] = &[
    since(V3_0_0, "append", Shape::Objects(CONTENTS)),
    since(V3_0_0, "contents", Shape::Object(CONTENTS)),
    since(V3_0_0, "group", Shape::Object(OWNER)),
    since(V3_0_0, "mode", Shape::Integer),
    since(V3_0_0, "overwrite", Shape::Boolean),
    since(V3_0_0, "path", Shape::Text),
    since(V3_0_0, "user", Shape::Object(OWNER)),
];

pub(crate) const DIRECTORY: &[Field] = &[
    since(V3_0_0, "group", Shape::Object(OWNER)),
    since(V3_0_0, "mode", Shape::Integer),
    since(V3_0_0, "overwrite", Shape::Boolean),
    since(V3_0_0, "path", Shape::Text),
    since(V3_0_0, "user", Shape::Object(OWNER)),
];

pub(crate) const LINK: &[Field] = &[
    since(V3_0_0, "group", Shape::Object(OWNER)),
    since(V3_0_0, "hard", Shape::Boolean),
    since(V3_0_0, "overwrite", Shape::Boolean),
    since(V3_0_0, "path", Shape::Text),
    since(V3_0_0, "target", Shape::Text),
    since(V3_0_0, "user", Shape::Object(OWNER)),
];

pub(crate) const SYSTEMD: &[Field] = &[since(V3_0_0, "units", Shape::Objects(UNIT))];

pub(crate) const UNIT: &[Field] = &[
    since(V3_0_0, "contents", Shape::Text),
    since(V3_0_0, "dropins", Shape::Objects(DROPIN)),
    since(V3_0_0, "enabled", Shape::Boolean),
    since(V3_0_0, "mask", Shape::Boolean),
    since(V3_0_0, "name", Shape::Text),
];

pub(crate) const DROPIN: &[Field] = &[
    since(V3_0_0, "contents", Shape::Text),
    since(V3_0_0, "name", Shape::Text),
];

#[cfg(test)]
mod tests;
