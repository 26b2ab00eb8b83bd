//! The command line of `ignition-rmcfg` (engine.md 1.5): the config goes from the hypervisor.

use std::error::Error;
use std::ffi::OsString;

use super::flags::{self, Takes};
use super::{USAGE, complain, environment, ignition};
use crate::host::log::Log;
use crate::stages::delete_config::{DeleteError, delete_config};

const KNOWN: &[(&str, Takes)] = &[
    ("log-to-stdout", Takes::Boolean),
    ("platform", Takes::Value),
    ("version", Takes::Boolean),
    ("h", Takes::Boolean),
    ("help", Takes::Boolean),
];

const HELP: &str = "usage: ignition-rmcfg --platform NAME [flags]
  --log-to-stdout        log to standard output instead of the system log
  --platform NAME        where the config came from
  --version              print the version";

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    match resolve(arguments) {
        Ok(Wish::Help) => {
            complain(HELP);
            0
        }
        Ok(Wish::Version) => super::print(&format!("Ignition {}", ignition::version())),
        Ok(Wish::Delete {
            platform,
            log_to_stdout,
        }) => delete(&platform, log_to_stdout),
        Err(message) => {
            complain(&message);
            complain(HELP);
            USAGE
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Help,
    Version,
    Delete { platform: String, log_to_stdout: bool },
}

fn resolve(arguments: &[OsString]) -> Result<Wish, String> {
    let (flags, rest) = flags::parse_mixed(arguments, KNOWN, &[(b'h', "h")])?;
    if flags::boolean(&flags, "h")? || flags::boolean(&flags, "help")? {
        return Ok(Wish::Help);
    }
    let log_to_stdout = flags::boolean(&flags, "log-to-stdout")?;
    if flags::boolean(&flags, "version")? {
        return Ok(Wish::Version);
    }
    if let [word, ..] = rest.as_slice() {
        return Err(format!("there is no place for the word {word:?}"));
    }
    let platform = flags.get("platform").filter(|platform| !platform.is_empty());
    let platform = platform.ok_or("'--platform' must be provided")?;
    Ok(Wish::Delete {
        platform: platform.to_string_lossy().into_owned(),
        log_to_stdout,
    })
}

fn delete(platform: &str, log_to_stdout: bool) -> u8 {
    Log::open(log_to_stdout, "").install();
    tracing::info!("Ignition {}", ignition::version());
    let environment = match environment() {
        Ok(environment) => environment,
        Err(message) => {
            complain(&message);
            return USAGE;
        }
    };
    match delete_config(platform, &environment) {
        Ok(()) => {
            tracing::info!("the config of platform {platform} is deleted");
            0
        }
        Err(error) => {
            let text = with_causes(&error);
            tracing::error!("{text}");
            complain(&text);
            status(&error)
        }
    }
}

fn status(error: &DeleteError) -> u8 {
    match error {
        DeleteError::Unknown(_) => USAGE,
        DeleteError::Unsupported { .. } | DeleteError::Kept { .. } => 1,
    }
}

/// The whole chain on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(below) = cause {
        text = format!("{text}: {below}");
        cause = below.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(words: &[&str]) -> Result<Wish, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        resolve(&words)
    }

    #[test]
    fn the_units_command_line_is_understood() {
        let delete = |log_to_stdout| {
            Ok(Wish::Delete {
                platform: "vmware".to_owned(),
                log_to_stdout,
            })
        };
        assert_eq!(resolved(&["--platform=vmware"]), delete(false));
        assert_eq!(
            resolved(&["--log-to-stdout", "--platform", "vmware"]),
            delete(true)
        );
        assert_eq!(resolved(&["--version"]), Ok(Wish::Version));
        assert_eq!(resolved(&["--help"]), Ok(Wish::Help));
        assert_eq!(resolved(&["-h"]), Ok(Wish::Help));
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        for (words, message) in [
            (&[][..], "'--platform' must be provided"),
            (&["--platform="], "'--platform' must be provided"),
            (&["", "--platform=vmware"], "there is no place for the word \"\""),
            (&["-platform=vmware"], "unknown shorthand flag: -platform=vmware"),
            (&["--platform"], "flag needs an argument: -platform"),
            (&["--root=/"], "flag provided but not defined: -root"),
        ] {
            assert_eq!(resolved(words), Err(message.to_owned()), "{words:?}");
        }
    }
}
