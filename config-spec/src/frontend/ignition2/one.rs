//! Version 1 as version 2.0.0: file systems have no names there, and files stand in them.

use crate::frontend::tree::Node;

use super::draft::{Draft, put, single, taken};

/// Makes `document`, which is of version 1, one of 2.0.0.
pub(super) fn lift<'a>(draft: &mut Draft<'a>, document: &mut Node<'a>) {
    let from = document
        .take("ignitionVersion")
        .map_or(document.from, |version| version.from);
    draft.note(
        from,
        "the version stands in the section ignition",
        "\"ignition\": {\"version\": \"3.4.0\"}",
    );
    document.set("ignition", Node::object(from));
    let Some(storage) = document.get_mut("storage") else {
        return;
    };
    let from = storage.from;
    let mut files = Vec::new();
    let filesystems = taken(storage, "filesystems").into_iter().enumerate();
    let filesystems: Vec<Node<'a>> = filesystems
        .map(|(index, mut mount)| {
            let from = mount.from;
            // The old engine's own name for it.
            let name = format!("_translate-filesystem-{index}");
            for mut file in taken(&mut mount, "files") {
                draft.note(
                    file.from,
                    "files stand in the storage section, below the path of their file system",
                    "\"storage\": {\"files\": [{\"path\": \"/mount/point/…\"}]}",
                );
                own(&mut file, "uid", "user");
                own(&mut file, "gid", "group");
                if let Some(text) = file.take("contents") {
                    draft.note(
                        text.from,
                        "a file's text is given by its address",
                        "\"contents\": {\"source\": \"data:,…\"}",
                    );
                    let source = draft.data_url(&text);
                    file.set("contents", source);
                }
                file.set("filesystem", Node::text(name.clone(), from));
                files.push(file);
            }
            Node::object(from)
                .with("name", Node::text(name, from))
                .with("mount", mount)
        })
        .collect();
    put(storage, "filesystems", filesystems, from);
    put(storage, "files", files, from);
}

/// `uid` as `user.id`.
fn own<'a>(file: &mut Node<'a>, id: &str, owner: &'static str) {
    if let Some(id) = file.take(id) {
        let from = id.from;
        file.set(owner, single("id", id, from));
    }
}
