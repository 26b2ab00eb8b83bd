//! A server that sends a packed config of a gibibyte to a machine that has not so much memory.

use std::ffi::OsString;
use std::fs;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox};
use crate::server::{Reply, Server};

/// In kibibytes, of the address space: half of what the config would take.
const MEMORY: &str = "524288";

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![b' '; 16 << 20]).unwrap();
    encoder.finish().unwrap().repeat(64)
}

/// Runs the stage `fetch` with so much memory.
fn fetch(machine: &Sandbox) -> Ran {
    let script = "ulimit -v \"$0\"; exec \"$@\"";
    let mut words: Vec<OsString> = ["/bin/sh", "-c", script, MEMORY].map(OsString::from).into();
    words.extend(machine.words("file", "fetch"));
    machine.run(&words)
}

fn recorded(machine: &Sandbox) -> Value {
    let text = fs::read_to_string(machine.at("run/kindling/failure.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_bomb_in_the_place_of_a_config_is_recorded_and_fills_no_memory() {
    let server = Server::http(|seen, _| match seen.target.as_str() {
        "/bomb" => Reply::ok(bomb()),
        _ => Reply::ok(json!({"ignition": {"version": "3.4.0"}}).to_string()),
    });
    let packed = |path: &str| json!({"source": server.url(path), "compression": "gzip"});
    let bomb_at = server.url("/bomb");
    for (config, told) in [
        (
            json!({"merge": [{"source": server.url("/small")}, packed("/bomb")]}),
            format!("the documents of the config take more than 64 MiB together, the last is {bomb_at}"),
        ),
        (
            json!({"replace": packed("/bomb")}),
            format!("{bomb_at} is larger than 67108864 bytes"),
        ),
    ] {
        let machine = Sandbox::new();
        machine.give(&json!({"ignition": {"version": "3.4.0", "config": config}}).to_string());
        let ran = fetch(&machine);
        assert_eq!(ran.status, Some(1), "{}", ran.stderr);
        let record = recorded(&machine);
        assert_eq!(record["code"], "config-too-large", "{record}");
        assert!(record.to_string().contains(&told), "{record}");
    }
    // The limit is one that an honest boot does not meet.
    let machine = Sandbox::new();
    machine.give(
        &json!({"ignition": {"version": "3.4.0", "config": {"merge": [{"source": server.url("/small")}]}}})
            .to_string(),
    );
    let ran = fetch(&machine);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
}
