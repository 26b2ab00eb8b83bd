//! Directories, files and links (engine.md 4.6.4–4.6.6): what is done with each, and in which order.

mod links;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use kindling_config_spec::data_url;
use kindling_config_spec::order::{self, OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, Directory, File, Link, Owner, Resource};
use kindling_config_spec::units::Mode;

pub use self::links::hard_target;
use self::links::{hard_link, symlink};
use super::step::{Before, Content, FileStep, Id, Ownership};
use super::{Conflict, Plan, Step};
use crate::inventory::target::{AccountWork, Kind, Node, Target};

/// Mode of a new file whose config sets none.
const FILE_MODE: Mode = Mode(0o644);

/// One entry of any of the three lists.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Directory(&'a Directory),
    File(&'a File),
    Link(&'a Link),
}

impl Entry<'_> {
    fn path(&self) -> &str {
        match self {
            Self::Directory(entry) => &entry.path,
            Self::File(entry) => &entry.path,
            Self::Link(entry) => &entry.path,
        }
    }

    fn is_hard_link(&self) -> bool {
        matches!(self, Self::Link(link) if link.hard == Some(true))
    }
}

/// The paths the config names, in the order of their lists: directories, files, links.
pub fn paths(config: &Config) -> impl Iterator<Item = &str> {
    entries(config).map(|(_, entry)| match entry {
        Entry::Directory(entry) => entry.path.as_str(),
        Entry::File(entry) => entry.path.as_str(),
        Entry::Link(entry) => entry.path.as_str(),
    })
}

/// Every entry that has an owner, with its place in the config.
pub(super) fn owners(config: &Config) -> impl Iterator<Item = (String, &Owner, &Owner)> {
    entries(config)
        .filter(|(_, entry)| !entry.is_hard_link())
        .map(|(pointer, entry)| match entry {
            Entry::Directory(entry) => (pointer, &entry.user, &entry.group),
            Entry::File(entry) => (pointer, &entry.user, &entry.group),
            Entry::Link(entry) => (pointer, &entry.user, &entry.group),
        })
}

fn entries(config: &Config) -> impl Iterator<Item = (String, Entry<'_>)> {
    let storage = &config.storage;
    let directories = storage.directories.iter().enumerate();
    let files = storage.files.iter().enumerate();
    let links = storage.links.iter().enumerate();
    directories
        .map(|(index, entry)| (format!("/storage/directories/{index}"), Entry::Directory(entry)))
        .chain(files.map(|(index, entry)| (format!("/storage/files/{index}"), Entry::File(entry))))
        .chain(links.map(|(index, entry)| (format!("/storage/links/{index}"), Entry::Link(entry))))
}

/// Adds the steps for all nodes, shallow paths first, hard links last.
pub fn plan_nodes(plan: &mut Plan, conflicts: &mut Vec<Conflict>, config: &Config, target: &Target) {
    let mut sorted: Vec<(PathBuf, String, Entry<'_>)> = entries(config)
        .map(|(pointer, entry)| {
            let path = PathBuf::from(entry.path());
            (
                target.resolved.get(&path).cloned().unwrap_or(path),
                pointer,
                entry,
            )
        })
        .collect();
    collisions(&sorted, conflicts);
    order::by(&mut sorted, |(a, _, first), (b, _, second)| {
        let links = first.is_hard_link().cmp(&second.is_hard_link());
        // Entries of one directory stand together: it is opened once. Hard links keep the config's order.
        let grouped = || {
            a.components()
                .count()
                .cmp(&b.components().count())
                .then_with(|| a.parent().cmp(&b.parent()))
        };
        links.then_with(|| {
            if first.is_hard_link() {
                Ordering::Equal
            } else {
                grouped()
            }
        })
    });
    let mut view = View::after(plan, target);
    for (real, pointer, entry) in &sorted {
        let found = view.look(Path::new(entry.path()), real).cloned();
        let found = found.as_ref();
        match entry {
            Entry::Directory(entry) => directory(plan, conflicts, &mut view, pointer, entry, real, found),
            Entry::File(entry) => {
                let entry = &with_extension(config, entry);
                file(plan, conflicts, &mut view, pointer, entry, real, found)
            }
            Entry::Link(entry) if entry.hard == Some(true) => {
                hard_link(plan, conflicts, &view, pointer, entry, found)
            }
            Entry::Link(entry) => symlink(plan, conflicts, &mut view, pointer, entry, real, found),
        }
    }
}

fn collisions(sorted: &[(PathBuf, String, Entry<'_>)], conflicts: &mut Vec<Conflict>) {
    let mut seen: OrderedMap<&Path, &Entry<'_>> = OrderedMap::new();
    for (real, pointer, entry) in sorted {
        if let Some(first) = seen.insert(real, entry) {
            conflicts.push(Conflict::new(
                pointer,
                "paths-collide",
                format!(
                    "{} and {} are both {}, through links of the target",
                    first.path(),
                    entry.path(),
                    real.display()
                ),
                "remove one of the two entries",
            ));
        }
    }
}

/// The target as the steps planned so far will leave it.
pub(super) struct View<'a> {
    target: &'a Target,
    removed: OrderedSet<PathBuf>,
    /// Files that become other files of the same name.
    replaced: OrderedSet<PathBuf>,
    /// Homes that are made with their users, and filled with what the target ships for new users.
    new_homes: OrderedSet<PathBuf>,
}

impl<'a> View<'a> {
    pub(super) fn after(plan: &Plan, target: &'a Target) -> Self {
        let real = |path: &PathBuf| target.resolved.get(path).unwrap_or(path).clone();
        let (mut removed, mut new_homes) = (OrderedSet::new(), OrderedSet::new());
        for planned in &plan.steps {
            match &planned.step {
                Step::Remove { path, .. } => drop(removed.insert(real(path))),
                Step::Account {
                    leaves: Some(home), ..
                }
                | Step::EditAccount {
                    leaves: Some(home), ..
                } => drop(removed.insert(real(home))),
                Step::Account {
                    work: AccountWork::NewUser { home: Some(home), .. },
                    ..
                }
                | Step::EditAccount {
                    work: AccountWork::NewUser { home: Some(home), .. },
                    ..
                } => drop(new_homes.insert(real(home))),
                _ => {}
            }
        }
        Self {
            target,
            removed,
            replaced: OrderedSet::new(),
            new_homes,
        }
    }

    fn is_of_skeleton(&self, real: &Path) -> bool {
        let mut above = real.ancestors().skip(1);
        above.any(|dir| self.new_homes.contains(dir)) && !self.removed.contains(real)
    }

    pub(super) fn look(&self, path: &Path, real: &Path) -> Option<&'a Node> {
        if real.ancestors().any(|above| self.removed.contains(above)) {
            return None;
        }
        self.target.nodes.get(path)
    }

    pub(super) fn is_ours(&self, path: &Path, real: &Path) -> bool {
        self.target.complete.contains(path) && !real.ancestors().any(|above| self.removed.contains(above))
    }
}

pub(super) fn in_the_way(pointer: &str, path: &str, found: &Node, wanted: &str) -> Conflict {
    let held = found.kind.name();
    let message = if held == wanted {
        format!("{path} already is {held} in the target, and the config does not say overwrite")
    } else {
        format!("{path} is {held} in the target, and the config asks for {wanted}")
    };
    Conflict::new(
        pointer,
        "path-exists",
        message,
        "set overwrite to true if it may go, or use another path",
    )
}

/// What is there goes first.
fn removal(path: &Path, found: &Node) -> Step {
    Step::Remove {
        path: path.to_owned(),
        found: found.kind.name().to_owned(),
    }
}

fn id(owner: &Owner) -> Id {
    match (owner.id, owner.name.as_deref()) {
        (Some(number), _) => u32::try_from(number).map_or(Id::Keep, Id::Number),
        (None, Some(name)) if !name.is_empty() => Id::Name(name.to_owned()),
        (None, _) => Id::Keep,
    }
}

fn mode(mode: Option<i64>) -> Option<Mode> {
    mode.and_then(|mode| u32::try_from(mode).ok())
        .map(|mode| Mode(mode & 0o7777))
}

fn owner_checked(pointer: &str, user: &Owner, group: &Owner, conflicts: &mut Vec<Conflict>) {
    for (member, owner) in [("user", user), ("group", group)] {
        if owner.id.is_some_and(|number| u32::try_from(number).is_err()) {
            conflicts.push(Conflict::new(
                format!("{pointer}/{member}/id"),
                "owner-out-of-range",
                "the number is not an owner: it must be 0 to 4294967295",
                "give a number the target's kernel can hold, or a name",
            ));
        }
    }
}

fn directory(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    view: &mut View<'_>,
    pointer: &str,
    entry: &Directory,
    real: &Path,
    found: Option<&Node>,
) {
    owner_checked(pointer, &entry.user, &entry.group, conflicts);
    let path = PathBuf::from(&entry.path);
    let mut exists = matches!(
        found,
        Some(Node {
            kind: Kind::Directory,
            ..
        })
    );
    match (found, entry.overwrite == Some(true)) {
        (Some(found), true) => {
            plan.push(pointer, removal(&path, found));
            view.removed.insert(real.to_owned());
            exists = false;
        }
        (Some(found), false) if !exists => {
            conflicts.push(in_the_way(pointer, &entry.path, found, "a directory"))
        }
        (_, false) | (None, true) => {}
    }
    let ownership = Ownership {
        user: id(&entry.user),
        group: id(&entry.group),
        mode: mode(entry.mode),
    };
    plan.push(
        pointer,
        Step::Directory {
            path,
            ownership,
            exists,
        },
    );
}

/// The entry with what the extension says of its contents.
fn with_extension<'e>(config: &Config, entry: &'e File) -> Cow<'e, File> {
    let extra = config.kindling.files.get(&entry.path);
    let Some(compression) = extra.and_then(|extra| extra.compression.as_ref()) else {
        return Cow::Borrowed(entry);
    };
    let mut entry = entry.clone();
    entry.contents.compression = Some(compression.clone());
    Cow::Owned(entry)
}

/// The table of engine.md 4.6.5, with a row for what an interrupted run of ours left.
fn file(
    plan: &mut Plan,
    conflicts: &mut Vec<Conflict>,
    view: &mut View<'_>,
    pointer: &str,
    entry: &File,
    real: &Path,
    found: Option<&Node>,
) {
    owner_checked(pointer, &entry.user, &entry.group, conflicts);
    let path = PathBuf::from(&entry.path);
    let replaces = entry.contents.source.is_some();
    let overwrite = entry.overwrite == Some(true);
    let is_file = found.is_some_and(|node| node.kind == Kind::File);
    let before = match found {
        None if !replaces && !overwrite && view.is_of_skeleton(real) => Before::Skeleton,
        None => Before::Absent,
        Some(_) if is_file && view.is_ours(&path, real) => Before::Ours,
        Some(_) if is_file && view.target.half_written.contains(&path) => Before::HalfWritten,
        Some(_) if is_file && (overwrite || !replaces) => Before::Present,
        Some(found) if overwrite => {
            plan.push(pointer, removal(&path, found));
            Before::Absent
        }
        Some(found) => {
            let wanted = if is_file { "contents of its own" } else { "a file" };
            conflicts.push(in_the_way(pointer, &entry.path, found, wanted));
            Before::Present
        }
    };
    let is_fresh = matches!(before, Before::Absent | Before::HalfWritten);
    let keeps_content = !replaces && !overwrite && !is_fresh;
    let new_mode = (!keeps_content).then_some(FILE_MODE);
    let ownership = Ownership {
        user: id(&entry.user),
        group: id(&entry.group),
        mode: mode(entry.mode).or(new_mode),
    };
    let resources = replaces
        .then_some(&entry.contents)
        .into_iter()
        .chain(&entry.append);
    let content: Vec<Content> = resources.map(content_of).collect();
    if before != Before::Ours && !(keeps_content && content.is_empty()) {
        view.replaced.insert(path.clone());
    }
    plan.push(
        pointer,
        Step::File(FileStep {
            path,
            ownership,
            content,
            keeps_content,
            before,
        }),
    );
}

/// Bytes that stand in the config are decoded here; whatever must be fetched, unpacked or verified is left to
/// the fetcher.
#[must_use]
pub fn content_of(resource: &Resource) -> Content {
    let plain =
        resource.compression.as_deref().unwrap_or("").is_empty() && resource.verification.hash.is_none();
    match resource.source.as_deref() {
        None | Some("") => Content::Inline(Vec::new()),
        Some(source) if plain && source.starts_with("data:") => match data_url::decode(source) {
            Ok(bytes) => Content::Inline(bytes),
            Err(_) => Content::Remote(Box::new(resource.clone())),
        },
        Some(_) => Content::Remote(Box::new(resource.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    fn node(kind: Kind) -> Node {
        Node {
            kind,
            uid: 0,
            gid: 0,
            mode: Mode(0o644),
            inode: (1, 1),
        }
    }

    fn inline(text: &str) -> Resource {
        Resource {
            source: Some(format!("data:,{text}")),
            ..Resource::default()
        }
    }

    fn decided(entry: File, found: Option<Kind>, ours: bool) -> Result<Vec<Step>, Vec<Conflict>> {
        let mut target = Target::default();
        let path = PathBuf::from(&entry.path);
        if let Some(kind) = found {
            target.nodes.insert(path.clone(), node(kind));
        }
        if ours {
            target.complete.insert(path);
        }
        let mut config = Config::default();
        config.storage.files.push(entry);
        let (mut plan, mut conflicts) = (Plan::empty(Stage::Files), Vec::new());
        plan_nodes(&mut plan, &mut conflicts, &config, &target);
        let steps = plan.steps.into_iter().map(|planned| planned.step).collect();
        if conflicts.is_empty() {
            Ok(steps)
        } else {
            Err(conflicts)
        }
    }

    #[test]
    fn file_table() {
        let with = File {
            path: "/f".into(),
            contents: inline("x"),
            ..File::default()
        };
        let over = File {
            overwrite: Some(true),
            ..with.clone()
        };
        let bare = File {
            path: "/f".into(),
            append: vec![inline("y")],
            ..File::default()
        };
        let file = |content: &[&str], keeps_content: bool, before| {
            let content = content
                .iter()
                .map(|text| Content::Inline(text.as_bytes().to_vec()))
                .collect();
            let mode = (!keeps_content).then_some(FILE_MODE);
            let ownership = Ownership {
                user: Id::Keep,
                group: Id::Keep,
                mode,
            };
            Step::File(FileStep {
                path: "/f".into(),
                ownership,
                content,
                keeps_content,
                before,
            })
        };
        let removed = Step::Remove {
            path: "/f".into(),
            found: "a directory".into(),
        };
        for (row, entry, found, ours, expected) in [
            (
                "nothing, contents",
                &with,
                None,
                false,
                Some(vec![file(&["x"], false, Before::Absent)]),
            ),
            (
                "nothing, none",
                &bare,
                None,
                false,
                Some(vec![file(&["y"], false, Before::Absent)]),
            ),
            ("file, contents", &with, Some(Kind::File), false, None),
            (
                "file, contents, ours",
                &with,
                Some(Kind::File),
                true,
                Some(vec![file(&["x"], false, Before::Ours)]),
            ),
            (
                "file, overwrite",
                &over,
                Some(Kind::File),
                false,
                Some(vec![file(&["x"], false, Before::Present)]),
            ),
            (
                "file, none",
                &bare,
                Some(Kind::File),
                false,
                Some(vec![file(&["y"], true, Before::Present)]),
            ),
            ("directory, contents", &with, Some(Kind::Directory), false, None),
            ("directory, none", &bare, Some(Kind::Directory), false, None),
            (
                "directory, overwrite",
                &over,
                Some(Kind::Directory),
                false,
                Some(vec![removed, file(&["x"], false, Before::Absent)]),
            ),
        ] {
            assert_eq!(decided(entry.clone(), found, ours).ok(), expected, "{row}");
        }
    }

    #[test]
    fn what_is_appended_below_a_new_home_goes_behind_what_creating_the_user_puts_there() {
        let mut config = Config::default();
        for (path, replaces) in [
            ("/home/ada/.bashrc", false),
            ("/home/ada/own", true),
            ("/home/b", false),
        ] {
            let contents = if replaces {
                inline("x")
            } else {
                Resource::default()
            };
            config.storage.files.push(File {
                path: path.into(),
                contents,
                append: vec![inline("y")],
                ..File::default()
            });
        }
        let (mut plan, mut conflicts) = (Plan::empty(Stage::Files), Vec::new());
        let found = "a half-made home".into();
        let path = PathBuf::from("/home/ada");
        plan.push(
            "",
            Step::Remove {
                path: path.clone(),
                found,
            },
        );
        plan.push(
            "",
            Step::Account {
                call: crate::invocation::Invocation::new(crate::invocation::Program::Useradd),
                already: false,
                work: AccountWork::NewUser {
                    name: "ada".into(),
                    home: Some(path),
                    own_group: true,
                },
                leaves: None,
            },
        );
        let mut target = Target::default();
        // Of the half-made home: gone when the step runs.
        target.nodes.insert("/home/ada/own".into(), node(Kind::File));
        plan_nodes(&mut plan, &mut conflicts, &config, &target);
        assert_eq!(conflicts, []);
        let befores: OrderedMap<_, _> = plan
            .steps
            .iter()
            .filter_map(|planned| match &planned.step {
                Step::File(file) => Some((file.path.to_str().unwrap(), (file.before, file.keeps_content))),
                _ => None,
            })
            .collect();
        let expected = [
            ("/home/ada/.bashrc", (Before::Skeleton, true)),
            ("/home/ada/own", (Before::Absent, false)),
            ("/home/b", (Before::Absent, false)),
        ];
        assert_eq!(befores, expected.into());
    }

    #[test]
    fn what_stands_below_a_removed_directory_is_gone() {
        let mut config = Config::default();
        config.storage.directories.push(Directory {
            path: "/d".into(),
            overwrite: Some(true),
            ..Directory::default()
        });
        config.storage.files.push(File {
            path: "/d/f".into(),
            contents: inline("x"),
            ..File::default()
        });
        let mut target = Target::default();
        target.nodes.insert("/d".into(), node(Kind::Directory));
        target.nodes.insert("/d/f".into(), node(Kind::File));
        target.complete.insert("/d/f".into());
        let (mut plan, mut conflicts) = (Plan::empty(Stage::Files), Vec::new());
        plan_nodes(&mut plan, &mut conflicts, &config, &target);
        assert_eq!(conflicts, []);
        assert!(matches!(
            &plan.steps[2].step,
            Step::File(FileStep {
                before: Before::Absent,
                ..
            })
        ));
    }

    #[test]
    fn two_paths_that_are_one_through_a_link_are_refused() {
        let mut config = Config::default();
        for path in ["/a/f", "/b/f"] {
            config.storage.files.push(File {
                path: path.into(),
                ..File::default()
            });
        }
        let mut target = Target::default();
        target.resolved.insert("/b/f".into(), "/a/f".into());
        let mut conflicts = Vec::new();
        plan_nodes(&mut Plan::empty(Stage::Files), &mut conflicts, &config, &target);
        assert_eq!(
            conflicts.iter().map(|found| found.code).collect::<Vec<_>>(),
            ["paths-collide"]
        );
    }

    #[test]
    fn hard_links_come_last_and_their_targets_are_joined_onto_the_link() {
        let link = |target: &str| Link {
            path: "/srv/h".into(),
            target: Some(target.into()),
            hard: Some(true),
            ..Link::default()
        };
        assert_eq!(hard_target(&link("/srv/f")), Path::new("/srv/f"));
        assert_eq!(hard_target(&link("../f")), Path::new("/srv/f"));
        let mut config = Config::default();
        config.storage.links.push(link("/srv/deep/down/f"));
        config.storage.files.push(File {
            path: "/srv/deep/down/f".into(),
            ..File::default()
        });
        let mut plan = Plan::empty(Stage::Files);
        plan_nodes(&mut plan, &mut Vec::new(), &config, &Target::default());
        assert!(matches!(plan.steps.last().unwrap().step, Step::HardLink { .. }));
    }
}
