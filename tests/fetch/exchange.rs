//! One resource from one server.

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use kindling::fetch::{FetchError, Limits, Received, download, resource};
use kindling::host::transfer::{TransferError, Waiting};
use kindling_config_spec::types::{Ignition, Proxy, Resource, Timeouts};
use kindling_platforms::{AccessError, HttpMethod, HttpRequest};

use crate::server::{Reply, Server};
use crate::{at, fetcher, hashed, limited, offline, with_header};

const LIMIT: u64 = 1 << 20;

#[test]
fn a_server_that_fails_for_a_while_is_asked_again() {
    let server = Server::http(|_, before| {
        if before < 2 {
            Reply::status(500)
        } else {
            Reply::ok("body")
        }
    });
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), LIMIT),
        Ok(b"body".to_vec())
    );
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn statuses_below_500_are_final() {
    for status in [206, 304, 400, 401, 403, 404, 416, 418] {
        let server = Server::always(Reply::status(status));
        let error = fetcher().buffer(&at(&server.url("/f")), LIMIT).unwrap_err();
        assert_eq!(
            error,
            FetchError::Transfer {
                url: server.url("/f"),
                source: TransferError::Status(status)
            }
        );
        assert_eq!(error.code(), "http-status");
        assert_eq!(server.seen().len(), 1, "{status}");
    }
}

#[test]
fn status_204_is_an_empty_resource() {
    let server = Server::always(Reply::status(204));
    assert_eq!(fetcher().buffer(&at(&server.url("/")), LIMIT), Ok(Vec::new()));
}

#[test]
fn the_default_headers_are_exactly_these() {
    let server = Server::always(Reply::ok(""));
    fetcher().buffer(&at(&server.url("/a?b=c")), LIMIT).unwrap();
    let seen = server.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/a?b=c"));
    let mut headers = seen.headers;
    headers.sort();
    let expected = [
        (
            "accept",
            "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1",
        ),
        ("accept-encoding", "identity"),
        ("user-agent", kindling::host::http::AGENT),
    ];
    assert!(kindling::host::http::AGENT.starts_with("Ignition/"));
    assert_eq!(
        headers,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn custom_headers_replace_defaults_and_do_not_follow_a_redirect() {
    let target = Server::always(Reply::ok("target"));
    let to = target.url("/there");
    let server = Server::http(move |_, _| Reply::redirect(302, &to));
    let mut wanted = with_header(&server.url("/"), "Authorization", "Bearer secret");
    wanted
        .http_headers
        .extend(with_header("", "accept", "text/plain").http_headers);
    assert_eq!(fetcher().buffer(&wanted, LIMIT), Ok(b"target".to_vec()));
    let (first, second) = (server.seen().remove(0), target.seen().remove(0));
    assert_eq!(first.header("authorization"), Some("Bearer secret"));
    assert_eq!(first.header("accept"), Some("text/plain"));
    assert_eq!(second.header("authorization"), None);
    assert_eq!(second.header("accept"), Some(kindling::host::http::ACCEPT));
    assert_eq!(second.header("accept-encoding"), Some("identity"));
    assert_eq!(second.header("referer"), None);
}

#[test]
fn a_header_that_http_cannot_carry_is_named_without_its_value() {
    let server = Server::always(Reply::ok(""));
    let error = fetcher()
        .buffer(&with_header(&server.url("/"), "X-A", "secret\r\nX-B: 1"), LIMIT)
        .unwrap_err();
    let FetchError::Transfer { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(
        source,
        TransferError::Header {
            name: "X-A".to_owned()
        }
    );
    assert_eq!(server.seen().len(), 0);
}

#[test]
fn redirects_end_after_ten() {
    let server = Server::http(|seen, _| {
        let hop: usize = seen.target.trim_start_matches('/').parse().unwrap();
        if hop == 0 {
            Reply::ok("end")
        } else {
            Reply::redirect(307, &format!("/{}", hop - 1))
        }
    });
    assert_eq!(
        fetcher().buffer(&at(&server.url("/10")), LIMIT),
        Ok(b"end".to_vec())
    );
    let error = fetcher().buffer(&at(&server.url("/11")), LIMIT).unwrap_err();
    let FetchError::Transfer { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(source, TransferError::TooManyRedirects { limit: 10 });
}

#[test]
fn a_redirect_to_another_kind_of_address_is_refused() {
    let server = Server::always(Reply::redirect(302, "file:///etc/shadow"));
    let error = fetcher().buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "redirect-broken");
}

#[test]
fn the_digest_is_of_the_content_and_may_be_written_in_capitals() {
    let server = Server::always(Reply::ok("hello"));
    let sha256 = kindling::identity::hex(&resource::sha256(b"hello"));
    let sha512 = resource::sha512_hex(b"hello");
    for hash in [
        format!("sha256-{sha256}"),
        format!("sha256-{}", sha256.to_uppercase()),
        format!("sha512-{sha512}"),
        format!("sha512-{}", sha512.to_uppercase()),
    ] {
        assert_eq!(
            fetcher().buffer(&hashed(&server.url("/"), &hash), LIMIT),
            Ok(b"hello".to_vec()),
            "{hash}"
        );
    }
}

#[test]
fn a_wrong_digest_names_both_and_no_secret() {
    let server = Server::always(Reply::ok("hello"));
    let url = server.url("/f?token=hunter2").replace("://", "://user:hunter2@");
    let error = fetcher()
        .buffer(&hashed(&url, &format!("sha256-{}", "0".repeat(64))), LIMIT)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the content of {}?… has the wrong digest: expected sha256-{}, got sha256-{}",
            server.url("/f"),
            "0".repeat(64),
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        )
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_body_that_breaks_off_is_begun_again_and_arrives_whole() {
    let body: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let (sent, hash) = (body.clone(), format!("sha512-{}", resource::sha512_hex(&body)));
    let server = Server::http(move |_, before| match before {
        0 => Reply::ok(sent.clone()).cut_after(700_000),
        1 => Reply::ok(sent.clone()).cut_after(100),
        _ => Reply::ok(sent.clone()),
    });
    let mut sink = Vec::new();
    let received = fetcher()
        .stream(&hashed(&server.url("/"), &hash), &mut sink)
        .unwrap();
    let digest = hash.strip_prefix("sha512-").map(str::to_owned);
    assert_eq!(
        received,
        Received {
            bytes: 1_200_000,
            digest
        }
    );
    assert!(sink == body);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn a_body_that_changes_between_attempts_is_not_mixed() {
    let server = Server::http(|_, before| match before {
        0 => Reply::ok("one and more").cut_after(3),
        _ => Reply::ok("two and more"),
    });
    let error = fetcher()
        .stream(&at(&server.url("/")), &mut Vec::new())
        .unwrap_err();
    assert_eq!(error, FetchError::Changed { url: server.url("/") });
}

#[test]
fn gzip_is_unpacked_before_the_digest_and_survives_a_cut() {
    let text = b"some text ".repeat(20_000);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(&text).unwrap();
    let packed = encoder.finish().unwrap();
    let server = Server::http(move |_, before| match before {
        0 => Reply::ok(packed.clone()).cut_after(150_000),
        _ => Reply::ok(packed.clone()),
    });
    let hash = format!("sha256-{}", kindling::identity::hex(&resource::sha256(&text)));
    let wanted = Resource {
        compression: Some("gzip".to_owned()),
        ..hashed(&server.url("/"), &hash)
    };
    assert!(fetcher().buffer(&wanted, LIMIT).unwrap() == text);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn gzip_that_is_none_is_not_asked_for_again() {
    let server = Server::always(Reply::ok("plain"));
    let wanted = Resource {
        compression: Some("gzip".to_owned()),
        ..at(&server.url("/"))
    };
    assert_eq!(
        fetcher().buffer(&wanted, LIMIT).unwrap_err().code(),
        "gzip-broken"
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn more_than_the_limit_is_refused() {
    let server = Server::always(Reply::ok(vec![b'x'; 1_001]));
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), 1_000),
        Err(FetchError::TooLarge {
            url: server.url("/"),
            limit: 1_000
        })
    );
}

#[test]
fn headers_that_do_not_come_are_given_up_and_asked_for_again() {
    let late = Duration::from_secs(30);
    let server = Server::http(move |_, before| match before {
        0 => Reply::ok("late").late(late),
        _ => Reply::ok("in time"),
    });
    let mut fetcher = fetcher();
    let timeouts = Timeouts {
        http_response_headers: Some(1),
        ..Timeouts::default()
    };
    fetcher
        .configure(&Ignition {
            timeouts,
            ..Ignition::default()
        })
        .unwrap();
    assert_eq!(
        fetcher.buffer(&at(&server.url("/")), LIMIT),
        Ok(b"in time".to_vec())
    );
}

#[test]
fn the_limit_for_headers_does_not_bound_the_body() {
    let server = Server::always(Reply::ok("slow body").pausing_after(4, Duration::from_millis(2_300)));
    let mut fetcher = fetcher();
    let timeouts = Timeouts {
        http_response_headers: Some(2),
        ..Timeouts::default()
    };
    fetcher
        .configure(&Ignition {
            timeouts,
            ..Ignition::default()
        })
        .unwrap();
    assert_eq!(
        fetcher.buffer(&at(&server.url("/")), LIMIT),
        Ok(b"slow body".to_vec())
    );
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn the_total_time_bounds_headers_and_body() {
    let late = Duration::from_secs(30);
    for reply in [Reply::ok("x").late(late), Reply::ok("xx").pausing_after(1, late)] {
        let server = Server::always(reply);
        let error = limited(Duration::from_secs(1))
            .buffer(&at(&server.url("/")), LIMIT)
            .unwrap_err();
        assert_eq!(error.code(), "network-timeout");
        let FetchError::TimedOut {
            after,
            attempts: 1,
            source,
            ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(after, Duration::from_secs(1));
        assert!(
            matches!(
                source,
                TransferError::Timeout {
                    waiting: Waiting::Total,
                    ..
                }
            ),
            "{source}"
        );
    }
}

#[test]
fn the_last_cause_of_a_timeout_is_told() {
    let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let error = limited(Duration::from_secs(1))
        .buffer(&at(&format!("http://{free}/")), LIMIT)
        .unwrap_err();
    let FetchError::TimedOut { source, attempts, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(
        source,
        &TransferError::Refused {
            host: free.to_string()
        }
    );
    assert!(*attempts > 1);
}

#[test]
fn a_name_without_an_address_is_a_matter_of_names() {
    let error = limited(Duration::from_secs(1))
        .buffer(&at("http://no-such-host.invalid/"), LIMIT)
        .unwrap_err();
    let FetchError::TimedOut { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(source, TransferError::Dns { host, .. } if host == "no-such-host.invalid"),
        "{source}"
    );
}

#[test]
fn offline_nothing_but_inline_data_can_be_had() {
    let server = Server::always(Reply::ok("x"));
    let error = offline().buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert!(error.needs_network());
    assert_eq!(server.seen().len(), 0);
    assert_eq!(
        offline().buffer(&at("data:,inline"), LIMIT),
        Ok(b"inline".to_vec())
    );
    assert_eq!(offline().buffer(&Resource::default(), LIMIT), Ok(Vec::new()));
}

#[test]
fn a_proxy_of_the_config_is_used_with_its_password() {
    let proxy = Server::always(Reply::ok("through the proxy"));
    let mut fetcher = fetcher();
    let http_proxy = Some(proxy.url("").replace("://", "://user:pass@"));
    let no_proxy = vec!["direct.invalid".to_owned()];
    let proxy_settings = Proxy {
        http_proxy,
        no_proxy,
        ..Proxy::default()
    };
    fetcher
        .configure(&Ignition {
            proxy: proxy_settings,
            ..Ignition::default()
        })
        .unwrap();
    let body = fetcher.buffer(&at("http://config.invalid/worker"), LIMIT);
    assert_eq!(body, Ok(b"through the proxy".to_vec()));
    let seen = proxy.seen().remove(0);
    assert_eq!(seen.target, "http://config.invalid/worker");
    assert_eq!(seen.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[test]
fn platforms_get_their_answer_with_its_status() {
    let server = Server::http(|seen, before| match (seen.method.as_str(), before) {
        ("PUT", 0) => Reply::status(503),
        ("PUT", 1) => Reply::status(429),
        ("PUT", _) => Reply::ok("token"),
        _ => Reply::status(404),
    });
    let request = |method, retry_also: &[u16]| HttpRequest {
        method,
        url: server.url("/latest/api/token"),
        headers: vec![("X-TTL".to_owned(), "60".to_owned())],
        body: Vec::new(),
        retry_also: retry_also.to_vec(),
        is_from_privileged_port: false,
    };
    let answer = fetcher()
        .exchange(&request(HttpMethod::Put, &[429]), &[])
        .unwrap();
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"token".as_slice())
    );
    assert_eq!(server.seen()[0].header("x-ttl"), Some("60"));
    assert_eq!(
        fetcher()
            .exchange(&request(HttpMethod::Get, &[]), &[])
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        offline().exchange(&request(HttpMethod::Get, &[]), &[]),
        Err(AccessError::NeedsNetwork)
    );
}

#[test]
fn downloads_from_one_host_run_at_once_but_not_all() {
    let delay = Duration::from_millis(100);
    let server = Server::http(move |seen, _| Reply::ok(seen.target.clone()).late(delay));
    let urls: Vec<String> = (0..80).map(|n| server.url(&format!("/{n}"))).collect();
    let (active, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let bodies = download(
        &fetcher(),
        Limits::default(),
        &urls,
        |_| Some("one".to_owned()),
        |url, via| {
            most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let body = via.buffer(&at(url), LIMIT);
            active.fetch_sub(1, Ordering::SeqCst);
            body
        },
    )
    .unwrap();
    let expected: Vec<Vec<u8>> = (0..80).map(|n| format!("/{n}").into_bytes()).collect();
    assert_eq!(bodies, expected);
    let most = most.load(Ordering::SeqCst);
    assert!((2..=32).contains(&most), "{most} at once");
}

#[test]
fn zstd_of_the_extension_is_unpacked_before_the_digest_and_survives_a_cut() {
    let packed = include_bytes!("../../fixtures/packed/frames.ign.zst");
    let content = include_bytes!("../../fixtures/packed/config.ign");
    let server = Server::http(move |_, before| {
        let reply = Reply::ok(packed.as_slice());
        if before == 0 { reply.cut_after(60) } else { reply }
    });
    let sum: String = resource::sha256(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut wanted = hashed(&server.url("/"), &format!("sha256-{sum}"));
    wanted.compression = Some("zstd".to_owned());
    assert_eq!(fetcher().buffer(&wanted, LIMIT), Ok(content.to_vec()));
    let plain = Server::always(Reply::ok("no zstd"));
    let mut wanted = at(&plain.url("/"));
    wanted.compression = Some("zstd".to_owned());
    assert_eq!(
        fetcher().buffer(&wanted, LIMIT).unwrap_err().code(),
        "zstd-broken"
    );
}

/// A server that answers each connection with `answer`, whatever is asked.
fn raw(answer: impl Fn(&mut std::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/f", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 4096];
            let _ = std::io::Read::read(&mut stream, &mut request);
            answer(&mut stream);
        }
    });
    url
}

#[test]
fn headers_without_an_end_and_answers_that_are_not_http_are_given_up_at_once() {
    let endless = raw(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-A: ");
        while stream.write_all(&[b'a'; 4096]).is_ok() {}
    });
    let many = raw(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        for number in 0..1_000 {
            let _ = stream.write_all(format!("X-{number}: a\r\n").as_bytes());
        }
        let _ = stream.write_all(b"\r\n");
    });
    let other = raw(|stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n");
    });
    for url in [endless, many, other] {
        let error = limited(Duration::from_secs(30))
            .buffer(&at(&url), LIMIT)
            .unwrap_err();
        assert_eq!(error.code(), "http-answer-broken", "{error:?}");
    }
}

#[test]
fn a_connection_that_is_reset_is_made_again() {
    let tries = std::sync::Arc::new(AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&tries);
    let url = raw(move |stream| {
        if count.fetch_add(1, Ordering::SeqCst) >= 2 {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyand more");
        }
        // Dropped without an answer before.
    });
    assert_eq!(fetcher().buffer(&at(&url), LIMIT), Ok(b"body".to_vec()));
    assert_eq!(tries.load(Ordering::SeqCst), 3);
}
