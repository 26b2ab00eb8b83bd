//! The command lines that make, open and bind encrypted volumes (engine.md 4.4.5).

use std::path::{Path, PathBuf};

use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::types::{Clevis, Luks, Tang};
use serde_json::{Map, Value, json};

use super::{has_key, open_uuid, uses_card};
use crate::invocation::{Invocation, Program};

/// Takes the mark off a volume; the label must be given again, or it goes too (cryptsetup-config(8)).
#[must_use]
pub fn finish(label: Option<&str>, node: &Path) -> Invocation {
    Invocation::new(Program::Cryptsetup)
        .args(["config", "--label", label.unwrap_or_default(), "--subsystem", ""])
        .arg(node.as_os_str())
}

/// Everything that makes one volume, in order.
pub(super) fn calls(
    want: &Luks,
    node: &Path,
    own_uuid: &str,
    mark: Option<&str>,
    queues: &[String],
) -> Vec<Invocation> {
    let mut calls = Vec::new();
    let card = uses_card(want).then(|| secure_key(&want.name));
    if card.is_some() {
        calls.push(generate_secure_key(&want.name, queues));
    }
    calls.push(format(want, node, own_uuid, mark, card.as_deref()));
    if card.is_some() {
        let call = Invocation::new(Program::ZkeyCryptsetup)
            .args(["setvp"])
            .arg(node.as_os_str());
        calls.push(call.arg("--key-file").key());
    }
    calls.push(open_new(want, node));
    if let Some((pin, config)) = pin(&want.clevis) {
        let call = Invocation::new(Program::Clevis)
            .args(["luks", "bind", "-f", "-k"])
            .key();
        let call = call.arg("-d").arg(node.as_os_str()).arg(pin);
        // What a pin of the user's own is told may be a secret.
        calls.push(if is_custom(&want.clevis) {
            call.secret(config)
        } else {
            call.arg(config)
        });
        if is_provable(&want.clevis) {
            calls.push(Invocation::new(Program::Cryptsetup).args(["luksClose", &want.name]));
            calls.push(unlock(&want.name, node));
        }
        if !has_key(want) {
            let call = Invocation::new(Program::Cryptsetup)
                .arg("luksRemoveKey")
                .arg(node.as_os_str());
            calls.push(call.key());
        }
    }
    calls
}

fn format(want: &Luks, node: &Path, own_uuid: &str, mark: Option<&str>, card: Option<&Path>) -> Invocation {
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let own_uuid = open_uuid(want).then(|| own_uuid.to_owned());
    let call = Invocation::new(Program::Cryptsetup)
        .args(["luksFormat", "--type", "luks2", "--key-file"])
        .key()
        .option("--label", given(&want.label))
        .option("--uuid", given(&want.uuid))
        .derived("--uuid", own_uuid, "UUID")
        .derived("--subsystem", mark, "kindling:MARK")
        .args(&want.options)
        .arg(node.as_os_str());
    match card {
        None => call,
        Some(key) => call
            .arg("--volume-key-file")
            .arg(key.as_os_str())
            .args(["--cipher", "paes-xts-plain64", "--key-size"])
            .bits_of(key),
    }
}

/// The call that opens a new volume with its key. What it allows is stored in the header, so that later boots need not
/// say.
fn open_new(want: &Luks, node: &Path) -> Invocation {
    with_flags(opening(want, node).arg("--persistent"), want)
}

/// The call that opens a volume that is kept, and changes nothing on it.
#[must_use]
pub fn open(want: &Luks, node: &Path) -> Invocation {
    with_flags(opening(want, node), want)
}

fn opening(want: &Luks, node: &Path) -> Invocation {
    let call = Invocation::new(Program::Cryptsetup)
        .arg("luksOpen")
        .arg(node.as_os_str());
    call.args([&want.name, "--key-file"]).key()
}

pub(super) fn with_flags(call: Invocation, want: &Luks) -> Invocation {
    call.flag("--allow-discards", want.discard == Some(true))
        .args(&want.open_options)
}

/// The flags that the header of the volume as configured has (cryptsetup-open(8), `--persistent`; "LUKS2 On-Disk Format
/// Specification", table 6). Other options are not stored.
pub(super) fn flags(want: &Luks) -> OrderedSet<String> {
    let stored = want
        .open_options
        .iter()
        .filter_map(|option| match option.as_str() {
            "--allow-discards" => Some("allow-discards"),
            "--perf-same_cpu_crypt" => Some("same-cpu-crypt"),
            "--perf-submit_from_crypt_cpus" => Some("submit-from-crypt-cpus"),
            "--perf-no_read_workqueue" => Some("no-read-workqueue"),
            "--perf-no_write_workqueue" => Some("no-write-workqueue"),
            "--integrity-no-journal" => Some("no-journal"),
            _ => None,
        });
    let discards = (want.discard == Some(true)).then_some("allow-discards");
    stored.chain(discards).map(str::to_owned).into_set()
}

/// The call that finds out whether a key opens a volume.
#[must_use]
pub fn try_key(node: &Path) -> Invocation {
    let call = Invocation::new(Program::Cryptsetup).args(["open", "--test-passphrase"]);
    call.arg(node.as_os_str()).arg("--key-file").key()
}

/// The call by which clevis opens a volume.
#[must_use]
pub fn unlock(name: &str, node: &Path) -> Invocation {
    let call = Invocation::new(Program::Clevis).args(["luks", "unlock", "-d"]);
    call.arg(node.as_os_str()).args(["-n", name])
}

/// Where the secure key of a crypto card is kept.
#[must_use]
pub fn secure_key(name: &str) -> PathBuf {
    PathBuf::from(format!("/etc/zkey/repository/ignition-luks-{name}.skey"))
}

fn generate_secure_key(name: &str, queues: &[String]) -> Invocation {
    Invocation::new(Program::Zkey)
        .args(["generate", "--name", &format!("ignition-luks-{name}")])
        .args(["--key-type", "CCA-AESCIPHER", "--xts"])
        .args([
            "--description",
            &format!("the volume {name} of the first boot's config"),
            "--apqns",
        ])
        .arg(queues.join(","))
}

fn is_custom(clevis: &Clevis) -> bool {
    clevis.custom.pin.as_deref().is_some_and(|pin| !pin.is_empty())
}

/// The pin and what it is told; `None` without clevis.
fn pin(clevis: &Clevis) -> Option<(String, String)> {
    if !clevis.is_used() {
        return None;
    }
    if let Some(pin) = clevis.custom.pin.clone().filter(|pin| !pin.is_empty()) {
        return Some((pin, clevis.custom.config.clone().unwrap_or_default()));
    }
    let servers: Vec<Value> = clevis.tang.iter().map(server).collect();
    let mut pins = Map::new();
    if !servers.is_empty() {
        pins.insert("tang".to_owned(), Value::Array(servers));
    }
    if clevis.tpm2 == Some(true) {
        pins.insert("tpm2".to_owned(), json!({}));
    }
    let config = json!({"pins": pins, "t": threshold(clevis)});
    Some(("sss".to_owned(), kindling_config_spec::json::text(&config)))
}

fn server(tang: &Tang) -> Value {
    let mut server = Map::new();
    server.insert("url".to_owned(), Value::from(tang.url.clone()));
    if let Some(thumbprint) = tang.thumbprint.clone().filter(|text| !text.is_empty()) {
        server.insert("thp".to_owned(), Value::from(thumbprint));
    }
    if let Some(advertisement) = tang.advertisement.as_deref().filter(|text| !text.is_empty()) {
        // The rules have seen that it is JSON.
        let parsed = serde_json::from_str(advertisement).unwrap_or_default();
        server.insert("adv".to_owned(), parsed);
    }
    Value::Object(server)
}

fn threshold(clevis: &Clevis) -> i64 {
    clevis.threshold.filter(|threshold| *threshold != 0).unwrap_or(1)
}

/// Whether enough of what unlocks the volume is at hand to prove that it does: servers that must be asked, and the TPM.
fn is_provable(clevis: &Clevis) -> bool {
    let asked = clevis
        .tang
        .iter()
        .filter(|tang| tang.advertisement.as_deref().is_none_or(str::is_empty));
    let at_hand = asked.count() + usize::from(clevis.tpm2 == Some(true));
    !is_custom(clevis) && i64::try_from(at_hand).is_ok_and(|at_hand| at_hand >= threshold(clevis))
}
