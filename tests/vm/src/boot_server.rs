//! The server that machines start from, over plain HTTP as boot loaders speak it. Its pages are those of Matchbox:
//!
//! - `GET /boot.ipxe`: the script of the loader.
//! - `GET /assets/NAME`: kernel, initramfs, images.
//! - `GET /ignition?mac=…`: the config of the group whose selectors are all in the query; of two groups that with more of
//!   them. No group: 404.
//! - `POST /installed`, `POST /nodes/NAME`: what machines say of themselves; kept among the requests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use hyper::{Method, StatusCode};

use crate::server::{Answer, Seen, Server, body, plain};

/// By which address guests reach it; it stands in `fixtures/guides/pxe`.
pub const BOOT_ADDRESS: &str = "10.0.2.100:8080";

/// What a config is served as; the reference's media type.
const CONFIG_TYPE: &str = "application/vnd.coreos.ignition+json; version=3.4.0";

/// Machines that get one config.
#[derive(Clone, Debug)]
pub struct Group {
    /// What the query must have, names and values. `mac` is in lower case with colons.
    pub selector: Vec<(&'static str, &'static str)>,
    /// Their config.
    pub config: PathBuf,
}

/// What is served.
#[derive(Clone, Debug, Default)]
pub struct Shelf {
    /// The script of the loader.
    pub script: PathBuf,
    /// Files by name.
    pub assets: BTreeMap<&'static str, PathBuf>,
    /// Configs.
    pub groups: Vec<Group>,
}

/// A boot server that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BootServerError {
    /// No port could be had.
    #[error("cannot listen on loopback")]
    Listen(#[source] io::Error),
}

/// A running boot server; it ends with this value.
pub struct BootServer(Server);

impl BootServer {
    /// Starts to serve. Files are read when they are asked for.
    ///
    /// # Errors
    /// [`BootServerError`].
    pub fn start(shelf: Shelf) -> Result<Self, BootServerError> {
        let answer = move |asked: &crate::server::Asked| {
            let uri = asked.uri();
            shelf.answer(asked.method(), uri.path(), uri.query().unwrap_or_default())
        };
        Server::start(None, answer)
            .map(Self)
            .map_err(BootServerError::Listen)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Every request so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.seen()
    }
}

impl Shelf {
    fn answer(&self, method: &Method, path: &str, query: &str) -> Answer {
        if *method == Method::POST {
            let is_known = path == "/installed" || path.starts_with("/nodes/");
            return plain(
                if is_known {
                    StatusCode::CREATED
                } else {
                    StatusCode::NOT_FOUND
                },
                "\n",
            );
        }
        let (file, kind) = match path {
            "/boot.ipxe" => (Some(&self.script), "text/plain"),
            "/ignition" => (self.config(query), CONFIG_TYPE),
            _ => {
                let asset = path.strip_prefix("/assets/");
                (
                    asset.and_then(|name| self.assets.get(name)),
                    "application/octet-stream",
                )
            }
        };
        match file.map(fs::read) {
            Some(Ok(bytes)) => body(StatusCode::OK, kind, bytes),
            Some(Err(_)) | None => plain(StatusCode::NOT_FOUND, "no such page\n"),
        }
    }

    /// The config of the first of the groups with the most selectors, all of which match.
    fn config(&self, query: &str) -> Option<&PathBuf> {
        let labels: BTreeMap<&str, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name, label(name, value)))
            .collect();
        let is_of = |group: &&Group| {
            let mut selector = group.selector.iter();
            selector.all(|(name, value)| labels.get(name).is_some_and(|label| label == value))
        };
        let mut groups: Vec<&Group> = self.groups.iter().filter(is_of).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.selector.len()));
        groups.first().map(|group| &group.config)
    }
}

/// Loaders write hardware addresses with dashes, people in capitals.
fn label(name: &str, value: &str) -> String {
    match name {
        "mac" => value.replace("%3A", ":").replace('-', ":").to_ascii_lowercase(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha512};

    use super::*;

    #[test]
    fn the_guide_has_the_digest_of_the_script_that_it_runs() {
        let guide = crate::workspace::root().join("fixtures/guides/pxe");
        let text = fs::read(guide.join("install")).unwrap();
        let digest: String = Sha512::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let config = fs::read_to_string(guide.join("install.ign")).unwrap();
        assert!(config.contains(&format!("\"sha512-{digest}\"")), "{digest}");
    }

    #[test]
    fn the_group_with_the_most_selectors_is_taken_and_a_stranger_gets_nothing() {
        let group = |selector: &[(&'static str, &'static str)], config: &str| Group {
            selector: selector.to_vec(),
            config: config.into(),
        };
        let mac = ("mac", "52:54:00:a1:9c:ae");
        let shelf = Shelf {
            groups: vec![
                group(&[mac], "install"),
                group(&[mac, ("os", "installed")], "node"),
            ],
            ..Shelf::default()
        };
        for (query, config) in [
            ("mac=52-54-00-A1-9C-AE&uuid=u", Some("install")),
            ("uuid=u&mac=52:54:00:a1:9c:ae&os=installed", Some("node")),
            ("mac=52:54:00:a1:9c:af", None),
            ("os=installed", None),
            ("", None),
        ] {
            assert_eq!(shelf.config(query), config.map(PathBuf::from).as_ref(), "{query}");
        }
    }
}
