//! Judging a signature: AWS signature version 4 from the store's side, written apart from the engine's so that the two
//! have no mistake in common.
//!
//! Facts: the vendor's API reference of S3, "Authenticating Requests: Using the Authorization Header".

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use time::{Date, Month};

/// What a caller may show.
pub(super) struct Account<'a> {
    pub(super) access_key: &'a str,
    pub(super) secret_key: &'a str,
    pub(super) session_token: &'a str,
}

/// A request as it came; header names in lower case.
pub(super) struct Received<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: Vec<(&'a str, String)>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not signed at all.
    Anonymous,
    /// Its signature cannot be read.
    Malformed,
    /// This header must be signed, and is not.
    Unsigned(String),
    /// It is signed for another day, region or service.
    Scope,
    /// Nobody has its access key.
    Stranger,
    /// Its session token is not the one that belongs to the key.
    Session,
    /// It was signed more than a quarter of an hour ago, or will be.
    Time,
    /// The signature is another one.
    Signature,
}

/// How far the caller's clock may be off, in seconds.
const SKEW: u64 = 15 * 60;

impl Received<'_> {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.trim())
    }
}

/// Whether `received` is signed by `account` for this region, at about `now` (seconds since 1970).
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn judge(
    received: &Received<'_>,
    account: &Account<'_>,
    region: &str,
    now: i64,
) -> Result<(), Refusal> {
    let authorization = received.header("authorization").ok_or(Refusal::Anonymous)?;
    let fields = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or(Refusal::Malformed)?;
    let field = |name: &str| {
        let of_name = |part: &str| {
            part.trim()
                .strip_prefix(name)?
                .strip_prefix('=')
                .map(str::to_owned)
        };
        fields.split(',').find_map(of_name).ok_or(Refusal::Malformed)
    };
    let (credential, names, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
    let signed: Vec<&str> = names.split(';').collect();
    let must = |name: &str| name == "host" || name.starts_with("x-amz-");
    let sent = received.headers.iter().map(|(name, _)| *name);
    let demanded = ["host", "x-amz-content-sha256", "x-amz-date"];
    let unsigned = demanded
        .into_iter()
        .chain(sent.filter(|name| must(name)))
        .find(|name| !signed.contains(name));
    if let Some(name) = unsigned {
        return Err(Refusal::Unsigned(name.to_owned()));
    }

    let time = received.header("x-amz-date").ok_or(Refusal::Malformed)?;
    let at = seconds(time).ok_or(Refusal::Malformed)?;
    let (access_key, scope) = credential.split_once('/').ok_or(Refusal::Malformed)?;
    let day = &time[..8];
    if scope != format!("{day}/{region}/s3/aws4_request") {
        return Err(Refusal::Scope);
    }
    if access_key != account.access_key {
        return Err(Refusal::Stranger);
    }
    if received.header("x-amz-security-token").unwrap_or_default() != account.session_token {
        return Err(Refusal::Session);
    }
    if at.abs_diff(now) > SKEW {
        return Err(Refusal::Time);
    }

    let canonical = canonical(received, &signed).ok_or(Refusal::Malformed)?;
    let text = [
        "AWS4-HMAC-SHA256",
        time,
        scope,
        &hex(&Sha256::digest(canonical.as_bytes())),
    ]
    .join("\n");
    let mut key = format!("AWS4{}", account.secret_key).into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part);
    }
    if hex(&keyed(&key, &text)) == signature {
        Ok(())
    } else {
        Err(Refusal::Signature)
    }
}

/// The request in the one form that both sides hash. `None` where a signed header is missing.
fn canonical(received: &Received<'_>, signed: &[&str]) -> Option<String> {
    let mut pairs: Vec<(String, String)> = received
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (again(name, ""), again(value, "")))
        .collect();
    pairs.sort();
    let query: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let headers = signed
        .iter()
        .map(|name| Some(format!("{name}:{}\n", received.header(name)?)))
        .collect::<Option<String>>()?;
    Some(
        [
            received.method,
            &again(received.path, "/"),
            &query.join("&"),
            &headers,
            &signed.join(";"),
            received.header("x-amz-content-sha256")?,
        ]
        .join("\n"),
    )
}

/// `text` escaped as the signature wants it, however it was escaped before; the bytes in `also` stay as well.
fn again(text: &str, also: &str) -> String {
    decoded(text)
        .into_iter()
        .map(|byte| match char::from(byte) {
            plain @ ('A'..='Z' | 'a'..='z' | '0'..='9' | '-' | '.' | '_' | '~') => plain.to_string(),
            other if also.contains(other) => other.to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// `text` without its escapes; what only looks like one stays.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escape = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = after;
        match escape {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

/// Seconds since 1970 of `20130524T000000Z`.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?.replacen('T', "", 1);
    let fits = digits.len() == 14 && text.as_bytes().get(8) == Some(&b'T');
    if !fits || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| digits[from..from + 2].parse::<u8>().ok();
    let month = Month::try_from(part(4)?).ok()?;
    let date = Date::from_calendar_date(digits[..4].parse().ok()?, month, part(6)?).ok()?;
    let time = date.with_hms(part(8)?, part(10)?, part(12)?).ok()?;
    Some(time.assume_utc().unix_timestamp())
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of this function may have any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the vendor's examples: bucket `examplebucket` on 2013-05-24.
    const EXAMPLE: Account<'static> = Account {
        access_key: "AKIAIOSFODNN7EXAMPLE",
        secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        session_token: "",
    };
    const THEN: i64 = 1_369_353_600;
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn example(path: &'static str, query: &'static str, headers: &str, signature: &str) -> Received<'static> {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={headers},Signature={signature}"
        );
        Received {
            method: "GET",
            path,
            query,
            headers: vec![
                ("host", "examplebucket.s3.amazonaws.com".to_owned()),
                ("range", "bytes=0-9".to_owned()),
                ("x-amz-content-sha256", EMPTY.to_owned()),
                ("x-amz-date", "20130524T000000Z".to_owned()),
                ("authorization", authorization),
            ],
        }
    }

    /// Reading ten bytes of an object.
    fn read() -> Received<'static> {
        example(
            "/test.txt",
            "",
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        )
    }

    fn judged(received: &Received<'_>) -> Result<(), Refusal> {
        judge(received, &EXAMPLE, "us-east-1", THEN)
    }

    #[test]
    fn the_vendors_examples_are_right() {
        assert_eq!(judged(&read()), Ok(()));
        let names = "host;x-amz-content-sha256;x-amz-date";
        for (query, signature) in [
            (
                "lifecycle",
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "prefix=J&max-keys=2",
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ] {
            assert_eq!(judged(&example("/", query, names, signature)), Ok(()), "{query}");
        }
    }

    #[test]
    fn whatever_is_changed_afterwards_is_refused() {
        let path = Received {
            path: "/test2.txt",
            ..read()
        };
        let query = Received {
            query: "versionId=1",
            ..read()
        };
        let method = Received {
            method: "HEAD",
            ..read()
        };
        for changed in [path, query, method] {
            assert_eq!(judged(&changed), Err(Refusal::Signature), "{}", changed.path);
        }
        for (name, value, refusal) in [
            ("host", "other.s3.amazonaws.com", Refusal::Signature),
            ("range", "bytes=0-99", Refusal::Signature),
            ("x-amz-date", "20130524T000001Z", Refusal::Signature),
            ("x-amz-date", "20130525T000000Z", Refusal::Scope),
            ("x-amz-date", "today", Refusal::Malformed),
            ("authorization", "Bearer x", Refusal::Malformed),
        ] {
            let mut changed = read();
            changed.headers.retain(|(known, _)| *known != name);
            changed.headers.push((name, value.to_owned()));
            assert_eq!(judged(&changed), Err(refusal), "{name}");
        }
        let mut more = read();
        more.headers.push(("x-amz-acl", "public-read".to_owned()));
        assert_eq!(judged(&more), Err(Refusal::Unsigned("x-amz-acl".to_owned())));
        let mut anonymous = read();
        anonymous.headers.retain(|(name, _)| *name != "authorization");
        assert_eq!(judged(&anonymous), Err(Refusal::Anonymous));
    }

    #[test]
    fn only_the_account_in_its_region_at_its_time_is_let_in() {
        let with = |account: Account<'_>, region: &str, now: i64| judge(&read(), &account, region, now);
        let other_key = Account {
            access_key: "OTHER",
            ..EXAMPLE
        };
        let other_secret = Account {
            secret_key: "other",
            ..EXAMPLE
        };
        let with_session = Account {
            session_token: "session",
            ..EXAMPLE
        };
        for (account, region, now, refusal) in [
            (EXAMPLE, "eu-north-1", THEN, Refusal::Scope),
            (EXAMPLE, "us-east-1", THEN + 901, Refusal::Time),
            (EXAMPLE, "us-east-1", THEN - 901, Refusal::Time),
            (other_key, "us-east-1", THEN, Refusal::Stranger),
            (other_secret, "us-east-1", THEN, Refusal::Signature),
            (with_session, "us-east-1", THEN, Refusal::Session),
        ] {
            assert_eq!(with(account, region, now), Err(refusal.clone()), "{refusal:?}");
        }
        assert_eq!(with(EXAMPLE, "us-east-1", THEN + 900), Ok(()));
    }
}
