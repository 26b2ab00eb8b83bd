//! What a well-made client does with every request, whatever it asks for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use hyper::header::{self, HeaderMap};
use serde_json::Value;

use crate::http::{Asked, value};
use crate::route::{Query, Route};

/// The words of a query that the API knows.
const KNOWN: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "dryRun",
    "fieldManager",
    "fieldSelector",
    "fieldValidation",
    "force",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeout",
    "timeoutSeconds",
    "verbose",
    "watch",
];

/// Whatever is wrong with the form of a request.
pub(crate) fn complaints(asked: &Asked, route: &Route, tokens: &[String]) -> Vec<String> {
    let headers = asked.headers();
    let mut found = Vec::new();
    if value(headers, &header::USER_AGENT).is_empty() {
        found.push("no User-Agent".to_owned());
    }
    if value(headers, &header::HOST).is_empty() {
        found.push("no Host".to_owned());
    }
    let is_api = !matches!(route, Route::Health | Route::Version);
    let accept = value(headers, &header::ACCEPT);
    if is_api && !accept.contains("application/json") {
        found.push(format!("Accept is {accept:?} and not JSON"));
    }
    found.extend(content(asked));
    found.extend(credentials(headers, route));
    if tokens
        .iter()
        .any(|token| asked.uri().to_string().contains(token.as_str()))
    {
        found.push("a token stands in the address".to_owned());
    }
    let query = Query::of(asked.uri());
    let strange = query.keys().filter(|key| !KNOWN.contains(key));
    found.extend(strange.map(|key| format!("the query has {key:?}")));
    if has_private_key(asked.body()) {
        found.push("a private key was sent".to_owned());
    }
    found
}

fn content(asked: &Asked) -> Option<String> {
    let kind = value(asked.headers(), &header::CONTENT_TYPE);
    let is_right = match *asked.method() {
        Method::POST | Method::PUT => kind.split(';').next() == Some("application/json"),
        Method::PATCH => kind.ends_with("patch+json"),
        _ => asked.body().is_empty(),
    };
    (!is_right).then(|| {
        let bytes = asked.body().len();
        format!("Content-Type is {kind:?} for {bytes} bytes")
    })
}

fn credentials(headers: &HeaderMap, route: &Route) -> Option<String> {
    let given = value(headers, &header::AUTHORIZATION);
    if given.is_empty() {
        return None;
    }
    if *route == Route::ClusterInfo {
        // The server is not verified yet: whoever answers would get it.
        return Some("discovery sent a credential".to_owned());
    }
    let is_bearer = given
        .strip_prefix("Bearer ")
        .is_some_and(|token| !token.is_empty() && !token.contains(char::is_whitespace));
    (!is_bearer).then(|| "Authorization is no bearer token".to_owned())
}

/// Whether a private key in PEM stands in a body, as it is or in base64 in one of its texts.
pub(crate) fn has_private_key(body: &[u8]) -> bool {
    let is_key = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("PRIVATE KEY");
    let mut texts = Vec::new();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        collect(&value, &mut texts);
    }
    is_key(body)
        || texts
            .iter()
            .any(|text| STANDARD.decode(text).is_ok_and(|bytes| is_key(&bytes)))
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|item| collect(item, texts)),
        _ => {}
    }
}
