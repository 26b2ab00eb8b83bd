//! YAML that is JSON: what programs write. The YAML parser knows no pairs of surrogates, and JSON writes every character
//! beyond the first 65536 so where it is to be ASCII.

use super::failure::Failure;
use super::{Read, copies};
use crate::document;
use crate::document::scan::lone_surrogates;
use crate::frontend::json;
use crate::frontend::tree::{Node, Places, Value};

/// The tree of `text` and its places, the same as of any YAML, if it is an object of JSON with a pair of surrogates.
pub(super) fn read(text: &str) -> Option<Read<(Node<'_>, Places<'_>)>> {
    // A byte-order mark is none of JSON's, and YAML may have one.
    let from = super::start(text);
    let json = text.get(from..).unwrap_or_default();
    let has_pair = || json.contains("\\ud") || json.contains("\\uD");
    let is_meant = json.trim_ascii_start().starts_with('{') && has_pair();
    // Half a pair is no character in YAML.
    let is_whole = || document::syntax(json).is_ok() && lone_surrogates(json).next().is_none();
    if !(is_meant && is_whole()) {
        return None;
    }
    // It is JSON: what is refused of it is how much there is.
    let read = json::read_from(text, from).map_err(|error| Failure::limit(error.at..error.at, error.problem));
    Some(read.and_then(|(mut document, places)| {
        plain(&mut document, text, &places)?;
        Ok((document, places))
    }))
}

/// Makes what has no quotes a plain scalar, and refuses keys that stand twice. As deep as the document, which has a bound.
fn plain(node: &mut Node<'_>, text: &str, places: &Places<'_>) -> Read<()> {
    match &mut node.value {
        Value::Object(members) => {
            if let Some((first, second)) = copies::repeated(members) {
                let (first, at) = (places.key(first.node.from), places.key(second.node.from));
                return Err(Failure::repeated(text, first.start, at, &second.name));
            }
            members
                .iter_mut()
                .try_for_each(|member| plain(&mut member.node, text, places))
        }
        Value::List(elements) => elements
            .iter_mut()
            .try_for_each(|element| plain(element, text, places)),
        Value::Text(_) | Value::Plain(_) | Value::Bytes(_) => Ok(()),
        scalar => {
            *scalar = Value::Plain(match std::mem::replace(scalar, Value::Null) {
                Value::Number(number) => number,
                Value::Boolean(true) => "true".into(),
                Value::Boolean(false) => "false".into(),
                _ => "null".into(),
            });
            Ok(())
        }
    }
}
