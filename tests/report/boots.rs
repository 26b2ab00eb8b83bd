//! Boots of the real binary, and what its report has of them.

use std::ffi::OsString;
use std::fs;

use serde_json::{Value, json};

use crate::fixture;
use crate::sandbox::{Ran, Sandbox, require_root};
use crate::server::{Reply, Server};

fn report(machine: &Sandbox, words: &[&str]) -> Ran {
    let mut line: Vec<OsString> = vec![env!("CARGO_BIN_EXE_kindling").into(), "report".into()];
    line.extend(words.iter().map(OsString::from));
    machine.run(&line)
}

fn config(server: &Server) -> Value {
    let inline = (0..500)
        .map(|number| json!({ "path": format!("/etc/many/{number}"), "contents": { "source": "data:,x" } }));
    let remote = json!({
        "path": "/opt/tool",
        "contents": { "source": server.url("/tool?token=planted-query") },
    });
    let files: Vec<Value> = std::iter::once(remote).chain(inline).collect();
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "core", "passwordHash": "planted-hash" }] },
        "storage": { "files": files },
    })
}

/// A server whose first answer is that it cannot.
fn server() -> Server {
    Server::http(|_, number| match number {
        0 => Reply::status(503),
        _ => Reply::ok(vec![7; 5000]),
    })
}

fn within(outer: &Value, inner: &Value) {
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    let ends = |of: &Value| number(of, "began") + number(of, "milliseconds");
    // Each is rounded down by itself.
    assert!(ends(inner) <= number(outer, "milliseconds") + 2, "{inner}");
}

#[test]
fn steps_downloads_and_programs_are_in_the_receipt_and_the_report() {
    require_root();
    let server = server();
    let machine = Sandbox::new();
    machine.give(&config(&server).to_string());
    for stage in ["fetch", "kargs", "disks", "mount", "files", "umount"] {
        machine.done(stage);
    }
    let path = machine.root().join("var/lib/kindling/receipt.json");
    let text = fs::read_to_string(path).unwrap();
    assert!(!text.contains("planted"), "{text}");
    let receipt: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(receipt["format"], 3);
    let files = &receipt["files"];
    let download = &files["ran"]["downloads"][0];
    assert_eq!(
        (
            &download["what"],
            &download["config"],
            &download["attempts"],
            &download["bytes"]
        ),
        (
            &json!(server.url("/tool?…")),
            &json!("/storage/files/0"),
            &json!(2),
            &json!(5000)
        )
    );
    within(files, download);
    let programs = files["ran"]["programs"].as_array().unwrap();
    let useradd = programs.iter().find(|run| run["what"] == "useradd").unwrap();
    assert_eq!(useradd["config"], "/passwd/users/0");
    within(files, useradd);
    // Many inline files are one row, not a span each.
    assert_eq!(files["paths"]["count"], 501);
    assert_eq!(files["ran"]["downloads"].as_array().unwrap().len(), 1);
    let began: Vec<u64> = ["stages", "files"]
        .iter()
        .flat_map(|name| match &receipt[*name] {
            Value::Array(stages) => stages.clone(),
            one => vec![one.clone()],
        })
        .map(|stage| stage["began"].as_u64().unwrap())
        .collect();
    assert!(began.is_sorted() && began[0] > 0, "{began:?}");

    let root = machine.root();
    let root = root.to_str().unwrap();
    let shown = report(&machine, &["--root", root, "--all"]);
    assert_eq!(shown.status, Some(0), "{}", shown.stderr);
    for part in [
        "provisioned\n",
        "GET http://127.0.0.1:",
        ": 4.8 KiB, 2 attempts (/storage/files/0)",
        "> useradd --root ",
        "501 files, directories and links: ",
        "+ /etc/many/499 (0644 0:0)",
    ] {
        assert!(shown.stdout.contains(part), "{part}\n{}", shown.stdout);
    }
    let page = report(&machine, &["--root", root, "--format", "html"]).stdout;
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("useradd --root"),
        "{page}"
    );
    // The same from the list of stages, as somebody copied it away.
    let list = machine.at("run/kindling/stages.json");
    let copied = report(&machine, &["--from", list.to_str().unwrap(), "--format", "json"]);
    assert_eq!(copied.status, Some(0), "{}", copied.stderr);
    let copied: Value = serde_json::from_str(&copied.stdout).unwrap();
    assert_eq!(copied["state"], "provisioned");
    let last = copied["stages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["stage"], "umount");
}

/// What was done before the failure is in the report: that is where the time went.
#[test]
fn a_boot_that_failed_shows_its_steps() {
    require_root();
    let mut machine = Sandbox::new();
    let bin = machine.at("bin");
    fs::create_dir(&bin).unwrap();
    for (name, status) in [("groupadd", 0), ("useradd", 3)] {
        let script = bin.join(name);
        fs::write(&script, format!("#!/bin/sh\nexit {status}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&script, mode).unwrap();
    }
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(&machine.path);
    machine.path = path;
    machine.give(
        &json!({
            "ignition": { "version": "3.4.0" },
            "passwd": {
                "groups": [{ "name": "ops" }],
                "users": [{ "name": "core", "passwordHash": "planted-hash" }],
            },
        })
        .to_string(),
    );
    machine.done("fetch");
    assert_eq!(machine.stage("files").status, Some(1));
    let shown = report(&machine, &["--format", "json"]);
    assert_eq!(shown.status, Some(1), "{}", shown.stderr);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["failure"]["code"], "program-failed");
    let files = shown["stages"].as_array().unwrap().last().unwrap();
    let outcomes: Vec<&Value> = files["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["outcome"])
        .collect();
    assert_eq!(outcomes.last().unwrap().as_str(), Some("failed"), "{files}");
    assert!(outcomes.len() >= 2, "{files}");
    let text = report(&machine, &[]);
    assert_eq!(text.status, Some(1));
    assert!(text.stdout.contains("| FAILED > useradd"), "{}", text.stdout);
}

#[test]
fn a_console_log_is_read_by_the_command() {
    let machine = Sandbox::new();
    let log = fixture("consoles/broken.console");
    let shown = report(&machine, &["--from", log.to_str().unwrap()]);
    assert_eq!(shown.status, Some(1), "{}", shown.stderr);
    assert!(
        shown
            .stdout
            .starts_with("FAILED in stage fetch-offline [config-invalid]\n")
    );
    let log = fixture("consoles/booted.console");
    let shown = report(&machine, &["--from", log.to_str().unwrap(), "--format", "json"]);
    assert_eq!(shown.status, Some(0), "{}", shown.stderr);
    let empty = report(&machine, &["--from", "/dev/null"]);
    assert_eq!((empty.status, empty.stdout.as_str()), (Some(1), ""));
    assert_eq!(empty.stderr.lines().count(), 1, "{}", empty.stderr);
    assert_eq!(report(&machine, &["--from", "/nonexistent"]).status, Some(2));
}
