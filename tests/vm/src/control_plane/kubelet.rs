//! The real kubelet, with a real container runtime, on this host (`scripts/kubelet.sh`).

use std::fs;
use std::path::{Path, PathBuf};

use super::process::Process;
use super::{ControlPlane, ControlPlaneError, pki, ports, programs};
use crate::run;

/// A running kubelet; it ends with this value. Needs root.
pub struct Kubelet {
    process: Process,
    folder: tempfile::TempDir,
}

impl Kubelet {
    /// Starts the kubelet of a machine whose `/etc/kubernetes` and `/var/lib/kubelet` are those below `root`: as whatever
    /// joined the machine left them, in the places that kubeadm has them. What the kubelet adds is found there too.
    ///
    /// # Errors
    /// [`ControlPlaneError`].
    pub fn start(root: &Path, node: &str) -> Result<Self, ControlPlaneError> {
        let folder = tempfile::tempdir().map_err(ControlPlaneError::Host)?;
        let seen = folder.path().join("root");
        std::os::unix::fs::symlink(root, &seen)
            .map_err(|source| ControlPlaneError::File { path: seen, source })?;
        let [port, of_health] = ports().map_err(ControlPlaneError::Host)?;
        let arguments = [
            // All of them end with the first, and that with the thread that started it.
            "--mount",
            "--pid",
            "--cgroup",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            include_str!("../../scripts/kubelet.sh"),
            "kubelet.sh",
            &programs().to_string_lossy(),
            &folder.path().to_string_lossy(),
            node,
            &port.to_string(),
            &of_health.to_string(),
        ]
        .map(str::to_owned);
        let process = Process::start("kubelet", &run::get("unshare")?, &arguments, folder.path())?;
        Ok(Self { process, folder })
    }

    /// The program.
    #[must_use]
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Puts below `root` what a machine has that lets its kubelet join by itself with `token`: the way of kubeadm.
///
/// # Errors
/// [`ControlPlaneError::File`].
pub fn place_bootstrap(root: &Path, plane: &ControlPlane, token: &str) -> Result<(), ControlPlaneError> {
    place(root, "etc/kubernetes/pki/ca.crt", plane.authority_pem())?;
    place(
        root,
        "etc/kubernetes/bootstrap-kubelet.conf",
        &plane.bootstrap_kubeconfig(token),
    )
}

fn place(root: &Path, path: &str, text: &str) -> Result<(), ControlPlaneError> {
    let path: PathBuf = root.join(path);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| ControlPlaneError::File {
            path: folder.to_path_buf(),
            source,
        })?;
    }
    pki::write(path, text)
}
