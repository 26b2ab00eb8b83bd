//! The tree as it is found, entry by entry.

use kindling_config_spec::facts::{Facts, Kind, UNKNOWN, is_below, is_unit_name};
use kindling_config_spec::order::{OrderedMap, OrderedSet};

/// Where unit files stand, as far as an image has any (systemd.unit(5)).
const UNIT_DIRS: [&str; 3] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    /// Whether anybody may execute it.
    File {
        program: bool,
    },
    Link {
        target: String,
    },
    Special,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) facts: Facts,
    /// Where the content of a file is in an archive: offset and size in bytes.
    pub(super) contents: OrderedMap<String, (u64, u64)>,
    left_out: usize,
    first_left_out: String,
}

impl Listing {
    /// Notes an entry whose name is not UTF-8.
    pub(super) fn leave_out(&mut self, name: &[u8]) {
        self.left_out += 1;
        if self.left_out == 1 {
            self.first_left_out = String::from_utf8_lossy(name).into_owned();
        }
    }

    /// Notes what stands at `path`, a clean path without links among its parents. A later entry replaces an earlier.
    pub(super) fn put(&mut self, path: String, entry: Entry) {
        if path == "/" || is_unknown(&path) {
            return;
        }
        let facts = &mut self.facts;
        facts.links.remove(&path);
        for paths in [
            &mut facts.directories,
            &mut facts.files,
            &mut facts.programs,
            &mut facts.special,
        ] {
            paths.remove(&path);
        }
        match entry {
            Entry::Directory => facts.directories.insert(path),
            Entry::File { program: false } => facts.files.insert(path),
            Entry::File { program: true } => facts.programs.insert(path),
            Entry::Special => facts.special.insert(path),
            Entry::Link { target } => facts.links.insert(path, target).is_none(),
        };
    }

    /// What the facts lack.
    pub(super) fn warnings(&self) -> Vec<String> {
        let name = &self.first_left_out;
        match self.left_out {
            0 => Vec::new(),
            1 => vec![format!("the name {name:?} is not UTF-8 and is left out")],
            more => vec![format!(
                "{more} names are not UTF-8 and are left out, the first is {name:?}"
            )],
        }
    }
}

/// Whether `path` is in a place that is not looked into.
pub(super) fn is_unknown(path: &str) -> bool {
    UNKNOWN.iter().any(|at| is_below(path, at))
}

/// The names of the root's units: regular files, and links that lead to one. A mask leads to `/dev/null`, and is none.
pub(super) fn units(facts: &Facts) -> OrderedSet<String> {
    let is_file = |path: &str| {
        let node = facts.resolve(path);
        node.is_some_and(|node| matches!(node.kind, Kind::File | Kind::Program))
    };
    let mut units = OrderedSet::new();
    for dir in UNIT_DIRS.iter().filter_map(|dir| facts.resolve(dir)) {
        let start = format!("{}/", dir.path);
        let below = |path: &&String| path.starts_with(&start);
        let files = facts.files.range(start.clone()..).take_while(below);
        let programs = facts.programs.range(start.clone()..).take_while(below);
        let links = facts.links.range(start.clone()..).map(|(path, _)| path);
        let links = links.take_while(below).filter(|path| is_file(path));
        let names = files
            .chain(programs)
            .chain(links)
            .filter_map(|path| path.strip_prefix(&start));
        let names = names.filter(|name| !name.contains('/') && is_unit_name(name));
        units.extend(names.map(str::to_owned));
    }
    units
}
