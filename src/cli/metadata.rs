//! `kindling metadata`, and the command line of the metadata agent (`afterburn`), whose units call it by that name.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kindling_platforms::Platform;

use super::flags::{self, Takes};
use super::words::{Command, Flag, Given};
use super::{USAGE, complain, environment};
use crate::fetch::{HostAccess, argument};
use crate::host::log::Log;
use crate::host::process;
use crate::host::sysroot::Sysroot;
use crate::metadata::{MetadataError, System, Task, agent_lines, own_lines, run};
use crate::report::chain;
use crate::stages::{Environment, fetcher};

/// How long a platform may take to answer; with its pauses the agent's ten retries take about as long.
const PATIENCE: Duration = Duration::from_secs(120);
/// Where the agent puts network arguments, for dracut to read.
const NETWORK_ARGUMENTS: &str = "/etc/cmdline.d/50-afterburn-network-kargs.conf";

/// What `kindling metadata` takes.
pub(super) static COMMAND: Command = Command {
    name: "metadata",
    about: "Write down what the platform tells of this machine, and tell it that the machine has booted. Prints it \
            without a task.",
    positional: None,
    flags: &[
        Flag::with(
            "platform",
            "ID",
            "The platform; by default the one that the kernel arguments name (`ignition.platform.id`).",
        ),
        Flag::with(
            "attributes",
            "FILE",
            "Write attributes under the names of the metadata agent (AFTERBURN_…).",
        ),
        Flag::with(
            "facts",
            "FILE",
            "Write what all platforms have in common, under the same names for all (KINDLING_…).",
        ),
        Flag::with("hostname", "FILE", "Write the host's name."),
        Flag::with("network-units", "DIR", "Write files of systemd-networkd."),
        Flag::with("ssh-keys", "USER", "Write the keys of a user."),
        Flag::bare("check-in", "Tell the platform that the machine has booted."),
    ],
};

/// `kindling metadata`: without a task it prints what the platform tells.
///
/// # Errors
/// What is wrong with the line.
pub(super) fn own(given: &Given) -> Result<u8, String> {
    let tasks = tasks(given)?;
    Ok(ended(ask(given.text("platform")?, &tasks)))
}

fn tasks(given: &Given) -> Result<Vec<Task>, String> {
    let mut tasks: Vec<Task> = Vec::new();
    tasks.extend(given.path("attributes").map(Task::Attributes));
    tasks.extend(given.path("facts").map(Task::Facts));
    tasks.extend(given.text("ssh-keys")?.map(|user| Task::SshKeys(user.to_owned())));
    tasks.extend(given.path("hostname").map(Task::Hostname));
    tasks.extend(given.path("network-units").map(Task::NetworkUnits));
    tasks.extend(given.is("check-in").then_some(Task::CheckIn));
    Ok(tasks)
}

const KNOWN: &[(&str, Takes)] = &[
    ("attributes", Takes::Value),
    ("check-in", Takes::Boolean),
    ("cmdline", Takes::Boolean),
    ("default-value", Takes::Value),
    ("help", Takes::Boolean),
    ("hostname", Takes::Value),
    ("legacy-cli", Takes::Boolean),
    ("network-units", Takes::Value),
    ("provider", Takes::Value),
    ("ssh-keys", Takes::Value),
    ("version", Takes::Boolean),
];

const HELP: &str = "usage: afterburn [multi] (--cmdline | --provider NAME) [tasks]
       afterburn exp rd-network-kargs (--cmdline | --provider NAME) --default-value ARGUMENTS
tasks of multi:
  --attributes FILE       write attributes
  --check-in              tell the platform that the machine has booted
  --hostname FILE         write the host's name
  --network-units DIR     write files of systemd-networkd
  --ssh-keys USER         write the keys of a user";

/// Runs the process and returns its exit status.
pub(super) fn agent(arguments: &[OsString]) -> u8 {
    match resolve(arguments) {
        Ok(Wish::Help) => super::print(HELP),
        Ok(Wish::Version) => super::print(concat!("Afterburn (kindling ", env!("CARGO_PKG_VERSION"), ")")),
        Ok(Wish::Tasks { provider, tasks }) => {
            if tasks.is_empty() {
                complain("multi: no action specified");
                return 0;
            }
            ended(ask(provider.as_deref(), &tasks))
        }
        Ok(Wish::NetworkArguments { provider, default }) => {
            ended(network_arguments(provider.as_deref(), default))
        }
        Err(message) => {
            complain(&message);
            complain(HELP);
            USAGE
        }
    }
}

#[derive(Debug, PartialEq)]
enum Wish {
    Help,
    Version,
    /// `None` is the platform of the kernel arguments.
    Tasks {
        provider: Option<String>,
        tasks: Vec<Task>,
    },
    NetworkArguments {
        provider: Option<String>,
        default: String,
    },
}

fn resolve(arguments: &[OsString]) -> Result<Wish, String> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    // Older units give no subcommand.
    let (rest, is_network) = match words[..] {
        ["exp", "rd-network-kargs", ..] => (&arguments[2..], true),
        ["multi", ..] => (&arguments[1..], false),
        [word, ..] if !word.starts_with('-') => return Err(format!("unrecognized subcommand {word:?}")),
        _ => (arguments, false),
    };
    let (flags, behind) = flags::parse(rest, KNOWN)?;
    if flags::boolean(&flags, "help")? {
        return Ok(Wish::Help);
    }
    if flags::boolean(&flags, "version")? {
        return Ok(Wish::Version);
    }
    let text = |name: &str| -> Result<Option<String>, String> {
        let value = flags.get(name).map(|value| value.to_str().ok_or(name));
        let value = value
            .transpose()
            .map_err(|name| format!("--{name} is not text"))?;
        Ok(value.map(str::to_owned))
    };
    let provider = text("provider")?;
    match (&provider, flags::boolean(&flags, "cmdline")?) {
        (None, false) => return Err("give --cmdline or --provider NAME".to_owned()),
        (Some(_), true) => return Err("--cmdline and --provider exclude each other".to_owned()),
        _ => {}
    }
    if is_network {
        // The unit passes the distribution's arguments as words of their own where it does not quote them.
        let default = text("default-value")?.ok_or("give --default-value ARGUMENTS")?;
        let more = behind.iter().map(|word| word.to_string_lossy().into_owned());
        let default: Vec<String> = std::iter::once(default).chain(more).collect();
        let default = default.join(" ");
        return Ok(Wish::NetworkArguments { provider, default });
    }
    if let Some(word) = behind.first() {
        return Err(format!("unexpected argument {:?}", word.to_string_lossy()));
    }
    let path = |name: &str| flags.get(name).map(PathBuf::from);
    let mut tasks: Vec<Task> = Vec::new();
    // In the agent's order.
    tasks.extend(path("attributes").map(Task::Attributes));
    tasks.extend(text("ssh-keys")?.map(Task::SshKeys));
    tasks.extend(path("hostname").map(Task::Hostname));
    tasks.extend(path("network-units").map(Task::NetworkUnits));
    tasks.extend(flags::boolean(&flags, "check-in")?.then_some(Task::CheckIn));
    Ok(Wish::Tasks { provider, tasks })
}

/// Arguments for the initramfs, unless the kernel has some already.
fn network_arguments(provider: Option<&str>, default: String) -> Result<(), String> {
    let environment = environment()?;
    let line = command_line(&environment)?;
    if line.split_ascii_whitespace().any(|word| word.starts_with("ip=")) {
        complain("the kernel arguments configure the network already; nothing is written");
        return Ok(());
    }
    let path = NETWORK_ARGUMENTS.into();
    // `metal` tells nothing, and what nobody knows tells as much: a machine without any argument would have no network.
    let is_known = find(provider, &environment).is_ok();
    let provider = if is_known { provider } else { Some("metal") };
    ask(provider, &[Task::NetworkArguments { path, default }])
}

/// Does the tasks, or prints what the platform tells where there is none.
fn ask(platform: Option<&str>, tasks: &[Task]) -> Result<(), String> {
    // What is printed for a person is all that is printed.
    if !tasks.is_empty() {
        Log::open(false, "metadata").install();
    }
    let environment = environment()?;
    let platform = find(platform, &environment)?;
    let processes = process::System::new(environment.path.clone());
    let fetcher = fetcher(platform.id().as_str(), PATIENCE, false);
    let via = HostAccess::new(&fetcher, &processes, &environment.config_file).on(platform);
    if tasks.is_empty() {
        return show(platform, &via);
    }
    let root = Sysroot::open(Path::new("/")).map_err(|error| chain(&error).join(": "))?;
    let system = System {
        root: &root,
        processes: &processes,
    };
    run(platform, tasks, &via, system).map_err(failure)
}

/// What a person reads, and the name by which docs/failure-states.md lists it.
fn failure(error: MetadataError) -> String {
    format!("{} [{}]", chain(&error).join(": "), error.code())
}

fn show(platform: &dyn Platform, via: &HostAccess<'_>) -> Result<(), String> {
    let attributes = match platform.metadata() {
        Some(metadata) => metadata.attributes(via).map_err(|error| failure(error.into()))?,
        None => Vec::new(),
    };
    let text = own_lines(platform.id(), &attributes) + &agent_lines(&attributes);
    match super::print(text.trim_end()) {
        0 => Ok(()),
        _ => Err("what the platform tells could not be printed".to_owned()),
    }
}

/// The platform that was named, or that the kernel arguments name.
fn find(named: Option<&str>, environment: &Environment) -> Result<&'static dyn Platform, String> {
    let named = match named {
        Some(named) => named.to_owned(),
        None => {
            let line = command_line(environment)?;
            argument(&line, "ignition.platform.id")
                .ok_or("the kernel arguments name no platform (ignition.platform.id)")?
        }
    };
    // Names of the agent for one of a platform's two ways.
    let id = match named.as_str() {
        "cloudstack-metadata" | "cloudstack-configdrive" => "cloudstack",
        "openstack-metadata" => "openstack",
        other => other,
    };
    kindling_platforms::get(id).map_err(|error| error.to_string())
}

fn command_line(environment: &Environment) -> Result<String, String> {
    let path = &environment.command_line;
    fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn ended(result: Result<(), String>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(message) => {
            complain(&format!("kindling metadata: {message}"));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::words::{self, Parsed};

    fn resolved(line: &str) -> Result<Wish, String> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        resolve(&words)
    }

    #[test]
    fn the_lines_of_the_agents_units_are_understood() {
        let tasks = |tasks: &[Task]| {
            Ok(Wish::Tasks {
                provider: None,
                tasks: tasks.to_vec(),
            })
        };
        assert_eq!(
            resolved("--cmdline --attributes=/run/metadata/afterburn"),
            tasks(&[Task::Attributes("/run/metadata/afterburn".into())])
        );
        assert_eq!(
            resolved("--cmdline --hostname=/sysroot/etc/hostname"),
            tasks(&[Task::Hostname("/sysroot/etc/hostname".into())])
        );
        assert_eq!(
            resolved("multi --cmdline --ssh-keys core --check-in"),
            tasks(&[Task::SshKeys("core".to_owned()), Task::CheckIn])
        );
        assert_eq!(resolved("-cmdline -check-in"), tasks(&[Task::CheckIn]));
        assert_eq!(
            resolved("exp rd-network-kargs --provider vmware --default-value ip=dhcp rd.neednet=1"),
            Ok(Wish::NetworkArguments {
                provider: Some("vmware".to_owned()),
                default: "ip=dhcp rd.neednet=1".to_owned(),
            })
        );
    }

    #[test]
    fn our_own_command_has_the_same_tasks_and_the_facts() {
        let line = "--check-in --hostname=/h --facts /f --network-units=/n --ssh-keys core --attributes /a";
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let Ok(Parsed::Given(given)) = words::parse(&COMMAND, &words) else {
            panic!("a line with nothing wrong");
        };
        assert_eq!(
            tasks(&given),
            Ok(vec![
                Task::Attributes("/a".into()),
                Task::Facts("/f".into()),
                Task::SshKeys("core".to_owned()),
                Task::Hostname("/h".into()),
                Task::NetworkUnits("/n".into()),
                Task::CheckIn,
            ])
        );
    }

    #[test]
    fn wrong_lines_are_refused_with_what_is_wrong() {
        for (line, message) in [
            ("multi --check-in", "give --cmdline or --provider NAME"),
            (
                "--cmdline --provider aws",
                "--cmdline and --provider exclude each other",
            ),
            ("exp rd-network-kargs --cmdline", "give --default-value ARGUMENTS"),
            ("single", "unrecognized subcommand \"single\""),
            ("--cmdline more", "unexpected argument \"more\""),
            ("--cmdline --root /", "flag provided but not defined: -root"),
        ] {
            assert_eq!(resolved(line), Err(message.to_owned()), "{line}");
        }
    }
}
