//! A config that refers to nothing any more.

use kindling_config_spec::types::Config;
use serde::{Deserialize, Serialize};

use super::places::Written;
use crate::fetch::Origin;

/// A config without open references: what the stages work from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rendered {
    pub(super) config: Config,
    pub(super) origins: Vec<Origin>,
    #[serde(skip)]
    pub(super) warnings: Vec<String>,
    #[serde(skip)]
    pub(super) written: Written,
}

impl Rendered {
    /// What a source without a config renders to.
    #[must_use]
    pub fn empty() -> Self {
        Self::from_cache(Config::default(), Vec::new())
    }

    /// What an earlier stage rendered and stored, which is the one other way to a rendered config.
    #[must_use]
    pub fn from_cache(config: Config, origins: Vec<Origin>) -> Self {
        Self {
            config,
            origins,
            warnings: Vec::new(),
            written: Written::default(),
        }
    }

    /// The config.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The config alone.
    pub(crate) fn into_config(self) -> Config {
        self.config
    }

    /// The config, for values of this machine to be put into.
    pub(crate) fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// Where somebody wrote its entries. Empty for one from the cache.
    #[must_use]
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// The documents it consists of, in the order they were read. Empty when there was none.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// What is doubtful in it, one text per document with source lines. The first document's own warnings are in
    /// its [`Checked`](kindling_config_spec::Checked).
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
