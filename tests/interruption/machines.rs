//! The machines: a blank one that has fetched its config, and one that nobody disturbed.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::sandbox::{Listing, Sandbox, listing, require_root};
use crate::server::{Reply, Server};

/// Everything a sweep starts from.
pub(crate) struct Start {
    /// A blank machine with the fetch stage behind it.
    pub(crate) blank: Sandbox,
    /// What the files stage makes of it.
    pub(crate) reference: Listing,
    /// Lives as long as files must be fetched.
    pub(crate) server: Server,
}

impl Start {
    /// Fetches, then runs the files stage once without any disturbance.
    pub(crate) fn new() -> Self {
        require_root();
        let announce = fs::read(top().join("fixtures/vm/files/node-announce")).unwrap();
        let server = Server::always(Reply::ok(announce));
        let blank = Sandbox::new();
        blank.give(&worker(&server).to_string());
        blank.done("fetch");
        let whole = Sandbox::copy_of(&blank);
        whole.done("files");
        let reference = result(&whole);
        assert!(reference.len() > 30, "{:#?}", reference.keys());
        Self {
            blank,
            reference,
            server,
        }
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The demo's worker without its disk, and with the kinds of nodes that the demo has no use for.
pub(crate) fn worker(server: &Server) -> Value {
    let text = fs::read_to_string(top().join("fixtures/vm/worker.ign")).unwrap();
    let text = text.replace("https://10.0.2.100:6443", &server.url(""));
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let storage = config["storage"].as_object_mut().unwrap();
    storage.remove("disks");
    storage.remove("filesystems");
    let more = [
        (
            "directories",
            json!({ "path": "/srv/shared", "mode": 0o2770, "group": { "name": "node-operators" } }),
        ),
        (
            "files",
            json!({ "path": "/srv/shared/notes", "append": [{ "source": "data:,one%0A" }, { "source": "data:,two%0A" }] }),
        ),
        ("files", json!({ "path": "/etc/empty", "mode": 0o640 })),
        (
            "files",
            json!({ "path": "/home/operator/.profile", "append": [{ "source": "data:,export%20A=1%0A" }] }),
        ),
        (
            "files",
            json!({ "path": "/var/home/second/.profile", "append": [{ "source": server.url("/profile") }] }),
        ),
        (
            "files",
            json!({ "path": "/srv/shared/verified", "contents": {
                "source": "data:,abc",
                "verification": { "hash": "sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
            } }),
        ),
        (
            "links",
            json!({ "path": "/home/notes", "target": "/srv/shared/notes", "hard": true }),
        ),
        (
            "links",
            json!({ "path": "/home/owned", "target": "shared", "user": { "name": "operator" } }),
        ),
        (
            "links",
            json!({ "path": "/etc/hostname.old", "target": "hostname", "user": { "id": 7 }, "group": { "id": 8 } }),
        ),
    ];
    for (list, entry) in more {
        storage[list].as_array_mut().unwrap().push(entry);
    }
    config["passwd"]["users"].as_array_mut().unwrap().push(
        json!({ "name": "second", "passwordHash": "$6$salt$hash", "groups": ["node-operators"], "homeDir": "/var/home/second" }),
    );
    config
}

/// The root without what may differ: times, and the copies that the shadow programs keep of their files.
pub(crate) fn result(machine: &Sandbox) -> Listing {
    let mut listing = listing(&machine.root());
    for name in ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"] {
        listing.remove(&format!("etc/{name}-"));
    }
    let head = |text: &String| text.lines().next().unwrap().to_owned();
    for (name, text) in &mut listing {
        match name.as_str() {
            // They tell of each run, and of how long it took.
            "var/lib/kindling/journal" | "var/lib/kindling/receipt.json" => *text = head(text),
            "etc/shadow" => *text = without_days(text),
            "etc/.ignition-result.json" => {
                let (first, json) = text.split_once('\n').unwrap();
                let mut json: Value = serde_json::from_str(json).unwrap_or_default();
                json["provisioningDate"] = json!("some day");
                *text = format!("{first}\n{json}");
            }
            _ => {}
        }
    }
    listing
}

/// The third field of shadow(5) is a day.
fn without_days(shadow: &str) -> String {
    let lines = shadow.lines().map(|line| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(day) = fields.get_mut(2) {
            *day = "day";
        }
        fields.join(":")
    });
    lines.collect::<Vec<_>>().join("\n")
}
