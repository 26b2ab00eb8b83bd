//! A config in two: what an image can carry, and what must wait for the first boot of a machine.

use std::path::{Path, PathBuf};

use kindling_config_spec::EXTENSION_FILE;
use kindling_config_spec::lint::secret_in;
use kindling_config_spec::order::{Gather, OrderedMap, OrderedSet};
use kindling_config_spec::types::{Config, File, Group, IgnitionConfig, Owner, User};

use super::nodes::hard_target;
use super::offline::{Extent, Section, has_values};

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
/// Why a file with placeholders waits.
const VALUES: &str = "it holds values of the machine";
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

/// What is known of the root that gets the baked part.
pub trait Seen {
    /// A path with the links on its way replaced.
    fn real(&self, path: &Path) -> PathBuf;

    /// The home of an account that the root has.
    fn home(&self, user: &str) -> Option<PathBuf>;
}

/// Nothing is: there is no root yet.
pub struct Unseen;

impl Seen for Unseen {
    fn real(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn home(&self, _user: &str) -> Option<PathBuf> {
        None
    }
}

/// Splits a config that refers to no other any more. The table stands in docs/semantics.md.
#[must_use]
pub fn split(config: &Config, extent: Extent, seen: &dyn Seen) -> Split {
    let mut split = Split {
        baked: config.clone(),
        ..Split::default()
    };
    split.baked.ignition.config = IgnitionConfig::default();
    split.waiting.ignition = split.baked.ignition.clone();
    split.sections(extent);
    split.extension();
    let filesystems = split.waiting.storage.filesystems.iter();
    let paths = filesystems.filter_map(|filesystem| filesystem.path.clone());
    let mut places = Places {
        seen,
        waiting: paths.filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
        remade: Vec::new(),
        late: OrderedMap::new(),
    };
    split.accounts(&mut places);
    split.units(&places);
    split.nodes(&mut places);
    split
}

/// Where nothing can be baked.
struct Places<'a> {
    seen: &'a dyn Seen,
    /// Where file systems are mounted that are not there yet.
    waiting: Vec<PathBuf>,
    /// Directories that a first boot makes anew.
    remade: Vec<PathBuf>,
    /// Users who wait, and why.
    late: OrderedMap<String, String>,
}

impl Places<'_> {
    /// Why nothing at `path` can be baked.
    fn hide(&self, path: &Path) -> Option<String> {
        let real = self.seen.real(path);
        let at = |list: &[PathBuf]| list.iter().find(|at| real.starts_with(at)).cloned();
        if let Some(at) = at(&self.waiting) {
            return Some(format!("it is on a file system that waits: {}", at.display()));
        }
        let at = at(&self.remade).filter(|at| *at != real)?;
        Some(format!(
            "a directory above it is made anew then: {}",
            at.display()
        ))
    }

    /// Why a node at `path` waits.
    fn node_waits(&self, path: &str, user: &Owner, group: &Owner) -> Option<String> {
        let is_late = |owner: &Owner| owner.name.clone().filter(|name| self.late.contains_key(name));
        let owner = || is_late(user).or_else(|| is_late(group));
        self.hide(Path::new(path))
            .or_else(|| owner().map(|owner| format!("its owner {owner} waits")))
    }

    /// Why a user waits: for the home, or for a user whose group is his.
    fn user_waits(&self, user: &User) -> Option<String> {
        let given = user.home_dir.clone().filter(|home| !home.is_empty());
        let usual = || {
            self.seen
                .home(&user.name)
                .unwrap_or_else(|| format!("/home/{}", user.name).into())
        };
        let home = given.map_or_else(usual, PathBuf::from);
        let real = self.seen.real(&home);
        let inside = self.waiting.iter().find(|at| at.starts_with(&real));
        if self.hide(&home).is_some() || inside.is_some() {
            return Some(format!(
                "a file system at {} or above it or below it waits",
                home.display()
            ));
        }
        let mut groups = user.groups.iter().chain(&user.primary_group);
        let group = groups.find(|group| self.late.contains_key(*group))?;
        Some(format!("the group {group} waits"))
    }
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
            // Nobody has seen the entries yet, and whoever cannot have theirs changed needs a way out.
            let is_carried_out = is_carried_out && section != Section::KernelArguments;
            // Files go to their side one by one.
            let is_by_file = section == Section::Values;
            if section.is_asked_for(&self.baked) && !is_carried_out && !is_by_file {
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

    fn units(&mut self, places: &Places<'_>) {
        let units = &mut self.baked.systemd.units;
        if !units.is_empty()
            && let Some(why) = places.hide(Path::new("/etc/systemd/system"))
        {
            self.waiting.systemd.units = std::mem::take(units);
            self.waits("/systemd/units", why);
        }
    }

    fn accounts(&mut self, places: &mut Places<'_>) {
        let passwd = &mut self.baked.passwd;
        if (!passwd.users.is_empty() || !passwd.groups.is_empty())
            && let Some(why) = places.hide(Path::new("/etc/passwd"))
        {
            let users = passwd.users.iter().map(|user| (user.name.clone(), why.clone()));
            places.late = users.into_map();
            self.waiting.passwd = std::mem::take(passwd);
            self.waits("/passwd", why);
            return;
        }
        // One who waits may have others wait, whatever their order.
        loop {
            let new = passwd.users.iter().find_map(|user| {
                let is_new = !places.late.contains_key(&user.name);
                Some((user.name.clone(), places.user_waits(user).filter(|_| is_new)?))
            });
            let Some((name, why)) = new else { break };
            places.late.insert(name, why);
        }
        for (index, user) in std::mem::take(&mut passwd.users).into_iter().enumerate() {
            let pointer = format!("/passwd/users/{index}");
            if let Some(why) = places.late.get(&user.name) {
                self.waits(pointer, why);
                self.waiting.passwd.users.push(user);
                continue;
            }
            // Of one who shall not exist a password would make him anew.
            if is_secret_hash(user.password_hash.as_deref()) && user.should_exist != Some(false) {
                self.waits(format!("{pointer}/passwordHash"), "it is a secret");
                self.waiting.passwd.users.push(User {
                    name: user.name.clone(),
                    no_create_home: user.no_create_home,
                    password_hash: user.password_hash.clone(),
                    ..User::default()
                });
            }
            let password_hash = user.password_hash.filter(|hash| !is_secret_hash(Some(hash)));
            self.baked.passwd.users.push(User {
                password_hash,
                ..user
            });
        }
        for (index, group) in self.baked.passwd.groups.iter_mut().enumerate() {
            let Some(hash) = group.password_hash.take_if(|hash| is_secret_hash(Some(hash))) else {
                continue;
            };
            if group.should_exist == Some(false) {
                continue;
            }
            let pointer = format!("/passwd/groups/{index}/passwordHash");
            self.why.push((pointer, "it is a secret".to_owned()));
            self.waiting.passwd.groups.push(Group {
                name: group.name.clone(),
                password_hash: Some(hash),
                ..Group::default()
            });
        }
    }

    fn nodes(&mut self, places: &mut Places<'_>) {
        let storage = std::mem::take(&mut self.baked.storage);
        // What is removed on the first boot must not have been baked before, whatever the order.
        loop {
            let new = storage.directories.iter().find(|directory| {
                let path = Path::new(&directory.path);
                directory.overwrite == Some(true)
                    && !places.remade.iter().any(|at| at == path)
                    && places
                        .node_waits(&directory.path, &directory.user, &directory.group)
                        .is_some()
            });
            let Some(new) = new else { break };
            places.remade.push(PathBuf::from(&new.path));
        }
        let mut late_files = OrderedSet::new();
        for (index, directory) in storage.directories.into_iter().enumerate() {
            let why = places.node_waits(&directory.path, &directory.user, &directory.group);
            let into = self.side(format!("/storage/directories/{index}"), why);
            into.storage.directories.push(directory);
        }
        for (index, file) in storage.files.into_iter().enumerate() {
            let why = places
                .node_waits(&file.path, &file.user, &file.group)
                .or_else(|| file_waits(&file))
                .or_else(|| has_values(&self.waiting, &file.path).then(|| VALUES.to_owned()));
            if why.is_some() {
                late_files.insert(PathBuf::from(&file.path));
            }
            let into = self.side(format!("/storage/files/{index}"), why);
            into.storage.files.push(file);
        }
        for (index, link) in storage.links.into_iter().enumerate() {
            let target = hard_target(&link);
            let is_to_late =
                link.hard == Some(true) && (late_files.contains(&target) || places.hide(&target).is_some());
            let why = places
                .node_waits(&link.path, &link.user, &link.group)
                .or_else(|| is_to_late.then(|| "what it is another name of waits".to_owned()));
            if why.is_some() && link.hard == Some(true) {
                late_files.insert(PathBuf::from(&link.path));
            }
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

/// An address with a user, a password or a query, any of which may be a credential.
fn has_credentials(source: &str) -> bool {
    let Some((scheme, rest)) = source.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    scheme != "data" && (authority.contains('@') || rest.contains('?'))
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
    if parts()
        .filter_map(|part| part.source.as_deref())
        .any(has_credentials)
    {
        return Some("its address may hold credentials".to_owned());
    }
    parts().find_map(secret_in).map(|what| format!("it holds {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kindling_config_spec::check;

    fn of(text: &str, extent: Extent) -> (Split, Vec<String>) {
        let config = check(text).unwrap().config().clone();
        let split = split(&config, extent, &Unseen);
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
                "/passwd/users/2: a file system at /data/c or above it or below it waits",
                "/passwd/groups/0/passwordHash: it is a secret",
                "/storage/directories/0: it is on a file system that waits: /data",
                "/storage/files/1: it tells this machine from others",
                "/storage/files/2: only its owner may read it",
                "/storage/files/3: it is fetched with headers of its own, which may be credentials",
                "/storage/files/4: it holds a bootstrap token",
                "/storage/files/5: it is on a file system that waits: /data",
                "/storage/files/6: its owner c waits",
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
    fn what_depends_on_something_that_waits_waits_too() {
        let (split, why) = of(
            r#"{"ignition": {"version": "3.4.0"},
                "passwd": {"users": [{"name": "a", "groups": ["b"]}, {"name": "b", "homeDir": "/data/b"},
                                     {"name": "gone", "shouldExist": false, "passwordHash": "$6$x"}]},
                "storage": {
                  "filesystems": [{"device": "/dev/vdb", "format": "ext4", "path": "/data"}],
                  "directories": [{"path": "/srv/app", "overwrite": true, "group": {"name": "b"}}],
                  "files": [{"path": "/srv/app/conf"}, {"path": "/etc/key", "mode": 384, "contents": {"source": "data:,k"}},
                            {"path": "/etc/signed", "contents": {"source": "https://h/f?signature=x"}},
                            {"path": "/etc/user", "contents": {"source": "https://u:p@h/f"}}],
                  "links": [{"path": "/etc/one", "hard": true, "target": "/etc/key"},
                            {"path": "/etc/two", "hard": true, "target": "../etc/one"}]}}"#,
            Extent::Tree,
        );
        let places: Vec<&str> = why.iter().filter_map(|line| line.split(": ").next()).collect();
        assert_eq!(
            places,
            [
                "/storage/filesystems",
                "/passwd/users/0",
                "/passwd/users/1",
                "/storage/directories/0",
                "/storage/files/0",
                "/storage/files/1",
                "/storage/files/2",
                "/storage/files/3",
                "/storage/links/0",
            ]
        );
        assert_eq!(split.baked.passwd.users.len(), 1);
        assert_eq!(split.baked.passwd.users[0].password_hash, None);
    }

    #[test]
    fn below_a_root_that_waits_nothing_is_baked() {
        let (split, _) = of(
            r#"{"ignition": {"version": "3.4.0"},
                "passwd": {"groups": [{"name": "g"}], "users": [{"name": "a", "groups": ["g"]}]},
                "storage": {"filesystems": [{"device": "/dev/vdb", "format": "ext4", "path": "/"}], "files": [{"path": "/f"}]},
                "systemd": {"units": [{"name": "a.service", "enabled": true}]}}"#,
            Extent::Tree,
        );
        let baked = Config {
            ignition: split.baked.ignition.clone(),
            ..Config::default()
        };
        assert_eq!(split.baked, baked);
        assert_eq!(split.waiting.systemd.units.len(), 1);
    }

    #[test]
    fn links_and_accounts_of_the_root_count() {
        struct Root;
        impl Seen for Root {
            fn real(&self, path: &Path) -> PathBuf {
                path.strip_prefix("/home")
                    .map_or_else(|_| path.to_owned(), |rest| Path::new("/var/home").join(rest))
            }
            fn home(&self, user: &str) -> Option<PathBuf> {
                (user == "there").then(|| "/var/there".into())
            }
        }
        let text = r#"{"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": "new"}, {"name": "there"}]},
            "storage": {"filesystems": [{"device": "/dev/vdb", "format": "ext4", "path": "/var"}]}}"#;
        let config = check(text).unwrap().config().clone();
        assert_eq!(split(&config, Extent::Tree, &Root).waiting.passwd.users.len(), 2);
        assert_eq!(
            split(&config, Extent::Tree, &Unseen).waiting.passwd.users.len(),
            0
        );
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
