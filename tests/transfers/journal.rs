//! The records that distributions look for in the journal (engine.md 2.9): a socket in the journal's place, in a mount
//! namespace of its own.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use crate::names::inside;
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server};

const CONFIG: &str = "57124006b5c94805b77ce473e92a8aeb";
const KEYS: &str = "225067b87bbd4a0cb6ab151f82fa364b";
const FAILED: &str = "bab5b4f5cc7a3641468a4f0bb2d928ef";
const ENDED: &str = "4a5f8966e7c495bc9a6ee99583fc6bd4";

/// One entry: its fields in their order.
type Entry = Vec<(String, String)>;

/// Reads the native protocol: `NAME=VALUE`, or the name alone and a length in front of the value.
fn entry(mut bytes: &[u8]) -> Entry {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let name = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let (value, rest) = if bytes[end] == b'=' {
            let line = &bytes[end + 1..];
            line.split_at(line.iter().position(|byte| *byte == b'\n').unwrap())
        } else {
            let (length, value) = bytes[end + 1..].split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap());
            value.split_at(usize::try_from(length).unwrap())
        };
        fields.push((name, String::from_utf8(value.to_vec()).unwrap()));
        bytes = rest.strip_prefix(b"\n").unwrap();
    }
    fields
}

/// The journal of this namespace. Entries come in the order in which they were sent.
fn journal() -> Receiver<Entry> {
    fs::create_dir_all("/run/systemd/journal").unwrap();
    let socket = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    let (entries, received) = channel();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 256 << 10];
        while let Ok(length) = socket.recv(&mut bytes) {
            entries.send(entry(&bytes[..length])).unwrap();
        }
    });
    received
}

/// The entries up to one that tells the end of a stage.
fn until_the_end(journal: &Receiver<Entry>) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let entry = journal.recv_timeout(Duration::from_secs(60)).unwrap();
        let is_last = entry
            .iter()
            .any(|(name, value)| name == "MESSAGE_ID" && [ENDED, FAILED].contains(&value.as_str()));
        entries.push(entry);
        if is_last {
            return entries;
        }
    }
}

fn expected(message: &str, id: &str, fields: &[(&str, &str)]) -> Entry {
    let own = [
        ("MESSAGE", message),
        ("MESSAGE_ID", id),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "ignition"),
    ];
    own.iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn of_config(kind: &str, source: &str, referenced: &str) -> Entry {
    expected(
        &format!("fetched {kind} config from {source:?}"),
        CONFIG,
        &[
            ("IGNITION_CONFIG_TYPE", kind),
            ("IGNITION_CONFIG_SRC", source),
            ("IGNITION_CONFIG_REFERENCED", referenced),
        ],
    )
}

#[test]
fn the_journal_gets_a_record_of_each_config_and_of_each_users_keys() {
    inside(
        "journal::inside_with_a_journal",
        "127.0.0.1",
        "mount -t tmpfs none /run;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_with_a_journal() {
    let journal = journal();
    let server = Server::http(|seen, _| {
        match seen.target.as_str() {
        "/parent.ign?token=planted" => Reply::ok(
            json!({"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "data:,%7B%22ignition%22%3A%7B%22version%22%3A%223.4.0%22%7D%7D"}]}}})
                .to_string(),
        ),
        _ => Reply::status(404),
    }
    });
    let machine = Sandbox::new();
    let config = json!({
        "ignition": {
            "version": "3.4.0",
            "config": {"merge": [{"source": server.url("/parent.ign?token=planted")}]},
        },
        "passwd": {"users": [
            {"name": "root", "sshAuthorizedKeys": ["ssh-ed25519 AAAA root@example"]},
            {"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA core@example"]},
        ]},
    });
    machine.give(&config.to_string());
    fs::create_dir(machine.root().join("root")).unwrap();
    machine.done("fetch");
    let mut fetched = until_the_end(&journal);
    fetched.pop();
    assert_eq!(
        fetched,
        [
            of_config("base", "system", "false"),
            of_config("user", "file", "false"),
            of_config("user", "/parent.ign", "true"),
            of_config("user", "", "true"),
        ]
    );
    machine.done("files");
    let mut written = until_the_end(&journal);
    written.pop();
    let keys = |user: &str, home: &str| {
        let path = machine.root().join(home).join(".ssh/authorized_keys.d/ignition");
        expected(
            &format!("wrote ssh authorized keys file for user: {user}"),
            KEYS,
            &[
                ("IGNITION_USER_NAME", user),
                ("IGNITION_PATH", &path.display().to_string()),
            ],
        )
    };
    assert_eq!(written, [keys("root", "root"), keys("core", "home/core")]);
}

#[test]
fn a_journal_that_nobody_reads_stops_no_boot() {
    inside(
        "journal::inside_with_a_deaf_journal",
        "127.0.0.1",
        "mount -t tmpfs none /run;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_with_a_deaf_journal() {
    fs::create_dir_all("/run/systemd/journal").unwrap();
    let _socket = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    drop(UnixDatagram::bind("/run/gone").unwrap());
    let machine = Sandbox::new();
    machine.give(r#"{"ignition": {"version": "3.4.0"}}"#);
    machine.done("fetch");
    // A socket behind which there is nobody.
    fs::rename("/run/gone", "/run/systemd/journal/socket").unwrap();
    machine.done("files");
}
