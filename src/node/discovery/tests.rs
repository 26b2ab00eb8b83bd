use std::path::Path;

use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use super::*;

/// The 93 bytes of cluster.md 2.10.
const CONTENT: &str =
    "apiVersion: v1\nkind: Config\nclusters:\n- name: \"\"\n  cluster:\n    server: https://cp.test:6443\n";
const SIGNATURE: &str =
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9..4r7GbQEAuOjO6O80acJpGoh44v8eFXsKNvwSVlEICEY";

fn token() -> Token<'static> {
    Token::parse("abcdef.0123456789abcdef").unwrap()
}

fn signed(content: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"abcdef"}"#);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(content));
    let signature = hmac::sign(&key, input.as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(signature))
}

fn map(kubeconfig: &str, jws: &str) -> Vec<u8> {
    json!({ "kind": "ConfigMap", "data": { "kubeconfig": kubeconfig, "jws-kubeconfig-abcdef": jws } })
        .to_string()
        .into_bytes()
}

fn authority() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vm/pki/ca.crt");
    std::fs::read_to_string(path).unwrap()
}

/// As `kubeadm init` writes it.
fn kubeadms() -> String {
    let data = STANDARD.encode(authority());
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    \
         server: https://cp.test:6443\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\nkind: Config\n\
         preferences: {{}}\nusers: null\n"
    )
}

#[test]
fn the_known_signature_is_that_of_the_token() {
    assert_eq!(CONTENT.len(), 93);
    assert!(is_signed(CONTENT, SIGNATURE, token()));
    assert_eq!(signed(CONTENT), SIGNATURE);
}

#[test]
fn a_signature_that_differs_anywhere_is_wrong() {
    for end in 0..SIGNATURE.len() {
        assert!(!is_signed(CONTENT, &SIGNATURE[..end], token()), "{end}");
        let mut bytes = SIGNATURE.as_bytes().to_vec();
        bytes[end] = if bytes[end] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(!is_signed(CONTENT, &changed, token()), "{end}");
    }
    for jws in [
        format!("{SIGNATURE}="),
        format!("{SIGNATURE} "),
        SIGNATURE.replace("..", "."),
        // The same members in another order, and with a space: the reference compares the text.
        SIGNATURE.replace(
            "eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9",
            &URL_SAFE_NO_PAD.encode(r#"{"kid":"abcdef","alg":"HS256"}"#),
        ),
    ] {
        assert!(!is_signed(CONTENT, &jws, token()), "{jws}");
    }
    assert!(!is_signed(&CONTENT[1..], SIGNATURE, token()));
    let other = Token::parse("abcdef.0123456789abcdeg").unwrap();
    assert!(!is_signed(CONTENT, SIGNATURE, other));
}

#[test]
fn tokens_have_one_form() {
    for text in [
        "",
        "abcdef",
        "abcdef.",
        "abcdef.0123456789abcde",
        "abcdef.0123456789abcdef0",
        "abcde.0123456789abcdef",
        "Abcdef.0123456789abcdef",
        "abcdef.0123456789abcde\n",
        "abcdef.0123456789.bcdef",
    ] {
        assert!(Token::parse(text).is_none(), "{text}");
    }
}

#[test]
fn the_pin_of_the_known_key() {
    // The generator of P-256, which is the public key to the private scalar 1.
    let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296\
                 4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
    let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let digits: Vec<u8> = format!("{head}{point}").into_bytes();
    let key: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let pin = "sha256:5cd252fb0ce8932436faf8ccd1040981b89ee4ad6b9fe9e2a2b7e71aacb27cd3";
    assert_eq!(pin_of(&key), pin);
    let capitals = format!("sha256:{}", pin[7..].to_uppercase());
    assert!(is_pinned(&["sha256:00".to_owned(), capitals], pin));
    assert!(!is_pinned(&[], pin));
    assert!(!is_pinned(&[pin[..70].to_owned()], pin));
}

#[test]
fn the_pin_of_the_fixtures_authority_is_the_one_openssl_prints() {
    let pem = authority();
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = kindling_config_spec::certificate::public_key(&der).unwrap();
    // openssl x509 -in ca.crt -noout -pubkey | openssl pkey -pubin -outform der | sha256sum
    assert_eq!(
        pin_of(key),
        "sha256:9978065a35b6ed88492634a4a95e01d54defdabb0f11337ad37221a965a0f567"
    );
}

#[test]
fn what_the_token_signed_is_read() {
    let text = kubeadms();
    let found = examine(&map(&text, &signed(&text)), token()).unwrap();
    assert_eq!(found.cluster.server, "https://cp.test:6443");
    assert_eq!(found.cluster.authorities, authority());
    // The second answer need bear no signature: the connection proves it.
    assert_eq!(found.agrees(&map(&text, "")), Ok(()));
    let other = text.replace("cp.test", "evil.test");
    assert_eq!(
        found.agrees(&map(&other, &signed(&other))),
        Err(DiscoveryError::Changed)
    );
}

#[test]
fn answers_that_are_not_believed() {
    let text = kubeadms();
    let code = |json: &[u8]| examine(json, token()).unwrap_err().code();
    let elsewhere = json!({ "data": { "kubeconfig": text, "jws-kubeconfig-ghijkl": signed(&text) } });
    assert_eq!(code(elsewhere.to_string().as_bytes()), "discovery-token-unknown");
    assert_eq!(code(&map(&text, "x..y")), "discovery-signature-wrong");
    assert_eq!(code(&map(&text, &signed(CONTENT))), "discovery-signature-wrong");
    // Signed, and of no use.
    assert_eq!(code(&map(CONTENT, SIGNATURE)), "discovery-answer-malformed");
    for broken in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"data":7}"#,
        r#"{"data":{"kubeconfig":7}}"#,
    ] {
        assert_eq!(code(broken.as_bytes()), "discovery-answer-malformed", "{broken}");
    }
}

#[test]
fn kubeconfigs_in_all_their_plain_forms() {
    let data = STANDARD.encode("PEM");
    let forms = [
        format!("clusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://s:1\n"),
        format!(
            "clusters:\n  - name: ''\n    cluster:\n      server: 'https://s:1'\n      certificate-authority-data: \"{data}\"\n"
        ),
        format!(
            "---\n# made by hand\r\nkind: Config\r\nclusters:\r\n-   cluster:\r\n        server: https://s:1\r\n\
             \x20       certificate-authority-data: {data}\r\n    name: kubernetes\r\nusers: []\r\n"
        ),
        format!(
            r#"{{"clusters":[{{"name":"","cluster":{{"server":"https://s:1","certificate-authority-data":"{data}"}}}}]}}"#
        ),
    ];
    for text in forms {
        let cluster = read_cluster(&text).unwrap();
        assert_eq!(
            (cluster.server.as_str(), cluster.authorities.as_str()),
            ("https://s:1", "PEM"),
            "{text}"
        );
    }
}

#[test]
fn what_is_not_plain_is_refused_by_its_line() {
    let plain = "clusters:\n- cluster:\n    server: https://s:1\n    certificate-authority-data: UEVN\n";
    assert!(read_cluster(plain).is_ok());
    for (from, to, why) in [
        ("UEVN", "&a UEVN", "line 4"),
        ("UEVN", "*a", "line 4"),
        ("UEVN", "!!binary UEVN", "line 4"),
        ("UEVN", "|\n      UEVN", "line 4"),
        ("UEVN", "UE # x", "line 4"),
        ("UEVN", "\"UE\\x56N\"", "line 4"),
        ("UEVN", "\n      UEVN", "line 4"),
        ("UEVN", "UE\n      VN", "line 5"),
        ("    server", "\tserver", "line 3"),
        ("clusters:", "{clusters:", "not JSON"),
        ("clusters:", "\"clusters\":", "line 1"),
        ("clusters:", "? clusters\n:", "line 1"),
        (
            "UEVN",
            "UEVN\n    certificate-authority-data: UEVO",
            "second cluster",
        ),
        (
            "UEVN",
            "UEVN\n- cluster:\n    certificate-authority-data: UEVO",
            "second cluster",
        ),
        ("    certificate", "  certificate", "no certificate"),
        ("- cluster:", "- context:", "names no server"),
        ("clusters:", "users:", "names no server"),
        ("UEVN", "UE", "not PEM"),
        ("UEVN", "/w==", "not PEM"),
    ] {
        let error = read_cluster(&plain.replace(from, to)).unwrap_err();
        assert!(error.contains(why), "{to:?}: {error}");
    }
    for text in [
        "",
        "\u{0}",
        "-",
        "- ",
        "a",
        ":",
        "- : :",
        "{",
        "{}",
        r#"{"clusters":[{},{}]}"#,
    ] {
        assert!(read_cluster(text).is_err(), "{text:?}");
    }
}

#[test]
fn every_error_says_what_to_do() {
    let id = || "abcdef".to_owned();
    for error in [
        DiscoveryError::TokenMalformed,
        DiscoveryError::PinsMissing,
        DiscoveryError::Refused(403),
        DiscoveryError::Malformed(String::new()),
        DiscoveryError::TokenUnknown { id: id() },
        DiscoveryError::SignatureWrong { id: id() },
        DiscoveryError::PinMismatch { found: vec![id()] },
        DiscoveryError::Untrusted,
        DiscoveryError::Changed,
    ] {
        assert!(error.code().starts_with("discovery-") && !error.next().is_empty());
    }
}
