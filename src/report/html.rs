//! A boot as one page that needs nothing else: no script, no picture, no font. Every text in it is escaped.

use std::fmt::Write;

use super::Failure;
use super::boot::Boot;
use super::receipt;
use super::text::{heading, left_out};
use super::waterfall::{self, Row, Shown, clean, took};

const STYLE: &str = include_str!("page.css");

/// The page. With `all`, every row however short.
#[must_use]
pub fn page(boot: &Boot, all: bool) -> String {
    let title = escaped(&boot.title());
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>\n"
    );
    for (name, line) in boot.summary() {
        // Writing to a string does not fail.
        let _ = writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&line));
    }
    page.push_str("</dl>\n");
    failure(&mut page, "The failure", boot.failure.as_ref());
    failure(&mut page, "The boot before failed as well", boot.before.as_ref());
    if !boot.stages.is_empty() {
        let stages = waterfall::stages(&boot.stages);
        let _ = writeln!(page, "<h2>{}</h2>", waterfall::title(&boot.stages, &stages));
        table(&mut page, &stages);
    }
    for stage in &boot.stages {
        let shown = waterfall::of_stage(stage, all);
        let notes = left_out(stage, &shown);
        if shown.rows.is_empty() && notes.is_empty() {
            continue;
        }
        let _ = writeln!(page, "<h2>{}</h2>", escaped(&heading(stage)));
        table(&mut page, &shown);
        for note in notes {
            let _ = writeln!(page, "<p class=\"d\">{}</p>", escaped(&note));
        }
    }
    if !boot.nodes.is_empty() {
        let count = boot.nodes.len();
        let _ = writeln!(
            page,
            "<h2>paths</h2>\n<details><summary>{count} paths</summary>\n<ul class=\"w\">"
        );
        for node in &boot.nodes {
            let _ = writeln!(page, "<li>{}</li>", escaped(&receipt::line(node)));
        }
        page.push_str("</ul>\n</details>\n");
    }
    page.push_str("</body>\n</html>");
    page
}

fn failure(page: &mut String, title: &str, failure: Option<&Failure>) {
    let Some(failure) = failure else { return };
    let record = failure.to_string();
    let lines: Vec<String> = record.lines().map(escaped).collect();
    let _ = writeln!(page, "<h2>{title}</h2>\n<pre>{}</pre>", lines.join("\n"));
}

fn table(page: &mut String, shown: &Shown) {
    page.push_str(
        "<table>\n<thead><tr><th class=\"n\">began</th><th class=\"n\">took</th><th class=\"b\"></th>\
         <th>what</th></tr></thead>\n<tbody>\n",
    );
    for row in &shown.rows {
        let Row {
            what,
            began,
            milliseconds,
            failed,
            inner,
        } = row;
        let (class, said) = if *failed {
            (" class=\"f\"", "<b>FAILED</b> ")
        } else {
            ("", "")
        };
        let inner = if *inner { " i" } else { "" };
        let _ = writeln!(
            page,
            "<tr{class}><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"b\"><div>\
             <i style=\"left:min({}%,100% - 2px);width:{}%\"></i></div></td><td class=\"w{inner}\">{said}{}</td></tr>",
            took(*began),
            took(*milliseconds),
            percent(*began, shown.total),
            percent(*milliseconds, shown.total),
            escaped(what)
        );
    }
    page.push_str("</tbody>\n</table>\n");
}

/// Hundredths of the whole, with one decimal.
fn percent(part: u64, total: u64) -> String {
    let thousandths = u128::from(part) * 1000 / u128::from(total.max(1));
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

/// The text as it may stand in an element or an attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
