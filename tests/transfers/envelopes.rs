//! Keys in an envelope: the real binary, a double of the wire server that closes an envelope for whoever asks, and the real
//! openssl on both sides.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::names::inside;
use crate::sandbox::{Ran, Sandbox};
use crate::server::{Reply, Seen, Server};

/// A certificate whose private key nobody has kept, and its key as `ssh-keygen -i -m PKCS8` prints it.
const USER: &str = include_str!("../../fixtures/platforms/azurestack/user.crt");
const LINE: &str = include_str!("../../fixtures/platforms/azurestack/user.pub");
const KEYS: &str = "/home/core/.ssh/authorized_keys.d/afterburn";

/// A user with a home of its own, in this namespace's mounts.
const PREPARE: &str = "ip addr add 168.63.129.16/32 dev lo;
    mount -t tmpfs tmpfs /home; mkdir -m 0750 /home/core; chown 12345:12345 /home/core;
    cp /etc/passwd /home/passwd; echo 'core:x:12345:12345::/home/core:/bin/sh' >>/home/passwd;
    mount --bind /home/passwd /etc/passwd;";

#[test]
fn keys_of_an_envelope_are_the_users() {
    inside("envelopes::inside_azure_stack", "127.0.0.1", PREPARE);
}

#[test]
fn every_failure_of_an_envelope_has_its_code() {
    inside("envelopes::inside_azure_stack_with_faults", "127.0.0.1", PREPARE);
}

#[test]
fn a_private_key_is_in_no_file_and_no_command_line() {
    inside("envelopes::inside_azure_stack_watched", "127.0.0.1", PREPARE);
}

/// What the server has for this machine.
#[derive(Clone)]
struct Held {
    /// What the goal state says of certificates.
    certificates: &'static str,
    /// In the envelope.
    store: Vec<u8>,
    /// Whom it is closed for, where that is not who asks.
    stranger: Option<String>,
    /// What comes in the envelope's place.
    instead: Option<&'static str>,
}

const CERTIFICATES: &str = "<Certificates>http://168.63.129.16/certs?id=1&amp;n=2</Certificates>";

fn holding(store: Vec<u8>) -> Held {
    Held {
        certificates: CERTIFICATES,
        store,
        stranger: None,
        instead: None,
    }
}

/// The wire server, and what it holds until that is changed.
fn wire_server(held: &Arc<Mutex<Held>>) -> Server {
    let held = Arc::clone(held);
    Server::http_at(("168.63.129.16", 80), move |seen, _| {
        let held = held.lock().unwrap().clone();
        answer(seen, &held)
    })
}

fn answer(seen: &Seen, held: &Held) -> Reply {
    if seen.header("x-ms-version") != Some("2012-11-30") {
        return Reply::status(400);
    }
    match seen.target.as_str() {
        "/?comp=versions" => Reply::ok(
            "<Versions><Supported><Version>2015-04-05</Version><Version>2012-11-30</Version></Supported></Versions>",
        ),
        "/machine/?comp=goalstate" => Reply::ok(format!(
            "<GoalState><Incarnation>3</Incarnation><Container><ContainerId>c-1</ContainerId><RoleInstanceList>\
             <RoleInstance><InstanceId>r-1</InstanceId><Configuration>{}</Configuration></RoleInstance>\
             </RoleInstanceList></Container></GoalState>",
            held.certificates
        )),
        "/certs?id=1&n=2" => {
            let (Some("DES_EDE3_CBC"), Some(certificate)) = (
                seen.header("x-ms-cipher-name"),
                seen.header("x-ms-guest-agent-public-x509-cert"),
            ) else {
                return Reply::status(400);
            };
            let file = |inside: &str| {
                format!(
                    "<?xml version=\"1.0\"?>\n<CertificateFile><Version>2012-11-30</Version>{inside}</CertificateFile>"
                )
            };
            if let Some(instead) = held.instead {
                return Reply::ok(file(instead));
            }
            let asked = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
            let recipient = held.stranger.as_ref().unwrap_or(&asked);
            let data = STANDARD.encode(closed(recipient, &held.store));
            let lines: Vec<&str> = data
                .as_bytes()
                .chunks(76)
                .map(|line| str::from_utf8(line).unwrap())
                .collect();
            Reply::ok(file(&format!("<Data>{}</Data>", lines.join("\r\n"))))
        }
        _ => Reply::status(404),
    }
}

fn openssl(words: &str, dir: &Path) -> Vec<u8> {
    let output = Command::new("/usr/bin/openssl")
        .args(words.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {words}: {said}");
    output.stdout
}

fn closed(recipient: &str, contents: &[u8]) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("recipient"), recipient).unwrap();
    fs::write(dir.path().join("contents"), contents).unwrap();
    openssl(
        "cms -encrypt -binary -des3 -outform DER -in contents recipient",
        dir.path(),
    )
}

/// A private key with its certificate.
fn pair(kind: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let words = format!("req -x509 -newkey {kind} -nodes -days 30 -subj /CN=planted -keyout -");
    String::from_utf8(openssl(&words, dir.path())).unwrap()
}

/// A store without a password as older systems write it: Triple DES for keys, RC2 for certificates.
fn store(held: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("held"), held).unwrap();
    let keys = if held.contains("PRIVATE") { "" } else { "-nokeys" };
    let words = format!(
        "pkcs12 -export -legacy -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-40 -macalg sha1 {keys} -passout pass: -in held"
    );
    openssl(&words, dir.path())
}

/// The agent's command line, as its unit for keys has it.
fn agent(machine: &Sandbox) -> Vec<OsString> {
    let agent = machine.at("afterburn");
    if !agent.exists() {
        symlink(env!("CARGO_BIN_EXE_kindling"), &agent).unwrap();
    }
    vec![
        agent.into(),
        "--provider=azurestack".into(),
        "--ssh-keys=core".into(),
    ]
}

fn own(machine: &Sandbox) -> Vec<OsString> {
    let words = ["metadata", "--platform", "azurestack", "--ssh-keys", "core"];
    let mut line = vec![machine.at("kindling").into()];
    line.extend(words.map(OsString::from));
    if !machine.at("kindling").exists() {
        symlink(env!("CARGO_BIN_EXE_kindling"), machine.at("kindling")).unwrap();
    }
    line
}

fn succeeded(ran: &Ran) {
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_azure_stack() {
    let own_key = pair("rsa:2048");
    let held = Arc::new(Mutex::new(holding(store(&(own_key.clone() + USER)))));
    let server = wire_server(&held);
    let mut machine = Sandbox::new();
    for words in [own(&machine), agent(&machine)] {
        let ran = machine.run(&words);
        succeeded(&ran);
        assert_eq!(fs::read_to_string(KEYS).unwrap(), LINE);
        let file = fs::metadata(KEYS).unwrap();
        assert_eq!(
            (file.mode() & 0o7777, file.uid(), file.gid()),
            (0o600, 12345, 12345)
        );
    }
    // Each question has a certificate of its own.
    let asked: Vec<Seen> = server.seen();
    let certificates: Vec<&str> = asked
        .iter()
        .filter_map(|seen| seen.header("x-ms-guest-agent-public-x509-cert"))
        .collect();
    assert_eq!(certificates.len(), 2);
    assert_ne!(certificates[0], certificates[1]);

    // A machine with nothing but its own key; one with nothing at all, which needs no program either.
    *held.lock().unwrap() = holding(store(&own_key));
    succeeded(&machine.run(&own(&machine)));
    assert!(!Path::new(KEYS).exists());
    *held.lock().unwrap() = holding(store(USER));
    succeeded(&machine.run(&own(&machine)));
    assert!(Path::new(KEYS).exists());
    held.lock().unwrap().certificates = "";
    machine.path = "/nonexistent".into();
    succeeded(&machine.run(&own(&machine)));
    assert!(!Path::new(KEYS).exists());
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_azure_stack_with_faults() {
    let usual = holding(store(USER));
    let held = Arc::new(Mutex::new(usual.clone()));
    let _server = wire_server(&held);
    let mut machine = Sandbox::new();
    succeeded(&machine.run(&own(&machine)));
    let curve = pair("ec -pkeyopt ec_paramgen_curve:P-256");
    let (_, curve) = curve.split_once("-----END PRIVATE KEY-----").unwrap();
    let with = |store: &[u8]| holding(store.to_vec());
    let saying = |instead: &'static str| Held {
        instead: Some(instead),
        ..usual.clone()
    };
    let faults = [
        (
            Held {
                certificates: "<Certificates/>",
                ..usual.clone()
            },
            "the goal state has an empty address of certificates [metadata-malformed]",
        ),
        (
            Held {
                certificates: "<Certificates>http://168.63.129.16/gone</Certificates>",
                ..usual.clone()
            },
            "the file of certificates is not there [metadata-malformed]",
        ),
        (
            saying("<Format>planted</Format>"),
            "the file of certificates has no Data [metadata-malformed]",
        ),
        (
            saying("<Data>planted!</Data>"),
            "Data that is empty or not base64 [metadata-malformed]",
        ),
        (saying("<Data>cGxhbnRlZA==</Data>"), " [envelope-closed]"),
        (
            Held {
                stranger: Some(USER.to_owned()),
                ..usual.clone()
            },
            " [envelope-closed]",
        ),
        (with(b"planted"), " [envelope-contents]"),
        (with(&store(curve)), "it is no key of RSA [envelope-key]"),
    ];
    for (fault, end) in faults {
        *held.lock().unwrap() = fault;
        fails(&machine, end);
    }
    *held.lock().unwrap() = usual;
    let programs = tempfile::tempdir().unwrap();
    machine.path = programs.path().into();
    fails(
        &machine,
        "platform azurestack does not tell of this machine: cannot read keys that come in an envelope: the program openssl \
         is not on this system [program-missing]",
    );
    let openssl = programs.path().join("openssl");
    fs::write(&openssl, "#!/bin/sh\necho no random source >&2\nexit 1\n").unwrap();
    fs::set_permissions(&openssl, fs::Permissions::from_mode(0o755)).unwrap();
    fails(&machine, "no random source [envelope-certificate]");
}

/// One line, and the keys of before stay.
fn fails(machine: &Sandbox, end: &str) {
    let ran = machine.run(&own(machine));
    assert_eq!(ran.status, Some(1), "{end}: {}", ran.stderr);
    let line = ran.stderr.lines().last().unwrap_or_default();
    assert!(
        line.starts_with("kindling metadata: ") && line.ends_with(end),
        "{end}: {line}"
    );
    assert_eq!(fs::read_to_string(KEYS).unwrap(), LINE);
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_azure_stack_watched() {
    let own_key = pair("rsa:2048");
    let held = Arc::new(Mutex::new(holding(store(&(own_key.clone() + USER)))));
    let _server = wire_server(&held);
    let machine = Sandbox::new();
    let trace = machine.at("trace");
    let mut words: Vec<OsString> = ["strace", "-f", "-y", "-qq", "-s", "16384", "-e"]
        .map(OsString::from)
        .to_vec();
    words.push("trace=execve,write,pwrite64,writev,sendto,sendmsg".into());
    words.extend(["-o".into(), trace.clone().into()]);
    words.extend(own(&machine));
    let ran = machine.run(&words);
    succeeded(&ran);
    assert_eq!(fs::read_to_string(KEYS).unwrap(), LINE);

    let said = fs::read_to_string(&trace).unwrap();
    // A certificate, the envelope, and its contents twice: the second time with the old ciphers.
    let started: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("execve(\"/usr/bin/openssl\""))
        .collect();
    assert_eq!(started.len(), 4, "{said}");
    // In the middle, where only the private part is.
    let secret = own_key.lines().nth(12).unwrap();
    let (mut in_pipe, mut in_memory) = (0, 0);
    for line in said
        .lines()
        .filter(|line| line.contains("PRIVATE KEY") || line.contains(secret))
    {
        let (call, _) = line.split_once(", \"").unwrap_or((line, ""));
        in_pipe += usize::from(call.contains("write(1<pipe:["));
        in_memory += usize::from(call.contains("</memfd:key>"));
        assert!(
            call.contains("<pipe:[") || call.contains("</memfd:key>"),
            "{line}"
        );
    }
    assert!(in_pipe > 0 && in_memory > 0, "nothing was seen: {said}");
}
