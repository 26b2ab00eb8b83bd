//! Token and key are where they have to be, and nowhere else.

use std::fs;
use std::process::Command;

use kindling_api_server::{ApiServer, Approval, Fault, On, Scenario, TOKEN, With};
use serde_json::json;

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
fn a_server_that_quotes_the_token_is_not_quoted() {
    let message = format!("what is {TOKEN}?");
    let field = "metadata.name".to_owned();
    let fault = Fault::always(On::Create, With::Invalid { field, message });
    let server = ApiServer::start(Scenario {
        faults: vec![fault],
        ..Scenario::default()
    });
    let machine = Machine::of(&server, 5);
    let failure = machine.join().unwrap_err();
    assert_eq!(failure.code, "join-refused");
    let text = failure.to_string();
    assert!(
        text.contains("what is abcdef.…?") && !text.contains(secret()),
        "{text}"
    );
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

#[test]
fn the_receipt_keeps_how_the_join_ended_and_stays_readable() {
    let server = ApiServer::start(Scenario::default());
    let machine = Machine::of(&server, 30);
    let receipt = machine.root().join("var/lib/kindling/receipt.json");
    fs::create_dir_all(receipt.parent().unwrap()).unwrap();
    let before = fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/reports/receipt.json"
    ))
    .unwrap();
    fs::write(&receipt, &before).unwrap();
    machine.join().unwrap();
    let text = fs::read_to_string(&receipt).unwrap();
    let mut after: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(after["join"], machine.status());
    after.as_object_mut().unwrap().remove("join");
    assert_eq!(
        after,
        serde_json::from_slice::<serde_json::Value>(&before).unwrap()
    );
    assert!(kindling::stages::receipt::read(&machine.root()).is_ok());
}

#[test]
fn each_step_waits_for_a_sink_that_does_not_answer() {
    let server = ApiServer::start(Scenario::default());
    let sink = json!({ "sinks": [{ "type": "http", "url": "http://127.0.0.1:1/" }] });
    let machine = Machine::handed(&server.url(), &server.ca_pem(), &json!({ "report": sink }));
    machine.join().unwrap();
    let text = fs::read_to_string(machine.at("run/kindling/untold.json")).unwrap();
    let queue: serde_json::Value = serde_json::from_str(&text).unwrap();
    let events = queue["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["event"]);
    let steps: Vec<_> = events.filter(|event| event["kind"] == "join-step").collect();
    let names: Vec<&str> = steps
        .iter()
        .map(|step| step["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "named",
            "requested",
            "approved",
            "issued",
            "verified",
            "installed"
        ]
    );
    let detail = steps[1]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("node-csr-") && detail.ends_with("seen as system:bootstrap:abcdef"),
        "{detail}"
    );
}
