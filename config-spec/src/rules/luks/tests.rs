//! Rows: version, the volume's members besides name and device, findings.

use crate::rules::told::{expect, told};

fn rows(rows: &[(&str, &str, &[&str])]) {
    let wrap =
        |members: &str| format!(r#""storage":{{"luks":[{{"name":"v","device":"/dev/a",{members}}}]}}"#);
    expect("$.storage.luks.0", wrap, rows);
}

#[test]
fn volumes() {
    rows(&[
        (
            "3.2.0",
            r#""label":"12345678901234567890123456789012345678901234567","options":["a","a"]"#,
            &[],
        ),
        (
            "3.2.0",
            r#""label":"123456789012345678901234567890123456789012345678""#,
            &[".label luks-label-too-long"],
        ),
        ("3.2.0", r#""keyFile":{"source":""}"#, &[]),
        (
            "3.2.0",
            r#""keyFile":{"source":"arn:aws:s3:::b/k"}"#,
            &[
                ".keyFile.source url-scheme-unsupported",
                ".keys luks-key-file-invalid",
            ],
        ),
        (
            "3.2.0",
            r#""keyFile":{"source":"data:,k"},"clevis":{"tpm2":true}"#,
            &[],
        ),
        ("3.3.0", r#""discard":true"#, &["warning .discard key-unknown"]),
        (
            "3.4.0",
            r#""openOptions":["a","a"]"#,
            &[".openOptions.1 entry-duplicate"],
        ),
    ]);
    let bare = r#""storage":{"luks":[{"name":"","device":"a"},{"name":"x/y"}]}"#;
    assert_eq!(
        told("3.6.0", "$.storage.luks.", bare),
        [
            "0.device path-relative",
            "1.device device-missing",
            "1.name luks-name-slash"
        ]
    );
    assert_eq!(told("3.1.0", "$.storage.", bare), ["warning luks key-unknown"]);
}

#[test]
fn custom_pins() {
    rows(&[
        ("3.2.0", r#""clevis":{"custom":{"pin":"sss","config":"c"}}"#, &[]),
        ("3.2.0", r#""clevis":{"custom":{"needsNetwork":true}}"#, &[]),
        ("3.2.0", r#""clevis":{"custom":null,"tpm2":true}"#, &[]),
        (
            "3.2.0",
            r#""clevis":{"custom":{},"tpm2":true}"#,
            &[".clevis clevis-custom-not-alone"],
        ),
        ("3.3.0", r#""clevis":{"custom":{},"tpm2":true}"#, &[]),
        (
            "3.3.0",
            r#""clevis":{"custom":{"pin":"sss","config":"c"},"threshold":1}"#,
            &[".clevis clevis-custom-not-alone"],
        ),
        (
            "3.3.0",
            r#""clevis":{"custom":{"pin":"sss","config":"c"},"threshold":0,"tpm2":false}"#,
            &[],
        ),
        (
            "3.2.0",
            r#""clevis":{"custom":{"config":"c"}}"#,
            &[".clevis.custom.pin clevis-pin-unknown"],
        ),
        (
            "3.3.0",
            r#""clevis":{"custom":{"config":"c"}}"#,
            &[".clevis.custom.pin clevis-pin-missing"],
        ),
        (
            "3.2.0",
            r#""clevis":{"custom":{"pin":"tang"}}"#,
            &[".clevis.custom.config clevis-config-missing"],
        ),
        (
            "3.3.0",
            r#""clevis":{"custom":{"needsNetwork":true}}"#,
            &[
                ".clevis.custom.config clevis-config-missing",
                ".clevis.custom.pin clevis-pin-missing",
            ],
        ),
        (
            "3.5.0",
            r#""clevis":{"custom":{"pin":"own","config":"c"}}"#,
            &[".clevis.custom.pin clevis-pin-unknown"],
        ),
        ("3.6.0", r#""clevis":{"custom":{"pin":"own","config":"c"}}"#, &[]),
    ]);
}

#[test]
fn tang_servers() {
    rows(&[
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"http://t","thumbprint":"x","advertisement":"3"}]}"#,
            &[],
        ),
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"","thumbprint":"x"}]}"#,
            &[".clevis.tang.0.url url-scheme-unsupported"],
        ),
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"://","thumbprint":"x"}]}"#,
            &[".clevis.tang.0.url url-invalid"],
        ),
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"http://t"}]}"#,
            &[".clevis.tang.0.thumbprint tang-thumbprint-missing"],
        ),
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"http://t","thumbprint":"x","advertisement":"{"}]}"#,
            &[".clevis.tang.0.advertisement tang-advertisement-invalid"],
        ),
        (
            "3.4.0",
            r#""clevis":{"tang":[{"url":"http://t","thumbprint":"x"},{"url":"http://t","thumbprint":"y"}]}"#,
            &[".clevis.tang.1 entry-duplicate"],
        ),
        (
            "3.3.0",
            r#""clevis":{"tang":[{"url":"http://t","thumbprint":"x","advertisement":"{"}]}"#,
            &["warning .clevis.tang.0.advertisement key-unknown"],
        ),
    ]);
}

#[test]
fn crypto_cards() {
    rows(&[
        ("3.5.0", r#""cex":{"enabled":true}"#, &[]),
        ("3.5.0", r#""cex":{"enabled":false},"clevis":{"tpm2":true}"#, &[]),
        (
            "3.5.0",
            r#""cex":{"enabled":true},"clevis":{"threshold":1},"keyFile":{"source":"data:,k"}"#,
            &[".cex cex-with-clevis", ".cex cex-with-key-file"],
        ),
        (
            "3.5.0",
            r#""cex":{"enabled":true},"clevis":{"threshold":0},"keyFile":{"source":""}"#,
            &[],
        ),
    ]);
}
