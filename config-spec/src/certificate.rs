//! The validity and the public key of a certificate: as much of DER and X.509 as it takes to walk there.
//!
//! Source: RFC 5280, 4.1; X.690 for the encoding. `docs/decisions/0007-certificate-dates-by-hand.md` says why no crate
//! does this.

use crate::calendar::days_since_1970;

/// When a certificate is valid, in seconds since 1970-01-01 UTC, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when on.
    pub not_before: i64,
    /// Until when.
    pub not_after: i64,
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which the first version leaves out.
const VERSION: u8 = 0xa0;

/// The validity of the certificate in `der`; `None` when that is no certificate.
pub fn validity(der: &[u8]) -> Option<Validity> {
    let (validity, _) = expect(from_validity(der)?, SEQUENCE)?;
    let (not_before, rest) = time(validity)?;
    let (not_after, _) = time(rest)?;
    Some(Validity {
        not_before,
        not_after,
    })
}

/// The public key of the certificate in `der`, with its algorithm: the whole SubjectPublicKeyInfo in DER, which is what pins
/// are digests of. `None` when that is no certificate.
pub fn public_key(der: &[u8]) -> Option<&[u8]> {
    let (_validity, rest) = expect(from_validity(der)?, SEQUENCE)?;
    let (_subject, rest) = expect(rest, SEQUENCE)?;
    let (_key, behind) = expect(rest, SEQUENCE)?;
    rest.get(..rest.len() - behind.len())
}

/// What a certificate holds from its validity on.
fn from_validity(der: &[u8]) -> Option<&[u8]> {
    let (certificate, behind) = expect(der, SEQUENCE)?;
    if !behind.is_empty() {
        return None;
    }
    let (body, _) = expect(certificate, SEQUENCE)?;
    let body = match expect(body, VERSION) {
        Some((_, rest)) => rest,
        None => body,
    };
    let (_serial, rest) = expect(body, INTEGER)?;
    let (_signature_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    Some(rest)
}

/// The contents of the element at the start, if it has this tag, and what follows it.
pub fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = element(der)?;
    (found == tag).then_some((contents, rest))
}

/// Splits off an element: its tag, its contents, and what follows it. `None` where its length says more than there is.
pub fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // The low bits count the bytes of the length. No certificate takes more than four; none is BER's open length.
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        let length = bytes
            .iter()
            .fold(0, |length: usize, byte| length << 8 | usize::from(*byte));
        (length, rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// A time at the start, in seconds since 1970, and what follows it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, contents, rest) = element(der)?;
    let digits = std::str::from_utf8(contents).ok()?.strip_suffix('Z')?;
    let (year, digits) = match tag {
        // Two digits are of the years 1950 to 2049.
        UTC_TIME => {
            let (year, digits) = number(digits, 2)?;
            (if year < 50 { year + 2000 } else { year + 1900 }, digits)
        }
        GENERALIZED_TIME => number(digits, 4)?,
        _ => return None,
    };
    let (month, digits) = number(digits, 2)?;
    let (day, digits) = number(digits, 2)?;
    let (hour, digits) = number(digits, 2)?;
    let (minute, digits) = number(digits, 2)?;
    let (second, digits) = number(digits, 2)?;
    let fits =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second < 60;
    (fits && digits.is_empty()).then(|| {
        let days = days_since_1970(year, month, day);
        (((days * 24 + hour) * 60 + minute) * 60 + second, rest)
    })
}

fn number(digits: &str, count: usize) -> Option<(i64, &str)> {
    let (number, rest) = digits.split_at_checked(count)?;
    let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
    is_number
        .then(|| number.parse().ok())
        .flatten()
        .map(|number| (number, rest))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_fixtures_certificate_is_valid_from_2020_to_2120() {
        for text in [
            include_str!("../../fixtures/vm/pki/ca.crt"),
            include_str!("../../fixtures/vm/pki/server.crt"),
        ] {
            let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            let der = STANDARD.decode(base64).unwrap();
            let expected = Validity {
                not_before: 1_577_836_800,
                not_after: 4_733_510_400,
            };
            assert_eq!(validity(&der), Some(expected));
            for end in 0..der.len() {
                assert_eq!(validity(&der[..end]), None, "{end}");
                assert_eq!(public_key(&der[..end]), None, "{end}");
            }
            // A P-256 key with its algorithm takes 91 bytes, and ends with its point, which begins with 4.
            let key = public_key(&der).unwrap();
            assert_eq!((key.len(), &key[..2], key[26]), (91, &[SEQUENCE, 89][..], 4));
        }
    }

    #[test]
    fn times_of_both_forms_are_read() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20000229120000Z", Some(951_825_600)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "700101000000+0000", None),
            (UTC_TIME, "70+101000000Z", None),
            (GENERALIZED_TIME, "20001301000000Z", None),
            (INTEGER, "700101000000Z", None),
        ] {
            let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
            der.extend(text.bytes());
            assert_eq!(time(&der).map(|(seconds, _)| seconds), seconds, "{text}");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for der in [
            &[SEQUENCE][..],
            &[SEQUENCE, 1],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            &[SEQUENCE, 0x85, 0, 0, 0, 0, 1, 0],
        ] {
            assert_eq!(element(der), None, "{der:?}");
        }
    }
}
