//! The file by which an infrastructure provider of Cluster API learns how the bootstrap ended.

use super::event::{Event, Kind};
use super::screen;
use crate::plan::Stage;

/// The contract's name of the file that is there after a success, and only then.
pub const SUCCESS: &str = "bootstrap-success.complete";

/// The contract has none for a failure; this is ours.
pub const FAILURE: &str = "bootstrap-failed.complete";

/// Where the directory of such a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below `/run`, which the new root takes over from the initramfs.
    Run,
    /// In the file systems of the target, which are there in stage `files` and gone after it.
    Target,
}

/// A file that takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its name in the directory.
    pub name: &'static str,
    /// What it says.
    pub text: String,
    /// The file that must not be there beside it.
    pub instead_of: &'static str,
}

/// What `event` leaves there; most leave nothing.
#[must_use]
pub fn mark(event: &Event, place: Place) -> Option<Mark> {
    let is_files = event.stage == Stage::Files;
    let is_success = match place {
        Place::Run => event.kind == Kind::Provisioned,
        Place::Target => event.kind == Kind::StageEnded && is_files && event.outcome.as_deref() == Some("ok"),
    };
    if is_success {
        return Some(Mark {
            name: SUCCESS,
            text: "success\n".to_owned(),
            instead_of: FAILURE,
        });
    }
    let is_there = place == Place::Run || is_files;
    let failure = event.failure.as_ref().filter(|_| is_there)?;
    Some(Mark {
        name: FAILURE,
        text: screen::plain(&format!("{failure}\n")),
        instead_of: SUCCESS,
    })
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{event, failed};
    use super::*;

    #[test]
    fn success_is_what_the_contract_says() {
        let success = mark(&event(Kind::Provisioned), Place::Run).unwrap();
        assert_eq!(
            (success.name, success.text.as_str()),
            ("bootstrap-success.complete", "success\n")
        );
        assert_eq!(success.instead_of, FAILURE);
        let of_files = Event {
            stage: Stage::Files,
            outcome: Some("ok".into()),
            ..event(Kind::StageEnded)
        };
        assert_eq!(mark(&of_files, Place::Target), Some(success));
        assert_eq!(mark(&of_files, Place::Run), None);
        assert_eq!(mark(&event(Kind::Provisioned), Place::Target), None);
    }

    #[test]
    fn a_failure_leaves_its_record() {
        let left = mark(&failed(), Place::Run).unwrap();
        assert_eq!((left.name, left.instead_of), (FAILURE, SUCCESS));
        assert!(
            left.text
                .starts_with("kindling: first boot FAILED in stage fetch [http-status]\n"),
            "{}",
            left.text
        );
        // Nothing of the target is mounted then.
        assert_eq!(mark(&failed(), Place::Target), None);
    }
}
