//! Rows: version, members, findings.

use crate::rules::told::{expect, told};

#[test]
fn sources_of_files() {
    let rows: &[(&str, &str, &[&str])] = &[
        ("3.0.0", "data:,x", &[]),
        ("3.0.0", "HTTP://h/", &[]),
        ("3.0.0", "tftp://h/f", &[]),
        ("3.0.0", "", &[]),
        ("3.0.0", "s3://b/k?versionId=7", &[]),
        ("3.0.0", "s3://b/k?versionId=", &["s3-version-empty"]),
        ("3.0.0", "s3://b/k?versionId", &["s3-version-empty"]),
        ("3.0.0", "http://h/%", &["url-invalid"]),
        ("3.0.0", "/etc/motd", &["url-scheme-unsupported"]),
        ("3.0.0", "file:///etc/motd", &["url-scheme-unsupported"]),
        ("3.1.0", "gs://b/k", &["url-scheme-unsupported"]),
        ("3.2.0", "gs://b/k", &[]),
        ("3.3.0", "arn:aws:s3:::b/k", &["url-scheme-unsupported"]),
        ("3.4.0", "arn:aws:s3:::b/k", &[]),
        ("3.4.0", "arn:aws:s3:::b/", &[]),
        ("3.4.0", "arn:aws:s3:::b", &["s3-arn-invalid"]),
        ("3.4.0", "arn:aws:ec2:::b/k", &["s3-arn-invalid"]),
        ("3.4.0", "arn:aws:s3::b/k", &["s3-arn-invalid"]),
        ("3.4.0", "arn:aws:s3:r:a:accesspoint/x", &["s3-arn-invalid"]),
        ("3.4.0", "arn:aws:s3:r:a:accesspoint/x/", &[]),
        ("3.4.0", "arn:aws:s3:::b/k?versionId=", &["s3-version-empty"]),
        ("3.6.0", "data:,a b", &["data-url-invalid"]),
        ("3.6.0", "DATA:,x", &["data-url-invalid"]),
    ];
    for list in [r#""contents":"#, r#""append":["#] {
        let close = if list.ends_with('[') { "]" } else { "" };
        let start = if list.ends_with('[') {
            "append.0"
        } else {
            "contents"
        };
        let wrap = |source: &str| {
            format!(r#""storage":{{"files":[{{"path":"/f",{list}{{"source":"{source}"}}{close}}}]}}"#)
        };
        let rows: Vec<_> = rows
            .iter()
            .map(|(version, source, told)| {
                (
                    *version,
                    *source,
                    told.iter()
                        .map(|rule| format!(".source {rule}"))
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        for (version, source, expected) in rows {
            let told = told(version, &format!("$.storage.files.0.{start}"), &wrap(source));
            assert_eq!(told, expected, "{version} {source}");
        }
    }
}

#[test]
fn references() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.0.0",
            r#""config":{"merge":[{},{"source":"x"}]}"#,
            &[".config.merge.1.source url-scheme-unsupported"],
        ),
        (
            "3.0.0",
            r#""config":{"merge":[{},{}]}"#,
            &[".config.merge.1 entry-duplicate"],
        ),
        (
            "3.1.0",
            r#""config":{"merge":[{"source":""}]}"#,
            &[".config.merge.0 source-missing"],
        ),
        (
            "3.1.0",
            r#""config":{"merge":[{"source":"x"}]}"#,
            &[
                ".config.merge.0 url-scheme-unsupported",
                ".config.merge.0.source url-scheme-unsupported",
            ],
        ),
        (
            "3.0.0",
            r#""config":{"replace":{"verification":{"hash":"x"}}}"#,
            &[".config.replace.verification.hash hash-malformed"],
        ),
        (
            "3.1.0",
            r#""config":{"replace":{"verification":{"hash":"x"}}}"#,
            &[
                ".config.replace.verification.hash hash-without-source",
                ".config.replace.verification.hash hash-malformed",
            ],
        ),
        (
            "3.0.0",
            r#""config":{"replace":{"source":"data:,","compression":"xz"}}"#,
            &["warning .config.replace.compression key-unknown"],
        ),
        (
            "3.1.0",
            r#""config":{"replace":{"source":"data:,","compression":"GZIP"}}"#,
            &[".config.replace.compression compression-unknown"],
        ),
        (
            "3.0.0",
            r#""security":{"tls":{"certificateAuthorities":[{}]}}"#,
            &[".security.tls.certificateAuthorities.0.source url-scheme-unsupported"],
        ),
        (
            "3.1.0",
            r#""security":{"tls":{"certificateAuthorities":[{}]}}"#,
            &[".security.tls.certificateAuthorities.0 source-missing"],
        ),
        (
            "3.1.0",
            r#""security":{"tls":{"certificateAuthorities":[{"source":"://"}]}}"#,
            &[
                ".security.tls.certificateAuthorities.0 url-invalid",
                ".security.tls.certificateAuthorities.0.source url-invalid",
            ],
        ),
    ];
    expect(
        "$.ignition",
        |members| format!(r#""ignition":{{{members}}}"#),
        rows,
    );
}

#[test]
fn hashes_and_compression() {
    let digest = "A".repeat(128);
    let right = format!(r#""source":"","compression":"","verification":{{"hash":"sha512-{digest}"}}"#);
    let short = format!(r#""source":"","compression":"gzip","verification":{{"hash":"sha256-{digest}"}}"#);
    let rows: &[(&str, &str, &[&str])] = &[
        ("3.0.0", &right, &[]),
        ("3.1.0", &short, &[".verification.hash hash-size-mismatch"]),
        ("3.0.0", &short, &[".verification.hash hash-function-unknown"]),
        (
            "3.6.0",
            r#""source":"","verification":{"hash":"SHA512-x"}"#,
            &[".verification.hash hash-function-unknown"],
        ),
        (
            "3.6.0",
            r#""source":"","verification":{"hash":""}"#,
            &[".verification.hash hash-malformed"],
        ),
        (
            "3.0.0",
            r#""verification":{"hash":""}"#,
            &[
                ".verification.hash hash-without-source",
                ".verification.hash hash-malformed",
            ],
        ),
    ];
    let wrap = |members: &str| format!(r#""storage":{{"files":[{{"path":"/f","contents":{{{members}}}}}]}}"#);
    expect("$.storage.files.0.contents", wrap, rows);
}

#[test]
fn headers() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.1.0",
            r#""source":"http://h","httpHeaders":[{"name":"A"},{"name":"a","value":"x"}]"#,
            &[],
        ),
        (
            "3.0.0",
            r#""source":"http://h","httpHeaders":[{"name":""}]"#,
            &["warning .httpHeaders key-unknown"],
        ),
        (
            "3.1.0",
            r#""httpHeaders":[{"name":"A"}]"#,
            &[".httpHeaders url-invalid"],
        ),
        (
            "3.1.0",
            r#""source":"data:,","httpHeaders":[{"name":"A"}]"#,
            &[".httpHeaders header-scheme-unsupported"],
        ),
        ("3.1.0", r#""source":"data:,","httpHeaders":[]"#, &[]),
        (
            "3.1.0",
            r#""source":"https://h","httpHeaders":[{"value":""},{"name":"A"},{"name":"A"}]"#,
            &[
                ".httpHeaders.0.name header-name-empty",
                ".httpHeaders.0.value header-value-empty",
                ".httpHeaders.2 entry-duplicate",
            ],
        ),
    ];
    let wrap = |members: &str| format!(r#""storage":{{"files":[{{"path":"/f","contents":{{{members}}}}}]}}"#);
    expect("$.storage.files.0.contents", wrap, rows);
}
