//! The API server's way to say no: `Status` objects.

use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde_json::{Value, json};

use crate::http::{Answer, body};

/// The API group of requests for certificates.
pub(crate) const CERTIFICATES: &str = "certificates.k8s.io";
/// Its only resource here.
pub(crate) const REQUESTS: &str = "certificatesigningrequests";

/// A field that breaks a rule, as `details.causes` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// `FieldValueRequired`, `FieldValueInvalid`, …
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

/// An answer in JSON.
pub(crate) fn json_body(status: StatusCode, value: &Value) -> Answer {
    body(status, "application/json", value.to_string().into_bytes())
}

/// A `Status` that says no.
pub(crate) fn failure(code: u16, reason: &str, message: &str, details: Value) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code,
    });
    if !reason.is_empty() {
        status["reason"] = reason.into();
    }
    if !details.is_null() {
        status["details"] = details;
    }
    status
}

/// The same as an answer.
pub(crate) fn refuse(code: u16, reason: &str, message: &str, details: Value) -> Answer {
    json_body(
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        &failure(code, reason, message, details),
    )
}

pub(crate) fn unauthorized() -> Answer {
    refuse(401, "Unauthorized", "Unauthorized", Value::Null)
}

pub(crate) fn bad_request(message: &str) -> Answer {
    refuse(400, "BadRequest", message, Value::Null)
}

pub(crate) fn not_served() -> Answer {
    let message = "the server could not find the requested resource";
    refuse(404, "NotFound", message, json!({}))
}

pub(crate) fn not_found(group: &str, resource: &str, name: &str) -> Answer {
    let message = format!("{} {name:?} not found", qualified(group, resource));
    refuse(404, "NotFound", &message, details(group, resource, name))
}

pub(crate) fn already_exists(group: &str, resource: &str, name: &str) -> Answer {
    let message = format!("{} {name:?} already exists", qualified(group, resource));
    refuse(409, "AlreadyExists", &message, details(group, resource, name))
}

/// `what` is who may not do what to what.
pub(crate) fn forbidden(group: &str, resource: &str, name: &str, what: &str) -> Answer {
    let named = if name.is_empty() {
        String::new()
    } else {
        format!(" {name:?}")
    };
    let message = format!("{}{named} is forbidden: {what}", qualified(group, resource));
    refuse(403, "Forbidden", &message, details(group, resource, name))
}

pub(crate) fn invalid(name: &str, causes: &[Cause]) -> Answer {
    let each: Vec<_> = causes
        .iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    let all = match each.as_slice() {
        [one] => one.clone(),
        _ => format!("[{}]", each.join(", ")),
    };
    let message = format!("CertificateSigningRequest.{CERTIFICATES} {name:?} is invalid: {all}");
    let causes: Vec<_> = causes
        .iter()
        .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
        .collect();
    let details = json!({
        "name": name, "group": CERTIFICATES, "kind": "CertificateSigningRequest", "causes": causes,
    });
    refuse(422, "Invalid", &message, details)
}

pub(crate) fn too_many_requests(seconds: u32) -> Answer {
    let message = "the server has received too many requests and has asked us to try again later";
    let details = json!({"retryAfterSeconds": seconds});
    let mut answer = refuse(429, "TooManyRequests", message, details);
    answer
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(seconds));
    answer
}

/// What a resource version that is forgotten meets.
pub(crate) fn expired(version: u64, oldest: u64) -> Value {
    let message = format!("too old resource version: {version} ({oldest})");
    failure(410, "Expired", &message, Value::Null)
}

fn details(group: &str, resource: &str, name: &str) -> Value {
    let mut details = json!({"kind": resource});
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

fn qualified(group: &str, resource: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}
