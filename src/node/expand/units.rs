//! The units: the kubelet's drop-in, and what joins, in its order around it (docs/boot-flow.md).

use kindling_config_spec::types::kindling::Node;
use kindling_config_spec::types::{Config, Dropin, Unit};

use super::kubelet::{flags, labels};
use super::{Facts, Made};
use crate::node::handed::{DIRECTORY, FILE, Layout, Mode, PENDING, Severity};

const KUBELET: &str = "/kindling/node/kubelet";
const BOOTSTRAP: &str = "/kindling/node/bootstrap";

/// Joins, or looks at the machine before the kubelet does.
const JOIN: &str = "kindling-join.service";
/// Tells what becomes of the node.
const FOLLOW: &str = "kindling-join-follow.service";
/// What waits for a join that succeeds late.
const JOINED: &str = "kindling-joined.target";

/// Units that end a first boot, ours and those of distributions that we know. Each one counts where it is there. They are held by
/// a condition and started by the target: ordered behind the join, they would be in the way of what others order between
/// them and the container runtime.
const FIRST_BOOT_ENDS: [&str; 4] = [
    "kindling-first-boot-done.service",
    "kindling-firstboot-complete.service",
    "coreos-ignition-firstboot-complete.service",
    "ignition-firstboot-complete.service",
];

pub(super) fn make(made: &mut Made, config: &Config, facts: Facts<'_>) {
    let (join, section) = (facts.join, &config.kindling.node);
    let joins = join.server.is_some();
    if joins {
        let unit = Unit {
            name: join.unit.clone(),
            enabled: Some(true),
            dropins: vec![dropin(
                "50-kindling.conf",
                kubelet_dropin(section, facts, says_what_runs(config, &join.unit)),
            )],
            ..Unit::default()
        };
        made.units.push((KUBELET, unit));
    }
    // Also where nothing is joined: the machine is looked at, and that the ways to log in are closed.
    made.units.push((BOOTSTRAP, service(JOIN, join_service(facts))));
    if !joins {
        return;
    }
    made.units
        .push((BOOTSTRAP, service(FOLLOW, follow_service(facts))));
    let mut late = vec![join.unit.as_str(), FOLLOW];
    if join.mode == Mode::Native {
        late.extend(FIRST_BOOT_ENDS);
        for name in FIRST_BOOT_ENDS {
            let unit = Unit {
                name: name.to_owned(),
                dropins: vec![dropin(
                    "50-kindling-join.conf",
                    format!("[Unit]\nConditionPathExists=!{DIRECTORY}/{PENDING}\n"),
                )],
                ..Unit::default()
            };
            made.units.push((BOOTSTRAP, unit));
        }
    }
    let text = format!(
        "[Unit]\nDescription=What Waits for the Machine to Join Its Cluster\nWants={}\n",
        late.join(" ")
    );
    let target = Unit {
        name: JOINED.to_owned(),
        contents: Some(text),
        ..Unit::default()
    };
    made.units.push((BOOTSTRAP, target));
}

fn service(name: &str, contents: String) -> Unit {
    Unit {
        name: name.to_owned(),
        enabled: Some(true),
        contents: Some(contents),
        ..Unit::default()
    }
}

fn dropin(name: &str, contents: String) -> Dropin {
    Dropin {
        name: name.to_owned(),
        contents: Some(contents),
    }
}

fn after_join(how: &str) -> String {
    format!("[Unit]\n{how}={JOIN}\nAfter={JOIN}\n")
}

/// Whether the config has the unit `name` whole, with what it runs.
fn says_what_runs(config: &Config, name: &str) -> bool {
    let mut units = config.systemd.units.iter().filter(|unit| unit.name == name);
    units.any(|unit| {
        let lines = unit.contents.as_deref().unwrap_or_default().lines();
        lines
            .map(str::trim_start)
            .any(|line| line.starts_with("ExecStart="))
    })
}

/// Without its certificate, or on a machine that is not fit, the kubelet would only fail with less to say.
fn kubelet_dropin(section: &Node, facts: Facts<'_>, says_what_runs: bool) -> String {
    let join = facts.join;
    let is_held = join.mode == Mode::Native || join.preflight.mode == Severity::Fail;
    let mut text = after_join(if is_held { "Requires" } else { "Wants" });
    let paths = join.layout.paths();
    match join.layout {
        // Its own drop-in reads everything from files.
        Layout::Kubeadm => {}
        Layout::Plain => {
            let mut words = vec![
                "kubelet".to_owned(),
                format!("--config={}", paths.config),
                format!("--kubeconfig={}", paths.kubeconfig),
                format!("--cert-dir={}", paths.certificates),
            ];
            if join.mode == Mode::Kubelet {
                words.push(format!("--bootstrap-kubeconfig={}", paths.bootstrap_kubeconfig));
            }
            words.extend(flags(section, facts));
            words.push("$KUBELET_EXTRA_ARGS".to_owned());
            // A unit of the config's that says itself what it runs goes on doing so.
            if says_what_runs {
                return text;
            }
            text += &format!(
                "\n[Service]\nEnvironmentFile=-/etc/default/kubelet\nExecStart=\nExecStart={}\n",
                words.join(" ")
            );
        }
        Layout::Openshift => {
            let kubelet = &section.kubelet;
            let given = [
                ("CUSTOM_KUBELET_LABELS", labels(kubelet)),
                ("KUBELET_NODE_IP", kubelet.node_ip.clone()),
                ("KUBELET_PROVIDERID", kubelet.provider_id.clone()),
            ];
            text += "\n[Service]\n";
            for (name, value) in given {
                if let Some(value) = value {
                    text += &format!("Environment=\"{name}={}\"\n", escaped(&value));
                }
            }
            text += "EnvironmentFile=-/etc/kubernetes/node.env\n";
        }
    }
    text
}

/// Fit to stand between the quotes of a unit's line (systemd.syntax(7), systemd.unit(5) on specifiers).
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('\n', "\\n")
}

/// Fails, tells why, and is tried again: a request that is approved tomorrow is approved. What waits for it is then started by
/// the target, since a dependency that failed is not asked for again.
fn join_service(facts: Facts<'_>) -> String {
    let (join, program) = (facts.join, facts.program.display());
    let (network, kubelet, late) = if join.server.is_some() {
        (
            "Wants=network-online.target\n\
             After=network-online.target time-sync.target\n",
            format!("Before={}\n", join.unit),
            format!("ExecStartPost=-systemctl start --no-block {JOINED}\n"),
        )
    } else {
        ("", String::new(), String::new())
    };
    format!(
        "[Unit]\n\
         Description=Join the Cluster\n\
         ConditionPathExists={DIRECTORY}/{FILE}\n\
         RequiresMountsFor={program} /var/lib/kubelet\n\
         {network}{kubelet}\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart={program} join\n\
         {late}\
         Restart=on-failure\n\
         RestartSec=60\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// A service that runs on: nothing waits for its end.
fn follow_service(facts: Facts<'_>) -> String {
    let program = facts.program.display();
    format!(
        "[Unit]\n\
         Description=Follow the Machine into Its Cluster\n\
         ConditionPathExists={DIRECTORY}/provisioned\n\
         ConditionPathExists={program}\n\
         Requires={JOIN}\n\
         After={JOIN} {}\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         ExecStart={program} join --follow\n\
         Restart=on-failure\n\
         RestartSec=60\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n",
        facts.join.unit
    )
}
