//! The failure record: one cause, where, why, what next. It never holds the config, a secret, or a program's
//! whole output.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::apply::Failed;
use crate::plan::{Conflict, Stage};

/// More conflicts than this are counted, not listed: the record must fit on a console.
const CONFLICTS_SHOWN: usize = 4;

/// Lines of a record. A console of 25 lines shows it whole, with what systemd says after it.
const LINES_SHOWN: usize = 12;

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

/// What a record begins with, before its stage and its code.
pub(super) const HEADING: &str = "kindling: first boot FAILED in stage ";

fn heading(stage: Stage) -> String {
    format!("{HEADING}{stage} [")
}

/// What a place begins with that is only known in the sum of the documents.
const IN_MERGED: &str = "merged config, ";

/// What the lines of further conflicts begin with.
const ALSO: &str = "also: ";

/// The place of what stands at `pointer` of the merged config; none for the whole of it.
#[must_use]
pub fn in_merged(pointer: &str) -> Option<String> {
    (!pointer.is_empty()).then(|| format!("{IN_MERGED}{pointer}"))
}

impl Failure {
    /// The place in the merged config, where no more of it is known.
    #[must_use]
    pub fn pointer(&self) -> Option<&str> {
        self.place.as_deref()?.strip_prefix(IN_MERGED)
    }

    /// The same record with the places that `find` has for pointers into the merged config.
    #[must_use]
    pub fn located(mut self, find: &dyn Fn(&str) -> Option<String>) -> Self {
        let Some(place) = self.pointer().and_then(find) else {
            return self;
        };
        self.place = Some(place);
        for why in &mut self.why {
            let also = why.strip_prefix(ALSO).and_then(|_| why.rsplit_once(" ("));
            let Some((message, pointer)) = also else { continue };
            let pointer = pointer.trim_end_matches(')');
            // Two countings in one record would send people to the wrong entry.
            let place = find(pointer).unwrap_or_else(|| format!("{IN_MERGED}{pointer}"));
            *why = format!("{message} ({place})");
        }
        self
    }

    /// The same record without the help of a finding that is the remedy of the record too, which stands last anyhow.
    #[must_use]
    pub fn once(mut self) -> Self {
        let help = format!("help: {}", self.next);
        let lines: Vec<&str> = self.what.lines().filter(|line| line.trim() != help).collect();
        self.what = lines.join("\n");
        self
    }

    /// The record as a console can show it at once: of many findings only those that fit, and their number.
    #[must_use]
    pub fn fit(self) -> Self {
        let mut fit = self.once();
        let others = fit.to_string().lines().count() - fit.what.lines().count();
        let room = LINES_SHOWN.saturating_sub(others);
        let lines: Vec<&str> = fit.what.lines().collect();
        if lines.len() > room {
            let starts = |line: &str| line.starts_with("error[") || line.starts_with("warning[");
            let mut kept = lines.iter().take(room.saturating_sub(1)).count();
            while kept > 2 && lines.get(kept).is_some_and(|line| !starts(line)) {
                kept -= 1;
            }
            let (kept, rest) = lines.split_at(kept);
            let more = rest.iter().filter(|line| starts(line)).count();
            fit.what = format!(
                "{}\nand {more} more findings, which the log lists",
                kept.join("\n")
            );
        }
        fit
    }

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

    /// The same record, of `what` that the config asks for at `pointer`; what it said before is why.
    #[must_use]
    pub fn at(mut self, pointer: impl AsRef<str>, what: impl Into<String>) -> Self {
        self.why.insert(0, std::mem::replace(&mut self.what, what.into()));
        self.place = in_merged(pointer.as_ref());
        self
    }

    /// A record of a step that failed.
    #[must_use]
    pub fn of_step(stage: Stage, failed: &Failed) -> Self {
        // The mark in front of a step says in a plan what happens; here it happened not.
        let step = failed.step.trim_start_matches(|c: char| "+=>!~- ".contains(c));
        Self {
            code: failed.error.code().to_owned(),
            stage,
            what: step.to_owned(),
            place: in_merged(&failed.pointer),
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
            .map(|conflict| format!("{ALSO}{} ({})", conflict.message, conflict.pointer))
            .collect();
        if conflicts.len() > CONFLICTS_SHOWN {
            why.push(format!("and {} more", conflicts.len() - CONFLICTS_SHOWN));
        }
        why.push("nothing was changed".to_owned());
        Self {
            code: first.map_or("internal", |conflict| conflict.code).to_owned(),
            stage,
            what: first.map_or_else(String::new, |conflict| conflict.message.clone()),
            place: first.and_then(|conflict| in_merged(&conflict.pointer)),
            why,
            next: first.map_or_else(String::new, |conflict| conflict.next.clone()),
        }
    }
}

impl Failure {
    /// The record as a dry run tells it: nothing has failed yet.
    #[must_use]
    pub fn forecast(&self) -> String {
        let (stage, code) = (self.stage, &self.code);
        let mut text = format!("kindling: a first boot would fail in stage {stage} [{code}]");
        for line in self.clone().once().lines() {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        text
    }

    /// The record that a program of ours printed last, so that a stage which called it ends with the same cause; `None` where
    /// it printed none.
    #[must_use]
    pub fn printed(text: &str, stage: Stage) -> Option<Self> {
        let (_, record) = text.split_once(&heading(stage))?;
        let (code, record) = record.split_once("]\n")?;
        Self::of_lines(stage, code, record.lines())
    }

    /// The record whose lines below the heading are these; `None` where they are none of a record.
    pub(super) fn of_lines<'a>(
        stage: Stage,
        code: &str,
        lines: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        let mut parts: Vec<(&str, Vec<&str>)> = Vec::new();
        for line in lines {
            let (name, part) = line.strip_prefix("  ")?.split_at_checked(7)?;
            match (name.trim_end(), parts.last_mut()) {
                ("", Some((_, last))) => last.push(part),
                (name, _) => parts.push((name, vec![part])),
            }
        }
        let mut part = |name: &str| {
            let at = parts.iter().position(|(known, _)| *known == name)?;
            Some(parts.swap_remove(at).1)
        };
        let joined = |lines: Vec<&str>| lines.join("\n");
        Some(Self {
            code: code.to_owned(),
            stage,
            what: part("what:").map(joined)?,
            place: part("where:").map(joined),
            why: part("why:")
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            next: part("next:").map(joined)?,
        })
    }

    /// What stands below the heading, each line with its name or the room for it.
    fn lines(&self) -> Vec<String> {
        let parts = [
            ("what:", Some(self.what.as_str())),
            ("where:", self.place.as_deref()),
        ];
        let parts = parts.into_iter().filter_map(|(name, text)| Some((name, text?)));
        let why = self.why.iter().enumerate();
        let why = why.map(|(index, why)| (if index == 0 { "why:" } else { "" }, why.as_str()));
        let mut lines = Vec::new();
        for (name, text) in parts.chain(why).chain([("next:", self.next.as_str())]) {
            let names = std::iter::once(name).chain(std::iter::repeat(""));
            let parts = names.zip(text.trim_end().lines());
            lines.extend(parts.map(|(name, part)| format!("{name:<6} {part}")));
        }
        lines
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}]", heading(self.stage), self.code)?;
        self.lines().iter().try_for_each(|line| write!(out, "\n  {line}"))
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
    fn what_was_printed_is_the_same_record() {
        for (place, why) in [(Some("merged config, /x"), vec!["one", "two"]), (None, vec![])] {
            let failure = Failure {
                code: "boot-unwritable".into(),
                stage: Stage::Kargs,
                what: "cannot\n  do: it".into(),
                place: place.map(str::to_owned),
                why: why.into_iter().map(str::to_owned).collect(),
                next: "look".into(),
            };
            let text = format!("warning\n{failure}\n");
            assert_eq!(Failure::printed(&text, Stage::Kargs), Some(failure));
            assert_eq!(Failure::printed(&text, Stage::Disks), None);
        }
        assert_eq!(Failure::printed("zipl is not here", Stage::Kargs), None);
    }

    #[test]
    fn of_many_findings_those_are_shown_that_fit() {
        let block =
            |n: usize| format!("error[path-relative]: no {n}\n  c:1:1\n  1 | x\n    | ^\n  help: slash\n");
        let of = |blocks: usize| Failure {
            code: "config-invalid".into(),
            stage: Stage::Fetch,
            what: format!("c is not valid\n{}", (0..blocks).map(block).collect::<String>()),
            place: None,
            why: vec![],
            next: "slash".into(),
        };
        assert_eq!(
            of(1).fit().what,
            "c is not valid\nerror[path-relative]: no 0\n  c:1:1\n  1 | x\n    | ^"
        );
        assert_eq!(of(1).forecast().matches("slash").count(), 1);
        assert!(of(1).forecast().ends_with("  next:  slash"));
        let many = of(40).fit();
        assert!(
            many.what
                .ends_with("    | ^\nand 38 more findings, which the log lists")
        );
        assert!(many.to_string().lines().count() <= LINES_SHOWN);
        assert_eq!(many.clone().fit(), many);
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
