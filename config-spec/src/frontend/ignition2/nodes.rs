//! Files, directories and links: the old engine makes them one after the other, Ignition 3 knows each path once.

use crate::frontend::tree::{Node, Value};
use crate::order::OrderedMap;
use crate::rules::catalog as rule;
use crate::rules::octal_meant;

use super::draft::{Draft, put, single, taken};
use super::filesystems::Names;
use super::sections::{TWICE, TWICE_FORM, resource, with_source};
use super::{names, shortest};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    Link,
}

/// In the order in which they are made.
pub(super) const KINDS: [Kind; 3] = [Kind::Directory, Kind::File, Kind::Link];

impl Kind {
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Directory => "directories",
            Self::File => "files",
            Self::Link => "links",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File => "a file",
            Self::Link => "a link",
        }
    }
}

/// All nodes of a document, by their paths on the machine.
#[derive(Default)]
pub(super) struct Nodes<'a> {
    /// In the order of making; `None` is what a later one replaced.
    made: Vec<Option<(Kind, Node<'a>)>>,
    by_path: OrderedMap<String, usize>,
}

/// A node that is to be added.
struct Entry<'a> {
    node: Node<'a>,
    path: String,
    overwrite: Option<bool>,
    /// Whether the file's contents are added to what is there.
    appends: bool,
}

impl<'a> Nodes<'a> {
    /// Adds what a list of `kind` gives.
    pub(super) fn add_all(&mut self, draft: &mut Draft<'a>, names: &Names, kind: Kind, given: Vec<Node<'a>>) {
        for node in given {
            let entry = prepared(draft, names, kind, node);
            self.add(draft, kind, entry);
        }
        if kind == Kind::Directory {
            for (_, node) in self.made.iter().flatten() {
                self.parents(draft, node);
            }
        }
    }

    fn push(&mut self, kind: Kind, path: String, node: Node<'a>) {
        self.by_path.insert(path, self.made.len());
        self.made.push(Some((kind, node)));
    }

    fn add(&mut self, draft: &mut Draft<'a>, kind: Kind, entry: Entry<'a>) {
        let Entry {
            mut node,
            path,
            overwrite,
            appends,
        } = entry;
        let at = node.get("path").map_or(node.from, |path| path.from);
        let slot = self
            .by_path
            .get(&path)
            .and_then(|index| self.made.get_mut(*index));
        let Some(slot) = slot else {
            return self.push(kind, path, node);
        };
        let Some((other, earlier)) = slot else {
            return self.push(kind, path, node);
        };
        draft.note(at, TWICE, TWICE_FORM);
        if *other != kind {
            let message = format!("{} and {} are to be at one path", other.word(), kind.word());
            return draft.tell(rule::V2_INEXPRESSIBLE, at, &message, "keep one of the two");
        }
        let may = match kind {
            Kind::Directory => true,
            Kind::File => overwrite != Some(false),
            Kind::Link => overwrite == Some(true),
        };
        if !may {
            let message = "the path is made by an entry before this one, which must not overwrite it";
            return draft.tell(rule::V2_INVALID, at, message, "keep one of the two entries");
        }
        match kind {
            Kind::File if appends => {
                let mut chain = taken(earlier, "append");
                chain.append(&mut taken(&mut node, "append"));
                put(earlier, "append", chain, node.from);
                for given in ["mode", "user", "group"] {
                    if let Some(value) = node.take(given) {
                        earlier.set(given, value);
                    }
                }
            }
            Kind::Directory => {
                // What was there before the first is gone all the same.
                if let Some(overwrite) = earlier.take("overwrite").filter(|_| overwrite != Some(true)) {
                    node.set("overwrite", overwrite);
                }
                *earlier = node;
            }
            Kind::File | Kind::Link => {
                *slot = None;
                self.push(kind, path, node);
            }
        }
    }

    /// Adds the file that a unit of networkd is, which the old engine writes last.
    pub(super) fn add_networkd(&mut self, draft: &mut Draft<'a>, file: Node<'a>) {
        let path = file.word("path").unwrap_or_default().to_owned();
        self.give_way(
            draft,
            &path,
            "the networkd unit of that name is written over this file",
        );
        let entry = Entry {
            node: file,
            path,
            overwrite: None,
            appends: false,
        };
        self.add(draft, Kind::File, entry);
    }

    /// Takes out the file at `path`, which something else is written over.
    pub(super) fn give_way(&mut self, draft: &mut Draft<'a>, path: &str, why: &str) {
        let slot = self.by_path.get(path).and_then(|index| self.made.get_mut(*index));
        if let Some(slot) = slot
            && let Some((Kind::File, file)) = slot
        {
            let help = "remove the file: it never comes to stand there";
            draft.tell(rule::V2_DOUBTFUL, file.from, why, help);
            *slot = None;
        }
    }

    /// The old engine makes missing parents of a directory like the directory.
    fn parents(&self, draft: &mut Draft<'a>, node: &Node<'a>) {
        let path = node.word("path").unwrap_or_default();
        let is_roots = |owner: &Node<'_>| match owner.number("id") {
            Some(id) => id == 0,
            None => matches!(owner.word("name"), None | Some("root")),
        };
        let plain = node.number("mode").is_none_or(|mode| mode == 0o755)
            && ["user", "group"]
                .iter()
                .all(|owner| node.get(owner).is_none_or(is_roots));
        let Some((parent, _)) = path.rsplit_once('/') else {
            return;
        };
        // Of a system's own directories only the uppermost are sure to be there.
        let is_there = parent.matches('/').count() < 2
            || names::above(parent) == Some(parent)
            || self.by_path.contains_key(parent);
        if !plain && !is_there {
            let at = node.get("path").map_or(node.from, |path| path.from);
            let message = "missing directories above this one get mode 0755 and belong to root; Ignition 2 made them like this one";
            draft.tell(
                rule::V2_CHANGED,
                at,
                message,
                "if they are not there before, give each an entry of its own",
            );
        }
    }

    /// Puts all nodes into their lists.
    pub(super) fn put(self, storage: &mut Node<'a>) {
        let mut lists = KINDS.map(|_| Vec::new());
        for (kind, node) in self.made.into_iter().flatten() {
            let list = lists.iter_mut().zip(KINDS).find(|(_, of)| *of == kind);
            if let Some((list, _)) = list {
                list.push(node);
            }
        }
        let from = storage.from;
        for (kind, list) in KINDS.into_iter().zip(lists) {
            put(storage, kind.list(), list, from);
        }
    }
}

/// `node` with its path on the machine, and with what the version takes for granted.
fn prepared<'a>(draft: &mut Draft<'a>, names: &Names, kind: Kind, mut node: Node<'a>) -> Entry<'a> {
    let from = node.from;
    let name = node.take("filesystem");
    let mut base = names.directory(draft, name.as_ref(), from);
    if !draft.has_room(from, base.len()) {
        base.clear();
    }
    let mut path = String::new();
    if let Some(given) = node.get_mut("path") {
        path = below(&base, given.as_text().unwrap_or_default());
        *given = Node::text(path.clone(), given.from);
    }
    if draft.minor() == 0 {
        for owner in ["user", "group"] {
            if node.get(owner).is_none() {
                draft.note(
                    from,
                    "an owner is only set where one is given",
                    "\"user\": {\"id\": 0}, \"group\": {\"id\": 0}",
                );
                node.set(
                    owner,
                    single("id", Node::new(Value::Number("0".into()), from), from),
                );
            }
        }
    }
    let overwrite = node.get("overwrite").and_then(Node::as_boolean);
    let appends = node.is("append");
    match kind {
        Kind::File => file(draft, &mut node, appends, overwrite),
        Kind::Link if node.is("hard") => target(&mut node, &base),
        Kind::Directory | Kind::Link => {}
    }
    if kind != Kind::Link {
        mode(draft, &mut node, appends);
    }
    Entry {
        node,
        path,
        overwrite,
        appends,
    }
}

/// `path` below the directory `base`. What is not absolute stays as it is, for a rule to tell.
fn below(base: &str, path: &str) -> String {
    match shortest(path) {
        path if !path.starts_with('/') || base.is_empty() => path.into_owned(),
        path if path == "/" => base.to_owned(),
        path => format!("{base}{path}"),
    }
}

/// The target of a hard link is a path of the same file system.
fn target(link: &mut Node<'_>, base: &str) {
    if let Some(target) = link.get_mut("target") {
        let path = target.as_text().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        *target = Node::text(below(base, &format!("{slash}{path}")), target.from);
    }
}

fn file<'a>(draft: &mut Draft<'a>, file: &mut Node<'a>, appends: bool, overwrite: Option<bool>) {
    let from = file.from;
    let append = file.take("append").map_or(from, |append| append.from);
    let contents = file.take("contents");
    if contents
        .as_ref()
        .is_none_or(|contents| contents.get("source").is_none())
    {
        draft.note(
            from,
            "a file without contents says so",
            "\"contents\": {\"source\": \"\"}",
        );
    }
    let contents = resource(draft, contents.unwrap_or_else(|| Node::object(from)));
    let contents = with_source(contents);
    if appends {
        if overwrite == Some(true) {
            let at = file.get("overwrite").map_or(from, |overwrite| overwrite.from);
            let message = "append and overwrite exclude each other";
            draft.tell(rule::V2_INVALID, at, message, "keep one of the two");
        }
        draft.note(
            append,
            "what is appended stands in a list of its own, and no contents beside it",
            "\"overwrite\": false, \"append\": [{\"source\": \"…\"}]",
        );
        file.set("overwrite", Node::boolean(false, append));
        file.set("append", Node::list(vec![contents], append));
    } else {
        if overwrite.is_none() {
            draft.note(
                from,
                "a file that is there is only replaced where the config says so",
                "\"overwrite\": true",
            );
            file.set("overwrite", Node::boolean(true, from));
        }
        file.set("contents", contents);
    }
}

/// What a mode was meant to be, and what an absent one is.
fn mode(draft: &mut Draft<'_>, node: &mut Node<'_>, appends: bool) {
    let from = node.from;
    match node.get_mut("mode") {
        Some(given) => {
            let at = given.from;
            let number = given.as_integer().unwrap_or_default();
            if (0o1000..=0o7777).contains(&number) {
                let message = format!(
                    "Ignition 2 knows no setuid, setgid and sticky bits: those of mode {number} have no effect"
                );
                let help = match octal_meant(number) {
                    Some(meant) => format!("modes are decimal: {number:04} in octal is {meant}"),
                    None => "set ignition.version to 3.6.0 or later to have them".to_owned(),
                };
                draft.tell(rule::MODE_SPECIAL_BITS, at, &message, &help);
                *given = Node::integer(number & 0o777, at);
            }
        }
        None if draft.minor() < 2 => {
            let what = "nobody can use it, for without a mode it has 0000";
            draft.tell_once(rule::V2_DOUBTFUL, from, what, USUAL);
            draft.note(
                from,
                "without a mode, a file has 0644 and a directory 0755",
                "\"mode\": 0",
            );
            node.set("mode", Node::integer(0, from));
        }
        None if appends => {}
        None => {
            let what = "without a mode, a file has 0644 and a directory 0755 here; Ignition 2 made them 0000";
            draft.tell_once(rule::V2_CHANGED, from, what, USUAL);
        }
    }
}

const USUAL: &str = "give it a mode, which is decimal: 420 is 0644, 493 is 0755, 384 is 0600";
