//! Directories of local files that go into the config as a whole: `storage.trees`.

use super::base::Contents;
use super::files::{Entry, EntryKind};
use super::remark::{Remark, Tell};
use crate::frontend::tree::{Node, Value};
use crate::order::OrderedMap;
use crate::rules::catalog as rule;
use crate::rules::clean_path;
use crate::suggest::quoted;

/// The modes of what no mode is given for.
const DIRECTORY: i64 = 0o755;
const PROGRAM: i64 = 0o755;
const FILE: i64 = 0o644;

/// Adds what is in the trees to the files, directories and links of `document`; those that are there already lend theirs the
/// attributes that they give.
pub(super) fn expand<'a>(document: &mut Node<'a>, contents: &Contents<'_>, tell: &mut Tell<'_>) {
    let Some(storage) = document.get_mut("storage") else {
        return;
    };
    let Some(trees) = storage.take("trees") else {
        return;
    };
    let mut nodes = Nodes::of(storage);
    for tree in trees.elements() {
        let path = tree.word("local").unwrap_or_default();
        match contents.files.walk(path) {
            Ok(entries) => {
                for entry in entries {
                    if let Err(refusal) = nodes.add(tree, entry, contents) {
                        tell(Remark::new(
                            rule::BUTANE_TREE,
                            tree.from,
                            refusal.message,
                            refusal.help,
                        ));
                    }
                }
            }
            Err(why) => {
                let message = format!("the local directory {} cannot be had: {why}", quoted(path));
                tell(Remark::new(
                    rule::BUTANE_LOCAL,
                    tree.from,
                    message,
                    super::base::HELP,
                ));
            }
        }
    }
    nodes.put_into(storage);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Link,
}

const LISTS: [(Kind, &str); 3] = [
    (Kind::File, "files"),
    (Kind::Directory, "directories"),
    (Kind::Link, "links"),
];

/// All nodes of a document, and which paths they have.
struct Nodes<'a> {
    files: Node<'a>,
    directories: Node<'a>,
    links: Node<'a>,
    /// Of two with one path, the first.
    by_path: OrderedMap<String, (Kind, usize)>,
}

/// Why an entry of a tree cannot be taken.
struct Refusal {
    message: String,
    help: &'static str,
}

impl Refusal {
    fn taken(path: &str) -> Self {
        Self {
            message: format!("{} is in the config already", quoted(path)),
            help: "leave it out of the tree, or give the entry in the config no contents and the same kind",
        }
    }
}

impl<'a> Nodes<'a> {
    fn of(storage: &mut Node<'a>) -> Self {
        let from = storage.from;
        let mut take = |name| storage.take(name).unwrap_or_else(|| Node::list(Vec::new(), from));
        let mut nodes = Self {
            files: take("files"),
            directories: take("directories"),
            links: take("links"),
            by_path: OrderedMap::new(),
        };
        for (kind, _) in LISTS {
            for index in 0..nodes.list(kind).elements().len() {
                let path = nodes
                    .list(kind)
                    .elements()
                    .get(index)
                    .and_then(|node| node.word("path"));
                let path = path.unwrap_or_default().to_owned();
                nodes.by_path.entry(path).or_insert((kind, index));
            }
        }
        nodes
    }

    fn list(&mut self, kind: Kind) -> &mut Node<'a> {
        match kind {
            Kind::File => &mut self.files,
            Kind::Directory => &mut self.directories,
            Kind::Link => &mut self.links,
        }
    }

    fn put_into(mut self, storage: &mut Node<'a>) {
        for (kind, name) in LISTS {
            let from = storage.from;
            storage.set(name, std::mem::replace(self.list(kind), Node::object(from)));
        }
    }

    fn push(&mut self, kind: Kind, path: String, node: Node<'a>) {
        let list = self.list(kind);
        if let Value::List(elements) = &mut list.value {
            let index = elements.len();
            if index == 0 {
                list.from = node.from;
            }
            elements.push(node);
            self.by_path.insert(path, (kind, index));
        }
    }

    /// The node at `path`, which must be of this kind and must not have the member: that comes from the tree.
    fn lender(&mut self, kind: Kind, path: &str, member: &str) -> Result<Option<&mut Node<'a>>, Refusal> {
        let Some((there, index)) = self.by_path.get(path).copied() else {
            return Ok(None);
        };
        let node = match &mut self.list(there).value {
            Value::List(elements) => elements.get_mut(index),
            _ => None,
        };
        let fits = |node: &&mut Node<'a>| {
            let mut has = false;
            super::ways::each(node, member, &mut |value| has = value.as_text() != Some(""));
            there == kind && !has
        };
        node.filter(fits).map(Some).ok_or_else(|| Refusal::taken(path))
    }

    fn add(&mut self, tree: &Node<'a>, entry: Entry, contents: &Contents<'_>) -> Result<(), Refusal> {
        let base = tree.word("path").unwrap_or("/");
        let path = clean_path(&[base, "/", &entry.path].concat());
        let is_root = entry.path.is_empty();
        match entry.kind {
            EntryKind::Directory => self.add_directory(tree, path),
            EntryKind::File {
                contents: Ok(bytes),
                is_executable,
            } if !is_root => self.add_file(tree, path, &bytes, is_executable, contents),
            EntryKind::File {
                contents: Err(why), ..
            } => Err(Refusal {
                message: format!("{} of the tree cannot be read: {why}", quoted(&entry.path)),
                help: super::base::HELP,
            }),
            EntryKind::Link(target) => self.add_link(tree, path, target),
            EntryKind::File { .. } => Err(Refusal {
                message: "the tree is no directory".to_owned(),
                help: "name a directory; a single file goes into storage.files",
            }),
            EntryKind::Other => Err(Refusal {
                message: format!(
                    "{} of the tree is no file, directory or link",
                    quoted(&entry.path)
                ),
                help: "take it out of the directory: a config has only those",
            }),
        }
    }

    /// Directories are there for their attributes: without any, they are made with what is in them.
    fn add_directory(&mut self, tree: &Node<'a>, path: String) -> Result<(), Refusal> {
        let has_owner = owners(tree).iter().flatten().count() > 0;
        if tree.get("dirMode").is_none() && !has_owner {
            return Ok(());
        }
        if self.by_path.contains_key(&path) {
            return Err(Refusal::taken(&path));
        }
        let mode = mode(tree, "dirMode", DIRECTORY);
        let node = new(tree, &path).with("mode", mode);
        self.push(Kind::Directory, path, node);
        Ok(())
    }

    fn add_file(
        &mut self,
        tree: &Node<'a>,
        path: String,
        bytes: &[u8],
        is_executable: bool,
        contents: &Contents<'_>,
    ) -> Result<(), Refusal> {
        let mode = mode(tree, "fileMode", if is_executable { PROGRAM } else { FILE });
        if let Some(file) = self.lender(Kind::File, &path, "contents.source")? {
            let mut resource = file.take("contents").unwrap_or_else(|| Node::object(tree.from));
            contents.fill(&mut resource, bytes, tree.from);
            file.set("contents", resource);
            if file.get("mode").is_none() {
                file.set("mode", mode);
            }
            return Ok(());
        }
        let mut resource = Node::object(tree.from);
        contents.fill(&mut resource, bytes, tree.from);
        let node = new(tree, &path).with("contents", resource).with("mode", mode);
        self.push(Kind::File, path, node);
        Ok(())
    }

    fn add_link(&mut self, tree: &Node<'a>, path: String, target: String) -> Result<(), Refusal> {
        let target = Node::text(target, tree.from);
        if let Some(link) = self.lender(Kind::Link, &path, "target")? {
            link.set("target", target);
            return Ok(());
        }
        let node = new(tree, &path).with("target", target);
        self.push(Kind::Link, path, node);
        Ok(())
    }
}

/// The tree's user and group, where they say something.
fn owners<'n, 'a>(tree: &'n Node<'a>) -> [Option<&'n Node<'a>>; 2] {
    ["user", "group"].map(|name| tree.get(name).filter(|owner| !owner.members().is_empty()))
}

fn mode<'a>(tree: &Node<'a>, name: &str, otherwise: i64) -> Node<'a> {
    Node::integer(tree.number(name).unwrap_or(otherwise), tree.from)
}

/// A node that the tree brings.
fn new<'a>(tree: &Node<'a>, path: &str) -> Node<'a> {
    let [user, group] = owners(tree);
    Node::object(tree.from)
        .with("path", Node::text(path.to_owned(), tree.from))
        .with_some("user", user.cloned())
        .with_some("group", group.cloned())
}
