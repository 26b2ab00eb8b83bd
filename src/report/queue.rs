//! What has happened, and who has not been told of it yet. It outlives the process that wrote it.

use serde::{Deserialize, Serialize};

use super::Failure;
use super::event::{Event, Kind, bounded, bounded_wait};
use crate::calendar::Moment;
use crate::plan::Stage;

/// Where it is, in the directory of a boot's reports.
pub const UNTOLD: &str = "untold.json";

/// So many events wait at most.
pub const LIMIT: usize = 64;

/// The events of a boot that somebody still waits for. The file `/run/kindling/untold.json` is this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Queue {
    /// The number of the next event.
    pub next: u64,
    /// Sinks that did not answer last. A boot that goes on does not wait for them again.
    pub silent: Vec<String>,
    /// In the order of their numbers.
    pub events: Vec<Waiting>,
}

/// One event, and who has been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The event.
    pub event: Event,
    /// The sinks that have it.
    #[serde(default)]
    pub told: Vec<String>,
}

impl Queue {
    /// What was left.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        super::kept(text)
    }

    /// As it is kept.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        kindling_config_spec::json::text(self).into_bytes()
    }

    /// A stage begins; the first one is the boot's beginning.
    pub fn stage_started(&mut self, moment: &Moment, stage: Stage) {
        if self.next == 0 {
            self.add(moment, stage, Kind::BootStarted);
        }
        self.add(moment, stage, Kind::StageStarted);
    }

    /// A stage ended.
    pub fn stage_ended(&mut self, moment: &Moment, stage: Stage, outcome: &str, milliseconds: u64) {
        let event = self.add(moment, stage, Kind::StageEnded);
        event.outcome = Some(outcome.to_owned());
        event.milliseconds = Some(milliseconds);
    }

    /// A stage failed.
    pub fn failed(&mut self, moment: &Moment, failure: &Failure) {
        let event = self.add(moment, failure.stage, Kind::Failed);
        event.failure = Some(bounded(failure.clone()));
    }

    /// A stage waits for what `text` says. Whoever has not heard of an earlier wait hears of this one alone.
    pub fn waiting(&mut self, moment: &Moment, stage: Stage, text: &str) {
        self.events.retain(|one| one.event.kind != Kind::Waiting);
        let event = self.add(moment, stage, Kind::Waiting);
        event.waiting = Some(bounded_wait(text.to_owned()));
    }

    /// The last stage succeeded.
    pub fn provisioned(&mut self, moment: &Moment, stage: Stage) {
        self.add(moment, stage, Kind::Provisioned);
    }

    /// The join has come so far; `detail` says what it is about.
    pub fn join_step(&mut self, moment: &Moment, step: &str, detail: &str, is_last: bool) {
        let kind = if is_last { Kind::Joined } else { Kind::JoinStep };
        let event = self.add(moment, Stage::Join, kind);
        event.outcome = Some(step.to_owned());
        event.detail = (!detail.is_empty()).then(|| detail.to_owned());
    }

    fn add(&mut self, moment: &Moment, stage: Stage, kind: Kind) -> &mut Event {
        if self.events.len() >= LIMIT {
            // Progress goes first, and of failures the oldest: the newest event is not among them yet.
            let progress = self.events.iter().position(|one| !one.event.kind.is_end());
            self.events.remove(progress.unwrap_or(0));
        }
        self.events.push(Waiting {
            event: Event::new(self.next, moment, stage, kind),
            told: Vec::new(),
        });
        self.next += 1;
        let last = self.events.len() - 1;
        &mut self.events[last].event
    }

    /// What `sink` has not been told, in order.
    #[must_use]
    pub fn due(&self, sink: &str) -> Vec<Event> {
        let untold = self.events.iter().filter(|one| !has(&one.told, sink));
        untold.map(|one| one.event.clone()).collect()
    }

    /// Whether `sink` has been told everything.
    #[must_use]
    pub fn is_told(&self, sink: &str) -> bool {
        self.events.iter().all(|one| has(&one.told, sink))
    }

    /// `sink` has the event of that number.
    pub fn told(&mut self, sink: &str, sequence: u64) {
        let of_number = self
            .events
            .iter_mut()
            .filter(|one| one.event.sequence == sequence);
        of_number.for_each(|one| {
            if !has(&one.told, sink) {
                one.told.push(sink.to_owned());
            }
        });
    }

    /// Whether `sink` answered last time, or was never asked.
    #[must_use]
    pub fn answers(&self, sink: &str) -> bool {
        !has(&self.silent, sink)
    }

    /// Notes whether `sink` answers.
    pub fn note_answer(&mut self, sink: &str, does_answer: bool) {
        self.silent.retain(|one| one != sink);
        if !does_answer {
            self.silent.push(sink.to_owned());
        }
    }

    /// Drops what all of `sinks` have.
    pub fn drop_told<'a>(&mut self, sinks: impl Iterator<Item = &'a str> + Clone) {
        self.events
            .retain(|one| sinks.clone().any(|sink| !has(&one.told, sink)));
    }
}

fn has(list: &[String], sink: &str) -> bool {
    list.iter().any(|one| one == sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: &str) -> Failure {
        Failure {
            code: code.into(),
            stage: Stage::Disks,
            what: "what".into(),
            place: None,
            why: vec![],
            next: "next".into(),
        }
    }

    fn kinds(events: &[Event]) -> Vec<(u64, &str)> {
        events.iter().map(|one| (one.sequence, one.kind.name())).collect()
    }

    #[test]
    fn the_boot_begins_once_and_numbers_go_on() {
        let mut queue = Queue::default();
        let moment = Moment::default();
        queue.stage_started(&moment, Stage::FetchOffline);
        queue.stage_ended(&moment, Stage::FetchOffline, "ok", 3);
        let mut queue = Queue::read(Some(&String::from_utf8(queue.json()).unwrap()));
        queue.drop_told(std::iter::empty());
        queue.stage_started(&moment, Stage::Disks);
        assert_eq!(kinds(&queue.due("a")), [(3, "stage-started")]);
    }

    #[test]
    fn each_sink_is_told_for_itself() {
        let mut queue = Queue::default();
        queue.stage_started(&Moment::default(), Stage::Fetch);
        queue.told("a", 0);
        queue.told("a", 1);
        queue.told("b", 0);
        assert!(queue.is_told("a") && !queue.is_told("b"));
        queue.drop_told(["a", "b"].into_iter());
        assert_eq!(kinds(&queue.due("b")), [(1, "stage-started")]);
        assert_eq!(queue.events.len(), 1);
    }

    #[test]
    fn the_oldest_progress_is_dropped_and_the_failure_stays() {
        let mut queue = Queue::default();
        let moment = Moment::default();
        queue.failed(&moment, &failure("first"));
        for _ in 0..200 {
            queue.stage_ended(&moment, Stage::Disks, "x", 1);
        }
        assert_eq!(queue.events.len(), LIMIT);
        let due = queue.due("a");
        assert_eq!(kinds(&due)[..2], [(0, "failed"), (138, "stage-ended")]);
        for number in 0..200 {
            queue.failed(&moment, &failure(&number.to_string()));
        }
        let due = queue.due("a");
        assert_eq!(due.len(), LIMIT);
        assert_eq!(due[LIMIT - 1].failure.as_ref().unwrap().code, "199");
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for text in [None, Some(""), Some("{"), Some("[]"), Some(r#"{"next":"x"}"#)] {
            assert_eq!(Queue::read(text), Queue::default(), "{text:?}");
        }
    }
}
