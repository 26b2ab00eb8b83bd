use std::os::unix::fs::PermissionsExt;

use kindling_config_spec::certificate::validity;

use super::*;
use crate::host::fake::Scripted;
use crate::host::process::System;

/// A certificate whose private key nobody has kept.
const USER: &str = include_str!("../../../fixtures/platforms/azurestack/user.crt");
/// Its key, as `ssh-keygen -i -m PKCS8` prints it.
const LINE: &str = include_str!("../../../fixtures/platforms/azurestack/user.pub");

/// Triple DES for both; RC2 for certificates, as older systems do; OpenSSL's own; and none at all.
const TRIPLE_DES: &str = "-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1";
const RC2: &str = "-legacy -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-40 -macalg sha1";
const USUAL: &str = "";
const NONE: &str = "-keypbe NONE -certpbe NONE -nomac";

fn system() -> System {
    System::new("/usr/bin:/bin".into())
}

/// What openssl makes of these words, with `key` where they say KEY.
fn run(words: &str, key: &str, stdin: &[u8]) -> Vec<u8> {
    let mut call =
        words
            .split_whitespace()
            .fold(Invocation::new(Program::Openssl), |call, word| match word {
                "KEY" => call.key(),
                word => call.arg(word),
            });
    call.stdin = Some(stdin.to_owned());
    call.key = Some(Key::new(key.as_bytes().to_owned()));
    system().run(&call).unwrap().stdout
}

/// A private key with its certificate.
fn pair(kind: &str) -> String {
    let words = format!("req -x509 -newkey {kind} -nodes -days 30 -subj /CN=planted -keyout -");
    String::from_utf8(run(&words, "", b"")).unwrap()
}

/// A store without a password: a key with its certificate, and certificates without.
fn store(protection: &str, held: &str) -> Vec<u8> {
    let keys = if held.contains("PRIVATE") { "" } else { "-nokeys" };
    let words = format!("pkcs12 -export {protection} {keys} -passout pass: -in KEY");
    run(&words, held, b"")
}

/// What the wire server does.
fn closed(recipient: &Recipient, contents: &[u8]) -> Vec<u8> {
    let der = STANDARD.decode(&recipient.certificate).unwrap();
    let certificate = pem::write(pem::CERTIFICATE, &der);
    run(
        "cms -encrypt -binary -des3 -outform DER KEY",
        &certificate,
        contents,
    )
}

fn fault(found: Result<Option<String>, AccessError>) -> (EnvelopeFault, String) {
    match found {
        Err(AccessError::Envelope { fault, why }) => (fault, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_certificate_is_of_a_key_of_2048_bits_for_a_year() {
    let made = recipient(&system()).unwrap();
    let der = STANDARD.decode(&made.certificate).unwrap();
    let validity = validity(&der).unwrap();
    assert_eq!(validity.not_after - validity.not_before, 365 * 86_400);
    // SubjectPublicKeyInfo of 2048 bits and the usual exponent.
    assert_eq!(public_key(&der).unwrap().len(), 294);
    let certificate = pem::write(pem::CERTIFICATE, &der);
    let said = run(
        "x509 -noout -subject -issuer -ext basicConstraints,subjectKeyIdentifier,authorityKeyIdentifier -in KEY",
        &certificate,
        b"",
    );
    let said = String::from_utf8(said).unwrap();
    // With blanks or without, by release.
    let said = said.replace(' ', "");
    assert_eq!(said.matches("CN=LinuxTransport").count(), 2, "{said}");
    for extension in ["SubjectKeyIdentifier", "AuthorityKeyIdentifier", "CA:TRUE"] {
        assert!(said.contains(extension), "{said}");
    }
    assert!(!format!("{made:?}").contains("PRIVATE"));
    assert_ne!(made, recipient(&system()).unwrap());
}

#[test]
fn the_key_of_the_first_certificate_without_its_private_key_is_taken() {
    let (own, other, curve) = (
        pair("rsa:2048"),
        pair("rsa:2048"),
        pair("ec -pkeyopt ec_paramgen_curve:P-256"),
    );
    let (_, other) = other.split_once("-----BEGIN CERT").unwrap();
    let other = format!("-----BEGIN CERT{other}");
    let made = recipient(&system()).unwrap();
    for (what, protection, held, is_found) in [
        ("triple DES", TRIPLE_DES, own.clone() + USER, true),
        ("RC2", RC2, own.clone() + USER, true),
        ("no key", RC2, USER.to_owned(), true),
        ("OpenSSL's own", USUAL, own.clone() + USER, true),
        ("open", NONE, own.clone() + USER, true),
        ("before another", USUAL, format!("{own}{USER}{other}"), true),
        ("behind another", USUAL, format!("{own}{other}{USER}"), false),
        ("a curve's", USUAL, curve + USER, true),
    ] {
        let envelope = closed(&made, &store(protection, &held));
        let found = enclosed_key(&system(), &made, &envelope).unwrap().unwrap();
        assert_eq!(found == LINE.trim(), is_found, "{what}: {found}");
        assert!(
            found.starts_with("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ"),
            "{what}: {found}"
        );
    }
    let envelope = closed(&made, &store(USUAL, &own));
    assert_eq!(enclosed_key(&system(), &made, &envelope), Ok(None));
}

/// A store of a machine with several keys of its own; in whatever order.
#[test]
fn certificates_of_all_private_keys_are_the_machines_own() {
    let (one, two) = (pair("rsa:2048"), pair("rsa:2048"));
    let found = |text: &str| extra_key(text.as_bytes());
    assert_eq!(
        found(&format!("{one}{two}{USER}")),
        Ok(Some(LINE.trim().to_owned()))
    );
    assert_eq!(
        found(&format!("{USER}{two}{one}")),
        Ok(Some(LINE.trim().to_owned()))
    );
    assert_eq!(found(&format!("{one}{two}")), Ok(None));
    assert_eq!(found(""), Ok(None));
}

#[test]
fn what_stays_closed_says_where() {
    let (made, stranger) = (recipient(&system()).unwrap(), recipient(&system()).unwrap());
    let own = pair("rsa:2048");
    let curve = pair("ec -pkeyopt ec_paramgen_curve:P-256");
    let (_, curve) = curve.split_once("-----END PRIVATE KEY-----").unwrap();
    let locked = run(
        "pkcs12 -export -passout pass:planted -in KEY",
        &(own.clone() + USER),
        b"",
    );
    let whole = closed(&made, &store(USUAL, USER));
    for (envelope, expected) in [
        (closed(&stranger, &store(USUAL, USER)), EnvelopeFault::Closed),
        (whole[..whole.len() - 9].to_vec(), EnvelopeFault::Closed),
        (b"planted".to_vec(), EnvelopeFault::Closed),
        (closed(&made, b"planted"), EnvelopeFault::Contents),
        (closed(&made, &locked), EnvelopeFault::Contents),
        (
            closed(&made, &store(USUAL, &(own.clone() + curve))),
            EnvelopeFault::Key,
        ),
    ] {
        let (fault, why) = fault(enclosed_key(&system(), &made, &envelope));
        assert_eq!(fault, expected, "{why}");
        assert!(
            !why.is_empty() && !why.contains("planted") && !why.contains("PRIVATE"),
            "{why}"
        );
    }
    let unreadable = fault(extra_key(USER.replace("MII", "MIJ").as_bytes()));
    let expected = "a certificate or key in it is not as it should be";
    assert_eq!(unreadable, (EnvelopeFault::Contents, expected.to_owned()));
}

#[test]
fn a_system_without_the_program_says_so() {
    let nothing = System::new("/nonexistent".into());
    let error = recipient(&nothing).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read keys that come in an envelope: the program openssl is not on this system"
    );
}

/// What comes of it where openssl is this script. A thread looks a program up once.
fn instead<T: Send>(script: &str, work: impl FnOnce(&System) -> T + Send) -> T {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("openssl");
    #[expect(clippy::disallowed_methods, reason = "a program of the test's own")]
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    let system = System::new(dir.path().into());
    std::thread::scope(|scope| scope.spawn(|| work(&system)).join().unwrap())
}

#[test]
fn a_program_that_makes_no_certificate_is_a_failure() {
    for (script, why) in [
        ("exit 0", "openssl printed no certificate"),
        (
            "echo no random source >&2; exit 1",
            "openssl ended with status 1: no random source",
        ),
        ("kill -9 $$", "openssl was killed by signal 9"),
    ] {
        let error = instead(script, |system| recipient(system))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("cannot make a key and a certificate for the envelope: {why}")
        );
    }
}

/// OpenSSL 1.1 reads old stores as they are, and knows no word for it; a distribution may leave the part out that does.
#[test]
fn without_the_old_ciphers_the_first_answer_counts() {
    let made = recipient(&system()).unwrap();
    let envelope = closed(&made, &store(RC2, USER));
    let script =
        "case \"$*\" in *-legacy*) echo unknown option >&2; exit 1;; esac\nexec /usr/bin/openssl \"$@\"";
    let (fault, why) = fault(instead(script, |system| enclosed_key(system, &made, &envelope)));
    assert_eq!(fault, EnvelopeFault::Contents);
    assert!(
        why.contains("RC2-40-CBC") && !why.contains("unknown option"),
        "{why}"
    );
}

/// Keys are in no command line, and what stands in a log is that.
#[test]
fn command_lines_hold_no_key() {
    let answers = [
        (
            0,
            "-----BEGIN PRIVATE KEY-----\ncGxhbnRlZA==\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        (0, "planted store"),
        (1, ""),
        (0, ""),
    ];
    let processes = Scripted::answering(&answers);
    let made = recipient(&processes).unwrap();
    assert_eq!(made.certificate, "AAAA");
    assert_eq!(enclosed_key(&processes, &made, b"envelope"), Ok(None));
    assert_eq!(
        processes.calls(),
        [
            "openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 365 -config - -keyout -",
            "openssl cms -decrypt -binary -inform DER -recip KEY -inkey KEY",
            "openssl pkcs12 -nodes -passin pass: -in KEY",
            "openssl pkcs12 -nodes -passin pass: -in KEY -legacy",
        ]
    );
    assert_eq!(processes.inputs(), [REQUEST, "envelope"]);
}
