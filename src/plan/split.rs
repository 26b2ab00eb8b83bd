//! A config in two: what an image can carry, and what must wait for the first boot of a machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kindling_config_spec::EXTENSION_FILE;
use kindling_config_spec::lint::secret_in;
use kindling_config_spec::types::{Config, File, Group, IgnitionConfig, Owner, User};

use super::offline::{Extent, Section};

/// Files that tell one machine from another.
const IDENTITY: [&str; 4] = [
    "/etc/hostname",
    "/etc/machine-id",
    "/etc/machine-info",
    "/etc/iscsi/initiatorname.iscsi",
];
/// Where every such file starts.
const HOST_KEYS: &str = "/etc/ssh/ssh_host_";
/// Why the extension waits, in its own section or in a file.
const NODE: &str = "it makes one machine a node";
/// Rights of the group and of everybody else.
const OTHERS: i64 = 0o077;

/// The two configs. Together they ask for what the one asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What is carried out now.
    pub baked: Config,
    /// What waits.
    pub waiting: Config,
    /// What waits, by its place in the whole config, and why.
    pub why: Vec<(String, String)>,
}

/// Splits a config that refers to no other any more. The table stands in docs/semantics.md.
#[must_use]
pub fn split(config: &Config, extent: Extent) -> Split {
    let mut split = Split {
        baked: config.clone(),
        ..Split::default()
    };
    split.baked.ignition.config = IgnitionConfig::default();
    split.waiting.ignition = split.baked.ignition.clone();
    split.sections(extent);
    split.extension();
    let paths = split.waiting_paths();
    let late = split.accounts(&paths);
    split.nodes(&paths, &late);
    split
}

impl Split {
    fn waits(&mut self, pointer: impl Into<String>, why: impl Into<String>) {
        self.why.push((pointer.into(), why.into()));
    }

    fn sections(&mut self, extent: Extent) {
        let storage = &self.baked.storage;
        let is_layered = !storage.raid.is_empty() || !storage.luks.is_empty();
        for section in Section::ALL {
            let is_below = matches!(section, Section::Disks | Section::Filesystems) && is_layered;
            let is_carried_out = section.is_carried_out(extent) && !is_below;
            if section.is_asked_for(&self.baked) && !is_carried_out {
                section.copy(&self.baked, &mut self.waiting);
                section.drop_from(&mut self.baked);
                self.waits(section.pointer(), "the machine itself makes it");
            }
        }
    }

    fn extension(&mut self) {
        let extension = std::mem::take(&mut self.baked.kindling);
        if extension != Default::default() {
            self.waiting.kindling = extension;
            self.waits("/kindling", NODE);
        }
    }

    /// Where file systems are mounted that are not there yet.
    fn waiting_paths(&self) -> Vec<PathBuf> {
        let filesystems = self.waiting.storage.filesystems.iter();
        let paths = filesystems.filter_map(|filesystem| filesystem.path.clone());
        paths.filter(|path| !path.is_empty()).map(PathBuf::from).collect()
    }

    /// Returns the users who wait.
    fn accounts(&mut self, paths: &[PathBuf]) -> BTreeSet<String> {
        let mut late = BTreeSet::new();
        for (index, user) in std::mem::take(&mut self.baked.passwd.users)
            .into_iter()
            .enumerate()
        {
            let pointer = format!("/passwd/users/{index}");
            let usual = || format!("/home/{}", user.name);
            let home = user
                .home_dir
                .clone()
                .filter(|home| !home.is_empty())
                .unwrap_or_else(usual);
            if let Some(at) = waiting_path(&home, paths) {
                self.waits(pointer, format!("the home is on a file system that waits: {at}"));
                late.insert(user.name.clone());
                self.waiting.passwd.users.push(user);
                continue;
            }
            if is_secret_hash(user.password_hash.as_deref()) {
                self.waits(format!("{pointer}/passwordHash"), "it is a secret");
                self.waiting.passwd.users.push(User {
                    name: user.name.clone(),
                    password_hash: user.password_hash.clone(),
                    ..User::default()
                });
                self.baked.passwd.users.push(User {
                    password_hash: None,
                    ..user
                });
            } else {
                self.baked.passwd.users.push(user);
            }
        }
        for (index, group) in self.baked.passwd.groups.iter_mut().enumerate() {
            if is_secret_hash(group.password_hash.as_deref()) {
                let pointer = format!("/passwd/groups/{index}/passwordHash");
                self.why.push((pointer, "it is a secret".to_owned()));
                self.waiting.passwd.groups.push(Group {
                    name: group.name.clone(),
                    password_hash: group.password_hash.take(),
                    ..Group::default()
                });
            }
        }
        late
    }

    fn nodes(&mut self, paths: &[PathBuf], late: &BTreeSet<String>) {
        let storage = std::mem::take(&mut self.baked.storage);
        let mut waiting_files = BTreeSet::new();
        for (index, file) in storage.files.into_iter().enumerate() {
            let why = place_waits(&file.path, &file.user, paths, late).or_else(|| file_waits(&file));
            let pointer = format!("/storage/files/{index}");
            if why.is_some() {
                waiting_files.insert(file.path.clone());
            }
            let into = self.side(pointer, why);
            into.storage.files.push(file);
        }
        for (index, directory) in storage.directories.into_iter().enumerate() {
            let why = place_waits(&directory.path, &directory.user, paths, late);
            let into = self.side(format!("/storage/directories/{index}"), why);
            into.storage.directories.push(directory);
        }
        for (index, link) in storage.links.into_iter().enumerate() {
            let target = link.target.as_deref().unwrap_or_default();
            let is_to_waiting = link.hard == Some(true)
                && (waiting_files.contains(target) || waiting_path(target, paths).is_some());
            let why = place_waits(&link.path, &link.user, paths, late)
                .or_else(|| is_to_waiting.then(|| "what it is another name of waits".to_owned()));
            let into = self.side(format!("/storage/links/{index}"), why);
            into.storage.links.push(link);
        }
        let baked = &mut self.baked.storage;
        baked.disks = storage.disks;
        baked.filesystems = storage.filesystems;
    }

    fn side(&mut self, pointer: String, why: Option<String>) -> &mut Config {
        match why {
            Some(why) => {
                self.waits(pointer, why);
                &mut self.waiting
            }
            None => &mut self.baked,
        }
    }
}

/// A hash that locks the account is no secret.
fn is_secret_hash(hash: Option<&str>) -> bool {
    hash.is_some_and(|hash| !matches!(hash, "" | "*" | "!" | "!!" | "!*" | "x"))
}

fn waiting_path<'a>(path: &str, paths: &'a [PathBuf]) -> Option<std::path::Display<'a>> {
    let at = paths.iter().find(|at| Path::new(path).starts_with(at));
    at.map(|at| at.display())
}

fn place_waits(path: &str, user: &Owner, paths: &[PathBuf], late: &BTreeSet<String>) -> Option<String> {
    if let Some(at) = waiting_path(path, paths) {
        return Some(format!("it is on a file system that waits: {at}"));
    }
    let owner = user.name.as_deref().filter(|name| late.contains(*name))?;
    Some(format!("its owner {owner} waits"))
}

fn file_waits(file: &File) -> Option<String> {
    if IDENTITY.contains(&file.path.as_str()) || file.path.starts_with(HOST_KEYS) {
        return Some("it tells this machine from others".to_owned());
    }
    if file.path == EXTENSION_FILE {
        return Some(NODE.to_owned());
    }
    let parts = || std::iter::once(&file.contents).chain(&file.append);
    if file.mode.is_some_and(|mode| mode & OTHERS == 0) && parts().any(|part| part.source.is_some()) {
        return Some("only its owner may read it".to_owned());
    }
    if parts().any(|part| !part.http_headers.is_empty()) {
        return Some("it is fetched with headers of its own, which may be credentials".to_owned());
    }
    parts().find_map(secret_in).map(|what| format!("it holds {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kindling_config_spec::check;

    fn of(text: &str, extent: Extent) -> (Split, Vec<String>) {
        let config = check(text).unwrap().config().clone();
        let split = split(&config, extent);
        let why = split.why.iter().map(|(at, why)| format!("{at}: {why}")).collect();
        (split, why)
    }

    #[test]
    fn each_entry_is_on_one_side_and_the_reason_is_told() {
        let (split, why) = of(
            r#"{"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 9}},
                "kernelArguments": {"shouldExist": ["quiet"]},
                "passwd": {"groups": [{"name": "g", "passwordHash": "$6$x"}],
                           "users": [{"name": "a", "passwordHash": "$6$x", "shell": "/bin/sh"}, {"name": "b", "passwordHash": "*"},
                                     {"name": "c", "homeDir": "/data/c"}]},
                "storage": {
                  "filesystems": [{"device": "/dev/vdb", "format": "ext4", "path": "/data"}],
                  "files": [{"path": "/etc/motd", "contents": {"source": "data:,x"}},
                            {"path": "/etc/hostname", "contents": {"source": "data:,n"}},
                            {"path": "/etc/key", "mode": 384, "contents": {"source": "data:,k"}},
                            {"path": "/etc/remote", "contents": {"source": "https://h/f", "httpHeaders": [{"name": "A", "value": "b"}]}},
                            {"path": "/etc/boot", "contents": {"source": "data:,token:%20kndlng.0123456789abcdef"}},
                            {"path": "/data/f"}, {"path": "/srv/c", "user": {"name": "c"}}],
                  "directories": [{"path": "/data/d"}, {"path": "/srv"}],
                  "links": [{"path": "/etc/same", "hard": true, "target": "/etc/key"}, {"path": "/etc/l", "target": "key"}]},
                "systemd": {"units": [{"name": "a.service", "enabled": true}]}}"#,
            Extent::Tree,
        );
        assert_eq!(
            why,
            [
                "/kernelArguments: the machine itself makes it",
                "/storage/filesystems: the machine itself makes it",
                "/passwd/users/0/passwordHash: it is a secret",
                "/passwd/users/2: the home is on a file system that waits: /data",
                "/passwd/groups/0/passwordHash: it is a secret",
                "/storage/files/1: it tells this machine from others",
                "/storage/files/2: only its owner may read it",
                "/storage/files/3: it is fetched with headers of its own, which may be credentials",
                "/storage/files/4: it holds a bootstrap token",
                "/storage/files/5: it is on a file system that waits: /data",
                "/storage/files/6: its owner c waits",
                "/storage/directories/0: it is on a file system that waits: /data",
                "/storage/links/0: what it is another name of waits",
            ]
        );
        let names = |config: &Config| -> Vec<String> {
            config.passwd.users.iter().map(|user| user.name.clone()).collect()
        };
        assert_eq!(names(&split.baked), ["a", "b"]);
        assert_eq!(names(&split.waiting), ["a", "c"]);
        assert_eq!(split.baked.passwd.users[0].shell.as_deref(), Some("/bin/sh"));
        assert_eq!(split.baked.passwd.users[0].password_hash, None);
        assert_eq!(split.waiting.passwd.users[0].shell, None);
        assert_eq!(split.baked.systemd.units.len(), 1);
        assert_eq!(split.waiting.systemd.units.len(), 0);
        assert_eq!(split.waiting.ignition, split.baked.ignition);
    }

    #[test]
    fn the_extension_waits_in_either_form() {
        let (split, why) = of(
            r#"{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/etc/kindling/config.json",
                "contents": {"source": "data:,%7B%22version%22:%221.0.0%22,%22node%22:%7B%22name%22:%22n%22%7D%7D"}}]}}"#,
            Extent::Tree,
        );
        assert_eq!(
            why,
            [format!("/kindling: {NODE}"), format!("/storage/files/0: {NODE}")]
        );
        assert_eq!((split.baked.kindling, split.baked.storage), Default::default());
    }

    #[test]
    fn what_an_image_can_hold_does_not_wait() {
        let text = r#"{"ignition": {"version": "3.4.0"},
            "storage": {"disks": [{"device": "/dev/vda"}],
                        "filesystems": [{"device": "/dev/vda1", "format": "ext4", "path": "/var"}],
                        "files": [{"path": "/var/f"}] LUKS }}"#;
        let (split, why) = of(&text.replace("LUKS", ""), Extent::Image);
        assert_eq!((split.baked.storage.filesystems.len(), why.len()), (1, 0));
        let (split, why) = of(
            &text.replace("LUKS", r#", "luks": [{"name": "l", "device": "/dev/vda2"}]"#),
            Extent::Image,
        );
        assert_eq!(why.len(), 4, "{why:?}");
        assert_eq!(split.baked.storage, Default::default());
    }
}
