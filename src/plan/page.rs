//! For tests: the decision tables of docs/semantics.md, so that the page and the code cannot drift apart.

const PAGE: &str = include_str!("../../docs/semantics.md");

/// The rows of the first table behind `heading`, cell by cell, without its own heading.
pub(crate) fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(heading).expect("the page has the heading");
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let rows = lines.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    rows.map(cells).collect()
}
