//! The values of this machine, put in the place of their names before the config is cached: what is planned, digested and
//! recorded afterwards is what will stand there.

mod node;

use std::fs;
use std::io;
use std::path::Path;

use kindling_config_spec::data_url;
use kindling_config_spec::types::{Config, Resource};
use kindling_platforms::{Attribute, Platform, PlatformError};

use super::Context;
use super::context::fetcher;
use crate::fetch::{FetchError, HostAccess, Scheme};
use crate::host::machine;
use crate::plan::Stage;
use crate::render::expand::{ExpandError, expand};
use crate::report::Failure;

/// Contents with placeholders are read whole.
const LIMIT: u64 = 1 << 20;

/// By which digest a config with values goes, below the directory of this boot: its own, and that of the config before.
const IDENTITY: &str = "config-identity";

/// Keeps the digest that names the config before values were put into it. A machine that lost its power comes back with
/// another address, and what it half made is still its own.
///
/// # Errors
/// When the directory cannot be written.
pub(super) fn keep_identity(run_dir: &Path, before: &str, after: &str) -> io::Result<()> {
    let path = run_dir.join(IDENTITY);
    if before == after {
        return machine::remove(&path);
    }
    machine::private_dir(run_dir)?;
    machine::replace(&path, format!("{after} {before}\n").as_bytes(), 0o600)
}

/// The digest that names the config whose own digest is `digest`; `None` where that is itself.
pub(super) fn identity(run_dir: &Path, digest: &str) -> Option<String> {
    let text = fs::read_to_string(run_dir.join(IDENTITY)).ok()?;
    let (after, before) = text.trim().split_once(' ')?;
    (after == digest).then(|| before.to_owned())
}

/// The value of `ignition.config.url` with this machine's values in it, for boot loaders that know no machine's. Before the
/// network is up only its names are looked at: it is not asked for yet, and cards may still be missing.
///
/// # Errors
/// `placeholder-unknown`, also for what a platform knows: it is asked after the kernel command line. `placeholder-missing`.
pub(super) fn in_address(stage: Stage, url: String) -> Result<String, Failure> {
    // Inline contents are no address. Whoever wants values in a file of theirs says so there.
    if !Scheme::of(&url).needs_network() {
        return Ok(url);
    }
    let is_early = stage == Stage::FetchOffline;
    let value = |name: &str| {
        if is_early {
            Some(String::new())
        } else {
            of_machine(name)
        }
    };
    match address(&url, &value) {
        Ok(_) if is_early => Ok(url),
        Ok(address) => Ok(address),
        Err(error) => Err(in_arguments(stage, &error)),
    }
}

/// What a kernel argument cannot say.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an address has values of the machine only, not of the platform")]
struct NotOfMachine;

/// `url` with the value of each placeholder in its place, fit to stand in an address.
fn address(
    url: &str,
    value: &dyn Fn(&'static str) -> Option<String>,
) -> Result<String, ExpandError<NotOfMachine>> {
    let mut value = |name: &'static str| {
        if !name.starts_with("machine.") {
            return Err(NotOfMachine);
        }
        Ok(value(name).map(|value| escaped(&value)))
    };
    // Nothing but bytes of text is replaced by text.
    expand(url.as_bytes(), &mut value).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Percent-encoded but for what stands for itself anywhere behind the host (RFC 3986, 2.3 and 3.3), colons included.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                text.push(char::from(byte));
            }
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

fn in_arguments(stage: Stage, error: &ExpandError<NotOfMachine>) -> Failure {
    let (code, next) = match error {
        ExpandError::Missing { .. } => (
            "placeholder-missing",
            "name the machine by another value, or see what `kindling metadata` prints on it",
        ),
        ExpandError::Unknown { .. } | ExpandError::Lookup { .. } => (
            "placeholder-unknown",
            "write a name of docs/placeholders.md that begins with machine., or $${…} for the text itself",
        ),
    };
    let mut failure = Failure::of(stage, code, error, next.to_owned());
    let what = "cannot put values into the address of kernel argument ignition.config.url".to_owned();
    failure.why.insert(0, std::mem::replace(&mut failure.what, what));
    failure
}

/// How the replacement ended.
pub(super) enum Expanded {
    /// Every file that asks for it has its values.
    Done,
    /// A content or a value is behind the network; which.
    NeedsNetwork(String),
}

/// Puts values into the contents of every file that asks for it, in place; such contents stand in the config afterwards.
///
/// # Errors
/// `placeholder-unknown`, `placeholder-missing`, `placeholder-value`, or what fetching a content brings.
pub(super) fn replace(context: &Context<'_>, config: &mut Config) -> Result<Expanded, Failure> {
    let stage = context.stage();
    let mut values = Values {
        context,
        attributes: None,
    };
    for (index, file) in config.storage.files.iter_mut().enumerate() {
        let Some(extra) = config.kindling.files.get_mut(&file.path) else {
            continue;
        };
        if extra.expand.take() != Some(true) {
            continue;
        }
        if let Some(compression) = extra.compression.take() {
            file.contents.compression = Some(compression);
        }
        let parts = std::iter::once((&mut file.contents, "contents".to_owned()));
        let more = file.append.iter_mut().enumerate();
        let more = more.map(|(number, resource)| (resource, format!("append/{number}")));
        for (resource, name) in parts.chain(more) {
            let pointer = format!("/storage/files/{index}/{name}");
            let what = format!("cannot put values into {} of {}", name, file.path);
            if let Some(needed) =
                one(context, resource, &mut values).map_err(|error| error.record(stage, &pointer, what))?
            {
                return Ok(Expanded::NeedsNetwork(needed));
            }
        }
    }
    if let Some(needed) = node::settle(stage, &mut values, config)? {
        return Ok(Expanded::NeedsNetwork(needed));
    }
    config
        .kindling
        .files
        .retain(|_, extra| *extra != Default::default());
    Ok(Expanded::Done)
}

/// What is behind the network, if something is.
fn one(
    context: &Context<'_>,
    resource: &mut Resource,
    values: &mut Values<'_>,
) -> Result<Option<String>, Refused> {
    if resource.source.is_none() {
        return Ok(None);
    }
    let text = match context.fetcher.buffer(resource, LIMIT) {
        Ok(text) => text,
        Err(FetchError::NeedsNetwork { url }) => return Ok(Some(url)),
        Err(error) => return Err(Refused::Fetch(error)),
    };
    match expand(&text, &mut |name| values.value(name)) {
        Ok(expanded) => {
            *resource = Resource {
                source: Some(data_url::encode(&expanded)),
                ..Resource::default()
            };
            Ok(None)
        }
        Err(ExpandError::Lookup { source, .. }) if source.needs_network() => {
            Ok(Some("values of the platform".to_owned()))
        }
        Err(error) => Err(Refused::Value(error)),
    }
}

enum Refused {
    Fetch(FetchError),
    Value(ExpandError<PlatformError>),
}

impl Refused {
    fn record(self, stage: Stage, pointer: &str, what: String) -> Failure {
        let failure = match &self {
            Self::Fetch(error) => Failure::of(stage, error.code(), error, error.next()),
            Self::Value(error @ ExpandError::Unknown { .. }) => {
                let next = "write a name of docs/placeholders.md, or $${…} for the text itself".to_owned();
                Failure::of(stage, "placeholder-unknown", error, next)
            }
            Self::Value(error @ ExpandError::Missing { .. }) => {
                let next =
                    "leave the placeholder out, or see what `kindling metadata` prints on this machine"
                        .to_owned();
                Failure::of(stage, "placeholder-missing", error, next)
            }
            Self::Value(error @ ExpandError::Lookup { .. }) => {
                let next = "check the metadata service of the platform".to_owned();
                Failure::of(stage, "placeholder-value", error, next)
            }
        };
        failure.at(pointer, what)
    }
}

/// What the machine says of itself.
fn of_machine(name: &str) -> Option<String> {
    match name {
        "machine.uuid" => machine::dmi("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
        "machine.serial" => machine::dmi("product_serial"),
        "machine.mac" => machine::first_mac(),
        "machine.hostname" => machine::hostname(),
        "machine.architecture" => Some(std::env::consts::ARCH.to_owned()),
        _ => None,
    }
}

/// Looked up when the first name asks for them.
struct Values<'a> {
    context: &'a Context<'a>,
    attributes: Option<Vec<Attribute>>,
}

impl Values<'_> {
    fn value(&mut self, name: &'static str) -> Result<Option<String>, PlatformError> {
        let value = self.found(name)?;
        if let Some(value) = &value {
            tracing::info!("{name} of this machine is {value}");
        }
        Ok(value)
    }

    fn found(&mut self, name: &'static str) -> Result<Option<String>, PlatformError> {
        let platform = self.context.platform;
        match name {
            "platform.id" => Ok(Some(platform.id().as_str().to_owned())),
            name if name.starts_with("machine.") => Ok(of_machine(name)),
            fact => self.of_platform(platform, fact.trim_start_matches("platform.")),
        }
    }

    fn of_platform(&mut self, platform: &dyn Platform, fact: &str) -> Result<Option<String>, PlatformError> {
        let Some(metadata) = platform.metadata() else {
            return Ok(None);
        };
        // Not the config's fetcher: a metadata service is asked without its proxy and within bounds of its own.
        let options = self.context.options;
        let fetcher = fetcher(
            &options.platform,
            options.fetch_timeout,
            options.stage == Stage::FetchOffline,
        );
        let config_file = &self.context.environment.config_file;
        let via = HostAccess::new(&fetcher, &self.context.processes, config_file).on(platform);
        if self.attributes.is_none() {
            self.attributes = Some(metadata.attributes(&via)?);
        }
        let facts = self.attributes.iter().flatten().filter_map(Attribute::as_fact);
        let value = facts
            .filter(|(found, _)| found.name() == fact)
            .map(|(_, value)| value.to_owned())
            .next();
        match (value, fact) {
            (None, "hostname") => metadata.hostname(&via),
            (value, _) => Ok(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_the_values_of_the_machine() {
        let value = |name: &str| match name {
            "machine.mac" => Some("52:54:00:a1:9c:ae".to_owned()),
            "machine.serial" => Some("VM 42/ä&x=${machine.uuid}".to_owned()),
            _ => None,
        };
        let missing = Err(ExpandError::Missing {
            line: 1,
            name: "machine.uuid",
        });
        let platform = Err(ExpandError::Lookup {
            line: 1,
            name: "platform.zone",
            source: NotOfMachine,
        });
        let unknown = Err(ExpandError::Unknown {
            line: 1,
            name: "${machine.colour}".to_owned(),
        });
        for (url, result) in [
            (
                "http://h/c?mac=${machine.mac}",
                Ok("http://h/c?mac=52:54:00:a1:9c:ae"),
            ),
            (
                "http://h/${machine.serial}/c",
                Ok("http://h/VM%2042%2F%C3%A4%26x%3D%24%7Bmachine.uuid%7D/c"),
            ),
            (
                "http://h/$${machine.mac}?${mac}",
                Ok("http://h/${machine.mac}?${mac}"),
            ),
            ("http://h/ä", Ok("http://h/ä")),
            ("http://h/${machine.uuid}", missing),
            ("http://h/${platform.zone}", platform),
            ("http://h/${machine.colour}", unknown),
        ] {
            assert_eq!(address(url, &value), result.map(str::to_owned), "{url}");
        }
    }

    #[test]
    fn before_the_network_only_names_are_looked_at() {
        let offline = |url: &str| in_address(Stage::FetchOffline, url.to_owned());
        for url in [
            "http://h/c?mac=${machine.mac}&uuid=${machine.uuid}",
            // No address: the name may be one of a file in the config.
            "data:,${machine.colour}",
        ] {
            assert_eq!(offline(url).as_deref(), Ok(url));
        }
        let failure = offline("http://h/c?token=planted&mac=${machine.colour}").unwrap_err();
        assert_eq!(failure.code, "placeholder-unknown");
        let shown = failure.to_string();
        assert!(shown.contains("${machine.colour}"), "{shown}");
        assert!(shown.contains("ignition.config.url"), "{shown}");
        assert!(!shown.contains("planted"), "{shown}");
    }
}
