//! Token and key are where they have to be, and nowhere else.

use std::fs;
use std::process::Command;

use kindling_api_server::{ApiServer, Approval, Scenario, TOKEN};

use super::machine::Machine;

/// The secret half of the token.
fn secret() -> &'static str {
    TOKEN.split_once('.').unwrap().1
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Joins by the binary; gives its exit status and everything it said.
fn run(machine: &Machine, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
        .args(["join", "--log-to-stdout", "--root"])
        .arg(machine.root())
        .args(arguments)
        .env("KINDLING_RUN_DIR", machine.at("run/kindling"))
        .env("IGNITION_KERNEL_CMDLINE_PATH", machine.at("cmdline"))
        .output()
        .unwrap();
    let said = [ran.stdout, ran.stderr].concat();
    (ran.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn after_the_join_no_token_is_left() {
    let server = ApiServer::start(Scenario::default());
    let machine = Machine::of(&server, 30);
    let (status, said) = run(&machine, &[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("join: installed: "), "{said}");
    machine.assert_joined();
    let pair = machine.pair();
    let key = pair
        .lines()
        .skip_while(|line| !line.contains("EC PRIVATE KEY"))
        .nth(1)
        .unwrap();
    for text in [secret(), key, "PRIVATE KEY"] {
        assert!(!holds(said.as_bytes(), text), "{said}");
    }
    for (path, bytes) in machine.files() {
        assert!(!holds(&bytes, secret()), "{path}");
        assert_eq!(holds(&bytes, key), bytes == pair.as_bytes(), "{path}");
    }
    assert!(!server.has_seen(key.as_bytes()));
    let (status, _) = run(&machine, &[]);
    assert_eq!(status, Some(0));
}

#[test]
fn a_join_that_failed_has_told_no_secret() {
    let scenario = Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    };
    let refusing = Scenario {
        tokens: vec![],
        ..Scenario::default()
    };
    for (scenario, code) in [(scenario, "join-pending"), (refusing, "join-token-refused")] {
        let server = ApiServer::start(scenario);
        let machine = Machine::of(&server, 2);
        let (status, said) = run(&machine, &[]);
        assert_eq!(status, Some(1), "{said}");
        assert!(
            said.contains(&format!("first boot FAILED in stage join [{code}]")),
            "{said}"
        );
        assert!(
            !holds(said.as_bytes(), secret()) && !said.contains("PRIVATE KEY"),
            "{said}"
        );
        for (path, bytes) in machine.files() {
            // It is tried again with this.
            let is_handed = path == "run/kindling/join.json";
            assert_eq!(holds(&bytes, secret()), is_handed, "{path}");
        }
        let record = fs::read_to_string(machine.at("run/kindling/failure.json")).unwrap();
        assert!(record.contains(code), "{record}");
    }
}

#[test]
fn the_status_is_printed_for_people_and_for_programs() {
    let server = ApiServer::start(Scenario {
        approval: Approval::ByHand,
        ..Scenario::default()
    });
    let machine = Machine::of(&server, 2);
    machine.join().unwrap_err();
    let print = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
            .args(["join", "--status"])
            .args(arguments)
            .env("KINDLING_RUN_DIR", machine.at("run/kindling"))
            .output()
            .unwrap();
        assert!(ran.status.success());
        String::from_utf8(ran.stdout).unwrap()
    };
    let text = print(&[]);
    assert!(text.starts_with("join: requested\n"), "{text}");
    assert!(
        text.contains("\n  waitingFor  waiting for somebody to approve node-csr-"),
        "{text}"
    );
    let value: serde_json::Value = serde_json::from_str(&print(&["--format", "json"])).unwrap();
    assert_eq!(value, machine.status());
    assert_eq!(value["failed"], "join-pending");
}
