//! Which source gives the config.

use std::fs;
use std::time::Duration;

use kindling::fetch::{
    Acquired, Fetcher, HostAccess, Places, SourceError, SystemDirs, acquire, parse_arguments,
};
use kindling::host::media::MediaPaths;
use kindling::host::process;
use kindling_platforms::AccessError;

use crate::server::{Reply, Server};
use crate::{fetcher, offline};

/// A machine in a directory.
struct Host {
    root: tempfile::TempDir,
    command_line: String,
    platform: &'static str,
}

impl Host {
    fn new(platform: &'static str, command_line: impl Into<String>) -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
            command_line: command_line.into(),
            platform,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a directory of the test's own")]
    fn with(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    fn acquire(&self, fetcher: &Fetcher) -> Result<Acquired, SourceError> {
        let at = |name: &str| self.root.path().join(name);
        let paths = MediaPaths {
            fw_cfg: at("fw_cfg"),
            by_label: at("by-label"),
            by_id: at("by-id"),
            blocks: at("block"),
            nodes: at("dev"),
            file_systems: at("filesystems"),
            scratch: at("scratch"),
        };
        // A search path without programs: no module is ever loaded here.
        let processes = process::System::new(at("bin").into());
        let via = HostAccess::new(fetcher, &processes, &at("config.ign"))
            .with_paths(paths)
            .started_with(&self.command_line);
        let dirs = SystemDirs::new(Some(at("run")), Some(at("etc")), Some(at("usr")));
        let platform = kindling_platforms::get(self.platform).unwrap();
        acquire(
            Places {
                arguments: &parse_arguments(&self.command_line),
                dirs: &dirs,
                platform,
            },
            fetcher,
            &via,
        )
    }

    /// Source and text of the config.
    fn config(&self) -> (String, String) {
        match self.acquire(&fetcher()) {
            Ok(Acquired::Config(fetched)) => {
                assert!(!fetched.origin.referenced);
                (fetched.origin.source, fetched.text)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn found(source: &str, text: &str) -> (String, String) {
    (source.to_owned(), text.to_owned())
}

#[test]
fn the_kernel_argument_comes_before_user_ign_and_that_before_the_platform() {
    let server = Server::always(Reply::ok("from url"));
    let host = |line: String| {
        Host::new("file", line)
            .with("config.ign", "from platform")
            .with("usr/user.ign", "from usr")
            .with("etc/user.ign", "from etc")
    };
    assert_eq!(
        host(format!("ignition.config.url={}", server.url("/"))).config(),
        found("cmdline", "from url")
    );
    assert_eq!(host(String::new()).config(), found("system", "from etc"));
    assert_eq!(
        host(String::new()).with("run/user.ign", "from run").config(),
        found("system", "from run")
    );
    assert_eq!(
        Host::new("file", "").with("config.ign", "from platform").config(),
        found("file", "from platform")
    );
}

#[test]
fn a_data_url_on_the_kernel_command_line_needs_no_network() {
    let host = Host::new("metal", "ignition.config.url=data:,%7B%7D");
    assert!(matches!(host.acquire(&offline()), Ok(Acquired::Config(fetched)) if fetched.text == "{}"));
}

#[test]
fn a_broken_url_argument_stops_instead_of_being_skipped() {
    for (url, code) in [
        ("http://h:port/", "address-broken"),
        ("no-scheme", "scheme-unknown"),
        ("://x", "scheme-unknown"),
        ("nfs://h/x", "scheme-unknown"),
        ("data:broken", "data-url-broken"),
    ] {
        let host =
            Host::new("file", format!("ignition.config.url={url}")).with("config.ign", "from platform");
        for fetcher in [fetcher(), offline()] {
            assert_eq!(host.acquire(&fetcher).unwrap_err().code(), code, "{url}");
        }
    }
}

#[test]
fn a_missing_config_at_the_url_is_fatal_and_an_empty_one_is_empty() {
    let gone = Server::always(Reply::status(404));
    let host = Host::new("metal", format!("ignition.config.url={}", gone.url("/")));
    assert_eq!(host.acquire(&fetcher()).unwrap_err().code(), "http-status");
    for reply in [Reply::ok(""), Reply::status(204)] {
        let empty = Server::always(reply);
        let host = Host::new("metal", format!("ignition.config.url={}", empty.url("/")));
        assert_eq!(
            host.acquire(&fetcher()),
            Ok(Acquired::Empty {
                source: "cmdline".to_owned()
            })
        );
    }
}

#[test]
fn an_empty_source_ends_the_search() {
    let host = Host::new("file", "")
        .with("config.ign", "from platform")
        .with("etc/user.ign", "");
    assert_eq!(
        host.acquire(&fetcher()),
        Ok(Acquired::Empty {
            source: "system".to_owned()
        })
    );
    assert_eq!(
        Host::new("metal", "").acquire(&fetcher()),
        Ok(Acquired::Empty {
            source: "metal".to_owned()
        })
    );
}

#[test]
fn offline_a_remote_url_asks_for_the_network_without_its_secrets() {
    let host = Host::new(
        "metal",
        "ignition.config.url=https://u:hunter2@h.invalid/c?t=hunter2",
    );
    let what = "https://h.invalid/c?…".to_owned();
    assert_eq!(host.acquire(&offline()), Ok(Acquired::NeedsNetwork { what }));
}

#[test]
fn device_and_path_go_together() {
    for (line, code) in [
        ("ignition.config.device=IGN", "kernel-argument-invalid"),
        ("ignition.config.path=/a", "kernel-argument-invalid"),
        (
            "ignition.config.device=../sda ignition.config.path=/a",
            "kernel-argument-invalid",
        ),
        (
            "ignition.config.device=.. ignition.config.path=/a",
            "kernel-argument-invalid",
        ),
    ] {
        let host = Host::new("file", line).with("config.ign", "from platform");
        assert_eq!(host.acquire(&fetcher()).unwrap_err().code(), code, "{line}");
    }
}

#[test]
fn a_config_that_is_not_text_is_named() {
    let error = Host::new("file", "")
        .with("etc/user.ign", b"\xff")
        .acquire(&fetcher())
        .unwrap_err();
    assert_eq!(error.code(), "config-not-text");
    assert!(
        error.to_string().ends_with("etc/user.ign is not UTF-8 text"),
        "{error}"
    );
}

#[test]
fn a_packed_config_is_unpacked_wherever_it_comes_from() {
    let plain = include_str!("../../fixtures/packed/config.ign");
    for packed in [
        include_bytes!("../../fixtures/packed/config.ign.gz").as_slice(),
        include_bytes!("../../fixtures/packed/config.ign.zst.b64"),
    ] {
        let on_disk = Host::new("file", "").with("etc/user.ign", packed);
        assert_eq!(on_disk.config().1, plain);
        let server = Server::always(Reply::ok(packed));
        let by_url = Host::new("file", format!("ignition.config.url={}", server.url("/")));
        assert_eq!(by_url.config().1, plain);
    }
    let cut = &include_bytes!("../../fixtures/packed/config.ign.gz")[..100];
    let error = Host::new("file", "")
        .with("etc/user.ign", cut)
        .acquire(&fetcher())
        .unwrap_err();
    assert_eq!(error.code(), "config-packed-broken");
}

#[test]
fn the_firmware_entry_reaches_the_engine() {
    let host = Host::new("qemu", "")
        .with("fw_cfg/by_name/opt/com.coreos/config/size", "2\n")
        .with("fw_cfg/by_name/opt/com.coreos/config/raw", "{}");
    assert_eq!(host.config(), found("qemu", "{}"));
}

#[test]
fn a_platform_that_cannot_tell_is_an_error() {
    let error = Host::new("file", "").acquire(&fetcher()).unwrap_err();
    assert_eq!(error.code(), "platform-unreadable");
    let SourceError::Platform { source, .. } = error else {
        panic!("{error}")
    };
    assert!(!source.needs_network());
    let absent = AccessError::Absent {
        what: "IGN".to_owned(),
        waited: Duration::from_secs(30),
    };
    let drive = SourceError::Drive {
        label: "IGN".to_owned(),
        source: absent,
    };
    assert_eq!(drive.code(), "config-drive-absent");
}
