//! Power cuts: a file that was not forced to the medium may have its name and not its content.

use std::fs::{self, OpenOptions};

use crate::machines::{Start, result};
use crate::sandbox::{Sandbox, assert_same, listing};

const RESULT: &str = "etc/.ignition-result.json";

/// Files that get their name only when their content is on the medium, so that they cannot be torn: those that
/// hold what was there before, and the result, whose presence others rely on.
const DURABLE: [&str; 4] = [
    "etc/hosts",
    "etc/systemd/system-preset/20-ignition.preset",
    RESULT,
    "var/lib/kindling/journal",
];

#[test]
fn a_torn_file_is_written_again() {
    let start = Start::new();
    let done = Sandbox::copy_of(&start.blank);
    done.done("files");
    // The result appears when all else is on the medium: where it is, nothing is torn.
    fs::remove_file(done.root().join(RESULT)).unwrap();
    let before = listing(&start.blank.root());
    let written: Vec<(String, u64)> = listing(&done.root())
        .into_iter()
        .filter(|(name, text)| before.get(name) != Some(text) && text.starts_with("file "))
        .filter(|(name, _)| !DURABLE.contains(&name.as_str()) && !is_of_shadow(name))
        .map(|(name, _)| {
            let length = done.root().join(&name).metadata().unwrap().len();
            (name, length)
        })
        .collect();
    assert!(written.len() > 10, "{written:?}");
    let tear = |machine: &Sandbox, name: &str, length: u64| {
        let file = OpenOptions::new()
            .write(true)
            .open(machine.root().join(name))
            .unwrap();
        file.set_len(length).unwrap();
    };
    for half in [false, true] {
        let all = Sandbox::copy_of(&done);
        for (name, length) in &written {
            let rest = if half { length / 2 } else { 0 };
            tear(&all, name, rest);
            let one = Sandbox::copy_of(&done);
            tear(&one, name, rest);
            one.done("files");
            assert_same(
                &result(&one),
                &start.reference,
                &format!("/{name} torn to {rest} bytes"),
            );
        }
        all.done("files");
        assert_same(&result(&all), &start.reference, "all torn");
    }
    println!("torn: {} files, each empty and half", written.len());
}

#[test]
fn what_the_machine_changed_after_its_first_boot_is_not_written_again() {
    let start = Start::new();
    let machine = Sandbox::copy_of(&start.blank);
    machine.done("files");
    fs::write(machine.root().join("srv/shared/verified"), "since").unwrap();
    let before = listing(&machine.root());
    let ran = machine.stage("files");
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("[path-exists]\n  what:  /srv/shared/verified is"),
        "{}",
        ran.stderr
    );
    assert_same(&listing(&machine.root()), &before, "refused");
}

/// The shadow programs sync their files, and make homes from what the distribution ships.
fn is_of_shadow(name: &str) -> bool {
    let files = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
    name.strip_prefix("etc/")
        .is_some_and(|name| files.contains(&name.trim_end_matches('-')) || name == ".pwd.lock")
        || name.ends_with("/.profile") // appended to durably
}
