//! Files below a home that was made a moment ago: what is appended goes behind what the target ships for new users.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use kindling_config_spec::units::Mode;
use ring::digest::{Context, SHA256};

use super::files::joined;
use super::{ApplyError, Host, Outcome};
use crate::host::journal::Line;
use crate::host::sysroot::{Access, Staged, Sysroot};
use crate::identity::{Hashed, hex};
use crate::inventory::target::Kind;
use crate::plan::step::FileStep;

/// Mode of a file that was not there, when the config sets none.
const NEW: Mode = Mode(0o644);

/// Puts the file with its content behind what is there. Only now can the journal be told what it will hold.
pub(super) fn append(
    host: &Host<'_>,
    file: &FileStep,
    staged: Option<Staged>,
    access: Access,
) -> Result<Outcome, ApplyError> {
    let sysroot = host.sysroot()?;
    let done = put(host, sysroot, file, staged.as_ref(), access);
    if let (Err(_), Some(staged)) = (&done, staged) {
        sysroot.discard(staged);
    }
    done
}

fn put(
    host: &Host<'_>,
    sysroot: &Sysroot,
    file: &FileStep,
    staged: Option<&Staged>,
    access: Access,
) -> Result<Outcome, ApplyError> {
    let writing = |source| ApplyError::Write {
        path: file.path.clone(),
        source,
    };
    let found = sysroot.look(&file.path)?;
    match &found {
        Some(node) if node.kind != Kind::File => {
            let why = format!("{} stands there", node.kind.name());
            return Err(writing(io::Error::other(why)));
        }
        Some(_) if file.content.is_empty() => {
            sysroot.set_access(&file.path, access)?;
            return Ok(Outcome::Changed);
        }
        _ => {}
    }
    let access = Access {
        mode: access.mode.or(Some(NEW)),
        ..access
    };
    let inline = joined(&file.content);
    let mut sum = Context::new(&SHA256);
    io::copy(
        &mut whole(sysroot, &file.path, &inline, staged)?,
        &mut Hashed(&mut sum),
    )
    .map_err(writing)?;
    if let Some(journal) = host.journal {
        journal.record(&[Line::File {
            path: file.path.clone(),
            digest: hex(sum.finish().as_ref()),
            new: false,
        }])?;
    }
    sysroot.make_dirs(file.path.parent().unwrap_or(Path::new("/")))?;
    if found.is_none() && staged.is_none() {
        sysroot.put_durably(&file.path, &inline, access)?;
        return Ok(Outcome::Changed);
    }
    sysroot.put_from(
        &file.path,
        &mut whole(sysroot, &file.path, &inline, staged)?,
        staged,
        access,
    )?;
    Ok(Outcome::Changed)
}

/// What is there, and then what is appended.
fn whole<'a>(
    sysroot: &Sysroot,
    path: &Path,
    inline: &'a [u8],
    staged: Option<&Staged>,
) -> Result<impl Read + 'a, ApplyError> {
    let present = sysroot.read(path)?;
    let staged = staged.map(|staged| sysroot.reopen(staged)).transpose()?;
    // Staged content is all of it, the inline parts included.
    let inline = if staged.is_some() { &[][..] } else { inline };
    let optional = |file: Option<File>| -> Box<dyn Read> {
        file.map_or_else(|| Box::new(io::empty()) as Box<dyn Read>, |file| Box::new(file))
    };
    Ok(optional(present).chain(optional(staged)).chain(inline))
}
