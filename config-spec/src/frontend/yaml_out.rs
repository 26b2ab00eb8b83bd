//! Trees as YAML: two spaces to a level, lists below their names, nothing folded; texts of several lines as they stand where
//! that can be, and in quotes what would be read as something else. The form is that of the reference's tools.

use std::cmp::Ordering;
use std::iter::repeat_n;

use super::tree::{Node, Value};
use crate::order;

/// What stands one level deeper starts so many columns further.
const STEP: usize = 2;

/// Names longer than this are marked as such, since a reader looks no further ahead for the colon.
const LONG_NAME: usize = 128;

/// `node` as YAML, with a line end.
pub(super) fn write(node: &Node<'_>) -> String {
    let mut text = String::new();
    block(node, 0, &mut text);
    text.push('\n');
    text
}

/// Sorts members by their names, all the way down; numbers in names count by their value.
pub(super) fn sort(node: &mut Node<'_>) {
    match &mut node.value {
        Value::Object(members) => {
            order::by(members, |one, other| by_runs(&one.name, &other.name));
            members.iter_mut().for_each(|member| sort(&mut member.node));
        }
        Value::List(elements) => elements.iter_mut().for_each(sort),
        _ => {}
    }
}

/// Compares names run by run: digits by the number they are, all else letter by letter, letters behind what is none.
fn by_runs(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one, other);
    loop {
        let digits = (number(one), number(other));
        if let (Some((this, rest)), Some((that, others))) = digits {
            let value = |digits: &str| digits.trim_start_matches('0').len();
            let by_value = value(this).cmp(&value(that));
            let order = by_value
                .then_with(|| this.trim_start_matches('0').cmp(that.trim_start_matches('0')))
                .then_with(|| this.len().cmp(&that.len()));
            if order != Ordering::Equal {
                return order;
            }
            (one, other) = (rest, others);
            continue;
        }
        let (mut these, mut those) = (one.chars(), other.chars());
        match (these.next(), those.next()) {
            (Some(this), Some(that)) if this == that => (one, other) = (these.as_str(), those.as_str()),
            (Some(this), Some(that)) => {
                let rank = |letter: char| (letter.is_alphabetic(), letter.is_ascii_digit(), letter);
                return rank(this).cmp(&rank(that));
            }
            (this, that) => return this.cmp(&that),
        }
    }
}

/// The digits that `text` starts with, and the rest.
fn number(text: &str) -> Option<(&str, &str)> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at_checked(end)
        .filter(|(digits, _)| !digits.is_empty())
}

fn line(column: usize, out: &mut String) {
    out.push('\n');
    out.extend(repeat_n(' ', column));
}

/// Writes a value that starts here, and whose further lines start in `column`.
fn block(node: &Node<'_>, column: usize, out: &mut String) {
    match &node.value {
        Value::Object(members) if !members.is_empty() => {
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    line(column, out);
                }
                if member.name.len() > LONG_NAME {
                    out.push_str("? ");
                    text(&member.name, None, out);
                    line(column, out);
                    out.push_str(": ");
                    block(&member.node, column + STEP, out);
                    continue;
                }
                text(&member.name, None, out);
                out.push(':');
                if is_block(&member.node) {
                    line(column + STEP, out);
                } else {
                    out.push(' ');
                }
                block(&member.node, column + STEP, out);
            }
        }
        Value::List(elements) if !elements.is_empty() => {
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    line(column, out);
                }
                out.push_str("- ");
                block(element, column + STEP, out);
            }
        }
        Value::Object(_) => out.push_str("{}"),
        Value::List(_) => out.push_str("[]"),
        Value::Null => out.push_str("null"),
        Value::Boolean(true) => out.push_str("true"),
        Value::Boolean(false) => out.push_str("false"),
        Value::Number(scalar) | Value::Plain(scalar) => out.push_str(scalar),
        Value::Text(words) => text(words, Some(column), out),
        Value::Bytes(bytes) => text(&String::from_utf8_lossy(bytes), Some(column), out),
    }
}

/// Whether a value has lines of its own.
fn is_block(node: &Node<'_>) -> bool {
    match &node.value {
        Value::Object(members) => !members.is_empty(),
        Value::List(elements) => !elements.is_empty(),
        _ => false,
    }
}

/// Writes a text; one of several lines as it stands, with its lines in `column`, unless it is a name.
fn text(text: &str, column: Option<usize>, out: &mut String) {
    let form = Form::of(text);
    if text.contains('\n') {
        match column.filter(|_| form.fits_literal) {
            Some(column) => literal(text, column, out),
            None => double(text, out),
        }
    } else if reads_otherwise(text) {
        double(text, out);
    } else if form.fits_plain {
        out.push_str(text);
    } else if form.fits_single {
        out.push('\'');
        out.push_str(&text.replace('\'', "''"));
        out.push('\'');
    } else {
        double(text, out);
    }
}

/// How a text can be written.
struct Form {
    fits_plain: bool,
    fits_single: bool,
    fits_literal: bool,
}

impl Form {
    fn of(text: &str) -> Self {
        let is_odd = text.chars().any(is_odd);
        let has_tab = text.contains('\t');
        let is_padded = text.starts_with(' ') || text.ends_with(' ');
        let fits_single = !is_odd && !has_tab;
        Self {
            fits_plain: fits_single && !is_padded && !has_mark(text),
            fits_single,
            fits_literal: !is_odd && !text.ends_with(' ') && !text.contains(" \n"),
        }
    }
}

/// Whether a letter is written by its number.
fn is_odd(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}'.. => true,
        letter => letter.is_control(),
    }
}

/// Whether something in the text means something to YAML.
fn has_mark(text: &str) -> bool {
    let blank = |rest: &str| rest.is_empty() || rest.starts_with([' ', '\n']);
    let start = text.starts_with(|letter| "#,[]{}&*!|>'\"%@`".contains(letter))
        || text.starts_with("---")
        || text.starts_with("...")
        || text.strip_prefix(['-', '?']).is_some_and(blank);
    let behind = |at: usize| text.get(at + 1..).is_some_and(blank);
    start || text.contains(" #") || text.match_indices(':').any(|(at, _)| behind(at))
}

/// Whether a text without quotes is read as something else than a text, by readers of either version of YAML.
fn reads_otherwise(text: &str) -> bool {
    const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let is_word = |word: &&str| {
        let rest = text.get(1..).unwrap_or_default();
        let is_one = |letter: char| letter.is_lowercase();
        text.eq_ignore_ascii_case(word) && (rest.chars().all(is_one) || !text.chars().any(is_one))
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    matches!(text, "" | "~" | "<<" | ".nan" | ".NaN" | ".NAN")
        || matches!(unsigned, ".inf" | ".Inf" | ".INF")
        || WORDS.iter().any(is_word)
        || unsigned.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
            && (is_number(&unsigned.replace('_', "")) || is_sexagesimal(unsigned) || is_date(text))
}

fn all(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(fits)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && all(text, |byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    let based = |marks: [char; 2], fits: fn(u8) -> bool| {
        let rest = text.strip_prefix('0').and_then(|rest| rest.strip_prefix(marks));
        rest.is_some_and(|rest| !rest.is_empty() && all(rest, fits))
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_decimal = match (whole, fraction) {
        ("", fraction) => digits(fraction),
        (whole, "") => digits(whole),
        (whole, fraction) => digits(whole) && digits(fraction),
    };
    is_decimal && digits(exponent)
        || based(['x', 'X'], |byte| byte.is_ascii_hexdigit())
        || based(['o', 'O'], |byte| matches!(byte, b'0'..=b'7'))
        || based(['b', 'B'], |byte| matches!(byte, b'0' | b'1'))
}

/// Numbers to the base of 60, such as `12:30`, which older readers take times for.
fn is_sexagesimal(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(':') else {
        return false;
    };
    let (rest, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let plain = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let is_part = |part: &str| digits(part) && part.parse::<u8>().is_ok_and(|part| part < 60);
    all(first, plain) && all(fraction, plain) && rest.split(':').all(is_part)
}

/// Dates, with or without a time.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day = rest.split(['T', 't', ' ']).next().unwrap_or_default();
    let is_short = |part: &str| part.len() <= 2 && digits(part);
    year.len() == 4 && digits(year) && is_short(month) && is_short(day)
}

/// Writes a text of several lines as it stands.
fn literal(text: &str, column: usize, out: &mut String) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        // How far it is indented cannot be seen from its first line.
        out.push('2');
    }
    match text.strip_suffix('\n') {
        None => out.push('-'),
        Some("") => out.push('+'),
        Some(rest) if rest.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    for words in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        line(if words.is_empty() { 0 } else { column }, out);
        out.push_str(words);
    }
}

fn double(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if !is_odd(letter) => out.push(letter),
            letter => number_of(letter, out),
        }
    }
    out.push('"');
}

/// Writes a letter by its number.
fn number_of(letter: char, out: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let number = u32::from(letter);
    let (mark, width) = match number {
        0..=0xff => ('x', 2),
        0x100..=0xffff => ('u', 4),
        _ => ('U', 8),
    };
    out.extend(['\\', mark]);
    for place in (0..width).rev() {
        let digit = (number >> (4 * place)) & 15;
        out.extend(usize::try_from(digit).ok().and_then(|digit| DIGITS.get(digit)));
    }
}

#[cfg(test)]
mod tests;
