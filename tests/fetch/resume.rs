//! Transfers that break off, and servers that ask for patience.

use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use kindling::fetch::{Clock, Fetcher, Network, Pace, SimulatedClock, TransportSettings};
use kindling::host::http::{HttpClient, SystemTrust};
use std::io::Write;

use crate::server::{Reply, Seen, Server};
use crate::{at, fetcher};

const LIMIT: u64 = 1 << 20;

/// The part of `content` that `seen` asks for, when its validator is `tag`.
fn part(seen: &Seen, content: &[u8], tag: &str) -> Option<Reply> {
    let start: usize = seen
        .header("range")?
        .strip_prefix("bytes=")?
        .strip_suffix('-')?
        .parse()
        .ok()?;
    if seen.header("if-range") != Some(tag) {
        return None;
    }
    let range = format!("bytes {start}-{}/{}", content.len() - 1, content.len());
    Some(
        Reply::status(206)
            .with_body(&content[start..])
            .with_header("content-range", &range),
    )
}

#[test]
fn a_body_that_breaks_off_is_resumed_where_it_broke() {
    let content: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let of_server = content.clone();
    let server = Server::http(move |seen, before| {
        let whole = Reply::ok(of_server.clone()).with_header("etag", "\"one\"");
        match before {
            0 => whole.cut_after(40_000),
            // The rest breaks off as well, at another place.
            1 => part(seen, &of_server, "\"one\"").unwrap().cut_after(20_000),
            _ => part(seen, &of_server, "\"one\"").unwrap(),
        }
    });
    assert_eq!(fetcher().buffer(&at(&server.url("/")), LIMIT), Ok(content));
    let ranges: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=40000-".to_owned()),
            Some("bytes=60000-".to_owned())
        ]
    );
}

#[test]
fn gzip_is_resumed_in_the_middle_of_its_stream() {
    let content: Vec<u8> = (0..200_000_u32)
        .flat_map(|n| (n ^ (n >> 3)).to_le_bytes())
        .collect();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&content).unwrap();
    let packed = encoder.finish().unwrap();
    let middle = packed.len() / 2;
    let server = Server::http(move |seen, before| {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        match before {
            0 => Reply::ok(packed.clone())
                .with_header("last-modified", date)
                .cut_after(middle),
            _ => part(seen, &packed, date).unwrap(),
        }
    });
    let mut wanted = at(&server.url("/"));
    wanted.compression = Some("gzip".to_owned());
    assert_eq!(fetcher().buffer(&wanted, LIMIT), Ok(content));
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_server_without_parts_is_read_from_the_start_once_more() {
    let server = Server::http(|_, before| {
        let whole = Reply::ok("abcdefghij").with_header("etag", "\"one\"");
        if before == 0 { whole.cut_after(4) } else { whole }
    });
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), LIMIT),
        Ok(b"abcdefghij".to_vec())
    );
    assert_eq!(server.seen().len(), 2, "the whole answer is not thrown away");
}

#[test]
fn a_copy_that_changed_meanwhile_is_not_mixed_with_the_old_one() {
    let server = Server::http(|seen, before| match before {
        0 => Reply::ok("old content")
            .with_header("etag", "\"old\"")
            .cut_after(4),
        _ => part(seen, b"new content", "\"new\"")
            .unwrap_or(Reply::ok("new content").with_header("etag", "\"new\"")),
    });
    let error = fetcher().buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "resource-changed");
}

#[test]
fn a_part_that_begins_elsewhere_is_not_taken() {
    let server = Server::http(|seen, before| {
        let whole = Reply::ok("abcdefghij").with_header("etag", "\"one\"");
        match before {
            0 => whole.cut_after(4),
            1 if seen.header("range") == Some("bytes=4-") => Reply::status(206)
                .with_body("fghij")
                .with_header("content-range", "bytes 5-9/10"),
            1 => Reply::status(418),
            _ => whole,
        }
    });
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), LIMIT),
        Ok(b"abcdefghij".to_vec())
    );
}

#[test]
fn what_names_no_single_copy_resumes_nothing() {
    for (tag, date) in [
        (Some("W/\"one\""), None),
        // With a tag of any kind the date does not count.
        (Some("W/\"one\""), Some("Sun, 06 Nov 1994 08:00:00 GMT")),
        // Changed in the minute of the answer: perhaps twice.
        (None, Some("Sun, 06 Nov 1994 08:49:00 GMT")),
        (None, None),
    ] {
        let server = Server::http(move |_, before| {
            let mut whole = Reply::ok("abcdefghij").with_header("date", "Sun, 06 Nov 1994 08:49:37 GMT");
            if let Some(tag) = tag {
                whole = whole.with_header("etag", tag);
            }
            if let Some(date) = date {
                whole = whole.with_header("last-modified", date);
            }
            if before == 0 { whole.cut_after(4) } else { whole }
        });
        assert_eq!(
            fetcher().buffer(&at(&server.url("/")), LIMIT),
            Ok(b"abcdefghij".to_vec())
        );
        let ranges = server
            .seen()
            .iter()
            .filter(|seen| seen.header("range").is_some())
            .count();
        assert_eq!(ranges, 0, "{tag:?} {date:?}");
    }
}

#[test]
fn a_part_that_ends_early_is_not_the_end() {
    let content = b"abcdefghijklmnop";
    let server = Server::http(move |seen, before| {
        let whole = Reply::ok(content.as_slice()).with_header("etag", "\"one\"");
        if before == 0 {
            return whole.cut_after(4);
        }
        // Three bytes at a time, whatever is asked for.
        let start: usize = seen
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
            .unwrap_or(0);
        let end = (start + 3).min(content.len());
        Reply::status(206)
            .with_body(&content[start..end])
            .with_header("content-range", &format!("bytes {start}-{}/16", end - 1))
    });
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), LIMIT),
        Ok(content.to_vec())
    );
    assert_eq!(server.seen().len(), 5);
}

#[test]
fn a_part_of_another_copy_is_not_taken_from_a_server_that_ignores_conditions() {
    for (name, value, total) in [("etag", "\"two\"", 10), ("etag", "\"one\"", 11)] {
        let server = Server::http(move |seen, before| {
            let whole = Reply::ok("abcdefghij").with_header("etag", "\"one\"");
            match (before, seen.header("range")) {
                (0, _) => whole.cut_after(4),
                (_, Some(_)) => Reply::status(206)
                    .with_body("EFGHIJ")
                    .with_header(name, value)
                    .with_header("content-range", &format!("bytes 4-9/{total}")),
                (_, None) => whole,
            }
        });
        assert_eq!(
            fetcher().buffer(&at(&server.url("/")), LIMIT),
            Ok(b"abcdefghij".to_vec())
        );
    }
}

#[test]
fn the_rest_is_asked_for_behind_a_redirect_too() {
    let target = Server::http(|seen, before| {
        let whole = Reply::ok("abcdefghij").with_header("etag", "\"one\"");
        match before {
            0 => whole.cut_after(4),
            _ => part(seen, b"abcdefghij", "\"one\"").unwrap_or(Reply::status(418)),
        }
    });
    let to = target.url("/there");
    let server = Server::http(move |_, _| Reply::redirect(302, &to));
    assert_eq!(
        fetcher().buffer(&at(&server.url("/")), LIMIT),
        Ok(b"abcdefghij".to_vec())
    );
}

#[test]
fn a_server_that_never_gets_further_is_given_up() {
    let server = Server::http(|_, _| {
        Reply::ok("abcdefghij")
            .with_header("etag", "\"one\"")
            .cut_after(4)
    });
    let error = fetcher().buffer(&at(&server.url("/")), LIMIT).unwrap_err();
    assert_eq!(error.code(), "body-cut");
    assert_eq!(server.seen().len(), 16);
}

#[test]
fn retry_after_is_obeyed_in_seconds_and_as_a_date() {
    for (value, least) in [
        ("7", 7),
        ("Sun, 06 Nov 1994 08:49:57 GMT", 20),
        ("Sunday, 06-Nov-94 08:49:57 GMT", 20),
        ("Sun Nov  6 08:49:57 1994", 20),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0),
        ("soon", 0),
    ] {
        let server = Server::http(move |_, before| match before {
            0 => Reply::status(429)
                .with_header("retry-after", value)
                .with_header("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            _ => Reply::ok("body"),
        });
        let clock = Arc::new(SimulatedClock::default());
        let pace = Pace::new(Arc::clone(&clock) as Arc<dyn Clock>, 1);
        let network = Network::with(HttpClient::trusting(SystemTrust::none()));
        let settings = TransportSettings::first(Duration::ZERO, false);
        let fetcher = Fetcher::new(Arc::new(network), settings, pace);
        assert_eq!(fetcher.buffer(&at(&server.url("/")), LIMIT), Ok(b"body".to_vec()));
        let waited = clock.now().as_secs();
        assert!((least..=least + 3).contains(&waited), "{value}: {waited} s");
    }
}
