//! What somebody sees of a failure who looks at the machine, wherever he looks.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that tells how far it is, and its preparation"
)]

#[allow(dead_code, reason = "no machine here becomes a node")]
mod machine;

use std::path::Path;

use kindling_vm::initramfs::STAGE_MARK;
use kindling_vm::scenario::{self, End, Node, UserData};
use kindling_vm::screen::{Monitor, Picture};

/// The texts of the codes that a reader finds in a picture.
fn codes(picture: &Picture) -> Vec<String> {
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(picture.width, picture.height, |x, y| {
        picture.pixels[y * picture.width + x]
    });
    let found = image.detect_grids();
    found
        .iter()
        .filter_map(|grid| Some(grid.decode().ok()?.1))
        .collect()
}

/// A machine whose first boot fails at once.
fn node(folder: &Path, name: &str) -> Node {
    let config = folder.join("config.ign");
    std::fs::write(&config, r#"{"ignition":{"version":"9.9.9"}}"#).unwrap();
    machine::node(name, &UserData::Firmware(config), scenario::worker_offer())
}

#[test]
fn a_failure_is_on_every_console_and_on_the_screen_with_a_code_that_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(folder.path(), "consoles");
    let watched = node.add_consoles();
    // Its driver is still on the way when the boot has failed.
    let late =
        "ACTION==\"add\", SUBSYSTEM==\"virtio\", ATTR{device}==\"0x0003\", PROGRAM=\"/usr/bin/sleep 6\"\n";
    node.put_into_initramfs("usr/lib/udev/rules.d/01-late.rules", late)
        .unwrap();
    let failed = format!("{STAGE_MARK} fetch-offline failed");
    let mut seen = Vec::new();
    let boot = node
        .boot(&mut |line| {
            println!("{:7.2} {}", line.at.as_secs_f32(), line.text);
            if line.text.contains(&failed) {
                let picture = Monitor::connect(&watched.monitor).and_then(|mut monitor| monitor.photograph());
                seen = codes(&picture.unwrap());
            }
        })
        .unwrap();
    assert!(matches!(boot.end, End::Stopped), "{:?}", boot.end);
    let heading = "kindling: first boot FAILED in stage fetch-offline [config-version-unknown]";
    let second = String::from_utf8_lossy(&std::fs::read(&watched.line).unwrap()).into_owned();
    for text in [boot.tail(usize::MAX), second] {
        // By the stage, and last by what stands in the place of the emergency shell.
        let (_, record) = text.rsplit_once(heading).unwrap_or_else(|| panic!("{text}"));
        assert!(record.contains("\n  next:  "), "{record}");
        assert!(
            record.contains("\nkindling: this machine powers off now"),
            "{record}"
        );
    }
    let [code] = &seen[..] else { panic!("{seen:?}") };
    assert!(
        code.starts_with("kindling config-version-unknown fetch-offline\nboot "),
        "{code:?}"
    );
}

#[test]
fn the_firmware_remembers_a_failure_once_however_many_boots_end_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(folder.path(), "remembered");
    node.add_boot_loader("").unwrap();
    for _ in 0..2 {
        let boot = machine::boot(&mut node);
        assert!(matches!(boot.end, End::Stopped), "{:?}", boot.end);
        // A value that was replaced stays in the flash memory, without counting, until it is full.
        let variables = std::fs::read(node.folder().join("variables.img")).unwrap();
        let variables = String::from_utf8_lossy(&variables);
        let found: Vec<_> = variables.match_indices(r#"{"boot":""#).collect();
        let [(at, _)] = found[..] else { panic!("{found:?}") };
        let (value, _) = variables[at..].split_once('\u{fffd}').unwrap();
        assert!(
            value.contains(r#""code":"config-version-unknown","stage":"fetch-offline""#),
            "{value}"
        );
    }
}
