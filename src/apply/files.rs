//! The files stage. First everything is fetched and verified, beside where it will stand; then the journal
//! says on the medium what is about to appear; only then does anything in the target change.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use kindling_config_spec::order::{OrderedMap, OrderedSet};

use ring::digest::{Context, SHA256};

use super::content::{Sources, fill, is_key};
use super::{
    Applied, ApplyError, Failed, Host, Outcome, Secrets, accounts, disks, failed, native, preset, receipt,
    relabel, skeleton, volumes,
};
use crate::fetch::{Limits, download};
use crate::host::journal::Line;
use crate::host::runs::{OfStep, since_boot};
use crate::host::sysroot::{Access, Staged};
use crate::identity::hex;
use crate::plan::files::RESULT_FILE;
use crate::plan::step::{Before, Content, FileStep, Ownership, Planned};
use crate::plan::{Plan, Step};

/// Content that is complete and verified, under a temporary name, with its SHA-256.
type Ready = OrderedMap<usize, (Staged, String)>;
/// The digest of each file's content, by the number of its step.
type Digests = OrderedMap<usize, String>;

/// Runs the plan.
pub(super) fn apply(
    plan: &Plan,
    host: &Host<'_>,
    secrets: &Secrets,
    applied: &mut Applied,
) -> Result<(), Failed> {
    let mut ready = stage_contents(plan, host, secrets)?;
    let digests = match record(plan, host, &ready) {
        Ok(digests) => digests,
        Err(error) => {
            discard(host, ready);
            return Err(Failed {
                pointer: String::new(),
                step: "/var/lib/kindling/journal: record what is about to be written".to_owned(),
                error,
            });
        }
    };
    let mut run = Run {
        host,
        names: accounts::Names::default(),
        made: HashSet::new(),
    };
    let mut nodes = receipt::Nodes::default();
    for (index, planned) in plan.steps.iter().enumerate() {
        let staged = ready.remove(&index).map(|(staged, _)| staged);
        let began = since_boot();
        let done = match &planned.step {
            // What stands behind the result is in the receipt.
            Step::Result { already: false, .. } => {
                receipt::write(host, applied, &mut nodes).and_then(|()| run.step(&planned.step, staged))
            }
            step if receipt::is_node(step) => run.step(step, staged),
            step => {
                let _of = OfStep::new(&planned.pointer);
                run.step(step, staged)
            }
        };
        let outcome = done.as_ref().copied().unwrap_or(Outcome::Failed);
        match receipt::node(planned, outcome, digests.get(&index)) {
            Some(node) if done.is_ok() => {
                applied.tally.add(outcome);
                nodes.add(node, began);
            }
            _ => applied.add(planned, outcome, host.span(began)),
        }
        if let Err(error) = done {
            discard(host, ready);
            applied.paths = nodes.paths(host);
            return Err(failed(planned, error));
        }
    }
    applied.paths = nodes.paths(host);
    Ok(())
}

/// Whether a file's content must be put together under a temporary name before the first change.
fn is_staged(file: &FileStep) -> bool {
    let is_plain = |part: &Content| matches!(part, Content::Inline(_));
    let is_known = !matches!(file.before, Before::Ours | Before::Skeleton);
    (!file.content.iter().all(is_plain) && file.before != Before::Ours)
        || (is_known && file.keeps_content && !file.content.is_empty())
}

/// What the steps remove or move away. Nothing may wait there for its name.
fn gone(plan: &Plan) -> Vec<PathBuf> {
    let paths = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::Remove { path, .. } => Some(path),
        Step::Account { leaves, .. } | Step::EditAccount { leaves, .. } => leaves.as_ref(),
        _ => None,
    });
    paths.cloned().collect()
}

fn stage_contents(plan: &Plan, host: &Host<'_>, secrets: &Secrets) -> Result<Ready, Failed> {
    let files: Vec<(usize, &Planned, &FileStep)> = plan
        .steps
        .iter()
        .enumerate()
        .filter_map(|(index, planned)| match &planned.step {
            Step::File(file) if is_staged(file) => Some((index, planned, file)),
            _ => None,
        })
        .collect();
    let host_of = |(_, _, file): &(usize, &Planned, &FileStep)| {
        file.content.iter().find_map(|part| match part {
            Content::Remote(resource) => {
                let url = url::Url::parse(resource.source.as_deref()?).ok()?;
                url.host_str().map(str::to_owned)
            }
            Content::Inline(_) | Content::Secret(_) | Content::Crypttab(_) => None,
        })
    };
    if files.is_empty() {
        return Ok(Ready::new());
    }
    let fetcher = host.fetcher.ok_or_else(|| Failed {
        pointer: String::new(),
        step: "fetch the contents of files".to_owned(),
        error: ApplyError::Unprepared { what: "the network" },
    })?;
    let ready: Mutex<Ready> = Mutex::default();
    let gone = gone(plan);
    let fetched = download(
        fetcher,
        Limits::default(),
        &files,
        host_of,
        |(index, planned, file), fetcher| {
            let _of = OfStep::new(&planned.pointer);
            let staged = host.sysroot().and_then(|sysroot| {
                let sources = Sources {
                    sysroot,
                    fetcher,
                    secrets,
                };
                stage_content(file, &gone, sources)
            });
            let staged = staged.map_err(|error| failed(planned, error))?;
            ready
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(*index, staged);
            Ok(())
        },
    );
    let ready = ready.into_inner().unwrap_or_else(PoisonError::into_inner);
    match fetched {
        Ok(_) => Ok(ready),
        Err(error) => {
            discard(host, ready);
            Err(error)
        }
    }
}

fn discard(host: &Host<'_>, ready: Ready) {
    for ((staged, _), sysroot) in ready.into_values().zip(host.sysroot.iter().cycle()) {
        sysroot.discard(staged);
    }
}

fn stage_content(
    file: &FileStep,
    gone: &[PathBuf],
    sources: Sources<'_>,
) -> Result<(Staged, String), ApplyError> {
    let mut staged = sources.sysroot.stage(&file.path, gone)?;
    match fill(file, &mut staged, sources) {
        Ok(digest) => Ok((staged.filled(), digest)),
        Err(error) => {
            sources.sysroot.discard(staged.filled());
            Err(error)
        }
    }
}

/// Says on the medium what is about to appear.
fn record(plan: &Plan, host: &Host<'_>, ready: &Ready) -> Result<Digests, ApplyError> {
    let mut digests = Digests::new();
    let Some(journal) = host.journal else {
        return Ok(digests);
    };
    let mut lines = Vec::new();
    for (index, planned) in plan.steps.iter().enumerate() {
        match &planned.step {
            // Its digest would help to guess it.
            Step::File(file) if is_key(file) => {
                lines.extend((file.before != Before::Ours).then(|| Line::Key(file.path.clone())));
            }
            Step::File(file)
                if !matches!(file.before, Before::Ours | Before::Skeleton) && !file.content.is_empty() =>
            {
                let digest = match ready.get(&index) {
                    Some((_, digest)) => digest.clone(),
                    None => inline_digest(&file.content),
                };
                digests.insert(index, digest.clone());
                let new = matches!(file.before, Before::Absent | Before::HalfWritten);
                lines.push(Line::File {
                    path: file.path.clone(),
                    digest,
                    new,
                });
            }
            Step::Result {
                text, already: false, ..
            } => {
                let digest = crate::identity::sha256_hex(text.as_bytes());
                lines.push(Line::File {
                    path: RESULT_FILE.into(),
                    digest,
                    new: host.sysroot()?.look(Path::new(RESULT_FILE))?.is_none(),
                });
            }
            _ => {}
        }
    }
    journal.record(&lines)?;
    Ok(digests)
}

fn inline_digest(content: &[Content]) -> String {
    let mut sum = Context::new(&SHA256);
    for part in content {
        if let Content::Inline(bytes) = part {
            sum.update(bytes);
        }
    }
    hex(sum.finish().as_ref())
}

/// One run of the stage, with what it has looked up and made so far.
struct Run<'a> {
    host: &'a Host<'a>,
    names: accounts::Names,
    made: HashSet<PathBuf>,
}

impl Run<'_> {
    fn step(&mut self, step: &Step, staged: Option<Staged>) -> Result<Outcome, ApplyError> {
        let host = self.host;
        let sysroot = host.sysroot()?;
        match step {
            Step::Account {
                call, already, work, ..
            } => {
                self.names.forget();
                let ran = accounts::run(host, *already, work, || Ok(host.processes.run(call).map(drop)?));
                // Homes come, move and go.
                sysroot.forget_resolved();
                ran
            }
            Step::EditAccount {
                edit, already, work, ..
            } => {
                self.names.forget();
                let ran = accounts::run(host, *already, work, || native::edit(host, edit));
                sysroot.forget_resolved();
                ran
            }
            Step::ClearAccountLocks => {
                crate::host::accounts::clear_locks(sysroot)?;
                Ok(Outcome::Changed)
            }
            Step::HandOver { made, user } => accounts::hand_over(host, &mut self.names, made, user),
            Step::AuthorizedKeys { user, file, keys } => {
                accounts::authorized_keys(host, &mut self.names, user, file, keys)
            }
            Step::Remove { path, .. } => {
                sysroot.remove(path)?;
                self.made.clear();
                Ok(Outcome::Changed)
            }
            Step::Directory {
                path,
                ownership,
                exists,
            } => {
                let made = sysroot.make_dirs(path)?;
                let access = self.access(ownership)?;
                if *exists && made.is_empty() {
                    return self.give_access(path, access);
                }
                sysroot.set_access(path, access)?;
                Ok(Outcome::Changed)
            }
            Step::PrivateDirectory { path } => volumes::private_dir(host, path),
            Step::File(file) => self.file(file, staged),
            Step::Symlink {
                path,
                target,
                ownership,
                exists,
            } => {
                if *exists {
                    return Ok(Outcome::AlreadySo);
                }
                self.parents(path)?;
                let access = self.access(ownership)?;
                sysroot.symlink(path, target, access)?;
                Ok(Outcome::Changed)
            }
            Step::HardLink { path, target, exists } => {
                if *exists {
                    return Ok(Outcome::AlreadySo);
                }
                self.parents(path)?;
                sysroot.hard_link(path, target)?;
                Ok(Outcome::Changed)
            }
            Step::Preset { lines } => preset::write(host, lines),
            Step::ApplyPresets { call } => disks::run(host, call),
            Step::Result {
                text,
                already,
                synced,
            } => self.result(text, *already, synced),
            Step::Relabel {
                contexts,
                paths,
                homes_of,
            } => {
                let mut paths = paths.clone();
                for user in homes_of {
                    paths.insert(self.names.home(host, user)?);
                }
                relabel::label(host.processes, host.sysroot()?, contexts, &paths)
            }
            Step::FinishVolume { stored, call, .. } => volumes::finish(host, stored, call),
            _ => Err(ApplyError::Unprepared {
                what: "a step of another stage",
            }),
        }
    }

    fn parents(&mut self, path: &Path) -> Result<(), ApplyError> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        if self.made.insert(parent.to_owned()) {
            self.host.sysroot()?.make_dirs(parent)?;
        }
        Ok(())
    }

    fn access(&mut self, ownership: &Ownership) -> Result<Access, ApplyError> {
        Ok(Access {
            uid: self.names.uid(self.host, &ownership.user)?,
            gid: self.names.gid(self.host, &ownership.group)?,
            mode: ownership.mode,
        })
    }

    fn file(&mut self, file: &FileStep, staged: Option<Staged>) -> Result<Outcome, ApplyError> {
        let sysroot = self.host.sysroot()?;
        let access = self.access(&file.ownership)?;
        if file.before == Before::Skeleton {
            return skeleton::append(self.host, file, staged, self.kept_access(&file.path, access)?);
        }
        let keeps_all = file.before == Before::Ours || (file.keeps_content && file.content.is_empty());
        if keeps_all {
            return self.give_access(&file.path, access);
        }
        self.parents(&file.path)?;
        match staged {
            Some(staged) => {
                let access = if file.keeps_content {
                    self.kept_access(&file.path, access)?
                } else {
                    access
                };
                sysroot.commit(staged, &file.path, access)?;
            }
            None => sysroot.put(&file.path, &joined(&file.content), access)?,
        }
        Ok(Outcome::Changed)
    }

    /// Gives what stands there its owner and mode.
    fn give_access(&self, path: &Path, access: Access) -> Result<Outcome, ApplyError> {
        let sysroot = self.host.sysroot()?;
        let is_so = sysroot.look(path)?.is_some_and(|node| {
            access.uid.is_none_or(|uid| uid == node.uid)
                && access.gid.is_none_or(|gid| gid == node.gid)
                && access.mode.is_none_or(|mode| mode == node.mode)
        });
        if is_so {
            return Ok(Outcome::AlreadySo);
        }
        sysroot.set_access(path, access)?;
        Ok(Outcome::Changed)
    }

    /// A file that is replaced to append to it keeps what the config does not set.
    fn kept_access(&self, path: &Path, access: Access) -> Result<Access, ApplyError> {
        let Some(present) = self.host.sysroot()?.look(path)? else {
            return Ok(access);
        };
        Ok(Access {
            uid: access.uid.or(Some(present.uid)),
            gid: access.gid.or(Some(present.gid)),
            mode: access.mode.or(Some(present.mode)),
        })
    }

    fn result(
        &mut self,
        text: &str,
        already: bool,
        synced: &OrderedSet<PathBuf>,
    ) -> Result<Outcome, ApplyError> {
        if already {
            return Ok(Outcome::AlreadySo);
        }
        let sysroot = self.host.sysroot()?;
        // Whoever sees the result may rely on everything before it, also after a power cut.
        sysroot.sync(Path::new("/"))?;
        for mounted in synced {
            sysroot.sync(mounted)?;
        }
        self.parents(Path::new(RESULT_FILE))?;
        let access = Access {
            mode: Some(kindling_config_spec::units::Mode(0o600)),
            ..Access::default()
        };
        sysroot.put_durably(Path::new(RESULT_FILE), text.as_bytes(), access)?;
        Ok(Outcome::Changed)
    }
}

pub(super) fn joined(content: &[Content]) -> std::borrow::Cow<'_, [u8]> {
    match content {
        [Content::Inline(bytes)] => std::borrow::Cow::Borrowed(bytes),
        parts => std::borrow::Cow::Owned(
            parts
                .iter()
                .flat_map(|part| match part {
                    Content::Inline(bytes) => bytes.as_slice(),
                    Content::Remote(_) | Content::Secret(_) | Content::Crypttab(_) => &[],
                })
                .copied()
                .collect(),
        ),
    }
}
