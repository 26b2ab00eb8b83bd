//! The `kernelArguments` section.

use super::{Joining, Table, texts};
use crate::version::Version::V3_3_0;

pub(super) static KERNEL_ARGUMENTS: Table = Table {
    name: "kernelArguments",
    fields: &[
        texts(
            V3_3_0,
            "shouldExist",
            Joining::ByTextAcross("shouldNotExist"),
            "Arguments that must be there, each compared as a whole; one entry may hold several words.",
        )
        .example(r#"["console=ttyS0,115200n8"]"#),
        texts(
            V3_3_0,
            "shouldNotExist",
            Joining::ByTextAcross("shouldExist"),
            "Arguments that must not be there. All occurrences are removed.",
        )
        .example(r#"["mitigations=off"]"#),
    ],
};
