//! The virtual card reader of z/VM. The machine's own programs (s390-tools) do the work.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use kindling_platforms::AccessError;
use tracing::warn;

use super::media;
use super::process::{ProcessError, Processes};
use crate::invocation::{Invocation, Program};

/// Where the reader is attached by convention.
const READER: &str = "000c";

/// The first spool file of type `kind`, or `None`. Reading it takes it out of the reader.
///
/// # Errors
/// `Failed` when the reader cannot be used, or the file cannot be received; `TooLarge` above 64 MiB.
pub fn receive(
    processes: &dyn Processes,
    scratch: &Path,
    kind: &str,
) -> Result<Option<Vec<u8>>, AccessError> {
    let failed = |error: &dyn std::error::Error| AccessError::Failed {
        what: format!("the reader {READER}"),
        why: error.to_string(),
    };
    let run = |call: Invocation| processes.run(&call).map_err(|error| failed(&error));
    // Built into no kernel, and nothing but this asks for it.
    run(Invocation::new(Program::Modprobe).arg("vmur"))?;
    bring_online(processes).map_err(|error| failed(&error))?;
    // What others wait for is not waited for here: the list shows whether the reader is there.
    if let Err(error) = processes.run(&Invocation::new(Program::Udevadm).arg("settle")) {
        warn!("{error}");
    }
    let listed = run(Invocation::new(Program::Vmur).arg("li"))?;
    let Some(file) = parse_list(&String::from_utf8_lossy(&listed.stdout), kind) else {
        return Ok(None);
    };
    let dir = scratch.join(format!("kindling-reader-{}", std::process::id()));
    private_dir(&dir).map_err(|error| failed(&error))?;
    let at = dir.join("file");
    let call = Invocation::new(Program::Vmur)
        .args(["re", "-f"])
        .arg(file)
        .arg(&at);
    let content = run(call).and_then(|_| media::read_file(&at));
    if let Err(error) = fs::remove_dir_all(&dir) {
        warn!("cannot remove {}: {error}", dir.display());
    }
    content
}

/// Other devices than those needed to boot may be on the list of those that the kernel ignores.
fn bring_online(processes: &dyn Processes) -> Result<(), ProcessError> {
    let online = Invocation::new(Program::Chccwdev).args(["-e", READER]);
    if processes.run(&online).is_err() {
        processes.run(&Invocation::new(Program::CioIgnore).args(["-r", READER]))?;
        processes.run(&online)?;
    }
    Ok(())
}

/// Nobody else looks into it, and what is left of a process with the same number goes.
fn private_dir(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(dir)
}

/// The number of the first file of type `kind` in what `vmur li` prints: a line for each file, behind one of headings.
/// Number, name and type are the second, the tenth and the eleventh of its words.
fn parse_list(listed: &str, kind: &str) -> Option<String> {
    let lines = listed
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    lines
        .take_while(|words| words.len() > 1)
        .find(|words| words.get(10) == Some(&kind))
        .and_then(|words| words.get(1).map(|number| (*number).to_owned()))
        .filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write programs of their own")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::fake::Scripted;
    use crate::host::process::System;

    const HEADINGS: &str =
        "ORIGINID FILE CLASS RECORDS  CPY HOLD DATE       TIME     NAME      TYPE     DIST\n";
    const FILE: &str = "LINUX1   0007 A PUN 00000003 001 NONE 2026-01-02 03:04:05 config ign OPR\n";
    const OTHER: &str = "LINUX1   0003 A PUN 00000003 001 NONE 2026-01-02 03:04:05 notes txt OPR\n";

    #[test]
    fn the_first_file_of_the_type_is_found() {
        let list = [HEADINGS, OTHER, FILE, &FILE.replace("0007", "0008")].concat();
        assert_eq!(parse_list(&list, "ign").as_deref(), Some("0007"));
        assert_eq!(parse_list(&list, "IGN"), None);
        assert_eq!(parse_list(&[HEADINGS, OTHER].concat(), "ign"), None);
        assert_eq!(parse_list(&[HEADINGS, "\n", FILE].concat(), "ign"), None);
        assert_eq!(parse_list(&FILE.replace("0007", "-x"), "ign"), None);
        assert_eq!(parse_list("", "ign"), None);
    }

    #[test]
    fn a_reader_without_the_file_is_asked_and_left() {
        let dir = tempfile::tempdir().unwrap();
        let processes = Scripted::answering(&[(0, ""), (0, ""), (0, ""), (0, HEADINGS)]);
        assert_eq!(receive(&processes, dir.path(), "ign"), Ok(None));
        assert_eq!(
            processes.calls(),
            ["modprobe vmur", "chccwdev -e 000c", "udevadm settle", "vmur li"]
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_reader_that_is_ignored_is_taken_off_the_list() {
        let dir = tempfile::tempdir().unwrap();
        let processes = Scripted::answering(&[(0, ""), (1, ""), (0, ""), (0, ""), (1, ""), (0, HEADINGS)]);
        assert_eq!(receive(&processes, dir.path(), "ign"), Ok(None));
        assert_eq!(
            processes.calls()[1..5],
            [
                "chccwdev -e 000c",
                "cio_ignore -r 000c",
                "chccwdev -e 000c",
                "udevadm settle"
            ]
        );
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for answers in [
            &[(1, "")][..],
            &[(0, ""), (1, ""), (1, "")],
            &[(0, ""), (1, ""), (0, ""), (1, "")],
            &[(0, ""), (0, ""), (0, ""), (1, "")],
            &[(0, ""), (0, ""), (0, ""), (0, FILE), (1, "")],
        ] {
            let error = receive(&Scripted::answering(answers), dir.path(), "ign").unwrap_err();
            assert!(
                error.to_string().starts_with("cannot read the reader 000c: "),
                "{error}"
            );
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_file_is_received_by_real_programs_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, scratch) = (dir.path().join("bin"), dir.path().join("scratch"));
        let calls = dir.path().join("calls");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&scratch).unwrap();
        let program = |name: &str, text: &str| {
            let at = bin.join(name);
            let text = format!("#!/bin/sh\necho {name} \"$@\" >>{}\n{text}\n", calls.display());
            fs::write(&at, text).unwrap();
            fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        };
        for name in ["modprobe", "chccwdev", "udevadm"] {
            program(name, "");
        }
        program(
            "vmur",
            &format!("case $1 in li) echo '{HEADINGS}{FILE}';; re) printf 'config\\0\\0' >\"$4\";; esac"),
        );
        let processes = System::new(bin.into());
        let found = receive(&processes, &scratch, "ign");
        assert_eq!(found, Ok(Some(b"config\0\0".to_vec())));
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        let calls = fs::read_to_string(&calls).unwrap();
        assert!(calls.contains("\nvmur li\nvmur re -f 0007 "), "{calls}");
    }
}
