use std::io::BufRead;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use super::*;
use crate::host::http::Method;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"a\"\r\n\r\nbody";

/// Reads a request up to its empty line, and answers.
fn serve(stream: impl Read + Write, says: &[u8]) -> String {
    let mut stream = std::io::BufReader::new(stream);
    let mut heard = String::new();
    while !heard.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut heard).unwrap() > 0);
    }
    // Whoever gave up does not hear it.
    let _ = stream.get_mut().write_all(says);
    heard
}

fn request(url: &str) -> Request {
    Request {
        headers: vec![
            ("accept".to_owned(), "*/*".to_owned()),
            ("Host".to_owned(), "elsewhere".to_owned()),
        ],
        is_from_privileged_port: true,
        ..Request::get(Url::parse(url).unwrap())
    }
}

fn limited(silence: u64) -> Connection {
    Connection {
        header_timeout: Some(Duration::from_millis(silence)),
        ..Connection::default()
    }
}

fn body(answer: Answer) -> String {
    let mut text = String::new();
    let mut body = answer.body;
    body.read_to_string(&mut text).unwrap();
    text
}

/// A server on loopback that answers one request, and tells the port of its client.
fn once(says: &'static [u8]) -> (SocketAddr, thread::JoinHandle<(u16, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let (stream, client) = listener.accept().unwrap();
        (client.port(), serve(stream, says))
    });
    (address, server)
}

/// Needs root, as the engine does. One test, since it takes nearly every port there is.
#[test]
fn the_question_comes_from_a_privileged_port_that_is_free() {
    let (address, server) = once(OK);
    let answer =
        from_privileged_port(&request(&format!("http://u:p@{address}/a?b#c")), &limited(5_000)).unwrap();
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"a\"")));
    assert_eq!(body(answer), "body");
    let (port, heard) = server.join().unwrap();
    assert!(PORTS.contains(&port), "{port}");
    assert_eq!(
        heard,
        format!(
            "GET /a?b HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {AGENT}\r\nAccept-Encoding: identity\r\naccept: */*\r\n\
             Connection: close\r\n\r\n"
        )
    );
    // All in use but one or two.
    let mut taken: Vec<TcpListener> = PORTS
        .filter_map(|port| TcpListener::bind(("0.0.0.0", port)).ok())
        .collect();
    assert!(taken.len() > 400, "this test needs root");
    let (address, server) = once(OK);
    let error = from_privileged_port(&request(&format!("http://{address}/")), &limited(5_000)).map(body);
    assert!(
        matches!(&error, Err(TransferError::Connect { why, .. }) if why == "every port from 512 to 1023 is in use"),
        "{error:?}"
    );
    // The kernel may still remember the connection from the first one.
    let place = taken
        .iter()
        .position(|taken| taken.local_addr().unwrap().port() != port);
    let free = taken.remove(place.unwrap()).local_addr().unwrap().port();
    from_privileged_port(&request(&format!("http://{address}/")), &limited(5_000)).unwrap();
    assert_eq!(server.join().unwrap().0, free);
}

#[test]
fn a_server_of_this_machine_is_asked_by_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let url = format!("unix://lxd{}:/1.0/config?x=y", path.display());
    let Err(error) = over_socket(&request(&url), &limited(5_000)) else {
        panic!("nobody listens")
    };
    assert!(matches!(&error, TransferError::Connect { .. }), "{error}");
    assert!(error.is_transient());
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || serve(listener.accept().unwrap().0, OK));
    assert_eq!(
        body(over_socket(&request(&url), &limited(5_000)).unwrap()),
        "body"
    );
    let heard = server.join().unwrap();
    assert!(
        heard.starts_with("GET /1.0/config?x=y HTTP/1.1\r\nHost: lxd\r\n"),
        "{heard}"
    );
    for other in [
        "unix://lxd/dev/lxd/sock",
        "unix:/dev/lxd/sock:/1.0",
        "unix://lxd/dev/lxd/sock:1.0",
    ] {
        let refused = over_socket(&request(other), &limited(5_000)).map(body);
        assert!(
            matches!(refused, Err(TransferError::Address { .. })),
            "{other}: {refused:?}"
        );
    }
}

/// An exchange with a peer that says `says` and then nothing.
fn with_silence(says: &'static [u8], silence: u64, total: Option<Duration>) -> TransferError {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let peer = thread::spawn(move || {
        serve(theirs.try_clone().unwrap(), says);
        theirs
    });
    ours.set_nonblocking(true).unwrap();
    let asked = Request {
        finish_within: total,
        ..request("http://h/")
    };
    let result = ask(ours.into(), &asked, &limited(silence), "h", "/");
    drop(peer.join().unwrap());
    match result {
        Err(error) => error,
        Ok(_) => panic!("there was no answer"),
    }
}

#[test]
fn silence_and_the_whole_have_their_limits() {
    for says in [b"".as_slice(), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo"] {
        assert_eq!(
            with_silence(says, 50, None),
            TransferError::Timeout {
                waiting: Waiting::Headers,
                after: Duration::from_millis(50)
            }
        );
        let total = Duration::from_millis(60);
        assert_eq!(
            with_silence(says, 60_000, Some(total)),
            TransferError::Timeout {
                waiting: Waiting::Total,
                after: total
            }
        );
    }
}

#[test]
fn what_breaks_off_may_be_tried_again_and_what_is_no_http_may_not() {
    for (says, is_transient) in [
        (b"".as_slice(), true),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo", true),
        (b"220 mail\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false),
    ] {
        let (address, server) = once(says);
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let Err(error) = ask(stream.into(), &request("http://h/"), &limited(5_000), "h", "/") else {
            panic!("there was no answer")
        };
        server.join().unwrap();
        assert_eq!(error.is_transient(), is_transient, "{error}");
    }
}

#[test]
fn methods_with_a_body_send_it() {
    let (address, server) = once(OK);
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nonblocking(true).unwrap();
    let asked = Request {
        method: Method::Post,
        body: b"x".to_vec(),
        ..request("http://h/")
    };
    ask(stream.into(), &asked, &limited(5_000), "h", "/").unwrap();
    let (_, heard) = server.join().unwrap();
    assert!(heard.contains("\r\nContent-Length: 1\r\n"), "{heard}");
}
