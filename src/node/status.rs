//! Where the join of a machine stands: the form of `join-status.json`, and what a person sees of it.

use kindling_config_spec::json;
use serde_json::{Map, Value};

use crate::report::screen;

/// Its name below the directory of this boot (`/run/kindling`), mode 0600.
pub const FILE: &str = "join-status.json";

/// The version of the form.
pub const FORMAT: u32 = 1;

/// A step of the join, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The node's name is settled.
    Named,
    /// The request is stored on the API server.
    Requested,
    /// Somebody approved it.
    Approved,
    /// The certificate is there.
    Issued,
    /// It is the one that was asked for, and the API server takes it.
    Verified,
    /// The kubelet finds it.
    Installed,
    /// The Node is there.
    Registered,
    /// It is Ready.
    Ready,
}

impl Step {
    /// Its name in every form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Issued => "issued",
            Self::Verified => "verified",
            Self::Installed => "installed",
            Self::Registered => "registered",
            Self::Ready => "ready",
        }
    }
}

/// What is known of a join. Never a secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status(Map<String, Value>);

impl Status {
    /// What an earlier process kept; nothing where that cannot be read.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let value: Option<Value> = json::read(bytes);
        match value {
            Some(Value::Object(members)) => Self(members),
            _ => Self::default(),
        }
    }

    /// As it is kept, and as `--format json` prints it.
    #[must_use]
    pub fn json(&self) -> String {
        json::text(&self.0)
    }

    /// Sets a member.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Removes a member.
    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// A member that is text; empty where it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn steps(&self) -> impl Iterator<Item = (&str, &str)> {
        let steps = self.0.get("steps").and_then(Value::as_array);
        steps.into_iter().flatten().map(|step| {
            let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("step"), text("time"))
        })
    }

    /// Whether a step was done.
    #[must_use]
    pub fn has(&self, step: Step) -> bool {
        self.steps().any(|(name, _)| name == step.name())
    }

    /// Notes that a step was done at `time`; says whether it had not been. The last step is the state.
    pub fn did(&mut self, step: Step, time: &str) -> bool {
        if self.has(step) {
            return false;
        }
        let mut done = Map::new();
        done.insert("step".to_owned(), step.name().into());
        done.insert("time".to_owned(), time.into());
        let steps = self.0.entry("steps").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(steps) = steps {
            steps.push(done.into());
        }
        self.set("state", step.name());
        true
    }

    /// Forgets the steps from `step` on: they are of a request that is no more.
    pub fn back_to(&mut self, step: Step) {
        if let Some(Value::Array(steps)) = self.0.get_mut("steps") {
            let end = steps
                .iter()
                .position(|one| one.get("step").and_then(Value::as_str) == Some(step.name()));
            steps.truncate(end.map_or(steps.len(), |at| at + 1));
        }
        self.set("state", step.name());
    }

    /// As a person reads it.
    #[must_use]
    pub fn words(&self) -> String {
        let or = |text: &str, other: &str| {
            if text.is_empty() {
                other.to_owned()
            } else {
                screen::plain(text)
            }
        };
        let mut lines = vec![format!("join: {}", or(self.text("state"), "not begun"))];
        for name in [
            "node",
            "server",
            "request",
            "uid",
            "seenAs",
            "waitingFor",
            "failed",
            "note",
        ] {
            if !self.text(name).is_empty() {
                lines.push(format!("  {name:<11} {}", screen::plain(self.text(name))));
            }
        }
        lines.extend(self.steps().map(|(step, time)| format!("  {step:<11} {time}")));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_once_and_read_back() {
        let mut status = Status::default();
        assert!(status.did(Step::Named, "t1") && status.did(Step::Requested, "t2"));
        assert!(!status.did(Step::Requested, "t3"));
        status.set("node", "a");
        let mut read = Status::read(status.json().as_bytes());
        assert_eq!(read, status);
        assert_eq!(
            read.words(),
            "join: requested\n  node        a\n  named       t1\n  requested   t2"
        );
        read.back_to(Step::Named);
        assert!(read.has(Step::Named) && !read.has(Step::Requested));
        assert!(read.did(Step::Requested, "t4"));
        assert_eq!(Status::read(b"[]").words(), "join: not begun");
    }
}
