//! Who hears how a boot goes: real servers, the real binary.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use kindling::fetch::SystemDirs;
use kindling::plan::accounts::KeyFile;
use kindling::stages::{Again, Environment, tell_again};
use kindling_config_spec::data_url;
use nix::libc;
use serde_json::{Value, json};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream};

use crate::sandbox::{Ran, Sandbox};
use crate::server::{Identity, Reply, Seen, Server};

fn bodies(seen: &[Seen]) -> Vec<Value> {
    seen.iter()
        .map(|seen| serde_json::from_slice(&seen.body).unwrap())
        .collect()
}

/// Kind and stage of each event.
fn steps(events: &[Value]) -> Vec<String> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events
        .iter()
        .map(|event| format!("{} {}", text(event, "kind"), text(event, "stage")))
        .collect()
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .map(|event| event["sequence"].as_u64().unwrap())
        .collect()
}

fn config(sinks: Value) -> Value {
    json!({
        "ignition": {"version": "3.4.0"},
        "kindling": {"version": "1.0.0", "report": {"sinks": sinks}},
    })
}

fn inline(pem: &str) -> Value {
    json!([{"source": data_url::encode(pem.as_bytes())}])
}

fn kept(machine: &Sandbox, name: &str) -> Option<String> {
    fs::read_to_string(machine.at("run/kindling").join(name)).ok()
}

fn environment(machine: &Sandbox) -> Environment {
    Environment {
        dirs: SystemDirs::new(
            Some(machine.at("runtime")),
            Some(machine.at("local")),
            Some(machine.at("system")),
        ),
        command_line: machine.at("cmdline"),
        config_file: machine.at("config.ign"),
        key_file: KeyFile::Fragment,
        path: machine.path.clone(),
        run_dir: machine.at("run/kindling"),
    }
}

/// How often the log complains of a sink.
fn warnings(ran: &Ran) -> usize {
    ran.stdout
        .lines()
        .filter(|line| line.contains("cannot be told"))
        .count()
}

#[test]
fn the_sinks_of_a_pointer_hear_that_its_child_is_not_there() {
    let sink = Server::always(Reply::ok(""));
    let configs = Server::always(Reply::status(404));
    let mut pointer = config(json!([{
        "type": "http",
        "url": sink.url("/boots?token=planted-query"),
        "headers": [{"name": "Authorization", "value": "Bearer planted-header"}],
    }]));
    pointer["ignition"]["config"] = json!({"merge": [{"source": configs.url("/child.ign?planted-query")}]});
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    let offline = machine.done("fetch-offline");
    assert!(sink.seen().is_empty(), "told before the network: {offline:?}");
    let ran = machine.stage("fetch");
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    let seen = sink.seen();
    let events = bodies(&seen);
    assert_eq!(
        steps(&events),
        [
            "boot-started fetch-offline",
            "stage-started fetch-offline",
            "stage-ended fetch-offline",
            "stage-started fetch",
            "stage-ended fetch",
            "failed fetch"
        ]
    );
    assert_eq!(numbers(&events), [0, 1, 2, 3, 4, 5]);
    assert_eq!(events[2]["outcome"], "needs-network");
    let failure = &events[5]["failure"];
    assert_eq!(failure["code"], events[4]["outcome"]);
    assert!(
        failure["what"].as_str().unwrap().contains("/child.ign"),
        "{failure}"
    );
    assert!(
        ran.stderr.contains(failure["code"].as_str().unwrap()),
        "{}",
        ran.stderr
    );
    for (seen, event) in seen.iter().zip(&events) {
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.header("authorization"), Some("Bearer planted-header"));
        assert_eq!(seen.header("content-type"), Some("application/json"));
        assert_eq!(
            (&event["format"], &event["machine"]["platform"]),
            (&json!(1), &json!("file"))
        );
        assert!(!event.to_string().contains("planted"), "{event}");
    }
    assert_eq!(warnings(&ran), 0, "{}", ran.stdout);
    for entry in fs::read_dir(machine.at("run/kindling")).unwrap() {
        let entry = entry.unwrap();
        let (mode, text) = (
            entry.metadata().unwrap().mode() & 0o777,
            fs::read_to_string(entry.path()).unwrap(),
        );
        assert!(mode == 0o600 || !text.contains("planted"), "{:?}", entry.path());
    }
    // Somebody repairs the server, and the machine goes on where it was.
    let again = machine.stage("fetch");
    assert_eq!(again.status, Some(1));
    assert_eq!(numbers(&bodies(&sink.seen()))[6..], [6, 7, 8]);
}

#[test]
fn the_sinks_hear_what_a_machine_waits_for_and_why() {
    let sink = Server::always(Reply::ok(""));
    // A config server says "not yet" and "never" by the same status and no word.
    let configs = Server::http(|_, before| match before {
        0..=2 => Reply::ok("{}").cut_after(0),
        3 => Reply::status(500),
        _ => Reply::ok(json!({"ignition": {"version": "3.4.0"}}).to_string()),
    });
    let mut pointer = config(json!([{"type": "http", "url": sink.url("/boots")}]));
    pointer["ignition"]["config"] = json!({"merge": [{"source": configs.url("/config/worker?planted")}]});
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    machine.done("fetch-offline");
    let ran = machine.done("fetch");
    let events = bodies(&sink.seen());
    let waits: Vec<&Value> = events.iter().filter(|event| event["kind"] == "waiting").collect();
    assert_eq!(waits.len(), 1, "{events:?}");
    let text = waits[0]["waiting"].as_str().unwrap();
    assert!(
        text.contains("/config/worker") && text.contains("attempt #4 failed") && text.contains("status 500"),
        "{text}"
    );
    // The log has every attempt, and the report of the boot their number.
    for attempt in 1..=5 {
        assert!(
            ran.stdout.contains(&format!("attempt #{attempt}")),
            "{}",
            ran.stdout
        );
    }
    let stages: Value = serde_json::from_str(&kept(&machine, "stages.json").unwrap()).unwrap();
    assert!(stages.to_string().contains(r#""attempts":5"#), "{stages}");
    assert_eq!(kept(&machine, "waiting"), None, "it waits no more");
}

#[test]
fn a_server_that_says_500_until_the_time_is_over_is_told_with_status_and_attempts() {
    let sink = Server::always(Reply::ok(""));
    let configs = Server::always(Reply::status(500));
    let mut pointer = config(json!([{"type": "http", "url": sink.url("/boots")}]));
    pointer["ignition"]["timeouts"] = json!({"httpTotal": 1});
    pointer["ignition"]["config"] = json!({"merge": [{"source": configs.url("/config/worker")}]});
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    machine.done("fetch-offline");
    let ran = machine.stage("fetch");
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    let events = bodies(&sink.seen());
    let told = &events.last().unwrap()["failure"];
    for record in [told.to_string(), kept(&machine, "failure.json").unwrap()] {
        for part in ["network-timeout", "in 1 attempts", "status 500", "/config/worker"] {
            assert!(record.contains(part), "{part}: {record}");
        }
    }
}

#[test]
fn a_boot_tells_every_stage_and_its_end_and_then_forgets_the_secrets() {
    let sink = Server::always(Reply::status(204));
    let machine = Sandbox::in_memory();
    // A port, by its name below the directory of devices.
    let port = machine.at("port");
    nix::unistd::mkfifo(&port, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut other_end = options.open(&port).unwrap();
    let name = port.strip_prefix("/dev").unwrap();
    machine.give(
        &config(json!([
            {"type": "http", "url": sink.url("/"), "headers": [{"name": "X-Key", "value": "planted"}]},
            {"type": "port", "port": name},
            {"type": "sentinel", "path": "/run/cluster-api"},
            {"type": "sentinel", "path": "/var/lib/told"},
        ]))
        .to_string(),
    );
    let mark = machine.at("run/cluster-api/bootstrap-success.complete");
    for stage in ["fetch-offline", "kargs", "files", "umount"] {
        assert!(!mark.exists(), "before {stage}");
        machine.done(stage);
    }
    let expected = [
        "boot-started fetch-offline",
        "stage-started fetch-offline",
        "stage-ended fetch-offline",
        "stage-started kargs",
        "stage-ended kargs",
        "stage-started files",
        "stage-ended files",
        "stage-started umount",
        "stage-ended umount",
        "provisioned umount",
    ];
    let events = bodies(&sink.seen());
    assert_eq!(steps(&events), expected);
    assert_eq!(sink.seen()[0].header("x-key"), Some("planted"));
    let digest = &events[9]["configDigest"];
    let receipt = fs::read_to_string(machine.root().join("var/lib/kindling/receipt.json")).unwrap();
    assert!(receipt.contains(digest.as_str().unwrap()), "{digest}\n{receipt}");
    let mut lines = String::new();
    other_end.read_to_string(&mut lines).unwrap();
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(steps(&lines), expected);
    assert_eq!(fs::read_to_string(mark).unwrap(), "success\n");
    let in_target = machine.root().join("var/lib/told/bootstrap-success.complete");
    assert_eq!(fs::read_to_string(in_target).unwrap(), "success\n");
    assert_eq!(kept(&machine, "reporting.json"), None);
    assert!(!kept(&machine, "untold.json").unwrap().contains("planted"));
}

#[test]
fn a_boot_that_failed_is_not_provisioned_when_its_mounts_are_undone() {
    let machine = Sandbox::new();
    let mut with_file = config(json!([{"type": "sentinel", "path": "/run/cluster-api"}]));
    with_file["storage"] = json!({"directories": [{"path": "/etc/hosts"}]});
    machine.give(&with_file.to_string());
    machine.done("fetch-offline");
    assert_eq!(machine.stage("files").status, Some(1));
    machine.done("umount");
    let dir = machine.at("run/cluster-api");
    let text = fs::read_to_string(dir.join("bootstrap-failed.complete")).unwrap();
    assert!(
        text.starts_with("kindling: first boot FAILED in stage files ["),
        "{text}"
    );
    assert!(!dir.join("bootstrap-success.complete").exists());
}

#[test]
fn the_kernel_command_line_and_the_distribution_name_sinks_too() {
    let (first, second) = (Server::always(Reply::ok("")), Server::always(Reply::ok("")));
    let machine = Sandbox::new();
    let arguments = format!(
        "ignition.firstboot kindling.report={} kindling.report=gopher://planted:planted@h/?planted",
        first.url("/k?planted")
    );
    fs::write(machine.at("cmdline"), arguments).unwrap();
    let base = machine.at("system/base.d");
    fs::create_dir_all(&base).unwrap();
    let text = config(json!([{"type": "http", "url": second.url("/b")}])).to_string();
    fs::write(base.join("10-report.ign"), text).unwrap();
    machine.give("{");
    let ran = machine.run(&machine.words("file", "fetch"));
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stdout.contains("kindling.report names no sink"),
        "{}",
        ran.stdout
    );
    for server in [first, second] {
        let events = bodies(&server.seen());
        assert_eq!(steps(&events)[3], "failed fetch");
        assert_eq!(events[3]["failure"]["code"], "config-invalid");
    }
}

#[test]
fn a_server_that_fails_once_is_asked_again() {
    let sink = Server::http(|_, before| Reply::status(if before == 0 { 500 } else { 200 }));
    let machine = Sandbox::new();
    fs::write(
        machine.at("cmdline"),
        format!("kindling.report={}", sink.url("/")),
    )
    .unwrap();
    machine.give("{");
    let ran = machine.stage("fetch");
    assert_eq!(ran.status, Some(1));
    assert_eq!(numbers(&bodies(&sink.seen())), [0, 0, 1, 2, 3]);
    assert_eq!(warnings(&ran), 0, "{}", ran.stdout);
}

#[test]
fn a_server_that_never_answers_is_one_line_and_what_waits_is_told_later() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let heard = Server::always(Reply::ok(""));
    let machine = Sandbox::new();
    let address = deaf.local_addr().unwrap();
    let arguments = format!(
        "kindling.report=http://user:planted@{address}/x?planted kindling.report={}",
        heard.url("/")
    );
    fs::write(machine.at("cmdline"), arguments).unwrap();
    machine.give("{");
    let ran = machine.stage("fetch");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("[config-invalid]"), "{}", ran.stderr);
    assert!(warnings(&ran) <= 1, "{}", ran.stdout);
    assert!(!ran.stdout.contains("next try"), "{}", ran.stdout);
    // The other one does not wait for it.
    assert_eq!(numbers(&bodies(&heard.seen())), [0, 1, 2, 3]);
    // Now it is there.
    drop(deaf);
    let (told, port) = (Arc::new(()), address.port());
    let server = Server::http_at(("127.0.0.1", port), move |_, _| {
        let _ = &told;
        Reply::ok("")
    });
    let again = tell_again(&environment(&machine));
    assert_eq!(again, Again { told: 4, untold: 0 });
    assert_eq!(numbers(&bodies(&server.seen())), [0, 1, 2, 3]);
    assert_eq!(tell_again(&environment(&machine)), Again::default());
    assert_eq!(heard.seen().len(), 4);
}

#[test]
fn progress_that_is_refused_is_not_told_again_and_the_failure_is() {
    let sink = Server::always(Reply::status(403));
    let machine = Sandbox::new();
    fs::write(
        machine.at("cmdline"),
        format!("kindling.report={}", sink.url("/")),
    )
    .unwrap();
    machine.give("{");
    let ran = machine.stage("fetch");
    assert_eq!(warnings(&ran), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("status 403"), "{}", ran.stdout);
    assert_eq!(tell_again(&environment(&machine)), Again { told: 0, untold: 1 });
    let events = bodies(&sink.seen());
    assert_eq!(steps(&events[events.len() - 1..]), ["failed fetch"]);
}

#[test]
fn a_sink_is_believed_by_its_own_authorities_alone() {
    let (ours, other) = (Identity::new(), Identity::new());
    let known = Server::https(&ours, |_, _| Reply::ok(""));
    let unknown = Server::https(&other, |_, _| Reply::ok(""));
    let pem = other.authority_pem();
    let authorities = Server::http(move |_, _| Reply::ok(pem.clone()));
    let fetched = Server::https(&other, |_, _| Reply::ok(""));
    let pointer = config(json!([
        {"type": "http", "url": known.url("/"), "certificateAuthorities": inline(&ours.authority_pem())},
        {"type": "http", "url": unknown.url("/"), "certificateAuthorities": inline(&ours.authority_pem())},
        {"type": "http", "url": fetched.url("/"), "certificateAuthorities": [{"source": authorities.url("/ca")}]},
    ]));
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    let ran = machine.done("fetch");
    assert_eq!(bodies(&known.seen()).len(), 3);
    assert_eq!(bodies(&fetched.seen()).len(), 3);
    assert!(unknown.seen().is_empty());
    assert_eq!(warnings(&ran), 1, "{}", ran.stdout);
    assert!(
        ran.stdout
            .contains(&format!("report sink {} cannot be told: ", unknown.url("/"))),
        "{}",
        ran.stdout
    );
    // Of the pointer, and of the whole config: after that they are with the sink.
    let asked = authorities.seen().len();
    machine.done("files");
    assert_eq!(authorities.seen().len(), asked);
    assert_eq!(bodies(&fetched.seen()).len(), 5);
    assert!(kept(&machine, "untold.json").unwrap().contains("boot-started"));
}

/// A log server on loopback; each connection's bytes arrive at the receiver.
fn log_server(tls: Option<Arc<ServerConfig>>) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut bytes = Vec::new();
            let ended = match &tls {
                None => stream.read_to_end(&mut bytes),
                Some(config) => {
                    let mut session = ServerConnection::new(Arc::clone(config)).unwrap();
                    Stream::new(&mut session, &mut stream).read_to_end(&mut bytes)
                }
            };
            if ended.is_err() || sender.send(bytes).is_err() {
                return;
            }
        }
    });
    (port, receiver)
}

/// The messages of a stream, by their lengths (RFC 6587, 3.4.1).
fn messages(receiver: &Receiver<Vec<u8>>) -> Vec<String> {
    let mut found = Vec::new();
    while let Ok(bytes) = receiver.try_recv() {
        let mut rest = bytes.as_slice();
        while let Some(blank) = rest.iter().position(|byte| *byte == b' ') {
            let length: usize = std::str::from_utf8(&rest[..blank]).unwrap().parse().unwrap();
            let (message, after) = rest[blank + 1..].split_at(length);
            found.push(String::from_utf8(message.to_vec()).unwrap());
            rest = after;
        }
        assert!(rest.is_empty());
    }
    found
}

#[test]
fn log_servers_hear_it_over_tcp_and_over_tls() {
    let (ours, other) = (Identity::new(), Identity::new());
    let (tcp, plain) = log_server(None);
    let (tls, private) = log_server(Some(ours.server_config()));
    let (unknown, silent) = log_server(Some(other.server_config()));
    let url = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
    let authorities = inline(&ours.authority_pem());
    let mut pointer = config(json!([
        {"type": "syslog", "url": url("tcp", tcp)},
        {"type": "syslog", "url": url("tls", tls), "certificateAuthorities": authorities},
        {"type": "syslog", "url": url("tls", unknown), "certificateAuthorities": authorities},
    ]));
    pointer["ignition"]["config"] = json!({"merge": [{"source": "data:,%7B"}]});
    let machine = Sandbox::new();
    machine.give(&pointer.to_string());
    let ran = machine.stage("fetch");
    assert_eq!(ran.status, Some(1));
    for receiver in [plain, private] {
        let messages = messages(&receiver);
        assert_eq!(messages.len(), 4, "{messages:?}\n{}", ran.stdout);
        assert!(messages[0].starts_with("<30>1 "), "{messages:?}");
        assert!(
            messages[0].contains(" kindling - boot-started [kindling@32473 "),
            "{messages:?}"
        );
        assert!(messages[3].starts_with("<26>1 "), "{messages:?}");
        assert!(messages[3].contains(" code=\"config-invalid\""), "{messages:?}");
    }
    assert!(messages(&silent).is_empty());
    assert_eq!(warnings(&ran), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("did not sign it"), "{}", ran.stdout);
}

#[test]
fn nobody_who_reports_stops_a_boot() {
    let machine = Sandbox::new();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    machine.give(
        &config(json!([
            {"type": "http", "url": format!("http://{closed}/")},
            {"type": "syslog", "url": format!("tls://{closed}")},
            {"type": "port", "port": "no.such.port"},
            {"type": "sentinel", "path": "/etc/hosts"},
        ]))
        .to_string(),
    );
    // Whatever an earlier process left, and wherever.
    fs::create_dir_all(machine.at("run/kindling")).unwrap();
    fs::write(machine.at("run/kindling/untold.json"), "{\"next\":").unwrap();
    fs::create_dir(machine.at("run/kindling/reporting.json")).unwrap();
    for stage in ["fetch", "files", "umount"] {
        machine.done(stage);
    }
}

#[test]
fn without_sinks_nothing_is_kept() {
    let machine = Sandbox::new();
    machine.give(&json!({"ignition": {"version": "3.4.0"}}).to_string());
    for stage in ["fetch-offline", "files"] {
        machine.done(stage);
    }
    assert_eq!(
        (kept(&machine, "reporting.json"), kept(&machine, "untold.json")),
        (None, None)
    );
}

#[test]
fn a_process_that_is_killed_while_it_tells_leaves_what_it_had_to_tell() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = deaf.local_addr().unwrap();
    let machine = Sandbox::new();
    machine.give(&config(json!([{"type": "http", "url": format!("http://{address}/")}])).to_string());
    let words = machine.words("file", "fetch");
    let mut process = Command::new(&words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", &machine.path)
        .env("IGNITION_CONFIG_FILE", machine.at("config.ign"))
        .env("IGNITION_KERNEL_CMDLINE_PATH", machine.at("cmdline"))
        .env("KINDLING_RUN_DIR", machine.at("run/kindling"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It is telling when the request is here, and waits for the answer.
    let (mut stream, _): (TcpStream, _) = deaf.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.read_exact(&mut [0]).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    // An answer that nobody takes.
    drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
    drop((stream, deaf));
    let server = Server::http_at(("127.0.0.1", address.port()), |_, _| Reply::ok(""));
    machine.done("fetch");
    let events = bodies(&server.seen());
    assert_eq!(steps(&events)[..2], ["boot-started fetch", "stage-started fetch"]);
    assert!(
        steps(&events).ends_with(&["stage-ended fetch".to_owned()]),
        "{events:?}"
    );
    let numbers = numbers(&events);
    assert!(numbers.is_sorted_by(|one, two| two - one == 1), "{numbers:?}");
}
