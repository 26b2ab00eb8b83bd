//! What was found, for people and for programs.

use std::fmt::Write as _;

use kindling_config_spec::diagnostic::{self, Diagnostic, Lines, Severity};
use kindling_config_spec::lint::LintRule;
use serde::Serialize;

use super::Judged;

/// All configs as a person reads them: every finding with its line, then what was not looked at, then the count.
#[must_use]
pub fn text(judged: &[Judged<'_>]) -> String {
    let mut out = String::new();
    for config in judged {
        for document in &config.documents {
            out += &diagnostic::render(&document.name, &document.text, &document.findings);
        }
        if config.unlisted > 0 {
            let _ = writeln!(out, "and {} more findings, which are not listed", config.unlisted);
        }
        for address in &config.left_out {
            let _ = writeln!(out, "not fetched, so not judged: {address} (--fetch)");
        }
    }
    for (needs, rules) in skipped(judged) {
        let _ = writeln!(out, "not checked without {needs}: {}", rules.join(", "));
    }
    for config in judged {
        let Some(first) = config.documents.first() else {
            continue;
        };
        let count = |number: usize, name: &str| match number {
            1 => format!("1 {name}"),
            number => format!("{number} {name}s"),
        };
        let errors = count(config.errors, "error");
        let warnings = count(config.warnings, "warning");
        let notes = match config.notes {
            0 => String::new(),
            number => format!(", {}", count(number, "note")),
        };
        let _ = writeln!(out, "{}: {errors}, {warnings}{notes}", first.name);
    }
    out.truncate(out.trim_end().len());
    out
}

/// What the skipped rules need, and their names; each once for all configs.
fn skipped(judged: &[Judged<'_>]) -> Vec<(String, Vec<&'static str>)> {
    let mut needs: Vec<(String, Vec<&'static str>)> = Vec::new();
    let Some(config) = judged.iter().find(|config| !config.skipped.is_empty()) else {
        return needs;
    };
    for LintRule { rule, needs: need } in &config.skipped {
        let need = need.to_string();
        match needs.iter_mut().find(|(known, _)| *known == need) {
            Some((_, rules)) => rules.push(rule.id.as_str()),
            None => needs.push((need, vec![rule.id.as_str()])),
        }
    }
    needs
}

/// All configs for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    configs: Vec<Config<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    name: &'a str,
    errors: usize,
    warnings: usize,
    notes: usize,
    findings: Vec<Finding<'a>>,
    /// How many more there are.
    unlisted: usize,
    not_fetched: &'a [String],
    not_checked: Vec<Skipped>,
}

#[derive(Serialize)]
struct Skipped {
    rule: &'static str,
    needs: String,
}

/// A finding with its position. Lines and columns count from 1, columns in bytes; the end is the byte behind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    severity: Severity,
    rule: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'static str>,
    document: &'a str,
    pointer: String,
    #[serde(flatten)]
    position: Option<Position>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Position {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// All configs as JSON.
#[must_use]
pub fn json(judged: &[Judged<'_>]) -> String {
    let report = Report {
        configs: judged.iter().map(of_config).collect(),
    };
    kindling_config_spec::json::pretty(&report)
}

fn of_config<'a>(config: &'a Judged<'_>) -> Config<'a> {
    let mut findings = Vec::new();
    for document in &config.documents {
        let lines = Lines::new(&document.text);
        let of = |finding| of_finding(&document.name, &lines, finding);
        findings.extend(document.findings.iter().map(of));
    }
    Config {
        name: config.documents.first().map_or("", |first| &first.name),
        errors: config.errors,
        warnings: config.warnings,
        notes: config.notes,
        findings,
        unlisted: config.unlisted,
        not_fetched: &config.left_out,
        not_checked: config
            .skipped
            .iter()
            .map(|lint| Skipped {
                rule: lint.rule.id.as_str(),
                needs: lint.needs.to_string(),
            })
            .collect(),
    }
}

fn of_finding<'a>(document: &'a str, lines: &Lines<'_>, finding: &'a Diagnostic) -> Finding<'a> {
    let position = finding.span.as_ref().map(|span| {
        let (start, end) = (lines.position(span.start), lines.position(span.end));
        Position {
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    });
    Finding {
        severity: finding.severity,
        rule: finding.rule.as_str(),
        reference: finding.rule.reference(),
        document,
        pointer: finding.at.to_string(),
        position,
        message: &finding.message,
        help: finding.help.as_deref(),
    }
}
