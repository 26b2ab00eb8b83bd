//! DER, as much of it as a certificate request has. Reading is `kindling_config_spec::certificate`'s.
//!
//! Source: X.690; the object identifiers are those of RFC 5280, RFC 5480 and RFC 5758, with their tag and length.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const UTF8_STRING: u8 = 0x0c;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// An element whose meaning is in its number: `[0]` and `[1]`, with elements inside.
pub(super) const FIRST: u8 = 0xa0;
pub(super) const SECOND: u8 = 0xa1;
pub(super) const FOURTH: u8 = 0xa3;

/// `organizationName`, 2.5.4.10.
pub(super) const ORGANIZATION: &[u8] = &[OID, 3, 0x55, 4, 10];
/// `commonName`, 2.5.4.3.
pub(super) const COMMON_NAME: &[u8] = &[OID, 3, 0x55, 4, 3];
/// `id-ecPublicKey`, 1.2.840.10045.2.1.
pub(super) const EC_PUBLIC_KEY: &[u8] = &[OID, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// `secp256r1`, 1.2.840.10045.3.1.7.
pub(super) const P256: &[u8] = &[OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// `ecdsa-with-SHA256`, 1.2.840.10045.4.3.2.
pub(super) const ECDSA_SHA256: &[u8] = &[OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// `extKeyUsage`, 2.5.29.37.
pub(super) const EXTENDED_KEY_USAGE: &[u8] = &[OID, 3, 0x55, 0x1d, 0x25];
/// `id-kp-clientAuth`, 1.3.6.1.5.5.7.3.2.
pub(super) const CLIENT_AUTH: &[u8] = &[OID, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2];

/// An element with `parts`, one after the other, as its contents. They are shorter than 64 KiB together.
#[must_use]
pub(super) fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let [.., high, low] = length.to_be_bytes();
    let mut der = vec![tag];
    match length {
        0..=0x7f => der.push(low),
        0x80..=0xff => der.extend([0x81, low]),
        _ => der.extend([0x82, high, low]),
    }
    for part in parts {
        der.extend_from_slice(part);
    }
    der
}

/// The same of bits: their number is a multiple of eight.
#[must_use]
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    wrap(BIT_STRING, &[&[0], bytes])
}

#[cfg(test)]
mod tests {
    use kindling_config_spec::certificate::expect;

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for length in [0, 1, 127, 128, 255, 256, 60_000] {
            let contents = vec![7; length];
            let der = wrap(OCTET_STRING, &[&contents, &[1]]);
            let (read, rest) = expect(&der, OCTET_STRING).unwrap();
            assert_eq!((read.len(), rest), (length + 1, &[][..]));
        }
    }
}
