//! Which URLs can be parsed, by the reference's lenient rules.
//!
//! A general URL crate follows the browsers' standard, which repairs what the reference refuses and refuses what it
//! takes (`ht_tp://x`, `http://h/a%4`, `http://1:2:3/`). Only the parts that rules look at are returned.

use std::borrow::Cow;

/// Why a URL cannot be parsed. The messages quote nothing of it, since URLs carry credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// A byte below 0x20, or 0x7f.
    #[error("it contains a control character")]
    ControlCharacter,
    /// A colon with nothing before it that could be a scheme.
    #[error("it does not start with a scheme such as https:")]
    Scheme,
    /// A character that hosts do not have, or a bracket without its partner.
    #[error("its host contains a character that hosts do not have")]
    Host,
    /// A port that is not a number.
    #[error("its port is not a number")]
    Port,
    /// A percent sign that is not followed by two hexadecimal digits, or that escapes an ASCII letter of a host.
    #[error("it contains a percent sign that starts no escape")]
    Escape,
    /// A character that user names and passwords must escape.
    #[error("its user name or password contains a character that must be escaped")]
    UserInfo,
}

/// The parts of a URL that rules look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// In lower case; empty when there is none.
    pub(crate) scheme: Cow<'a, str>,
    /// What follows the scheme when that is not a slash; without query and fragment.
    pub(crate) opaque: &'a str,
    /// Behind the first question mark, undecoded.
    pub(crate) query: &'a str,
}

/// Splits `text` into the parts that rules look at.
///
/// # Errors
/// [`UrlError`].
pub(crate) fn parse(text: &str) -> Result<Url<'_>, UrlError> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(UrlError::ControlCharacter);
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    escapes(fragment)?;
    let (scheme, rest) = scheme(text)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let scheme = if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(scheme.to_ascii_lowercase())
    } else {
        Cow::Borrowed(scheme)
    };
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(Url {
                scheme,
                opaque: rest,
                query,
            });
        }
        // Without a scheme a colon in the first segment of a path would look like one.
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err(UrlError::Scheme);
        }
    }
    let path = match rest.strip_prefix("//") {
        // Three slashes without a scheme are a path that starts with two.
        Some(after) if !(scheme.is_empty() && after.starts_with('/')) => {
            let end = after.find('/').unwrap_or(after.len());
            let (authority_text, path) = after.split_at(end);
            authority(authority_text)?;
            path
        }
        _ => rest,
    };
    escapes(path)?;
    Ok(Url {
        scheme,
        opaque: "",
        query,
    })
}

/// Splits the scheme off; it is empty when the text has none.
fn scheme(text: &str) -> Result<(&str, &str), UrlError> {
    let Some((before, after)) = text.split_once(':') else {
        return Ok(("", text));
    };
    let mut letters = before.bytes();
    match letters.next() {
        None => Err(UrlError::Scheme),
        Some(b'a'..=b'z' | b'A'..=b'Z') => {
            let valid =
                letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
            Ok(if valid { (before, after) } else { ("", text) })
        }
        // No scheme starts like this; the colon may belong to a path, which the caller sees.
        Some(_) => Ok(("", text)),
    }
}

fn authority(text: &str) -> Result<(), UrlError> {
    let (user_info, host_port) = match text.rsplit_once('@') {
        Some((user_info, host_port)) => (user_info, host_port),
        None => ("", text),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !user_info.bytes().all(allowed) {
        return Err(UrlError::UserInfo);
    }
    host(host_port)?;
    escapes(user_info)
}

fn host(text: &str) -> Result<(), UrlError> {
    let (name, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, after) = bracketed.rsplit_once(']').ok_or(UrlError::Host)?;
        // The zone of an IPv6 address may escape anything.
        let (address, zone) = address.split_once("%25").unwrap_or((address, ""));
        escapes(zone)?;
        (address, after)
    } else {
        match text.rfind(':') {
            Some(colon) => text.split_at(colon),
            None => (text, ""),
        }
    };
    let digits = match port.strip_prefix(':') {
        Some(digits) => digits,
        None if port.is_empty() => "",
        None => return Err(UrlError::Port),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::Port);
    }
    host_name(name)
}

fn host_name(name: &str) -> Result<(), UrlError> {
    escapes(name)?;
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            b'%' => {
                let escaped = name
                    .get(index + 1..index + 3)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                if escaped.is_some_and(|byte| byte.is_ascii() && byte != b'%') {
                    return Err(UrlError::Escape);
                }
            }
            b' ' | b'\\' | b'^' | b'|' | b'{' | b'}' | b'`' | b'[' => return Err(UrlError::Host),
            _ => {}
        }
    }
    Ok(())
}

/// Every percent sign must start an escape of two hexadecimal digits.
fn escapes(text: &str) -> Result<(), UrlError> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(UrlError::Escape),
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    Ok(())
}

/// The first value of `name` in a query, still encoded; empty when it has none. Parts that cannot be decoded do not
/// count.
pub(crate) fn query_value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query
        .split('&')
        .filter(|part| !part.contains(';') && escapes(part).is_ok())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .find(|(key, _)| decoded(key, true) == name.as_bytes())
        .map(|(_, value)| value)
}

/// `text` without its escapes, a plus sign standing for itself; `None` where a percent sign starts no escape.
#[must_use]
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    escapes(text).is_ok().then(|| decoded(text, false))
}

fn decoded(text: &str, is_query: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match (byte, escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (_, Some(escaped)) => {
                bytes.push(escaped);
                at += 2;
            }
            (b'+', _) if is_query => bytes.push(b' '),
            _ => bytes.push(byte),
        }
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_reference_cannot_parse_is_refused() {
        for (url, error) in [
            ("data:,a\nb", UrlError::ControlCharacter),
            ("http://h/\u{7f}", UrlError::ControlCharacter),
            ("://x", UrlError::Scheme),
            ("1http://x", UrlError::Scheme),
            ("ht_tp://x", UrlError::Scheme),
            (" data:,x", UrlError::Scheme),
            ("http://a b/", UrlError::Host),
            ("http://a\\b/", UrlError::Host),
            ("http://[::1", UrlError::Host),
            ("http://h[/", UrlError::Host),
            ("http://h:port/", UrlError::Port),
            ("http://h:-1/", UrlError::Port),
            ("http://[::1]x/", UrlError::Port),
            ("http://h/%zz", UrlError::Escape),
            ("http://h/a%4", UrlError::Escape),
            ("http://u%zz@h/", UrlError::Escape),
            ("http://h/#%zz", UrlError::Escape),
            ("http://ex%41mple/", UrlError::Escape),
            ("http://h%20/", UrlError::Escape),
            ("http://us er@h/", UrlError::UserInfo),
            ("http://u[@h/", UrlError::UserInfo),
            ("arn://aws:s3:::b/k", UrlError::Port),
        ] {
            assert_eq!(
                parse(url).map(|url| url.scheme.into_owned()),
                Err(error),
                "{url:?}"
            );
        }
    }

    #[test]
    fn what_the_reference_can_parse_is_taken() {
        for (url, scheme) in [
            ("HTTP://x/", "http"),
            ("https:///x", "https"),
            ("http:", "http"),
            ("s3:", "s3"),
            ("http://h/a b", "http"),
            ("http://h/a\\b", "http"),
            ("http://hé/é", "http"),
            ("http://h/?%zz", "http"),
            ("http://h:999999/", "http"),
            ("http://h:/", "http"),
            ("http://1:2:3/", "http"),
            ("http://<h>\"'!$&()*+,;=]/", "http"),
            ("http://[fe80::1%25eth0]/", "http"),
            ("http://%25/", "http"),
            ("http://%C3%A9/", "http"),
            ("http:opaque", "http"),
            ("http:opaque%zz", "http"),
            ("/a/b:c", ""),
            ("a/b:c", ""),
            ("", ""),
            ("///a", ""),
        ] {
            assert_eq!(
                parse(url).map(|url| url.scheme.into_owned()),
                Ok(scheme.to_owned()),
                "{url:?}"
            );
        }
    }

    #[test]
    fn query_values_are_found() {
        assert_eq!(query_value("a=1&versionId=&versionId=2", "versionId"), Some(""));
        assert_eq!(query_value("version%49d=7", "versionId"), Some("7"));
        assert_eq!(query_value("versionId", "versionId"), Some(""));
        assert_eq!(query_value("a=1", "versionId"), None);
    }
}
