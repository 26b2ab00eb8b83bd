//! The section of a node as what every engine of this kind can do: files and units (docs/node.md).
//!
//! Pure: what had to be fetched or found out is in the arguments. What the config itself says of a path or a unit stands over
//! what is made here, member by member, as when configs are merged.

mod access;
mod kubelet;
mod prerequisites;
mod units;

use std::path::Path;

use kindling_config_spec::types::{Config, File, Resource, Unit};
use kindling_config_spec::{EXTENSION_FILE, data_url, json};

use super::handed::{Join, Mode};
use crate::plan::origins::Origins;

/// What is known besides the config.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What the machine needs for the join.
    pub join: &'a Join,
    /// The bootstrap token, where it is known. Nothing that is made in mode `native` holds it.
    pub token: Option<&'a str>,
    /// Where the real root finds this program.
    pub program: &'a Path,
}

/// A config with what its section made.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    /// Its own entries first, in their order and under their numbers; then what was made.
    pub config: Config,
    /// Who asked for what was made.
    pub origins: Origins,
}

/// Files and units, each with the place of the section that asks for it.
#[derive(Default)]
struct Made {
    files: Vec<(&'static str, File)>,
    units: Vec<(&'static str, Unit)>,
}

impl Made {
    /// A file of root's that takes the place of whatever stands there.
    fn file(&mut self, pointer: &'static str, path: &str, mode: i64, text: &str) {
        let file = File {
            path: path.to_owned(),
            mode: Some(mode),
            overwrite: Some(true),
            contents: inline(text),
            ..File::default()
        };
        self.files.push((pointer, file));
    }

    fn mask(&mut self, pointer: &'static str, names: &[&str]) {
        let masked = names.iter().map(|name| Unit {
            name: (*name).to_owned(),
            mask: Some(true),
            ..Unit::default()
        });
        self.units.extend(masked.map(|unit| (pointer, unit)));
    }
}

fn inline(text: &str) -> Resource {
    Resource {
        source: Some(data_url::encode(text.as_bytes())),
        ..Resource::default()
    }
}

/// `config` with the files and units of its section. One without the section stays as it is.
#[must_use]
pub fn expand(config: Config, facts: Facts<'_>) -> Expanded {
    let mut made = Made::default();
    let section = &config.kindling.node;
    if facts.join.server.is_some() {
        kubelet::make(&mut made, section, facts);
        if section.prerequisites.as_deref() != Some("keep") {
            prerequisites::make(&mut made, &config);
        }
    }
    units::make(&mut made, &config, facts);
    access::make(&mut made, facts.join.access);
    let mut expanded = Expanded {
        config,
        origins: Origins::default(),
    };
    expanded.without_token(facts.join.mode);
    for (pointer, file) in made.files {
        expanded.lay_file(pointer, file);
    }
    for (pointer, unit) in made.units {
        expanded.lay_unit(pointer, unit);
    }
    expanded
}

impl Expanded {
    /// The section may have come as a file, which stays on the disk: in mode `native` the token in it does not.
    fn without_token(&mut self, mode: Mode) {
        let section = &self.config.kindling;
        let bootstrap = &section.node.bootstrap;
        let has_token = bootstrap.token.is_some() || bootstrap.token_source.source.is_some();
        if mode == Mode::Native && has_token {
            let mut section = section.clone();
            section.node.bootstrap.token = None;
            // It may be a `data:` URL, or have a credential in its headers.
            section.node.bootstrap.token_source = Resource::default();
            let files = self.config.storage.files.iter_mut();
            for file in files.filter(|file| file.path == EXTENSION_FILE) {
                file.contents = inline(&json::text(&section));
                file.append.clear();
            }
        }
    }

    fn lay_file(&mut self, pointer: &'static str, made: File) {
        let storage = &mut self.config.storage;
        // A path has one kind, the config's.
        let is_other = storage.directories.iter().any(|entry| entry.path == made.path)
            || storage.links.iter().any(|entry| entry.path == made.path);
        if is_other {
            return;
        }
        match storage.files.iter_mut().find(|file| file.path == made.path) {
            Some(file) => {
                if file.contents == Resource::default() {
                    file.contents = made.contents;
                }
                file.mode = file.mode.or(made.mode);
                file.overwrite = file.overwrite.or(made.overwrite);
            }
            None => {
                let at = format!("/storage/files/{}", storage.files.len());
                storage.files.push(made);
                self.origins.insert(at, pointer);
            }
        }
    }

    fn lay_unit(&mut self, pointer: &'static str, made: Unit) {
        let units = &mut self.config.systemd.units;
        let found = units
            .iter_mut()
            .enumerate()
            .find(|(_, unit)| unit.name == made.name);
        let Some((index, unit)) = found else {
            let at = format!("/systemd/units/{}", units.len());
            units.push(made);
            self.origins.insert(at, pointer);
            return;
        };
        unit.contents = unit.contents.take().or(made.contents);
        unit.enabled = unit.enabled.or(made.enabled);
        if unit.mask.is_none() && made.mask.is_some() {
            unit.mask = made.mask;
            self.origins
                .insert(format!("/systemd/units/{index}/mask"), pointer);
        }
        for dropin in made.dropins {
            if unit.dropins.iter().all(|own| own.name != dropin.name) {
                let at = format!("/systemd/units/{index}/dropins/{}", unit.dropins.len());
                unit.dropins.push(dropin);
                self.origins.insert(at, pointer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
