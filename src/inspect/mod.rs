//! A target's root as facts: a directory or an archive is walked, and a few of its files are read.
//!
//! Nothing is written, no link is followed out of the root, and the result depends on the root alone: the same tree
//! gives the same facts, whether it is a directory or an archive. What the facts mean is in
//! [`kindling_config_spec::facts`].
//!
//! Names that are not UTF-8 are left out, with all below them, and told: no config can write them. Of a link whose
//! target is not UTF-8 the bad bytes become U+FFFD, so that the link is there and leads nowhere.

mod archive;
mod error;
mod listing;
mod root;
mod texts;

use std::path::Path;

use kindling_config_spec::facts::{Facts, Kind};

pub use error::InspectError;

use listing::Listing;

/// The largest text that is read, in bytes: databases of accounts can have a line per member of a large company.
const TEXT_LIMIT: u64 = 16 << 20;

/// What a root is like.
#[derive(Debug)]
pub struct Inspected {
    /// The facts.
    pub facts: Facts,
    /// What is not in them, in words.
    pub warnings: Vec<String>,
}

/// Reads the facts of the root at `path`: a directory, or a tar archive of one, plain or packed with gzip.
///
/// # Errors
/// See [`InspectError`]. A root that cannot be read whole is an error, for half of the facts would be wrong ones.
pub fn inspect(path: &Path) -> Result<Inspected, InspectError> {
    if path.is_dir() {
        let (root, listing) = root::list(path)?;
        finish(listing, |wanted, _| root::texts(&root, wanted))
    } else {
        let listing = archive::list(path)?;
        finish(listing, |wanted, listing| archive::texts(path, wanted, listing))
    }
}

/// Reads the texts at these paths, which have no links in them.
type Texts = Vec<(String, String)>;

fn finish(
    mut listing: Listing,
    read: impl FnOnce(&[String], &Listing) -> Result<Texts, InspectError>,
) -> Result<Inspected, InspectError> {
    check_is_root(&listing.facts)?;
    let wanted = texts::wanted(&listing.facts);
    let found = read(&wanted, &listing)?;
    texts::take(&mut listing.facts, &found);
    listing.facts.units = listing::units(&listing.facts);
    Ok(Inspected {
        warnings: listing.warnings(),
        facts: listing.facts,
    })
}

/// Refuses what is a directory or an archive, but no root.
fn check_is_root(facts: &Facts) -> Result<(), InspectError> {
    let is_directory = |path: &str| {
        let node = facts.resolve(path);
        node.is_some_and(|node| node.kind == Kind::Directory)
    };
    if facts.files.contains("/oci-layout") {
        return Err(InspectError::Layers { marker: "oci-layout" });
    }
    if is_directory("/etc") || is_directory("/usr") {
        return Ok(());
    }
    if facts.files.contains("/manifest.json") {
        return Err(InspectError::Layers {
            marker: "manifest.json",
        });
    }
    Err(InspectError::NoRoot)
}
