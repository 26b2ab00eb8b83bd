//! Our own commands: which there are, and what runs each.

use std::ffi::OsString;
use std::time::Duration;

use kindling_config_spec::Language;
use kindling_config_spec::version::NEWEST_STABLE;

use super::words::{self, Command, Flag, Given, Need, Parsed, Positional};
use super::{
    USAGE, apply, complain, convert, emergency, first_boot, inspect, join, metadata, plan, platforms,
    preflight, print, report, run_stage, validate,
};
use crate::plan::Stage;
use crate::stages::Options;

/// Runs a command whose line is read, and returns its exit status, or what is wrong with the line after all.
type Run = fn(&Given) -> Result<u8, String>;

/// In the order of the help.
static COMMANDS: [(&Command, Run); 14] = [
    (&plan::COMMAND, plan::main),
    (&apply::COMMAND, apply::main),
    (&SCHEMA, schema),
    (&validate::COMMAND, validate::main),
    (&convert::COMMAND, convert::main),
    (&inspect::COMMAND, inspect::main),
    (&metadata::COMMAND, metadata::own),
    (&platforms::COMMAND, platforms::main),
    (&report::COMMAND, report::main),
    (&preflight::COMMAND, preflight::main),
    (&first_boot::COMMAND, first_boot::main),
    (&join::COMMAND, join::main),
    (&STAGE, stage),
    (&emergency::COMMAND, emergency::main),
];

static SCHEMA: Command = Command {
    name: "schema",
    about: "Print a JSON Schema of the config language, for editors.",
    positional: Some(Positional {
        name: "VERSION",
        help: "A spec version, or `kindling` for the extension alone; the newest stable version if not given.",
        need: Need::Optional,
    }),
    flags: &[],
};

static STAGE: Command = Command {
    name: "stage",
    about: "Run one stage, in the initramfs.",
    positional: Some(Positional {
        name: "NAME",
        help: "fetch-offline, fetch, kargs, disks, mount, files or umount.",
        need: Need::One,
    }),
    flags: &[
        Flag::with(
            "platform",
            "ID",
            "Where the config comes from, as `ignition.platform.id` names it. Has to be given.",
        ),
        Flag::with("root", "DIR", "The target's root (/ if not given)."),
        Flag::bare(
            "log-to-stdout",
            "Log to standard output instead of the system log.",
        ),
    ],
};

/// Runs the process and returns its exit status: help goes to standard output with 0, mistakes to standard error with 2.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    let Some((name, rest)) = arguments.split_first() else {
        complain(help().trim_end());
        return USAGE;
    };
    match name.to_str() {
        Some("-h" | "--help") => return print(help().trim_end()),
        Some("-V" | "--version") => return print(concat!("kindling ", env!("CARGO_PKG_VERSION"))),
        _ => {}
    }
    let Some((command, run)) = COMMANDS.iter().find(|(command, _)| name == command.name) else {
        complain(&format!(
            "kindling: there is no command {name:?}\n{USE}\n       kindling --help lists them"
        ));
        return USAGE;
    };
    let ended = match words::parse(command, rest) {
        Ok(Parsed::Help) => return print(words::help(command).trim_end()),
        Ok(Parsed::Given(given)) => run(&given),
        Err(message) => Err(message),
    };
    match ended {
        Ok(status) => status,
        Err(message) => {
            complain(&words::mistake(command, &message));
            USAGE
        }
    }
}

const USE: &str = "usage: kindling COMMAND [flags]";

fn help() -> String {
    /// Where the texts begin; every name is shorter.
    const TEXTS: usize = 17;
    let mut text = format!("First boot, from config to node.\n\n{USE}\n\n");
    for (command, _) in &COMMANDS {
        words::entry(&mut text, command.name, TEXTS, command.about);
    }
    text.push('\n');
    words::entry(
        &mut text,
        "-h, --help",
        TEXTS,
        "Print this; behind a command, what it takes.",
    );
    words::entry(&mut text, "-V, --version", TEXTS, "Print the version.");
    text
}

fn stage(given: &Given) -> Result<u8, String> {
    let platform = given.text("platform")?.ok_or("give --platform ID")?;
    let name = given.word().to_string_lossy();
    let Some(stage) = Stage::asked(&name) else {
        let known: Vec<&str> = Stage::ALL.iter().map(|stage| stage.name()).collect();
        complain(&format!(
            "unknown stage {name:?}; known are: {}",
            known.join(", ")
        ));
        return Ok(USAGE);
    };
    let options = Options {
        stage,
        platform: platform.to_owned(),
        root: given.path("root").unwrap_or_else(|| "/".into()),
        config_cache: "/run/ignition.json".into(),
        state_file: "/run/ignition/state".into(),
        neednet: "/run/ignition/neednet".into(),
        fetch_timeout: Duration::from_secs(120),
    };
    Ok(run_stage(&options, given.is("log-to-stdout")))
}

fn schema(given: &Given) -> Result<u8, String> {
    let version = match given.positionals.first() {
        Some(word) => word.to_string_lossy(),
        None => NEWEST_STABLE.as_str().into(),
    };
    let Some(language) = Language::from_name(&version) else {
        let known: Vec<String> = Language::all().map(|language| language.to_string()).collect();
        complain(&format!(
            "no schema of {version:?}; there are: {}",
            known.join(", ")
        ));
        return Ok(USAGE);
    };
    let schema = kindling_config_spec::schema(language);
    Ok(print(&kindling_config_spec::json::pretty(&schema)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with a line. Lines that are right are none of this test's: their commands would run.
    fn mistake(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let found = COMMANDS.iter().find(|(command, _)| words[0] == command.name);
        let (command, run) = found.unwrap();
        match words::parse(command, &words[1..]) {
            Ok(Parsed::Given(given)) => run(&given).unwrap_err(),
            Ok(Parsed::Help) => panic!("{line}: help"),
            Err(message) => message,
        }
    }

    #[test]
    fn the_tables_are_sound() {
        let mut names: Vec<&str> = Vec::new();
        for (command, _) in &COMMANDS {
            assert_eq!(command.faults(), Vec::<String>::new(), "{}", command.name);
            assert!(!names.contains(&command.name), "{}", command.name);
            assert!(
                help().contains(&format!("\n  {} ", command.name)),
                "{}",
                command.name
            );
            names.push(command.name);
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (line, message) in [
            ("plan", "CONFIG is missing"),
            ("plan a b", "unexpected argument \"b\""),
            ("plan a --format yaml", "--format is \"yaml\"; give text|json"),
            ("plan a --format sarif", "--format is \"sarif\"; give text|json"),
            ("plan a --root=/a --root=/b", "--root is given twice"),
            (
                "plan a --inventory b --image /dev/vda=c",
                "--inventory and --image exclude each other",
            ),
            (
                "plan a --image b.img",
                "--image is \"b.img\"; write it like /dev/vda=disk.img or /dev/vda=disk.img:4096",
            ),
            ("apply a", "give --root DIR, --image [DEVICE=]FILE or --split DIR"),
            (
                "apply a --offline",
                "give --root DIR, --image [DEVICE=]FILE or --split DIR",
            ),
            (
                "apply a --root b --image c",
                "--root and --image exclude each other",
            ),
            (
                "convert a --to 3.1.0 --minimal",
                "--to and --minimal exclude each other",
            ),
            ("inspect", "give a root, or --disks"),
            ("inspect / --disks", "a root and --disks exclude each other"),
            ("validate", "CONFIG is missing"),
            (
                "validate a --format yaml",
                "--format is \"yaml\"; give text|json|sarif",
            ),
            (
                "validate a --disk /dev/vda",
                "--disk is \"/dev/vda\"; write it like /dev/vda=20GiB or /dev/vda=20GiB:4096",
            ),
            ("metadata multi", "unexpected argument \"multi\""),
            ("metadata --check-in=yes", "--check-in takes no value"),
            (
                "platforms --format text,",
                "--format is \"text,\"; give text|json",
            ),
            ("report --verify --verify", "--verify is given twice"),
            (
                "report --from a --verify",
                "--from and --verify exclude each other",
            ),
            ("report --from a --root b", "--from and --root exclude each other"),
            ("report --verify --format html", "--verify prints text or json"),
            ("first-boot", "WHAT is missing"),
            ("first-boot begin", "\"begin\" is neither check nor done"),
            ("first-boot check --stamp=/boot/s", "--stamp goes with done"),
            ("report /", "unexpected argument \"/\""),
            (
                "emergency --deadline --before-shell",
                "--before-shell and --deadline exclude each other",
            ),
            ("stage", "NAME is missing"),
            ("stage files", "give --platform ID"),
        ] {
            assert_eq!(mistake(line), message, "{line}");
        }
        let version = mistake("convert a --to 9");
        assert!(
            version.starts_with("--to is \"9\"; ") && version.contains("there are 3.0.0, "),
            "{version}"
        );
    }
}
