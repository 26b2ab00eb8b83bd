//! The own section, and what is fetched.

use super::*;

#[test]
fn sources_are_those_of_the_version() {
    let file = |source: &str| {
        format!(
            r#""storage":{{"files":[{{"filesystem":"root","path":"/a","mode":420,"contents":{{"source":"{source}"}}}}]}}"#
        )
    };
    let scheme = ["/storage/files/0/contents/source url-scheme-unsupported"];
    for (version, source, expected) in [
        ("2.0.0", "https://h/a", &[][..]),
        ("2.0.0", "data:,a", &[]),
        ("2.0.0", "", &[]),
        ("2.0.0", "tftp://h/a", &scheme),
        ("2.0.0", "s3://b/a", &scheme),
        ("2.0.0", "oem:///a", &scheme),
        ("2.1.0", "tftp://h/a", &[]),
        ("2.1.0", "s3://b/a", &[]),
        ("2.4.0", "gs://b/a", &scheme),
        ("2.4.0", "arn:aws:s3:::b/a", &scheme),
        ("2.4.0", "/a", &scheme),
        (
            "2.4.0",
            "oem:///a",
            &["/storage/files/0/contents/source v2-inexpressible"],
        ),
        (
            "2.4.0",
            "s3://b/a?versionId=",
            &["/storage/files/0/contents/source s3-version-empty"],
        ),
        (
            "2.4.0",
            "http://h:port/",
            &["/storage/files/0/contents/source url-invalid"],
        ),
    ] {
        assert_eq!(told(version, &file(source)), *expected, "{version} {source}");
    }
    for (list, at) in [
        (
            r#""config":{"append":[{"source":"gs://b/a"}]}"#,
            "/ignition/config/append/0/source",
        ),
        (
            r#""config":{"replace":{"source":"gs://b/a"}}"#,
            "/ignition/config/replace/source",
        ),
        (
            r#""security":{"tls":{"certificateAuthorities":[{"source":"gs://b/a"}]}}"#,
            "/ignition/security/tls/certificateAuthorities/0/source",
        ),
    ] {
        let told = told("2.2.0", &format!("\"ignition\":{{{list}}}"));
        assert_eq!(told, [format!("{at} url-scheme-unsupported")]);
    }
}

const HASH: &str = "ab";

fn hash() -> String {
    format!("sha512-{}", HASH.repeat(64))
}

#[test]
fn hashes_are_sha512() {
    let append = |hash: &str| {
        format!(
            r#""ignition":{{"config":{{"append":[{{"source":"http://h/a","verification":{{"hash":"{hash}"}}}}]}}}}"#
        )
    };
    let at = "/ignition/config/append/0/verification/hash";
    for (hash, expected) in [
        (hash(), vec![]),
        (
            format!("sha256-{}", "ab".repeat(32)),
            vec![format!("{at} hash-function-unknown")],
        ),
        ("md5-ab".to_owned(), vec![format!("{at} hash-function-unknown")]),
        ("sha512-ab".to_owned(), vec![format!("{at} hash-size-mismatch")]),
        ("ab".to_owned(), vec![format!("{at} hash-malformed")]),
        (String::new(), vec![format!("{at} hash-malformed")]),
    ] {
        assert_eq!(told("2.3.0", &append(&hash)), expected, "{hash}");
    }
}

#[test]
fn the_own_section() {
    expect(&[
        (
            "2.3.0",
            r#""ignition":{"config":{"append":[{"source":""}]}}"#,
            &["/ignition/config/append/0 source-missing"],
        ),
        ("2.3.0", r#""ignition":{"config":{"replace":{}}}"#, &[]),
        (
            "2.3.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a"},{"source":"http://h/a"}]}}"#,
            &[],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a"},{"source":"http://h/a","httpHeaders":[{"name":"a","value":"b"}]}]}}"#,
            &["warning /ignition/config/append/1 v2-changed"],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"s3://h/a","httpHeaders":[{"name":"a","value":"b"}]}]}}"#,
            &["/ignition/config/append/0/httpHeaders header-scheme-unsupported"],
        ),
        (
            "2.4.0",
            r#""ignition":{"config":{"append":[{"source":"http://h/a","httpHeaders":[{"value":"b"},{"name":"c","value":"d"},{"name":"c","value":"e"}]}]}}"#,
            &[
                "/ignition/config/append/0/httpHeaders/0/name header-name-empty",
                "/ignition/config/append/0/httpHeaders/2 entry-duplicate",
            ],
        ),
        (
            "2.4.0",
            r#""ignition":{"proxy":{"httpProxy":"proxy:3128"}}"#,
            &["/ignition/proxy/httpProxy proxy-scheme-unsupported"],
        ),
    ]);
    expect_made(&[
        (
            "2.3.0",
            r#""ignition":{"config":{"replace":{}}}"#,
            json!({"ignition":{"config":{"replace":{"source":""}}}}),
        ),
        (
            "2.4.0",
            r#""ignition":{"timeouts":{"httpTotal":0},"proxy":{"httpProxy":"","noProxy":["a","b","a"]},"config":{"append":[{"source":"http://h/a","httpHeaders":[{"name":"a","value":""}]},{"source":"http://h/b"},{"source":"http://h/a","httpHeaders":[{"name":"a","value":""}]}]}}"#,
            json!({"ignition":{"timeouts":{"httpTotal":0},"proxy":{"noProxy":["a","b"]},"config":{"merge":[
                {"source":"http://h/a","httpHeaders":[{"name":"a"}]},{"source":"http://h/b"}]}}}),
        ),
    ]);
}
