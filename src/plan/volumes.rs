//! Encrypted volumes: what the real root opens them with (engine.md 4.6.8), and when they count as finished.

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, Luks};
use kindling_config_spec::units::Mode;

use super::crypttab::{self, CRYPTTAB, Line};
use super::disks::volumes::{finish, has_key};
use super::nodes::{View, in_the_way};
use super::step::{Before, Content, FileStep, Id, Ownership, Secret};
use super::{Conflict, Plan, Step};
use crate::inventory::disks;
use crate::inventory::target::{Kind, Node, Target, Volume};

/// Where the keys of volumes stand, by the volume's name.
const KEY_DIR: &str = "/etc/luks";
/// Where zkey(1) looks for secure keys.
const SECURE_KEY_DIR: &str = "/etc/zkey/repository";
/// The subsystem of a volume whose key is not on the medium yet starts so; what is behind it names the run.
pub const UNFINISHED: &str = "kindling:";
/// Mode of everything that opens a volume.
const PRIVATE: Mode = Mode(0o600);

/// The file with the key of a volume that clevis does not unlock.
#[must_use]
pub fn key_file(volume: &Luks) -> Option<PathBuf> {
    (!volume.clevis.is_used()).then(|| Path::new(KEY_DIR).join(&volume.name))
}

/// The files with keys that a volume needs, and which key each holds.
fn secrets(volume: &Luks) -> Vec<(PathBuf, Secret)> {
    let key = key_file(volume).map(|path| (path, Secret::Volume(volume.name.clone())));
    let has_card = volume.cex.enabled == Some(true);
    let secure = ["skey", "info"].into_iter().filter(|_| has_card).map(|kind| {
        let name = format!("ignition-luks-{}.{kind}", volume.name);
        (Path::new(SECURE_KEY_DIR).join(&name), Secret::SecureKey(name))
    });
    key.into_iter().chain(secure).collect()
}

/// The paths that the volumes of the config write, with the directories that are made for them.
#[must_use]
pub fn paths(config: &Config) -> OrderedSet<PathBuf> {
    let volumes = &config.storage.luks;
    let keys = volumes.iter().flat_map(secrets).map(|(path, _)| path);
    let keys: OrderedSet<PathBuf> = keys.into_set();
    let dirs = keys.iter().filter_map(|path| path.parent()).map(Path::to_owned);
    let crypttab = (!volumes.is_empty()).then(|| PathBuf::from(CRYPTTAB));
    dirs.chain(keys.iter().cloned()).chain(crypttab).into_set()
}

/// Every volume whose name crypttab(5) cannot hold.
#[must_use]
pub fn unwritable_names(config: &Config) -> Vec<Conflict> {
    let volumes = config.storage.luks.iter().enumerate();
    let refused = volumes.filter_map(|(index, volume)| {
        let why = crypttab::unwritable(&volume.name)?;
        Some(Conflict::new(
            format!("/storage/luks/{index}/name"),
            "volume-name-unwritable",
            format!(
                "no line of {CRYPTTAB} can be of a volume named {:?}: {why}",
                volume.name
            ),
            "give the volume a name of letters, digits, - and _",
        ))
    });
    refused.collect()
}

/// Adds the steps for all volumes. `keys` are those that whoever runs the plan has; `None` in a dry run.
pub fn plan_volumes(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    config: &Config,
    target: &Target,
    keys: Option<&OrderedSet<Secret>>,
) {
    if config.storage.luks.is_empty() {
        return;
    }
    conflicts.extend(unwritable_names(config));
    let view = View::after(plan, target);
    let mut writers = Writers::new(target);
    let mut lines = Vec::new();
    for (index, volume) in config.storage.luks.iter().enumerate() {
        let pointer = format!("/storage/luks/{index}");
        for (path, secret) in secrets(volume) {
            let has_key = keys.is_none_or(|keys| keys.contains(&secret));
            match decide(has_key, standing(&view, target, &path)) {
                _ if writers.of(plan, &path).is_some() => conflicts.push(written_twice(&pointer, &path)),
                Decision::Store(before) => {
                    let dir = path.parent().unwrap_or(&path);
                    plan_private_dir(plan, &mut writers, &view, &pointer, dir);
                    plan.push(&pointer, key_step(path, secret, before));
                }
                Decision::RefuseFound(found) => conflicts.push(key_in_the_way(&pointer, &path, found)),
                Decision::RefuseMissing => conflicts.push(key_missing(&pointer, &path)),
            }
        }
        match uuid(&pointer, volume, target) {
            Ok(uuid) => lines.push((pointer, Line::of(volume, uuid, key_file(volume)))),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    let writer = writers.of(plan, Path::new(CRYPTTAB));
    plan_crypttab(plan, conflicts, &view, target, (writer, lines));
}

fn real<'a>(target: &'a Target, path: &'a Path) -> &'a Path {
    target.resolved.get(path).map_or(path, PathBuf::as_path)
}

/// The UUID of a volume's header, which must be there; in a dry run that of the config, if it has one.
fn uuid(pointer: &str, volume: &Luks, target: &Target) -> Result<Option<String>, Conflict> {
    let Some(volumes) = &target.volumes else {
        return Ok(volume.uuid.clone());
    };
    let device = volume.device.as_deref().unwrap_or_default();
    let name = &volume.name;
    let refused = |found: &str| {
        Conflict::new(
            format!("{pointer}/device"),
            "volume-absent",
            format!("{device} of the volume {name} {found}"),
            "see how the disks stage ended, which makes the volume",
        )
    };
    match volumes.get(name).map(|found| &found.content) {
        None => Err(refused("is not there")),
        Some(disks::Content::Blank) => Err(refused("holds nothing")),
        Some(disks::Content::Known(signature)) if signature.kind == "crypto_LUKS" => {
            let uuid = signature.uuid.clone();
            uuid.map(Some).ok_or_else(|| refused("has no UUID"))
        }
        Some(disks::Content::Known(signature)) => {
            Err(refused(&format!("holds {}, not a LUKS volume", signature.kind)))
        }
        Some(disks::Content::Ambiguous(kinds)) => Err(refused(&format!("holds {}", kinds.join(" and ")))),
    }
}

/// What stands where a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing<'a> {
    Nothing,
    /// The file that an earlier run of this config put where nothing was.
    Own,
    Other(&'a Node),
}

fn standing<'a>(view: &View<'a>, target: &Target, path: &Path) -> Standing<'a> {
    match view.look(path, real(target, path)) {
        None => Standing::Nothing,
        Some(found) if found.kind == Kind::File && target.own_keys.contains(path) => Standing::Own,
        Some(found) => Standing::Other(found),
    }
}

/// What becomes of a file with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision<'a> {
    /// It is written, or kept where it is ours and complete.
    Store(Before),
    /// Something else stands there.
    RefuseFound(&'a Node),
    /// Nobody has the key.
    RefuseMissing,
}

/// The table of docs/semantics.md. The state has the key until the stage has succeeded once; what is ours then holds it.
fn decide(has_key: bool, standing: Standing<'_>) -> Decision<'_> {
    match (has_key, standing) {
        (true, Standing::Nothing) => Decision::Store(Before::Absent),
        (true, Standing::Own) => Decision::Store(Before::HalfWritten),
        (true, Standing::Other(found)) => Decision::RefuseFound(found),
        (false, Standing::Own) => Decision::Store(Before::Ours),
        (false, Standing::Nothing | Standing::Other(_)) => Decision::RefuseMissing,
    }
}

fn key_step(path: PathBuf, secret: Secret, before: Before) -> Step {
    let ownership = Ownership {
        user: Id::Number(0),
        group: Id::Number(0),
        mode: Some(PRIVATE),
    };
    Step::File(FileStep {
        path,
        ownership,
        content: vec![Content::Secret(secret)],
        keeps_content: false,
        before,
    })
}

fn key_in_the_way(pointer: &str, path: &Path, found: &Node) -> Conflict {
    let path = path.display();
    Conflict::new(
        pointer,
        "path-exists",
        format!(
            "{path} is {} in the target, and a key of this volume goes there",
            found.kind.name()
        ),
        format!("remove {path} from the target if it may go, or give the volume another name"),
    )
}

fn key_missing(pointer: &str, path: &Path) -> Conflict {
    Conflict::new(
        pointer,
        "volume-key-missing",
        format!(
            "nothing can be written to {}: the disks stage left no key for it",
            path.display()
        ),
        "boot again from the start: the disks stage makes an unfinished volume anew",
    )
}

/// A directory that stands there, or that a step before makes, stays as it is.
fn plan_private_dir(plan: &mut Plan, writers: &mut Writers<'_>, view: &View<'_>, pointer: &str, dir: &Path) {
    let is_there = view.look(dir, real(writers.target, dir)).is_some();
    if !is_there && writers.of(plan, dir).is_none() {
        plan.push(pointer, Step::PrivateDirectory { path: dir.to_owned() });
    }
}

/// Which step makes what stands at a path, so that the plan is not read once more for each volume.
struct Writers<'a> {
    target: &'a Target,
    /// The last step that makes it, by the real path.
    last: OrderedMap<PathBuf, usize>,
    /// How many steps were read.
    read: usize,
}

impl<'a> Writers<'a> {
    fn new(target: &'a Target) -> Self {
        Self {
            target,
            last: OrderedMap::new(),
            read: 0,
        }
    }

    /// The last step so far that makes what stands at `path`.
    fn of(&mut self, plan: &Plan, path: &Path) -> Option<usize> {
        for (index, planned) in plan.steps.iter().enumerate().skip(self.read) {
            if let Some(made) = made_by(&planned.step) {
                self.last.insert(real(self.target, made).to_owned(), index);
            }
        }
        self.read = plan.steps.len();
        self.last.get(real(self.target, path)).copied()
    }
}

fn made_by(step: &Step) -> Option<&Path> {
    match step {
        Step::File(file) => Some(&file.path),
        Step::Directory { path, .. }
        | Step::PrivateDirectory { path }
        | Step::Symlink { path, .. }
        | Step::HardLink { path, .. } => Some(path),
        _ => None,
    }
}

fn written_twice(pointer: &str, path: &Path) -> Conflict {
    let path = path.display();
    Conflict::new(
        pointer,
        "paths-collide",
        format!("{path} is written for this volume, and the config has an entry of its own for it"),
        format!("remove the entry for {path}, or give the volume another name"),
    )
}

/// One step leaves the file complete: what is there or what the config puts there, then the lines.
fn plan_crypttab(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    view: &View<'_>,
    target: &Target,
    (writer, lines): (Option<usize>, Vec<(String, Line)>),
) {
    let path = Path::new(CRYPTTAB);
    let pointer = "/storage/luks";
    let found = view.look(path, real(target, path));
    let present = found.and(target.crypttab.as_deref()).unwrap_or_default();
    let is_ours = view.is_ours(path, real(target, path));
    let writer = writer.and_then(|index| plan.steps.get_mut(index));
    match (writer.map(|planned| &mut planned.step), found) {
        (Some(Step::File(file)), _) => add_lines(file, conflicts, present, lines),
        (Some(_), _) => conflicts.push(written_twice(pointer, path)),
        (None, Some(node)) if node.kind != Kind::File => {
            conflicts.push(in_the_way(pointer, CRYPTTAB, node, "a file"));
        }
        (None, Some(_)) if !target.half_written.contains(path) => {
            let missing = missing_lines(conflicts, [present], lines, is_ours);
            let is_done = is_ours && missing.is_none();
            let before = if is_done { Before::Ours } else { Before::Present };
            plan.push(pointer, crypttab_step(missing, true, before));
        }
        (None, found) => {
            let before = found.map_or(Before::Absent, |_| Before::HalfWritten);
            let missing = missing_lines(conflicts, [], lines, false);
            plan.push(pointer, crypttab_step(missing, false, before));
        }
    }
}

fn crypttab_step(lines: Option<Content>, keeps_content: bool, before: Before) -> Step {
    let ownership = Ownership {
        user: Id::Keep,
        group: Id::Keep,
        mode: Some(PRIVATE),
    };
    Step::File(FileStep {
        path: PathBuf::from(CRYPTTAB),
        ownership,
        content: lines.into_iter().collect(),
        keeps_content,
        before,
    })
}

/// Puts the lines behind what the config's own entry leaves.
fn add_lines(file: &mut FileStep, conflicts: &mut Vec<Conflict>, present: &str, lines: Vec<(String, Line)>) {
    file.ownership.mode = Some(PRIVATE);
    if file.before == Before::Ours {
        // The config's content is in it, and lines of its volumes are those of the run that was interrupted.
        let missing = missing_lines(conflicts, [present], lines, true);
        if missing.is_some() {
            file.before = Before::Present;
            file.keeps_content = true;
            file.content = missing.into_iter().collect();
        }
        return;
    }
    let given = file.content.iter().filter_map(|part| match part {
        Content::Inline(bytes) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    });
    let given: Vec<_> = given.collect();
    let kept = [present].into_iter().filter(|_| file.keeps_content);
    let texts = kept.chain(given.iter().map(AsRef::as_ref));
    let missing = missing_lines(conflicts, texts, lines, false);
    file.content.extend(missing);
}

/// The lines that none of `texts` has. One that is there with other content is refused, unless an earlier run of this
/// config wrote it: then it is of the volume as that run had made it.
fn missing_lines<'a>(
    conflicts: &mut Vec<Conflict>,
    texts: impl IntoIterator<Item = &'a str>,
    lines: Vec<(String, Line)>,
    is_ours: bool,
) -> Option<Content> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let names: Vec<&str> = lines.iter().map(|(_, line)| line.name.as_str()).collect();
    let found = crypttab::find(&texts, &names);
    let mut missing = Vec::new();
    for ((pointer, mut line), found) in lines.into_iter().zip(found) {
        match found {
            None => missing.push(line),
            Some(found) if line.is(found) => {}
            Some(_) if is_ours => {
                line.replaces = true;
                missing.push(line);
            }
            Some(_) => conflicts.push(Conflict::new(
                pointer,
                "crypttab-line-differs",
                format!(
                    "{CRYPTTAB} already has another line of the volume {}, and the first one counts",
                    line.name
                ),
                "remove that line, or give the volume another name",
            )),
        }
    }
    (!missing.is_empty()).then_some(Content::Crypttab(missing))
}

/// Adds the steps that end the work on a volume: everything that opens it is on the medium.
pub fn plan_finish(plan: &mut Plan, config: &Config, target: &Target) {
    for (index, volume) in config.storage.luks.iter().enumerate() {
        let Some(key) = key_file(volume) else {
            continue;
        };
        let Some((node, label)) = unfinished(volume, target) else {
            continue;
        };
        plan.push(
            format!("/storage/luks/{index}"),
            Step::FinishVolume {
                device: volume.device.clone().unwrap_or_default().into(),
                stored: [key, PathBuf::from(CRYPTTAB)].into(),
                call: finish(Some(&label), &node),
            },
        );
    }
}

/// Node and label of a volume with an unfinished mark. In a dry run it will have one: it is made.
fn unfinished(volume: &Luks, target: &Target) -> Option<(PathBuf, String)> {
    let configured = volume.label.clone();
    let Some(volumes) = &target.volumes else {
        // One whose key the config gives is finished by the disks stage.
        if has_key(volume) {
            return None;
        }
        let device = PathBuf::from(volume.device.as_deref().unwrap_or_default());
        return Some((device, configured.unwrap_or_default()));
    };
    let Volume { node, content, label } = volumes.get(&volume.name)?;
    let disks::Content::Known(signature) = content else {
        return None;
    };
    let subsystem = signature.subsystem.as_deref()?;
    // blkid leaves out blanks at the end.
    let is_same = |configured: &String| configured.trim_end() == label.as_deref().unwrap_or_default();
    let label = configured.filter(is_same).or_else(|| label.clone());
    subsystem
        .starts_with(UNFINISHED)
        .then(|| (node.clone(), label.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
