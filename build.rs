//! Tells the program when it was built: no machine that runs it lives earlier (`host::machine::earliest`).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script reads its environment, and speaks to cargo by lines"
)]

use std::process::Command;

/// 2026-01-01, for sources without a history and a build that does not say when it is.
const FIRST: &str = "1767225600";

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rerun-if-changed=build.rs");
    // What the Makefile hands to the linker by name only: whoever changes it wants another binary.
    println!("cargo::rerun-if-changed=link");
    // Of the last commit, so that the same sources give the same binary.
    let seconds = std::env::var("SOURCE_DATE_EPOCH").ok().or_else(|| {
        let said = Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .output()
            .ok()?;
        String::from_utf8(said.stdout).ok()
    });
    let seconds = seconds.unwrap_or_default();
    let seconds = match seconds.trim() {
        "" => FIRST,
        given => given,
    };
    println!("cargo::rustc-env=KINDLING_BUILT_AT={seconds}");
}
