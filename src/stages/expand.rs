//! A config with a section of ours as one that every engine of its kind can run: at the desk, for `kindling convert --expand`.

use std::path::Path;

use kindling_config_spec::Source;
use kindling_config_spec::types::Config;

use super::given;
use super::node::{self, Fetching};
use crate::node::handed::DIRECTORY;
use crate::plan::Stage;
use crate::report::Failure;

/// The config, and what it cannot say.
pub struct Plain {
    /// Without references and without the section.
    pub config: Config,
    /// What is lost, and what is doubtful, for a person to read.
    pub warnings: Vec<String>,
}

/// Resolves `source`, called `name` in findings, and puts files and units in the place of its section. References and authorities
/// are fetched, a token is not.
///
/// # Errors
/// The record: of the config, of a reference, of authorities that only the machine can ask for.
pub fn expand(source: Source<'_>, name: &str) -> Result<Plain, Failure> {
    let given = given::read(source, name, false)?;
    let mut warnings = given.warnings;
    let mut config = given.rendered.into_config();
    if let Some(settled) = node::settle(&config, &given.fetcher, Fetching::Authorities)? {
        settled.is_for_any_machine(Stage::Fetch)?;
        if settled.is_native() {
            warnings.push(
                "kindling.node: mode native is not in it: no file may hold its token, and only kindling asks for the certificate"
                    .to_owned(),
            );
        } else if !settled.has_token() {
            warnings.push(
                "kindling.node: the bootstrap token is not in it: it is fetched in the boot".to_owned(),
            );
        }
        config = settled
            .expand(config, &Path::new(DIRECTORY).join("bin/kindling"))
            .config;
    }
    let section = std::mem::take(&mut config.kindling);
    let lost = [
        ("files", !section.files.is_empty()),
        ("onFailure", section.on_failure != Default::default()),
        ("report", section.report != Default::default()),
        ("transport", section.transport != Default::default()),
    ];
    let lost = lost.into_iter().filter(|(_, is_there)| *is_there);
    warnings.extend(lost.map(|(member, _)| format!("kindling.{member} is not in it: nothing plain says it")));
    Ok(Plain { config, warnings })
}
