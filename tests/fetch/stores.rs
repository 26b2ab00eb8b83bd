//! Object stores, against a double of them and of the metadata services. What a signature must be is the vendor's
//! examples' matter (`src/fetch/s3/sign.rs`).

use kindling::fetch::{Fetcher, Stores};

use crate::server::{Reply, Seen, Server};
use crate::{at, fetcher, offline, with_header};

const LIMIT: u64 = 1 << 20;

/// A fetcher on a machine of `platform` whose stores are all at `server`.
fn on(platform: &str, server: &Server) -> Fetcher {
    let stores = Stores::of_platform(platform, false).at(server.url("").as_str());
    fetcher().with_stores(stores)
}

fn targets(server: &Server) -> Vec<String> {
    server
        .seen()
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.target))
        .collect()
}

/// The metadata service of an instance with a role, and a bucket in another region.
fn aws(seen: &Seen) -> Reply {
    let is_known = seen.header("x-aws-ec2-metadata-token") == Some("session");
    match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", "/latest/api/token") => Reply::ok("session\n"),
        ("GET", path) if path.starts_with("/latest/") && !is_known => Reply::status(401),
        ("GET", "/latest/meta-data/placement/region") => Reply::ok("eu-north-1"),
        ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::ok("node role"),
        ("GET", "/latest/meta-data/iam/security-credentials/node%20role") => Reply::ok(
            r#"{"Code":"Success","AccessKeyId":"AKID","SecretAccessKey":"planted-secret","Token":"planted-token"}"#,
        )
        .with_header("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("HEAD", "/bucket") => Reply::status(403).with_header("x-amz-bucket-region", "ap-south-1"),
        ("HEAD", "/gone") => Reply::status(404),
        ("GET", "/bucket/dir/key?versionId=v1") => Reply::ok("object"),
        ("GET", "/bucket/other" | "/point-1/key") => Reply::ok("another"),
        _ => Reply::status(404),
    }
}

#[test]
fn a_role_signs_for_the_region_of_the_bucket_with_the_clock_of_the_cloud() {
    let server = Server::http(|seen, _| aws(seen));
    let fetcher = on("aws", &server);
    let source = at("s3://bucket/dir/key?versionId=v1");
    assert_eq!(fetcher.buffer(&source, LIMIT), Ok(b"object".to_vec()));
    let last = server.seen().pop().unwrap();
    let authorization = last.header("authorization").unwrap().to_owned();
    // Our clock is not the store's: the date of the signature comes from the metadata service.
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKID/20130524/ap-south-1/s3/aws4_request, "),
        "{authorization}"
    );
    assert!(last.header("x-amz-date").unwrap().starts_with("20130524T0000"));
    assert_eq!(last.header("x-amz-security-token"), Some("planted-token"));
    let asked = targets(&server).len();
    // Everything is known by now.
    assert_eq!(
        fetcher.buffer(&at("s3://bucket/other"), LIMIT),
        Ok(b"another".to_vec())
    );
    assert_eq!(targets(&server).len(), asked + 1);
}

#[test]
fn an_access_point_says_its_region_itself() {
    let server = Server::http(|seen, _| aws(seen));
    let source = at("arn:aws:s3:us-west-2:1:accesspoint/point/object/key");
    assert_eq!(on("aws", &server).buffer(&source, LIMIT), Ok(b"another".to_vec()));
    let last = server.seen().pop().unwrap();
    assert!(last.header("authorization").unwrap().contains("/us-west-2/s3/"));
    assert!(!targets(&server).iter().any(|target| target.starts_with("HEAD")));
}

#[test]
fn without_a_role_and_outside_the_cloud_objects_are_read_by_anybody() {
    for platform in ["aws", "metal"] {
        let server = Server::http(|seen, _| match (seen.method.as_str(), seen.target.as_str()) {
            // An old metadata service: no tokens, no role.
            (_, path) if path.starts_with("/latest/") => Reply::status(404),
            ("HEAD", "/bucket") => Reply::status(200),
            ("GET", "/bucket/key") => Reply::ok("public"),
            _ => Reply::status(500),
        });
        let source = with_header("arn:aws:s3:::bucket/key", "X-Ours", "not for a store");
        assert_eq!(
            on(platform, &server).buffer(&source, LIMIT),
            Ok(b"public".to_vec())
        );
        let last = server.seen().pop().unwrap();
        assert_eq!(last.header("authorization"), None);
        assert_eq!(last.header("x-ours"), None);
        let asked = targets(&server).iter().any(|target| target.contains("/latest/"));
        assert_eq!(asked, platform == "aws");
    }
}

#[test]
fn a_bucket_that_is_not_there_and_a_refusal_are_told_apart() {
    let server = Server::http(|seen, _| aws(seen));
    let fetcher = on("aws", &server);
    assert_eq!(
        fetcher.buffer(&at("s3://gone/key"), LIMIT).unwrap_err().code(),
        "bucket-absent"
    );
    assert_eq!(
        fetcher
            .buffer(&at("s3://bucket/absent"), LIMIT)
            .unwrap_err()
            .code(),
        "http-status"
    );
}

#[test]
fn broken_credentials_are_an_error_that_shows_none() {
    let server = Server::http(|seen, _| match seen.target.as_str() {
        "/latest/meta-data/iam/security-credentials/node%20role" => {
            Reply::ok(r#"{"AccessKeyId":"AKID","Token":"planted-token"}"#)
        }
        _ => aws(seen),
    });
    let error = on("aws", &server)
        .buffer(&at("s3://bucket/key"), LIMIT)
        .unwrap_err();
    assert_eq!(error.code(), "store-identity");
    assert!(!format!("{error:?}").contains("planted"), "{error:?}");
}

#[test]
fn google_objects_are_read_with_the_account_of_the_instance_or_by_anybody() {
    for (platform, account, expected) in [
        ("gcp", 200, Some("Bearer planted")),
        ("gcp", 404, None),
        ("metal", 200, None),
    ] {
        let server = Server::http(move |seen, _| {
            if seen.target.starts_with("/storage/") {
                return Reply::ok("object");
            }
            assert_eq!(seen.header("metadata-flavor"), Some("Google"));
            assert!(seen.target.contains("devstorage.read_only"));
            Reply::status(account).with_body(r#"{"access_token":"planted","expires_in":3599}"#)
        });
        let source = with_header("gs://bucket/dir/a%20b", "X-Ours", "passed on");
        assert_eq!(
            on(platform, &server).buffer(&source, LIMIT),
            Ok(b"object".to_vec())
        );
        let last = server.seen().pop().unwrap();
        assert_eq!(last.target, "/storage/v1/b/bucket/o/dir%2Fa%20b?alt=media");
        assert_eq!(last.header("authorization"), expected);
        assert_eq!(last.header("x-ours"), Some("passed on"));
    }
}

#[test]
fn offline_no_store_is_asked() {
    for source in ["s3://b/k", "arn:aws:s3:::b/k", "gs://b/o", "tftp://h/f"] {
        let error = offline().buffer(&at(source), LIMIT).unwrap_err();
        assert!(error.needs_network(), "{source}: {error}");
    }
}
