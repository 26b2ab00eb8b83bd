//! What opens an encrypted volume on later boots, and its last step: the volume counts as finished.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::units::Mode;

use super::{ApplyError, Host, Outcome};
use crate::host::sysroot::Access;
use crate::invocation::Invocation;
use crate::plan::crypttab::{self, Line};

/// Makes a directory that only root may enter, where none is.
pub(super) fn private_dir(host: &Host<'_>, path: &Path) -> Result<Outcome, ApplyError> {
    let sysroot = host.sysroot()?;
    if sysroot.look(path)?.is_some() {
        return Ok(Outcome::AlreadySo);
    }
    sysroot.make_dirs(path.parent().unwrap_or(path))?;
    let access = Access {
        uid: Some(0),
        gid: Some(0),
        mode: Some(Mode(0o700)),
    };
    sysroot.make_dirs_as(path, access)?;
    Ok(Outcome::Changed)
}

/// Takes the unfinished mark off, behind a sync: from then on nobody makes the volume anew, so what opens it must stand.
/// The root too: its result says that the keys were written, and its labels let programs read them.
pub(super) fn finish(
    host: &Host<'_>,
    stored: &OrderedSet<PathBuf>,
    call: &Invocation,
) -> Result<Outcome, ApplyError> {
    let sysroot = host.sysroot()?;
    sysroot.sync(Path::new("/"))?;
    for path in stored {
        sysroot.sync(path)?;
    }
    host.processes.run(call)?;
    Ok(Outcome::Changed)
}

/// What `text` becomes without the lines that new ones take the place of.
pub(super) fn without_replaced(text: &[u8], lines: &[Line]) -> Vec<u8> {
    let new = lines.iter().filter(|new| new.replaces);
    let names: OrderedSet<&str> = new.map(|new| new.name.as_str()).into_set();
    let is_replaced = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        crypttab::name_of(&line).is_some_and(|name| names.contains(name))
    };
    let kept = text.split_inclusive(|byte| *byte == b'\n');
    kept.filter(|line| !is_replaced(line))
        .flatten()
        .copied()
        .collect()
}

/// What goes behind `text`. A line that is there already is not added: what was fetched could not be looked at when this
/// was planned.
pub(super) fn added(text: &[u8], lines: &[Line]) -> Result<Vec<u8>, ApplyError> {
    let before = String::from_utf8_lossy(text);
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let mut added = Vec::new();
    for (line, found) in lines.iter().zip(crypttab::find(&[&before], &names)) {
        match found {
            None => {
                let text = line.text().ok_or(ApplyError::Unprepared {
                    what: "the UUID of a volume",
                })?;
                added.extend_from_slice(text.as_bytes());
                added.push(b'\n');
            }
            Some(found) if line.is(found) => {}
            Some(_) => {
                let volume = line.name.clone();
                return Err(ApplyError::OtherLine { volume });
            }
        }
    }
    if !added.is_empty() && !text.is_empty() && !text.ends_with(b"\n") {
        added.insert(0, b'\n');
    }
    Ok(added)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fake::{Disks, Scripted};
    use crate::host::sysroot::Sysroot;

    fn line(name: &str, replaces: bool) -> Line {
        Line {
            name: name.into(),
            uuid: Some("5a0e".into()),
            key_file: None,
            needs_network: false,
            replaces,
        }
    }

    #[test]
    fn lines_go_behind_what_is_there() {
        let whole = "data UUID=5a0e none luks,x-initrd.attach\n";
        for (text, expected) in [
            ("", Some(whole.to_owned())),
            ("# all\nother x\n", Some(whole.to_owned())),
            ("other x", Some(format!("\n{whole}"))),
            ("data  UUID=5a0e none luks,x-initrd.attach", Some(String::new())),
            ("data UUID=5a0f none luks,x-initrd.attach", None),
        ] {
            let found = added(text.as_bytes(), &[line("data", false)]).ok();
            assert_eq!(found, expected.map(String::into_bytes), "{text}");
        }
        let unknown = Line {
            uuid: None,
            ..line("data", false)
        };
        assert_eq!(added(b"", &[unknown]).unwrap_err().code(), "internal");
    }

    #[test]
    fn only_lines_that_new_ones_replace_go_away() {
        let text = b"# data\ndata UUID=1\n\xffother x\ndata UUID=2";
        let lines = [line("data", true), line("other", false)];
        assert_eq!(without_replaced(text, &lines), b"# data\n\xffother x\n");
        assert_eq!(without_replaced(text, &[line("data", false)]), text);
    }

    #[test]
    fn a_private_directory_is_never_open_and_one_that_is_there_stays() {
        let dir = tempfile::tempdir().unwrap();
        let sysroot = Sysroot::open(dir.path()).unwrap();
        let (programs, disks) = (Scripted::default(), Disks::default());
        let keys = crate::apply::Keys::new();
        let host = Host {
            keys: &keys,
            processes: &programs,
            devices: &disks,
            sysroot: Some(&sysroot),
            fetcher: None,
            journal: None,
            receipt: None,
            noted: None,
        };
        let mode = |path: &str| sysroot.look(Path::new(path)).unwrap().unwrap().mode;
        private_dir(&host, Path::new("/etc/zkey/repository")).unwrap();
        assert_eq!(mode("/etc/zkey/repository"), Mode(0o700));
        assert_eq!(mode("/etc/zkey").0 & 0o500, 0o500);
        let open = Access {
            mode: Some(Mode(0o750)),
            ..Access::default()
        };
        sysroot
            .set_access(Path::new("/etc/zkey/repository"), open)
            .unwrap();
        let outcome = private_dir(&host, Path::new("/etc/zkey/repository")).unwrap();
        assert_eq!(
            (outcome, mode("/etc/zkey/repository")),
            (Outcome::AlreadySo, Mode(0o750))
        );
    }
}
