//! What a config is judged against, beside itself.

use super::Needs;
use crate::facts::Facts;
use crate::order::OrderedMap;
use crate::units::{Bytes, SectorSize};

/// What is known of the machine and of the moment of its first boot. Whatever is absent is not guessed.
#[derive(Clone, Debug, Default)]
pub struct Setting<'a> {
    /// The date, in seconds since 1970-01-01 UTC.
    pub now: Option<u64>,
    /// Size and logical sector size of disks, by the path in the config.
    pub disks: OrderedMap<String, (Bytes, SectorSize)>,
    /// The text that the platform hands to the machine, and how much it can hand over.
    pub user_data: Option<UserData<'a>>,
    /// What the paths, names and units of the config meet in the target.
    pub facts: Option<&'a Facts>,
}

/// A first document and the platform that carries it.
#[derive(Clone, Copy, Debug)]
pub struct UserData<'a> {
    /// The platform, as the kernel argument names it.
    pub platform: &'a str,
    /// Length of the document.
    pub length: Bytes,
}

impl Setting<'_> {
    /// Whether a rule that needs this can be applied.
    #[must_use]
    pub fn tells(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Date => self.now.is_some(),
            Needs::DiskSize => !self.disks.is_empty(),
            Needs::Platform => self.user_data.is_some(),
            Needs::Target => self.facts.is_some(),
        }
    }
}
