//! The command line of the reference's stage runner (engine.md 1.3).

use std::ffi::OsString;
use std::path::PathBuf;

use super::flags::{self, Flags, Takes};
use super::{USAGE, complain, run_stage};
use crate::plan::Stage;
use crate::stages::Options;

const KNOWN: &[(&str, Takes)] = &[
    ("config-cache", Takes::Value),
    ("fetch-timeout", Takes::Value),
    ("log-to-stdout", Takes::Boolean),
    ("neednet", Takes::Value),
    ("platform", Takes::Value),
    ("root", Takes::Value),
    ("stage", Takes::Value),
    ("state-file", Takes::Value),
    ("version", Takes::Boolean),
    ("h", Takes::Boolean),
    ("help", Takes::Boolean),
];

const HELP: &str = "usage: ignition -platform NAME -stage NAME [flags]
  -config-cache PATH     the rendered config (default /run/ignition.json)
  -fetch-timeout TIME    time for the first config, such as 2m0s (the default); 0s for no limit
  -log-to-stdout         log to standard output instead of the system log
  -neednet PATH          marker that asks for the network (default /run/ignition/neednet)
  -platform NAME         where the config comes from
  -root PATH             the target's root (default /)
  -stage NAME            fetch-offline, fetch, kargs, disks, mount, files or umount
  -state-file PATH       what stages hand to each other (default /run/ignition/state)
  -version               print the version";

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    match resolve(arguments) {
        Ok(Wish::Help) => {
            complain(HELP);
            0
        }
        Ok(Wish::Version) => super::print(&format!("Ignition {}", version())),
        Ok(Wish::Run {
            options,
            log_to_stdout,
        }) => run_stage(&options, log_to_stdout),
        Err(message) => {
            complain(&message);
            complain(HELP);
            USAGE
        }
    }
}

/// The version that stands behind `Ignition/` in requests too.
pub(super) fn version() -> &'static str {
    crate::host::http::AGENT.trim_start_matches("Ignition/")
}

enum Wish {
    Help,
    Version,
    Run {
        options: Box<Options>,
        log_to_stdout: bool,
    },
}

fn resolve(arguments: &[OsString]) -> Result<Wish, String> {
    // Units pass an empty argument behind the flags.
    let (flags, _) = flags::parse(arguments, KNOWN)?;
    if flags::boolean(&flags, "h")? || flags::boolean(&flags, "help")? {
        return Ok(Wish::Help);
    }
    let log_to_stdout = flags::boolean(&flags, "log-to-stdout")?;
    if flags::boolean(&flags, "version")? {
        return Ok(Wish::Version);
    }
    let text = |name: &str| flags.get(name).map(|value| value.to_string_lossy().into_owned());
    let platform = text("platform").ok_or("'-platform' must be provided")?;
    let stage = text("stage").ok_or("'-stage' must be provided")?;
    let stage = Stage::asked(&stage).ok_or(format!("unknown stage {stage:?}"))?;
    let fetch_timeout = flags::duration(text("fetch-timeout").as_deref().unwrap_or("2m0s"))?;
    let options = Options {
        stage,
        platform,
        root: path(&flags, "root", "/"),
        config_cache: path(&flags, "config-cache", "/run/ignition.json"),
        state_file: path(&flags, "state-file", "/run/ignition/state"),
        neednet: path(&flags, "neednet", "/run/ignition/neednet"),
        fetch_timeout,
    };
    Ok(Wish::Run {
        options: Box::new(options),
        log_to_stdout,
    })
}

fn path(flags: &Flags, name: &str, usual: &str) -> PathBuf {
    flags
        .get(name)
        .map_or_else(|| PathBuf::from(usual), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_command_line_is_understood() {
        let words = ["--root=/sysroot", "--platform=qemu", "--stage=files", ""];
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let Ok(Wish::Run {
            options,
            log_to_stdout: false,
        }) = resolve(&words)
        else {
            panic!("refused")
        };
        assert_eq!(
            (options.stage, options.root),
            (Stage::Files, PathBuf::from("/sysroot"))
        );
        assert_eq!(options.config_cache, PathBuf::from("/run/ignition.json"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for (words, message) in [
            (vec!["-stage", "files"], "'-platform' must be provided"),
            (vec!["-platform", "qemu"], "'-stage' must be provided"),
            (
                vec!["-platform", "qemu", "-stage", "boot"],
                "unknown stage \"boot\"",
            ),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(resolve(&words).err().as_deref(), Some(message));
        }
    }
}
