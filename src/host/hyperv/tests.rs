//! The kernel's end of the device is played by a socket that keeps messages apart, as the device does.

use std::os::fd::OwnedFd;
use std::thread::{self, JoinHandle};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::*;

fn device() -> (File, File) {
    let flags = SockFlag::SOCK_CLOEXEC;
    let pair: (OwnedFd, OwnedFd) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    (pair.0.into(), pair.1.into())
}

fn message(operation: u8, pool: u8, key: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0; MESSAGE];
    put(&mut bytes, 0, &[operation, pool]);
    put(&mut bytes, 4, &1_u32.to_ne_bytes());
    put(
        &mut bytes,
        KEY_SIZE_AT,
        &u32::try_from(key.len() + 1).unwrap().to_ne_bytes(),
    );
    put(
        &mut bytes,
        VALUE_SIZE_AT,
        &u32::try_from(value.len() + 1).unwrap().to_ne_bytes(),
    );
    put(&mut bytes, KEY_AT, key.as_bytes());
    put(&mut bytes, VALUE_AT, value.as_bytes());
    bytes
}

/// Expects a registration, confirms it, sends `messages` one after the other, and returns the answers.
fn host(mut end: File, messages: Vec<Vec<u8>>) -> JoinHandle<Vec<u32>> {
    thread::spawn(move || {
        let mut bytes = vec![0; 2 * MESSAGE];
        assert_eq!(end.read(&mut bytes).unwrap(), MESSAGE);
        assert_eq!(bytes[..4], [REGISTER, 0, 0, 0]);
        end.write_all(&bytes[..MESSAGE]).unwrap();
        let answers = messages.into_iter().map(|message| {
            end.write_all(&message).unwrap();
            assert_eq!(end.read(&mut bytes).unwrap(), MESSAGE);
            assert_eq!(bytes[4..message.len()], message[4..]);
            u32::from_ne_bytes(bytes[..4].try_into().unwrap())
        });
        let answers = answers.collect();
        // Quiet, and not gone, until the other end has had enough.
        assert_eq!(end.read(&mut bytes).unwrap(), 0);
        answers
    })
}

fn exchanged(messages: Vec<Vec<u8>>) -> (Pairs, Vec<u32>) {
    let (ours, theirs) = device();
    let host = host(theirs, messages);
    let pairs = Pairs::receive(ours).unwrap();
    (pairs, host.join().unwrap())
}

#[test]
fn pairs_are_taken_until_the_host_is_quiet() {
    let longest = "v".repeat(VALUE_ROOM - 1);
    let (pairs, answers) = exchanged(vec![
        message(SET, 0, "ignition.config.1", "b"),
        message(SET, 1, "noise", "x"),
        message(SET, 0, "ignition.config.0", "old"),
        message(SET, 0, "ignition.config.0", "a"),
        message(SET, 4, "long", &longest),
        message(SET, 0, "empty", ""),
    ]);
    assert_eq!(answers, [DONE; 6]);
    assert_eq!(pairs.get(0, "ignition.config.0"), Some(&b"a"[..]));
    assert_eq!(pairs.get(0, "ignition.config.1"), Some(&b"b"[..]));
    assert_eq!(pairs.get(0, "noise"), None);
    assert_eq!(pairs.get(0, "empty"), Some(&b""[..]));
    assert_eq!(pairs.get(4, "long"), Some(longest.as_bytes()));
    let file = pairs.pool_file(0);
    assert_eq!(file.len(), 3 * 2560);
    assert!(file.starts_with(b"ignition.config.1\0"));
    assert_eq!(file[512..514], *b"b\0");
    assert_eq!(pairs.pool_file(2), b"");
}

#[test]
fn what_is_kept_for_the_next_stage_gives_the_pairs_back() {
    let (pairs, _) = exchanged(vec![
        message(SET, 0, "b", "2"),
        message(SET, 3, "a", ""),
        message(SET, 0, "a", "1"),
    ]);
    let again = Pairs::from_bytes(&pairs.to_bytes());
    for pool in 0..POOLS {
        assert_eq!(again.pool_file(pool), pairs.pool_file(pool));
    }
    assert_eq!(again.get(0, "a"), Some(&b"1"[..]));
    assert_eq!(Pairs::default().to_bytes(), b"");
    let cut = pairs.to_bytes();
    assert_eq!(Pairs::from_bytes(&cut[..2561 + 7]).to_bytes(), cut[..2561]);
}

#[test]
fn everything_else_is_refused_and_harms_nothing() {
    let mut long_key = message(SET, 0, "k", "v");
    put(&mut long_key, KEY_SIZE_AT, &513_u32.to_ne_bytes());
    let mut long_value = message(SET, 0, "k", "v");
    put(&mut long_value, VALUE_SIZE_AT, &u32::MAX.to_ne_bytes());
    let mut cut = message(SET, 0, "k", "v");
    cut.truncate(KEY_AT + 1);
    let (pairs, answers) = exchanged(vec![
        message(0, 0, "get", ""),
        message(2, 0, "delete", ""),
        message(3, 0, "enumerate", ""),
        message(SET, 5, "no pool", "v"),
        long_key,
        long_value,
        cut,
        message(SET, 0, "last", "v"),
    ]);
    assert_eq!(
        answers,
        [
            REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, REFUSED, DONE
        ]
    );
    assert_eq!(pairs.pool_file(0).len(), 2560);
    assert_eq!(pairs.get(0, "last"), Some(&b"v"[..]));
}

#[test]
fn a_host_without_pairs_and_one_that_goes_are_no_failures() {
    let (pairs, _) = exchanged(Vec::new());
    assert!((0..POOLS).all(|pool| pairs.pool_file(pool).is_empty()));
    let (ours, theirs) = device();
    let gone = thread::spawn(move || drop(theirs));
    gone.join().unwrap();
    assert!(Pairs::receive(ours).is_err(), "nobody took the registration");
}

/// The question for the pair of a number.
fn question(pool: u8, number: u32) -> Vec<u8> {
    let mut bytes = message(ENUMERATE, pool, "", "");
    put(&mut bytes, NUMBER_AT, &number.to_ne_bytes());
    bytes
}

/// Plays the host for a machine that tells the pair: what came of it, and the answers with key and value.
fn told(key: &str, value: &str, questions: Vec<Vec<u8>>) -> (io::Result<()>, Vec<(u32, String, String)>) {
    let (ours, mut theirs) = device();
    let host = thread::spawn(move || {
        let mut bytes = vec![0; MESSAGE];
        assert_eq!(theirs.read(&mut bytes).unwrap(), MESSAGE);
        theirs.write_all(&bytes).unwrap();
        let answers = questions.into_iter().map(|question| {
            theirs.write_all(&question).unwrap();
            assert_eq!(theirs.read(&mut bytes).unwrap(), MESSAGE);
            let word = |at: usize| String::from_utf8(text(&bytes[at..])).unwrap();
            (
                u32::from_ne_bytes(bytes[..4].try_into().unwrap()),
                word(NUMBER + KEY_AT),
                word(NUMBER + VALUE_AT),
            )
        });
        let answers = answers.collect();
        assert_eq!(theirs.read(&mut bytes).unwrap(), 0);
        answers
    });
    let told = tell_within(Duration::from_millis(300), ours, key, value.as_bytes());
    (told, host.join().unwrap())
}

#[test]
fn a_pair_is_told_when_the_host_asks_and_then_nobody_waits() {
    let nothing = |status| (status, String::new(), String::new());
    let (told, answers) = told(
        "failure",
        "FAILED\n  why: x",
        vec![
            question(0, 0),
            question(OURS, 1),
            message(SET, 0, "", ""),
            question(OURS, 0),
            question(OURS, 1),
        ],
    );
    told.unwrap();
    assert_eq!(
        answers,
        [
            nothing(NO_SUCH_PAIR),
            nothing(NO_SUCH_PAIR),
            nothing(REFUSED),
            (DONE, "failure".to_owned(), "FAILED\n  why: x".to_owned()),
            nothing(NO_SUCH_PAIR),
        ]
    );
}

#[test]
fn a_pair_without_room_is_cut_before_its_nul() {
    let long = "v".repeat(VALUE_ROOM + 1);
    let (told, answers) = told(&long, &long, vec![question(OURS, 0)]);
    // The host asks for no other one, and has this one.
    told.unwrap();
    let [(DONE, key, value)] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!((key.len(), value.len()), (KEY_ROOM - 1, VALUE_ROOM - 1));
}

#[test]
fn a_host_that_does_not_ask_is_not_said_to_know() {
    let (told, _) = told("failure", "x", vec![question(0, 0)]);
    assert_eq!(told.unwrap_err().kind(), io::ErrorKind::TimedOut);
}
