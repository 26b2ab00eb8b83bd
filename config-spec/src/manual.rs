//! The page docs/config-spec.md, made from the table of fields. Only a test reads this module, so nothing of it is in
//! the binary.

mod words;

use std::fmt::Write as _;

use crate::fields::{Field, Joining, Limit, ROOT, Shape, Table};
use crate::order::OrderedMap;
use crate::types::kindling::VERSION;
use crate::version::Version;

/// A section of the document with what introduces it and a document that shows it.
struct Section {
    name: &'static str,
    prose: &'static str,
    example: &'static str,
}

const SECTIONS: [Section; 6] = [
    Section {
        name: "ignition",
        prose: words::IGNITION,
        example: include_str!("../../fixtures/configs/manual/ignition.json"),
    },
    Section {
        name: "storage",
        prose: words::STORAGE,
        example: include_str!("../../fixtures/configs/manual/storage.json"),
    },
    Section {
        name: "systemd",
        prose: words::SYSTEMD,
        example: include_str!("../../fixtures/configs/manual/systemd.json"),
    },
    Section {
        name: "passwd",
        prose: words::PASSWD,
        example: include_str!("../../fixtures/configs/manual/passwd.json"),
    },
    Section {
        name: "kernelArguments",
        prose: words::KERNEL_ARGUMENTS,
        example: include_str!("../../fixtures/configs/manual/kernelArguments.json"),
    },
    Section {
        name: "kindling",
        prose: words::EXTENSION,
        example: include_str!("../../fixtures/configs/manual/kindling.json"),
    },
];

/// Objects that stand in several places, each described once behind the sections.
const SHARED: [&str; 6] = [
    "reference",
    "contents",
    "resource",
    "verification",
    "httpHeader",
    "owner",
];

/// The whole page.
fn page() -> String {
    let mut page = format!("{}\n{}", words::HEAD, versions());
    page.push_str(words::MERGING);
    for section in &SECTIONS {
        let field = ROOT.fields.iter().find(|field| field.name == section.name);
        let field = field.expect("a section is a member of the document");
        let _ = writeln!(page, "\n## `{}`\n", field.name);
        let _ = writeln!(page, "{}\n\n{}", field.about, section.prose);
        objects(&mut page, field.name, below(&field.shape), is_extension(field));
        example(&mut page, section.example);
    }
    page.push_str("\n## Shared objects\n");
    let shared = shared();
    for name in SHARED {
        let about = words::of_shared(name);
        let _ = writeln!(page, "\n### Object `{name}`\n\n{about}\n");
        members(&mut page, name, shared.get(name).copied(), name == "resource");
    }
    page
}

/// A document in the two forms in which it can be written, side by side.
fn example(page: &mut String, json: &str) {
    let yaml = crate::butane::butane_of(json).expect("an example is valid");
    let cell = |language: &str, text: &str| format!("<td>\n\n```{language}\n{text}```\n\n</td>");
    let _ = writeln!(
        page,
        "\nExample:\n\n<table>\n<tr><th>Ignition</th><th>Butane</th></tr>\n<tr>\n{}\n{}\n</tr>\n</table>",
        cell("json", json),
        cell("yaml", &yaml),
    );
}

fn is_extension(field: &Field) -> bool {
    matches!(field.shape, Shape::Strict(_))
}

fn below(shape: &'static Shape) -> Option<&'static Table> {
    match shape {
        Shape::Object(table) | Shape::Objects(table) | Shape::Strict(table) => Some(table),
        Shape::Map(_, member) => below(member),
        _ => None,
    }
}

/// The extension's own `verification` has the members of the other one.
fn called(table: &Table) -> &'static str {
    match table.name {
        "resourceVerification" => "verification",
        name => name,
    }
}

/// The tables of [`SHARED`], by name.
fn shared() -> OrderedMap<&'static str, &'static Table> {
    let tables = crate::fields::tests::tables();
    SHARED
        .into_iter()
        .map(|name| (name, *tables.get(name).expect("a table of that name")))
        .collect()
}

/// Tables of an object's members, then of the objects below it that stand nowhere else.
fn objects(page: &mut String, path: &str, table: Option<&'static Table>, in_extension: bool) {
    let Some(table) = table else { return };
    members(page, path, Some(table), in_extension);
    for field in table.fields {
        let Some(inner) = below(&field.shape).filter(|table| !SHARED.contains(&called(table))) else {
            continue;
        };
        let path = format!("{path}.{}{}", field.name, entry(&field.shape));
        let _ = writeln!(page, "\n### `{path}`\n");
        objects(page, &path, Some(inner), in_extension);
    }
}

/// What a path shows behind the name of a list or a map.
fn entry(shape: &Shape) -> &'static str {
    match shape {
        Shape::Objects(_) => "[]",
        Shape::Map(..) => ".*",
        _ => "",
    }
}

fn members(page: &mut String, path: &str, table: Option<&Table>, in_extension: bool) {
    let table = table.expect("every path leads to a table");
    let since = if in_extension { "" } else { " Since |" };
    let line = if in_extension { "" } else { "---|" };
    let _ = writeln!(
        page,
        "| Member | Type |{since} Absent | Meaning |\n|---|---|{line}---|---|"
    );
    for field in table.fields {
        let since = if in_extension {
            String::new()
        } else {
            format!(" {} |", field.first)
        };
        let _ = writeln!(
            page,
            "| `{}` | {} |{since} {} | {}{} |",
            field.name,
            kind(path, field),
            absence(field),
            field.about,
            joining(field.joining)
        );
    }
}

fn kind(path: &str, field: &Field) -> String {
    let limit = limit(&field.limit);
    match &field.shape {
        Shape::Text => limit.unwrap_or_else(|| "text".to_owned()),
        Shape::Integer => limit.unwrap_or_else(|| "integer".to_owned()),
        Shape::Boolean => "boolean".to_owned(),
        Shape::Texts => match limit {
            Some(limit) => format!("list of texts, each {limit}"),
            None => "list of texts".to_owned(),
        },
        Shape::Object(table) | Shape::Strict(table) => format!("object {}", link(path, field, table)),
        Shape::Objects(table) => format!("list of objects {}", link(path, field, table)),
        Shape::Map(names, member) => {
            let what = match below(member) {
                Some(table) => format!("objects {}", link(path, field, table)),
                None => format!("texts, each {}", limit.unwrap_or_default()),
            };
            format!("object by name ({}) of {what}", names.wanted)
        }
        Shape::Free => "any JSON object".to_owned(),
    }
}

fn link(path: &str, field: &Field, table: &Table) -> String {
    let name = called(table);
    if SHARED.contains(&name) {
        format!("[`{name}`](#object-{})", name.to_lowercase())
    } else {
        format!("`{path}.{}{}`", field.name, entry(&field.shape))
    }
}

fn limit(limit: &Limit) -> Option<String> {
    let quoted = |word: &str| match word {
        "" => "empty".to_owned(),
        word => format!("`{word}`"),
    };
    match limit {
        Limit::Words(words) => {
            let words = words.iter().map(|(first, word)| match first {
                Version::V3_0_0 => quoted(word),
                first => format!("{} ({first})", quoted(word)),
            });
            Some(words.collect::<Vec<_>>().join(", "))
        }
        Limit::WordsBefore(version, words) => {
            let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
            Some(format!(
                "before {version}: {}; since then any text",
                words.join(", ")
            ))
        }
        Limit::Range(low, high) => Some(format!("integer from {low} to {high}")),
        Limit::MaxBytes(most) => Some(format!("text of at most {most} bytes")),
        Limit::Filled => Some("text, not empty".to_owned()),
        Limit::Pattern(pattern) => Some(pattern.wanted.to_owned()),
        Limit::Version => Some("a spec version".to_owned()),
        Limit::ExtensionVersion => Some(format!("`{VERSION}`")),
        Limit::Nothing => None,
    }
}

fn absence(field: &Field) -> String {
    use crate::fields::Need;
    match (field.need, field.default) {
        (Need::Required, _) => "**required**".to_owned(),
        (Need::RequiredSince(version), _) => format!("**required** since {version}"),
        (Need::Optional, Some(default)) => format!("`{}`", default.trim_matches('"')),
        (Need::Optional, None) => "–".to_owned(),
    }
}

fn joining(joining: Joining) -> String {
    match joining {
        Joining::NoList => String::new(),
        Joining::By(key) if key.contains(' ') => format!(" *Key: {key}.*"),
        Joining::By(key) => format!(" *Key: `{key}`.*"),
        Joining::ByAcross(key, others) => format!(" *Key: `{key}`, shared with {others}.*"),
        Joining::ByText => " *Key: the text.*".to_owned(),
        Joining::ByTextAcross(other) => format!(" *Key: the text, shared with `{other}`.*"),
        Joining::Append => " *Appended.*".to_owned(),
    }
}

/// What each version brought.
fn versions() -> String {
    let mut rows: OrderedMap<Version, Vec<String>> = OrderedMap::new();
    news(&ROOT, "", Version::V3_0_0, &mut rows);
    let mut text = String::from(words::VERSIONS);
    for version in Version::ALL {
        let members = rows.remove(&version).unwrap_or_default();
        let members = match version {
            Version::V3_0_0 => "everything not named below".to_owned(),
            _ if members.is_empty() => "–".to_owned(),
            _ => members.join(", "),
        };
        let _ = writeln!(text, "| {version} | {members} | {} |", words::of_version(version));
    }
    text
}

/// Collects the members and words below `table` that are newer than the object they are in.
fn news(table: &'static Table, path: &str, age: Version, rows: &mut OrderedMap<Version, Vec<String>>) {
    for field in table.fields {
        let at = format!("{path}{}{}", field.name, entry(&field.shape));
        if field.first > age {
            rows.entry(field.first).or_default().push(format!("`{at}`"));
        }
        let age = age.max(field.first);
        if let Limit::Words(words) = field.limit {
            for (first, word) in words.iter().filter(|(first, _)| *first > age) {
                let row = rows.entry(*first).or_default();
                row.push(format!("`{word}` as `{at}`"));
            }
        }
        if let Some(inner) = below(&field.shape) {
            news(inner, &format!("{at}."), age, rows);
        }
    }
}

mod tests;
