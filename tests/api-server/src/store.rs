//! The requests for certificates that a cluster keeps, and who watches them.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedSender;

use crate::http::Piece;
use crate::request::Wanted;
use crate::user::User;

/// Where the counter of changes begins, as if the cluster had lived before.
const FIRST_VERSION: u64 = 4710;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Filed {
    pub(crate) name: String,
    pub(crate) wanted: Wanted,
    pub(crate) uid: String,
    version: u64,
    pub(crate) created: SystemTime,
    /// Who filed it.
    pub(crate) user: User,
    conditions: Vec<Value>,
    certificate: Option<String>,
}

impl Filed {
    /// Whether it has this condition.
    pub(crate) fn is(&self, condition: &str) -> bool {
        self.conditions.iter().any(|one| one["type"] == condition)
    }

    /// Whether nobody has said anything.
    pub(crate) fn is_pending(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether its certificate is there.
    pub(crate) fn is_issued(&self) -> bool {
        self.certificate.is_some()
    }

    /// The object as the API shows it.
    pub(crate) fn object(&self) -> Value {
        let mut metadata = json!({
            "name": self.name, "uid": self.uid, "resourceVersion": self.version.to_string(),
            "creationTimestamp": stamp(self.created),
        });
        if !self.wanted.prefix.is_empty() {
            metadata["generateName"] = self.wanted.prefix.as_str().into();
        }
        for (field, value) in &self.wanted.metadata {
            metadata[field] = value.clone();
        }
        let mut spec = self.wanted.spec.clone();
        spec["username"] = self.user.name.as_str().into();
        spec["groups"] = self.user.groups.clone().into();
        let mut status = json!({});
        if !self.conditions.is_empty() {
            status["conditions"] = self.conditions.clone().into();
        }
        if let Some(pem) = &self.certificate {
            status["certificate"] = STANDARD.encode(pem).into();
        }
        json!({
            "kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1",
            "metadata": metadata, "spec": spec, "status": status,
        })
    }
}

/// A change, kept for who watches from before it.
struct Event {
    version: u64,
    name: String,
    line: Bytes,
}

/// Who watches.
struct Watcher {
    id: u64,
    /// Only this name, if any.
    name: Option<String>,
    has_bookmarks: bool,
    sender: UnboundedSender<Piece>,
}

/// All requests and their history.
pub(crate) struct Store {
    filed: BTreeMap<String, Filed>,
    events: Vec<Event>,
    version: u64,
    made: u64,
    watched: u64,
    watchers: Vec<Watcher>,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            filed: BTreeMap::new(),
            events: Vec::new(),
            version: FIRST_VERSION,
            made: 0,
            watched: 0,
            watchers: Vec::new(),
        }
    }

    /// The newest change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Filed> {
        self.filed.get(name)
    }

    /// All, or the one of this name.
    pub(crate) fn list(&self, name: Option<&str>) -> Vec<&Filed> {
        self.filed
            .values()
            .filter(|one| name.is_none_or(|name| one.name == name))
            .collect()
    }

    /// How many were filed since `since` and have no answer.
    pub(crate) fn pending_since(&self, since: SystemTime) -> usize {
        self.filed
            .values()
            .filter(|one| one.is_pending() && one.created >= since)
            .count()
    }

    /// Keeps a request; `None` where its name is taken.
    pub(crate) fn file(&mut self, wanted: Wanted, user: &User) -> Option<&Filed> {
        let name = if wanted.name.is_empty() {
            format!("{}{}", wanted.prefix, suffix(self.made))
        } else {
            wanted.name.clone()
        };
        if self.filed.contains_key(&name) {
            return None;
        }
        let filed = Filed {
            name: name.clone(),
            uid: self.uid(),
            wanted,
            version: 0,
            created: SystemTime::now(),
            user: user.clone(),
            conditions: Vec::new(),
            certificate: None,
        };
        self.filed.insert(name.clone(), filed);
        self.tell("ADDED", &name);
        self.get(&name)
    }

    /// Adds a condition.
    pub(crate) fn condition(&mut self, name: &str, kind: &str, reason: &str, message: &str) {
        let now = stamp(SystemTime::now());
        if let Some(filed) = self.filed.get_mut(name) {
            filed.conditions.push(json!({
                "type": kind, "status": "True", "reason": reason, "message": message,
                "lastUpdateTime": now, "lastTransitionTime": now,
            }));
            self.tell("MODIFIED", name);
        }
    }

    /// Fills in the certificate.
    pub(crate) fn issue(&mut self, name: &str, pem: String) {
        if let Some(filed) = self.filed.get_mut(name) {
            filed.certificate = Some(pem);
            self.tell("MODIFIED", name);
        }
    }

    /// Deletes one.
    pub(crate) fn delete(&mut self, name: &str) -> Option<Filed> {
        self.filed.get(name)?;
        self.tell("DELETED", name);
        self.filed.remove(name)
    }

    /// Deletes one and files the same again: another UID, no conditions.
    pub(crate) fn recreate(&mut self, name: &str) {
        if let Some(mut filed) = self.delete(name) {
            filed.uid = self.uid();
            filed.created = SystemTime::now();
            filed.conditions.clear();
            filed.certificate = None;
            self.filed.insert(name.to_owned(), filed);
            self.tell("ADDED", name);
        }
    }

    /// As if one had been filed so long before.
    pub(crate) fn age(&mut self, name: &str, by: Duration) {
        if let Some(filed) = self.filed.get_mut(name) {
            filed.created -= by;
        }
    }

    /// Sends what happened behind `from`, then what happens; gives the number to end it by. Without `from` it begins with what is
    /// there.
    pub(crate) fn watch(
        &mut self,
        name: Option<String>,
        from: Option<u64>,
        has_bookmarks: bool,
        sender: UnboundedSender<Piece>,
    ) -> u64 {
        self.watched += 1;
        let watcher = Watcher {
            id: self.watched,
            name,
            has_bookmarks,
            sender,
        };
        match from {
            Some(from) => {
                for event in self.events.iter().filter(|event| event.version > from) {
                    watcher.send(&event.name, &event.line, event.version);
                }
            }
            None => {
                for filed in self.filed.values() {
                    watcher.send(&filed.name, &line("ADDED", &filed.object()), self.version);
                }
            }
        }
        self.watchers.push(watcher);
        self.watched
    }

    /// Ends one watch.
    pub(crate) fn unwatch(&mut self, id: u64) {
        self.watchers.retain(|watcher| watcher.id != id);
    }

    /// Ends every watch.
    pub(crate) fn end_watches(&mut self) {
        self.watchers.clear();
    }

    fn uid(&mut self) -> String {
        self.made += 1;
        format!("2f0c1f0a-7f6e-4a53-9d7e-{:012x}", self.made)
    }

    /// Counts a change and tells who watches. Watchers that left are forgotten.
    fn tell(&mut self, kind: &str, name: &str) {
        self.version += 1;
        let version = self.version;
        let Some(filed) = self.filed.get_mut(name) else {
            return;
        };
        filed.version = version;
        let event = Event {
            version,
            name: name.to_owned(),
            line: line(kind, &filed.object()),
        };
        self.watchers
            .retain(|watcher| watcher.send(name, &event.line, version));
        self.events.push(event);
    }
}

impl Watcher {
    /// Sends an event if it is about what is watched, with bookmarks around it. Whether somebody still listens.
    fn send(&self, name: &str, line: &Bytes, version: u64) -> bool {
        if self.name.as_ref().is_some_and(|watched| watched != name) {
            return !self.sender.is_closed();
        }
        let mark = |version| !self.has_bookmarks || self.sender.send(Ok(bookmark(version))).is_ok();
        mark(version - 1) && self.sender.send(Ok(line.clone())).is_ok() && mark(version)
    }
}

/// One line of a watch.
pub(crate) fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": kind, "object": object})))
}

fn bookmark(version: u64) -> Bytes {
    let object = json!({
        "kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1",
        "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null},
        "spec": {"request": null, "signerName": ""}, "status": {},
    });
    line("BOOKMARK", &object)
}

/// A moment as the API writes it.
pub(crate) fn stamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Five characters behind a prefix, as the real server draws them; here counted.
fn suffix(mut number: u64) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut letters = String::new();
    for _ in 0..5 {
        let at = usize::try_from(number % 27).unwrap_or_default();
        letters.insert(0, char::from(LETTERS[at]));
        number /= 27;
    }
    letters
}
