//! Data URLs: `data:[type/subtype][;attribute=value]…[;base64],data`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding is mandatory; bits behind the last byte may be anything, as in the reference's decoder.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// The main types that RFC 2045 knows. A type need only start with one of them.
const MAIN_TYPES: [&str; 7] = [
    "text",
    "image",
    "audio",
    "video",
    "application",
    "message",
    "multipart",
];

/// Why a data URL cannot be decoded. The messages quote nothing of it, since contents may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataUrlError {
    /// It does not start with `data:` in lower case.
    #[error("it does not start with data: in lower case")]
    Scheme,
    /// The media type is not one of the known types, a slash and a token.
    #[error("its media type is not of the form text/plain")]
    MediaType,
    /// A parameter is not an attribute, an equals sign and a value.
    #[error("a parameter of its media type is not of the form ;name=value")]
    Parameter,
    /// There is no comma before the data.
    #[error("it has no comma before the data")]
    Comma,
    /// A character that must be escaped, at this offset of the data in bytes.
    #[error("the character at byte {0} of its data must be percent-encoded")]
    Character(usize),
    /// A percent sign without two hexadecimal digits, at this offset of the data in bytes.
    #[error("the percent sign at byte {0} of its data starts no escape")]
    Escape(usize),
    /// The data is not padded base64 of the standard alphabet.
    #[error("its data is not padded standard base64")]
    Base64,
}

/// The bytes that `url` stands for.
///
/// # Errors
/// [`DataUrlError`] at the first thing that does not fit.
pub fn decode(url: &str) -> Result<Vec<u8>, DataUrlError> {
    let (encoding, data) = split(url)?;
    match encoding {
        Encoding::Base64 => BASE64.decode(data).map_err(|_| DataUrlError::Base64),
        Encoding::Percent => {
            let mut bytes = Vec::with_capacity(data.len());
            percent(data, |byte| bytes.push(byte))?;
            Ok(bytes)
        }
    }
}

/// A data URL that stands for `bytes`.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    let mut url = String::from("data:;base64,");
    BASE64.encode_string(bytes, &mut url);
    url
}

/// Whether [`decode`] would succeed, found out without the memory for the bytes.
pub(crate) fn validate(url: &str) -> Result<(), DataUrlError> {
    let (encoding, data) = split(url)?;
    match encoding {
        Encoding::Base64 if is_base64(data) => Ok(()),
        Encoding::Base64 => Err(DataUrlError::Base64),
        Encoding::Percent => percent(data, |_| ()),
    }
}

enum Encoding {
    Base64,
    Percent,
}

/// Reads everything up to the comma.
fn split(url: &str) -> Result<(Encoding, &str), DataUrlError> {
    let mut rest = url.strip_prefix("data:").ok_or(DataUrlError::Scheme)?;
    if !rest.is_empty() && !rest.starts_with([';', ',']) {
        rest = media_type(rest)?;
    }
    loop {
        if let Some(data) = rest.strip_prefix(',') {
            return Ok((Encoding::Percent, data));
        }
        if let Some(data) = rest.strip_prefix(";base64,") {
            return Ok((Encoding::Base64, data));
        }
        rest = match rest.strip_prefix(';') {
            Some(text) => parameter(text)?,
            None if rest.is_empty() => return Err(DataUrlError::Comma),
            None => return Err(DataUrlError::Parameter),
        };
    }
}

/// Moves past `type/subtype`. The subtype may be empty, as in the reference.
fn media_type(text: &str) -> Result<&str, DataUrlError> {
    let (main, rest) = token(text);
    let known = MAIN_TYPES.iter().any(|known| main.starts_with(known));
    if !known && !main.starts_with("x-") && !main.starts_with("X-") {
        return Err(DataUrlError::MediaType);
    }
    let subtype = rest.strip_prefix('/').ok_or(DataUrlError::MediaType)?;
    Ok(token(subtype).1)
}

/// Moves past `name=value`, where the value may be quoted.
fn parameter(text: &str) -> Result<&str, DataUrlError> {
    let (name, rest) = token(text);
    let value = rest
        .strip_prefix('=')
        .filter(|_| !name.is_empty())
        .ok_or(DataUrlError::Parameter)?;
    let Some(quoted) = value.strip_prefix('"') else {
        return Ok(token(value).1);
    };
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok(quoted.get(at + 1..).unwrap_or_default()),
            '\\' => drop(letters.next()),
            _ => {}
        }
    }
    Err(DataUrlError::Parameter)
}

/// Splits off the longest run of RFC 2045 token characters.
fn token(text: &str) -> (&str, &str) {
    let special = |byte: u8| b"()<>@,;:\\\"/[]?=".contains(&byte);
    let end = text
        .bytes()
        .position(|byte| !byte.is_ascii_graphic() || special(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Gives each byte of percent-encoded `data` to `take`. A plus sign stands for itself.
fn percent(data: &str, mut take: impl FnMut(u8)) -> Result<(), DataUrlError> {
    let mut at = 0;
    while let Some(&byte) = data.as_bytes().get(at) {
        match byte {
            b'%' => {
                let digits = data.as_bytes().get(at + 1..at + 3).unwrap_or_default();
                if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(DataUrlError::Escape(at));
                }
                let digits = data.get(at + 1..at + 3).unwrap_or_default();
                take(u8::from_str_radix(digits, 16).map_err(|_| DataUrlError::Escape(at))?);
                at += 3;
            }
            b'<' | b'>' | b'#' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'[' | b']' | b'`' => {
                return Err(DataUrlError::Character(at));
            }
            byte if byte.is_ascii_graphic() => {
                take(byte);
                at += 1;
            }
            _ => return Err(DataUrlError::Character(at)),
        }
    }
    Ok(())
}

fn is_base64(data: &str) -> bool {
    let body = data
        .strip_suffix("==")
        .or_else(|| data.strip_suffix('='))
        .unwrap_or(data);
    let in_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    data.len().is_multiple_of(4) && body.bytes().all(in_alphabet)
}

/// The bytes of padded standard base64.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_decode() {
        for (url, bytes) in [
            ("data:,", &b""[..]),
            ("data:;base64,", b""),
            ("data:,hi%20there", b"hi there"),
            ("data:,a+b?c/d,e;f", b"a+b?c/d,e;f"),
            ("data:,%00%ff", b"\0\xff"),
            ("data:text/plain,x", b"x"),
            ("data:texty/plain,x", b"x"),
            ("data:text/,x", b"x"),
            ("data:x-own/type;a=b;c=\"d, \\\" e\",x", b"x"),
            ("data:;charset=utf-8,x", b"x"),
            ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
            ("data:;base64,aGl=", b"hi"),
            ("data:;base64,aGkh", b"hi!"),
        ] {
            assert_eq!(decode(url).as_deref(), Ok(bytes), "{url}");
            assert_eq!(validate(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_data_url_is_refused() {
        for (url, error) in [
            ("DATA:,x", DataUrlError::Scheme),
            ("data:", DataUrlError::Comma),
            ("data:text/plain", DataUrlError::Comma),
            ("data:Text/plain,x", DataUrlError::MediaType),
            ("data:foo/bar,x", DataUrlError::MediaType),
            ("data:text,x", DataUrlError::MediaType),
            ("data:text/plain;charset,x", DataUrlError::Parameter),
            ("data:;base64;charset=utf-8,x", DataUrlError::Parameter),
            ("data:; charset=utf-8,x", DataUrlError::Parameter),
            ("data:;a=\"b,x", DataUrlError::Parameter),
            ("data:;base64,aGk", DataUrlError::Base64),
            ("data:;base64,aGk%3D", DataUrlError::Base64),
            ("data:;base64,a_-=", DataUrlError::Base64),
            ("data:;base64,=", DataUrlError::Base64),
            ("data:;base64,====", DataUrlError::Base64),
            ("data:;base64,a===", DataUrlError::Base64),
            ("data:,a b", DataUrlError::Character(1)),
            ("data:,é", DataUrlError::Character(0)),
            ("data:,{}", DataUrlError::Character(0)),
            ("data:,%4", DataUrlError::Escape(0)),
            ("data:,a%zz", DataUrlError::Escape(1)),
            ("data:,%é", DataUrlError::Escape(0)),
            ("data:,%+1", DataUrlError::Escape(0)),
        ] {
            assert_eq!(decode(url), Err(error), "{url}");
            assert_eq!(validate(url), Err(error), "{url}");
        }
    }

    #[test]
    fn what_is_encoded_decodes() {
        for length in 0..=67_u8 {
            let bytes: Vec<u8> = (0..length).map(|index| index.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&bytes)), Ok(bytes));
        }
    }
}
