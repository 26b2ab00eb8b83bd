//! Files beside a Butane config, which its sugar may name.

/// What a config may read besides itself. A machine that boots has none: [`NoFiles`].
pub trait LocalFiles {
    /// The bytes of the file at `path`, as the config writes it.
    ///
    /// # Errors
    /// Why it cannot be had, fit to be shown behind the path: no such file, outside of the directory, a directory, too
    /// large.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Everything below the directory at `path`, depth first in the order of names, without following links: the directory
    /// itself first, with an empty path. A path that is a link itself is one entry.
    ///
    /// # Errors
    /// As for [`Self::read`].
    fn walk(&self, path: &str) -> Result<Vec<Entry>, String>;
}

/// An entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the tree's root, without a slash at either end.
    pub path: String,
    /// What is there.
    pub kind: EntryKind,
}

/// What an entry of a tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file, with its contents.
    File {
        /// What it holds, or why that cannot be had.
        contents: Result<Vec<u8>, String>,
        /// Whether any of the three classes may execute it.
        is_executable: bool,
    },
    /// A symbolic link, with its target as it stands.
    Link(String),
    /// A socket, a pipe or a device.
    Other,
}

/// Where there are no files beside the config.
pub struct NoFiles;

impl LocalFiles for NoFiles {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Err(NONE.to_owned())
    }

    fn walk(&self, _: &str) -> Result<Vec<Entry>, String> {
        Err(NONE.to_owned())
    }
}

const NONE: &str = "there are no local files here: translate the config at the desk, with --files-dir";
