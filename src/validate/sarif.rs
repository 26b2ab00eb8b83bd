//! Findings in SARIF 2.1.0, the format in which code hosts and editors take them (OASIS standard of that name).

use kindling_config_spec::diagnostic::{Diagnostic, Lines, Severity};
use kindling_config_spec::{lint, rules};
use serde_json::{Value, json};

use super::{Document, Judged};

/// All configs as one run. Columns count code points.
#[must_use]
pub fn sarif(judged: &[Judged<'_>], version: &str) -> String {
    let results: Vec<Value> = judged
        .iter()
        .flat_map(|config| &config.documents)
        .flat_map(of_document)
        .collect();
    let known = rules::catalog::ALL
        .iter()
        .chain(lint::ALL.iter().map(|lint| &lint.rule));
    let rules: Vec<Value> = known
        .map(|rule| {
            json!({
                "id": rule.id.as_str(),
                "shortDescription": { "text": rule.summary },
                "defaultConfiguration": { "level": level(rule.severity) },
            })
        })
        .collect();
    let driver = json!({ "name": "kindling", "version": version, "rules": rules });
    let log = json!({
        "version": "2.1.0",
        "runs": [{ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results }],
    });
    kindling_config_spec::json::pretty(&log)
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn of_document(document: &Document<'_>) -> Vec<Value> {
    let lines = Lines::new(&document.text);
    let findings = document.findings.iter();
    findings
        .map(|finding| of_finding(document, &lines, finding))
        .collect()
}

fn of_finding(document: &Document<'_>, lines: &Lines<'_>, finding: &Diagnostic) -> Value {
    // An inline document is part of a file, whose lines are others.
    let (file, inline) = document
        .name
        .split_once('#')
        .map_or((document.name.as_str(), false), |(file, _)| (file, true));
    let mut physical = json!({ "artifactLocation": { "uri": uri(file) } });
    if let (false, Some(span)) = (inline, &finding.span) {
        let (line, column) = code_points(lines, span.start);
        let (end_line, end_column) = code_points(lines, span.end);
        physical["region"] =
            json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column });
    }
    let text = match &finding.help {
        Some(help) => format!("{}; {help}", finding.message),
        None => finding.message.clone(),
    };
    json!({
        "ruleId": finding.rule.as_str(),
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{
            "physicalLocation": physical,
            "logicalLocations": [{ "fullyQualifiedName": format!("{}{}", document.name, finding.at) }],
        }],
    })
}

/// Line and column of a byte, from 1, the column in code points.
fn code_points(lines: &Lines<'_>, at: usize) -> (usize, usize) {
    let position = lines.position(at);
    let start = (at + 1).saturating_sub(position.column);
    let before = lines.text().get(start..at).unwrap_or_default();
    (position.line, before.chars().count() + 1)
}

/// A path as a URI reference (RFC 3986): other bytes than unreserved ones and those that structure it are escaped.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                uri.push(char::from(byte));
            }
            other => uri += &format!("%{other:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_code_points() {
        let lines = Lines::new("a\nüö x\n");
        assert_eq!(code_points(&lines, 7), (2, 4));
        assert_eq!(code_points(&lines, 2), (2, 1));
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("a b/c%.ign"), "a%20b/c%25.ign");
    }
}
