//! What the places that a boot reports to are told: one event a step of the boot, in the forms each kind of place takes.

use serde::{Deserialize, Serialize};

use super::{Failure, screen};
use crate::calendar::Moment;
use crate::plan::Stage;

/// The version of the JSON form.
pub const FORMAT: u32 = 1;

/// The longest single text of a record, in bytes.
const TEXT_LIMIT: usize = 2048;
/// The longest code, name or link of the chain of causes, in bytes.
const WORD_LIMIT: usize = 512;
/// The most links of the chain of causes.
const WHY_LIMIT: usize = 8;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The first stage of this boot begins.
    BootStarted,
    /// A stage begins.
    StageStarted,
    /// A stage ended, well or not.
    StageEnded,
    /// A stage waits for a server, and has asked it several times.
    Waiting,
    /// The last stage succeeded.
    Provisioned,
    /// A stage failed; the record is with it.
    Failed,
    /// The join has come a step further.
    JoinStep,
    /// The Node is there and Ready.
    Joined,
}

impl Kind {
    /// The name in every form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BootStarted => "boot-started",
            Self::StageStarted => "stage-started",
            Self::StageEnded => "stage-ended",
            Self::Waiting => "waiting",
            Self::Provisioned => "provisioned",
            Self::Failed => "failed",
            Self::JoinStep => "join-step",
            Self::Joined => "joined",
        }
    }

    /// Whether it says how the boot ended, and not only how far it has come.
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(self, Self::Provisioned | Self::Failed | Self::Joined)
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in this boot, from 0. One that is told twice has the same.
    pub sequence: u64,
    /// When, RFC 3339 in UTC with milliseconds.
    pub time: String,
    /// When, in milliseconds since the kernel started.
    pub since_boot: u64,
    /// The stage it is about.
    pub stage: Stage,
    /// What happened.
    pub kind: Kind,
    /// Of a stage that ended: `ok`, `needs-network`, or the code of the failure. Of the join: the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Of a stage that ended: how long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// Of a step of the join: what it is about, such as the name of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Of a stage that waits: for what, after how many attempts, and why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// The record of a failure, each text of it bounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// What every event of a boot says of the machine. What is not known is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The kernel's boot id.
    pub boot: Option<String>,
    /// The DMI product UUID, or what the firmware offers instead.
    pub uuid: Option<String>,
    /// The name the kernel has for the host.
    pub host: Option<String>,
    /// The platform, as `ignition.platform.id` names it.
    pub platform: String,
    /// The digest of the whole config.
    pub digest: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    format: u32,
    kindling: &'static str,
    kind: Kind,
    sequence: u64,
    time: &'a str,
    since_boot_milliseconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    boot: Option<&'a str>,
    machine: Machine<'a>,
    stage: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    milliseconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

#[derive(Serialize)]
struct Machine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    platform: &'a str,
}

impl Event {
    /// An event of `kind` that says no more.
    #[must_use]
    pub fn new(sequence: u64, moment: &Moment, stage: Stage, kind: Kind) -> Self {
        Self {
            sequence,
            time: moment.stamp(),
            since_boot: moment.since_boot,
            stage,
            kind,
            outcome: None,
            milliseconds: None,
            detail: None,
            waiting: None,
            failure: None,
        }
    }

    /// The event as one JSON object in one line, at most some 16 KiB.
    #[must_use]
    pub fn json(&self, about: &About) -> String {
        let body = Body {
            format: FORMAT,
            kindling: env!("CARGO_PKG_VERSION"),
            kind: self.kind,
            sequence: self.sequence,
            time: &self.time,
            since_boot_milliseconds: self.since_boot,
            boot: about.boot.as_deref(),
            machine: Machine {
                uuid: about.uuid.as_deref(),
                host: about.host.as_deref(),
                platform: &about.platform,
            },
            stage: self.stage,
            outcome: self.outcome.as_deref(),
            milliseconds: self.milliseconds,
            waiting: self.waiting.as_deref(),
            config_digest: about.digest.as_deref(),
            detail: self.detail.as_deref(),
            failure: self.failure.as_ref(),
        };
        kindling_config_spec::json::text(&body)
    }

    /// The event in words, in one line.
    #[must_use]
    pub fn words(&self) -> String {
        let stage = self.stage;
        match (self.kind, &self.failure) {
            (Kind::BootStarted, _) => "first boot began".to_owned(),
            (Kind::StageStarted, _) => format!("stage {stage} began"),
            (Kind::StageEnded, _) => format!(
                "stage {stage} ended: {}, {} ms",
                self.outcome.as_deref().unwrap_or_default(),
                self.milliseconds.unwrap_or_default()
            ),
            (Kind::Waiting, _) => format!(
                "stage {stage} waits: {}",
                screen::plain(self.waiting.as_deref().unwrap_or_default())
            ),
            (Kind::Provisioned, _) => "first boot is done: the machine is provisioned".to_owned(),
            (Kind::JoinStep | Kind::Joined, _) => {
                let outcome = self.outcome.as_deref().unwrap_or_default();
                let detail = self.detail.as_deref().unwrap_or_default();
                screen::plain(format!("join: {outcome} {detail}").trim_end())
            }
            (Kind::Failed, None) => format!("first boot FAILED in stage {stage}"),
            (Kind::Failed, Some(failure)) => screen::plain(&in_one_line(failure)),
        }
    }
}

fn in_one_line(failure: &Failure) -> String {
    let mut line = format!(
        "first boot FAILED in stage {} [{}]: {}",
        failure.stage, failure.code, failure.what
    );
    if let Some(place) = &failure.place {
        line += &format!("; where: {place}");
    }
    if !failure.why.is_empty() {
        line += &format!("; why: {}", failure.why.join(": "));
    }
    line += &format!("; next: {}", failure.next);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The record with no text longer than what every receiver takes.
#[must_use]
pub fn bounded(mut failure: Failure) -> Failure {
    clip(&mut failure.code, WORD_LIMIT);
    clip(&mut failure.what, TEXT_LIMIT);
    clip(&mut failure.next, TEXT_LIMIT);
    if let Some(place) = &mut failure.place {
        clip(place, WORD_LIMIT);
    }
    failure.why.truncate(WHY_LIMIT);
    failure.why.iter_mut().for_each(|why| clip(why, WORD_LIMIT));
    failure
}

/// What a stage waits for, no longer than what every receiver takes.
#[must_use]
pub fn bounded_wait(mut text: String) -> String {
    clip(&mut text, TEXT_LIMIT);
    text
}

/// Cuts `text` to at most `limit` bytes, and says so by its last character.
pub(super) fn clip(text: &mut String, limit: usize) {
    const MORE: char = '…';
    if text.len() > limit {
        text.truncate(text.floor_char_boundary(limit.saturating_sub(MORE.len_utf8())));
        text.push(MORE);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn about() -> About {
        About {
            boot: Some("b00t".into()),
            uuid: Some("4c4c4544".into()),
            host: Some("node1".into()),
            platform: "metal".into(),
            digest: Some("d1".into()),
        }
    }

    pub(in crate::report) fn event(kind: Kind) -> Event {
        let moment = Moment {
            seconds: 1_933_135_628,
            millisecond: 9,
            since_boot: 8123,
        };
        Event::new(5, &moment, Stage::Fetch, kind)
    }

    pub(in crate::report) fn failed() -> Event {
        Event {
            failure: Some(Failure {
                code: "http-status".into(),
                stage: Stage::Fetch,
                what: "cannot fetch\nhttp://h/c".into(),
                place: Some("the pointer, /x".into()),
                why: vec!["status 404".into(), "\"gone\"".into()],
                next: "put it there".into(),
            }),
            ..event(Kind::Failed)
        }
    }

    #[test]
    fn an_event_is_one_json_object() {
        let ended = Event {
            outcome: Some("ok".into()),
            milliseconds: Some(12),
            ..event(Kind::StageEnded)
        };
        assert_eq!(
            ended.json(&about()),
            concat!(
                r#"{"format":1,"kindling":""#,
                env!("CARGO_PKG_VERSION"),
                r#"","kind":"stage-ended","sequence":5,"time":"2031-04-05T06:07:08.009Z","sinceBootMilliseconds":8123,"#,
                r#""boot":"b00t","machine":{"uuid":"4c4c4544","host":"node1","platform":"metal"},"stage":"fetch","#,
                r#""outcome":"ok","milliseconds":12,"configDigest":"d1"}"#
            )
        );
        let nothing_known = event(Kind::BootStarted).json(&About::default());
        assert!(
            nothing_known.contains(r#""machine":{"platform":""},"stage":"fetch"}"#),
            "{nothing_known}"
        );
        let failed = failed().json(&about());
        let tail = r#""failure":{"code":"http-status","stage":"fetch","what":"cannot fetch\nhttp://h/c","place":"the pointer, /x","why":["status 404","\"gone\""],"next":"put it there"}}"#;
        assert!(failed.ends_with(tail), "{failed}");
    }

    #[test]
    fn each_event_has_words() {
        let words = |kind| event(kind).words();
        assert_eq!(words(Kind::BootStarted), "first boot began");
        assert_eq!(words(Kind::StageStarted), "stage fetch began");
        assert_eq!(
            words(Kind::Provisioned),
            "first boot is done: the machine is provisioned"
        );
        assert_eq!(
            failed().words(),
            "first boot FAILED in stage fetch [http-status]: cannot fetch http://h/c; where: the pointer, /x; \
             why: status 404: \"gone\"; next: put it there"
        );
    }

    #[test]
    fn the_largest_record_is_small() {
        let long = "ä\n".repeat(100_000);
        let failure = bounded(Failure {
            code: long.clone(),
            stage: Stage::Disks,
            what: long.clone(),
            place: Some(long.clone()),
            why: vec![long.clone(); 100],
            next: long,
        });
        assert!(failure.what.len() <= TEXT_LIMIT && failure.what.ends_with('…'));
        let event = Event {
            failure: Some(failure.clone()),
            ..event(Kind::Failed)
        };
        assert!(event.json(&about()).len() < 16 << 10);
        assert_eq!(bounded(failure.clone()), failure);
    }

    #[test]
    fn a_kind_has_one_name() {
        for kind in [
            Kind::BootStarted,
            Kind::StageStarted,
            Kind::StageEnded,
            Kind::Waiting,
            Kind::Provisioned,
            Kind::Failed,
            Kind::JoinStep,
            Kind::Joined,
        ] {
            assert_eq!(
                kindling_config_spec::json::text(&kind),
                format!("{:?}", kind.name())
            );
        }
    }
}
