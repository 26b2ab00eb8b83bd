//! Five hundred machines that join at once, against one API server's double whose approver stops when too many requests are
//! pending (cluster.md 2.6). No machine may make that worse: each files one request and waits for it.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot make its machines should panic"
)]

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use kindling::fetch::{Network, Pace, SystemDirs};
use kindling::host::machine::seconds_since_1970;
use kindling::plan::Stage;
use kindling::plan::accounts::KeyFile;
use kindling::stages::join::{World, join};
use kindling::stages::{Environment, Options, Reporter};
use kindling_api_server::{ApiServer, Approval, Machines, Scenario, TOKEN};
use serde_json::json;

const MACHINES: usize = 500;
/// What nobody answers, from other machines: alone more than the approver bears.
const STALE: usize = MACHINES + 101;
const LIMIT: Duration = Duration::from_secs(180);

fn name(machine: usize) -> String {
    format!("node-{machine}.test")
}

/// Joins as the machine does whose root is below `dir`.
fn join_from(dir: &Path, server: &ApiServer, machine: usize) -> Result<(), String> {
    let at = |path: &str| dir.join(path);
    fs::create_dir_all(at("run/kindling")).unwrap();
    fs::create_dir(at("root")).unwrap();
    fs::write(at("cmdline"), "ignition.platform.id=metal").unwrap();
    let handed = json!({
        "format": 1, "name": name(machine), "server": server.url(), "authorities": [server.ca_pem()], "token": TOKEN,
        "mode": "native", "during": "unit", "approvalTimeoutSeconds": 900, "layout": "kubeadm",
        "unit": "kubelet.service", "preflight": { "mode": "off" },
        "access": { "isSshOff": false, "isConsoleLoginOff": false },
    });
    fs::write(at("run/kindling/join.json"), handed.to_string()).unwrap();
    let options = Options {
        stage: Stage::Join,
        platform: "metal".to_owned(),
        root: at("root"),
        config_cache: at("cache"),
        state_file: at("state"),
        neednet: at("neednet"),
        fetch_timeout: Duration::ZERO,
    };
    let environment = Environment {
        dirs: SystemDirs::new(Some(at("runtime")), Some(at("local")), Some(at("system"))),
        command_line: at("cmdline"),
        config_file: at("config.ign"),
        key_file: KeyFile::Fragment,
        path: "/usr/bin".into(),
        run_dir: at("run/kindling"),
    };
    let reporter = Reporter::begin(&options, &environment);
    let network = Network::default();
    let world = World {
        transport: &network,
        pace: Pace::real(),
        clock: &seconds_since_1970,
        did: &|_| {},
    };
    join(&options, &environment, &reporter, &world)
        .map_err(|failure| format!("{}: {}", failure.code, failure.what))
}

#[test]
fn a_herd_waits_for_an_approver_that_has_stopped_and_files_nothing_twice() {
    let server = ApiServer::start(Scenario {
        approval: Approval::Machines(Machines {
            names: (0..MACHINES).map(name).collect(),
            age: Duration::from_secs(60),
            every: Duration::from_millis(500),
        }),
        ..Scenario::default()
    });
    for stale in 0..STALE {
        server.plant(&format!("stale-{stale}"), "node-z");
    }
    let top = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for machine in 0..MACHINES {
            let (server, failed, dir) = (&server, &failed, top.path().join(machine.to_string()));
            scope.spawn(move || {
                if let Err(why) = join_from(&dir, server, machine) {
                    failed.lock().unwrap().push(format!("{}: {why}", name(machine)));
                }
            });
        }
        assert!(
            server.wait_for(LIMIT, |server| server.watchers() >= MACHINES),
            "{} machines wait",
            server.watchers()
        );
        assert_eq!(server.requests().len(), STALE + MACHINES);
        let stopped = format!("more than {}", MACHINES + 100);
        assert!(server.refusals().iter().all(|why| why.contains(&stopped)));
        for stale in 0..STALE {
            server.age(&format!("stale-{stale}"), Duration::from_secs(3601));
        }
    });
    assert_eq!(failed.into_inner().unwrap(), [""; 0]);
    assert_eq!(server.findings(), [""; 0]);
    // No machine has filed twice.
    assert_eq!(server.requests().len(), STALE + MACHINES);
    let seen = server.seen();
    let of = |method: &str, text: &str| {
        seen.iter()
            .filter(|seen| seen.method == method && seen.path.contains(text))
            .count()
    };
    let (posts, watches, nodes) = (
        of("POST", "certificatesigningrequests"),
        of("GET", "watch=true"),
        of("GET", "/api/v1/nodes/"),
    );
    assert_eq!(posts, MACHINES);
    assert_eq!(nodes, MACHINES);
    // Version, request, certificate, Node; an approval and its certificate may come in two watches, and a watch lasts 30 s.
    assert!(
        seen.len() <= MACHINES * 10,
        "{} requests: {posts} filed, {watches} watches, {nodes} for the Node",
        seen.len()
    );
}
