use super::*;
use crate::host::fake::Scripted;
use kindling_platforms::{
    AccessError, Attribute, Channel, Drive, Fact, HttpAnswer, HttpRequest, Machine, Reach, UserData,
};
use std::time::Duration;

/// A platform that is asked nothing real.
struct Told {
    keys: Vec<String>,
    name: Option<&'static str>,
    silent: bool,
}

impl Platform for Told {
    fn id(&self) -> PlatformId {
        kindling_platforms::get("aws").unwrap().id()
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "in a test"
    }

    fn user_data(&self, _via: &dyn Via) -> Result<Option<UserData>, PlatformError> {
        Ok(None)
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        (!self.silent).then_some(self)
    }
}

impl Metadata for Told {
    fn attributes(&self, _via: &dyn Via) -> Result<Vec<Attribute>, PlatformError> {
        Ok(Attribute::new("AWS_REGION", Some(Fact::Region), "eu-west-1")
            .into_iter()
            .collect())
    }

    fn hostname(&self, _via: &dyn Via) -> Result<Option<String>, PlatformError> {
        Ok(self.name.map(str::to_owned))
    }

    fn ssh_keys(&self, _via: &dyn Via) -> Result<Vec<String>, PlatformError> {
        Ok(self.keys.clone())
    }
}

/// Nothing of a machine.
struct Nowhere;

const NOTHING: AccessError = AccessError::NeedsNetwork;

impl Via for Nowhere {
    fn machine(&self) -> &Machine {
        unreachable!("the platform of these tests asks nothing")
    }
    fn http(&self, _: &HttpRequest) -> Result<HttpAnswer, AccessError> {
        Err(NOTHING)
    }
    fn drive(&self, _: &Drive<'_>, _: &[&str]) -> Result<Vec<Option<Vec<u8>>>, AccessError> {
        Err(NOTHING)
    }
    fn block(&self, _: &str, _: Duration) -> Result<Vec<u8>, AccessError> {
        Err(NOTHING)
    }
    fn fw_cfg(&self, _: &str) -> Result<Option<Vec<u8>>, AccessError> {
        Err(NOTHING)
    }
    fn get(&self, _: Channel, _: &str) -> Result<Option<Vec<u8>>, AccessError> {
        Err(NOTHING)
    }
    fn set(&self, _: Channel, _: &str, _: Option<&[u8]>) -> Result<(), AccessError> {
        Err(NOTHING)
    }
    fn list(&self, _: &Path) -> Result<Vec<String>, AccessError> {
        Err(NOTHING)
    }
    fn file(&self, _: &Path) -> Result<Option<Vec<u8>>, AccessError> {
        Err(NOTHING)
    }
}

/// A system with one user, whose number is that of whoever runs the test: rights stay as they are.
struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let sandbox = Self { root };
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        sandbox.put("etc/passwd", &format!("core:x:{uid}:{gid}::/home/core:/bin/sh\n"));
        std::fs::create_dir_all(sandbox.root.path().join("home/core")).unwrap();
        sandbox
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own root")]
    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.path().join(path)).ok()
    }

    fn run(&self, platform: &Told, task: Task) -> Result<(), MetadataError> {
        let root = Sysroot::open(self.root.path()).unwrap();
        let processes = Scripted::default();
        let system = System {
            root: &root,
            processes: &processes,
        };
        run(platform, &[task], &Nowhere, system)
    }
}

fn told() -> Told {
    Told {
        keys: vec![
            "ssh-ed25519 AAAA one".to_owned(),
            "ssh-ed25519 AAAB two".to_owned(),
        ],
        name: Some("n1"),
        silent: false,
    }
}

#[test]
fn attributes_facts_and_the_name_are_files() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&told(), Task::Attributes("/run/metadata/afterburn".into()))
        .unwrap();
    sandbox
        .run(&told(), Task::Facts("/run/metadata/kindling".into()))
        .unwrap();
    sandbox
        .run(&told(), Task::Hostname("/etc/hostname".into()))
        .unwrap();
    let read = |path| sandbox.read(path).unwrap();
    assert_eq!(read("run/metadata/afterburn"), "AFTERBURN_AWS_REGION=eu-west-1\n");
    assert_eq!(
        read("run/metadata/kindling"),
        "KINDLING_PLATFORM=aws\nKINDLING_REGION=eu-west-1\n"
    );
    assert_eq!(read("etc/hostname"), "n1\n");
}

#[test]
fn keys_are_the_users_and_go_when_the_platform_has_none() {
    let sandbox = Sandbox::new();
    let at = "home/core/.ssh/authorized_keys.d/afterburn";
    sandbox.run(&told(), Task::SshKeys("core".to_owned())).unwrap();
    assert_eq!(
        sandbox.read(at).unwrap(),
        "ssh-ed25519 AAAA one\nssh-ed25519 AAAB two\n"
    );
    let mode = |path: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = sandbox.root.path().join(path);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    };
    assert_eq!(mode("home/core/.ssh"), 0o700);
    assert_eq!(mode("home/core/.ssh/authorized_keys.d"), 0o700);
    assert_eq!(mode(at), 0o600);
    let none = Told {
        keys: Vec::new(),
        ..told()
    };
    sandbox.run(&none, Task::SshKeys("core".to_owned())).unwrap();
    assert_eq!(sandbox.read(at), None);
    sandbox.run(&none, Task::SshKeys("core".to_owned())).unwrap();
}

#[test]
fn nobodys_keys_are_an_error_that_names_the_user() {
    let error = Sandbox::new()
        .run(&told(), Task::SshKeys("nobody-here".to_owned()))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no user \"nobody-here\" on this system"
    );
}

#[test]
fn a_platform_that_is_silent_fails_but_for_the_distributions_own() {
    let sandbox = Sandbox::new();
    let silent = Told {
        silent: true,
        ..told()
    };
    sandbox.run(&silent, Task::Attributes("/a".into())).unwrap();
    assert_eq!(sandbox.read("a").unwrap(), "");
    let error = sandbox.run(&silent, Task::CheckIn).unwrap_err();
    assert_eq!(
        error.to_string(),
        "platform aws tells nothing of its machines but their config"
    );
    let arguments = Task::NetworkArguments {
        path: "/etc/cmdline.d/50-afterburn-network-kargs.conf".into(),
        default: "ip=auto".to_owned(),
    };
    sandbox.run(&silent, arguments).unwrap();
    assert_eq!(
        sandbox
            .read("etc/cmdline.d/50-afterburn-network-kargs.conf")
            .unwrap(),
        "ip=auto\n"
    );
}

#[test]
fn a_host_without_a_name_keeps_the_one_it_has() {
    let sandbox = Sandbox::new();
    sandbox.put("etc/hostname", "before\n");
    let nameless = Told { name: None, ..told() };
    sandbox
        .run(&nameless, Task::Hostname("/etc/hostname".into()))
        .unwrap();
    assert_eq!(sandbox.read("etc/hostname").unwrap(), "before\n");
}

/// Needs root, as the account tests do.
#[test]
fn a_users_links_lead_only_where_the_user_may_write() {
    assert!(
        nix::unistd::geteuid().is_root(),
        "run the tests as root, as `make unit` does"
    );
    let sandbox = Sandbox::new();
    let root = sandbox.root.path();
    let nobody = 65_534;
    sandbox.put(
        "etc/passwd",
        &format!("core:x:{nobody}:{nobody}::/home/core:/bin/sh\n"),
    );
    std::os::unix::fs::symlink("/etc", root.join("home/core/.ssh")).unwrap();
    std::os::unix::fs::chown(root.join("home/core"), Some(nobody), Some(nobody)).unwrap();
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let refused = sandbox.run(&told(), Task::SshKeys("core".to_owned()));
    assert!(matches!(refused, Err(MetadataError::Write(_))), "{refused:?}");
    assert!(!root.join("etc/authorized_keys.d").exists());
    // The rights of before are back.
    assert!(nix::unistd::geteuid().is_root());

    std::fs::remove_file(root.join("home/core/.ssh")).unwrap();
    sandbox.run(&told(), Task::SshKeys("core".to_owned())).unwrap();
    use std::os::unix::fs::MetadataExt;
    let written = std::fs::metadata(root.join("home/core/.ssh/authorized_keys.d/afterburn")).unwrap();
    assert_eq!((written.uid(), written.gid()), (nobody, nobody));
}

#[test]
fn every_cause_has_its_code() {
    let id = kindling_platforms::get("azurestack").unwrap().id();
    let ask = |source| PlatformError::Access { id, source };
    let envelope = |fault| {
        ask(AccessError::Envelope {
            fault,
            why: "why".to_owned(),
        })
    };
    let why = "why".to_owned();
    for (error, code) in [
        (ask(NOTHING), "metadata-unreachable"),
        (PlatformError::Malformed { id, why }, "metadata-malformed"),
        (PlatformError::NotHere { id }, "platform-not-here"),
        (envelope(EnvelopeFault::NoProgram), "program-missing"),
        (envelope(EnvelopeFault::NoRecipient), "envelope-certificate"),
        (envelope(EnvelopeFault::Closed), "envelope-closed"),
        (envelope(EnvelopeFault::Contents), "envelope-contents"),
        (envelope(EnvelopeFault::Key), "envelope-key"),
    ] {
        assert_eq!(MetadataError::from(error).code(), code);
    }
    assert_eq!(MetadataError::Silent(id).code(), "metadata-silent");
    assert_eq!(MetadataError::NoUser("core".to_owned()).code(), "metadata-user");
}
