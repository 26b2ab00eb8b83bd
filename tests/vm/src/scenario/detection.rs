//! What the kernel is told of the boot: that it is the first, or how the machine finds that out itself.

use std::process::Command;

use super::{Node, ScenarioError};
use crate::image::ImageError;
use crate::run;

impl Node {
    /// From now on nobody says that a boot is the first: the machine finds out by the value of `kindling.firstboot`. To be
    /// called before the machine gets a boot loader.
    pub fn detect_first_boot(&mut self, by: &str) {
        self.detection = Some(format!("kindling.firstboot={by}"));
    }

    /// Puts the partition `data` of `fixtures/vm/worker.ign` on the second disk, without a file system.
    ///
    /// # Errors
    /// [`ScenarioError::Image`].
    pub fn partition_data_disk(&mut self) -> Result<(), ScenarioError> {
        let log = self.folder.path().join("sfdisk.log");
        let script = "echo 'start=1MiB, size=512MiB, name=data' | sfdisk --quiet --label gpt \"$1\"";
        let mut command = Command::new(run::get("sh").map_err(ImageError::Root)?);
        command.args(["-c", script, "sh"]).arg(self.data_disk());
        Ok(run::to_end("sfdisk", &mut command, &log).map_err(ImageError::Root)?)
    }

    /// What the kernel is told of the platform and of the boot.
    pub(super) fn arguments(&self, is_first: bool) -> Vec<String> {
        let platform = format!("ignition.platform.id={}", self.platform);
        let told = is_first.then(|| "ignition.firstboot".to_owned());
        let first = self.detection.clone().or(told);
        let demo = "kindling.demo=1".to_owned();
        [platform, demo].into_iter().chain(first).collect()
    }
}
