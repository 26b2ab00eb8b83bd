//! What the section of a node makes, word by word: three layouts, two modes. A change of these pages is a change of every node.
//!
//! Renew them with `KINDLING_RENEW=1 cargo nextest run --test nodes`, and read each line of the difference.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot read its fixtures should panic"
)]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use kindling_config_spec::types::Config;
use kindling_config_spec::{check, data_url};

const LAYOUTS: [&str; 3] = ["kubeadm", "plain", "openshift"];
const MODES: [&str; 2] = ["kubelet", "native"];
const TOKEN: &str = "abcdef.planted789abcdef";

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/nodes")
}

/// The config of `fixtures/nodes` for that layout and mode.
fn config(layout: &str, mode: &str) -> String {
    let text = fs::read_to_string(fixtures().join("node.ign")).unwrap();
    text.replace("LAYOUT", layout).replace("MODE", mode)
}

fn ran(words: &[&str], config: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.ign");
    fs::write(&path, config).unwrap();
    Command::new(env!("CARGO_BIN_EXE_kindling"))
        .args(words)
        .arg(&path)
        .output()
        .unwrap()
}

/// The config as a person reads it: each file with its mode and its text, each unit with what it is and its parts.
fn page(config: &Config) -> String {
    let mut page = String::new();
    for file in &config.storage.files {
        let mode = file.mode.unwrap_or(0o644);
        let bytes = data_url::decode(file.contents.source.as_deref().unwrap()).unwrap();
        writeln!(
            page,
            "==== {} {mode:04o}\n{}",
            file.path,
            String::from_utf8(bytes).unwrap()
        )
        .unwrap();
    }
    for unit in &config.systemd.units {
        let enabled = if unit.enabled == Some(true) {
            " enabled"
        } else {
            ""
        };
        let masked = if unit.mask == Some(true) { " masked" } else { "" };
        writeln!(page, "==== {}{enabled}{masked}", unit.name).unwrap();
        for dropin in &unit.dropins {
            writeln!(
                page,
                "---- {}\n{}",
                dropin.name,
                dropin.contents.as_deref().unwrap()
            )
            .unwrap();
        }
        if let Some(contents) = &unit.contents {
            writeln!(page, "{contents}").unwrap();
        }
    }
    page
}

#[test]
fn each_layout_and_mode_is_made_as_it_was_read() {
    for (layout, mode) in LAYOUTS
        .into_iter()
        .flat_map(|layout| MODES.map(|mode| (layout, mode)))
    {
        let ran = ran(&["convert", "--expand"], &config(layout, mode));
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{layout} {mode}: {said}");
        assert_eq!(
            said.contains("mode native is not in it"),
            mode == "native",
            "{said}"
        );
        let text = String::from_utf8(ran.stdout).unwrap();
        assert!(!text.contains("\"kindling\""), "{text}");
        let plain = check(&text).unwrap();
        assert!(plain.warnings().is_empty(), "{:?}", plain.warnings());
        let page = page(plain.config());
        assert_eq!(page.contains(TOKEN), mode == "kubelet", "{page}");
        let name = format!("{layout}-{mode}.txt");
        if std::env::var_os("KINDLING_RENEW").is_some() {
            fs::write(fixtures().join(&name), &page).unwrap();
            continue;
        }
        let expected = fs::read_to_string(fixtures().join(&name)).unwrap_or_default();
        assert!(
            page == expected,
            "fixtures/nodes/{name} says something else; renew it with KINDLING_RENEW=1 and read the difference\n{page}"
        );
    }
}

#[test]
fn a_plan_shows_all_of_it_with_its_place_and_never_the_token() {
    for (layout, mode) in LAYOUTS
        .into_iter()
        .flat_map(|layout| MODES.map(|mode| (layout, mode)))
    {
        let config = config(layout, mode);
        let text = String::from_utf8(ran(&["plan"], &config).stdout).unwrap();
        let json = String::from_utf8(ran(&["plan", "--format=json"], &config).stdout).unwrap();
        for said in [&text, &json] {
            assert!(!said.contains(TOKEN), "{said}");
        }
        for path in [
            "/etc/systemd/system/kindling-join.service",
            "/etc/systemd/system/kubelet.service.d/50-kindling.conf",
            "/etc/systemd/system/sshd.service",
            "/etc/systemd/system/swap.target",
            "/etc/sysctl.d/90-kindling-node.conf",
        ] {
            assert!(text.contains(path), "{layout} {mode}: {path}\n{text}");
        }
        for place in [
            "/kindling/node/bootstrap",
            "/kindling/node/cluster",
            "/kindling/node/kubelet",
            "/kindling/node/prerequisites",
            "/kindling/node/access/ssh",
        ] {
            let pointer = format!("\"pointer\": \"{place}\"");
            assert!(json.contains(&pointer), "{layout} {mode}: {place}\n{json}");
        }
    }
}

#[test]
fn a_root_that_is_made_away_from_the_machine_has_the_files_and_in_mode_native_no_token() {
    for mode in MODES {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        let ran = ran(&["apply", "--root", path], &config("kubeadm", mode));
        let said = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
        assert!(ran.status.success(), "{mode}: {said}");
        assert_eq!(
            said.contains("its token is for no disk"),
            mode == "native",
            "{said}"
        );
        assert!(!said.contains(TOKEN), "{said}");
        let read = |path: &str| fs::read_to_string(root.path().join(path));
        assert!(
            read("etc/kubernetes/pki/ca.crt")
                .unwrap()
                .contains("BEGIN CERTIFICATE")
        );
        let bootstrap = read("etc/kubernetes/bootstrap-kubelet.conf");
        assert_eq!(
            bootstrap.is_ok_and(|text| text.contains(TOKEN)),
            mode == "kubelet"
        );
    }
}
