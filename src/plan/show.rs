//! The printed plan: the same text for a dry run, for the journal before the stage starts, and for tests.
//!
//! Every line starts with what happens: `+` made, `~` changed, `-` removed or erased, `=` already so,
//! `>` run. A line that can destroy data starts with `!`. No content, no hash, no key is ever printed.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use kindling_config_spec::order::OrderedSet;
use kindling_config_spec::types::Resource;
use kindling_config_spec::units::{Bytes, SectorSize};

use super::kargs::LATER_KERNELS;
use super::partitions::{SlotOutcome, SlotStep};
use super::step::{Before, Content, Erased, FileStep, Id, Ownership, PresetLine, Secret, Unlock};
use super::{Plan, Step, crypttab, units};
use crate::gpt::Entry;
use crate::inventory::stack::{StackKind, Stacked};

/// How many of a plan's steps change something, and how many of those can destroy data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Steps that change something.
    pub changes: usize,
    /// Lines that are marked `!`.
    pub destroys: usize,
}

/// The whole plan as text, one line a step, with a heading and no line end after the last line.
#[must_use]
pub fn show(plan: &Plan) -> String {
    let lines = lines(plan);
    if lines.is_empty() {
        return format!("stage {}: nothing to do", plan.stage);
    }
    let mut text = format!("stage {}:", plan.stage);
    for line in lines {
        text.push_str("\n  ");
        text.push_str(&line);
    }
    text
}

/// The plan's lines without heading and indentation.
#[must_use]
pub fn lines(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .flat_map(|planned| describe(&planned.step))
        .collect()
}

/// Counts changes and possible data loss from the same lines a person reads. What every boot does whatever the machine
/// looks like is no change: it mounts, unmounts what it mounted, and writes its result file.
#[must_use]
pub fn count(plan: &Plan) -> Count {
    let mut count = Count::default();
    for planned in &plan.steps {
        let lines = describe(&planned.step);
        let destroys = lines.iter().filter(|line| line.trim_start().starts_with('!'));
        count.destroys += destroys.count();
        let is_usual = matches!(
            planned.step,
            Step::Mount { .. } | Step::Unmount { .. } | Step::Result { .. }
        );
        let is_so = lines.iter().all(|line| line.starts_with(['=', ' ']));
        count.changes += usize::from(!is_usual && !is_so);
    }
    count
}

/// A number with the noun it counts.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// A resource for a log: scheme, host and path, never user-info or query; of inline data only that it is such.
#[must_use]
pub fn source(resource: &Resource) -> String {
    let Some(source) = resource.source.as_deref() else {
        return "nothing".to_owned();
    };
    match url::Url::parse(source) {
        Ok(url) if url.scheme() == "data" => "inline data".to_owned(),
        Ok(mut url) => {
            // Both fail only on URLs that have no such part.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            url.to_string()
        }
        Err(_) => "a source that is not a URL".to_owned(),
    }
}

/// The line of a step that says what it is for.
#[must_use]
pub fn headline(step: &Step) -> String {
    let mut lines = describe(step);
    let at = match step {
        Step::CreateArray { members, .. } => members.iter().filter(|member| member.erase.is_some()).count(),
        Step::FormatVolume { erase, .. } => usize::from(erase.is_some()),
        _ => 0,
    };
    if at < lines.len() {
        lines.swap_remove(at)
    } else {
        String::new()
    }
}

/// One line for each step, more for a partition table.
fn describe(step: &Step) -> Vec<String> {
    match step {
        Step::KernelArguments { call } => vec![format!("> {call}")],
        Step::WriteTable {
            device,
            write,
            slots,
            before,
            lost,
            sector,
            ..
        } => {
            // What becomes of the partitions of a GPT, each says for itself.
            let mark = if before == "blank" || before.starts_with("GPT") {
                '~'
            } else {
                '!'
            };
            let what = match write.table {
                Some(_) => "write the partition table",
                None => "erase the partition table",
            };
            let heading = format!("{mark} {}: {what} (now: {before})", device.display());
            let lost = lost
                .iter()
                .map(|(number, entry)| format!("  ! {number}: delete {}", in_words(entry, *sector)));
            [heading]
                .into_iter()
                .chain(lost)
                .chain(slots.iter().map(|slot| {
                    let line = describe_slot(slot, *sector);
                    let mapping = write
                        .view
                        .mappings
                        .as_ref()
                        .and_then(|names| names.get(&slot.number));
                    match mapping.filter(|_| slot.after.is_some()) {
                        Some(name) => format!("{line}, as /dev/mapper/{name}"),
                        None => line,
                    }
                }))
                .collect()
        }
        Step::KeepTable { device, slots, .. } => {
            let count = slots.iter().filter(|slot| slot.step == SlotStep::Keep).count();
            let are = if count == 1 { "is" } else { "are" };
            vec![format!(
                "= {}: {} {are} as configured",
                device.display(),
                counted(count, "partition")
            )]
        }
        Step::TakeDown { stack, erase } => describe_take_down(stack, erase),
        Step::CreateArray {
            device,
            members,
            call,
            ..
        } => {
            let erased = members
                .iter()
                .filter_map(|member| Some(describe_erased(&member.device, member.erase.as_ref()?)));
            erased
                .chain([format!("+ {}: {call}", device.display())])
                .collect()
        }
        Step::KeepArray { device } => vec![format!("= {}: the array runs as configured", device.display())],
        Step::FormatVolume {
            name,
            device,
            erase,
            calls,
            ..
        } => {
            let erased = erase.as_ref().map(|erase| describe_erased(device, erase));
            let calls = calls.iter().map(|call| format!("+ {name}: {call}"));
            erased.into_iter().chain(calls).collect()
        }
        Step::KeepVolume {
            name,
            device,
            unlock,
            refresh,
        } => {
            let by = match unlock {
                Unlock::Key => "its key",
                Unlock::Clevis => "clevis",
                Unlock::Stored => "the key in the target, by the mount stage",
            };
            let there = format!(
                "= {name}: the volume on {} is there, opened by {by}",
                device.display()
            );
            let refreshed = refresh.iter().map(|call| format!("~ {name}: {call}"));
            [there].into_iter().chain(refreshed).collect()
        }
        Step::WipeSignatures { device, erase, .. } => vec![describe_erased(device, erase)],
        Step::MakeFilesystem { device, call, .. } => vec![format!("+ {}: {call}", device.display())],
        Step::KeepFilesystem { device, format } => vec![format!("= {}: {format} is there", device.display())],
        Step::FinishTable { device, .. } => {
            vec![format!(
                "~ {}: mark the new partitions as finished",
                device.display()
            )]
        }
        Step::SettleDevices { nodes } => {
            vec![format!(
                "  wait for udev to finish with {}",
                counted(nodes.len(), "device")
            )]
        }
        Step::Mount {
            path, mounted: true, ..
        } => vec![format!("= {} is mounted", path.display())],
        Step::Mount { call, labels, .. } => {
            let labelled = labels
                .as_ref()
                .map(|_| "  label for SELinux what is new there".to_owned());
            std::iter::once(format!("> {call}")).chain(labelled).collect()
        }
        Step::Unmount { path, absent, .. } => vec![match absent {
            true => format!("= {} is not mounted", path.display()),
            false => format!("> unmount {}", path.display()),
        }],
        Step::Account { call, already, .. } => vec![format!("{} {call}", if *already { '=' } else { '>' })],
        Step::EditAccount { edit, already, .. } => {
            vec![format!("{} natively: {edit}", if *already { '=' } else { '>' })]
        }
        Step::ClearAccountLocks => {
            vec!["! /etc: remove the locks that account programs left when they were killed".to_owned()]
        }
        Step::HandOver { user, made } => {
            vec![format!(
                "  give {user} those of {} mounted directories that are in their home",
                made.len()
            )]
        }
        Step::AuthorizedKeys { user, file, keys } => {
            let keys = counted(keys.len(), "SSH key");
            vec![format!("+ ~{user}/{}: {keys}", file.display())]
        }
        Step::Remove { path, found } => vec![format!("! {}: remove {found}", path.display())],
        Step::Directory {
            path,
            ownership,
            exists,
        } => {
            vec![format!(
                "{} {}/{}",
                if *exists { '=' } else { '+' },
                path.display(),
                access(ownership)
            )]
        }
        Step::PrivateDirectory { path } => vec![format!("+ {}/ (0700 0:0)", path.display())],
        Step::File(file) => vec![describe_file(file)],
        Step::Symlink {
            path, target, exists, ..
        } => {
            vec![format!(
                "{} {} -> {}",
                if *exists { '=' } else { '+' },
                path.display(),
                target.display()
            )]
        }
        Step::HardLink { path, target, exists } => {
            vec![format!(
                "{} {} = {}",
                if *exists { '=' } else { '+' },
                path.display(),
                target.display()
            )]
        }
        Step::Preset { lines } => lines
            .iter()
            .map(|line| match line {
                PresetLine::Enable(line) => format!("+ {}: {line}", units::PRESET_FILE),
                PresetLine::DisableIfEnabled(unit) => {
                    format!("+ {}: disable {unit}, if it is enabled", units::PRESET_FILE)
                }
            })
            .collect(),
        Step::ApplyPresets { call } => vec![format!("> {call}")],
        Step::Result { already, .. } => {
            vec![format!(
                "{} {}",
                if *already { '=' } else { '+' },
                super::files::RESULT_FILE
            )]
        }
        Step::Relabel { paths, .. } => vec![format!("~ label {} for SELinux", counted(paths.len(), "path"))],
        Step::FinishVolume { device, call, .. } => {
            vec![format!(
                "~ {}: mark the volume as finished: {call}",
                device.display()
            )]
        }
    }
}

fn describe_take_down(stack: &[Stacked], erase: &OrderedSet<PathBuf>) -> Vec<String> {
    let stopped = stack.iter().map(|stacked| match stacked.kind {
        StackKind::Array => format!("- {}: stop the array", stacked.node.display()),
        StackKind::Mapping => format!("- {}: remove the mapping", stacked.name),
    });
    let erased = erase.iter().map(|node| {
        format!(
            "! {}: erase its signatures, so that this does not come back",
            node.display()
        )
    });
    stopped.chain(erased).collect()
}

fn describe_erased(device: &Path, erase: &Erased) -> String {
    let Erased { found, unfinished } = erase;
    let device = device.display();
    if *unfinished {
        format!("~ {device}: erase what an interrupted run left there ({found})")
    } else {
        format!("! {device}: erase {found}")
    }
}

fn in_words(entry: &Entry, sector: SectorSize) -> String {
    format!(
        "{} at {}, {}",
        name(&entry.label.to_string()),
        super::map::offset(entry.first.to_bytes(sector)),
        entry.size().to_bytes(sector)
    )
}

fn describe_slot(slot: &SlotOutcome, sector: SectorSize) -> String {
    let entry = |entry: &Option<Entry>| {
        entry
            .as_ref()
            .map_or_else(String::new, |entry| in_words(entry, sector))
    };
    let (before, after) = (entry(&slot.before), entry(&slot.after));
    let size = |entry: &Option<Entry>| entry.as_ref().map(Entry::size);
    let shrinks = size(&slot.after) < size(&slot.before);
    let number = slot.number;
    match slot.step {
        SlotStep::Nothing => format!("  = {number}: absent, as configured"),
        SlotStep::Keep => format!("  = {number}: {after}"),
        SlotStep::Create => format!("  + {number}: {after}"),
        SlotStep::Resize if shrinks => format!("  ! {number}: {after} (cut off: {before})"),
        SlotStep::Resize => format!("  ~ {number}: {after} (was: {before})"),
        SlotStep::Replace => format!("  ! {number}: {after} (replaces: {before})"),
        SlotStep::Delete => format!("  ! {number}: delete {before}"),
    }
}

fn name(label: &str) -> String {
    if label.is_empty() {
        "(no label)".to_owned()
    } else {
        format!("{label:?}")
    }
}

fn describe_file(file: &FileStep) -> String {
    let mark = match (file.before, file.keeps_content) {
        (Before::Ours, _) => '=',
        (Before::Absent, _) => '+',
        (Before::HalfWritten | Before::Skeleton, _) | (Before::Present, true) => '~',
        // Words come and go in it.
        (Before::Present, false)
            if file.path == Path::new(LATER_KERNELS) && file.ownership.mode.is_none() =>
        {
            '~'
        }
        (Before::Present, false) => '!',
    };
    let mut text = format!("{mark} {}{}", file.path.display(), access(&file.ownership));
    if file.keeps_content {
        text.push_str(match file.before {
            Before::Skeleton => " keeps what a new home has there",
            _ => " keeps its content",
        });
    }
    let mut parts: Vec<String> = Vec::new();
    for content in &file.content {
        match content {
            Content::Inline(bytes) => parts.push(Bytes(bytes.len() as u64).to_string()),
            Content::Remote(resource) => {
                let checked = resource
                    .verification
                    .hash
                    .as_deref()
                    .and_then(|hash| hash.split_once('-'));
                let checked = checked.map_or(" (no hash)", |_| "");
                parts.push(format!("{}{checked}", source(resource)));
            }
            Content::Secret(Secret::Volume(name)) => parts.push(format!("the key of the volume {name}")),
            Content::Secret(Secret::SecureKey(_)) => parts.push("what zkey made".to_owned()),
            Content::Crypttab(lines) => parts.extend(lines.iter().map(describe_crypttab)),
        }
    }
    if !parts.is_empty() {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {}", parts.join(" + "));
    }
    text
}

fn describe_crypttab(line: &crypttab::Line) -> String {
    let name = &line.name;
    let uuid = line.uuid.as_deref().map(|uuid| format!("UUID {uuid}"));
    let uuid = uuid.unwrap_or_else(|| "the UUID that it will have".to_owned());
    let instead = if line.replaces {
        " instead of what an interrupted run had made"
    } else {
        ""
    };
    format!("a line for the volume {name} with {uuid}{instead}")
}

fn access(ownership: &Ownership) -> String {
    let id = |id: &Id| match id {
        Id::Keep => None,
        Id::Number(number) => Some(number.to_string()),
        Id::Name(name) => Some(name.clone()),
    };
    let owner = match (id(&ownership.user), id(&ownership.group)) {
        (None, None) => None,
        (user, group) => Some(format!(
            "{}:{}",
            user.unwrap_or_default(),
            group.unwrap_or_default()
        )),
    };
    let mode = ownership.mode.map(|mode| mode.to_string());
    let words: Vec<String> = mode.into_iter().chain(owner).collect();
    if words.is_empty() {
        String::new()
    } else {
        format!(" ({})", words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_shown_without_secrets() {
        for (given, shown) in [
            ("https://ada:pw@host/p?token=s#f", "https://host/p"),
            ("data:,secret", "inline data"),
            ("://", "a source that is not a URL"),
        ] {
            let resource = Resource {
                source: Some(given.to_owned()),
                ..Resource::default()
            };
            assert_eq!(source(&resource), shown);
        }
    }
}
