//! Configs that come over a channel to the hypervisor, from stage to stage of the real binary, and how they are deleted. The
//! hypervisors themselves are not here: their channels are played in the tests of `src/host`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its machine should panic"
)]

#[path = "support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox, require_root};

/// A pair as Hyper-V's daemon keeps it.
fn record(key: &str, value: &str) -> Vec<u8> {
    let mut bytes = key.as_bytes().to_vec();
    bytes.resize(512, 0);
    bytes.extend_from_slice(value.as_bytes());
    bytes.resize(2560, 0);
    bytes
}

fn state(machine: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(machine.at("run/state")).unwrap()).unwrap()
}

#[test]
fn pairs_of_hyper_v_serve_every_stage_and_end_in_the_targets_files() {
    require_root();
    let machine = Sandbox::new();
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": { "files": [{ "path": "/etc/name", "contents": { "source": "data:,planted" } }] },
    });
    let config = config.to_string();
    let (first, second) = config.split_at(40);
    let pairs = [
        ("ignition.config.1", second),
        ("noise", "x"),
        ("ignition.config.0", first),
    ];
    // As a stage leaves it that was killed once the host had handed its pairs over.
    let kept: Vec<u8> = pairs
        .iter()
        .flat_map(|(key, value)| [vec![0], record(key, value)].concat())
        .collect();
    let copy = machine.at("run/kindling/config-of-pairs");
    fs::create_dir(copy.parent().unwrap()).unwrap();
    fs::write(&copy, kept).unwrap();
    for stage in ["fetch-offline", "fetch", "files"] {
        let ran = machine.run(&machine.words("hyperv", stage));
        assert_eq!(ran.status, Some(0), "{stage}: {}\n{}", ran.stderr, ran.stdout);
        let is_done = stage == "files";
        assert_eq!(
            state(&machine)["providerOutputFiles"].is_null(),
            is_done,
            "{stage}"
        );
        assert_eq!(copy.exists(), !is_done, "{stage}");
    }
    let file = |name: &str| machine.root().join("var/lib/hyperv").join(name);
    let pool: Vec<u8> = pairs.iter().flat_map(|(key, value)| record(key, value)).collect();
    assert_eq!(fs::read(file(".kvp_pool_0")).unwrap(), pool);
    for number in 0..5 {
        let at = file(&format!(".kvp_pool_{number}")).metadata().unwrap();
        assert_eq!(at.permissions().mode() & 0o7777, 0o600);
        assert_eq!(at.len(), if number == 0 { 3 * 2560 } else { 0 });
    }
    assert_eq!(fs::read(machine.root().join("etc/name")).unwrap(), b"planted");
    let kept = fs::read_to_string(machine.root().join("var/lib/kindling/receipt.json")).unwrap();
    assert!(kept.contains(".kvp_pool_0") && !kept.contains(second), "{kept}");
}

#[test]
fn a_machine_that_cannot_be_there_says_so() {
    let vendor = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    let elsewhere = [
        ("vmware", vendor.contains("VMware")),
        ("zvm", cfg!(target_arch = "s390x")),
        ("nvidiabluefield", cfg!(target_arch = "aarch64")),
    ];
    let machine = Sandbox::new();
    for (platform, _) in elsewhere.iter().filter(|(_, is_here)| !is_here) {
        let ran = machine.run(&machine.words(platform, "fetch-offline"));
        assert_eq!(ran.status, Some(1), "{platform}");
        assert!(
            ran.stderr.contains("[platform-not-here]"),
            "{platform}: {}",
            ran.stderr
        );
        let cause = format!("this machine does not run on platform {platform}");
        assert!(ran.stderr.contains(&cause), "{}", ran.stderr);
    }
}

fn rmcfg(machine: &Sandbox, words: &[&str]) -> Ran {
    let program = machine.at("ignition-rmcfg");
    if !program.exists() {
        symlink(env!("CARGO_BIN_EXE_kindling"), &program).unwrap();
    }
    let mut call = vec![OsString::from(program)];
    call.extend(words.iter().map(OsString::from));
    machine.run(&call)
}

#[test]
fn configs_are_deleted_by_the_references_command_line() {
    let machine = Sandbox::new();
    let version = rmcfg(&machine, &["--version"]);
    assert_eq!(version.status, Some(0));
    assert!(version.stdout.starts_with("Ignition "), "{}", version.stdout);
    for (words, status, said) in [
        (&[][..], 2, "'--platform' must be provided"),
        (&["--platform=nowhere"], 2, "unknown platform \"nowhere\""),
        (
            &["--platform=vmware", "now"],
            2,
            "there is no place for the word \"now\"",
        ),
        (
            &["-platform=vmware"],
            2,
            "unknown shorthand flag: -platform=vmware",
        ),
        (
            &["--platform=qemu"],
            1,
            "platform qemu has no way to delete a config",
        ),
        (&["--help"], 0, "usage: ignition-rmcfg"),
    ] {
        let ran = rmcfg(&machine, words);
        assert_eq!(ran.status, Some(status), "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
    let ran = rmcfg(&machine, &["--log-to-stdout", "--platform", "qemu"]);
    assert!(ran.stdout.contains("INFO     : Ignition "), "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains("CRITICAL : platform qemu has no way to delete a config"),
        "{}",
        ran.stdout
    );
    let vendor = fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default();
    if !vendor.contains("VMware") {
        let ran = rmcfg(&machine, &["--platform=vmware"]);
        assert_eq!(ran.status, Some(1));
        let text =
            "the config of platform vmware is not deleted: this machine does not run on platform vmware";
        assert!(ran.stderr.contains(text), "{}", ran.stderr);
    }
}
