use std::path::Path;

use kindling_config_spec::types::Config;
use kindling_config_spec::{check, data_url};
use serde_json::Value;

use super::*;
use crate::plan::Stage;
use crate::plan::files::{Known, plan_files};
use crate::plan::step::{Planned, Step};

const TOKEN: &str = "abcdef.planted789abcdef";

/// A config with `node` as its section, and `more` beside it.
fn config(node: &str, more: &str) -> Config {
    let text = format!(
        r#"{{"ignition":{{"version":"3.6.0"}},{more}"kindling":{{"version":"1.0.0","node":{{{node}}}}}}}"#
    );
    match check(&text) {
        Ok(checked) => checked.into_config(),
        Err(error) => panic!("{text}: {error}"),
    }
}

fn expanded(config: &Config) -> Expanded {
    let mut join = Join::of(config).unwrap();
    if join.server.is_some() {
        join.authorities = vec!["-----BEGIN CERTIFICATE-----\n".to_owned()];
    }
    let token = config.kindling.node.bootstrap.token.as_deref();
    let facts = Facts {
        join: &join,
        token,
        program: Path::new("/run/kindling/bin/kindling"),
    };
    expand(config.clone(), facts)
}

fn content(config: &Config, path: &str) -> Option<String> {
    let file = config.storage.files.iter().find(|file| file.path == path)?;
    let bytes = data_url::decode(file.contents.source.as_deref()?).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

fn unit<'a>(config: &'a Config, name: &str) -> Option<&'a Unit> {
    config.systemd.units.iter().find(|unit| unit.name == name)
}

fn server(mode: &str) -> String {
    format!(
        r#""cluster":{{"server":"https://h:6443","certificateAuthorities":[{{"source":"data:,x"}}]}},
           "bootstrap":{{"mode":"{mode}","token":"{TOKEN}"}}"#
    )
}

#[test]
fn the_token_stands_in_one_file_that_root_alone_reads_and_in_none_of_mode_native() {
    let section = format!(r#"{{"version":"1.0.0","node":{{{}}}}}"#, server("native"));
    let url = data_url::encode(section.as_bytes());
    let carrier = format!(
        r#""storage":{{"files":[{{"path":"/etc/kindling/config.json","contents":{{"source":"{url}"}}}}]}},"#
    );
    for (mode, carrier, holders) in [
        ("kubelet", "", vec!["/etc/kubernetes/bootstrap-kubelet.conf"]),
        ("native", "", vec![]),
        ("native", carrier.as_str(), vec![]),
    ] {
        let expanded = expanded(&config(&server(mode), carrier));
        let files = &expanded.config.storage.files;
        let text = |file: &&File| content(&expanded.config, &file.path).unwrap_or_default();
        let found: Vec<_> = files.iter().filter(|file| text(file).contains(TOKEN)).collect();
        let paths: Vec<_> = found.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, holders, "{mode}");
        assert!(found.iter().all(|file| file.mode == Some(0o600)));
        let units = &expanded.config.systemd.units;
        assert!(!format!("{units:?}").contains(TOKEN));
    }
}

#[test]
fn what_the_config_says_itself_stands_over_it_and_keeps_its_place() {
    let more = r#""storage":{
        "files":[{"path":"/z"},{"path":"/var/lib/kubelet/config.yaml","contents":{"source":"data:,own"}},
                 {"path":"/etc/sysctl.d/90-kindling-node.conf","mode":384}],
        "links":[{"path":"/etc/kubernetes/pki/ca.crt","target":"/x"}]},
      "systemd":{"units":[{"name":"z.service"},{"name":"kubelet.service","enabled":false,
        "dropins":[{"name":"99-own.conf","contents":"[Unit]\n"}]},
        {"name":"sshd.service","mask":false}]},"#;
    let section = format!(r#"{},"access":{{"ssh":"off"}}"#, server("kubelet"));
    let own = config(&section, more);
    let Expanded { config, origins } = expanded(&own);
    assert_eq!(config.storage.links, own.storage.links);
    assert_eq!(content(&config, "/etc/kubernetes/pki/ca.crt"), None);
    assert_eq!(
        content(&config, "/var/lib/kubelet/config.yaml").as_deref(),
        Some("own")
    );
    let [z, kubelet, sysctl] = &config.storage.files[..3] else {
        panic!("{:?}", config.storage.files)
    };
    assert_eq!(*z, own.storage.files[0]);
    assert_eq!((kubelet.mode, kubelet.overwrite), (Some(0o600), Some(true)));
    assert_eq!(sysctl.mode, Some(0o600));
    assert!(content(&config, &sysctl.path).unwrap().contains("ip_forward"));
    let kubelet = unit(&config, "kubelet.service").unwrap();
    assert_eq!(kubelet.enabled, Some(false));
    let names: Vec<_> = kubelet
        .dropins
        .iter()
        .map(|dropin| dropin.name.as_str())
        .collect();
    assert_eq!(names, ["99-own.conf", "50-kindling.conf"]);
    assert_eq!(unit(&config, "sshd.service").unwrap().mask, Some(false));
    assert_eq!(unit(&config, "ssh.socket").unwrap().mask, Some(true));
    for (pointer, origin) in [
        ("/storage/files/1/contents", None),
        ("/storage/files/3", Some("/kindling/node/bootstrap")),
        ("/systemd/units/1/dropins/0", None),
        ("/systemd/units/1/dropins/1", Some("/kindling/node/kubelet")),
        ("/systemd/units/1/contents", None),
        ("/systemd/units", None),
        ("", None),
    ] {
        assert_eq!(origins.of(pointer), origin, "{pointer}");
    }
}

#[test]
fn steps_and_conflicts_name_the_section() {
    let section = format!(r#"{},"access":{{"consoleLogin":"off"}}"#, server("native"));
    let expanded = expanded(&config(&section, r#""storage":{"files":[{"path":"/z"}]},"#));
    let target = Default::default();
    let known = Known {
        target: &target,
        root: Path::new("/sysroot"),
        made_by_mount: &[],
        key_file: crate::plan::accounts::KeyFile::Fragment,
        boot_id: "b",
        now: "2024-01-02T03:04:05Z",
        user_config_provided: true,
        keys: None,
        extent: None,
        is_part: false,
        applies_presets: false,
        origins: &expanded.origins,
    };
    let plan = plan_files(&expanded.config, &known).unwrap();
    assert_eq!(plan.stage, Stage::Files);
    for planned in &plan.steps {
        let expected = match &planned.step {
            Step::File(file) if file.path == Path::new("/z") => "/storage/files/0",
            Step::File(_) | Step::Symlink { .. } => "/kindling/node/",
            _ => continue,
        };
        assert!(planned.pointer.starts_with(expected), "{planned:?}");
    }
    let login = |planned: &&Planned| {
        matches!(&planned.step, Step::Symlink { path, .. }
            if path == Path::new("/etc/systemd/system/getty@.service"))
    };
    let step = plan.steps.iter().find(login).unwrap();
    assert_eq!(step.pointer, "/kindling/node/access/consoleLogin");
}

#[test]
fn swap_goes_off_unless_somebody_wants_it() {
    let masks = |node: &str, more: &str| {
        let section = format!(r#"{}{node}"#, server("kubelet"));
        let expanded = expanded(&config(&section, more));
        unit(&expanded.config, "swap.target").is_some()
    };
    assert!(masks("", ""));
    assert!(masks(r#","kubelet":{"config":{"failSwapOn":true}}"#, ""));
    assert!(!masks(r#","kubelet":{"config":{"failSwapOn":false}}"#, ""));
    assert!(!masks(r#","prerequisites":"keep""#, ""));
    let swap = r#""storage":{"filesystems":[{"device":"/dev/vdb","format":"swap"}]},"#;
    assert!(!masks("", swap));
    assert!(!masks(
        "",
        r#""systemd":{"units":[{"name":"dev-vdb.swap","enabled":true}]},"#
    ));
    assert!(masks(
        "",
        r#""systemd":{"units":[{"name":"dev-vdb.swap","mask":true}]},"#
    ));
}

#[test]
fn a_machine_without_a_cluster_is_looked_at_and_closed_and_nothing_else() {
    let expanded = expanded(&config(r#""access":{"ssh":"off"}"#, ""));
    assert!(expanded.config.storage.files.is_empty());
    let units = expanded.config.systemd.units.iter();
    let others: Vec<_> = units
        .filter(|unit| unit.mask != Some(true))
        .map(|unit| unit.name.as_str())
        .collect();
    assert_eq!(others, ["kindling-join.service"]);
    let none = Config::default();
    assert!(Join::of(&none).is_none());
}

#[test]
fn the_kubelet_waits_for_what_would_have_it_fail() {
    let dropin = |mode: &str, preflight: &str| {
        let section = format!(r#"{},"preflight":{{"mode":"{preflight}"}}"#, server(mode));
        let expanded = expanded(&config(&section, ""));
        unit(&expanded.config, "kubelet.service").unwrap().dropins[0]
            .contents
            .clone()
            .unwrap()
    };
    for (mode, preflight, requires) in [
        ("native", "off", true),
        ("native", "fail", true),
        ("kubelet", "fail", true),
        ("kubelet", "warn", false),
        ("kubelet", "off", false),
    ] {
        let text = dropin(mode, preflight);
        assert_eq!(
            text.contains("Requires=kindling-join.service"),
            requires,
            "{mode} {preflight}"
        );
        assert!(text.contains("After=kindling-join.service"), "{text}");
    }
}

#[test]
fn a_first_boot_ends_after_the_join_where_its_token_is_in_memory_alone() {
    for (mode, is_held) in [("native", true), ("kubelet", false)] {
        let expanded = expanded(&config(&server(mode), ""));
        for name in [
            "kindling-first-boot-done.service",
            "kindling-firstboot-complete.service",
        ] {
            let found = unit(&expanded.config, name).map(|unit| unit.dropins[0].contents.clone().unwrap());
            let expected = "[Unit]\nConditionPathExists=!/run/kindling/join-pending\n";
            assert_eq!(found.as_deref(), is_held.then_some(expected), "{mode} {name}");
        }
    }
}

#[test]
fn values_that_mean_something_to_systemd_arrive_as_they_are() {
    let section = format!(
        r#"{},"kubelet":{{"layout":"openshift","providerId":"x://a%b\"c\\d"}}"#,
        server("kubelet")
    );
    let expanded = expanded(&config(&section, ""));
    let dropin = unit(&expanded.config, "kubelet.service").unwrap().dropins[0]
        .contents
        .clone();
    let line = r#"Environment="KUBELET_PROVIDERID=x://a%%b\"c\\d""#;
    assert!(dropin.as_deref().unwrap().contains(line), "{dropin:?}");
    let over = content(&expanded.config, "/etc/openshift/kubelet.conf.d/50-kindling.conf").unwrap();
    let over: Value = serde_json::from_str(&over).unwrap();
    assert_eq!(over["providerID"], r#"x://a%b"c\d"#);
    assert_eq!(over["kind"], "KubeletConfiguration");
}
