//! Butane: YAML with the members of Ignition 3 in snake case, and sugar that is made into them.
//!
//! The steps, each of which sees what the one before made: read, find out the variant, give types, check what the author
//! wrote, translate, expand the sugar, check what came of it. What is wrong in one ends the way, so that nobody is told what
//! only follows from it.

mod base;
mod boot_device;
mod encode;
pub mod files;
mod forbidden;
mod grub;
mod join;
mod machine_config;
mod modes;
mod mounts;
mod names;
mod nested;
mod openshift;
mod partitions;
mod quadlets;
mod remark;
mod scalar;
#[cfg(test)]
mod seen;
mod shape;
mod sources;
mod sugar;
mod tidy;
mod told;
mod trees;
pub(crate) mod variant;
mod ways;
mod write;

use super::tree::{Node, Place, Places, Value};
use super::{Dialect, Made, yaml};
use crate::check::examine_made;
use crate::diagnostic::{Diagnostic, Pointer, Severity};
use crate::rules::catalog as rule;
use crate::rules::catalog::Rule;
use crate::version::Version;
use base::Contents;
use encode::{Forms, Packer};
use files::LocalFiles;
use told::Told;
use variant::Variant;
pub use write::butane_of;

/// Where a config was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It cannot be read: it is no YAML, of no known variant and version, or has values of wrong types.
    Parse,
    /// What its author wrote is wrong.
    Source,
    /// What came of it is no valid Ignition config.
    Generated,
}

/// What came of a Butane config.
#[derive(Debug)]
pub struct Output {
    /// The Ignition config, in JSON without white space, members in the order of the reference.
    pub json: Option<String>,
    /// The version of Ignition that it is of.
    pub version: Option<Version>,
    /// All there is to say of the config.
    pub findings: Vec<Diagnostic>,
    /// Where it was refused; then there is nothing else but findings.
    pub failed: Option<Stage>,
    /// The same as a `MachineConfig` of OpenShift in YAML, where the variant asks for it and `raw` does not refuse it.
    pub wrapped: Option<String>,
}

/// Why there is no document.
struct Failed {
    stage: Stage,
    findings: Vec<Diagnostic>,
}

/// How a config is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// By the machine that it is for. What OpenShift is told beside Ignition is nothing to it.
    Boot,
    /// By its author, for a file; raw is without the wrapping of OpenShift.
    Desk { raw: bool },
}

/// Translates a Butane config, with the files that it names.
#[must_use]
pub fn butane(text: &str, files: &dyn LocalFiles, raw: bool) -> Output {
    let mut output = Output {
        json: None,
        version: None,
        findings: Vec::new(),
        failed: None,
        wrapped: None,
    };
    match run(yaml::read(text), files, Use::Desk { raw }) {
        Err(failed) => {
            output.findings = failed.findings;
            output.failed = Some(failed.stage);
        }
        Ok((made, wrapped)) => {
            output.findings = match examine_made(&made, text.len()) {
                Ok(examined) => examined.findings,
                Err(rejected) => rejected.diagnostics().into_owned(),
            };
            if output
                .findings
                .iter()
                .any(|finding| finding.severity == Severity::Error)
            {
                output.failed = Some(Stage::Generated);
            } else {
                output.json = Some(escaped(&made.json()));
                output.version = Some(made.version);
                output.wrapped = wrapped;
            }
        }
    }
    output
}

/// The variants with their versions, oldest first, and the version of Ignition that each becomes.
pub fn versions() -> impl Iterator<Item = (&'static str, &'static str, Version)> {
    variant::ALL
        .iter()
        .map(|variant| (variant.family.name(), variant.version, variant.spec))
}

/// What `text` makes on the machine that it is for, if it is a Butane config: it has a key `variant` at its top.
pub(super) fn made<'a>(text: &'a str, files: &dyn LocalFiles) -> Option<Result<Made<'a>, Vec<Diagnostic>>> {
    if !text.contains(VARIANT) {
        return None;
    }
    let read = yaml::read(text);
    let is_meant = match &read {
        Ok((document, _)) => document.members().iter().any(|member| member.name == VARIANT),
        Err(_) => text.lines().any(names_variant),
    };
    is_meant.then(|| match run(read, files, Use::Boot) {
        Ok((made, _)) => Ok(made),
        Err(failed) => Err(failed.findings),
    })
}

const VARIANT: &str = "variant";

/// Whether a line of a broken text would be the key, in one of the ways in which that is written.
fn names_variant(line: &str) -> bool {
    let start = line.trim_start_matches('\u{feff}');
    let start = start.strip_prefix('{').map_or(start, str::trim_start);
    let rest = start.trim_start_matches(['"', '\'']).strip_prefix(VARIANT);
    rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
}

/// The made document, and the same wrapped for OpenShift where that is wanted.
fn run<'a>(
    read: Result<(Node<'a>, Places<'a>), Diagnostic>,
    files: &dyn LocalFiles,
    usage: Use,
) -> Result<(Made<'a>, Option<String>), Failed> {
    let parse = |finding| Failed {
        stage: Stage::Parse,
        findings: vec![finding],
    };
    let (document, places) = read.map_err(parse)?;
    let variant = which(&document, &places).map_err(parse)?;
    let least = match usage {
        Use::Boot => Severity::Warning,
        Use::Desk { .. } => Severity::Info,
    };
    let mut told = Told::new(&places, least);
    match translate(document, variant, files, usage, &mut told) {
        Ok((document, wrapped)) => {
            let findings = told.into_inner();
            let made = Made {
                document,
                places,
                version: variant.spec,
                dialect: Dialect::Butane {
                    variant: variant.family.name(),
                    version: variant.version,
                },
                findings,
                names: names::snake,
            };
            Ok((made, wrapped))
        }
        Err(stage) => Err(Failed {
            stage,
            findings: told.into_inner(),
        }),
    }
}

fn translate<'a>(
    document: Node<'a>,
    variant: &'static Variant,
    files: &dyn LocalFiles,
    usage: Use,
    told: &mut Told<'_, 'a>,
) -> Result<(Node<'a>, Option<String>), Stage> {
    let typed = shape::typed(document, variant, told);
    let source = typed.document;
    if typed.misfits > 0 {
        return Err(Stage::Parse);
    }
    check(&source, variant, told);
    go_on(told)?;
    let contents = contents(files, variant, usage);
    let (mut made, own) = expand(source, variant, &contents, told);
    let is_wrapped = variant.openshift.is_some() && usage == Use::Desk { raw: false };
    if variant.openshift.is_some() {
        for_openshift(&mut made, &own, variant, is_wrapped, told);
    }
    go_on(told)?;
    tidy::tidy(&mut made, variant.spec);
    // Other machines of OpenShift get what these members say from elsewhere; without wrapping there is no elsewhere.
    if is_wrapped || variant.openshift.is_none() {
        forbidden::check(&made, variant, &mut |remark| told.remark(remark));
    }
    go_on(told)?;
    let wrapped = is_wrapped.then(|| machine_config::yaml(&own, made.clone()));
    Ok((made, wrapped))
}

fn go_on(told: &Told<'_, '_>) -> Result<(), Stage> {
    if told.is_refused() {
        return Err(Stage::Source);
    }
    Ok(())
}

fn contents<'f>(files: &'f dyn LocalFiles, variant: &Variant, usage: Use) -> Contents<'f> {
    let is_old = variant.base == 1;
    Contents {
        files,
        forms: match (usage, variant.openshift) {
            _ if is_old => Forms::Percent,
            // On the machine the text is at hand anyway.
            (Use::Boot, _) | (_, Some(8 | 9)) => Forms::Plain,
            (Use::Desk { .. }, _) => Forms::Packed,
        },
        packer: Packer::default(),
        says_compression: !is_old,
    }
}

/// What the author wrote, above what the sugar in it stands for; and the members that say more than that.
fn expand<'a>(
    source: Node<'a>,
    variant: &Variant,
    contents: &Contents<'_>,
    told: &mut Told<'_, 'a>,
) -> (Node<'a>, Node<'a>) {
    let tell = &mut |remark| told.remark(remark);
    let units = mounts::expand(&source, variant);
    let mut made = source;
    let own = base::translate(&mut made, variant, contents, tell);
    made = below(made, units);
    trees::expand(&mut made, contents, tell);
    quadlets::expand(&mut made, contents, tell);
    made = below(made, boot_device::expand(&own));
    partitions::warn(&made, variant, tell);
    made = below(made, grub::expand(&own, contents));
    (made, own)
}

fn below<'a>(made: Node<'a>, parent: Option<Node<'a>>) -> Node<'a> {
    match parent {
        Some(parent) => join::join(parent, made),
        None => made,
    }
}

/// What OpenShift takes another way, and what it does not take.
fn for_openshift<'a>(
    made: &mut Node<'a>,
    own: &Node<'a>,
    variant: &Variant,
    is_wrapped: bool,
    told: &mut Told<'_, 'a>,
) {
    /// The first generation whose machines take users of GRUB.
    const GRUB: u8 = 23;
    let tell = &mut |remark| told.remark(remark);
    if variant.openshift >= Some(GRUB) {
        grub::as_contents(made, own, tell);
    }
    openshift::add_cipher(made, own, variant);
    openshift::check_made(made, variant, tell);
    if !is_wrapped {
        openshift::warn_raw(own, tell);
    }
}

/// Checks what the author wrote.
fn check(source: &Node<'_>, variant: &Variant, told: &mut Told<'_, '_>) {
    let tell = &mut |remark| told.remark(remark);
    nested::check_inline(source, variant, tell);
    sources::check(source, tell);
    mounts::check(source, variant, tell);
    modes::warn(source, tell);
    partitions::warn_reuse(source, variant, tell);
    boot_device::check(source, variant, tell);
    grub::check(source, tell);
    quadlets::check(source, tell);
    openshift::check(source, variant, tell);
}

/// Which kind of config a document is one of.
fn which(document: &Node<'_>, places: &Places<'_>) -> Result<&'static Variant, Diagnostic> {
    let refuse = |rule: Rule, at: Pointer, place: Place, message: String, help: String| Diagnostic {
        severity: rule.severity,
        rule: rule.id,
        at,
        span: Some(places.value(place)),
        message,
        help: Some(help),
    };
    let word = |name: &str| {
        let node = document
            .get(name)
            .filter(|node| !matches!(&node.value, Value::Plain(plain) if scalar::is_null(plain)));
        match node.map(|node| (node.as_text(), node.from)) {
            Some((Some(text), from)) => Ok((text, from)),
            Some((None, from)) => Err((from, format!("{name} is no text"))),
            None => Err((document.from, format!("{name} is missing"))),
        }
    };
    let at = |name: &str| Pointer::root().key(name);
    let families = || {
        let mut names: Vec<_> = variant::ALL.iter().map(|variant| variant.family.name()).collect();
        names.dedup();
        format!("variants are {}", names.join(", "))
    };
    let (name, from) = word(VARIANT)
        .map_err(|(from, message)| refuse(rule::BUTANE_VERSION, at(VARIANT), from, message, families()))?;
    let mut versions = Variant::versions(name).peekable();
    if versions.peek().is_none() {
        let (message, help) = if name == "rhcos" {
            (
                "the variant rhcos became openshift".to_owned(),
                "write variant: openshift, and metadata".to_owned(),
            )
        } else {
            (
                format!("there is no variant {}", crate::suggest::quoted(name)),
                families(),
            )
        };
        return Err(refuse(rule::BUTANE_VERSION, at(VARIANT), from, message, help));
    }
    let help = format!(
        "{name} has the versions {}",
        versions.collect::<Vec<_>>().join(", ")
    );
    let (version, from) = word("version").map_err(|(from, message)| {
        refuse(rule::BUTANE_VERSION, at("version"), from, message, help.clone())
    })?;
    Variant::of(name, version).ok_or_else(|| {
        let message = format!("{name} has no version {}", crate::suggest::quoted(version));
        refuse(rule::BUTANE_VERSION, at("version"), from, message, help)
    })
}

/// JSON that may stand in a page of HTML or a script, as the reference writes it.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            other => text.push(other),
        }
    }
    text
}
