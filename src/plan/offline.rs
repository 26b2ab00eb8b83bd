//! What of a config can be done where the machine does not run, and what must wait for its first boot.

use kindling_config_spec::types::Config;

use super::Conflict;

/// How far a config is carried out away from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Files, directories, links and units only, as `ignition-apply` (engine.md 1.4).
    Bare,
    /// A root below some directory, with its accounts.
    Tree,
    /// The disks of a machine, as images.
    Image,
}

/// A section of the config that one extent or another cannot carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    KernelArguments,
    Disks,
    Raid,
    Filesystems,
    Luks,
    Users,
    Groups,
}

impl Section {
    /// In the order in which the stages would come to them.
    const ALL: [Self; 7] = [
        Self::KernelArguments,
        Self::Disks,
        Self::Raid,
        Self::Filesystems,
        Self::Luks,
        Self::Users,
        Self::Groups,
    ];

    fn pointer(self) -> &'static str {
        match self {
            Self::KernelArguments => "/kernelArguments",
            Self::Disks => "/storage/disks",
            Self::Raid => "/storage/raid",
            Self::Filesystems => "/storage/filesystems",
            Self::Luks => "/storage/luks",
            Self::Users => "/passwd/users",
            Self::Groups => "/passwd/groups",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::KernelArguments => "kernel arguments",
            Self::Disks => "partition tables",
            Self::Raid => "arrays",
            Self::Filesystems => "file systems",
            Self::Luks => "encrypted volumes",
            Self::Users => "users",
            Self::Groups => "groups",
        }
    }

    fn is_asked_for(self, config: &Config) -> bool {
        let (storage, passwd) = (&config.storage, &config.passwd);
        match self {
            Self::KernelArguments => {
                let arguments = &config.kernel_arguments;
                !arguments.should_exist.is_empty() || !arguments.should_not_exist.is_empty()
            }
            Self::Disks => !storage.disks.is_empty(),
            Self::Raid => !storage.raid.is_empty(),
            Self::Filesystems => !storage.filesystems.is_empty(),
            Self::Luks => !storage.luks.is_empty(),
            Self::Users => !passwd.users.is_empty(),
            Self::Groups => !passwd.groups.is_empty(),
        }
    }

    /// The table of docs/semantics.md, "Away from the machine".
    fn is_carried_out(self, extent: Extent) -> bool {
        match self {
            // The boot loader's entries belong to whoever boots; keys and arrays to the machine that has them.
            Self::KernelArguments | Self::Raid | Self::Luks => false,
            Self::Disks | Self::Filesystems => extent == Extent::Image,
            Self::Users | Self::Groups => extent != Extent::Bare,
        }
    }

    fn drop_from(self, config: &mut Config) {
        let (storage, passwd) = (&mut config.storage, &mut config.passwd);
        match self {
            Self::KernelArguments => config.kernel_arguments = Default::default(),
            Self::Disks => storage.disks.clear(),
            Self::Raid => storage.raid.clear(),
            Self::Filesystems => storage.filesystems.clear(),
            Self::Luks => storage.luks.clear(),
            Self::Users => passwd.users.clear(),
            Self::Groups => passwd.groups.clear(),
        }
    }
}

/// The sections that must wait for the first boot, one conflict each.
#[must_use]
pub fn waiting(config: &Config, extent: Extent) -> Vec<Conflict> {
    let next = match extent {
        Extent::Bare => "give --ignore-unsupported to skip it, or let the first boot do it",
        Extent::Tree | Extent::Image => "give --split to write what must wait to a config for the first boot",
    };
    let asked = Section::ALL
        .iter()
        .filter(|section| section.is_asked_for(config) && !section.is_carried_out(extent));
    asked
        .map(|section| {
            let message = format!("{} cannot be made away from the machine", section.name());
            Conflict::new(section.pointer(), "waits-for-first-boot", message, next)
        })
        .collect()
}

/// Leaves out of `config` what must wait.
pub fn leave_out(config: &mut Config, extent: Extent) {
    for section in Section::ALL {
        if !section.is_carried_out(extent) {
            section.drop_from(config);
        }
    }
}
