//! What others may read of a first boot while it runs.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::sandbox::{Sandbox, require_root};
use crate::server::{Reply, Server};

/// Files below `dir` that somebody else than their owner and group may read: nothing but the marker, which is empty.
fn readable(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        // A file that is replaced meanwhile was looked at under its other name.
        let Ok(meta) = entry.path().symlink_metadata() else {
            continue;
        };
        let for_others = meta.permissions().mode() & 0o005 != 0;
        if meta.is_dir() && for_others {
            found.extend(readable(&entry.path()));
        } else if meta.is_file() && for_others && meta.size() > 0 {
            found.push(entry.path());
        }
    }
    found
}

/// What the kernel says of core files of the process that runs for this machine.
fn core_limit(machine: &Path) -> Option<String> {
    let name = machine.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.map(|entry| entry.path()).find(|process| {
        fs::read(process.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).starts_with(name))
    })?;
    let limits = fs::read_to_string(ours.join("limits")).ok()?;
    limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn nobody_else_reads_the_config_while_it_runs() {
    require_root();
    let machine = Arc::new(Sandbox::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let child = json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "core", "passwordHash": "planted-hash" }] },
        "storage": { "files": [{ "path": "/etc/token", "mode": 384, "contents": { "source": "data:,planted-token" } }] }
    });
    let server = {
        let (machine, seen) = (Arc::clone(&machine), Arc::clone(&seen));
        Server::http(move |request, _| {
            let limit = core_limit(machine.name());
            seen.lock().unwrap().push((readable(&machine.at("run")), limit));
            match request.target.as_str() {
                "/child" => Reply::ok(child.to_string()),
                _ => Reply::ok("content"),
            }
        })
    };
    machine.give(
        &json!({
            "ignition": { "version": "3.4.0", "config": { "merge": [{ "source": server.url("/child") }] } },
            "storage": { "files": [{ "path": "/etc/remote", "contents": { "source": server.url("/content?planted-query") } }] }
        })
        .to_string(),
    );
    machine.stage("fetch-offline");
    let cache = machine.at("run/ignition.json");
    for stage in ["fetch", "kargs", "disks", "mount", "files"] {
        machine.done(stage);
        assert_eq!(
            readable(&machine.at("run")),
            [""; 0].map(PathBuf::from),
            "{stage}"
        );
    }
    assert_eq!(
        fs::read_to_string(machine.root().join("etc/token")).unwrap(),
        "planted-token"
    );
    assert!(fs::read_to_string(&cache).unwrap().contains("planted"));
    machine.done("umount");
    let seen = seen.lock().unwrap();
    let unlimited = seen
        .iter()
        .filter(|(_, limit)| limit.as_deref() != Some("Max core file size 1 1 bytes"));
    assert_eq!(unlimited.count(), 0, "{seen:?}");
    assert!(
        seen.len() >= 2 && seen.iter().all(|(readable, _)| readable.is_empty()),
        "{seen:?}"
    );
}
