//! The keys of encrypted volumes: fetched or drawn before the first write, handed to the files stage after the last.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use kindling_config_spec::order::{Gather, OrderedMap};
use kindling_config_spec::types::{Config, Luks, Resource};

use crate::apply::Keys;
use crate::fetch::Fetcher;
use crate::identity::hex;
use crate::invocation::Key;
use crate::plan::disks::volumes::{has_key, secure_key, uses_card};
use crate::plan::step::{Planned, Unlock};
use crate::plan::{Plan, Stage, Step};
use crate::report::Failure;
use crate::state::{KeyUrl, State};

/// Random bytes of a key that the config leaves open; written as twice as many hex digits (engine.md 4.4.5).
const DRAWN_BYTES: usize = 4096;
/// What cryptsetup reads of a key file at most (cryptsetup(8), "NOTES ON PASSPHRASE PROCESSING").
const KEY_LIMIT: u64 = 8 << 20;
/// A server's advertisement is some kilobytes.
const ADVERTISEMENT_LIMIT: u64 = 1 << 20;
/// The passphrase of volumes that a crypto card protects. Not a secret: the card is.
const CARD_KEY: &str = "/etc/luks/cex.key";

/// The keys of all volumes.
pub(super) fn keys(config: &Config, fetcher: &Fetcher) -> Result<Keys, Failure> {
    let mut keys = Keys::new();
    for (index, want) in config.storage.luks.iter().enumerate() {
        keys.insert(want.name.clone(), key(index, want, fetcher)?);
    }
    Ok(keys)
}

fn key(index: usize, want: &Luks, fetcher: &Fetcher) -> Result<Key, Failure> {
    let pointer = format!("/storage/luks/{index}");
    if uses_card(want) {
        let read = std::fs::read(CARD_KEY).map(Key::new);
        return read
            .map_err(|error| unreadable(CARD_KEY, &error).at(pointer, format!("no key for {}", want.name)));
    }
    if !has_key(want) {
        let drawn = draw().map_err(|error| unreadable("/dev/random", &error));
        return drawn.map_err(|failure| failure.at(pointer, format!("no key for {}", want.name)));
    }
    let fetched = fetcher.buffer(&want.key_file, KEY_LIMIT).map(Key::new);
    fetched.map_err(|error| {
        let failure = Failure::of(Stage::Disks, error.code(), &error, error.next());
        failure.at(
            format!("{pointer}/keyFile"),
            format!("cannot get the key of the volume {}", want.name),
        )
    })
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    let next = format!("build an initramfs in which {what} can be read");
    Failure::of(Stage::Disks, "key-unavailable", error, next)
}

/// Waits, as early in a boot as this is, until the kernel has gathered enough to draw from (random(4)).
fn draw() -> io::Result<Key> {
    let mut bytes = vec![0; DRAWN_BYTES];
    File::open("/dev/random")?.read_exact(&mut bytes)?;
    Ok(Key::new(hex(&bytes).into_bytes()))
}

/// Keys that an earlier run of this boot left.
pub(super) fn left(state: &State) -> Keys {
    let decoded = state.luks_persist_key_files.iter().filter_map(|(name, url)| {
        let bytes = url.decode().ok()?;
        Some((name.clone(), Key::new(bytes)))
    });
    decoded.into_map()
}

/// Where a volume is kept whose key an earlier run of this boot drew, that key counts, and not the one drawn now; where
/// its key is in the target already, none does.
pub(super) fn settle(config: &Config, left: Keys, plan: &Plan, keys: &mut Keys) {
    for planned in &plan.steps {
        if let Step::KeepVolume {
            name,
            unlock: Unlock::Stored,
            ..
        } = &planned.step
        {
            keys.remove(name);
        }
    }
    for (name, key) in left {
        let is_kept =
            |planned: &Planned| matches!(&planned.step, Step::KeepVolume { name: kept, .. } if *kept == name);
        let is_drawn = config
            .storage
            .luks
            .iter()
            .any(|want| want.name == name && !has_key(want));
        if is_drawn && plan.steps.iter().any(is_kept) {
            keys.insert(name, key);
        }
    }
}

/// Asks every server that a new volume will be bound to, so that a network that comes up late is waited for as for any
/// other resource, and one that does not answer stops the stage before its first write.
pub(super) fn ask_servers(config: &Config, plan: &Plan, fetcher: &Fetcher) -> Result<(), Failure> {
    for planned in &plan.steps {
        let Step::FormatVolume { name, .. } = &planned.step else {
            continue;
        };
        let Some(want) = config.storage.luks.iter().find(|want| want.name == *name) else {
            continue;
        };
        for (index, tang) in want.clevis.tang.iter().enumerate() {
            if tang.advertisement.as_deref().is_some_and(|text| !text.is_empty()) {
                continue;
            }
            let resource = Resource {
                source: Some(format!("{}/adv", tang.url.trim_end_matches('/'))),
                ..Resource::default()
            };
            fetcher.buffer(&resource, ADVERTISEMENT_LIMIT).map_err(|error| {
                let failure = Failure::of(Stage::Disks, error.code(), &error, error.next());
                let what = format!("the Tang server that is to unlock {name} does not answer");
                failure.at(format!("{}/clevis/tang/{index}", planned.pointer), what)
            })?;
        }
    }
    Ok(())
}

/// Hands the keys over that have to be stored in the target.
pub(super) fn hand_over(config: &Config, keys: &Keys, plan: &Plan, state: &mut State) -> Result<(), Failure> {
    let made = |name: &str| {
        plan.steps
            .iter()
            .any(|planned| matches!(&planned.step, Step::FormatVolume { name: made, .. } if made == name))
    };
    let mut handed = OrderedMap::new();
    for want in &config.storage.luks {
        // Clevis opens it: nothing is stored.
        let stays_with_clevis = want.clevis.is_used();
        if let Some(key) = keys.get(&want.name).filter(|_| !stays_with_clevis) {
            handed.insert(want.name.clone(), KeyUrl::of(key.expose()));
        }
        if uses_card(want) && made(&want.name) {
            let key = secure_key(&want.name);
            for file in [key.with_extension("skey"), key.with_extension("info")] {
                let (name, url) = card_file(&file)?;
                state.luks_persist_volume_key_files.insert(name, url);
            }
        }
    }
    state.luks_persist_key_files = handed;
    Ok(())
}

fn card_file(file: &Path) -> Result<(String, KeyUrl), Failure> {
    let bytes = std::fs::read(file).map_err(|error| unreadable(&file.display().to_string(), &error))?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok((name, KeyUrl::of(&bytes)))
}
