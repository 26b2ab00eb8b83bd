//! One request and its answer, as a fixture keeps them: without what differs from run to run, so that another server, or
//! another release of this one, can be held to it.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::client::{AskError, Client};

/// What stands where a value differed from run to run.
const ANY: &str = "…";

/// A request.
#[derive(Clone, Debug)]
pub struct Question {
    /// Who asks, in words.
    pub by: &'static str,
    /// `POST`, …
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// What is sent; `null` is nothing. A string is sent as it is.
    pub body: Value,
}

impl Question {
    /// `GET` of `path`.
    #[must_use]
    pub fn get(by: &'static str, path: impl Into<String>) -> Self {
        Self {
            by,
            method: Method::GET,
            path: path.into(),
            body: Value::Null,
        }
    }

    /// `POST` of `body` to `path`.
    #[must_use]
    pub fn post(by: &'static str, path: impl Into<String>, body: Value) -> Self {
        Self {
            by,
            method: Method::POST,
            path: path.into(),
            body,
        }
    }

    /// Asks as `client`. The answer's body as it came, and question and answer as a fixture keeps them.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn ask(&self, client: &Client) -> Result<(Value, Value), AskError> {
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let reply = client.send(self.method.clone(), &self.path, body)?;
        let answer = match serde_json::from_str(&reply.text) {
            Ok(json) => json,
            Err(_) => json!(reply.text),
        };
        let kept = ["content-type", "retry-after", "warning", "www-authenticate"];
        let headers: Map<String, Value> = reply
            .headers
            .iter()
            .filter(|(name, _)| kept.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let kept = json!({
            "request": {
                "by": self.by,
                "method": self.method.as_str(),
                "path": scrubbed_path(&self.path),
                "body": scrubbed(self.body.clone()),
            },
            "answer": { "status": reply.status, "headers": headers, "body": scrubbed(answer.clone()) },
        });
        Ok((answer, kept))
    }
}

/// A value without what differs from run to run: ids, times, versions of the store, keys and certificates.
#[must_use]
pub fn scrubbed(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(scrubbed).collect()),
        Value::Object(members) => {
            // A name that the server chose.
            let chosen = members
                .get("generateName")
                .and_then(Value::as_str)
                .map(str::to_owned);
            Value::Object(
                members
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match (name.as_str(), &value) {
                            // Which fields whose program wrote: nobody who joins looks at it.
                            ("managedFields", _) => json!([]),
                            ("name", Value::String(_)) if chosen.is_some() => {
                                json!(format!("{}{ANY}", chosen.as_deref().unwrap_or_default()))
                            }
                            (name, Value::String(text)) if differs(name, text) => json!(ANY),
                            _ => scrubbed(value),
                        };
                        (name, value)
                    })
                    .collect(),
            )
        }
        other => other,
    }
}

fn differs(name: &str, text: &str) -> bool {
    match name {
        "uid" | "resourceVersion" | "creationTimestamp" | "lastUpdateTime" | "lastTransitionTime"
        | "request" | "certificate" | "buildDate" | "gitCommit" | "goVersion" | "platform" | "kubeconfig" => {
            !text.is_empty()
        }
        name if name.starts_with("jws-kubeconfig-") => true,
        _ => false,
    }
}

fn scrubbed_path(path: &str) -> String {
    match path.split_once("resourceVersion=") {
        None => path.to_owned(),
        Some((before, after)) => {
            let rest = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}resourceVersion={ANY}{rest}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_left_out_wherever_it_stands() {
        let object = json!({
            "metadata": { "name": "csr-a", "uid": "1f", "resourceVersion": "", "managedFields": [{ "time": "now" }] },
            "items": [{ "spec": { "request": "TFM=", "usages": ["client auth"] } }],
        });
        assert_eq!(
            scrubbed(object),
            json!({
                "metadata": { "name": "csr-a", "uid": ANY, "resourceVersion": "", "managedFields": [] },
                "items": [{ "spec": { "request": ANY, "usages": ["client auth"] } }],
            })
        );
        assert_eq!(
            scrubbed_path("/a?watch=true&resourceVersion=17&timeoutSeconds=1"),
            format!("/a?watch=true&resourceVersion={ANY}&timeoutSeconds=1")
        );
    }
}
