//! The benchmark of whole first boots: the same machine with this project's units and engine, and with those of the
//! distribution's package of the reference, in turn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::table::Times;
use super::{Engine, Verdict};
use crate::reference;
use crate::run;
use crate::scenario::{self, Built, End, Node, ScenarioError, UserData};
use crate::workspace;

/// How often each boots.
const ROUNDS: usize = 3;

/// The reference labels files also where there is no policy, and fails without one.
const POLICY: &str = "mount -o loop \"$0\" /mnt && mkdir -p /mnt/etc/selinux/targeted/contexts/files && \
                      printf 'SELINUX=permissive\\nSELINUXTYPE=targeted\\n' >/mnt/etc/selinux/config && \
                      : >/mnt/etc/selinux/targeted/contexts/files/file_contexts && umount /mnt";

/// Prints what both add to the initramfs; then boots both in turn and prints what the initramfs, from its start to the switch of
/// the root, and each stage of it took.
///
/// # Errors
/// [`ScenarioError`] when no guest could be started; what goes wrong in the guest is in the output and the verdict.
pub fn run(built: &Built, pipe: &Path, out: &mut dyn Write) -> Result<Verdict, ScenarioError> {
    super::added::run(built, out)?;
    // Nobody may be listening any more; the verdict does not depend on that.
    let mut say = |text: &str| drop(writeln!(out, "{text}").and_then(|()| out.flush()));
    let mut rows: BTreeMap<String, [Vec<Duration>; 2]> = BTreeMap::new();
    for round in 1..=ROUNDS {
        say(&format!("round {round} of {ROUNDS}"));
        for engine in Engine::ALL {
            let mut node = machine(built, pipe, engine)?;
            let boot = node.boot(&mut |_| {})?;
            let End::Reported(report) = &boot.end else {
                say(&format!(
                    "{engine:?} did not come up; its console ends with:\n{}",
                    boot.tail(40)
                ));
                return Ok(Verdict::Failed);
            };
            for (name, took) in times(report.lines("times")) {
                rows.entry(name).or_default()[engine as usize].push(took);
            }
        }
    }
    say(render(&rows).trim_end());
    Ok(Verdict::Measured)
}

fn machine(built: &Built, pipe: &Path, engine: Engine) -> Result<Node, ScenarioError> {
    let config = UserData::Firmware(workspace::root().join("tests/vm/bench/boot.ign"));
    let name = match engine {
        Engine::Ours => "bench-ours",
        Engine::Reference => "bench-reference",
    };
    let mut node = Node::new(name, built, &config, pipe, scenario::worker_offer())?;
    let disk = node.root_disk().as_os_str().to_owned();
    let log = node.folder().join("policy.log");
    let script = ["--mount", "sh", "-c", POLICY];
    let mut command = run::as_root("unshare").map_err(ScenarioError::Tool)?;
    run::to_end("unshare", command.args(script).arg(disk), &log).map_err(ScenarioError::Tool)?;
    if engine == Engine::Reference {
        node.take_units_of_reference(reference::Engine::Reference)?;
    }
    Ok(node)
}

/// What the initramfs took, and each of its stages, by the times that systemd and the journal have of them.
fn times(lines: &[String]) -> Vec<(String, Duration)> {
    let property = |name: &str| {
        let value = lines
            .iter()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(Duration::from_micros(value.parse().ok()?))
    };
    let whole = property("UserspaceTimestampMonotonic").zip(property("InitRDTimestampMonotonic"));
    let mut found: Vec<(String, Duration)> = whole
        .map(|(end, start)| ("initramfs".to_owned(), end.saturating_sub(start)))
        .into_iter()
        .collect();
    let mut begun: BTreeMap<&str, Duration> = BTreeMap::new();
    for line in lines {
        // `[   12.345678] host systemd[1]: Starting ignition-disks.service - Ignition (disks)...`
        let Some((at, said)) = line.trim_start_matches('[').split_once(']') else {
            continue;
        };
        let Ok(seconds) = at.trim().parse() else { continue };
        let at = Duration::from_secs_f64(seconds);
        let mut words = said.split_whitespace().skip(2);
        let (Some(verb), Some(unit)) = (words.next(), words.next()) else {
            continue;
        };
        let stage = unit.trim_start_matches("ignition-").trim_end_matches(".service");
        match verb {
            "Starting" => drop(begun.insert(stage, at)),
            "Finished" => {
                if let Some(start) = begun.remove(stage) {
                    found.push((format!("  {stage}"), at.saturating_sub(start)));
                }
            }
            _ => {}
        }
    }
    found
}

fn render(rows: &BTreeMap<String, [Vec<Duration>; 2]>) -> String {
    let mut text = format!(
        "\n{:<36}{:>22}{:>22}{:>8}\n",
        "first boot, ms: median (lowest–highest)", "ours", "reference", "ratio"
    );
    // The whole first; the stages begin with spaces.
    let (whole, stages): (Vec<_>, Vec<_>) = rows.iter().partition(|(name, _)| !name.starts_with(' '));
    for (name, samples) in whole.into_iter().chain(stages) {
        let [ours, reference] = samples.each_ref().map(|times| Times::of(times.iter().copied()));
        let shown = |times: Option<Times>| times.map_or_else(|| "–".to_owned(), Times::text);
        let ratio = ours.zip(reference).map_or_else(
            || "–".to_owned(),
            |(ours, reference)| format!("{:.2}", ours.median / reference.median),
        );
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{name:<36}{:>22}{:>22}{ratio:>8}",
            shown(ours),
            shown(reference)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_systemd_and_of_the_journal() {
        let lines = [
            "InitRDTimestampMonotonic=1500000",
            "UserspaceTimestampMonotonic=9000000",
            "[    4.250000] localhost systemd[1]: Starting ignition-disks.service - Ignition (disks)...",
            "[    5.000000] localhost systemd[1]: Finished ignition-disks.service - Ignition (disks).",
            "[    6.000000] localhost systemd[1]: Starting ignition-files.service - Ignition (files)...",
            "[    7.000000] localhost systemd[1]: ignition-files.service: Deactivated successfully.",
        ];
        let lines = lines.map(str::to_owned);
        let ms = Duration::from_millis;
        assert_eq!(
            times(&lines),
            [
                ("initramfs".to_owned(), ms(7500)),
                ("  disks".to_owned(), ms(750))
            ]
        );
        assert_eq!(times(&[]), []);
    }
}
