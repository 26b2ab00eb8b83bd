//! The places that a boot reports to: who they are, and what later stages keep of them.

use kindling_config_spec::types::Config;
use kindling_config_spec::types::kindling::{Kindling, Report, Sink};
use kindling_config_spec::{merge, types};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::fetch::shown;

/// Where they are kept, in the directory of a boot's reports. Headers hold secrets: root alone reads it.
pub const KEPT: &str = "reporting.json";

/// What later stages need. The file `/run/kindling/reporting.json` is this.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Kept {
    /// The platform, as `ignition.platform.id` names it.
    pub platform: String,
    /// The digest of the whole config, once there is one. Until then more sinks may come.
    pub digest: Option<String>,
    /// Sinks and proxy.
    pub config: Config,
}

impl Kept {
    /// What was left.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        super::kept(text)
    }

    /// As it is kept.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        kindling_config_spec::json::text(self).into_bytes()
    }

    /// The sinks.
    #[must_use]
    pub fn sinks(&self) -> &[Sink] {
        &self.config.kindling.report.sinks
    }

    /// The sink of that key.
    #[must_use]
    pub fn sink(&self, wanted: &str) -> Option<&Sink> {
        self.sinks().iter().find(|sink| key(sink) == wanted)
    }
}

/// What `config` says about reporting: sinks, and the way to them.
#[must_use]
pub fn only_reporting(config: &Config) -> Config {
    Config {
        ignition: types::Ignition {
            proxy: config.ignition.proxy.clone(),
            ..types::Ignition::default()
        },
        kindling: Kindling {
            report: config.kindling.report.clone(),
            ..Kindling::default()
        },
        ..Config::default()
    }
}

/// `config` laid over `known`, as far as reporting goes.
#[must_use]
pub fn with(known: Config, config: &Config) -> Config {
    merge(known, only_reporting(config))
}

/// What tells one sink from another: its type and its address, as in merging. It may hold a secret.
#[must_use]
pub fn key(sink: &Sink) -> String {
    format!("{} {}", sink.kind, address(sink))
}

fn address(sink: &Sink) -> &str {
    let parts = [&sink.url, &sink.path, &sink.port];
    parts
        .into_iter()
        .find_map(|part| part.as_deref())
        .unwrap_or_default()
}

/// The sink as a log may name it.
#[must_use]
pub fn name(sink: &Sink) -> String {
    match &sink.url {
        Some(url) => shown(url),
        None => format!("{} {}", sink.kind, address(sink)),
    }
}

/// Whether the network must be up for it.
#[must_use]
pub fn is_remote(sink: &Sink) -> bool {
    matches!(sink.kind.as_str(), "http" | "syslog")
}

/// The sinks of the kernel arguments `kindling.report=`, and those of these that are none, as a log may name them.
#[must_use]
pub fn of_command_line(command_line: &str) -> (Config, Vec<String>) {
    let mut report = Report::default();
    let mut wrong = Vec::new();
    for value in command_line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("kindling.report="))
    {
        match of_argument(value) {
            Some(sink) if report.sinks.iter().any(|known| key(known) == key(&sink)) => {}
            Some(sink) => report.sinks.push(sink),
            None => wrong.push(shown(value)),
        }
    }
    let config = Config {
        kindling: Kindling {
            report,
            ..Kindling::default()
        },
        ..Config::default()
    };
    (config, wrong)
}

fn of_argument(value: &str) -> Option<Sink> {
    if let Some(name) = value.strip_prefix("port:") {
        return (!name.is_empty()).then(|| Sink {
            kind: "port".to_owned(),
            port: Some(name.to_owned()),
            ..Sink::default()
        });
    }
    let url = Url::parse(value).ok().filter(Url::has_host)?;
    let kind = match url.scheme() {
        "http" | "https" => "http",
        "tcp" | "tls" => "syslog",
        _ => return None,
    };
    Some(Sink {
        kind: kind.to_owned(),
        url: Some(value.to_owned()),
        ..Sink::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &Config) -> Vec<String> {
        config.kindling.report.sinks.iter().map(key).collect()
    }

    #[test]
    fn arguments_name_sinks() {
        let (config, wrong) = of_command_line(
            "ro kindling.report=https://u:planted@h/x?planted kindling.report=tcp://l:601 kindling.report=port:org.x.0 \
             kindling.report=tcp://l:601 kindling.report=tls://[::1] kindling.report= kindling.report=port: \
             kindling.report=ftp://h/planted? kindling.report=http: xkindling.report=tcp://z",
        );
        let found = keys(&config);
        assert_eq!(
            found,
            [
                "http https://u:planted@h/x?planted",
                "syslog tcp://l:601",
                "port org.x.0",
                "syslog tls://[::1]"
            ]
        );
        assert_eq!(wrong.len(), 4);
        assert_eq!(name(&config.kindling.report.sinks[0]), "https://h/x?…");
        assert_eq!(name(&config.kindling.report.sinks[2]), "port org.x.0");
    }

    #[test]
    fn a_config_adds_to_what_the_arguments_name() {
        let (known, _) = of_command_line("kindling.report=tcp://l kindling.report=http://h/x");
        let text = r#"{"ignition":{"version":"3.4.0","proxy":{"httpProxy":"http://p"}},
            "storage":{"files":[{"path":"/x"}]},
            "kindling":{"version":"1.0.0","report":{"sinks":[
                {"type":"http","url":"http://h/x","headers":[{"name":"a","value":"planted"}]},
                {"type":"sentinel","path":"/run/cluster-api"}]}}}"#;
        let config = kindling_config_spec::check(text).unwrap().into_config();
        let all = with(known, &config);
        let mut found = keys(&all);
        kindling_config_spec::order::sort(&mut found);
        assert_eq!(
            found,
            ["http http://h/x", "sentinel /run/cluster-api", "syslog tcp://l"]
        );
        let kept = Kept {
            config: all,
            ..Kept::default()
        };
        let again = Kept::read(Some(&String::from_utf8(kept.json()).unwrap()));
        assert_eq!(again.config, kept.config);
        assert_eq!(again.sink("http http://h/x").unwrap().headers.len(), 1);
        assert!(again.config.storage.files.is_empty());
        assert_eq!(
            again.config.ignition.proxy.http_proxy.as_deref(),
            Some("http://p")
        );
    }
}
