//! What a scalar of YAML without quotes is. The place that it stands at decides: a text is what is written, a number may be
//! written in many ways.

use std::borrow::Cow;

use crate::frontend::tree::Value;

/// Whether `plain` is nothing at all.
pub(super) fn is_null(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}

/// A flag, in the words of YAML 1.1 too.
pub(super) fn boolean(plain: &str) -> Option<bool> {
    match plain {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Some(false),
        _ => None,
    }
}

/// A whole number: decimal, octal with `0` or `0o`, `0x`, `0b`, with underscores anywhere behind the first digit; what is
/// behind a point is cut off.
pub(super) fn integer(plain: &str) -> Option<i64> {
    let text = without_underscores(plain)?;
    let (is_negative, digits) = signed(&text);
    let size = whole(digits).or_else(|| Decimal::read(digits)?.whole())?;
    sign(is_negative, size)
}

/// A scalar at a place whose members somebody else names: null, flag or number if it is one, else text.
pub(super) fn resolved(plain: Cow<'_, str>) -> Value<'_> {
    if is_null(&plain) {
        return Value::Null;
    }
    match &*plain {
        "true" | "True" | "TRUE" => Value::Boolean(true),
        "false" | "False" | "FALSE" => Value::Boolean(false),
        _ => match number(&plain) {
            Some(number) => Value::Number(number.into()),
            None => Value::Text(plain),
        },
    }
}

/// A number as JSON writes it.
fn number(plain: &str) -> Option<String> {
    let text = without_underscores(plain)?;
    let (is_negative, digits) = signed(&text);
    let size = match whole(digits) {
        Some(size) => size.to_string(),
        None => Decimal::read(digits)?.json(),
    };
    let sign = if is_negative && size != "0" { "-" } else { "" };
    Some(format!("{sign}{size}"))
}

/// `None` for what starts like no number.
fn without_underscores(plain: &str) -> Option<Cow<'_, str>> {
    if !plain.starts_with(|letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | '.')) {
        return None;
    }
    Some(if plain.contains('_') {
        plain.replace('_', "").into()
    } else {
        plain.into()
    })
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn sign(is_negative: bool, size: u64) -> Option<i64> {
    if is_negative {
        0_i64.checked_sub_unsigned(size)
    } else {
        i64::try_from(size).ok()
    }
}

fn whole(digits: &str) -> Option<u64> {
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.strip_prefix('0') {
        Some(rest) if !rest.is_empty() => match (rest.strip_prefix('x'), rest.strip_prefix('b')) {
            (Some(hex), _) => (16, hex),
            (_, Some(binary)) => (2, binary),
            _ => (8, rest.strip_prefix('o').unwrap_or(rest)),
        },
        _ => (10, &*lower),
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number.then(|| u64::from_str_radix(digits, radix).ok())?
}

/// A number with a point or an exponent, or one whose leading zero makes no octal.
struct Decimal<'a> {
    before: &'a str,
    behind: &'a str,
    /// By how many places the point moves to the right.
    exponent: i64,
}

impl<'a> Decimal<'a> {
    fn read(digits: &'a str) -> Option<Self> {
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse().ok()?),
            None => (digits, 0),
        };
        let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = [before, behind]
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        let is_some = !(before.is_empty() && behind.is_empty());
        (is_number && is_some).then_some(Self {
            before,
            behind,
            exponent,
        })
    }

    /// What stands before the point.
    fn whole(&self) -> Option<u64> {
        let point = i64::try_from(self.before.len())
            .ok()?
            .checked_add(self.exponent)?;
        // Of nothing, zeros behind the digits make nothing; of anything else, so many are too many.
        let point = usize::try_from(point.clamp(0, i64::from(u16::MAX))).ok()?;
        let digits = self.before.bytes().chain(self.behind.bytes());
        let mut size = 0_u64;
        for digit in digits.chain(std::iter::repeat(b'0')).take(point) {
            size = size
                .checked_mul(10)?
                .checked_add(u64::from(digit.checked_sub(b'0')?))?;
        }
        Some(size)
    }

    fn json(&self) -> String {
        let before = self.before.trim_start_matches('0');
        let mut text = if before.is_empty() { "0" } else { before }.to_owned();
        if !self.behind.is_empty() {
            text.extend([".", self.behind]);
        }
        if self.exponent != 0 {
            text.push_str(&format!("e{}", self.exponent));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_many_spellings() {
        for (plain, number) in [
            ("420", Some(420)),
            ("0644", Some(420)),
            ("0o644", Some(420)),
            ("0x1a4", Some(420)),
            ("0X1A4", Some(420)),
            ("0b110", Some(6)),
            ("1_000", Some(1000)),
            ("420.5", Some(420)),
            ("1e2", Some(100)),
            ("1.25e1", Some(12)),
            ("125e-1", Some(12)),
            (".5", Some(0)),
            ("5.", Some(5)),
            ("08", Some(8)),
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("+1", Some(1)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e99", None),
            ("0e999999999999", Some(0)),
            ("0x", None),
            ("--1", None),
            ("+-1", None),
            ("1.2.3", None),
            (".", None),
            (".inf", None),
            ("1e", None),
            ("_1", None),
            ("x", None),
            ("true", None),
            ("0o9", None),
        ] {
            assert_eq!(integer(plain), number, "{plain}");
        }
    }

    #[test]
    fn flags_have_words() {
        for (plain, flag) in [
            ("true", Some(true)),
            ("Yes", Some(true)),
            ("ON", Some(true)),
            ("y", Some(true)),
            ("no", Some(false)),
            ("Off", Some(false)),
            ("FALSE", Some(false)),
            ("tRue", None),
            ("1", None),
            ("", None),
        ] {
            assert_eq!(boolean(plain), flag, "{plain}");
        }
    }

    #[test]
    fn what_others_name_is_resolved_as_json() {
        let text = |text: &'static str| Value::Text(text.into());
        let number = |text: &'static str| Value::Number(text.into());
        for (plain, value) in [
            ("~", Value::Null),
            ("", Value::Null),
            ("True", Value::Boolean(true)),
            ("yes", text("yes")),
            ("10", number("10")),
            ("0x10", number("16")),
            ("-007.50", number("-7.50")),
            (".5", number("0.5")),
            ("5.", number("5")),
            ("1e3", number("1e3")),
            ("1.2.3", text("1.2.3")),
            ("10m", text("10m")),
            ("2020-01-01", text("2020-01-01")),
            (".nan", text(".nan")),
            ("-0", number("0")),
            ("9223372036854775807", number("9223372036854775807")),
            ("9223372036854775808", number("9223372036854775808")),
            ("0xffff_ffff_ffff_ffff", number("18446744073709551615")),
            ("-9223372036854775809", number("-9223372036854775809")),
            ("18446744073709551616", number("18446744073709551616")),
        ] {
            assert_eq!(resolved(plain.into()), value, "{plain}");
        }
        assert_eq!(resolved("5e-3".into()), number("5e-3"));
    }
}
