//! A document while it is made: what is found on the way, and what is noted.

use crate::diagnostic::Diagnostic;
use crate::frontend::tree::{Member, Node, Place, Places, Value};
use crate::rules::Findings;
use crate::rules::catalog::{self as rule, Rule};

use super::{Edition, names};

pub(super) struct Draft<'a> {
    pub(super) text: &'a str,
    pub(super) places: Places<'a>,
    pub(super) edition: Edition,
    pub(super) findings: Findings,
    /// Whether a value has a type that its member does not take.
    pub(super) is_unusable: bool,
    /// How many entries the lists have, all together.
    pub(super) entries: usize,
    notes: Vec<Note>,
    /// How many bytes of text became `data:` URLs.
    encoded: usize,
}

/// How many may. Encoded, they take three times as much, and three times over while a config is read.
const MAX_ENCODED: usize = 8 << 20;

/// A kind of thing that a document may be full of, with the place where it is first: what is written otherwise in
/// Ignition 3, or what `rule` tells once.
struct Note {
    rule: Rule,
    at: Place,
    what: &'static str,
    help: String,
    /// How often there is more of it.
    more: usize,
}

impl<'a> Draft<'a> {
    pub(super) fn new(text: &'a str, places: Places<'a>, edition: Edition) -> Self {
        Self {
            text,
            places,
            edition,
            findings: Findings::default(),
            is_unusable: false,
            entries: 0,
            notes: Vec::new(),
            encoded: 0,
        }
    }

    /// Adds a breach of `rule` by the value at `at`.
    pub(super) fn tell(&mut self, rule: Rule, at: Place, message: &str, help: &str) {
        let span = self.places.value(at);
        let report = self
            .findings
            .report(rule, self.places.pointer(at), message)
            .span(span);
        if !help.is_empty() {
            report.help(help);
        }
    }

    /// As [`Self::tell`], of the member `name` that the object at `above` has, or should have.
    pub(super) fn tell_key(&mut self, rule: Rule, at: Place, message: &str, help: &str) {
        let span = self.places.key(at);
        self.findings
            .report(rule, self.places.pointer(at), message)
            .span(span)
            .help(help);
    }

    /// Notes that `what` stands at `at`, and how Ignition 3 writes it.
    pub(super) fn note(&mut self, at: Place, what: &'static str, form: &str) {
        self.tell_once(rule::V2_FORM, at, what, form);
    }

    /// As [`Self::tell`], but only the first of its kind is told, with the number of the others.
    pub(super) fn tell_once(&mut self, rule: Rule, at: Place, what: &'static str, help: &str) {
        // The texts are few, and each is one constant.
        match self.notes.iter_mut().find(|note| note.what == what) {
            Some(note) => note.more += 1,
            None => self.notes.push(Note {
                rule,
                at,
                what,
                help: help.to_owned(),
                more: 0,
            }),
        }
    }

    /// What is to be said of the document.
    pub(super) fn findings(&mut self) -> Vec<Diagnostic> {
        let mut findings = std::mem::take(&mut self.findings);
        self.counted(false, &mut findings);
        findings.into_inner()
    }

    /// The notes as findings.
    pub(super) fn explained(self) -> Vec<Diagnostic> {
        let mut findings = Findings::default();
        self.counted(true, &mut findings);
        findings.into_inner()
    }

    /// Adds what is told once: of the forms, or else all other.
    fn counted(&self, is_form: bool, findings: &mut Findings) {
        for note in &self.notes {
            if (note.rule == rule::V2_FORM) != is_form {
                continue;
            }
            let more = match note.more {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            findings
                .report(
                    note.rule,
                    self.places.pointer(note.at),
                    format!("{}{more}", note.what),
                )
                .span(self.places.key(note.at))
                .help(note.help.as_str());
        }
    }

    /// `text` as a `data:` URL, in the form in which the old engine's own translation writes it.
    pub(super) fn data_url(&mut self, text: &Node<'a>) -> Node<'a> {
        let at = text.from;
        let mut text = text.as_text().unwrap_or_default();
        if !self.has_room(at, text.len()) {
            text = "";
        }
        let url = format!("data:,{}", names::escaped(text, "-_.~$&+=:@"));
        single("source", Node::text(url, at), at)
    }

    /// Whether `bytes` more may be made up, for what stands at `at`: a short text may stand for a long one many times over.
    pub(super) fn has_room(&mut self, at: Place, bytes: usize) -> bool {
        let before = self.encoded;
        self.encoded = before.saturating_add(bytes);
        if self.encoded > MAX_ENCODED && before <= MAX_ENCODED {
            let message = "units of networkd, files of version 1, and paths of file systems before those of their files have more \
                           than 8 MiB of text together";
            let help = "have contents fetched by their address, and give file systems short names and paths";
            self.tell(rule::V2_INEXPRESSIBLE, at, message, help);
        }
        self.encoded <= MAX_ENCODED
    }

    pub(super) fn minor(&self) -> u8 {
        self.edition.minor
    }
}

/// The elements of the list that is the member `name`, taken out.
pub(super) fn taken<'a>(node: &mut Node<'a>, name: &str) -> Vec<Node<'a>> {
    match node.take(name).map(|node| node.value) {
        Some(Value::List(elements)) => elements,
        _ => Vec::new(),
    }
}

/// Gives the member `name` those elements; without any there is no such member.
pub(super) fn put<'a>(node: &mut Node<'a>, name: &'static str, elements: Vec<Node<'a>>, from: Place) {
    if !elements.is_empty() {
        node.set(name, Node::list(elements, from));
    }
}

/// An object with one member, which takes no room for more.
pub(super) fn single<'a>(name: &'static str, node: Node<'a>, from: Place) -> Node<'a> {
    let name = name.into();
    Node::new(Value::Object(vec![Member { name, node }]), from)
}

/// Whether two nodes say the same, wherever they come from.
pub(super) fn same(one: &Node<'_>, other: &Node<'_>) -> bool {
    let text = |node| {
        let mut text = String::new();
        crate::frontend::made::write(node, &mut text);
        text
    };
    text(one) == text(other)
}
