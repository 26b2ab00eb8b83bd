//! A CertificateSigningRequest as a machine files it, judged field by field: first as the API server's validation would, then as
//! the approver and the signer of the kubelet's client certificates would.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use crate::scenario::Release;
use crate::status::Cause;

/// The signer of the kubelet's client certificates.
pub(crate) const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
/// The organisation of every node.
pub(crate) const NODES: &str = "system:nodes";
/// What stands before a node's name in its user name.
pub(crate) const NODE: &str = "system:node:";

const BEGIN: &str = "-----BEGIN CERTIFICATE REQUEST-----";
/// What a name begins with that is made from the content.
const DIGESTED: &str = "node-csr-";
const API_VERSION: &str = "certificates.k8s.io/v1";
const KIND: &str = "CertificateSigningRequest";
/// The shortest lifetime that may be wished for, in seconds.
const SHORTEST: i64 = 600;
/// Every usage that the API knows, in the order of its messages.
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// A request that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `metadata.name`, or empty where the server makes one.
    pub(crate) name: String,
    /// `metadata.generateName`.
    pub(crate) prefix: String,
    /// Labels and annotations, each only where there are some.
    pub(crate) metadata: Map<String, Value>,
    /// What is kept of `spec`.
    pub(crate) spec: Value,
    /// DER SubjectPublicKeyInfo.
    pub(crate) public_key: Vec<u8>,
    pub(crate) common_name: String,
    pub(crate) organizations: Vec<String>,
    /// The lifetime wished for.
    pub(crate) duration: Option<Duration>,
    /// Why neither approver nor signer would take it.
    pub(crate) flaws: Vec<String>,
    /// What a well-made client does not do.
    pub(crate) notes: Vec<String>,
}

impl Wanted {
    /// The node's name.
    pub(crate) fn node(&self) -> &str {
        self.common_name.strip_prefix(NODE).unwrap_or_default()
    }
}

/// A request that is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 400.
    Bad(String),
    /// 422 for an object of this name.
    Invalid(String, Vec<Cause>),
}

/// Judges the body of a create.
pub(crate) fn judge(body: &[u8], release: Release) -> Result<Wanted, Refusal> {
    let object: Value = serde_json::from_slice(body).map_err(|error| {
        Refusal::Bad(format!(
            "the object provided is unrecognized (must be of type {KIND}): {error}"
        ))
    })?;
    if object["apiVersion"] != API_VERSION || object["kind"] != KIND {
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let (kind, group) = (text("kind"), text("apiVersion"));
        let version = group.rsplit('/').next().unwrap_or_default();
        return Err(Refusal::Bad(format!(
            "{kind} in version {version:?} cannot be handled as a {KIND}: no kind {kind:?} is registered for version {group:?} in \
             scheme \"pkg/api/legacyscheme/scheme.go:30\""
        )));
    }
    for field in ["labels", "annotations"] {
        let entries = object["metadata"][field].as_object();
        if let Some((key, value)) = entries
            .into_iter()
            .flatten()
            .find(|(_, value)| !value.is_string())
        {
            return Err(Refusal::Bad(format!(
                "json: cannot unmarshal {value} into metadata.{field}[{key}] of type string"
            )));
        }
    }
    let mut causes = Vec::new();
    let (name, prefix) = named(&object["metadata"], &mut causes);
    let spec = &object["spec"];
    let der = decoded(&spec["request"])?;
    signer(spec, &mut causes);
    let usages = usages(spec, &mut causes);
    let seconds = lifetime(spec, release, &mut causes)?;
    let parsed = der.and_then(|der| parsed(&der));
    let content = parsed.unwrap_or_else(|message| {
        causes.push(cause("FieldValueInvalid", "spec.request", message));
        Content::default()
    });
    if !causes.is_empty() {
        let name = if name.is_empty() { prefix } else { name };
        return Err(Refusal::Invalid(name, causes));
    }
    let mut flaws = content.flaws();
    if !is_usage_set(&usages, release) {
        flaws.push(format!(
            "spec.usages are {usages:?}, which no approver of {release:?} takes"
        ));
    }
    if spec["signerName"] != SIGNER {
        flaws.push(format!("spec.signerName is {}", spec["signerName"]));
    }
    let mut notes = notes(&object, &content.notes);
    let common_name = content.common_names.concat();
    let expected = request_name(&content.public_key, &common_name, &content.organizations, &usages);
    if name.starts_with(DIGESTED) && name != expected {
        notes.push(format!("metadata.name is {name}, its content's is {expected}"));
    }
    Ok(Wanted {
        name,
        prefix,
        metadata: described(&object["metadata"]),
        spec: kept(spec, &usages, seconds),
        public_key: content.public_key,
        common_name,
        organizations: content.organizations,
        duration: seconds.map(Duration::from_secs),
        flaws,
        notes,
    })
}

/// The two sets of usages of a kubelet's client certificate; the old approver knows one of them.
pub(crate) fn is_usage_set(usages: &[String], release: Release) -> bool {
    let mut sorted: Vec<&str> = usages.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let with_encipherment = sorted == ["client auth", "digital signature", "key encipherment"];
    with_encipherment || (release == Release::New && sorted == ["client auth", "digital signature"])
}

/// The name by which a machine that starts again finds its own request: `node-csr-` and a digest of what is asked for.
/// `public_key` is a DER SubjectPublicKeyInfo.
#[must_use]
pub fn request_name(
    public_key: &[u8],
    common_name: &str,
    organizations: &[String],
    usages: &[String],
) -> String {
    let mut digest = digest::Context::new(&digest::SHA512_256);
    let texts = organizations.iter().chain(usages).map(String::as_bytes);
    for part in [public_key, common_name.as_bytes()].into_iter().chain(texts) {
        digest.update(URL_SAFE_NO_PAD.encode(part).as_bytes());
        digest.update(b"|");
    }
    format!("{DIGESTED}{}", URL_SAFE_NO_PAD.encode(digest.finish()))
}

fn cause(reason: &'static str, field: &str, message: String) -> Cause {
    Cause {
        reason,
        message,
        field: field.to_owned(),
    }
}

fn named(metadata: &Value, causes: &mut Vec<Cause>) -> (String, String) {
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    let (name, prefix) = (text("name"), text("generateName"));
    if name.is_empty() && prefix.is_empty() {
        let message = "Required value: name or generateName is required".to_owned();
        causes.push(cause("FieldValueRequired", "metadata.name", message));
    }
    // Any name is a request's that can stand in a path.
    let refused = match name.as_str() {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ => name
            .chars()
            .find(|letter| matches!(letter, '/' | '%'))
            .map(|letter| format!("may not contain '{letter}'")),
    };
    if let Some(why) = refused {
        let message = format!("Invalid value: {name:?}: {why}");
        causes.push(cause("FieldValueInvalid", "metadata.name", message));
    }
    (name, prefix)
}

/// The DER inside base64 and PEM. What is not base64 is no JSON of a byte field: 400 and not 422.
fn decoded(request: &Value) -> Result<Result<Vec<u8>, String>, Refusal> {
    let text = request.as_str().unwrap_or_default();
    let pem = STANDARD.decode(text).map_err(|error| {
        Refusal::Bad(format!(
            "{KIND} in version \"v1\" cannot be handled as a {KIND}: decode base64: {error}"
        ))
    })?;
    Ok(if pem.is_empty() {
        Err("Required value".to_owned())
    } else {
        CertificateSigningRequestDer::from_pem_slice(&pem)
            .map(|der| der.to_vec())
            .map_err(|_| {
                let bytes: Vec<_> = pem.iter().map(|byte| format!("{byte:#x}")).collect();
                let bytes = bytes.join(", ");
                format!("Invalid value: []byte{{{bytes}}}: PEM block type must be CERTIFICATE REQUEST")
            })
    })
}

fn signer(spec: &Value, causes: &mut Vec<Cause>) {
    let name = spec["signerName"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(cause(
            "FieldValueRequired",
            "spec.signerName",
            "Required value: signerName must be provided".to_owned(),
        ));
    } else if !name.contains('/') {
        let message = format!(
            "Invalid value: {name:?}: must be a fully qualified domain and path of the form 'example.com/signer-name'"
        );
        causes.push(cause("FieldValueInvalid", "spec.signerName", message));
    }
}

fn usages(spec: &Value, causes: &mut Vec<Cause>) -> Vec<String> {
    let given: Vec<String> = spec["usages"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|usage| usage.as_str().unwrap_or_default().to_owned())
        .collect();
    if given.is_empty() {
        let message = "Required value: usages must be provided".to_owned();
        causes.push(cause("FieldValueRequired", "spec.usages", message));
    }
    for (at, usage) in given.iter().enumerate() {
        let field = format!("spec.usages[{at}]");
        if !USAGES.contains(&usage.as_str()) {
            let all: Vec<_> = USAGES.iter().map(|known| format!("{known:?}")).collect();
            let all = all.join(", ");
            let message = format!("Unsupported value: {usage:?}: supported values: {all}");
            causes.push(cause("FieldValueNotSupported", &field, message));
        } else if given.iter().take(at).any(|before| before == usage) {
            let message = format!("Duplicate value: {usage:?}");
            causes.push(cause("FieldValueDuplicate", &field, message));
        }
    }
    given
}

/// The wish, where this release knows the field.
fn lifetime(spec: &Value, release: Release, causes: &mut Vec<Cause>) -> Result<Option<u64>, Refusal> {
    let given = &spec["expirationSeconds"];
    if given.is_null() || release == Release::Old {
        return Ok(None);
    }
    let seconds = given
        .as_i64()
        .filter(|seconds| i32::try_from(*seconds).is_ok())
        .ok_or_else(|| {
            Refusal::Bad(format!(
                "json: cannot unmarshal {given} into spec.expirationSeconds of type int32"
            ))
        })?;
    if seconds < SHORTEST {
        let message = format!(
            "Invalid value: {seconds}: may not specify a duration less than {SHORTEST} seconds (10 minutes)"
        );
        causes.push(cause("FieldValueInvalid", "spec.expirationSeconds", message));
    }
    Ok(u64::try_from(seconds).ok())
}

/// What is written into a PKCS#10 request.
#[derive(Default)]
struct Content {
    public_key: Vec<u8>,
    common_names: Vec<String>,
    organizations: Vec<String>,
    has_other_names: bool,
    notes: Vec<String>,
    subject_length: usize,
}

impl Content {
    /// The rules of a kubelet's client certificate.
    fn flaws(&self) -> Vec<String> {
        let mut flaws = Vec::new();
        if self.organizations != [NODES] {
            flaws.push(format!("the subject's O is {:?}", self.organizations));
        }
        match self.common_names.as_slice() {
            [name] if name.strip_prefix(NODE).is_some_and(is_node_name) => {}
            names => flaws.push(format!("the subject's CN is {names:?}")),
        }
        if self.subject_length != self.organizations.len() + self.common_names.len() {
            flaws.push("the subject has more than O and CN".to_owned());
        }
        if self.has_other_names {
            flaws.push("the request has subject alternative names".to_owned());
        }
        flaws
    }
}

fn parsed(der: &[u8]) -> Result<Content, String> {
    let unparsable = |why: String| format!("Invalid value: \"\": unable to parse csr: {why}");
    let (rest, request) =
        X509CertificationRequest::from_der(der).map_err(|error| unparsable(error.to_string()))?;
    if !rest.is_empty() {
        return Err(unparsable("trailing data".to_owned()));
    }
    request
        .verify_signature()
        .map_err(|error| format!("Invalid value: \"\": the signature is wrong: {error}"))?;
    let info = &request.certification_request_info;
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| {
        value.as_str().map_or_else(|_| "?".to_owned(), str::to_owned)
    };
    let extensions: Vec<_> = request
        .requested_extensions()
        .map(Iterator::collect)
        .unwrap_or_default();
    let has_other_names = extensions
        .iter()
        .any(|extension| matches!(extension, ParsedExtension::SubjectAlternativeName(_)));
    let mut notes = Vec::new();
    if !extensions.is_empty() && !has_other_names {
        notes.push("the request asks for extensions, which the signer does not look at".to_owned());
    }
    Ok(Content {
        public_key: info.subject_pki.raw.to_vec(),
        common_names: info.subject.iter_common_name().map(text).collect(),
        organizations: info.subject.iter_organization().map(text).collect(),
        has_other_names,
        notes,
        subject_length: info.subject.iter_attributes().count(),
    })
}

/// Whether `name` is a lowercase RFC 1123 subdomain.
fn is_node_name(name: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_label = |label: &str| {
        is_end(label.chars().next())
            && is_end(label.chars().next_back())
            && label.chars().all(|c| is_end(Some(c)) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

fn described(metadata: &Value) -> Map<String, Value> {
    ["labels", "annotations"]
        .into_iter()
        .filter(|field| metadata[*field].is_object())
        .map(|field| (field.to_owned(), metadata[field].clone()))
        .collect()
}

fn kept(spec: &Value, usages: &[String], seconds: Option<u64>) -> Value {
    let mut kept = json!({
        "request": spec["request"], "signerName": spec["signerName"], "usages": usages,
    });
    if let Some(seconds) = seconds {
        kept["expirationSeconds"] = seconds.into();
    }
    kept
}

/// What the real server lets pass and a well-made client does not send.
fn notes(object: &Value, content: &[String]) -> Vec<String> {
    const SPEC: &[&str] = &["request", "signerName", "usages", "expirationSeconds"];
    const METADATA: &[&str] = &["name", "generateName", "labels", "annotations"];
    const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec"];
    let mut notes = content.to_vec();
    for (place, value, known) in [
        ("", object, TOP),
        ("metadata.", &object["metadata"], METADATA),
        ("spec.", &object["spec"], SPEC),
    ] {
        let Some(fields) = value.as_object() else {
            notes.push(format!("{place} is no object"));
            continue;
        };
        let strange = fields.keys().filter(|field| !known.contains(&field.as_str()));
        notes.extend(strange.map(|field| format!("{place}{field} is not for a client to send")));
    }
    if let Ok(pem) = STANDARD.decode(object["spec"]["request"].as_str().unwrap_or_default()) {
        let text = String::from_utf8_lossy(&pem);
        if text.matches("-----BEGIN").count() != 1 || !text.starts_with(BEGIN) {
            notes.push("spec.request holds more than one PEM block of a request".to_owned());
        }
    }
    notes
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The public key whose private scalar is 1: the curve's own point.
    pub(crate) fn key_of_scalar_one() -> Vec<u8> {
        let hex = "3059301306072a8648ce3d020106082a8648ce3d03010703420004\
                   6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                   4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
        digits
            .chunks(2)
            .filter_map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok())
            .collect()
    }

    #[test]
    fn the_name_of_a_request_is_the_one_of_the_kubelet() {
        let name = |usages: &[&str]| {
            let usages: Vec<_> = usages.iter().map(|usage| (*usage).to_owned()).collect();
            request_name(
                &key_of_scalar_one(),
                "system:node:node-a.test",
                &[NODES.to_owned()],
                &usages,
            )
        };
        assert_eq!(
            name(&["digital signature", "key encipherment", "client auth"]),
            "node-csr-1AY0Dhl8O7iWvHV-eFFE9Uh2KRq6GST4uahD6CRPsSQ"
        );
        assert_eq!(
            name(&["digital signature", "client auth"]),
            "node-csr-sJe7zedkiamRvaiUxz8K30KBltf0J9W6lhoRYTx4O-Q"
        );
    }

    #[test]
    fn a_nodes_name_is_a_lowercase_subdomain() {
        for good in ["a", "node-a", "10.0.0.1", "node-a.lab.test"] {
            assert!(is_node_name(good), "{good}");
        }
        let long = "a".repeat(254);
        for bad in ["", "Node", "a.", ".a", "-a", "a-", "a_b", "a..b", long.as_str()] {
            assert!(!is_node_name(bad), "{bad}");
        }
    }
}
