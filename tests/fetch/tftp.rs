//! TFTP: against Debian's server, and against one that does what networks and old servers do.
#![allow(
    clippy::disallowed_methods,
    reason = "a server of the test's own, and its files"
)]

use std::net::UdpSocket;
use std::thread::JoinHandle;
use std::time::Duration;

use kindling::fetch::FetchError;
use kindling::host::transfer::TransferError;

use crate::tftpd::Tftpd;
use crate::{at, fetcher, hashed, limited};

const LIMIT: u64 = 64 << 20;

#[test]
fn debians_server_serves_small_large_and_empty_files() {
    let dir = tempfile::tempdir().unwrap();
    // As long as its blocks, twice as long, and more than 65,535 of them.
    let large: Vec<u8> = (0..100_000_000_u32 / 4)
        .flat_map(u32::to_le_bytes)
        .take(95_000_001)
        .collect();
    for (name, content) in [
        ("empty", b"".as_slice()),
        ("small name", b"small"),
        ("block", &large[..1448]),
        ("blocks", &large[..2896]),
        ("large", &large),
    ] {
        std::fs::write(dir.path().join(name), content).unwrap();
    }
    let server = Tftpd::serving(dir.path(), "127.0.0.1");
    let url = |name: &str| format!("tftp://127.0.0.1:{}/{name}", server.port);
    let get = |name: &str| fetcher().buffer(&at(&url(name)), 128 << 20);
    assert_eq!(get("empty"), Ok(Vec::new()));
    assert_eq!(get("small%20name"), Ok(b"small".to_vec()));
    assert_eq!(get("block").unwrap(), &large[..1448]);
    assert_eq!(get("blocks").unwrap(), &large[..2896]);
    assert!(
        get("large").unwrap() == large,
        "the block number starts again after 65,535"
    );
    let digest = "sha256-b28e9f2b2a9d85ef2e9f1c0a0f9b1c3f8a4d0de57a6a0a0c5d6e1d21fcb2a1aa";
    let wrong = fetcher()
        .buffer(&hashed(&url("small%20name"), digest), LIMIT)
        .unwrap_err();
    assert_eq!(wrong.code(), "hash-mismatch");
    let absent = get("absent").unwrap_err();
    assert_eq!(absent.code(), "tftp-refused");
    assert!(
        absent.to_string().contains("/absent")
            && matches!(
                &absent,
                FetchError::Transfer {
                    source: TransferError::Tftp { code: 1, .. },
                    ..
                }
            ),
        "{absent}"
    );
}

#[test]
fn debians_server_is_reached_by_ipv6() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "over six").unwrap();
    let server = Tftpd::serving(dir.path(), "::1");
    let url = format!("tftp://[::1]:{}/file", server.port);
    assert_eq!(fetcher().buffer(&at(&url), LIMIT), Ok(b"over six".to_vec()));
}

/// A server of one transfer: `script` gets the socket that the request came to, and a fresh one for the transfer.
fn scripted(script: impl FnOnce(&UdpSocket, &UdpSocket) + Send + 'static) -> (String, JoinHandle<()>) {
    let known = UdpSocket::bind("127.0.0.1:0").unwrap();
    let transfer = UdpSocket::bind("127.0.0.1:0").unwrap();
    for socket in [&known, &transfer] {
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    let url = format!("tftp://{}/f", known.local_addr().unwrap());
    (url, std::thread::spawn(move || script(&known, &transfer)))
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut datagram = vec![0; 2_000];
    let (length, from) = socket.recv_from(&mut datagram).unwrap();
    datagram.truncate(length);
    (datagram, from)
}

fn data(number: u16, content: &[u8]) -> Vec<u8> {
    [&[0, 3], number.to_be_bytes().as_slice(), content].concat()
}

#[test]
fn a_server_of_the_first_rfc_is_understood() {
    let (url, server) = scripted(|known, transfer| {
        let (request, from) = receive(known);
        assert!(request.starts_with(b"\0\x01/f\0octet\0blksize\0"));
        transfer.send_to(&data(1, &[7; 512]), from).unwrap();
        assert_eq!(receive(transfer).0, [0, 4, 0, 1]);
        transfer.send_to(&data(2, b"end"), from).unwrap();
        assert_eq!(receive(transfer).0, [0, 4, 0, 2]);
    });
    let expected = [[7; 512].as_slice(), b"end"].concat();
    assert_eq!(fetcher().buffer(&at(&url), LIMIT), Ok(expected));
    server.join().unwrap();
}

#[test]
fn a_server_that_dislikes_options_is_asked_without_them() {
    let (url, server) = scripted(|known, transfer| {
        let (_, from) = receive(known);
        transfer.send_to(b"\0\x05\0\x08no options\0", from).unwrap();
        let (request, from) = receive(known);
        assert_eq!(request, b"\0\x01/f\0octet\0");
        transfer.send_to(&data(1, b"x"), from).unwrap();
        assert_eq!(receive(transfer).0, [0, 4, 0, 1]);
    });
    assert_eq!(fetcher().buffer(&at(&url), LIMIT), Ok(b"x".to_vec()));
    server.join().unwrap();
}

#[test]
fn lost_repeated_and_foreign_packets_do_no_harm() {
    let (url, server) = scripted(|known, transfer| {
        // The first request is lost.
        receive(known);
        let (_, from) = receive(known);
        transfer
            .send_to(b"\0\x06blksize\x008\0tsize\x0011\0", from)
            .unwrap();
        assert_eq!(receive(transfer).0, [0, 4, 0, 0]);
        transfer.send_to(&data(1, b"12345678"), from).unwrap();
        transfer.send_to(&data(1, b"12345678"), from).unwrap();
        // Somebody else writes, and is told that this is not his transfer.
        known.send_to(&data(2, b"bad"), from).unwrap();
        assert_eq!(receive(known).0.get(..4), Some([0, 5, 0, 5].as_slice()));
        // The acknowledgement of block 1 is lost, and comes again.
        assert_eq!(receive(transfer).0, [0, 4, 0, 1]);
        assert_eq!(receive(transfer).0, [0, 4, 0, 1]);
        transfer.send_to(&data(2, b"end"), from).unwrap();
        assert_eq!(receive(transfer).0, [0, 4, 0, 2]);
    });
    assert_eq!(fetcher().buffer(&at(&url), LIMIT), Ok(b"12345678end".to_vec()));
    server.join().unwrap();
}

#[test]
fn a_file_that_ends_before_its_length_is_not_whole() {
    let (url, server) = scripted(|known, transfer| {
        // Once for each attempt that is made.
        for _ in 0..16 {
            let (_, from) = receive(known);
            transfer
                .send_to(b"\0\x06blksize\x008\0tsize\x0011\0", from)
                .unwrap();
            assert_eq!(receive(transfer).0, [0, 4, 0, 0]);
            transfer.send_to(&data(1, b"12"), from).unwrap();
            assert_eq!(receive(transfer).0, [0, 4, 0, 1]);
        }
    });
    let error = fetcher().buffer(&at(&url), LIMIT).unwrap_err();
    assert_eq!(error.code(), "body-cut", "{error}");
    server.join().unwrap();
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_the_total_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("tftp://{}/f", silent.local_addr().unwrap());
    let error = limited(Duration::from_millis(300))
        .buffer(&at(&url), LIMIT)
        .unwrap_err();
    assert_eq!(error.code(), "network-timeout", "{error}");
}

#[test]
fn a_block_larger_than_agreed_is_refused() {
    let (url, server) = scripted(|known, transfer| {
        let (_, from) = receive(known);
        transfer.send_to(b"\0\x06blksize\09000\0", from).unwrap();
    });
    let error = fetcher().buffer(&at(&url), LIMIT).unwrap_err();
    assert_eq!(error.code(), "tftp-refused", "{error:?}");
    server.join().unwrap();
}
