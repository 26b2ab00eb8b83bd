//! Where things are: the checkout, what is built from it, and the folder that keeps images between runs.

use std::path::{Path, PathBuf};

/// The checkout this crate belongs to.
#[must_use]
pub fn root() -> PathBuf {
    // Two levels up from `tests/vm`, without `..` in the result: QEMU's arguments show up in error messages.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .expect("the crate lies two folders below the checkout")
        .to_path_buf()
}

/// Images, initramfs files and the leftovers of runs; safe to delete, costs a cold build.
#[must_use]
pub fn cache() -> PathBuf {
    root().join("target/vm")
}

/// Configs, certificates and served files of the scenarios.
#[must_use]
pub fn fixtures() -> PathBuf {
    root().join("fixtures/vm")
}

/// The dracut module of this repository.
#[must_use]
pub fn dracut_module() -> PathBuf {
    root().join("dracut/30kindling")
}

/// The engine that runs in guests unless a caller names another: `KINDLING_BINARY`, else the release build.
#[must_use]
pub fn engine() -> PathBuf {
    std::env::var_os("KINDLING_BINARY").map_or_else(
        || root().join("target/x86_64-unknown-linux-gnu/release/kindling"),
        PathBuf::from,
    )
}
