//! The failure record: one cause, where, why, what next. It never holds the config, a secret, or a program's
//! whole output.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::apply::Failed;
use crate::plan::{Conflict, Stage};

/// More conflicts than this are counted, not listed: the record must fit on a console.
const CONFLICTS_SHOWN: usize = 4;

/// Why a stage failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable code, one row in docs/failure-states.md.
    pub code: String,
    /// The stage that failed.
    pub stage: Stage,
    /// The operation, with its device, path or URL.
    pub what: String,
    /// Where in the config: a document with line and column, or a pointer into the merged config.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The chain of causes, outermost first, each once.
    pub why: Vec<String>,
    /// What the operator does next.
    pub next: String,
}

/// `outer: middle: root` as separate links; a link that only repeats the one before is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> Vec<String> {
    let mut links: Vec<String> = Vec::new();
    let mut link = Some(error);
    while let Some(error) = link {
        let text = error.to_string();
        if links.last() != Some(&text) {
            links.push(text);
        }
        link = error.source();
    }
    links
}

impl Failure {
    /// A record of `error`: its own words are what failed, its sources why.
    #[must_use]
    pub fn of(stage: Stage, code: &str, error: &dyn Error, next: String) -> Self {
        let mut why = chain(error);
        let what = if why.is_empty() {
            String::new()
        } else {
            why.remove(0)
        };
        Self {
            code: code.to_owned(),
            stage,
            what,
            place: None,
            why,
            next,
        }
    }

    /// A record of a step that failed.
    #[must_use]
    pub fn of_step(stage: Stage, failed: &Failed) -> Self {
        let place = (!failed.pointer.is_empty()).then(|| format!("merged config, {}", failed.pointer));
        Self {
            code: failed.error.code().to_owned(),
            stage,
            what: failed.step.clone(),
            place,
            why: chain(&failed.error),
            next: failed.error.next(),
        }
    }

    /// A record of a plan that must not start. The first conflict gives the code and the remedy.
    #[must_use]
    pub fn of_conflicts(stage: Stage, conflicts: &[Conflict]) -> Self {
        let first = conflicts.first();
        let shown = conflicts.iter().skip(1).take(CONFLICTS_SHOWN - 1);
        let mut why: Vec<String> = shown
            .map(|conflict| format!("also: {} ({})", conflict.message, conflict.pointer))
            .collect();
        if conflicts.len() > CONFLICTS_SHOWN {
            why.push(format!("and {} more", conflicts.len() - CONFLICTS_SHOWN));
        }
        why.push("nothing was changed".to_owned());
        Self {
            code: first.map_or("internal", |conflict| conflict.code).to_owned(),
            stage,
            what: first.map_or_else(String::new, |conflict| conflict.message.clone()),
            place: first.map(|conflict| format!("merged config, {}", conflict.pointer)),
            why,
            next: first.map_or_else(String::new, |conflict| conflict.next.clone()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |out: &mut fmt::Formatter<'_>, name: &str, text: &str| {
            let mut name = name;
            for part in text.trim_end().lines() {
                write!(out, "\n  {name:<6} {part}")?;
                name = "";
            }
            Ok(())
        };
        write!(
            out,
            "kindling: first boot FAILED in stage {} [{}]",
            self.stage, self.code
        )?;
        line(out, "what:", &self.what)?;
        if let Some(place) = &self.place {
            line(out, "where:", place)?;
        }
        for (index, why) in self.why.iter().enumerate() {
            line(out, if index == 0 { "why:" } else { "" }, why)?;
        }
        line(out, "next:", &self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_an_operator_needs_it() {
        let conflict = |pointer: &str, message: &str| {
            Conflict::new(
                pointer,
                "filesystem-differs",
                message,
                "set wipeFilesystem to true if the data may go",
            )
        };
        let conflicts: Vec<_> = (0..6)
            .map(|index| {
                conflict(
                    &format!("/storage/filesystems/{index}"),
                    "/dev/vdb1: it holds xfs",
                )
            })
            .collect();
        let text = Failure::of_conflicts(Stage::Disks, &conflicts).to_string();
        assert_eq!(
            text,
            "kindling: first boot FAILED in stage disks [filesystem-differs]\n  \
             what:  /dev/vdb1: it holds xfs\n  \
             where: merged config, /storage/filesystems/0\n  \
             why:   also: /dev/vdb1: it holds xfs (/storage/filesystems/1)\n         \
             also: /dev/vdb1: it holds xfs (/storage/filesystems/2)\n         \
             also: /dev/vdb1: it holds xfs (/storage/filesystems/3)\n         \
             and 2 more\n         \
             nothing was changed\n  \
             next:  set wipeFilesystem to true if the data may go"
        );
        assert!(text.lines().count() < 12);
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] Middle);
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        struct Middle(std::io::Error);
        let error = Outer(Middle(std::io::Error::other("root")));
        assert_eq!(chain(&error), ["outer", "root"]);
    }
}
