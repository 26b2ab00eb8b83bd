//! Words for shapes.

use crate::fields::Shape;

/// What a shape asks for.
pub(crate) fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Text => "a string",
        Shape::Integer => "an integer",
        Shape::Boolean => "true or false",
        Shape::Texts => "a list of strings",
        Shape::Object(_) | Shape::Strict(_) | Shape::Map(..) | Shape::Free => "an object",
        Shape::Objects(_) => "a list of objects",
    }
}

/// What a value is, told by its first byte.
pub(crate) fn found(first: Option<u8>) -> &'static str {
    match first {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        _ => "a number",
    }
}

/// How to write `literal` so that it fits, where that is plain.
pub(crate) fn help(shape: &Shape, literal: &str) -> Option<&'static str> {
    let quoted = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match (shape, quoted) {
        (Shape::Integer, Some(digits))
            if digits.parse::<i64>().is_ok() && digits.starts_with('0') && digits.len() > 1 =>
        {
            Some("write a decimal number without quotes; octal has no form in JSON (0644 is 420)")
        }
        (Shape::Integer, Some(digits)) if digits.parse::<i64>().is_ok() => {
            Some("write the number without quotes")
        }
        (Shape::Boolean, Some("true" | "false")) => Some("write it without quotes"),
        (Shape::Text, None) if !literal.starts_with(['{', '[']) => Some("put the value in double quotes"),
        (Shape::Texts, Some(_)) => Some("put the string in square brackets"),
        (Shape::Objects(_), None) if literal.starts_with('{') => Some("put the object in square brackets"),
        _ => None,
    }
}
