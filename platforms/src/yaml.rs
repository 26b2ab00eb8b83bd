//! YAML as values of JSON, for documents of a few screens (YAML 1.2.2).
//!
//! One document; no alias is followed, so that a text cannot grow. A key that is given twice has its last value. `yes` and
//! `no`, `on` and `off` are words, and what stands in quotes is text.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

/// The longest text, in bytes.
const LIMIT: usize = 1 << 20;

/// How deep lists and mappings may stand in each other.
const DEPTH: usize = 64;

/// Why a text is not read. It is not quoted: it may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// More than anybody means by a document.
    #[error("it is longer than {LIMIT} bytes")]
    TooLong,
    /// It is not YAML.
    #[error("it is not YAML, in line {line}")]
    Syntax {
        /// Counted from 1.
        line: usize,
    },
    /// It is YAML that is not read here.
    #[error("{what} not supported, in line {line}")]
    Unsupported {
        /// What, with its verb: `aliases are`.
        what: &'static str,
        /// Counted from 1.
        line: usize,
    },
}

/// The value of a text; scalars are what they look like (YAML 1.2.2, 10.3.2). A number that JSON cannot hold stays text.
/// An empty text is null.
///
/// # Errors
/// See [`YamlError`].
pub fn parse(text: &str) -> Result<Value, YamlError> {
    build(text, core)
}

/// As [`parse`], where numbers stay text as it was written: the id `007` of a machine is not 7.
///
/// # Errors
/// See [`YamlError`].
pub fn parse_words(text: &str) -> Result<Value, YamlError> {
    build(text, word)
}

/// What a scalar without quotes is.
type Resolve = fn(&str) -> Value;

fn build(text: &str, resolve: Resolve) -> Result<Value, YamlError> {
    if text.len() > LIMIT {
        return Err(YamlError::TooLong);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree::default();
    let mut documents = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error: ScanError| YamlError::Syntax {
            line: error.marker().line(),
        })?;
        let refuse = |what| Err(unsupported(what, &span));
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return refuse("more than one document is");
                }
            }
            Event::Alias(_) => return refuse("aliases are"),
            Event::Scalar(scalar, style, _, tag) => {
                let suffix = core_tag(tag.as_deref(), &span)?;
                let is_plain = style == ScalarStyle::Plain && suffix != Some("str");
                let value = if is_plain {
                    resolve(&scalar)
                } else {
                    Value::String(scalar.into_owned())
                };
                tree.add(value, &span)?;
            }
            Event::SequenceStart(_, tag) => {
                core_tag(tag.as_deref(), &span)?;
                tree.open(Open::List(Vec::new()), &span)?;
            }
            Event::MappingStart(_, tag) => {
                core_tag(tag.as_deref(), &span)?;
                tree.open(Open::Mapping(Map::new(), None), &span)?;
            }
            Event::SequenceEnd | Event::MappingEnd => tree.close(&span)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    Ok(tree.whole.unwrap_or(Value::Null))
}

fn unsupported(what: &'static str, span: &Span) -> YamlError {
    YamlError::Unsupported {
        what,
        line: span.start.line(),
    }
}

/// The name of a tag of the core schema. Other tags give a meaning that we do not know.
fn core_tag<'a>(tag: Option<&'a saphyr_parser::Tag>, span: &Span) -> Result<Option<&'a str>, YamlError> {
    match tag {
        None => Ok(None),
        Some(tag)
            if tag.is_yaml_core_schema()
                && ["str", "int", "float", "bool", "null", "seq", "map"].contains(&tag.suffix.as_str()) =>
        {
            Ok(Some(&tag.suffix))
        }
        Some(_) => Err(unsupported("this tag is", span)),
    }
}

/// A list or mapping whose end has not come; a mapping with the key that waits for its value.
enum Open {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

/// The value as it grows.
#[derive(Default)]
struct Tree {
    open: Vec<Open>,
    whole: Option<Value>,
}

impl Tree {
    fn open(&mut self, open: Open, span: &Span) -> Result<(), YamlError> {
        if self.open.len() == DEPTH {
            return Err(unsupported("so deep a document is", span));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self, span: &Span) -> Result<(), YamlError> {
        let value = match self.open.pop() {
            Some(Open::List(list)) => Value::Array(list),
            Some(Open::Mapping(map, _)) => Value::Object(map),
            None => return Ok(()),
        };
        self.add(value, span)
    }

    fn add(&mut self, value: Value, span: &Span) -> Result<(), YamlError> {
        match self.open.last_mut() {
            None => self.whole = Some(value),
            Some(Open::List(list)) => list.push(value),
            Some(Open::Mapping(map, key)) => match key.take() {
                Some(key) => {
                    map.insert(key, value);
                }
                None => *key = Some(as_key(value).ok_or_else(|| unsupported("such a key is", span))?),
            },
        }
        Ok(())
    }
}

/// Keys of JSON are text.
fn as_key(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null => Some("null".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn word(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => Value::String(text.to_owned()),
    }
}

fn core(text: &str) -> Value {
    let value = word(text);
    if !value.is_string() {
        return value;
    }
    let number = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(octal), _) => unsigned(octal, 8),
        (_, Some(hex)) => unsigned(hex, 16),
        _ => decimal(text),
    };
    number.unwrap_or(value)
}

/// Digits alone: the standard library takes a sign as well.
fn unsigned(digits: &str, radix: u32) -> Option<Value> {
    let is_digits = digits.chars().all(|at| at.is_digit(radix));
    u64::from_str_radix(digits, radix)
        .ok()
        .filter(|_| is_digits)
        .map(Value::from)
}

fn decimal(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|at| at.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        return whole
            .parse::<u64>()
            .map(Value::from)
            .or_else(|_| whole.parse::<i64>().map(Value::from))
            .ok();
    }
    let is_float = digits.contains(|at: char| at.is_ascii_digit())
        && digits.starts_with(|at: char| at.is_ascii_digit() || at == '.')
        && digits
            .bytes()
            .all(|at| at.is_ascii_digit() || b".eE+-".contains(&at));
    let number = text.parse::<f64>().ok().filter(|_| is_float)?;
    serde_json::Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_become_values() {
        let text = "# of a cloud\n---\nversion: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets:\n  - {type: dhcp, ipv4: \
                    true}\n  - address: 2001:db8:1::1/64\n    dns: [2001:db8::53, '1.1.1.1']\ntext: |\n  two\n  lines\nfold: >-\n  \
                    one\n  line\nempty:\n\"quoted key\": \"a\\tb\"\n";
        assert_eq!(
            parse(text).unwrap(),
            json!({
                "version": 1,
                "config": [{"type": "physical", "name": "eth0", "subnets": [
                    {"type": "dhcp", "ipv4": true},
                    {"address": "2001:db8:1::1/64", "dns": ["2001:db8::53", "1.1.1.1"]},
                ]}],
                "text": "two\nlines\n",
                "fold": "one line",
                "empty": null,
                "quoted key": "a\tb",
            })
        );
        let json = r#"{"a": [1, "x\/y", null], "b": {"c": false}}"#;
        assert_eq!(
            parse(json).unwrap(),
            json!({"a": [1, "x/y", null], "b": {"c": false}})
        );
        assert_eq!(parse("").unwrap(), Value::Null);
        assert_eq!(
            parse("\u{feff}a: b\r\nc: d\r\n").unwrap(),
            json!({"a": "b", "c": "d"})
        );
    }

    #[test]
    fn scalars_are_what_they_look_like() {
        for (text, expected) in [
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("True", json!(true)),
            ("FALSE", json!(false)),
            ("yes", json!("yes")),
            ("No", json!("No")),
            ("on", json!("on")),
            ("OFF", json!("OFF")),
            ("y", json!("y")),
            ("12", json!(12)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("007", json!(7)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0x+1", json!("0x+1")),
            ("0b1", json!("0b1")),
            ("1_000", json!("1_000")),
            ("1.5", json!(1.5)),
            ("-.5e3", json!(-500.0)),
            ("1e3", json!(1000.0)),
            (".", json!(".")),
            (".inf", json!(".inf")),
            ("inf", json!("inf")),
            (".nan", json!(".nan")),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("12:30:45", json!("12:30:45")),
            ("2001-01-01", json!("2001-01-01")),
            ("'12'", json!("12")),
            ("\"true\"", json!("true")),
            ("''", json!("")),
            ("!!str 12", json!("12")),
            ("!!int 12", json!(12)),
        ] {
            assert_eq!(parse(&format!("a: {text}\n")).unwrap()["a"], expected, "{text}");
        }
    }

    #[test]
    fn numbers_stay_text_where_that_is_asked() {
        let words = parse_words("id: 007\nprefix: 24\nis: true\nnone: ~\nlist: [1.10]\n").unwrap();
        assert_eq!(
            words,
            json!({"id": "007", "prefix": "24", "is": true, "none": null, "list": ["1.10"]})
        );
    }

    #[test]
    fn the_last_of_two_values_counts() {
        assert_eq!(parse("a: 1\na: 2\n").unwrap(), json!({"a": 2}));
        assert_eq!(
            parse("1: a\n~: b\ntrue: c\n").unwrap(),
            json!({"1": "a", "null": "b", "true": "c"})
        );
    }

    #[test]
    fn what_is_not_read_is_said_with_its_line() {
        for (text, why) in [
            ("a: &x 1\nb: *x\n", "aliases are not supported, in line 2"),
            (
                "a: 1\n---\nb: 2\n",
                "more than one document is not supported, in line 2",
            ),
            ("a: !planted 1\n", "this tag is not supported, in line 1"),
            ("a: !!binary aGk=\n", "this tag is not supported, in line 1"),
            ("[a]: 1\n", "such a key is not supported, in line 1"),
            ("a: [1\n", "it is not YAML, in line 2"),
            ("a: 'planted\n", "it is not YAML, in line 1"),
            ("a: b: c\n", "it is not YAML, in line 1"),
            ("a: @\n", "it is not YAML, in line 1"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), why, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEPTH)).is_ok());
        let why = parse(&nested(DEPTH + 1)).unwrap_err().to_string();
        assert_eq!(why, "so deep a document is not supported, in line 1");
        assert_eq!(parse(&" ".repeat(LIMIT + 1)), Err(YamlError::TooLong));
        let billion = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n";
        assert!(matches!(parse(billion), Err(YamlError::Unsupported { .. })));
    }

    /// Whatever comes, there is a value or a failure.
    #[test]
    fn every_cut_and_every_changed_byte_has_an_end() {
        let text = "version: 2\nlist:\n- {a: [1, 'b'], c: \"d\\u0041\"}\n- |\n  e\n- !!str 1\n- ? f\n  : g\n&h i: >-\n  j # k\n";
        for cut in 0..text.len() {
            let _ = parse(&text[..cut]);
            for byte in b"\0\n\t :-[]{},'\"|>&*!%#?@`a" {
                let mut changed = text.as_bytes().to_vec();
                changed[cut] = *byte;
                let _ = parse(&String::from_utf8(changed).unwrap());
            }
        }
    }

    /// No text of a megabyte keeps a machine from booting.
    #[test]
    fn hostile_texts_end_soon() {
        let half = LIMIT / 2;
        for text in [
            "[".repeat(LIMIT),
            "{".repeat(LIMIT),
            "{a: ".repeat(LIMIT / 4),
            "- ".repeat(half),
            "? ".repeat(half),
            "a:\n ".repeat(LIMIT / 4),
            "\n".repeat(LIMIT),
            "#\n".repeat(half),
            "'".repeat(LIMIT),
            "\"\\".repeat(half),
            "&a ".repeat(LIMIT / 3),
            "!a ".repeat(LIMIT / 3),
            format!("[{}]", "a,".repeat(half - 1)),
            format!("a: {}", "b ".repeat(half - 2)),
            format!("a: |\n{}", " \n".repeat(half - 3)),
            "%TAG ! x\n".repeat(LIMIT / 9),
            "a: 1\n".repeat(LIMIT / 5),
            "\0".repeat(LIMIT),
        ] {
            let _ = parse(&text);
        }
    }
}
