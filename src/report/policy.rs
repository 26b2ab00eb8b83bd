//! What a machine does whose first boot failed: the policy of the config and of the kernel arguments, and what follows
//! from it. Nothing here asks a machine.

use std::fmt;
use std::time::Duration;

use kindling_config_spec::types::kindling::OnFailure;

use crate::fetch::argument;

/// Where the policy of the config is kept, in the directory of a boot's reports: `kindling.onFailure` as JSON.
pub const FILE: &str = "policy.json";

/// The kernel argument: `ACTION[,SECONDS[,ATTEMPTS]]`.
pub const ARGUMENT: &str = "kindling.onfailure";

/// The kernel argument with the number of seconds since the kernel's start by which the root must have been switched.
pub const DEADLINE: &str = "kindling.deadline";

/// Seconds until the action where nobody says (docs/config-spec.md, `kindling.onFailure`).
const DELAY_SECONDS: u32 = 30;
/// The most that the config may say there.
const DELAY_LIMIT: u32 = 86_400;
/// The most attempts that the config may say.
const ATTEMPTS_LIMIT: u32 = 1000;

/// What the machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It stays as it is, with the record on the console.
    Emergency,
    /// It boots again.
    Reboot,
    /// It powers off.
    Poweroff,
    /// It stops, with its power on.
    Halt,
}

impl Action {
    const ALL: [Self; 4] = [Self::Emergency, Self::Reboot, Self::Poweroff, Self::Halt];

    /// The word of configs and kernel arguments, which is also systemctl's for all but the first.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Reboot => "reboot",
            Self::Poweroff => "poweroff",
            Self::Halt => "halt",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// What the machine does, as one says it.
    fn said(self) -> &'static str {
        match self {
            Self::Emergency => "stays as it is",
            Self::Reboot => "boots again",
            Self::Poweroff => "powers off",
            Self::Halt => "halts",
        }
    }
}

/// What is done, when, and how often in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What.
    pub action: Action,
    /// Seconds between the record and the action.
    pub delay_seconds: u32,
    /// How often in a row the machine may boot again; `None` is no limit.
    pub attempts: Option<u32>,
}

/// What a policy comes to once it is known how often the machine has booted again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The machine stays as it is; the reason where the policy says something else.
    Stay(Option<String>),
    /// It does this after this time. The number is what to keep as the count of attempts, before.
    Act(Action, Duration, Option<u32>),
}

impl Policy {
    /// The policy of a boot. What stands further up counts, member by member: the kernel argument
    /// `kindling.onfailure=ACTION[,SECONDS[,ATTEMPTS]]`, the config, dracut's `rd.emergency=ACTION` (which knows no delay),
    /// the usual. The second value tells what of the arguments is not understood and so counts for nothing.
    #[must_use]
    pub fn of(command_line: &str, config: &OnFailure) -> (Self, Option<String>) {
        let given = argument(command_line, ARGUMENT);
        let (given, fault) = match given.as_deref().map(Given::parse) {
            None => (Given::default(), None),
            Some(Ok(given)) => (given, None),
            Some(Err(fault)) => (Given::default(), Some(fault)),
        };
        let within = |value: Option<i64>, limit: u32| {
            value
                .and_then(|value| u32::try_from(value).ok())
                .map(|v| v.min(limit))
        };
        let of_dracut = argument(command_line, "rd.emergency").and_then(|word| Action::from_name(&word));
        let of_config = config.action.as_deref().and_then(Action::from_name);
        let ours = given.action.or(of_config);
        let usual_delay = match (ours, of_dracut) {
            (None, Some(_)) => 0,
            _ => DELAY_SECONDS,
        };
        let policy = Self {
            action: ours.or(of_dracut).unwrap_or(Action::Emergency),
            delay_seconds: given
                .delay_seconds
                .or(within(config.delay_seconds, DELAY_LIMIT))
                .unwrap_or(usual_delay),
            attempts: given.attempts.or(within(config.attempts, ATTEMPTS_LIMIT)),
        };
        (policy, fault)
    }

    /// Whether it takes a count of attempts to decide.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.action == Action::Reboot && self.attempts.is_some()
    }

    /// What the machine does, when it has booted again `made` times in a row; the reason where that cannot be known.
    #[must_use]
    pub fn verdict(&self, made: Result<u32, String>) -> Verdict {
        let after = Duration::from_secs(u64::from(self.delay_seconds));
        match (self.action, self.attempts, made) {
            (Action::Emergency, _, _) => Verdict::Stay(None),
            (Action::Reboot, Some(limit), Ok(made)) if made < limit => {
                Verdict::Act(Action::Reboot, after, Some(made + 1))
            }
            (Action::Reboot, Some(limit), Ok(_)) => Verdict::Stay(Some(format!(
                "it has booted again {} in a row, which is the limit (attempts)",
                times(limit)
            ))),
            (Action::Reboot, Some(_), Err(why)) => Verdict::Stay(Some(format!(
                "it would boot again, but cannot count its attempts: {why}"
            ))),
            (action, _, _) => Verdict::Act(action, after, None),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{},{}", self.action.name(), self.delay_seconds)?;
        self.attempts
            .map_or(Ok(()), |attempts| write!(out, ",{attempts}"))
    }
}

impl Verdict {
    /// The line below the record: what happens now, and when.
    #[must_use]
    pub fn line(&self, policy: &Policy) -> String {
        match self {
            Self::Stay(why) => {
                let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
                format!(
                    "kindling: this machine stays as it is{why}. Enter shows the record again; rd.shell=1 gives a shell on \
                     the next boot."
                )
            }
            Self::Act(action, after, count) => {
                let when = match after.as_secs() {
                    0 => "now".to_owned(),
                    seconds => format!("in {seconds} s"),
                };
                let count = match (count, policy.attempts) {
                    (Some(count), Some(limit)) => format!(" (attempt {count} of {limit})"),
                    _ => String::new(),
                };
                format!("kindling: this machine {} {when}{count}", action.said())
            }
        }
    }
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        several => format!("{several} times"),
    }
}

/// What the kernel argument says.
#[derive(Default)]
struct Given {
    action: Option<Action>,
    delay_seconds: Option<u32>,
    attempts: Option<u32>,
}

impl Given {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "{ARGUMENT}={text} counts for nothing: write ACTION[,SECONDS[,ATTEMPTS]] with emergency, reboot, poweroff or \
                 halt, up to {DELAY_LIMIT} seconds, 1 to {ATTEMPTS_LIMIT} attempts"
            )
        };
        let mut parts = text.split(',');
        let action = parts.next().and_then(Action::from_name).ok_or_else(fault)?;
        let mut number = |least: u32, most: u32| {
            let number = parts
                .next()
                .map(|part| part.parse().map_err(|_| fault()))
                .transpose()?;
            match number {
                Some(number) if !(least..=most).contains(&number) => Err(fault()),
                number => Ok(number),
            }
        };
        let given = Self {
            action: Some(action),
            delay_seconds: number(0, DELAY_LIMIT)?,
            attempts: number(1, ATTEMPTS_LIMIT)?,
        };
        match parts.next() {
            None => Ok(given),
            Some(_) => Err(fault()),
        }
    }
}

/// Whether the kernel arguments ask for a root shell: `rd.shell` or `systemd.debug_shell`, bare or with a word for yes, the
/// last of each; `rd.break`, bare or with a place; or a boot to emergency or rescue mode, where the last word on what the
/// initramfs boots to counts (systemd(1), "KERNEL COMMAND LINE"; those without `rd.` are for the real root). Nothing else
/// gives one on a first boot that failed.
#[must_use]
pub fn asks_for_shell(command_line: &str) -> bool {
    let last = |is_one: &dyn Fn(&str, Option<&str>) -> bool| {
        let mut words = command_line
            .split_whitespace()
            .map(|word| match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            });
        words.rfind(|(name, value)| is_one(name, *value))
    };
    let is_yes = |value: Option<&str>| value.is_none_or(|word| YES.contains(&word));
    let is_place = |value: Option<&str>| value.is_none_or(|word| !word.is_empty() && !NO.contains(&word));
    // With a value `rd.emergency` is dracut's.
    let is_unit = |name: &str, value: Option<&str>| match value {
        Some(_) => name == "rd.systemd.unit",
        None => matches!(name, "rd.emergency" | "rd.rescue"),
    };
    last(&|name, _| name == "rd.shell").is_some_and(|(_, value)| is_yes(value))
        || last(&|name, _| matches!(name, "systemd.debug_shell" | "systemd.debug-shell"))
            .is_some_and(|(_, value)| is_yes(value))
        || last(&|name, _| name == "rd.break").is_some_and(|(_, value)| is_place(value))
        || last(&is_unit).is_some_and(|(_, value)| value.is_none_or(|unit| SHELL_UNITS.contains(&unit)))
}

/// Units of systemd that give a shell and do nothing else.
const SHELL_UNITS: [&str; 4] = [
    "emergency.target",
    "emergency.service",
    "rescue.target",
    "rescue.service",
];
/// systemd's words for a true and a false boolean (`parse_boolean`, systemd's basic/parse-util.c).
const YES: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];
const NO: [&str; 6] = ["0", "no", "n", "false", "f", "off"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command_line: &str, config: &str) -> String {
        let config: OnFailure = serde_json::from_str(config).unwrap();
        let (policy, fault) = Policy::of(command_line, &config);
        format!("{policy}{}", if fault.is_some() { " fault" } else { "" })
    }

    #[test]
    fn arguments_stand_above_the_config_and_that_above_dracuts() {
        let full = r#"{"action": "reboot", "delaySeconds": 60, "attempts": 5}"#;
        for (arguments, config, policy) in [
            ("quiet", "{}", "emergency,30"),
            ("quiet", full, "reboot,60,5"),
            ("kindling.onfailure=poweroff", full, "poweroff,60,5"),
            ("kindling.onfailure=reboot,0,1", full, "reboot,0,1"),
            ("kindling.onfailure=reboot,0", "{}", "reboot,0"),
            (
                "kindling.onfailure=halt kindling.onfailure=emergency kindling.onfailure=",
                "{}",
                "emergency,30",
            ),
            ("rd.shell=0 rd.emergency=poweroff", "{}", "poweroff,0"),
            ("rd.emergency=poweroff", r#"{"delaySeconds": 7}"#, "poweroff,7"),
            ("rd.emergency=poweroff", full, "reboot,60,5"),
            ("rd.emergency=sleep", "{}", "emergency,30"),
            (
                "rd.emergency=poweroff kindling.onfailure=emergency",
                "{}",
                "emergency,30",
            ),
        ] {
            assert_eq!(of(arguments, config), policy, "{arguments} {config}");
        }
    }

    #[test]
    fn an_argument_that_is_not_understood_counts_for_nothing_and_is_told() {
        for value in [
            "sleep",
            "reboot,",
            "reboot,x",
            "reboot,-1",
            "reboot,86401",
            "reboot,1,0",
            "reboot,1,1001",
            "reboot,1,2,3",
            "Reboot",
            ",5",
        ] {
            let line = format!("{ARGUMENT}={value}");
            assert_eq!(of(&line, r#"{"action": "halt"}"#), "halt,30 fault", "{value}");
        }
    }

    #[test]
    fn attempts_are_bounded_and_without_a_count_there_is_none() {
        let policy = |attempts| Policy {
            action: Action::Reboot,
            delay_seconds: 5,
            attempts,
        };
        let after = Duration::from_secs(5);
        let reboot = |count| Verdict::Act(Action::Reboot, after, count);
        let unknown = || Err("there is no root".to_owned());
        assert_eq!(policy(None).verdict(unknown()), reboot(None));
        assert_eq!(policy(Some(2)).verdict(Ok(0)), reboot(Some(1)));
        assert_eq!(policy(Some(2)).verdict(Ok(1)), reboot(Some(2)));
        for (made, reason) in [
            (Ok(2), "2 times in a row"),
            (Ok(7), "2 times in a row"),
            (unknown(), "cannot count its attempts: there is no root"),
        ] {
            let verdict = policy(Some(2)).verdict(made);
            let line = verdict.line(&policy(Some(2)));
            assert!(
                matches!(verdict, Verdict::Stay(Some(_))) && line.contains(reason),
                "{line}"
            );
        }
        let halt = Policy {
            action: Action::Halt,
            ..policy(Some(1))
        };
        assert_eq!(halt.verdict(unknown()), Verdict::Act(Action::Halt, after, None));
    }

    #[test]
    fn the_line_says_what_happens_and_when() {
        let (policy, _) = Policy::of("kindling.onfailure=reboot,60,5", &OnFailure::default());
        assert_eq!(
            policy.verdict(Ok(1)).line(&policy),
            "kindling: this machine boots again in 60 s (attempt 2 of 5)"
        );
        let (policy, _) = Policy::of("kindling.onfailure=poweroff,0", &OnFailure::default());
        assert_eq!(
            policy.verdict(Ok(0)).line(&policy),
            "kindling: this machine powers off now"
        );
    }

    #[test]
    fn only_words_that_mean_it_ask_for_a_shell() {
        for (line, asked) in [
            ("quiet", false),
            ("rd.shell", true),
            ("rd.shell=1", true),
            ("rd.shell=on", true),
            ("rd.shell=0", false),
            ("rd.shell=", false),
            ("rd.shell=maybe", false),
            ("rd.shell=1 rd.shell=0", false),
            ("rd.shell=0 rd.shell", true),
            ("rd.shellx=1 ard.shell=1 x=rd.shell", false),
            ("rd.break", true),
            ("rd.break=pre-mount", true),
            ("rd.break=", false),
            ("rd.break=0", false),
            ("rd.break=pre-mount rd.shell=0", true),
            ("rd.breakpoint", false),
            ("systemd.debug_shell", true),
            ("systemd.debug-shell=1", true),
            ("systemd.debug_shell=1 systemd.debug-shell=no", false),
            ("debug_shell=1", false),
            ("rd.systemd.unit=emergency.target", true),
            ("rd.systemd.unit=rescue.target", true),
            (
                "rd.systemd.unit=emergency.service rd.systemd.unit=initrd.target",
                false,
            ),
            ("rd.systemd.unit=initrd.target rd.rescue", true),
            ("rd.emergency rd.systemd.unit=initrd.target", false),
            ("rd.emergency", true),
            ("rd.emergency rd.emergency=reboot", true),
            ("rd.emergency=reboot", false),
            // Of the real root, which this boot comes to afterwards.
            ("systemd.unit=emergency.target", false),
            ("emergency rescue single s S 1 -b", false),
        ] {
            assert_eq!(asks_for_shell(line), asked, "{line}");
        }
    }
}
