//! What the kubelet finds (cluster.md 2.7): its pair, the link to it, its kubeconfig; and the key while there is no certificate.
//!
//! Paths are those of the real root, also in the link, wherever that root is mounted now.

use std::path::{Path, PathBuf};

use kindling_config_spec::units::{Bytes, Mode};

use crate::calendar::utc;
use crate::host::machine::Machine;
use crate::host::sysroot::{Access, Sysroot, SysrootError};
use crate::node::cause::Cause;
use crate::node::certificate::{self, Certificate};
use crate::node::handed::Paths;
use crate::node::pem;
use crate::node::request::Key;
use crate::report::{Failure, chain};

/// The key of a request that is not answered; the kubelet's own name for it.
const KEY: &str = "kubelet-client.key.tmp";
/// Where the kubelet looks for its pair.
pub(super) const CURRENT: &str = "kubelet-client-current.pem";
/// The same while it is replaced; the kubelet takes one that is left over for the newer.
const UPDATED: &str = "kubelet-client-updated.pem";
/// No file of ours is larger.
const LIMIT: Bytes = Bytes(1 << 20);

const PRIVATE: Access = Access {
    uid: None,
    gid: None,
    mode: Some(Mode(0o600)),
};
const OPEN: Access = Access {
    uid: None,
    gid: None,
    mode: Some(Mode(0o755)),
};

/// The files of one layout below one root.
pub(super) struct Files<'a> {
    sysroot: Sysroot,
    paths: Paths,
    did: &'a dyn Fn(&'static str),
}

fn unwritable(error: SysrootError) -> Failure {
    let mut why = chain(&error);
    let what = if why.is_empty() {
        String::new()
    } else {
        why.remove(0)
    };
    Cause::Unwritable.record(what, why)
}

impl<'a> Files<'a> {
    /// # Errors
    /// The root cannot be opened.
    pub(super) fn open(root: &Path, paths: Paths, did: &'a dyn Fn(&'static str)) -> Result<Self, Failure> {
        let sysroot = Sysroot::open(root).map_err(unwritable)?;
        Ok(Self { sysroot, paths, did })
    }

    fn pki(&self, name: &str) -> PathBuf {
        Path::new(self.paths.certificates).join(name)
    }

    /// Where the kubelet's pair is, as its kubeconfig says it.
    pub(super) fn current(&self) -> PathBuf {
        self.pki(CURRENT)
    }

    /// What tells this machine from others, as its Node has it.
    pub(super) fn ids(&self) -> [String; 2] {
        let machine_id = self.text(Path::new("/etc/machine-id")).unwrap_or_default();
        [Machine::read().id, machine_id.trim().to_owned()]
    }

    fn text(&self, path: &Path) -> Option<String> {
        self.sysroot.read_text(path, LIMIT).ok().flatten()
    }

    /// The key that an earlier run kept, or a new one, which is on the medium when this returns.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(super) fn key(&self) -> Result<Key, Failure> {
        let path = self.pki(KEY);
        if let Some(key) = self.text(&path).and_then(|text| Key::parse(&text)) {
            return Ok(key);
        }
        let key = Key::generate().ok_or_else(no_random)?;
        let kept = self
            .sysroot
            .make_dirs_as(Path::new(self.paths.certificates), OPEN)
            .and_then(|()| self.sysroot.put_durably(&path, key.pem().as_bytes(), PRIVATE))
            .and_then(|()| self.sysroot.sync(&path));
        kept.map_err(unwritable)?;
        (self.did)("key-kept");
        Ok(key)
    }

    /// Drops the key: no request with it will be answered well.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(super) fn drop_key(&self) -> Result<(), Failure> {
        self.sysroot.remove(&self.pki(KEY)).map_err(unwritable)?;
        (self.did)("key-removed");
        Ok(())
    }

    /// The certificate that the kubelet has, and both in PEM, where key and certificate are of each other.
    pub(super) fn pair(&self) -> Option<(Certificate, String)> {
        let text = self.text(&self.current())?;
        let chain = pem::read(pem::CERTIFICATE, &text)?;
        let certificate = certificate::parse(chain.first()?)?;
        (Key::parse(&text)?.public() == certificate.public).then_some((certificate, text))
    }

    /// Whether the kubelet's kubeconfig is this.
    pub(super) fn has_kubeconfig(&self, text: &str) -> bool {
        self.text(Path::new(self.paths.kubeconfig)).as_deref() == Some(text)
    }

    /// Puts everything in place; `now` is in seconds since 1970. Whoever sees the kubeconfig sees all of it.
    ///
    /// # Errors
    /// Something cannot be written. Another run goes on from there.
    pub(super) fn install(&self, pair: &str, kubeconfig: &str, now: u64) -> Result<(), Failure> {
        self.place(pair, kubeconfig, now).map_err(unwritable)
    }

    fn place(&self, pair: &str, kubeconfig: &str, now: u64) -> Result<(), SysrootError> {
        let root = &self.sysroot;
        let path = self.pair_path(pair, now)?;
        root.put_durably(&path, pair.as_bytes(), PRIVATE)?;
        (self.did)("pair");
        let updated = self.pki(UPDATED);
        root.remove(&updated)?;
        root.symlink(&updated, &path, Access::default())?;
        (self.did)("updated");
        root.move_over(&updated, &self.current())?;
        root.sync(&path)?;
        (self.did)("current");
        let config = Path::new(self.paths.kubeconfig);
        root.make_dirs_as(config.parent().unwrap_or(Path::new("/")), OPEN)?;
        root.put_durably(config, kubeconfig.as_bytes(), PRIVATE)?;
        root.sync(config)?;
        (self.did)("kubeconfig");
        Ok(())
    }

    /// Where the pair goes: beside those of before, or where a run that was killed has put the same.
    fn pair_path(&self, pair: &str, now: u64) -> Result<PathBuf, SysrootError> {
        for name in self.sysroot.names(Path::new(self.paths.certificates))? {
            let name = name.to_string_lossy();
            let is_pair = name.starts_with("kubelet-client-2") && name.ends_with(".pem");
            if is_pair && self.text(&self.pki(&name)).as_deref() == Some(pair) {
                return Ok(self.pki(&name));
            }
        }
        let stamp = utc(now).replace(['T', ':'], "-").replace('Z', "");
        Ok(self.pki(&format!("kubelet-client-{stamp}.pem")))
    }
}

/// The record of a kernel without random bytes.
pub(super) fn no_random() -> Failure {
    Cause::Unwritable.record(
        "cannot make a key",
        vec!["the kernel gives no random bytes".to_owned()],
    )
}
