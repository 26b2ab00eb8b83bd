//! One sink is told of some events.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_config_spec::data_url;
use kindling_config_spec::types::kindling::Sink;
use kindling_config_spec::types::{Ignition, Proxy, Resource, Security, Timeouts, Tls};
use kindling_platforms::{HttpMethod, HttpRequest};
use url::Url;

use super::{Sending, run_of};
use crate::fetch::{Fetcher, Scheme};
use crate::host::sinks::{port, sentinel, syslog};
use crate::report::chain;
use crate::report::event::{About, Event};
use crate::report::sentinel::{Mark, Place, mark};
use crate::report::sinks::is_remote;
use crate::report::syslog::{framed, message};
use crate::stages::context::fetcher;

/// For one event over HTTP with all its tries, and for all events to a log server.
const REMOTE: Duration = Duration::from_secs(10);
/// For the headers of an answer.
const HEADERS: i64 = 5;
/// For a port.
const PORT: Duration = Duration::from_secs(1);

/// Where a process tells from.
pub(super) struct Surroundings {
    /// The reports of this boot.
    pub(super) run_dir: PathBuf,
    /// The target; empty where there is none.
    pub(super) root: PathBuf,
    /// Whether the network may be up.
    pub(super) is_online: bool,
    /// Whether the target's file systems are there and stay for a while.
    pub(super) has_target: bool,
}

/// What became of it.
#[derive(Default)]
pub(super) struct Sent {
    /// The numbers of the events that need not be told again.
    pub(super) told: Vec<u64>,
    /// Why others were not told.
    pub(super) problem: Option<String>,
    /// The sink's authorities, where some were fetched: the same ones inline.
    pub(super) authorities: Option<Vec<Resource>>,
}

impl Sent {
    /// All of `events` or none.
    fn whole(events: &[Event], told: Result<(), String>) -> Self {
        match told {
            Ok(()) => Self {
                told: events.iter().map(|event| event.sequence).collect(),
                ..Self::default()
            },
            Err(problem) => Self {
                problem: Some(problem),
                ..Self::default()
            },
        }
    }
}

impl Surroundings {
    /// Whether there is a way to the sink at all.
    pub(super) fn can_tell(&self, sink: &Sink) -> bool {
        match &sink.path {
            _ if is_remote(sink) => self.is_online,
            Some(path) => place(path).0 == Place::Run || self.has_target,
            None => true,
        }
    }

    /// Tells `sink` of what is in `sending`, in a bounded time.
    pub(super) fn send(&self, line: &Fetcher, sink: &Sink, sending: &Sending, about: &About) -> Sent {
        let events = sending.events.as_slice();
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        match sink.kind.as_str() {
            "sentinel" => Sent::whole(events, self.mark(&text(&sink.path), events)),
            "port" => {
                // A line before may have been cut off by a port that stopped.
                let first = if sending.does_answer { "" } else { "\n" };
                let lines = events.iter().map(|event| event.json(about) + "\n");
                let lines: String = std::iter::once(first.to_owned()).chain(lines).collect();
                let told = port::write(
                    Path::new(port::DEVICES),
                    &text(&sink.port),
                    lines.as_bytes(),
                    PORT,
                );
                Sent::whole(events, told.map_err(|error| error.to_string()))
            }
            _ => remote(line, sink, &sending.proxy, events, about),
        }
    }

    /// Only the last thing that leaves a mark counts.
    fn mark(&self, path: &str, events: &[Event]) -> Result<(), String> {
        let (place, dir) = place(path);
        let Some(Mark {
            name,
            text,
            instead_of,
        }) = events.iter().rev().find_map(|event| mark(event, place))
        else {
            return Ok(());
        };
        match place {
            Place::Run => sentinel::below_run(&run_of(&self.run_dir).join(dir), name, &text, instead_of)
                .map_err(|error| error.to_string()),
            Place::Target => sentinel::in_target(&self.root, dir, name, &text, instead_of)
                .map_err(|error| chain(&error).join(": ")),
        }
    }
}

/// Where a sentinel's directory is, and its path there.
fn place(path: &str) -> (Place, &Path) {
    match Path::new(path).strip_prefix("/run") {
        Ok(below) => (Place::Run, below),
        Err(_) => (Place::Target, Path::new(path)),
    }
}

/// What a sink's thread asks with. Its clones share connections.
pub(super) fn line(platform: &str) -> Fetcher {
    fetcher(platform, REMOTE, false)
}

fn remote(line: &Fetcher, sink: &Sink, proxy: &Proxy, events: &[Event], about: &About) -> Sent {
    let mut fetcher = line.clone();
    let ignition = Ignition {
        proxy: proxy.clone(),
        security: Security {
            tls: Tls {
                certificate_authorities: sink.certificate_authorities.clone(),
            },
        },
        timeouts: Timeouts {
            http_response_headers: Some(HEADERS),
            http_total: i64::try_from(REMOTE.as_secs()).ok(),
        },
        ..Ignition::default()
    };
    // Their authorities are fetched here, by the sink's own thread: nobody's boot depends on them.
    if let Err(error) = fetcher.configure(&ignition) {
        return Sent::whole(events, Err(chain(&error).join(": ")));
    }
    let url = sink.url.as_deref().unwrap_or_default();
    let sent = match sink.kind.as_str() {
        "http" => post(&fetcher, url, sink, events, about),
        _ => Sent::whole(events, log(&fetcher, url, events, about)),
    };
    Sent {
        authorities: inline(&fetcher, &sink.certificate_authorities),
        ..sent
    }
}

/// One request an event. What the server refuses for good would be refused again: progress is not told again, an end is.
fn post(fetcher: &Fetcher, url: &str, sink: &Sink, events: &[Event], about: &About) -> Sent {
    let mut sent = Sent::default();
    for event in events {
        let json = ("Content-Type".to_owned(), "application/json".to_owned());
        let own = sink.headers.iter();
        let own = own.filter_map(|header| Some((header.name.clone(), header.value.clone()?)));
        let request = HttpRequest {
            method: HttpMethod::Post,
            url: url.to_owned(),
            headers: std::iter::once(json).chain(own).collect(),
            body: event.json(about).into_bytes(),
            retry_also: Vec::new(),
            is_from_privileged_port: false,
        };
        match fetcher.post(&request) {
            Ok(200..300) => sent.told.push(event.sequence),
            Ok(status) => {
                sent.problem = Some(format!("the server answered with status {status}"));
                if !event.kind.is_end() {
                    sent.told.push(event.sequence);
                }
            }
            Err(error) => {
                sent.problem = Some(error.to_string());
                break;
            }
        }
    }
    sent
}

fn log(fetcher: &Fetcher, url: &str, events: &[Event], about: &About) -> Result<(), String> {
    let messages: Vec<String> = events.iter().map(|event| message(event, about)).collect();
    let url = Url::parse(url).map_err(|error| error.to_string())?;
    syslog::send(&url, &fetcher.settings().connection, &framed(&messages), REMOTE)
        .map_err(|error| error.to_string())
}

/// The same authorities without an address, if one has one. They are in the fetcher's memory by now.
fn inline(fetcher: &Fetcher, authorities: &[Resource]) -> Option<Vec<Resource>> {
    let is_remote = |one: &Resource| Scheme::of(one.source.as_deref().unwrap_or_default()).needs_network();
    if !authorities.iter().any(is_remote) {
        return None;
    }
    let inline = authorities.iter().map(|one| {
        let pem = fetcher.pem(one).ok()?;
        Some(Resource {
            source: Some(data_url::encode(&pem)),
            compression: None,
            http_headers: Vec::new(),
            ..one.clone()
        })
    });
    inline.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_below_run_is_taken_over_by_the_new_root() {
        assert_eq!(place("/run/cluster-api"), (Place::Run, Path::new("cluster-api")));
        assert_eq!(place("/runs/x"), (Place::Target, Path::new("/runs/x")));
    }

    #[test]
    fn before_the_network_only_this_machine_is_told() {
        let sink = |kind: &str, path: Option<&str>| Sink {
            kind: kind.into(),
            path: path.map(str::to_owned),
            ..Sink::default()
        };
        let mut around = Surroundings {
            run_dir: "/run/kindling".into(),
            root: "/sysroot".into(),
            is_online: false,
            has_target: true,
        };
        let all = [
            sink("http", None),
            sink("syslog", None),
            sink("port", None),
            sink("sentinel", Some("/run/x")),
            sink("sentinel", Some("/var/x")),
        ];
        let told = |around: &Surroundings| all.each_ref().map(|sink| around.can_tell(sink));
        assert_eq!(told(&around), [false, false, true, true, true]);
        around.is_online = true;
        around.has_target = false;
        assert_eq!(told(&around), [true, true, true, true, false]);
    }
}
