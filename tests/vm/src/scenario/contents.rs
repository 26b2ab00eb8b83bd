//! What a machine finds in its initramfs, beside what a distribution would put there.

use std::fs::{self, File};
use std::io::Write;

use super::{Node, ScenarioError, file_error};
use crate::cpio;
use crate::reference;

impl Node {
    /// Boots by the units that the distribution's package of the reference brings, which call `engine`.
    ///
    /// # Errors
    /// [`ScenarioError::File`].
    pub fn take_units_of_reference(&mut self, engine: reference::Engine) -> Result<(), ScenarioError> {
        let initramfs = &self.machine.initramfs;
        reference::lay_over(initramfs, &self.built.base.root, engine, &self.built.engine)
            .map_err(file_error(initramfs))
    }

    /// Takes files out of the initramfs, as if they had never been installed, and tells which were there.
    ///
    /// # Errors
    /// [`ScenarioError::File`].
    pub fn leave_out<'a>(&mut self, paths: &[&'a str]) -> Result<Vec<&'a str>, ScenarioError> {
        let initramfs = &self.machine.initramfs;
        let whole = fs::read(initramfs).map_err(file_error(initramfs))?;
        let (kept, found) = cpio::without(&whole, paths);
        fs::write(initramfs, kept).map_err(file_error(initramfs))?;
        Ok(found)
    }

    /// Puts a file into the initramfs, over whatever is there.
    ///
    /// # Errors
    /// [`ScenarioError::File`].
    pub fn put_into_initramfs(&mut self, path: &str, text: &str) -> Result<(), ScenarioError> {
        let mut archive = cpio::Archive::default();
        archive.file(path, 0o644, text.as_bytes());
        let initramfs = &self.machine.initramfs;
        let added = File::options()
            .append(true)
            .open(initramfs)
            .and_then(|mut file| file.write_all(&archive.finish()));
        added.map_err(file_error(initramfs))
    }
}
