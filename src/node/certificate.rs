//! Whether an issued certificate is the one that was asked for (cluster.md 2.5).

use kindling_config_spec::certificate::{Validity, element, expect, validity};

use super::der::{self, EXTENDED_KEY_USAGE, FIRST, FOURTH, INTEGER, OCTET_STRING, SEQUENCE, SET};
use super::request::{NODES, user};

/// How far a signer's clock may be ahead of this machine's, in seconds: as far as it dates certificates back.
pub const SKEW: i64 = 300;

/// The parts of a name that say which node it is of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Each `organizationName`.
    pub organizations: Vec<String>,
    /// Each `commonName`.
    pub names: Vec<String>,
}

impl Subject {
    /// Whether it is that of `node`, and of nobody else.
    #[must_use]
    pub fn is_of(&self, node: &str) -> bool {
        self.organizations == [NODES] && self.names == [user(node)]
    }
}

/// Reads the contents of a `Name`.
pub(super) fn subject(mut name: &[u8]) -> Option<Subject> {
    let mut subject = Subject::default();
    while !name.is_empty() {
        let (mut set, behind) = expect(name, SET)?;
        while !set.is_empty() {
            let (attribute, rest) = expect(set, SEQUENCE)?;
            let text = |kind: &[u8]| {
                let (_, value, _) = element(attribute.strip_prefix(kind)?)?;
                String::from_utf8(value.to_vec()).ok()
            };
            subject.organizations.extend(text(der::ORGANIZATION));
            subject.names.extend(text(der::COMMON_NAME));
            set = rest;
        }
        name = behind;
    }
    Some(subject)
}

/// What a certificate says.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: Subject,
    /// Its key, `SubjectPublicKeyInfo` in DER.
    pub public: Vec<u8>,
    /// When it is valid.
    pub validity: Validity,
    /// Whether a client may show it.
    pub is_for_clients: bool,
}

/// Reads a certificate; `None` where `der` is none.
#[must_use]
pub fn parse(der: &[u8]) -> Option<Certificate> {
    let validity = validity(der)?;
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (body, _) = expect(certificate, SEQUENCE)?;
    let body = expect(body, FIRST).map_or(body, |(_version, rest)| rest);
    let (_serial, rest) = expect(body, INTEGER)?;
    let (_signature_algorithm, rest) = expect(rest, SEQUENCE)?;
    let (_issuer, rest) = expect(rest, SEQUENCE)?;
    let (_validity, rest) = expect(rest, SEQUENCE)?;
    let (name, rest) = expect(rest, SEQUENCE)?;
    let (_public, mut behind) = expect(rest, SEQUENCE)?;
    let public = rest.get(..rest.len().checked_sub(behind.len())?)?;
    let mut is_for_clients = false;
    while let Some((tag, contents, next)) = element(behind) {
        if tag == FOURTH {
            is_for_clients = is_for_clients_by(expect(contents, SEQUENCE)?.0)?;
        }
        behind = next;
    }
    Some(Certificate {
        subject: subject(name)?,
        public: public.to_vec(),
        validity,
        is_for_clients,
    })
}

/// Whether extensions say so.
fn is_for_clients_by(mut extensions: &[u8]) -> Option<bool> {
    while !extensions.is_empty() {
        let (extension, behind) = expect(extensions, SEQUENCE)?;
        if let Some(mut value) = extension.strip_prefix(EXTENDED_KEY_USAGE) {
            // It may be marked as critical.
            while let Some((tag, contents, rest)) = element(value) {
                if tag == OCTET_STRING {
                    let (uses, _) = expect(contents, SEQUENCE)?;
                    return Some(is_among(uses, der::CLIENT_AUTH));
                }
                value = rest;
            }
        }
        extensions = behind;
    }
    Some(false)
}

/// Whether one of the elements in `list` is `wanted`.
fn is_among(mut list: &[u8], wanted: &[u8]) -> bool {
    while let Some((_, _, rest)) = element(list) {
        if list.strip_suffix(rest) == Some(wanted) {
            return true;
        }
        list = rest;
    }
    false
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another key than the one of the request.
    Key,
    /// Another subject.
    Subject,
    /// Clients may not show it.
    Usage,
    /// Its time has not come.
    Early(i64),
    /// Its time is over.
    Late(i64),
}

impl Certificate {
    /// The node whose certificate it is.
    #[must_use]
    pub fn node(&self) -> Option<String> {
        let node = self.subject.names.first()?.strip_prefix(&user(""))?;
        self.subject.is_of(node).then(|| node.to_owned())
    }

    /// What is wrong with it as the certificate of `node` with that key, at the time `now` in seconds since 1970. A signer's
    /// clock may be [`SKEW`] ahead; nothing extends the end.
    #[must_use]
    pub fn fault(&self, public: &[u8], node: &str, now: i64) -> Option<Fault> {
        let Validity {
            not_before,
            not_after,
        } = self.validity;
        match () {
            () if self.public != public => Some(Fault::Key),
            () if !self.subject.is_of(node) => Some(Fault::Subject),
            () if !self.is_for_clients => Some(Fault::Usage),
            () if now >= not_after => Some(Fault::Late(not_after)),
            () if now.saturating_add(SKEW) < not_before => Some(Fault::Early(not_before)),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose as Use, KeyPair, PublicKeyData,
    };

    use super::*;

    fn issued(organizations: &[&str], name: &str, uses: &[Use]) -> (Certificate, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for organization in organizations {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *organization);
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = uses.to_vec();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = params.self_signed(&key).unwrap();
        let public = key.subject_public_key_info();
        (parse(certificate.der()).unwrap(), public)
    }

    const FROM: i64 = 1_577_836_800;
    const TO: i64 = 1_609_459_200;

    #[test]
    fn a_certificate_is_judged_by_key_subject_usage_and_time() {
        let (good, public) = issued(
            &["system:nodes"],
            "system:node:a",
            &[Use::ServerAuth, Use::ClientAuth],
        );
        let fault = |node: &str, now: i64| good.fault(&public, node, now);
        assert_eq!(fault("a", FROM), None);
        assert_eq!(fault("a", FROM - SKEW), None);
        assert_eq!(fault("a", FROM - SKEW - 1), Some(Fault::Early(FROM)));
        assert_eq!(fault("a", TO - 1), None);
        assert_eq!(fault("a", TO), Some(Fault::Late(TO)));
        assert_eq!(fault("b", FROM), Some(Fault::Subject));
        assert_eq!(good.fault(&public[1..], "a", FROM), Some(Fault::Key));
        let of = |organizations: &[&str], name: &str, uses: &[Use]| {
            let (certificate, public) = issued(organizations, name, uses);
            certificate.fault(&public, "a", FROM)
        };
        let client = [Use::ClientAuth];
        assert_eq!(of(&[], "system:node:a", &client), Some(Fault::Subject));
        assert_eq!(
            of(&["system:masters"], "system:node:a", &client),
            Some(Fault::Subject)
        );
        assert_eq!(of(&["system:nodes"], "a", &client), Some(Fault::Subject));
        assert_eq!(of(&["system:nodes"], "system:node:a", &[]), Some(Fault::Usage));
        assert_eq!(
            of(&["system:nodes"], "system:node:a", &[Use::ServerAuth]),
            Some(Fault::Usage)
        );
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let der = certificate.der();
        assert!(parse(der).is_some());
        for end in 0..der.len() {
            assert!(parse(&der[..end]).is_none(), "{end}");
        }
    }
}
