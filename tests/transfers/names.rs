//! Names and addresses: a name server that fails at first, and a network without IPv4. Each in a network namespace of its
//! own, in which this program is started once more.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::sandbox::{Sandbox, require_root};
use crate::server::{Reply, Server};

/// Runs the ignored test `name` where loopback is the whole network, its name server `server`, and `prepare` has run.
pub(crate) fn inside(name: &str, server: &str, prepare: &str) {
    require_root();
    let script = format!(
        "set -e; ip link set lo up; {prepare}
         printf 'nameserver {server}\\noptions timeout:1 attempts:1\\n' >\"$1\"
         mount --bind \"$1\" /etc/resolv.conf
         exec \"$0\" --exact {name} --ignored --nocapture"
    );
    let resolv = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .arg(resolv.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// A name server that knows one name: silent or failing for the first `failing` questions. It lasts as long as the process.
pub(crate) fn name_server(
    address: &str,
    failing: usize,
    types: &'static [(u16, &'static [u8])],
) -> Arc<AtomicUsize> {
    let socket = UdpSocket::bind((address, 53)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let question = &question[..length];
            // The question ends with a zero label, type and class (RFC 1035, 4.1.2).
            let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
            let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
            let mut answer = question[..end].to_vec();
            answer[6..12].fill(0);
            let record = types.iter().find(|(known, _)| *known == kind);
            match record {
                // The first is not answered at all, the next with "server failure".
                _ if number == 0 && failing > 0 => continue,
                _ if number < failing => answer[2..4].copy_from_slice(&[0x81, 0x82]),
                None => answer[2..4].copy_from_slice(&[0x81, 0x80]),
                Some((_, address)) => {
                    answer[2..4].copy_from_slice(&[0x81, 0x80]);
                    answer[7] = 1;
                    answer.extend([0xc0, 12]);
                    answer.extend(kind.to_be_bytes());
                    answer.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(address.len()).unwrap()]);
                    answer.extend(*address);
                }
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    asked
}

const A: u16 = 1;
const AAAA: u16 = 28;
pub(crate) const LOOPBACK: [(u16, &[u8]); 1] = [(A, &[127, 0, 0, 1])];
const LOOPBACK_SIX: [(u16, &[u8]); 1] = [(AAAA, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])];

/// A machine whose config is one document of `config.example`.
fn machine(server: &Server) -> Sandbox {
    let machine = Sandbox::new();
    let url = format!("http://config.example:{}/child.ign", server.port());
    machine
        .give(&json!({"ignition": {"version": "3.4.0", "config": {"merge": [{"source": url}]}}}).to_string());
    machine
}

fn child() -> String {
    json!({
        "ignition": {"version": "3.4.0"},
        "storage": {"files": [{"path": "/etc/named", "contents": {"source": "data:,by%20name"}}]},
    })
    .to_string()
}

#[test]
fn a_name_server_that_fails_at_first_is_asked_again() {
    inside("names::inside_with_a_failing_name_server", "127.0.0.1", "");
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_with_a_failing_name_server() {
    let asked = name_server("127.0.0.1", 6, &LOOPBACK);
    let server = Server::http(|_, _| Reply::ok(child()));
    let machine = machine(&server);
    let ran = machine.done("fetch");
    machine.done("files");
    assert_eq!(
        fs::read_to_string(machine.root().join("etc/named")).unwrap(),
        "by name"
    );
    assert!(asked.load(Ordering::SeqCst) > 6);
    assert!(
        ran.stdout.contains("cannot resolve host config.example"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_network_without_ipv4_is_enough() {
    inside(
        "names::inside_without_ipv4",
        "::1",
        "ip addr del 127.0.0.1/8 dev lo;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_without_ipv4() {
    name_server("::1", 0, &LOOPBACK_SIX);
    let server = Server::http_on("::1", |_, _| Reply::ok(child()));
    let machine = machine(&server);
    machine.done("fetch");
    machine.done("files");
    assert_eq!(
        fs::read_to_string(machine.root().join("etc/named")).unwrap(),
        "by name"
    );
    assert_eq!(server.seen().len(), 1);
}
