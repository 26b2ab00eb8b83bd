use std::io::Cursor;
use std::os::unix::net::UnixStream;
use std::thread;

use super::*;

/// Hears anything and says what it was told to.
struct Script {
    heard: Vec<u8>,
    says: Cursor<Vec<u8>>,
}

impl Read for Script {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.says.read(into)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const GET: Question<'_> = Question {
    method: Method::Get,
    target: "/",
    headers: &[],
    body: &[],
};

fn says(answer: &[u8]) -> Script {
    Script {
        heard: Vec::new(),
        says: Cursor::new(answer.to_vec()),
    }
}

fn answered(answer: &[u8]) -> Result<(u16, Vec<u8>), String> {
    exchange(&mut says(answer), &GET)
        .map(|reply| (reply.status, reply.body))
        .map_err(|error| error.to_string())
}

const CLOSED: &str = "the connection was closed without an answer";
const CUT: &str = "the connection was closed before the end of the answer";

#[test]
fn the_request_is_what_was_asked() {
    let headers = [
        ("Host".to_owned(), "d".to_owned()),
        ("X-Token".to_owned(), "1".to_owned()),
    ];
    let mut host = says(b"HTTP/1.1 200 OK\r\n\r\n");
    let question = Question {
        method: Method::Put,
        target: "/1.0/config?x=y",
        headers: &headers,
        body: b"{}",
    };
    exchange(&mut host, &question).map(drop).unwrap();
    let heard = String::from_utf8(host.heard).unwrap();
    assert_eq!(
        heard,
        "PUT /1.0/config?x=y HTTP/1.1\r\nHost: d\r\nX-Token: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    );
    for (target, value) in [("/ HTTP/1.1\r\nX: y", "1"), ("/", "1\r\nX: y"), ("/a b", "1")] {
        let headers = [("X-Token".to_owned(), value.to_owned())];
        let question = Question {
            target,
            headers: &headers,
            ..GET
        };
        let mut host = says(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(matches!(
            exchange(&mut host, &question),
            Err(StreamError::Question)
        ));
        assert_eq!(host.heard, b"");
    }
}

#[test]
fn the_end_of_a_body_is_told_in_three_ways() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyrest",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.0 200 OK\n\nbody",
        "HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nbod\r\n01\r\ny\r\n0\r\nTrailer: t\r\n\r\nrest",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n4\nbody\n0\n\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody",
    ] {
        assert_eq!(
            answered(answer.as_bytes()),
            Ok((200, b"body".to_vec())),
            "{answer}"
        );
    }
}

#[test]
fn some_answers_have_no_body() {
    for status in [101, 204, 304] {
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 4\r\n\r\n");
        assert_eq!(answered(answer.as_bytes()), Ok((status, Vec::new())));
    }
    let question = Question {
        method: Method::Head,
        ..GET
    };
    let reply = exchange(
        &mut says(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 4\r\n\r\n"),
        &question,
    )
    .unwrap();
    assert_eq!(reply.headers[0], ("etag".to_owned(), "\"a\"".to_owned()));
    assert_eq!(reply.body, b"");
}

#[test]
fn every_cut_is_noticed() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        assert_eq!(answered(b""), Err(CLOSED.to_owned()));
        for end in 1..answer.len() {
            assert_eq!(
                answered(&answer.as_bytes()[..end]),
                Err(CUT.to_owned()),
                "{end} of {answer}"
            );
        }
    }
}

/// Whatever one byte less or another one makes of an answer, it is an answer or an error.
#[test]
fn no_answer_is_trusted() {
    let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nbody\r\n0\r\nA: b\r\n\r\n";
    let mut answers = 0;
    for at in 0..whole.len() {
        for with in [
            &b""[..],
            b"\0",
            b"\n",
            b"\r",
            b" ",
            b":",
            b";",
            b"0",
            b"f",
            b"\xff",
            b"\r\n\r\n",
        ] {
            let changed = [&whole[..at], with, &whole[at + 1..]].concat();
            answers += usize::from(answered(&changed).is_ok_and(|(_, body)| body.len() < changed.len()));
        }
    }
    assert!(answers > 100, "{answers}");
}

#[test]
fn what_is_no_http_is_refused() {
    for answer in [
        "220 mail ready\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 5\r\n\r\nbodys",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+4\r\nbody\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbodys\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
    ] {
        let error = answered(answer.as_bytes()).unwrap_err();
        assert!(error.starts_with("the answer is not HTTP: "), "{answer}: {error}");
    }
}

#[test]
fn endless_answers_are_given_up() {
    let many = |line: &str| line.repeat(1 << 17);
    for (answer, expected) in [
        (
            many("HTTP/1.1 100 Continue\r\n\r\n"),
            "the answer is not HTTP: it does not begin",
        ),
        (
            many("HTTP/1.1 200 OK "),
            "the answer is not HTTP: its head has no end",
        ),
        (
            "HTTP/1.1 200 OK\r\n".to_owned() + &many("a: b\r\n"),
            "the answer is not HTTP: its head has no end",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned() + &many("1;x"),
            "the answer is not HTTP: its chunks cannot be read",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".to_owned() + &many("a: b\r\n"),
            "the answer is not HTTP: its head has no end",
        ),
        (
            "HTTP/1.1 200 OK\r\n".to_owned() + &"a: b\r\n".repeat(101) + "\r\n",
            "the answer is not HTTP: its head cannot be read",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 67108865\r\n\r\n".to_owned(),
            "the answer is larger than 67108864 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n".to_owned(),
            "the answer is larger than 67108864 bytes",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".to_owned(),
            "the answer is larger than 67108864 bytes",
        ),
    ] {
        assert_eq!(answered(answer.as_bytes()), Err(expected.to_owned()));
    }
}

/// Says `answer` for ever.
struct Endless;

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        into.fill(b'x');
        Ok(into.len())
    }
}

#[test]
fn an_endless_body_is_given_up() {
    let mut from = BufReader::new(Cursor::new(b"HTTP/1.1 200 OK\r\n\r\n").chain(Endless));
    assert!(matches!(
        answer(&mut from, Method::Get),
        Err(StreamError::TooLarge)
    ));
}

fn pair(within: Duration) -> (Until, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (Until::new(ours.into(), within).unwrap(), theirs)
}

#[test]
fn an_exchange_over_a_real_socket() {
    let (mut ours, mut theirs) = pair(Duration::from_secs(30));
    let host = thread::spawn(move || {
        let mut heard = vec![0; 5];
        theirs.read_exact(&mut heard).unwrap();
        for part in [&b"HTTP/1.1 200 OK\r\nContent-"[..], b"Length: 1000000\r\n\r\n"] {
            theirs.write_all(part).unwrap();
        }
        theirs.write_all(&vec![b'x'; 1_000_000]).unwrap();
        heard
    });
    let reply = exchange(&mut ours, &GET).unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 1_000_000));
    assert_eq!(host.join().unwrap(), b"GET /");
}

#[test]
fn who_answers_before_he_has_read_is_heard() {
    let (mut ours, mut theirs) = pair(Duration::from_secs(30));
    theirs
        .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        .unwrap();
    theirs.shutdown(std::net::Shutdown::Read).unwrap();
    let question = Question {
        method: Method::Put,
        body: &vec![0; 4 << 20],
        ..GET
    };
    assert_eq!(exchange(&mut ours, &question).unwrap().status, 413);
}

#[test]
fn who_says_nothing_is_given_up() {
    let (mut ours, theirs) = pair(Duration::from_millis(50));
    let began = Instant::now();
    let error = exchange(&mut ours, &GET).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "no answer within 0.05 s");
    assert!(began.elapsed() < Duration::from_secs(20));
    drop(theirs);
    let (mut ours, theirs) = pair(Duration::from_secs(30));
    drop(theirs);
    assert!(exchange(&mut ours, &GET).is_err());
}
