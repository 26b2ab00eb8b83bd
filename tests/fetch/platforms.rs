//! Every platform against a double of where its config stands (`fixtures/platforms/ID`): `double.json` says where that is and
//! what its absence means. Services are real servers on loopback that hold the exchanges of `*.http`, in the order of the
//! files' names, and want the headers that stand there; everything else answers from memory. Namespaces with the clouds' own
//! addresses are in `tests/transfers`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

use kindling::fetch::{Acquired, Arguments, Fetcher, Places, SourceError, SystemDirs, acquire};
use kindling_platforms::{
    ALL, Access, AccessError, Channel, Drive, DriveName, HttpAnswer, HttpRequest, Machine, Platform,
    PlatformId,
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
    /// Of `*.http`.
    #[serde(skip)]
    exchanges: Vec<Exchange>,
    config: Config,
}

fn usual_architecture() -> String {
    "x86_64".to_owned()
}

/// A request and its answer: two messages with an empty line between head and body, and one between them.
struct Exchange {
    method: String,
    target: String,
    /// Without these it is answered with 401.
    headers: BTreeMap<String, String>,
    status: u16,
    /// Without the last line's end.
    body: String,
}

/// The bodies in whose place the config is.
const CONFIG_BODY: &str = "{config}";
const BASE64_BODY: &str = "{config in base64}";

impl Exchange {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, "\n\n");
        let mut request = parts.next()?.lines();
        let answer = parts.next()?;
        let mut first = request.next()?.strip_suffix(" HTTP/1.1")?.split(' ');
        let headers: Option<_> = request
            .map(|line| line.split_once(": "))
            .map(|pair| pair.map(|(name, value)| (name.to_owned(), value.to_owned())))
            .collect();
        Some(Self {
            method: first.next()?.to_owned(),
            target: first.next()?.to_owned(),
            headers: headers?,
            status: answer
                .strip_prefix("HTTP/1.1 ")?
                .split(' ')
                .next()?
                .parse()
                .ok()?,
            body: parts.next()?.strip_suffix('\n')?.to_owned(),
        })
    }

    fn is_of_config(&self) -> bool {
        [CONFIG_BODY, BASE64_BODY].contains(&self.body.as_str())
    }

    fn is_asked_by(&self, seen: &Seen) -> bool {
        (&self.method, &self.target) == (&seen.method, &seen.target)
    }

    fn is_allowed(&self, seen: &Seen) -> bool {
        self.headers
            .iter()
            .all(|(name, value)| seen.header(name) == Some(value))
    }
}

/// Where the config stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "in")]
enum Config {
    #[serde(rename_all = "camelCase")]
    Service {
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/platforms")
        .join(id);
    let read = |path: &Path| {
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let path = folder.join("double.json");
    let mut double: Double =
        serde_json::from_str(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let files: BTreeSet<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "http"))
        .collect();
    let exchange = |path: &PathBuf| {
        Exchange::parse(&read(path)).unwrap_or_else(|| panic!("{} is no exchange", path.display()))
    };
    double.exchanges = files.iter().map(exchange).collect();
    let configs = double.exchanges.iter().filter(|exchange| exchange.is_of_config());
    let is_service = matches!(double.config, Config::Service { .. });
    assert_eq!(configs.count(), usize::from(is_service), "{id}");
    double
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

/// The service: `answer` is what it says where the config is asked for, at the first, second … request.
fn service(double: &Arc<Double>, answer: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Server {
    let asked = AtomicUsize::new(0);
    let double = Arc::clone(double);
    Server::http(move |seen, _| {
        match double
            .exchanges
            .iter()
            .find(|exchange| exchange.is_asked_by(seen))
        {
            None => Reply::status(404),
            Some(exchange) if !exchange.is_allowed(seen) => Reply::status(401),
            Some(exchange) if exchange.is_of_config() => answer(asked.fetch_add(1, Ordering::Relaxed)),
            Some(exchange) if exchange.status == 200 => Reply::ok(exchange.body.clone()),
            Some(exchange) => Reply::status(exchange.status),
        }
    })
}

/// As the service holds it.
fn told(double: &Double, content: &[u8]) -> Vec<u8> {
    let is_base64 = |exchange: &Exchange| exchange.body == BASE64_BODY;
    match double.exchanges.iter().any(is_base64) {
        true => STANDARD.encode(content).into_bytes(),
        false => content.to_vec(),
    }
}

/// Every exchange takes place, in the order of the files, whatever else is asked between them.
fn assert_in_order(id: PlatformId, double: &Double, seen: &[Seen]) {
    let mut rest = seen.iter();
    for exchange in &double.exchanges {
        assert!(
            rest.any(|seen| exchange.is_asked_by(seen)),
            "{id}: {} {} is missing or too late in {seen:?}",
            exchange.method,
            exchange.target
        );
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

fn check_service(platform: &dyn Platform, double: &Arc<Double>, not_found: Outcome, empty: Outcome) {
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
    let there = There::new(double, None, fetcher()).with(service(double, move |_| Reply::ok(body.clone())));
    assert_eq!(Outcome::of(&there.found(platform)), Outcome::Config, "{id}");
    assert_in_order(id, double, &there.server.as_ref().unwrap().seen());
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
        let double = Arc::new(double(id.as_str()));
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
