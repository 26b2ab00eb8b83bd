//! The document as a whole: its own section, what it refers to, and the order in which the others are made.

use crate::frontend::tree::{Node, Value};
use crate::order::OrderedSet;
use crate::rules::catalog as rule;
use crate::suggest::quoted;
use crate::url_syntax;

use super::draft::{Draft, put, same, single, taken};
use super::filesystems::Names;
use super::{MADE, accounts, disks, nodes, one, units};

/// The document that `tree`, which has its shape, makes.
pub(super) fn document<'a>(draft: &mut Draft<'a>, mut tree: Node<'a>) -> Node<'a> {
    let from = tree.from;
    if draft.edition.is_first {
        one::lift(draft, &mut tree);
    }
    let ignition = ignition(draft, tree.take("ignition").unwrap_or_else(|| Node::object(from)));
    let mut storage = tree.take("storage").unwrap_or_else(|| Node::object(from));
    let from = storage.from;
    let disks = disks::disks(draft, taken(&mut storage, "disks"));
    put(&mut storage, "disks", disks, from);
    let arrays = disks::arrays(draft, taken(&mut storage, "raid"));
    put(&mut storage, "raid", arrays, from);
    let mut names = Names::default();
    let filesystems = names.made(draft, taken(&mut storage, "filesystems"));
    put(&mut storage, "filesystems", filesystems, from);

    let mut nodes = nodes::Nodes::default();
    for kind in nodes::KINDS {
        let given = taken(&mut storage, kind.list());
        nodes.add_all(draft, &names, kind, given);
    }
    let units = tree
        .take("systemd")
        .map(|mut systemd| (systemd.from, units::units(draft, taken(&mut systemd, "units"))));
    if let Some(mut networkd) = tree.take("networkd") {
        for file in units::networkd(draft, taken(&mut networkd, "units")) {
            nodes.add_networkd(draft, file);
        }
    }
    if let Some((_, units)) = &units {
        units::written(units, &mut |path| {
            nodes.give_way(draft, path, "the unit of that name is written over this file");
        });
    }
    nodes.put(&mut storage);

    let mut document = Node::object(tree.from).with("ignition", ignition);
    if let Some(passwd) = tree.take("passwd") {
        document = document.with("passwd", accounts::passwd(draft, passwd));
    }
    if !storage.members().is_empty() {
        document = document.with("storage", storage);
    }
    if let Some((from, units)) = units {
        let mut systemd = Node::object(from);
        put(&mut systemd, "units", units, from);
        document = document.with("systemd", systemd);
    }
    document
}

fn ignition<'a>(draft: &mut Draft<'a>, mut ignition: Node<'a>) -> Node<'a> {
    let from = ignition
        .get("version")
        .map_or(ignition.from, |version| version.from);
    if !draft.edition.is_first {
        draft.note(
            from,
            "the version is one of Ignition 3",
            "\"version\": \"3.4.0\" or later",
        );
    }
    ignition.set("version", Node::text(MADE.as_str(), from));
    if let Some(config) = ignition.get_mut("config") {
        let from = config.get("append").map(|append| append.from);
        let append = references(draft, taken(config, "append"));
        if let Some(from) = from {
            draft.note(
                from,
                "append is called merge, and the entries of both configs become one where they have the same path or name",
                "\"merge\": [{\"source\": \"…\"}]",
            );
            put(config, "merge", append, from);
        }
        if let Some(replace) = config.take("replace") {
            // Without a source it counts all the same: the config is replaced by nothing.
            let replace = resource(draft, replace);
            config.set("replace", with_source(replace));
        }
    }
    if let Some(tls) = ignition
        .get_mut("security")
        .and_then(|security| security.get_mut("tls"))
    {
        let authorities = taken(tls, "certificateAuthorities");
        let (from, authorities) = (tls.from, references(draft, authorities));
        put(tls, "certificateAuthorities", authorities, from);
    }
    if let Some(proxy) = ignition.get_mut("proxy")
        && let Some(hosts) = proxy.get_mut("noProxy")
    {
        each_once(draft, hosts);
    }
    ignition
}

/// Resources to fetch one after the other. The old engine fetches one that is given twice twice; in Ignition 3 it is known
/// by its source.
fn references<'a>(draft: &mut Draft<'a>, given: Vec<Node<'a>>) -> Vec<Node<'a>> {
    let mut kept: Vec<Node<'a>> = Vec::new();
    let mut sources: crate::order::OrderedMap<String, usize> = crate::order::OrderedMap::new();
    for reference in given {
        let source = reference.word("source").unwrap_or_default().to_owned();
        let first = *sources.entry(source).or_insert(kept.len());
        match kept.get(first) {
            Some(first) => {
                let same = same(first, &reference);
                draft.note(reference.from, TWICE, TWICE_FORM);
                if !same {
                    let message = "the source is given before, with another hash or other headers: only that entry counts";
                    draft.tell(rule::V2_CHANGED, reference.from, message, "remove one of the two");
                }
            }
            None => kept.push(reference),
        }
    }
    kept.into_iter()
        .map(|reference| resource(draft, reference))
        .collect()
}

pub(super) const TWICE: &str = "two entries are about the same thing, which Ignition 3 refuses";

pub(super) const TWICE_FORM: &str = "write one entry, as `kindling convert` does";

/// Takes out texts that are in the list before.
pub(super) fn each_once<'a>(draft: &mut Draft<'a>, list: &mut Node<'a>) {
    let Value::List(texts) = &mut list.value else {
        return;
    };
    let mut seen = OrderedSet::new();
    texts.retain(|text| {
        let is_new = seen.insert(text.as_text().unwrap_or_default().to_owned());
        if !is_new {
            draft.note(text.from, TWICE, TWICE_FORM);
        }
        is_new
    });
}

/// The same with a source, be it an empty one.
pub(super) fn with_source(resource: Node<'_>) -> Node<'_> {
    let from = resource.from;
    let empty = || Node::text("", from);
    match resource.members() {
        [] => single("source", empty(), from),
        _ if resource.get("source").is_some() => resource,
        _ => resource.with("source", empty()),
    }
}

/// What is fetched: its members have the same names, but fewer forms.
pub(super) fn resource<'a>(draft: &mut Draft<'a>, mut resource: Node<'a>) -> Node<'a> {
    if let Some(source) = resource.get("source")
        && refused_source(draft, source)
    {
        // No more is said of it; the document is refused.
        let from = source.from;
        resource.set("source", Node::text("data:,", from));
        let _ = resource.take("httpHeaders");
    }
    let hash = resource
        .get("verification")
        .and_then(|verification| verification.get("hash"));
    if let Some(hash) = hash
        && let Some((function, _)) = hash.as_text().and_then(|hash| hash.split_once('-'))
        && function != "sha512"
    {
        let message = format!("unknown hash function {}", quoted(function));
        draft.tell(
            rule::HASH_FUNCTION_UNKNOWN,
            hash.from,
            &message,
            "Ignition 2 has sha512 only",
        );
        let _ = resource.take("verification");
    }
    resource
}

/// Whether a source has a scheme that the version does not have. What is no URL is told of the made document.
fn refused_source(draft: &mut Draft<'_>, source: &Node<'_>) -> bool {
    let Ok(url) = url_syntax::parse(source.as_text().unwrap_or_default()) else {
        return false;
    };
    let version = draft.edition.as_str();
    let scheme = url.scheme.as_ref();
    match scheme {
        "http" | "https" | "data" => false,
        "tftp" | "s3" if draft.minor() >= 1 => false,
        "oem" if draft.minor() >= 1 => {
            let message = "Ignition 3 fetches nothing from the OEM partition: only distributions that have one know oem: URLs";
            let help = "put the text into the config as a data: URL, or have a unit copy it from where the partition is \
                        mounted";
            draft.tell(rule::V2_INEXPRESSIBLE, source.from, message, help);
            true
        }
        _ => {
            let message = match scheme {
                "" => "the source has no scheme".to_owned(),
                scheme => format!("version {version} cannot fetch from {}", quoted(scheme)),
            };
            let help = match draft.minor() {
                0 => "use http, https or data; tftp and s3 came with 2.1.0",
                _ => "use http, https, tftp, s3 or data",
            };
            draft.tell(rule::URL_SCHEME_UNSUPPORTED, source.from, &message, help);
            true
        }
    }
}
