//! Every platform against a double of where its config stands (`fixtures/platforms/ID/double.json`): services are real
//! servers on loopback that want the headers of the file, everything else answers from memory. Namespaces with the clouds' own
//! addresses are in `tests/transfers`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use kindling::fetch::{Acquired, Arguments, Fetcher, Places, SourceError, SystemDirs, acquire};
use kindling_platforms::{
    ALL, Access, AccessError, Channel, Drive, DriveName, HttpAnswer, HttpRequest, Machine, Platform,
};

use crate::server::{Reply, Seen, Server};
use crate::{fetcher, limited};

const CONFIG: &str = r#"{"ignition":{"version":"3.4.0"}}"#;

/// `double.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Double {
    #[serde(default = "usual_architecture")]
    architecture: String,
    #[serde(default)]
    command_line: String,
    /// Files of the running system.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What a service answers beside the config, by path.
    #[serde(default)]
    also: BTreeMap<String, Also>,
    config: Config,
}

fn usual_architecture() -> String {
    "x86_64".to_owned()
}

/// One answer of a service.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Also {
    #[serde(default = "get")]
    method: String,
    /// Without these it answers 401.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: String,
}

fn get() -> String {
    "GET".to_owned()
}

/// Where the config stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "in")]
enum Config {
    #[serde(rename_all = "camelCase")]
    Service {
        path: String,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        is_base64: bool,
        not_found: Outcome,
        #[serde(default = "no_config")]
        empty: Outcome,
    },
    Drive {
        /// A label, or the type of a disc's file system.
        name: String,
        path: String,
        absent: Outcome,
        /// Around the config, where the file is more than it: `%` stands for the config in base64.
        #[serde(default)]
        around: Option<String>,
    },
    #[serde(rename_all = "camelCase")]
    Channel {
        name: String,
        key: String,
        /// It carries nothing but text.
        #[serde(default)]
        is_text: bool,
    },
    FirmwareEntry {
        name: String,
    },
    File {
        absent: Outcome,
    },
    Nowhere,
}

fn no_config() -> Outcome {
    Outcome::NoConfig
}

/// What comes of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Config,
    NoConfig,
    Failure,
}

impl Outcome {
    fn of(found: &Result<Acquired, SourceError>) -> Self {
        match found {
            Ok(Acquired::Config(fetched)) => {
                assert_eq!(fetched.text, CONFIG);
                Self::Config
            }
            Ok(Acquired::Empty { .. }) => Self::NoConfig,
            Ok(Acquired::NeedsNetwork { what }) => panic!("needs the network for {what}"),
            Err(_) => Self::Failure,
        }
    }
}

fn double(id: &str) -> Double {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/platforms/{id}/double.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A machine of the platform, with this in the place of its config.
struct There<'a> {
    double: &'a Double,
    machine: Machine,
    server: Option<Server>,
    fetcher: Fetcher,
    /// `None` is absent.
    held: Option<Vec<u8>>,
}

impl<'a> There<'a> {
    fn new(double: &'a Double, held: Option<Vec<u8>>, fetcher: Fetcher) -> Self {
        Self {
            machine: Machine {
                architecture: double.architecture.clone(),
                config_file: "config.ign".into(),
                command_line: double.command_line.clone(),
                is_online: true,
            },
            double,
            server: None,
            fetcher,
            held,
        }
    }

    fn with(mut self, server: Server) -> Self {
        self.server = Some(server);
        self
    }

    fn found(&self, platform: &dyn Platform) -> Result<Acquired, SourceError> {
        let nowhere = Some("/nowhere".into());
        let dirs = SystemDirs::new(nowhere.clone(), nowhere.clone(), nowhere);
        let places = Places {
            arguments: &Arguments::default(),
            dirs: &dirs,
            platform,
        };
        acquire(places, &self.fetcher, self)
    }
}

impl Access for There<'_> {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The service's paths, at a server of ours.
    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        let Some(server) = &self.server else {
            return Err(AccessError::Failed {
                what: request.url.clone(),
                why: "connection refused".to_owned(),
            });
        };
        let (place, path) = match request.url.split_once("://") {
            Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
            // Sockets to the host.
            None => request.url.split_once('/').unwrap_or((&request.url, "")),
        };
        // `unix://HOST/SOCKET:/PATH`.
        let path = match request.url.starts_with("unix:") {
            true => path.split_once(":/").map_or("", |(_, path)| path),
            false => path,
        };
        assert!(!place.is_empty(), "{}", request.url);
        let request = HttpRequest {
            url: server.url(&format!("/{path}")),
            is_from_privileged_port: false,
            ..request.clone()
        };
        self.fetcher.exchange(&request, &[])
    }

    fn drive(&self, drive: &Drive<'_>, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        let Config::Drive {
            name, path, around, ..
        } = &self.double.config
        else {
            return Err(absent(drive.wait));
        };
        let is_it = match drive.name {
            DriveName::Label(label) => label == name,
            DriveName::FileSystem(kinds) => kinds.contains(&name.as_str()),
        };
        let Some(held) = self.held.as_ref().filter(|_| is_it) else {
            return Err(absent(drive.wait));
        };
        let content = match around {
            Some(around) => around.replace('%', &STANDARD.encode(held)).into_bytes(),
            None => held.clone(),
        };
        let file = |wanted: &&str| match *wanted {
            wanted if wanted == path => Some(content.clone()),
            "/ovf-env.xml" => Some(b"<Environment/>".to_vec()),
            _ => None,
        };
        Ok(paths.iter().map(file).collect())
    }

    fn block(&self, _: &str, wait: Duration) -> Result<Vec<u8>, AccessError> {
        Err(absent(wait))
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError> {
        match &self.double.config {
            Config::FirmwareEntry { name: ours } if ours == name => Ok(self.held.clone()),
            _ => Ok(None),
        }
    }

    fn get(&self, channel: Channel, key: &str) -> Result<Option<Vec<u8>>, AccessError> {
        match &self.double.config {
            Config::Channel { name, key: ours, .. } if *name == format!("{channel:?}") => {
                Ok(self.held.clone().filter(|_| key == ours))
            }
            _ => Err(absent(Duration::ZERO)),
        }
    }

    fn set(&self, _: Channel, key: &str, _: Option<&[u8]>) -> Result<(), AccessError> {
        panic!("{key} was written")
    }

    fn file(&self, path: &Path) -> Result<Option<Vec<u8>>, AccessError> {
        if path == self.machine.config_file {
            return Ok(self.held.clone());
        }
        let text = self.double.files.get(&path.display().to_string());
        Ok(text.map(|text| text.clone().into_bytes()))
    }

    fn list(&self, directory: &Path) -> Result<Vec<String>, AccessError> {
        let below = self
            .double
            .files
            .keys()
            .filter_map(|path| Path::new(path).strip_prefix(directory).ok());
        Ok(below.map(|name| name.display().to_string()).collect())
    }
}

fn absent(waited: Duration) -> AccessError {
    AccessError::Absent {
        what: "what this platform has not".to_owned(),
        waited,
    }
}

fn has(seen: &Seen, headers: &BTreeMap<String, String>) -> bool {
    headers
        .iter()
        .all(|(name, value)| seen.header(name) == Some(value))
}

/// The service: `answer` is what the config's path gives, for its first, second … request.
fn service(double: &Double, answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Server {
    let Config::Service { path, headers, .. } = &double.config else {
        panic!("not a service");
    };
    let (path, headers) = (path.clone(), headers.clone());
    let also: Vec<_> = double
        .also
        .iter()
        .map(|(path, also)| {
            (
                path.clone(),
                also.method.clone(),
                also.headers.clone(),
                also.body.clone(),
            )
        })
        .collect();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    Server::http(move |seen, _| {
        if seen.target == path {
            if !has(seen, &headers) {
                return Reply::status(401);
            }
            return answer(asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
        match also
            .iter()
            .find(|(path, method, ..)| *path == seen.target && *method == seen.method)
        {
            Some((_, _, wanted, _)) if !has(seen, wanted) => Reply::status(401),
            Some((_, _, _, body)) => Reply::ok(body.clone()),
            None => Reply::status(404),
        }
    })
}

/// As the service holds it.
fn told(double: &Double, content: &[u8]) -> Vec<u8> {
    match &double.config {
        Config::Service { is_base64: true, .. } => STANDARD.encode(content).into_bytes(),
        _ => content.to_vec(),
    }
}

/// Contents that every place can hold, and what comes of them.
fn contents() -> [(&'static str, Vec<u8>, Outcome); 5] {
    let packed = gzip(CONFIG.as_bytes());
    [
        ("present", CONFIG.as_bytes().to_vec(), Outcome::Config),
        ("gzip", packed.clone(), Outcome::Config),
        (
            "gzip in base64",
            STANDARD.encode(&packed).into_bytes(),
            Outcome::Config,
        ),
        ("truncated", packed[..packed.len() - 9].to_vec(), Outcome::Failure),
        ("empty", Vec::new(), Outcome::NoConfig),
    ]
}

fn check_service(platform: &dyn Platform, double: &Double, not_found: Outcome, empty: Outcome) {
    let id = platform.id();
    let asked = |fetcher: Fetcher, server: Server| {
        let there = There::new(double, None, fetcher).with(server);
        Outcome::of(&there.found(platform))
    };
    for (case, content, expected) in contents() {
        let expected = if case == "empty" { empty } else { expected };
        let body = told(double, &content);
        let found = asked(fetcher(), service(double, move |_| Reply::ok(body.clone())));
        assert_eq!(found, expected, "{id}: {case}");
    }
    let config = told(double, CONFIG.as_bytes());
    let body = config.clone();
    let later = move |number| match number {
        0 => Reply::status(500),
        _ => Reply::ok(body.clone()),
    };
    assert_eq!(
        asked(fetcher(), service(double, later)),
        Outcome::Config,
        "{id}: 500, then 200"
    );
    let nothing = |status| service(double, move |_| Reply::status(status));
    assert_eq!(asked(fetcher(), nothing(204)), empty, "{id}: 204");
    // A service for which this is "later" is asked until its time is over.
    let half_a_second = Duration::from_millis(500);
    assert_eq!(
        asked(limited(half_a_second), nothing(404)),
        not_found,
        "{id}: 404"
    );
    for (status, case) in [(401, "its token has expired"), (403, "refused")] {
        assert_eq!(
            asked(fetcher(), nothing(status)),
            Outcome::Failure,
            "{id}: {case}"
        );
    }
    let slow = service(double, move |_| {
        Reply::ok(config.clone()).late(Duration::from_secs(5))
    });
    assert_eq!(
        asked(limited(half_a_second), slow),
        Outcome::Failure,
        "{id}: slow beyond the bound"
    );
}

fn check_held(platform: &dyn Platform, double: &Double, when_absent: Outcome) {
    let id = platform.id();
    let found = |held| Outcome::of(&There::new(double, held, fetcher()).found(platform));
    for (case, content, expected) in contents() {
        let is_lost = case == "gzip" && matches!(&double.config, Config::Channel { is_text: true, .. });
        let expected = if is_lost { Outcome::Failure } else { expected };
        assert_eq!(found(Some(content)), expected, "{id}: {case}");
    }
    assert_eq!(found(None), when_absent, "{id}: absent");
}

/// Adding a platform adds a folder here: without one this fails.
#[test]
fn every_platform_is_asked_in_every_case() {
    for platform in ALL {
        let id = platform.id();
        let double = double(id.as_str());
        match &double.config {
            Config::Service { not_found, empty, .. } => check_service(*platform, &double, *not_found, *empty),
            Config::Drive { absent, .. } | Config::File { absent } => check_held(*platform, &double, *absent),
            Config::Channel { .. } | Config::FirmwareEntry { .. } => {
                check_held(*platform, &double, Outcome::NoConfig);
            }
            Config::Nowhere => {
                let there = There::new(&double, None, fetcher());
                assert_eq!(Outcome::of(&there.found(*platform)), Outcome::NoConfig, "{id}");
            }
        }
    }
}
