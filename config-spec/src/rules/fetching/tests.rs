//! Rows: version, members of `ignition` besides the version, findings.

use crate::rules::told::expect;

#[test]
fn proxies() {
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "3.1.0",
            r#""proxy":{"httpProxy":"http://p:1","httpsProxy":"https://p:1","noProxy":["any thing"]}"#,
            &[],
        ),
        (
            "3.1.0",
            r#""proxy":{"httpsProxy":"http://p:1"}"#,
            &["warning .proxy.httpsProxy proxy-insecure"],
        ),
        (
            "3.1.0",
            r#""proxy":{"httpProxy":""}"#,
            &[".proxy.httpProxy proxy-scheme-unsupported"],
        ),
        (
            "3.1.0",
            r#""proxy":{"httpProxy":"http://p:x"}"#,
            &[".proxy.httpProxy url-invalid"],
        ),
        (
            "3.1.0",
            r#""proxy":{"noProxy":["a","a"]}"#,
            &[".proxy.noProxy.1 entry-duplicate"],
        ),
        (
            "3.0.0",
            r#""proxy":{"httpProxy":"x"}"#,
            &["warning .proxy key-unknown"],
        ),
        (
            "3.1.0",
            r#""timeouts":{"httpTotal":-1,"httpResponseHeaders":0}"#,
            &[],
        ),
    ];
    expect(
        "$.ignition",
        |members| format!(r#""ignition":{{{members}}}"#),
        rows,
    );
}
