//! The fetch stages: what they leave for later ones.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kill::{Whom, killed, sweep};
use crate::sandbox::{Sandbox, assert_same, listing, require_root};
use crate::server::{Reply, Server};

/// `/run` without the reports, which hold times.
fn left(machine: &Sandbox) -> crate::sandbox::Listing {
    let mut left = listing(&machine.at("run"));
    left.retain(|name, _| !name.starts_with("kindling/"));
    left
}

fn swept(blank: &Sandbox, stage: &str) {
    let whole = Sandbox::copy_of(blank);
    whole.done(stage);
    let reference = left(&whole);
    let points = sweep(1, |at| {
        let machine = Sandbox::copy_of(blank);
        let survived = killed(&machine, stage, Whom::Main, at);
        if !survived {
            machine.done(stage);
        }
        assert_same(&left(&machine), &reference, &format!("{stage} {at}"));
        survived
    });
    println!("{stage}: killed at {points} points");
    assert!(points > 10, "{points}");
}

#[test]
fn a_killed_fetch_leaves_the_same_cache_and_state_when_it_runs_again() {
    require_root();
    let child =
        json!({ "ignition": { "version": "3.4.0" }, "storage": { "directories": [{ "path": "/a" }] } });
    let server = Server::always(Reply::ok(child.to_string()));
    let inline = json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": [{ "path": "/b" }] } });
    let pointer = json!({ "ignition": { "version": "3.4.0", "config": { "merge": [{ "source": server.url("/child") }] } } });
    let machine = Sandbox::new();
    machine.give(&inline.to_string());
    swept(&machine, "fetch-offline");
    swept(&machine, "fetch");
    // The config itself asks for the network: no cache, a marker.
    machine.give(&pointer.to_string());
    swept(&machine, "fetch-offline");
    assert!(!machine.at("run/neednet").exists());
    machine.done("fetch-offline");
    assert!(machine.at("run/neednet").exists() && !machine.at("run/ignition.json").exists());
    swept(&machine, "fetch");
}

#[test]
fn a_killed_stage_loses_nothing_that_a_sink_should_hear() {
    require_root();
    let sink = Server::always(Reply::ok(""));
    let blank = Sandbox::new();
    let points = sweep(1, |at| {
        let machine = Sandbox::copy_of(&blank);
        let target = format!("/{}/{}", at.call, at.n);
        let sinks = json!([{ "type": "http", "url": sink.url(&target) }]);
        let config = json!({
            "ignition": { "version": "3.4.0" },
            "kindling": { "version": "1.0.0", "report": { "sinks": sinks } },
        });
        machine.give(&config.to_string());
        let survived = killed(&machine, "fetch", Whom::Main, at);
        if !survived {
            machine.done("fetch");
        }
        let heard: BTreeMap<u64, String> = sink
            .seen()
            .iter()
            .filter(|seen| seen.target == target)
            .map(|seen| {
                let event: Value = serde_json::from_slice(&seen.body).unwrap();
                let kind = event["kind"].as_str().unwrap().to_owned();
                (event["sequence"].as_u64().unwrap(), kind)
            })
            .collect();
        let numbers: Vec<u64> = heard.keys().copied().collect();
        let all: Vec<u64> = (0..u64::try_from(heard.len()).unwrap()).collect();
        assert_eq!(numbers, all, "{at}: {heard:?}");
        assert_eq!(heard.get(&0).map(String::as_str), Some("boot-started"), "{at}");
        assert_eq!(
            heard.values().next_back().map(String::as_str),
            Some("stage-ended"),
            "{at}"
        );
        survived
    });
    assert!(points > 10, "{points}");
}

#[test]
fn a_config_of_ignition_2_is_taken_and_named_in_the_log() {
    let machine = Sandbox::new();
    let child = "data:,%7B%22ignitionVersion%22:1,%22systemd%22:%7B%22units%22:%5B%7B%22name%22:%22a.service%22,%22mask%22:true%7D%5D%7D%7D";
    machine.give(&format!(
        r#"{{"ignition":{{"version":"2.3.0","config":{{"append":[{{"source":"{child}"}}]}}}},
            "storage":{{"files":[{{"filesystem":"root","path":"/etc/a","contents":{{"source":"data:,planted"}}}}]}}}}"#
    ));
    let ran = machine.done("fetch-offline");
    for line in [
        "is Ignition 2.3.0: taken as Ignition 3.4.0, with 1 warning",
        "is Ignition 1: taken as Ignition 3.4.0, with 0 warnings",
        "warning[v2-changed]: without a mode, a file has 0644 and a directory 0755 here; Ignition 2 made them 0000",
    ] {
        assert!(ran.stdout.contains(line), "{line} is not in\n{}", ran.stdout);
    }
    let cached = std::fs::read_to_string(machine.at("run/ignition.json")).unwrap();
    assert!(
        cached.contains("\"overwrite\":true") && cached.contains("\"mask\":true"),
        "{cached}"
    );
}
