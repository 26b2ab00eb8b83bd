//! The reference lists findings in the order in which it walks a config; so do we.

use crate::diagnostic::{Diagnostic, Pointer};
use crate::order;

/// Sorts by place: objects before their members, members by name, elements by index. Findings at one place keep
/// their order.
pub(crate) fn sorted(findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let placed = findings.into_iter().map(|finding| (place(&finding.at), finding));
    let mut placed: Vec<_> = placed.collect();
    order::by(&mut placed, |(one, _), (other, _)| one.cmp(other));
    placed.into_iter().map(|(_, finding)| finding).collect()
}

/// One step of a place, comparable: rank, index, name.
type Step = (u8, usize, String);

fn place(at: &Pointer) -> Vec<Step> {
    let mut of_node = false;
    at.steps()
        .enumerate()
        .map(|(depth, step)| {
            if depth == 1 {
                of_node = matches!(step.as_ref(), "directories" | "files" | "links");
            }
            match step.parse() {
                Ok(index) => (0, index, String::new()),
                // Path, owners and `overwrite` belong to all kinds of nodes and come before what only one kind has.
                Err(_) => {
                    let common = matches!(step.as_ref(), "group" | "overwrite" | "path" | "user");
                    (u8::from(of_node && depth == 3 && !common), 0, step.into_owned())
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{RuleId, Severity};

    #[test]
    fn findings_come_in_the_order_of_the_walk() {
        let file = |index| Pointer::root().key("storage").key("files").index(index);
        let expected = [
            file(2),
            file(2).key("path"),
            file(2).key("user"),
            file(2).key("append").index(0),
            file(2).key("contents"),
            file(10).key("mode"),
            Pointer::root().key("storage").key("links").index(0),
        ];
        let mut findings: Vec<_> = expected
            .iter()
            .map(|at| Diagnostic {
                severity: Severity::Error,
                rule: RuleId("x"),
                at: at.clone(),
                span: None,
                message: String::new(),
                help: None,
            })
            .collect();
        findings.reverse();
        let order: Vec<_> = sorted(findings).into_iter().map(|finding| finding.at).collect();
        assert_eq!(order, expected);
    }
}
