//! `systemd.quadlets`: files from which podman makes units, with their drop-ins.

use super::base::Contents;
use super::remark::{Remark, Tell};
use crate::frontend::tree::{Node, Place, Value};
use crate::order::OrderedSet;
use crate::rules::catalog as rule;
use crate::rules::clean_path;
use crate::suggest::quoted;

const ROOTFUL: &str = "/etc/containers/systemd/";
const ROOTLESS: &str = "/etc/containers/systemd/users/";

const KINDS: [&str; 8] = [
    ".container",
    ".volume",
    ".network",
    ".kube",
    ".image",
    ".build",
    ".pod",
    ".artifact",
];

const MODE: i64 = 0o644;

/// The template that a name is an instance of: `a@.pod` of `a@b.pod`.
fn template(name: &str) -> Option<String> {
    let (start, rest) = name.split_once('@')?;
    let (instance, kind) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| [start, "@.", kind].concat())
}

fn error(at: Place, message: impl Into<String>, help: &'static str) -> Remark {
    Remark::new(rule::BUTANE_QUADLET, at, message, help)
}

/// Checks the quadlets of the typed tree `source`.
pub(super) fn check(source: &Node<'_>, tell: &mut Tell<'_>) {
    let Some(systemd) = source.get("systemd") else {
        return;
    };
    for quadlet in systemd.each("quadlets") {
        let name = quadlet.word("name").unwrap_or_default();
        if !KINDS.iter().any(|kind| name.ends_with(kind)) {
            let help =
                "end the name in .container, .volume, .network, .kube, .image, .build, .pod or .artifact";
            tell(match quadlet.get("name") {
                Some(at) => error(at.from, format!("{} is no name of a quadlet", quoted(name)), help),
                None => error(quadlet.from, "the quadlet has no name", help).below("name"),
            });
        }
        if template(name).is_some() {
            for member in ["contents", "contentsLocal"] {
                if let Some(contents) = quadlet.get(member) {
                    let help = "give them to the template, and to the instance only drop-ins";
                    tell(error(
                        contents.from,
                        "an instance of a template has no contents of its own",
                        help,
                    ));
                }
            }
        } else {
            check_contents(quadlet, tell);
        }
        for dropin in quadlet.each("dropins") {
            check_contents(dropin, tell);
        }
    }
}

fn check_contents(part: &Node<'_>, tell: &mut Tell<'_>) {
    if let (Some(_), Some(local)) = (part.get("contents"), part.get("contentsLocal")) {
        let message = "contents are given here and by a local file";
        tell(error(
            local.from,
            message,
            "keep either contents or contents_local",
        ));
    }
}

/// What becomes of quadlets.
struct Nodes<'n, 'a> {
    /// What has a path already.
    paths: OrderedSet<String>,
    files: Vec<Node<'a>>,
    links: Vec<Node<'a>>,
    contents: &'n Contents<'n>,
}

/// Makes the quadlets of `document` files and links behind those it has.
pub(super) fn expand<'a>(document: &mut Node<'a>, contents: &Contents<'_>, tell: &mut Tell<'_>) {
    let quadlets = document
        .get_mut("systemd")
        .and_then(|systemd| systemd.take("quadlets"));
    let Some(quadlets) = quadlets else { return };
    let mut nodes = Nodes {
        paths: OrderedSet::new(),
        files: Vec::new(),
        links: Vec::new(),
        contents,
    };
    if let Some(storage) = document.get("storage") {
        let lists = ["files", "directories", "links"].map(|list| storage.each(list));
        let paths = lists.into_iter().flatten().filter_map(|node| node.word("path"));
        nodes.paths.extend(paths.map(str::to_owned));
    }
    for quadlet in quadlets.elements() {
        nodes.add(quadlet, tell);
    }
    if document.get("storage").is_none() {
        document.set("storage", Node::object(quadlets.from));
    }
    if let Some(storage) = document.get_mut("storage") {
        append(storage, "files", nodes.files, quadlets.from);
        append(storage, "links", nodes.links, quadlets.from);
    }
}

fn append<'a>(storage: &mut Node<'a>, name: &'static str, mut more: Vec<Node<'a>>, at: Place) {
    match storage.get_mut(name) {
        Some(Node {
            value: Value::List(list),
            ..
        }) => list.append(&mut more),
        _ if more.is_empty() => {}
        _ => storage.set(name, Node::list(more, at)),
    }
}

impl<'a> Nodes<'_, 'a> {
    fn add(&mut self, quadlet: &Node<'a>, tell: &mut Tell<'_>) {
        let base = if quadlet.is("rootful") { ROOTFUL } else { ROOTLESS };
        let name = quadlet.word("name").unwrap_or_default();
        let path = clean_path(&[base, name].concat());
        if let Some(target) = template(name) {
            if let Some(link) = self.node(quadlet, path.clone(), tell) {
                // Instance and template are in one directory, whatever the name says of it.
                let target = target.rsplit('/').next().unwrap_or_default().to_owned();
                self.links
                    .push(link.with("target", Node::text(target, quadlet.from)));
            }
        } else {
            self.file(quadlet, path.clone(), tell);
        }
        for dropin in quadlet.each("dropins") {
            let name = dropin.word("name").unwrap_or_default();
            self.file(dropin, [&path, ".d/", name].concat(), tell);
        }
    }

    fn file(&mut self, part: &Node<'a>, path: String, tell: &mut Tell<'_>) {
        let Some(file) = self.node(part, path, tell) else {
            return;
        };
        let (bytes, from) = match (part.get("contents"), part.get("contentsLocal")) {
            (Some(text), _) => (text.as_text().unwrap_or_default().as_bytes().to_vec(), text.from),
            (None, Some(local)) => match self.contents.read(local, tell) {
                Some(bytes) => (bytes, local.from),
                None => return,
            },
            (None, None) => (Vec::new(), part.from),
        };
        let mut resource = Node::object(from);
        self.contents.fill(&mut resource, &bytes, from);
        let file = file
            .with("contents", resource)
            .with("mode", Node::integer(MODE, part.from));
        self.files.push(file);
    }

    /// A node at `path`, if there is none yet.
    fn node(&mut self, part: &Node<'a>, path: String, tell: &mut Tell<'_>) -> Option<Node<'a>> {
        if !self.paths.insert(path.clone()) {
            let message = format!("{} is in the config already", quoted(&path));
            let help = "keep one of the two: nothing is merged into a quadlet";
            tell(error(part.from, message, help));
            return None;
        }
        let at = part.get("name").unwrap_or(part).from;
        Some(Node::object(part.from).with("path", Node::text(path, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::butane::seen::{contents, json, told, tree};

    #[test]
    fn names_and_contents_are_held_to_what_podman_reads() {
        let rows: &[(&str, &[&str])] = &[
            (r#"{"name":"a.container"}"#, &[]),
            (
                r#"{"name":"a.volume"},{"name":"a.network"},{"name":"a.kube"},{"name":"a.image"}"#,
                &[],
            ),
            (
                r#"{"name":"a.build"},{"name":"a.pod"},{"name":"a.artifact"},{"name":"../a.pod"}"#,
                &[],
            ),
            (r#"{"name":"a.service"}"#, &["0/name"]),
            (r#"{"name":"a.pod.conf"}"#, &["0/name"]),
            (r#"{"name":"pod"}"#, &["0/name"]),
            (r#"{"contents":"x"}"#, &["0/name"]),
            (r#"{"name":"a@.pod","contents":"x"}"#, &[]),
            (r#"{"name":"a@b.pod","contents":"x"}"#, &["0/contents"]),
            (r#"{"name":"a@b.pod","contentsLocal":"x"}"#, &["0/contentsLocal"]),
            (
                r#"{"name":"a.pod","contents":"","contentsLocal":""}"#,
                &["0/contentsLocal"],
            ),
            (
                r#"{"name":"a.pod"},{"name":"b.pod","dropins":[{"contents":"","contentsLocal":"x"}]}"#,
                &["1/dropins/0/contentsLocal"],
            ),
        ];
        for (quadlets, expected) in rows {
            let source = format!("{{\"systemd\":{{\"quadlets\":[{quadlets}]}}}}");
            let expected: Vec<_> = expected
                .iter()
                .map(|at| format!("/systemd/quadlets/{at} butane-quadlet"))
                .collect();
            assert_eq!(told(&source, check), expected, "{quadlets}");
        }
    }

    #[test]
    fn instances_have_a_template() {
        for (name, expected) in [
            ("a@b.pod", Some("a@.pod")),
            ("a@b@c.pod", Some("a@.pod")),
            ("a@b.c.pod", Some("a@.pod")),
            ("@b.pod", Some("@.pod")),
            ("a@.pod", None),
            ("a.pod", None),
            ("a.b@pod", None),
        ] {
            assert_eq!(template(name).as_deref(), expected, "{name}");
        }
    }

    /// The document that the quadlets and the storage section become.
    fn made(quadlets: &str, storage: &str) -> (String, Vec<String>) {
        let source = format!("{{\"systemd\":{{\"quadlets\":[{quadlets}]}}{storage}}}");
        let mut text = String::new();
        let told = told(&source, |source, tell| {
            let mut document = source.clone();
            expand(&mut document, &contents(), tell);
            document.take("systemd");
            text = json(&document);
        });
        (text, told)
    }

    #[test]
    fn quadlets_become_files_and_links() {
        let contents =
            |url: &str| format!("\"contents\":{{\"compression\":\"\",\"source\":\"{url}\"}},\"mode\":420");
        for (quadlets, expected) in [
            (
                r#"{"name":"a.pod","rootful":true,"contents":"x","dropins":[{"name":"1.conf","contents":"y"}]}"#,
                format!(
                    r#"{{"storage":{{"files":[{{"path":"/etc/containers/systemd/a.pod",{}}},{{"path":"/etc/containers/systemd/a.pod.d/1.conf",{}}}]}}}}"#,
                    contents("data:,x"),
                    contents("data:,y"),
                ),
            ),
            (
                r#"{"name":"./s//a.pod"}"#,
                format!(
                    r#"{{"storage":{{"files":[{{"path":"/etc/containers/systemd/users/s/a.pod",{}}}]}}}}"#,
                    contents("data:,")
                ),
            ),
            (
                r#"{"name":"s/a@b.pod","dropins":[{"name":"1.conf"}]}"#,
                format!(
                    r#"{{"storage":{{"files":[{{"path":"/etc/containers/systemd/users/s/a@b.pod.d/1.conf",{}}}],"links":[{{"path":"/etc/containers/systemd/users/s/a@b.pod","target":"a@.pod"}}]}}}}"#,
                    contents("data:,")
                ),
            ),
        ] {
            assert_eq!(made(quadlets, ""), (expected, Vec::new()));
        }
        let files = r#","storage":{"files":[{"path":"/x"}]}"#;
        let (text, told) = made(r#"{"name":"a.pod"}"#, files);
        assert!(
            told.is_empty() && text.starts_with(r#"{"storage":{"files":[{"path":"/x"},{"path":"/etc"#),
            "{text}"
        );
    }

    #[test]
    fn a_path_that_is_taken_is_refused() {
        let at = |places: &[&str]| -> Vec<String> {
            let line = |place| format!("/systemd/quadlets/{place} butane-quadlet");
            places.iter().map(line).collect()
        };
        let quadlet = r#"{"name":"a.pod","rootful":true,"dropins":[{"name":"d"},{"name":"d"}]}"#;
        assert_eq!(made(quadlet, "").1, at(&["0/dropins/1"]));
        assert_eq!(
            made(r#"{"name":"a.pod"},{"name":"b/../a.pod"}"#, "").1,
            at(&["1"])
        );
        for list in ["files", "directories", "links"] {
            let storage = format!(r#","storage":{{"{list}":[{{"path":"/etc/containers/systemd/a.pod"}}]}}"#);
            assert_eq!(
                made(r#"{"name":"a.pod","rootful":true}"#, &storage).1,
                at(&["0"]),
                "{list}"
            );
        }
    }

    #[test]
    fn local_files_that_are_not_there_are_told_at_their_name() {
        let (_, told) = made(r#"{"name":"a.pod","contentsLocal":"x"}"#, "");
        assert_eq!(told, ["/systemd/quadlets/0/contentsLocal butane-local"]);
    }

    #[test]
    fn what_is_made_has_the_place_of_what_asked_for_it() {
        let (source, places) =
            tree(r#"{"systemd":{"quadlets":[{"name":"a.pod","contents":"x"},{"name":"b@c.pod"}]}}"#);
        let mut document = source.clone();
        expand(&mut document, &contents(), &mut |remark| panic!("{remark:?}"));
        let storage = document.get("storage").unwrap();
        let at = |node: &Node<'_>| places.pointer(node.from).to_string();
        let file = &storage.each("files")[0];
        assert_eq!(at(file), "/systemd/quadlets/0");
        assert_eq!(at(file.get("mode").unwrap()), "/systemd/quadlets/0");
        assert_eq!(at(file.get("path").unwrap()), "/systemd/quadlets/0/name");
        let contents = file.get("contents").unwrap();
        assert_eq!(
            at(contents.get("source").unwrap()),
            "/systemd/quadlets/0/contents"
        );
        assert_eq!(
            at(storage.each("links")[0].get("target").unwrap()),
            "/systemd/quadlets/1"
        );
    }
}
