//! An event as a message of syslog (RFC 5424), and messages on a stream (RFC 6587, RFC 5425).

use super::event::{About, Event, Kind, clip};

/// Every receiver should take so many bytes (RFC 5424, 6.1); the text is cut, never its head.
const LIMIT: usize = 2048;

/// The facility `daemon`.
const FACILITY: u8 = 3;

/// The name of our structured data. There is no registered number: this one is set aside for such (RFC 5612).
const OURS: &str = "kindling@32473";

/// The event as one message.
#[must_use]
pub fn message(event: &Event, about: &About) -> String {
    let priority = FACILITY * 8 + severity(event);
    let host = about
        .host
        .as_deref()
        .filter(|host| is_word(host, 255))
        .unwrap_or("-");
    let number = event.sequence.checked_add(1).unwrap_or(1);
    let up = event.since_boot / 10;
    let mut text = format!(
        "<{priority}>1 {} {host} kindling - {} {}[meta sequenceId=\"{number}\" sysUpTime=\"{up}\"] {}",
        event.time,
        event.kind.name(),
        ours(event, about),
        event.words()
    );
    clip(&mut text, LIMIT);
    text
}

/// Messages as they stand on a stream: each with its length in bytes before it.
#[must_use]
pub fn framed(messages: &[String]) -> Vec<u8> {
    let frames = messages
        .iter()
        .map(|message| format!("{} {message}", message.len()));
    frames.collect::<String>().into_bytes()
}

/// As RFC 5424, 6.2.1 numbers them.
fn severity(event: &Event) -> u8 {
    const CRITICAL: u8 = 2;
    const WARNING: u8 = 4;
    const NOTICE: u8 = 5;
    const INFORMATIONAL: u8 = 6;
    match event.kind {
        Kind::Failed => CRITICAL,
        Kind::Provisioned | Kind::Joined => NOTICE,
        Kind::Waiting => WARNING,
        Kind::StageEnded if !matches!(event.outcome.as_deref(), Some("ok" | "needs-network")) => WARNING,
        Kind::BootStarted | Kind::StageStarted | Kind::StageEnded | Kind::JoinStep => INFORMATIONAL,
    }
}

fn is_word(text: &str, limit: usize) -> bool {
    !text.is_empty() && text.len() <= limit && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Our structured data.
fn ours(event: &Event, about: &About) -> String {
    let milliseconds = event.milliseconds.map(|number| number.to_string());
    let code = event.failure.as_ref().map(|failure| failure.code.as_str());
    let values = [
        ("version", Some(env!("CARGO_PKG_VERSION"))),
        ("boot", about.boot.as_deref()),
        ("uuid", about.uuid.as_deref()),
        ("platform", Some(about.platform.as_str())),
        ("stage", Some(event.stage.name())),
        ("outcome", event.outcome.as_deref()),
        ("milliseconds", milliseconds.as_deref()),
        ("code", code),
        ("config", about.digest.as_deref()),
    ];
    let mut text = format!("[{OURS}");
    for (name, value) in values {
        if let Some(value) = value {
            text += &format!(" {name}=\"{}\"", escaped(value));
        }
    }
    text.push(']');
    text
}

/// A value between its quotes (RFC 5424, 6.3.3).
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for character in value.chars().filter(|character| !character.is_control()) {
        if matches!(character, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::{about, event, failed};
    use super::*;

    #[test]
    fn an_event_is_a_message_with_its_facts_apart() {
        let ended = Event {
            outcome: Some("ok".into()),
            milliseconds: Some(12),
            ..event(Kind::StageEnded)
        };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            message(&ended, &about()),
            format!(
                "<30>1 2031-04-05T06:07:08.009Z node1 kindling - stage-ended [kindling@32473 version=\"{version}\" \
                 boot=\"b00t\" uuid=\"4c4c4544\" platform=\"metal\" stage=\"fetch\" outcome=\"ok\" milliseconds=\"12\" \
                 config=\"d1\"][meta sequenceId=\"6\" sysUpTime=\"812\"] stage fetch ended: ok, 12 ms"
            )
        );
        let failed = message(&failed(), &About::default());
        assert!(
            failed.starts_with("<26>1 2031-04-05T06:07:08.009Z - kindling - failed ["),
            "{failed}"
        );
        assert!(failed.contains(" code=\"http-status\"]["), "{failed}");
        assert!(failed.ends_with("next: put it there"), "{failed}");
    }

    #[test]
    fn the_severity_follows_from_what_happened() {
        let ended = |outcome: &str| Event {
            outcome: Some(outcome.into()),
            ..event(Kind::StageEnded)
        };
        let events = [
            (event(Kind::BootStarted), 30),
            (event(Kind::StageStarted), 30),
            (ended("needs-network"), 30),
            (ended("disk-busy"), 28),
            (event(Kind::Provisioned), 29),
            (event(Kind::Failed), 26),
        ];
        for (event, priority) in events {
            let text = message(&event, &about());
            assert!(text.starts_with(&format!("<{priority}>1 ")), "{text}");
        }
    }

    #[test]
    fn values_and_names_cannot_break_out() {
        let about = About {
            host: Some("two words".into()),
            platform: "a\"b]c\\d\ne".into(),
            ..About::default()
        };
        let text = message(&event(Kind::BootStarted), &about);
        assert!(text.contains(" platform=\"a\\\"b\\]c\\\\de\" "), "{text}");
        assert!(text.contains("Z - kindling - "), "{text}");
    }

    #[test]
    fn a_long_message_is_cut_and_its_frame_counts_bytes() {
        let mut long = failed();
        long.failure.as_mut().unwrap().what = "ö".repeat(3000);
        let text = message(&long, &about());
        assert!(text.len() <= LIMIT && text.ends_with('…'));
        let frames = framed(&["ö".to_owned(), "ab".to_owned()]);
        assert_eq!(String::from_utf8(frames).unwrap(), "2 ö2 ab");
    }
}
