//! Where the join stands: kept in `/run/kindling`, told to the log and to the report sinks.

use std::cell::RefCell;
use std::path::Path;

use super::super::{Environment, Reporter};
use crate::host::console::WAITING;
use crate::host::machine;
use crate::node::status::{FILE, FORMAT, Status, Step};
use crate::report::Failure;

/// The state of a join, and who is told of it.
pub struct Progress<'a> {
    status: RefCell<Status>,
    run_dir: &'a Path,
    reporter: &'a Reporter,
    did: &'a dyn Fn(&'static str),
}

impl<'a> Progress<'a> {
    /// Goes on from what an earlier run kept.
    pub(super) fn begin(
        environment: &'a Environment,
        reporter: &'a Reporter,
        did: &'a dyn Fn(&'static str),
    ) -> Self {
        let mut status = super::status(environment);
        status.set("format", FORMAT);
        status.set("kindling", env!("CARGO_PKG_VERSION"));
        status.unset("failed");
        status.unset("waitingFor");
        Self {
            status: RefCell::new(status),
            run_dir: &environment.run_dir,
            reporter,
            did,
        }
    }

    /// Sets a member of the status; it is kept with the next step.
    pub(super) fn set(&self, name: &str, value: &str) {
        self.status.borrow_mut().set(name, value);
    }

    /// As [`Self::set`], for what is no text.
    pub(super) fn set_value(&self, name: &str, value: serde_json::Value) {
        self.status.borrow_mut().set(name, value);
    }

    /// The request by its name and number, and whom the server saw in it.
    pub(super) fn request(&self) -> String {
        let status = self.status.borrow();
        let part = |before: &str, member: &str| match status.text(member) {
            "" => String::new(),
            text => format!("{before}{text}"),
        };
        part("", "request") + &part(", uid ", "uid") + &part(", seen as ", "seenAs")
    }

    /// A member that is text; empty where it is not there.
    pub(super) fn text(&self, name: &str) -> String {
        self.status.borrow().text(name).to_owned()
    }

    /// Whether a step was done.
    pub(super) fn has(&self, step: Step) -> bool {
        self.status.borrow().has(step)
    }

    /// A step is done; `detail` says what it is about. One that was done before is not told again.
    pub(super) fn did(&self, step: Step, detail: &str) {
        let is_new = {
            let mut status = self.status.borrow_mut();
            status.unset("waitingFor");
            status.did(step, &machine::now().stamp())
        };
        self.keep();
        if is_new {
            tracing::info!("{}: {detail}", step.name());
            self.reporter.join_step(step.name(), detail, step == Step::Ready);
        }
    }

    /// The request of before is no more: the steps behind `step` are to be done again.
    pub(super) fn back_to(&self, step: Step) {
        self.status.borrow_mut().back_to(step);
        self.keep();
    }

    /// The machine waits.
    pub(super) fn waits(&self, what: &str) {
        let is_new = self.status.borrow().text("waitingFor") != what;
        tracing::info!(target: WAITING, "{what}");
        if is_new {
            self.set("waitingFor", what);
            self.keep();
        }
    }

    /// It failed.
    pub(super) fn failed(&self, failure: &Failure) {
        self.set("failed", &failure.code);
        self.keep();
    }

    /// There is nothing more to do here.
    pub(super) fn done(&self) {
        self.keep();
    }

    /// The status as it is kept.
    pub(super) fn json(&self) -> String {
        self.status.borrow().json()
    }

    /// A status that cannot be kept must not stop a join.
    fn keep(&self) {
        let text = self.json();
        let kept = machine::private_dir(self.run_dir)
            .and_then(|()| machine::replace(&self.run_dir.join(FILE), text.as_bytes(), 0o600));
        if let Err(error) = kept {
            tracing::warn!("cannot keep where the join stands: {error}");
        }
        (self.did)("status");
    }
}
