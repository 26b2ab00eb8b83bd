//! The node's key, and the certificate request (PKCS #10) that asks for its certificate.
//!
//! Sources: RFC 2986 (request), RFC 5480 (public key), RFC 5915 (private key), cluster.md 2.4 and 2.5. The structure is fixed but
//! for the name, so that it is written by hand: docs/decisions/0028-native-join.md.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kindling_config_spec::certificate::expect;
use ring::digest::{SHA512_256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING as KIND, EcdsaKeyPair};

use super::certificate::{Subject, subject};
use super::der::{self, FIRST, INTEGER, OCTET_STRING, SECOND, SEQUENCE, SET, UTF8_STRING, bits, wrap};
use super::pem;

/// The only organisation of a node.
pub const NODES: &str = "system:nodes";

/// The user that the API server sees in the node of that name.
#[must_use]
pub fn user(node: &str) -> String {
    format!("system:node:{node}")
}

/// What the certificate shall be good for. Servers up to 1.21 approve the longer list only.
#[must_use]
pub fn usages(minor: Option<u32>) -> &'static [&'static str] {
    match minor {
        Some(0..=21) => &["digital signature", "key encipherment", "client auth"],
        _ => &["digital signature", "client auth"],
    }
}

/// An ECDSA key on P-256.
pub struct Key {
    pair: EcdsaKeyPair,
    /// The scalar, 32 bytes.
    private: Vec<u8>,
    /// The point, uncompressed: 65 bytes.
    public: Vec<u8>,
}

impl Key {
    /// A new one; `None` where the kernel has no random bytes.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&KIND, &SystemRandom::new()).ok()?;
        let (info, _) = expect(pkcs8.as_ref(), SEQUENCE)?;
        let (_version, rest) = expect(info, INTEGER)?;
        let (_algorithm, rest) = expect(rest, SEQUENCE)?;
        let (key, _) = expect(rest, OCTET_STRING)?;
        Self::of_sec1(key)
    }

    /// The key in a PEM file that [`Self::pem`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::of_sec1(pem::read(pem::EC_KEY, text)?.first()?)
    }

    fn of_sec1(der: &[u8]) -> Option<Self> {
        let (body, _) = expect(der, SEQUENCE)?;
        let (_version, rest) = expect(body, INTEGER)?;
        let (private, rest) = expect(rest, OCTET_STRING)?;
        let rest = expect(rest, FIRST).map_or(rest, |(_curve, behind)| behind);
        let (point, _) = expect(rest, SECOND)?;
        let (point, _) = expect(point, der::BIT_STRING)?;
        let public = point.strip_prefix(&[0])?;
        // Refuses two that do not belong together.
        let pair =
            EcdsaKeyPair::from_private_key_and_public_key(&KIND, private, public, &SystemRandom::new())
                .ok()?;
        Some(Self {
            pair,
            private: private.to_vec(),
            public: public.to_vec(),
        })
    }

    /// As a PEM file in the form of SEC 1, with the curve's name, as the kubelet keeps its keys.
    #[must_use]
    pub fn pem(&self) -> String {
        let der = wrap(
            SEQUENCE,
            &[
                &[INTEGER, 1, 1],
                &wrap(OCTET_STRING, &[&self.private]),
                &wrap(FIRST, &[der::P256]),
                &wrap(SECOND, &[&bits(&self.public)]),
            ],
        );
        pem::write(pem::EC_KEY, &der)
    }

    /// `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        public_info(&self.public)
    }

    /// The request for the certificate of `node`, in PEM; `None` where the kernel has no random bytes. Two of them differ in the
    /// signature.
    #[must_use]
    pub fn request(&self, node: &str) -> Option<String> {
        let attribute = |kind: &[u8], value: &str| {
            let text = wrap(UTF8_STRING, &[value.as_bytes()]);
            wrap(SET, &[&wrap(SEQUENCE, &[kind, &text])])
        };
        let name = wrap(
            SEQUENCE,
            &[
                &attribute(der::ORGANIZATION, NODES),
                &attribute(der::COMMON_NAME, &user(node)),
            ],
        );
        let no_attributes = [FIRST, 0];
        let info = wrap(
            SEQUENCE,
            &[&[INTEGER, 1, 0], &name, &self.public(), &no_attributes],
        );
        let signature = self.pair.sign(&SystemRandom::new(), &info).ok()?;
        let algorithm = wrap(SEQUENCE, &[der::ECDSA_SHA256]);
        let request = wrap(SEQUENCE, &[&info, &algorithm, &bits(signature.as_ref())]);
        Some(pem::write(pem::REQUEST, &request))
    }
}

fn public_info(point: &[u8]) -> Vec<u8> {
    let algorithm = wrap(SEQUENCE, &[der::EC_PUBLIC_KEY, der::P256]);
    wrap(SEQUENCE, &[&algorithm, &bits(point)])
}

/// Whose a request is.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its subject.
    pub subject: Subject,
    /// Its key, `SubjectPublicKeyInfo` in DER.
    pub public: Vec<u8>,
}

/// Whose the request in `text` is; `None` where that is no request.
#[must_use]
pub fn asked(text: &str) -> Option<Asked> {
    let blocks = pem::read(pem::REQUEST, text)?;
    let (request, _) = expect(blocks.first()?, SEQUENCE)?;
    let (info, _) = expect(request, SEQUENCE)?;
    let (_version, rest) = expect(info, INTEGER)?;
    let (name, rest) = expect(rest, SEQUENCE)?;
    let (_public, behind) = expect(rest, SEQUENCE)?;
    let public = rest.get(..rest.len().checked_sub(behind.len())?)?;
    Some(Asked {
        subject: subject(name)?,
        public: public.to_vec(),
    })
}

/// The name of the request's object: the same key, name and usages give the same one, so that a join that was interrupted finds
/// its own request again (cluster.md 2.5, which older kubelets do as well).
#[must_use]
pub fn object_name(public: &[u8], node: &str, usages: &[&str]) -> String {
    let user = user(node);
    let parts = [public, user.as_bytes(), NODES.as_bytes()];
    let usages = usages.iter().map(|usage| usage.as_bytes());
    let stream: String = parts
        .into_iter()
        .chain(usages)
        .map(|part| URL_SAFE_NO_PAD.encode(part) + "|")
        .collect();
    let sum = digest(&SHA512_256, stream.as_bytes());
    format!("node-csr-{}", URL_SAFE_NO_PAD.encode(sum.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::sha256_hex;

    /// The generator of P-256: the public key of the private key 1.
    const G: &str = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                     4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

    fn point() -> Vec<u8> {
        (0..G.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&G[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_key_with_the_scalar_1_has_the_pin_of_the_vectors() {
        assert_eq!(
            sha256_hex(&public_info(&point())),
            "5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3"
        );
    }

    #[test]
    fn a_requests_name_is_that_of_the_vectors() {
        let public = public_info(&point());
        let of = |usages: &[&str]| object_name(&public, "node-a.test", usages);
        assert_eq!(
            of(usages(Some(20))),
            "node-csr-1AY0Dhl8O7iWvHV-eFFE9Uh2KRq6GST4uahD6CRPsSQ"
        );
        assert_eq!(
            of(usages(Some(33))),
            "node-csr-sJe7zedkiamRvaiUxz8K30KBltf0J9W6lhoRYTx4O-Q"
        );
        assert_eq!(of(usages(None)), of(usages(Some(22))));
    }

    #[test]
    fn a_kept_key_is_the_same_key_and_asks_in_the_nodes_name() {
        let key = Key::generate().unwrap();
        let kept = Key::parse(&format!("text\n{}", key.pem())).unwrap();
        assert_eq!(key.public(), kept.public());
        assert_eq!(key.pem(), kept.pem());
        let request = kept.request("node-a.test").unwrap();
        let asked = asked(&request).unwrap();
        assert_eq!(asked.public, key.public());
        assert!(asked.subject.is_of("node-a.test") && !asked.subject.is_of("node-b.test"));
        assert!(rcgen::CertificateSigningRequestParams::from_pem(&request).is_ok());
    }

    #[test]
    fn what_is_no_key_is_none() {
        let (one, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        let text = one.pem();
        assert!(Key::parse("").is_none());
        assert!(Key::parse(&pem::write(pem::EC_KEY, b"0")).is_none());
        let der = &pem::read(pem::EC_KEY, &text).unwrap()[0];
        let mut mixed = der[..der.len() - 65].to_vec();
        mixed.extend(&other.public);
        assert!(Key::parse(&pem::write(pem::EC_KEY, &mixed)).is_none());
        for end in 0..der.len() {
            assert!(
                Key::parse(&pem::write(pem::EC_KEY, &der[..end])).is_none(),
                "{end}"
            );
        }
    }
}
