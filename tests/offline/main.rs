//! A config carried out away from the machine: what `ignition-apply` and `kindling apply` make of a root, and that nothing
//! outside of it is touched.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its root should panic"
)]

#[path = "../support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;

mod bare;
mod escapes;
mod images;
mod kernel_arguments;
mod receipt;
mod rootless;
mod tree;

use std::ffi::OsString;
use std::fs;

use sandbox::{Ran, Sandbox};

/// Runs `ignition-apply` on the sandbox's root, as in a container.
fn ignition_apply(machine: &Sandbox, config: &str, flags: &[&str]) -> Ran {
    let mut words = vec!["/usr/bin/env".into(), "container=podman".into()];
    words.extend(bare_words(machine, config, flags));
    machine.run(&words)
}

/// The same with the kernel's own `/proc` in the root, whose links lead where no path does.
fn ignition_apply_with_proc(machine: &Sandbox, config: &str) -> Ran {
    let script =
        r#"mkdir -p "$1/proc" && mount -t proc proc "$1/proc" && shift && container=podman exec "$@""#;
    let mut words: Vec<OsString> = ["unshare", "--mount", "sh", "-c", script, "sh"]
        .map(OsString::from)
        .into();
    words.push(machine.root().into());
    words.extend(bare_words(machine, config, &[]));
    machine.run(&words)
}

/// Its command line, outside of any container.
fn bare_words(machine: &Sandbox, config: &str, flags: &[&str]) -> Vec<OsString> {
    let name = machine.at("ignition-apply");
    if !name.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_kindling"), &name).unwrap();
    }
    words(machine, name.into(), config, flags)
}

/// Runs `kindling apply` on the sandbox's root.
fn kindling_apply(machine: &Sandbox, config: &str, flags: &[&str]) -> Ran {
    let mut words = words(machine, env!("CARGO_BIN_EXE_kindling").into(), config, flags);
    words.insert(1, "apply".into());
    machine.run(&words)
}

fn words(machine: &Sandbox, program: OsString, config: &str, flags: &[&str]) -> Vec<OsString> {
    fs::write(machine.at("given.ign"), config).unwrap();
    let mut words = vec![program, "--root".into(), machine.root().into()];
    words.extend(flags.iter().map(OsString::from));
    words.push(machine.at("given.ign").into());
    words
}
