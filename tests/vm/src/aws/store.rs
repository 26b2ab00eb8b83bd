//! The object store: one bucket with one object, over TLS with a CA made for this run.
//!
//! - `HEAD /BUCKET` by the name of a region: anybody learns where the bucket is, although the bucket is not for anybody.
//! - `GET /KEY` by the name of the bucket: the object, for whoever signs as the role.

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;

use super::signature::{self, Received, Refusal};
use super::{ACCOUNT, AwsError, BUCKET, BUCKET_REGION, HERE, KEY};
use crate::server::{self, Answer, Seen, Server, body, plain, value};

pub(super) struct Store {
    server: Server,
    authority: String,
}

/// The names of the store: of the instance's region, where the bucket is looked for, and of the bucket.
pub(super) fn hosts() -> [String; 2] {
    [
        format!("s3.dualstack.{HERE}.amazonaws.com"),
        format!("{BUCKET}.s3.dualstack.{BUCKET_REGION}.amazonaws.com"),
    ]
}

impl Store {
    pub(super) fn start(object: Vec<u8>) -> Result<Self, AwsError> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority
            .distinguished_name
            .push(DnType::CommonName, "Kindling test-only store CA");
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(hosts())?.signed_by(&key, &Issuer::new(authority, authority_key))?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = server::tls(vec![certificate.der().clone()], key)?;
        let server = Server::start(Some(tls), move |asked| {
            decide(asked.method(), asked.uri(), asked.headers(), &object)
        })
        .map_err(AwsError::Listen)?;
        Ok(Self {
            server,
            authority: authority_pem,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// The CA that signed the store's certificate.
    pub(super) fn authority_pem(&self) -> &str {
        &self.authority
    }
}

fn decide(method: &Method, uri: &Uri, headers: &HeaderMap, object: &[u8]) -> Answer {
    let [of_region, of_bucket] = hosts();
    let host = value(headers, &header::HOST);
    if host == of_region && *method == Method::HEAD && uri.path() == format!("/{BUCKET}") {
        let mut answer = plain(StatusCode::FORBIDDEN, "");
        answer
            .headers_mut()
            .insert("x-amz-bucket-region", HeaderValue::from_static(BUCKET_REGION));
        return answer;
    }
    if host != of_bucket || *method != Method::GET {
        return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
    }
    let received = Received {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect(),
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    match signature::judge(&received, &ACCOUNT, BUCKET_REGION, now) {
        Err(why) => refusal(StatusCode::FORBIDDEN, code(&why)),
        Ok(()) if signature::decoded(uri.path()) == format!("/{KEY}").as_bytes() => {
            body(StatusCode::OK, "binary/octet-stream", object.to_vec())
        }
        Ok(()) => refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
    }
}

/// The vendor's word for what is wrong.
fn code(why: &Refusal) -> &'static str {
    match why {
        Refusal::Anonymous | Refusal::Malformed | Refusal::Unsigned(_) | Refusal::Scope => "AccessDenied",
        Refusal::Stranger => "InvalidAccessKeyId",
        Refusal::Session => "InvalidToken",
        Refusal::Time => "RequestTimeTooSkewed",
        Refusal::Signature => "SignatureDoesNotMatch",
    }
}

fn refusal(status: StatusCode, code: &str) -> Answer {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code></Error>");
    body(status, "application/xml", text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &Method, host: &str, path: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        decide(method, &path.parse().unwrap(), &headers, b"object")
    }

    #[test]
    fn anybody_learns_the_region_and_nobody_the_object() {
        let [of_region, of_bucket] = hosts();
        let region = ask(&Method::HEAD, &of_region, "/kindling-nodes");
        assert_eq!(region.status(), 403);
        assert_eq!(
            region.headers().get("x-amz-bucket-region").unwrap(),
            BUCKET_REGION
        );
        assert_eq!(ask(&Method::HEAD, &of_region, "/other").status(), 404);
        let object = ask(&Method::GET, &of_bucket, "/pools/worker%20pool.ign");
        assert_eq!(object.status(), 403);
    }
}
