//! A machine that joins: a root and a `/run` below a temporary directory, and time that passes when it waits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kindling::fetch::{Clock, Network, Pace, SystemDirs};
use kindling::host::machine::seconds_since_1970;
use kindling::plan::Stage;
use kindling::plan::accounts::KeyFile;
use kindling::report::Failure;
use kindling::stages::join::{World, join};
use kindling::stages::{Environment, Options, Reporter};
use kindling_api_server::{ApiServer, TOKEN};
use serde_json::{Value, json};

pub(crate) const NODE: &str = "node-a.test";
pub(crate) const PKI: &str = "var/lib/kubelet/pki";
pub(crate) const KUBECONFIG: &str = "etc/kubernetes/kubelet.conf";

/// Time passes as it does, and at once when somebody sleeps.
struct Skipping(Instant, Mutex<Duration>);

impl Clock for Skipping {
    fn now(&self) -> Duration {
        self.0.elapsed() + *self.1.lock().unwrap()
    }

    fn sleep(&self, pause: Duration) {
        *self.1.lock().unwrap() += pause;
    }
}

pub(crate) struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    /// A machine that was handed the way to `server`, and has `seconds` for it.
    pub(crate) fn of(server: &ApiServer, seconds: u64) -> Self {
        Self::handed(
            &server.url(),
            &server.ca_pem(),
            &json!({ "approvalTimeoutSeconds": seconds }),
        )
    }

    /// The same with an address, an authority, and other members over the usual ones.
    pub(crate) fn handed(url: &str, authority: &str, over: &Value) -> Self {
        let machine = Self {
            dir: tempfile::Builder::new().tempdir_in("/dev/shm").unwrap(),
        };
        fs::create_dir_all(machine.at("run/kindling")).unwrap();
        fs::create_dir(machine.root()).unwrap();
        fs::write(machine.at("cmdline"), "ignition.platform.id=metal").unwrap();
        let mut handed = json!({
            "format": 1, "name": NODE, "server": url, "authorities": [authority], "token": TOKEN, "mode": "native",
            "during": "unit", "approvalTimeoutSeconds": 60, "lifetimeSeconds": 86400, "layout": "kubeadm",
            "unit": "kubelet.service", "preflight": { "mode": "off" },
            "access": { "isSshOff": false, "isConsoleLoginOff": false }
        });
        let members = handed.as_object_mut().unwrap();
        members.extend(over.as_object().unwrap().clone());
        fs::write(machine.at("run/kindling/join.json"), handed.to_string()).unwrap();
        machine
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.at("root")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            stage: Stage::Join,
            platform: "metal".to_owned(),
            root: self.root(),
            config_cache: self.at("cache"),
            state_file: self.at("state"),
            neednet: self.at("neednet"),
            fetch_timeout: Duration::ZERO,
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment {
            dirs: SystemDirs::new(
                Some(self.at("runtime")),
                Some(self.at("local")),
                Some(self.at("system")),
            ),
            command_line: self.at("cmdline"),
            config_file: self.at("config.ign"),
            key_file: KeyFile::Fragment,
            path: "/usr/bin".into(),
            run_dir: self.at("run/kindling"),
        }
    }

    /// Joins; `did` hears of each effect.
    pub(crate) fn join_with(&self, did: &dyn Fn(&'static str)) -> Result<(), Failure> {
        self.join_at(&seconds_since_1970, did)
    }

    /// The same by another clock.
    pub(crate) fn join_at(&self, clock: &dyn Fn() -> u64, did: &dyn Fn(&'static str)) -> Result<(), Failure> {
        let (options, environment) = (self.options(), self.environment());
        let reporter = Reporter::begin(&options, &environment);
        let network = Network::default();
        let world = World {
            transport: &network,
            pace: Pace::new(Arc::new(Skipping(Instant::now(), Mutex::default())), 7),
            clock,
            did,
        };
        join(&options, &environment, &reporter, &world)
    }

    pub(crate) fn join(&self) -> Result<(), Failure> {
        self.join_with(&|_| {})
    }

    pub(crate) fn status(&self) -> Value {
        let text = fs::read_to_string(self.at("run/kindling/join-status.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The names of the steps that were done.
    pub(crate) fn steps(&self) -> Vec<String> {
        let status = self.status();
        let steps = status["steps"].as_array().cloned().unwrap_or_default();
        steps
            .iter()
            .map(|step| step["step"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Every file of the machine, with its path in it.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.dir.path(), self.dir.path(), &mut found);
        found
    }

    /// Everything is there that a kubelet needs, and nothing that was needed on the way.
    pub(crate) fn assert_joined(&self) {
        let root = self.root();
        let current = root.join(PKI).join("kubelet-client-current.pem");
        let target = fs::read_link(&current).unwrap();
        assert!(target.starts_with("/var/lib/kubelet/pki"), "{target:?}");
        let mut names: Vec<String> = fs::read_dir(root.join(PKI))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let pair = target.file_name().unwrap().to_str().unwrap();
        assert_eq!(names, [pair, "kubelet-client-current.pem"]);
        let dated = pair
            .strip_prefix("kubelet-client-")
            .unwrap()
            .strip_suffix(".pem")
            .unwrap();
        let lengths: Vec<usize> = dated.split('-').map(str::len).collect();
        assert_eq!(lengths, [4, 2, 2, 2, 2, 2], "{pair}");
        for path in [root.join(PKI).join(pair), root.join(KUBECONFIG)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o7777, 0o600);
        }
        let text = self.pair();
        let key = text.find("-----BEGIN EC PRIVATE KEY-----").unwrap();
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----") && key > 0);
        let config: Value = serde_json::from_slice(&fs::read(root.join(KUBECONFIG)).unwrap()).unwrap();
        assert_eq!(
            config["users"][0]["user"]["client-certificate"],
            "/var/lib/kubelet/pki/kubelet-client-current.pem"
        );
        let handed = fs::read_to_string(self.at("run/kindling/join.json")).unwrap();
        assert!(!handed.contains("token"), "{handed}");
    }

    /// The kubelet's pair.
    pub(crate) fn pair(&self) -> String {
        let link = self.root().join(PKI).join("kubelet-client-current.pem");
        let target = fs::read_link(link).unwrap();
        fs::read_to_string(self.root().join(target.strip_prefix("/").unwrap())).unwrap()
    }
}

fn collect(top: &Path, dir: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(top, &path, found);
        } else {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read(path).unwrap()));
        }
    }
}
