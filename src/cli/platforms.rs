//! `kindling platforms`: where configs can come from, and which platform the firmware of this machine speaks for.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use kindling_config_spec::json;
use serde::Serialize;

use kindling_platforms::dmi::{Dmi, Hint, hints};
use kindling_platforms::{ALL, Reach};

use super::words::{Command, Flag, Given};
use super::{Format, environment, print};
use crate::fetch::argument;

/// What it takes.
pub(super) static COMMAND: Command = Command {
    name: "platforms",
    about: "List where configs can come from, and which platform the firmware of this machine speaks for.",
    positional: None,
    flags: &[Flag::one_of(
        "format",
        Format::CHOICES,
        "How to print it (text if not given).",
    )],
};

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    platforms: Vec<Row>,
    /// What the kernel arguments name.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<String>,
    hints: Vec<Hinted>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: &'static str,
    before_network: bool,
    config: &'static str,
}

#[derive(Serialize)]
struct Hinted {
    platform: &'static str,
    why: String,
}

/// Runs the command and returns its exit status.
///
/// # Errors
/// None: there is one flag.
pub(super) fn main(given: &Given) -> Result<u8, String> {
    let listed = list(&dmi(Path::new("/sys/class/dmi/id")), told());
    Ok(match Format::of(given) {
        Format::Text => print(text(&listed).trim_end()),
        Format::Json => print(&json::pretty(&listed)),
    })
}

/// Fields the firmware does not have, or that only root may read, say nothing.
fn dmi(directory: &Path) -> Dmi {
    Dmi::from_values(Dmi::FILES.map(|file| fs::read_to_string(directory.join(file)).unwrap_or_default()))
}

fn told() -> Option<String> {
    let line = fs::read_to_string(environment().ok()?.command_line).ok()?;
    argument(&line, "ignition.platform.id")
}

fn list(dmi: &Dmi, told: Option<String>) -> Listed {
    let rows = ALL.iter().map(|platform| Row {
        id: platform.id().as_str(),
        before_network: platform.reach() == Reach::Local,
        config: platform.place(),
    });
    let hinted = |Hint { platform, why }| Hinted { platform, why };
    Listed {
        platforms: rows.collect(),
        told,
        hints: hints(dmi).into_iter().map(hinted).collect(),
    }
}

fn text(listed: &Listed) -> String {
    let mut text = format!("{:<18}{:<20}config\n", "platform", "before the network");
    for row in &listed.platforms {
        let before = if row.before_network { "yes" } else { "no" };
        let _ = writeln!(text, "{:<18}{before:<20}{}", row.id, row.config);
    }
    text.push('\n');
    let _ = match &listed.told {
        Some(id) => writeln!(text, "The kernel arguments say: ignition.platform.id={id}"),
        None => writeln!(
            text,
            "The kernel arguments name no platform (ignition.platform.id)."
        ),
    };
    if listed.hints.is_empty() {
        text.push_str("The firmware speaks for none of them.\n");
    }
    for hint in &listed.hints {
        let _ = writeln!(text, "The firmware speaks for {}: {}.", hint.platform, hint.why);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_line_and_the_firmware_is_heard() {
        let dmi = Dmi {
            vendor: "Hetzner".to_owned(),
            ..Dmi::default()
        };
        let text = text(&list(&dmi, Some("metal".to_owned())));
        for platform in ALL {
            let start = format!("{:<18}", platform.id().as_str());
            assert!(text.lines().any(|line| line.starts_with(&start)), "{start}");
        }
        assert!(text.ends_with(
            "The kernel arguments say: ignition.platform.id=metal\n\
             The firmware speaks for hetzner: sys_vendor is \"Hetzner\".\n"
        ));
    }

    #[test]
    fn a_machine_that_says_nothing_is_told_so() {
        let text = text(&list(&dmi(Path::new("/nowhere")), None));
        assert!(text.ends_with(
            "The kernel arguments name no platform (ignition.platform.id).\n\
             The firmware speaks for none of them.\n"
        ));
    }
}
