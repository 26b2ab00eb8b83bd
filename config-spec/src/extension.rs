//! The extension in disguise: servers of configs that parse and write anew drop keys they do not know, but not files.
//! So a config may also carry the section as the contents of one file.

use crate::data_url;
use crate::diagnostic::{Diagnostic, Pointer};
use crate::document::{self, conform::conform_extension};
use crate::merge::merge_extension;
use crate::rules::{self, Findings, catalog as rule};
use crate::types::kindling::Kindling;
use crate::types::{Config, File};
use crate::version::NEWEST;

/// The file whose contents are the section.
pub const ENTRY: &str = "/etc/kindling/config.json";

/// Lays the section of `config` over the one its file entry holds, if it has that entry, and returns what is wrong
/// with the entry. All findings point at its source. The entry itself stays: it is a file like any other.
pub(crate) fn adopt(config: &mut Config) -> Vec<Diagnostic> {
    let mut entries = config.storage.files.iter().enumerate();
    let Some((index, file)) = entries.find(|(_, file)| file.path == ENTRY) else {
        return Vec::new();
    };
    let at = Pointer::root().key("storage").key("files").index(index);
    let at = at.key("contents").key("source");
    let (section, findings) = read(file);
    if let Some(section) = section {
        config.kindling = merge_extension(section, std::mem::take(&mut config.kindling));
    }
    findings.into_iter().map(|finding| moved(finding, &at)).collect()
}

/// The finding of the section as one of the file's source, which says where in the section it is.
fn moved(finding: Diagnostic, at: &Pointer) -> Diagnostic {
    let inside = finding.at.to_string();
    let inside = inside.strip_prefix("/kindling").unwrap_or(&inside);
    let message = if inside.is_empty() {
        finding.message
    } else {
        format!("{} (at {inside} of the extension in this file)", finding.message)
    };
    Diagnostic {
        at: at.clone(),
        span: None,
        message,
        ..finding
    }
}

/// The section that `file` holds, and what is wrong with it. A file without contents holds none.
fn read(file: &File) -> (Option<Kindling>, Vec<Diagnostic>) {
    let Some(source) = &file.contents.source else {
        return (None, Vec::new());
    };
    let text = match plain_text(file, source) {
        Ok(Some(text)) => text,
        Ok(None) => return (None, Vec::new()),
        Err(problem) => return (None, unreadable(problem)),
    };
    let mut conformity = match document::syntax(&text).and_then(|()| conform_extension(&text)) {
        Ok(conformity) => conformity,
        Err(error) => {
            let problem = format!(
                "the extension in this file is not JSON: {error}, at byte {}",
                error.at
            );
            return (None, unreadable(problem));
        }
    };
    let is_unusable = |finding: &Diagnostic| finding.rule == rule::TYPE_MISMATCH.id;
    if conformity.findings.iter().any(is_unusable) {
        return (None, conformity.findings);
    }
    let Ok(section) = serde_json::from_str::<Option<Kindling>>(&conformity.readable(&text)) else {
        return (None, unreadable("the extension in this file cannot be read"));
    };
    let alone = Config {
        kindling: section.unwrap_or_default(),
        ..Config::default()
    };
    let mut findings = rules::run(&alone, NEWEST);
    findings.append(&mut rules::run_duplicates(&alone));
    findings.append(&mut conformity.findings);
    (Some(alone.kindling), findings)
}

/// The contents of the file, which must stand in the config as they are; `None` for a broken data URL, which a rule
/// of its own tells.
fn plain_text(file: &File, source: &str) -> Result<Option<String>, &'static str> {
    let compression = file.contents.compression.as_deref().unwrap_or_default();
    if !source.starts_with("data:") {
        return Err("the extension in a file must be inline: it is read before anything is fetched");
    }
    if !compression.is_empty() {
        return Err("the extension in a file must not be compressed");
    }
    if !file.append.is_empty() {
        return Err("nothing can be appended to the file that holds the extension");
    }
    let Ok(bytes) = data_url::decode(source) else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| "the extension in this file is not UTF-8")?;
    Ok(Some(text))
}

fn unreadable(problem: impl Into<String>) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    findings
        .report(rule::EXTENSION_ENTRY_UNREADABLE, Pointer::root(), problem)
        .help(format!(
            "write the object of the key kindling as a data: URL, or another path than {ENTRY}"
        ));
    findings.into_inner()
}

#[cfg(test)]
mod tests;
