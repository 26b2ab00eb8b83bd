use std::cell::RefCell;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::json;

use super::*;
use crate::fetch::SimulatedClock;

const AUTHORITY: &str = include_str!("../../../fixtures/vm/pki/ca.crt");
const OTHER: &str = include_str!("../../../fixtures/vm/pki/server.crt");
const TOKEN: &str = "abcdef.0123456789abcdef";

/// Answers, one a request, the last again and again.
struct Played {
    first: RefCell<Vec<Answer>>,
    second: RefCell<Vec<Answer>>,
    vouching: RefCell<Vec<usize>>,
}

#[derive(Clone)]
enum Answer {
    Bytes(Vec<u8>),
    Lost(TransferError),
    Untrusted,
}

fn next(answers: &RefCell<Vec<Answer>>) -> Result<Vec<u8>, Miss> {
    let mut answers = answers.borrow_mut();
    let answer = if answers.len() > 1 {
        answers.remove(0)
    } else {
        answers[0].clone()
    };
    match answer {
        Answer::Bytes(bytes) => Ok(bytes),
        Answer::Lost(error) => Err(error.into()),
        Answer::Untrusted => Err(DiscoveryError::Untrusted.into()),
    }
}

impl Sight for Played {
    fn examined(&self, token: Token<'_>, _: Duration) -> Result<Examined, Miss> {
        Ok(examine(&next(&self.first)?, token)?)
    }

    fn proven(&self, roots: Vec<Root>, _: Duration) -> Result<Vec<u8>, Miss> {
        self.vouching.borrow_mut().push(roots.len());
        next(&self.second)
    }
}

fn kubeconfig(authorities: &str) -> String {
    let data = STANDARD.encode(authorities);
    format!("clusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://cp:6443\n")
}

fn map(authorities: &str, secret: &str) -> Answer {
    let text = kubeconfig(authorities);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"abcdef"}"#);
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(&text));
    let signature = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        input.as_bytes(),
    );
    let jws = format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature));
    let map = json!({ "data": { "kubeconfig": text, "jws-kubeconfig-abcdef": jws } });
    Answer::Bytes(map.to_string().into_bytes())
}

fn right() -> Answer {
    map(AUTHORITY, "0123456789abcdef")
}

fn pin() -> String {
    pin_of(
        parse_roots(AUTHORITY.as_bytes()).unwrap()[0]
            .public_key()
            .unwrap(),
    )
}

/// How it ends, after how many seconds, and how many authorities vouched for the server each time.
fn play(
    first: Vec<Answer>,
    second: Vec<Answer>,
    pins: &[String],
) -> (Result<Vec<String>, Failure>, u64, Vec<usize>) {
    let clock = Arc::new(SimulatedClock::default());
    let pace = Pace::new(Arc::clone(&clock) as _, 7);
    let played = Played {
        first: first.into(),
        second: second.into(),
        vouching: RefCell::default(),
    };
    let wanted = Wanted {
        stage: Stage::Files,
        server: "https://user:planted@cp.test:6443/?planted",
        token: TOKEN,
        pins,
        within: WITHIN,
    };
    let ended = look(&played, &wanted, &pace);
    (ended, pace.now().as_secs(), played.vouching.into_inner())
}

fn status(status: u16) -> Answer {
    Answer::Lost(TransferError::Status(status))
}

fn gone() -> Answer {
    Answer::Lost(TransferError::Refused {
        host: "cp.test:6443".to_owned(),
    })
}

#[test]
fn authorities_that_are_signed_pinned_and_proven_are_the_clusters() {
    let (found, seconds, vouching) = play(vec![right()], vec![right()], &[pin()]);
    assert_eq!(found.unwrap(), [AUTHORITY]);
    assert_eq!((seconds, vouching), (0, vec![1]));
}

#[test]
fn of_several_authorities_only_the_pinned_one_vouches_for_the_server() {
    let both = || map(&format!("{OTHER}{AUTHORITY}"), "0123456789abcdef");
    let (found, _, vouching) = play(vec![both()], vec![both()], &[pin()]);
    assert_eq!(vouching, [1]);
    // What the proven server says holds for all of them.
    assert_eq!(found.unwrap(), [format!("{OTHER}{AUTHORITY}")]);
}

#[test]
fn a_cluster_that_is_not_ready_is_waited_for() {
    let unsigned = || Answer::Bytes(br#"{"data":{"kubeconfig":"x"}}"#.to_vec());
    let stale = || map(AUTHORITY, "another-secret--");
    let first = vec![
        gone(),
        status(503),
        status(403),
        status(404),
        unsigned(),
        stale(),
        right(),
    ];
    let (found, seconds, _) = play(first, vec![gone(), right()], &[pin()]);
    assert_eq!(found.unwrap(), [AUTHORITY]);
    assert!((5..60).contains(&seconds), "{seconds}");
}

#[test]
fn every_way_it_ends_badly_has_its_code() {
    let unsigned = || Answer::Bytes(br#"{"data":{"kubeconfig":"x"}}"#.to_vec());
    let other = || map(OTHER, "0123456789abcdef");
    let late = |seconds: u64| (290..=300).contains(&seconds);
    let soon = |seconds: u64| seconds < 10;
    let at_once = |seconds: u64| seconds == 0;
    let pins = [pin()];
    for (first, second, pins, code, is_due) in [
        (
            gone(),
            right(),
            &pins[..],
            "network-timeout",
            late as fn(u64) -> bool,
        ),
        (status(403), right(), &pins, "discovery-refused", late),
        (unsigned(), right(), &pins, "discovery-token-unknown", late),
        (
            map(AUTHORITY, "x"),
            right(),
            &pins,
            "discovery-signature-wrong",
            soon,
        ),
        (other(), other(), &pins, "discovery-pin-mismatch", at_once),
        (
            map("", "0123456789abcdef"),
            right(),
            &pins,
            "discovery-answer-malformed",
            soon,
        ),
        (right(), other(), &pins, "discovery-changed", at_once),
        (
            right(),
            Answer::Untrusted,
            &pins,
            "discovery-server-untrusted",
            at_once,
        ),
        (right(), status(400), &pins, "http-status", at_once),
        (right(), right(), &[], "discovery-pins-missing", at_once),
    ] {
        let (ended, seconds, _) = play(vec![first], vec![second], pins);
        let failure = ended.unwrap_err();
        assert_eq!(failure.code, code);
        assert!(is_due(seconds), "{code}: {seconds}");
        let text = failure.to_string();
        assert!(text.contains("from https://cp.test:6443/"), "{text}");
        assert!(
            !text.contains("planted") && !text.contains("0123456789abcdef"),
            "{text}"
        );
        assert!(failure.place.is_some() && !failure.next.is_empty(), "{text}");
    }
}

#[test]
fn a_token_that_is_none_is_shown_to_nobody() {
    let wanted = Wanted {
        stage: Stage::Files,
        server: "https://cp.test:6443",
        token: "planted",
        pins: &[pin()],
        within: WITHIN,
    };
    let failure = discover(&wanted, &Proxy::default(), &Pace::real()).unwrap_err();
    assert_eq!(failure.code, "discovery-token-malformed");
    assert!(!failure.to_string().contains("planted"));
}
