//! Machines with a boot entry: kernel arguments that they themselves may change.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Node, ScenarioError, file_error};
use crate::qemu::{self, Disk};
use crate::{host, image};

/// The disk with a boot entry.
pub(super) enum Entry {
    /// ext4, read by the harness in the place of a boot loader.
    Read(PathBuf),
    /// An EFI system partition with a boot loader of its own.
    Loaded(PathBuf),
}

/// Where the entry is on it.
const ENTRY: &str = "/loader/entries/debian.conf";

impl Node {
    /// Gives the machine a file system with one boot entry. From now on it starts with the arguments that stand there: the
    /// harness loads the kernel in the boot loader's place, and so reads the entry in its place.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn add_boot_entry(&mut self, options: &str) -> Result<(), ScenarioError> {
        let path = self.folder.path().join("boot.img");
        let tree = self.boot_tree(options)?;
        let disk = Disk::blank(path.clone(), "boot", 32, 512).map_err(file_error(&path))?;
        image::fill(&path, "boot", &tree)?;
        self.machine.disks.push(disk);
        self.entry = Some(Entry::Read(path));
        Ok(())
    }

    /// Gives the machine firmware and a disk with a boot loader, this machine's kernel and initramfs, and one boot entry.
    /// From now on it starts as machines do, and starts again when it is told to: one run may be several boots. `options`
    /// come after those every guest has; nobody but them says that a boot is the first.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn add_boot_loader(&mut self, options: &str) -> Result<(), ScenarioError> {
        let options = format!("{} {} {options}", qemu::ARGUMENTS, self.arguments(true).join(" "));
        let tree = self.boot_tree(&options)?;
        let (disk, variables) = (
            self.folder.path().join("esp.img"),
            self.folder.path().join("variables.img"),
        );
        // The name of what firmware starts from a disk that it has no entry of its own for.
        let loader = tree.join("EFI/BOOT/BOOTX64.EFI");
        let of_loader = loader.parent().unwrap_or(&tree);
        fs::create_dir_all(of_loader).map_err(file_error(of_loader))?;
        for (from, to) in [
            (Path::new(host::BOOT_LOADER), &loader),
            (&self.machine.kernel, &tree.join("vmlinuz")),
            (&self.machine.initramfs, &tree.join("initrd")),
            (Path::new(host::FIRMWARE_VARIABLES), &variables),
        ] {
            fs::copy(from, to).map_err(file_error(from))?;
        }
        image::esp(&disk, &tree)?;
        fs::remove_dir_all(&tree).map_err(file_error(&tree))?;
        self.machine.firmware = Some(variables);
        self.machine.disks.push(Disk {
            path: disk.clone(),
            serial: "esp".to_owned(),
            sector_bytes: 512,
            ways: 1,
        });
        self.entry = Some(Entry::Loaded(disk));
        Ok(())
    }

    /// A folder with one boot entry.
    fn boot_tree(&self, options: &str) -> Result<PathBuf, ScenarioError> {
        let tree = self.folder.path().join("boot");
        let entry = tree.join(ENTRY.trim_start_matches('/'));
        let entries = entry.parent().unwrap_or(&tree);
        fs::create_dir_all(entries).map_err(file_error(entries))?;
        let text = format!("title Debian\nlinux /vmlinuz\ninitrd /initrd\noptions {options}\n");
        fs::write(&entry, text).map_err(file_error(&entry))?;
        Ok(tree)
    }

    /// The disk with the boot entry, for who changes it while the machine is off.
    #[must_use]
    pub fn boot_disk(&self) -> Option<&Path> {
        self.entry.as_ref().map(|entry| match entry {
            Entry::Read(disk) | Entry::Loaded(disk) => disk.as_path(),
        })
    }

    /// The arguments in the boot entry, to be looked at while the machine is off; nothing without one.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn boot_options(&self) -> Result<String, ScenarioError> {
        let text = match &self.entry {
            None => return Ok(String::new()),
            Some(Entry::Read(disk)) => image::read(disk, ENTRY)?,
            Some(Entry::Loaded(disk)) => image::read_esp(disk, ENTRY)?,
        };
        let options = text.lines().find_map(|line| line.strip_prefix("options "));
        Ok(options.unwrap_or_default().to_owned())
    }
}
