//! Encrypted volumes in the files stage: keys, crypttab, the unfinished mark. The device is a text that programs of the
//! case read and write in the places of blkid(8) and cryptsetup(8); tests/vm has real volumes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::kill::{Whom, killed, sweep};
use crate::sandbox::{Listing, Ran, Sandbox, assert_same, listing, require_root};
use crate::server::{Reply, Server};

const KEY: &str = "hush-hush-first";
/// Its base64, without the end.
const KEY_BASE64: &str = "aHVzaC1odXNoLWZpcnN";
const KEY_SHA256: &str = "45c1861431cd";
const OTHER_KEY: &str = "hush-hush-second";
const OTHER_BASE64: &str = "aHVzaC1odXNoLXNlY29uZA==";
const OTHER_SHA256: &str = "efea7ec0ffb1";

const BLKID: &str = r#"#!/bin/sh
PATH=/usr/bin:/bin
header=${0%/*}/header
case "$*" in
*value*) exec sed -n 's/^LABEL=//p' "$header" ;;
*) exec cat "$header" ;;
esac
"#;

const CRYPTSETUP: &str = r#"#!/bin/sh
[ "$1 $2 $4 $5" = "config --label --subsystem " ] || exit 1
PATH=/usr/bin:/bin
header=${0%/*}/header
echo "$*" >>"${0%/*}/calls"
{ sed '/^LABEL=/d; /^SUBSYSTEM=/d' "$header"; echo "LABEL=$3"; } >"$header.$$"
mv "$header.$$" "$header"
"#;

/// A machine whose programs answer for the one device.
struct Machine(Sandbox);

impl Machine {
    fn new(config: &Value) -> Self {
        require_root();
        let mut sandbox = Sandbox::new();
        let bin = sandbox.at("bin");
        fs::create_dir(&bin).unwrap();
        for (name, script) in [("blkid", BLKID), ("cryptsetup", CRYPTSETUP)] {
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(sandbox.root().join("etc/crypttab"), "# mine\nold UUID=1 none").unwrap();
        sandbox.give(&config.to_string());
        sandbox.path = path(&bin);
        sandbox.done("fetch");
        let machine = Self(sandbox);
        machine.make_volumes("5a0e", KEY);
        machine
    }

    fn copy_of(other: &Self) -> Self {
        let mut sandbox = Sandbox::copy_of(&other.0);
        let bin = sandbox.at("bin");
        let copied = Command::new("cp")
            .arg("-a")
            .args([&other.0.at("bin"), &bin])
            .status();
        assert!(copied.unwrap().success());
        sandbox.path = path(&bin);
        Self(sandbox)
    }

    /// What the disks stage leaves when it has made the volumes: headers with the mark, keys in the state.
    fn make_volumes(&self, uuid: &str, key: &str) {
        let header = format!(
            "DEVNAME=/dev/null\nVERSION=2\nUUID={uuid}\nLABEL=a\\ b\nSUBSYSTEM=kindling:0123\nTYPE=crypto_LUKS\n"
        );
        fs::write(self.0.at("bin/header"), header).unwrap();
        let path = self.0.at("run/state");
        let mut state: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let url = |text: &str| format!("data:,{text}");
        state["luksPersistKeyFiles"] =
            json!({ "data": base64(key), "card": url("no-secret"), "sealed": url("never-written") });
        state["luksPersistVolumeKeyFiles"] = json!({
            "ignition-luks-card.skey": url("secure%00key"),
            "ignition-luks-card.info": url("info"),
        });
        fs::write(path, state.to_string()).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.at(name)).unwrap_or_default()
    }

    /// Everything that the stage leaves, without what holds the time.
    fn result(&self) -> Listing {
        let mut found = listing(&self.0.root());
        for name in ["etc/.ignition-result.json", "var/lib/kindling/journal"] {
            let text = found.get_mut(name).unwrap();
            *text = text.lines().next().unwrap().to_owned();
        }
        found.insert("the header".into(), self.read("bin/header"));
        found.insert("the state".into(), self.read("run/state"));
        found
    }

    /// Fails where a key can be read by others, or a volume counts as finished that nothing opens.
    fn check(&self, key: &str, when: &str) {
        for path in files_below(&self.0.root()) {
            let text = fs::read(&path).unwrap();
            let holds = |key: &str| text.windows(key.len()).any(|part| part == key.as_bytes());
            let mode = fs::metadata(&path).unwrap().mode() & 0o7777;
            assert!(
                !holds("hush") || mode == 0o600,
                "{when}: {} has mode {mode:o}",
                path.display()
            );
        }
        if let Ok(dir) = fs::metadata(self.0.root().join("etc/luks")) {
            assert_eq!(dir.mode() & 0o7777, 0o700, "{when}");
        }
        if !self.read("bin/header").contains("SUBSYSTEM") {
            assert_eq!(self.read("root/etc/luks/data"), key, "{when}");
            assert!(
                self.read("root/etc/crypttab").contains("\ndata UUID=5a0"),
                "{when}"
            );
            assert!(self.0.root().join("etc/.ignition-result.json").exists(), "{when}");
        }
    }
}

fn base64(key: &str) -> String {
    let encoded = if key == KEY {
        format!("{KEY_BASE64}0")
    } else {
        OTHER_BASE64.to_owned()
    };
    format!("data:;base64,{encoded}")
}

fn path(bin: &Path) -> std::ffi::OsString {
    format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()).into()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(files_below(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

/// Three volumes, and a file beside them.
fn config() -> Value {
    json!({
        "ignition": { "version": "3.5.0" },
        "storage": {
            "luks": [
                { "name": "data", "device": "/dev/null" },
                { "name": "sealed", "device": "/dev/null", "clevis": { "tpm2": true } },
                { "name": "card", "device": "/dev/null", "cex": { "enabled": true } },
            ],
            "files": [{ "path": "/etc/beside", "contents": { "source": "data:,beside" } }],
        }
    })
}

/// The same, with a crypttab of its own that is appended to.
fn config_with_crypttab() -> Value {
    let mut config = config();
    let own = json!({
        "path": "/etc/crypttab",
        "mode": 420,
        "append": [{ "source": "data:,%0Aswap%20/dev/vdb%20/dev/urandom%20swap" }],
    });
    config["storage"]["files"].as_array_mut().unwrap().push(own);
    config
}

fn crypttab(between: &str, uuid: &str) -> String {
    format!(
        "file 0600 0:0\n# mine\nold UUID=1 none\n{between}\
         data UUID={uuid} /etc/luks/data luks,x-initrd.attach\n\
         sealed UUID={uuid} none luks,x-initrd.attach\n\
         card UUID={uuid} /etc/luks/card luks,x-initrd.attach\n"
    )
}

fn assert_handed_over(machine: &Machine, between: &str, uuid: &str, key: &str) {
    let found = machine.result();
    for (name, expected) in [
        ("etc/luks", "directory 0700 0:0".to_owned()),
        ("etc/luks/data", format!("file 0600 0:0\n{key}")),
        ("etc/luks/card", "file 0600 0:0\nno-secret".to_owned()),
        ("etc/zkey/repository", "directory 0700 0:0".to_owned()),
        (
            "etc/zkey/repository/ignition-luks-card.skey",
            "file 0600 0:0\nsecure\0key".to_owned(),
        ),
        (
            "etc/zkey/repository/ignition-luks-card.info",
            "file 0600 0:0\ninfo".to_owned(),
        ),
        ("etc/crypttab", crypttab(between, uuid)),
        (
            "the header",
            format!("DEVNAME=/dev/null\nVERSION=2\nUUID={uuid}\nTYPE=crypto_LUKS\nLABEL=a\\ b\n"),
        ),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name}");
    }
    assert!(!found.contains_key("etc/luks/sealed"), "clevis opens it");
    let state: Value = serde_json::from_str(&found["the state"]).unwrap();
    assert!(state["fetchedConfigs"].is_array());
    for keys in ["luksPersistKeyFiles", "luksPersistVolumeKeyFiles"] {
        assert_eq!(state[keys], Value::Null);
    }
    // Nothing of an unfinished file is left.
    let is_left = |name: &&String| name.rsplit('/').next().unwrap().starts_with(".kindling.");
    assert_eq!(found.keys().find(is_left), None);
}

/// Nothing that was printed or reported shows a key, and the journal does not help to guess one.
fn assert_silent(machine: &Machine, ran: &Ran) {
    let mut texts = vec![
        ("stdout", ran.stdout.clone()),
        ("stderr", ran.stderr.clone()),
        ("journal", machine.read("root/var/lib/kindling/journal")),
        ("result", machine.read("root/etc/.ignition-result.json")),
        ("cryptsetup", machine.read("bin/calls")),
    ];
    for report in files_below(&machine.0.at("run/kindling")) {
        texts.push(("a report", fs::read_to_string(report).unwrap()));
    }
    for (name, text) in texts {
        for secret in [
            "hush",
            "never-written",
            KEY_BASE64,
            KEY_SHA256,
            OTHER_BASE64,
            OTHER_SHA256,
        ] {
            assert!(!text.contains(secret), "{name} shows {secret}: {text}");
        }
    }
}

#[test]
fn keys_go_to_the_target_and_nowhere_else() {
    for (config, between) in [
        (config(), ""),
        (config_with_crypttab(), "swap /dev/vdb /dev/urandom swap\n"),
    ] {
        let machine = Machine::new(&config);
        let ran = machine.0.done("files");
        assert_handed_over(&machine, between, "5a0e", KEY);
        assert_silent(&machine, &ran);
        assert!(
            ran.stdout.contains("the key of the volume data"),
            "{}",
            ran.stdout
        );
        // Once more: nothing is written, and nothing is run.
        let before = (listing(&machine.0.root()), machine.read("bin/calls"));
        let again = machine.0.done("files");
        assert_same(&listing(&machine.0.root()), &before.0, "again");
        assert_eq!(machine.read("bin/calls"), before.1);
        assert!(
            again.stdout.contains("= /etc/luks/data (0600 0:0)"),
            "{}",
            again.stdout
        );
    }
}

#[test]
fn killed_at_any_change_and_run_again_it_ends_the_same() {
    for (config, between, step) in [
        (config(), "", 1),
        (config_with_crypttab(), "swap /dev/vdb /dev/urandom swap\n", 3),
    ] {
        let start = Machine::new(&config);
        let points = sweep(step, |at| {
            let machine = Machine::copy_of(&start);
            let survived = killed(&machine.0, "files", Whom::Main, at);
            machine.check(KEY, &at.to_string());
            if survived {
                return true;
            }
            // The power was cut: what was marked is made anew, with another key.
            let anew = Machine::copy_of(&machine);
            let again = machine.0.stage("files");
            assert_eq!(again.status, Some(0), "{at}: {}\n{}", again.stderr, again.stdout);
            assert_handed_over(&machine, between, "5a0e", KEY);
            if anew.read("bin/header").contains("SUBSYSTEM") {
                anew.make_volumes("5a0f", OTHER_KEY);
                let again = anew.0.stage("files");
                assert_eq!(
                    again.status,
                    Some(0),
                    "{at}, anew: {}\n{}",
                    again.stderr,
                    again.stdout
                );
                assert_handed_over(&anew, between, "5a0f", OTHER_KEY);
                assert_silent(&anew, &again);
            }
            false
        });
        println!("volumes: killed at {points} points");
        assert!(points * step > 100, "{points}");
    }
}

#[test]
fn killed_with_its_threads_and_programs_it_ends_the_same() {
    let start = Machine::new(&config());
    let points = sweep(3, |at| {
        let machine = Machine::copy_of(&start);
        let survived = killed(&machine.0, "files", Whom::Everybody, at);
        machine.check(KEY, &at.to_string());
        if !survived {
            let again = machine.0.stage("files");
            assert_eq!(again.status, Some(0), "{at}: {}\n{}", again.stderr, again.stdout);
            assert_handed_over(&machine, "", "5a0e", KEY);
        }
        survived
    });
    println!("volumes: threads and programs killed at {points} points");
}

#[test]
fn killed_while_it_replaces_what_an_earlier_boot_left_it_ends_the_same() {
    let start = Machine::new(&config());
    // All was written and the result stands, but for the mark; then the power was cut.
    start.0.done("files");
    start.make_volumes("5a0f", OTHER_KEY);
    let points = sweep(1, |at| {
        let machine = Machine::copy_of(&start);
        let survived = killed(&machine.0, "files", Whom::Main, at);
        machine.check(OTHER_KEY, &at.to_string());
        if !survived {
            let again = machine.0.stage("files");
            assert_eq!(again.status, Some(0), "{at}: {}\n{}", again.stderr, again.stdout);
        }
        assert_handed_over(&machine, "", "5a0f", OTHER_KEY);
        survived
    });
    println!("volumes made anew: killed at {points} points");
    assert!(points > 80, "{points}");
}

/// Runs the stage, which must refuse, change nothing and show nothing.
fn refused(machine: &Machine, says: &str) {
    let before = listing(&machine.0.root());
    let state = machine.read("run/state");
    let ran = machine.0.stage("files");
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    assert_same(&listing(&machine.0.root()), &before, says);
    assert_eq!(machine.read("bin/calls"), "", "{says}");
    assert_eq!(machine.read("run/state"), state, "the keys are still there");
    assert_silent(machine, &ran);
}

#[test]
fn what_stands_in_the_way_is_refused_before_anything_is_written() {
    let start = Machine::new(&config());
    let root = |machine: &Machine, name: &str| machine.0.root().join(name);
    let machine = Machine::copy_of(&start);
    fs::create_dir(root(&machine, "etc/luks")).unwrap();
    fs::write(root(&machine, "etc/luks/data"), "somebody's").unwrap();
    let says = "[path-exists]\n  what:  /etc/luks/data is a file in the target, and a key of this volume goes there\n  \
                where: config of platform file:1:122, /storage/luks/0";
    refused(&machine, says);
    let machine = Machine::copy_of(&start);
    fs::write(root(&machine, "etc/crypttab"), "data UUID=1 none\n").unwrap();
    refused(&machine, "[crypttab-line-differs]");
    let machine = Machine::copy_of(&start);
    fs::write(machine.0.at("bin/header"), "TYPE=ext4\nUUID=1\n").unwrap();
    let says = "[volume-absent]\n  what:  /dev/null of the volume data holds ext4, not a LUKS volume\n  \
                where: config of platform file:1:122, /storage/luks/0/device";
    refused(&machine, says);
    let machine = Machine::copy_of(&start);
    let state = machine.read("run/state").replace("\"data\":\"", "\"other\":\"");
    fs::write(machine.0.at("run/state"), state).unwrap();
    refused(&machine, "[volume-key-missing]");
    let mut machine = Machine::copy_of(&start);
    fs::remove_file(machine.0.at("bin/cryptsetup")).unwrap();
    machine.0.path = machine.0.at("bin").into();
    refused(&machine, "[program-missing]");
}

#[test]
fn a_crypttab_that_is_fetched_is_looked_at_before_anything_is_written() {
    let fetched = |line: &str| {
        let server = Server::always(Reply::ok(line.to_owned()));
        let mut config = config();
        let own = json!({ "path": "/etc/crypttab", "overwrite": true, "contents": { "source": server.url("/crypttab") } });
        config["storage"]["files"].as_array_mut().unwrap().push(own);
        (Machine::new(&config), server)
    };
    let (machine, _server) = fetched("data UUID=1 none");
    let before = listing(&machine.0.root());
    let ran = machine.0.stage("files");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("[crypttab-line-differs]"), "{}", ran.stderr);
    assert_same(&listing(&machine.0.root()), &before, "refused");
    assert_silent(&machine, &ran);
    let (machine, _server) = fetched("card UUID=5a0e  /etc/luks/card luks,x-initrd.attach");
    machine.0.done("files");
    let expected = "card UUID=5a0e  /etc/luks/card luks,x-initrd.attach\n\
                    data UUID=5a0e /etc/luks/data luks,x-initrd.attach\n\
                    sealed UUID=5a0e none luks,x-initrd.attach\n";
    assert_eq!(machine.read("root/etc/crypttab"), expected);
}

#[test]
fn a_state_whose_keys_cannot_be_read_is_not_shown() {
    let machine = Machine::new(&config());
    let state = machine.read("run/state").replace("data:;base64,", "hush-hush");
    fs::write(machine.0.at("run/state"), state).unwrap();
    let ran = machine.0.stage("files");
    assert_eq!(ran.status, Some(3), "{}", ran.stderr);
    assert!(
        ran.stderr
            .contains("[state-unreadable]\n  what:  cannot read the keys in"),
        "{}",
        ran.stderr
    );
    assert_silent(&machine, &ran);
}
