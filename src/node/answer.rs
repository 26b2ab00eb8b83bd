//! What the API server's answers mean (cluster.md 2.5, d and f). Proxies on the way answer in HTML or not at all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::object::text_at;

/// Bytes of the server's own words that a record shows.
const WORDS: usize = 300;

/// What a status means.
#[derive(Debug, PartialEq)]
pub enum Meaning {
    /// Done; the object, where the body is one.
    Done(Value),
    /// 409: there is one of that name.
    Exists,
    /// 401: the server does not know the credential.
    Unknown,
    /// 403: it knows who asks, and does not allow it.
    Forbidden,
    /// 404: there is none of that name, or no such API.
    Absent,
    /// Any other status below 500: asked again, it would say the same.
    Refused,
    /// 408, 429 and 500 and above, and what no API server says: later it may answer.
    Later,
    /// 410: what was seen last is too old to go on from.
    Gone,
}

/// An answer, and what the server says to it.
#[derive(Debug, PartialEq)]
pub struct Answered {
    /// What it means.
    pub meaning: Meaning,
    /// Status and the server's words, for a person.
    pub words: String,
}

/// What an answer with that status and body means.
#[must_use]
pub fn read(status: u16, body: &[u8]) -> Answered {
    let value: Option<Value> = kindling_config_spec::json::read(body);
    let said = value.as_ref().map_or("", |value| text_at(value, "/message"));
    let words = match said {
        "" => format!("status {status}"),
        said => format!("status {status}: {}", plain(said)),
    };
    let meaning = match (status, value) {
        (200..=299, Some(value)) => Meaning::Done(value),
        (401, _) => Meaning::Unknown,
        (403, _) => Meaning::Forbidden,
        (404, _) => Meaning::Absent,
        (409, _) => Meaning::Exists,
        (410, _) => Meaning::Gone,
        (400..=499, _) if !matches!(status, 408 | 425 | 429) => Meaning::Refused,
        _ => Meaning::Later,
    };
    Answered { meaning, words }
}

/// The server's words in one short line.
#[must_use]
pub fn plain(said: &str) -> String {
    let words = said.split(|c: char| c.is_whitespace() || c.is_control());
    let line: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut line = line.join(" ");
    line.truncate(line.floor_char_boundary(WORDS));
    line
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not the one that was filed any more, or gone.
    Gone,
    /// Somebody said no, in these words.
    Denied(String),
    /// The signer could not issue it.
    Failed(String),
    /// The certificate, in PEM with whatever stands around it.
    Issued(String),
    /// Approved, and not issued yet.
    Approved,
    /// Nobody has approved it yet.
    Pending,
}

/// Where the request with that uid stands, by what is stored under its name; in this order.
#[must_use]
pub fn standing(uid: &str, object: &Value) -> Standing {
    let condition = |kind: &str| {
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        let found =
            conditions.find(|one| text_at(one, "/type") == kind && text_at(one, "/status") != "False");
        found.map(|one| {
            plain(&format!(
                "{}: {}",
                text_at(one, "/reason"),
                text_at(one, "/message")
            ))
        })
    };
    let certificate = text_at(object, "/status/certificate");
    match (condition("Denied"), condition("Failed"), condition("Approved")) {
        _ if text_at(object, "/metadata/uid") != uid => Standing::Gone,
        (Some(words), ..) => Standing::Denied(words),
        (_, Some(words), _) => Standing::Failed(words),
        (.., Some(_)) if !certificate.is_empty() => {
            let pem = STANDARD.decode(certificate).unwrap_or_default();
            Standing::Issued(String::from_utf8_lossy(&pem).into_owned())
        }
        (.., Some(_)) => Standing::Approved,
        _ => Standing::Pending,
    }
}

/// What one line of a watch says.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// Where the request stands now, and the version of what was seen.
    Standing(Standing, String),
    /// Nothing new.
    Bookmark,
    /// The versions seen are too old, or this is no event: look at the object itself, and watch from there.
    Broken,
}

/// Reads a line of the watch for the request with that uid.
#[must_use]
pub fn event(uid: &str, line: &[u8]) -> Event {
    let Some(value) = kindling_config_spec::json::read::<Value>(line) else {
        return Event::Broken;
    };
    let object = value.get("object").unwrap_or(&Value::Null);
    let version = || text_at(object, "/metadata/resourceVersion").to_owned();
    match text_at(&value, "/type") {
        "DELETED" => Event::Standing(Standing::Gone, version()),
        "ADDED" | "MODIFIED" => Event::Standing(standing(uid, object), version()),
        "BOOKMARK" => Event::Bookmark,
        _ => Event::Broken,
    }
}

/// The minor version in the answer to `/version`; distributions write `20+`.
#[must_use]
pub fn minor(version: &Value) -> Option<u32> {
    let digits = text_at(version, "/minor");
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    digits.get(..end)?.parse().ok()
}

/// What stands under the node's name already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// A Node that this machine registered: the same firmware or machine id.
    Ours {
        /// Whether it is Ready.
        is_ready: bool,
        /// Why it is not, in the kubelet's words.
        why: String,
    },
    /// A Node of another machine.
    Other {
        /// Whether it is Ready.
        is_ready: bool,
    },
}

/// Whether the Node does not say whose it is.
#[must_use]
pub fn is_of_no_machine(node: &Value) -> bool {
    let ids = ["/status/nodeInfo/systemUUID", "/status/nodeInfo/machineID"];
    ids.iter().all(|id| text_at(node, id).is_empty())
}

/// Whose the Node is. `ids` are those of this machine: the UUID of the firmware, and what stands in `/etc/machine-id`.
#[must_use]
pub fn registered(node: &Value, ids: &[String]) -> Registered {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|one| text_at(one, "/type") == "Ready");
    let is_ready = ready.is_some_and(|ready| text_at(ready, "/status") == "True");
    let is_known = |pointer: &str| {
        let id = text_at(node, pointer);
        !id.is_empty() && ids.iter().any(|known| known.eq_ignore_ascii_case(id))
    };
    if is_known("/status/nodeInfo/systemUUID") || is_known("/status/nodeInfo/machineID") {
        let why = ready.map_or("", |ready| text_at(ready, "/message"));
        Registered::Ours {
            is_ready,
            why: plain(why),
        }
    } else {
        Registered::Other { is_ready }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meaning(status: u16, body: &str) -> Meaning {
        read(status, body.as_bytes()).meaning
    }

    #[test]
    fn a_status_has_one_meaning() {
        for (status, expected) in [
            (400, Meaning::Refused),
            (401, Meaning::Unknown),
            (403, Meaning::Forbidden),
            (404, Meaning::Absent),
            (405, Meaning::Refused),
            (408, Meaning::Later),
            (409, Meaning::Exists),
            (410, Meaning::Gone),
            (422, Meaning::Refused),
            (429, Meaning::Later),
            (500, Meaning::Later),
            (503, Meaning::Later),
            (302, Meaning::Later),
        ] {
            assert_eq!(meaning(status, "<html>"), expected, "{status}");
            assert_eq!(meaning(status, "{}"), expected, "{status}");
        }
        assert_eq!(meaning(201, "{}"), Meaning::Done(json!({})));
        // A page for people in the place of an object.
        assert_eq!(meaning(200, "<html>"), Meaning::Later);
        let told = read(403, br#"{"kind":"Status","message":"no\u0007\n way"}"#);
        assert_eq!(told.words, "status 403: no way");
        let long = format!("{{\"message\":\"{}\"}}", "ä".repeat(9000));
        assert!(read(500, long.as_bytes()).words.len() < 330);
    }

    fn object(status: &Value) -> Value {
        json!({ "metadata": { "uid": "u1", "resourceVersion": "7" }, "status": status })
    }

    #[test]
    fn a_request_stands_where_the_first_of_the_rules_says() {
        let approved = json!({ "type": "Approved", "status": "True", "reason": "Auto" });
        let denied = json!({ "type": "Denied", "status": "True", "reason": "No", "message": "not you" });
        let failed = json!({ "type": "Failed", "status": "True", "reason": "Bad" });
        let certificate = STANDARD.encode("PEM");
        let of = |status: Value| standing("u1", &object(&status));
        assert_eq!(of(json!({})), Standing::Pending);
        assert_eq!(of(json!({ "certificate": certificate })), Standing::Pending);
        assert_eq!(of(json!({ "conditions": [approved] })), Standing::Approved);
        assert_eq!(
            of(json!({ "conditions": [approved], "certificate": certificate })),
            Standing::Issued("PEM".into())
        );
        assert_eq!(
            of(json!({ "conditions": [approved, denied], "certificate": certificate })),
            Standing::Denied("No: not you".into())
        );
        assert_eq!(
            of(json!({ "conditions": [approved, failed], "certificate": certificate })),
            Standing::Failed("Bad:".into())
        );
        assert_eq!(
            standing("u2", &object(&json!({ "conditions": [denied] }))),
            Standing::Gone
        );
        assert_eq!(standing("u1", &Value::Null), Standing::Gone);
    }

    #[test]
    fn lines_of_a_watch_are_read() {
        let of = |kind: &str| {
            let line = json!({ "type": kind, "object": object(&json!({})) }).to_string();
            event("u1", line.as_bytes())
        };
        assert_eq!(of("MODIFIED"), Event::Standing(Standing::Pending, "7".into()));
        assert_eq!(of("ADDED"), Event::Standing(Standing::Pending, "7".into()));
        assert_eq!(of("DELETED"), Event::Standing(Standing::Gone, "7".into()));
        assert_eq!(of("BOOKMARK"), Event::Bookmark);
        assert_eq!(of("ERROR"), Event::Broken);
        assert_eq!(of("OTHER"), Event::Broken);
        assert_eq!(event("u1", b"<html>"), Event::Broken);
    }

    #[test]
    fn versions_of_distributions_are_read() {
        for (text, number) in [("20", Some(20)), ("27+", Some(27)), ("", None), ("x", None)] {
            assert_eq!(minor(&json!({ "major": "1", "minor": text })), number, "{text}");
        }
        assert_eq!(minor(&Value::Null), None);
    }

    #[test]
    fn a_node_is_ours_by_firmware_or_machine_id() {
        let node = json!({ "status": {
            "nodeInfo": { "systemUUID": "AB-CD", "machineID": "m1" },
            "conditions": [{ "type": "Ready", "status": "False", "message": "no network" }]
        } });
        let ids = |one: &str, other: &str| [one.to_owned(), other.to_owned()];
        let ours = Registered::Ours {
            is_ready: false,
            why: "no network".into(),
        };
        assert_eq!(registered(&node, &ids("ab-cd", "")), ours);
        assert_eq!(registered(&node, &ids("", "m1")), ours);
        assert_eq!(
            registered(&node, &ids("", "")),
            Registered::Other { is_ready: false }
        );
        assert_eq!(
            registered(&json!({}), &ids("", "")),
            Registered::Other { is_ready: false }
        );
    }
}
