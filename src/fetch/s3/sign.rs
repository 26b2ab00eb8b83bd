//! Signing a read of S3: AWS signature version 4, as the vendor's page "Authenticating requests: using the
//! Authorization header" describes it.

use std::fmt;

use ring::hmac;
use url::Url;

use crate::calendar::compact;
use crate::identity::{hex, sha256_hex};

/// What proves that this machine may read.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::fetch) struct Credentials {
    /// Who asks.
    pub(in crate::fetch) access_key: String,
    /// What the signature is made with; it is never sent.
    pub(in crate::fetch) secret_key: String,
    /// What goes with credentials that end.
    pub(in crate::fetch) token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Credentials")
    }
}

/// The headers that make a GET of `url` a signed one. `extra` are headers that are signed with it, `seconds` since 1970
/// the time of signing, which the server compares with its own.
pub(in crate::fetch) fn signed(
    url: &Url,
    extra: &[(&str, &str)],
    region: &str,
    credentials: &Credentials,
    seconds: u64,
) -> Vec<(String, String)> {
    let time = compact(seconds);
    let date = time.get(..8).unwrap_or_default();
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.trim().to_owned()));
    add("host", &host(url));
    for (name, value) in extra {
        add(&name.to_ascii_lowercase(), value);
    }
    add("x-amz-content-sha256", &sha256_hex(b""));
    add("x-amz-date", &time);
    if let Some(token) = &credentials.token {
        add("x-amz-security-token", token);
    }
    kindling_config_spec::order::sort(&mut headers);
    let names = headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "GET\n{}\n{}\n{lines}\n{names}\n{}",
        url.path(),
        query(url),
        sha256_hex(b"")
    );
    let scope = format!("{date}/{region}/s3/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        sha256_hex(canonical.as_bytes())
    );
    let secret = format!("AWS4{}", credentials.secret_key);
    let key = [date, region, "s3", "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    let credential = format!("{}/{scope}", credentials.access_key);
    headers.retain(|(name, _)| name != "host");
    headers.push((
        "authorization".to_owned(),
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"),
    ));
    headers
}

/// The value of header `Host`.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The query as it is signed: by name, a name without a value with an empty one.
fn query(url: &Url) -> String {
    let mut pairs: Vec<String> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    kindling_config_spec::order::sort(&mut pairs);
    pairs.join("&")
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the vendor's page: bucket `examplebucket` on 2013-05-24, key and secret as printed there.
    fn example(url: &str, extra: &[(&str, &str)]) -> String {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            token: None,
        };
        let headers = signed(
            &Url::parse(url).unwrap(),
            extra,
            "us-east-1",
            &credentials,
            1_369_353_600,
        );
        let (_, value) = headers.last().unwrap();
        value.rsplit_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn the_vendors_examples_come_out() {
        assert_eq!(
            example(
                "https://examplebucket.s3.amazonaws.com/test.txt",
                &[("Range", "bytes=0-9")]
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        assert_eq!(
            example("https://examplebucket.s3.amazonaws.com/?lifecycle", &[]),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            example("https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2", &[]),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn a_session_token_is_sent_and_signed_and_host_is_left_to_the_client() {
        let credentials = Credentials {
            access_key: "A".to_owned(),
            secret_key: "planted".to_owned(),
            token: Some("session".to_owned()),
        };
        let headers = signed(
            &Url::parse("https://b.s3.amazonaws.com:444/k").unwrap(),
            &[],
            "eu-west-1",
            &credentials,
            0,
        );
        let find = |name: &str| {
            headers
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
        };
        assert_eq!(find("x-amz-security-token"), Some("session"));
        assert_eq!(find("x-amz-date"), Some("19700101T000000Z"));
        assert_eq!(find("host"), None);
        let authorization = find("authorization").unwrap();
        assert!(
            authorization
                .contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"),
            "{authorization}"
        );
        assert!(!format!("{credentials:?}{headers:?}").contains("planted"));
    }
}
