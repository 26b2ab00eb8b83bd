//! Through Debian's `tinyproxy`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kindling_config_spec::data_url;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::names::inside;
use crate::sandbox::Sandbox;
use crate::server::{Identity, Reply, Server};

/// The proxy, which lets in who knows its password. It ends with the test.
struct Tinyproxy {
    process: Child,
    dir: TempDir,
    port: u16,
}

impl Tinyproxy {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = dir.path().join("log");
        let conf = dir.path().join("conf");
        fs::write(
            &conf,
            format!(
                "Port {port}\nListen 127.0.0.1\nTimeout 30\nMaxClients 20\nLogLevel Connect\nLogFile \"{}\"\n\
                 BasicAuth operator planted-password\n",
                log.display()
            ),
        )
        .unwrap();
        let process = Command::new("tinyproxy")
            .args(["-d", "-c"])
            .arg(&conf)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tinyproxy-bin is installed by `make tools`");
        let begun = Instant::now();
        // It announces nothing when it listens.
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "tinyproxy does not listen"
            );
            std::thread::yield_now();
        }
        Self { process, dir, port }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// An address of this machine that is not loopback's, which never goes by a proxy.
const HERE: &str = "198.51.100.7";

/// Runs the ignored test `name` where that address is.
fn inside_with_address(name: &str) {
    inside(name, "127.0.0.1", &format!("ip addr add {HERE}/32 dev lo;"));
}

fn file(path: &str, url: &str) -> Value {
    json!({"path": path, "contents": {"source": url}})
}

#[test]
fn http_and_https_go_by_the_proxy_of_the_config_and_its_exceptions_do_not() {
    inside_with_address("proxy::inside_by_the_proxy");
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_by_the_proxy() {
    let proxy = Tinyproxy::start();
    let identity = Identity::for_host(HERE);
    let plain = Server::http_on(HERE, |_, _| Reply::ok("plain"));
    let excepted = Server::http_on(HERE, |_, _| Reply::ok("excepted"));
    let secure = Server::https_on(HERE, &identity, |_, _| Reply::ok("secure"));
    let by_proxy = format!("http://operator:planted-password@127.0.0.1:{}", proxy.port);
    let authority = data_url::encode(identity.authority_pem().as_bytes());
    let config = json!({
        "ignition": {
            "version": "3.4.0",
            "proxy": {
                "httpProxy": by_proxy,
                "httpsProxy": by_proxy,
                "noProxy": [format!("{HERE}:{}", excepted.port())],
            },
            "security": {"tls": {"certificateAuthorities": [{"source": authority}]}},
        },
        "storage": {"files": [
            file("/etc/plain", &plain.url("/plain")),
            file("/etc/secure", &secure.url("/secure")),
            file("/etc/excepted", &excepted.url("/excepted")),
        ]},
    });
    let machine = Sandbox::new();
    machine.give(&config.to_string());
    let said: String = ["fetch", "files"]
        .map(|stage| machine.done(stage).stdout)
        .concat();
    for name in ["plain", "secure", "excepted"] {
        let path: PathBuf = machine.root().join("etc").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), name);
    }
    let log = proxy.log();
    assert!(log.contains(&format!("GET {}", plain.url("/plain"))), "{log}");
    assert!(
        log.contains(&format!("CONNECT {HERE}:{}", secure.port())),
        "{log}"
    );
    assert!(!log.contains(&excepted.port().to_string()), "{log}");
    assert!(!said.contains("planted"), "{said}");
}

#[test]
fn a_proxy_that_refuses_is_named_by_its_status() {
    inside_with_address("proxy::inside_refused");
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_refused() {
    let proxy = Tinyproxy::start();
    let server = Server::http_on(HERE, |_, _| Reply::ok("plain"));
    let machine = Sandbox::new();
    let config = json!({
        "ignition": {
            "version": "3.4.0",
            "proxy": {"httpProxy": format!("http://operator:planted-wrong@127.0.0.1:{}", proxy.port)},
        },
        "storage": {"files": [file("/etc/plain", &server.url("/plain"))]},
    });
    machine.give(&config.to_string());
    machine.done("fetch");
    let ran = machine.stage("files");
    assert_eq!(ran.status, Some(1));
    assert!(
        ran.stderr.contains("[http-status]") && ran.stderr.contains("status 40"),
        "{}",
        ran.stderr
    );
    assert!(
        !ran.stderr.contains("planted") && !ran.stdout.contains("planted"),
        "{}",
        ran.stdout
    );
    assert_eq!(server.seen().len(), 0);
}
