//! What becomes of each configured file system: kept, made, or refused. The table stands in
//! docs/semantics.md (engine.md 4.4.6).

use std::path::Path;

use kindling_config_spec::types::Filesystem;

use super::step::Format;
use crate::inventory::disks::{Content, Signature};
use crate::invocation::{Invocation, Program};

/// What happens to one file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is there as asked.
    Keep,
    /// It is made on a device without any signature.
    Make,
    /// What is there is erased first.
    WipeAndMake,
    /// Something is there that nobody allowed us to erase.
    Refuse(String),
}

/// Decides one file system from what the device holds and what the config asks.
///
/// `unfinished` means that an interrupted run of this machine's own first boot was making a file system on
/// the partition, so that whatever is there is nobody's data.
#[must_use]
pub fn decide(found: &Content, want: &Filesystem, format: Format, unfinished: bool) -> Decision {
    let may_wipe = want.wipe_filesystem.unwrap_or(false) || unfinished;
    match (found, may_wipe) {
        (Content::Blank, _) if format == Format::None => Decision::Keep,
        (Content::Blank, false | true) => Decision::Make,
        (Content::Known(_) | Content::Ambiguous(_), true) => Decision::WipeAndMake,
        (Content::Known(signature), false) => match difference(signature, want, format) {
            None => Decision::Keep,
            Some(difference) => Decision::Refuse(difference),
        },
        (Content::Ambiguous(kinds), false) => Decision::Refuse(format!(
            "it holds {}, so it cannot be told what is there",
            kinds.join(" and ")
        )),
    }
}

fn difference(found: &Signature, want: &Filesystem, format: Format) -> Option<String> {
    let has = |what: &str| format!("it holds {} {what}", article(&found.kind));
    if found.kind != name(format) {
        return Some(match format {
            Format::None => has("and the config asks for none"),
            _ => has(&format!("and the config asks for {}", name(format))),
        });
    }
    let plain = |uuid: &str| uuid.replace('-', "").to_lowercase();
    match (want.label.as_deref(), want.uuid.as_deref()) {
        (Some(label), _) if !label.is_empty() && !found.has_label(label) => Some(has(&format!(
            "with {} and the config asks for the label {label:?}",
            found
                .label
                .as_ref()
                .map_or("no label".to_owned(), |label| format!("the label {label:?}"))
        ))),
        (_, Some(uuid)) if !uuid.is_empty() && found.uuid.as_deref().map(plain) != Some(plain(uuid)) => {
            Some(has(&format!(
                "with the UUID {} and the config asks for {uuid}",
                found.uuid.as_deref().unwrap_or("none")
            )))
        }
        _ => None,
    }
}

fn article(kind: &str) -> String {
    if kind.ends_with("table") {
        format!("a {kind}")
    } else {
        format!("a file system or member of type {kind}")
    }
}

/// The format of that name in the config; `None` for `virtiofs`, which is only mounted, and for no format.
#[must_use]
pub fn format_of(filesystem: &Filesystem) -> Option<Format> {
    match filesystem.format.as_deref()? {
        "btrfs" => Some(Format::Btrfs),
        "ext4" => Some(Format::Ext4),
        "vfat" => Some(Format::Vfat),
        "xfs" => Some(Format::Xfs),
        "swap" => Some(Format::Swap),
        "none" => Some(Format::None),
        _ => None,
    }
}

/// The name of a format in the config, which is also blkid's.
#[must_use]
pub fn name(format: Format) -> &'static str {
    match format {
        Format::Btrfs => "btrfs",
        Format::Ext4 => "ext4",
        Format::Vfat => "vfat",
        Format::Xfs => "xfs",
        Format::Swap => "swap",
        Format::None => "none",
    }
}

/// The call that makes the file system; `None` for the format `none`. A UUID that the config leaves open is
/// `derived`, unless the configured options set one.
#[must_use]
pub fn mkfs(want: &Filesystem, format: Format, node: &Path, derived: &str) -> Option<Invocation> {
    let (program, force, uuid_option, label_option) = match format {
        Format::Btrfs => (Program::MkfsBtrfs, Some("--force"), "-U", "-L"),
        Format::Ext4 => (Program::MkfsExt4, Some("-F"), "-U", "-L"),
        Format::Vfat => (Program::MkfsFat, None, "-i", "-n"),
        Format::Xfs => (Program::MkfsXfs, Some("-f"), "-m", "-L"),
        Format::Swap => (Program::Mkswap, Some("-f"), "-U", "-L"),
        Format::None => return None,
    };
    let given = want
        .uuid
        .as_deref()
        .filter(|uuid| !uuid.is_empty())
        .map(str::to_lowercase);
    let as_option = |uuid: String| match format {
        Format::Xfs => format!("uuid={uuid}"),
        // A FAT volume has 32 bits.
        Format::Vfat => uuid.replace('-', "").chars().take(8).collect(),
        _ => uuid,
    };
    let is_open = given.is_none() && !sets_uuid(&want.options, format);
    let derived = is_open.then(|| as_option(derived.to_owned()));
    let word = match format {
        Format::Xfs => "uuid=UUID",
        Format::Vfat => "ID",
        _ => "UUID",
    };
    let label = want.label.as_deref().filter(|label| !label.is_empty());
    let call = Invocation::new(program)
        .args(&want.options)
        .args(force)
        .option(uuid_option, given.map(as_option))
        .derived(uuid_option, derived, word)
        .option(label_option, label)
        .arg(node.as_os_str());
    Some(call)
}

fn sets_uuid(options: &[String], format: Format) -> bool {
    options.iter().any(|option| match format {
        Format::Xfs => option.contains("uuid="),
        Format::Vfat => option.starts_with("-i") || option.starts_with("--volume-id"),
        _ => option.starts_with("-U") || option.starts_with("--uuid"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(format: &str) -> Filesystem {
        Filesystem {
            device: "/dev/vdb1".into(),
            format: Some(format.into()),
            ..Filesystem::default()
        }
    }

    fn known(kind: &str, label: Option<&str>, uuid: Option<&str>) -> Content {
        Content::Known(Signature {
            kind: kind.into(),
            label: label.map(str::to_owned),
            uuid: uuid.map(str::to_owned),
            ..Signature::default()
        })
    }

    #[test]
    fn reuse_table() {
        let wipe = Filesystem {
            wipe_filesystem: Some(true),
            ..want("ext4")
        };
        let labelled = Filesystem {
            label: Some("data".into()),
            ..want("ext4")
        };
        let identified = Filesystem {
            uuid: Some("AB-cd".into()),
            ..want("vfat")
        };
        let two = Content::Ambiguous(vec!["ext4".into(), "xfs".into()]);
        let refused = |decision| matches!(decision, Decision::Refuse(_));
        for (row, found, want, format, unfinished, expected) in [
            (
                "blank",
                Content::Blank,
                &want("ext4"),
                Format::Ext4,
                false,
                Decision::Make,
            ),
            (
                "blank, none asked",
                Content::Blank,
                &want("none"),
                Format::None,
                false,
                Decision::Keep,
            ),
            (
                "the same",
                known("ext4", None, None),
                &want("ext4"),
                Format::Ext4,
                false,
                Decision::Keep,
            ),
            (
                "label matches",
                known("ext4", Some("data"), None),
                &labelled,
                Format::Ext4,
                false,
                Decision::Keep,
            ),
            (
                "uuid without dash",
                known("vfat", None, Some("abCD")),
                &identified,
                Format::Vfat,
                false,
                Decision::Keep,
            ),
            (
                "wipe allowed",
                known("xfs", None, None),
                &wipe,
                Format::Ext4,
                false,
                Decision::WipeAndMake,
            ),
            (
                "wipe of the same",
                known("ext4", None, None),
                &wipe,
                Format::Ext4,
                false,
                Decision::WipeAndMake,
            ),
            (
                "two, wipe allowed",
                two.clone(),
                &wipe,
                Format::Ext4,
                false,
                Decision::WipeAndMake,
            ),
            (
                "ours, cut short",
                known("ext4", None, None),
                &want("ext4"),
                Format::Ext4,
                true,
                Decision::WipeAndMake,
            ),
            (
                "ours, cut short early",
                Content::Blank,
                &want("ext4"),
                Format::Ext4,
                true,
                Decision::Make,
            ),
        ] {
            assert_eq!(decide(&found, want, format, unfinished), expected, "{row}");
        }
        assert!(refused(decide(
            &known("xfs", None, None),
            &want("ext4"),
            Format::Ext4,
            false
        )));
        assert!(refused(decide(
            &known("ext4", Some("x"), None),
            &labelled,
            Format::Ext4,
            false
        )));
        assert!(refused(decide(
            &known("ext4", None, None),
            &want("none"),
            Format::None,
            false
        )));
        assert!(refused(decide(
            &known("vfat", None, Some("1")),
            &identified,
            Format::Vfat,
            false
        )));
        assert!(refused(decide(&two, &want("ext4"), Format::Ext4, false)));
    }

    #[test]
    fn the_page_decides_a_file_system_as_the_code_does() {
        let rows = crate::plan::page::table("## File systems");
        assert_eq!(rows.len(), 5);
        let several = || Content::Ambiguous(vec!["ext4".into(), "xfs".into()]);
        for (holds, content) in [
            ("nothing", Content::Blank),
            ("one signature that matches", known("ext4", None, None)),
            ("one signature that differs", known("xfs", None, None)),
            ("several signatures", several()),
        ] {
            for wipe in [false, true] {
                let covers = |row: &&Vec<&str>| {
                    let any = row[0] == "any signature" && holds != "nothing";
                    let may = if wipe { "yes" } else { "no" };
                    (row[0] == holds || any) && (row[1] == "any" || row[1] == may)
                };
                let matching: Vec<_> = rows.iter().filter(covers).collect();
                let [row] = matching[..] else {
                    panic!("{holds}, {wipe} is covered by {} rows", matching.len());
                };
                let config = Filesystem {
                    wipe_filesystem: Some(wipe),
                    ..want("ext4")
                };
                let expected = match decide(&content, &config, Format::Ext4, false) {
                    Decision::Keep => "kept",
                    Decision::Make => "made; with format `none`: kept",
                    Decision::WipeAndMake => "erased by `wipefs`, then made; with format `none`: erased",
                    Decision::Refuse(_) => "refused: `filesystem-differs`",
                };
                assert_eq!(row[2], expected, "{holds}, {wipe}");
            }
        }
        // What the page says of the format `none` beside.
        let none = |content: &Content, wipe| {
            let config = Filesystem {
                wipe_filesystem: Some(wipe),
                ..want("none")
            };
            decide(content, &config, Format::None, false)
        };
        assert_eq!(none(&Content::Blank, false), Decision::Keep);
        assert_eq!(none(&known("xfs", None, None), true), Decision::WipeAndMake);
        assert_eq!(
            mkfs(&want("none"), Format::None, Path::new("/dev/vdb1"), ""),
            None
        );
    }

    #[test]
    fn mkfs_command_lines() {
        let node = Path::new("/dev/vdb1");
        let full = |format: &str| Filesystem {
            label: Some("L".into()),
            uuid: Some("9A0E-11".into()),
            options: vec!["-q".into()],
            ..want(format)
        };
        for (format, name, expected) in [
            (
                Format::Btrfs,
                "btrfs",
                "mkfs.btrfs -q --force -U 9a0e-11 -L L /dev/vdb1",
            ),
            (Format::Ext4, "ext4", "mkfs.ext4 -q -F -U 9a0e-11 -L L /dev/vdb1"),
            (
                Format::Xfs,
                "xfs",
                "mkfs.xfs -q -f -m uuid=9a0e-11 -L L /dev/vdb1",
            ),
            (Format::Swap, "swap", "mkswap -q -f -U 9a0e-11 -L L /dev/vdb1"),
            (Format::Vfat, "vfat", "mkfs.fat -q -i 9a0e11 -n L /dev/vdb1"),
        ] {
            assert_eq!(
                mkfs(&full(name), format, node, "d").unwrap().to_string(),
                expected
            );
        }
        let open = mkfs(&want("vfat"), Format::Vfat, node, "01234567-89ab").unwrap();
        assert_eq!(open.to_string(), "mkfs.fat -i 01234567 /dev/vdb1");
        let chosen = Filesystem {
            options: vec!["-U".into(), "clear".into()],
            ..want("ext4")
        };
        assert_eq!(
            mkfs(&chosen, Format::Ext4, node, "d").unwrap().to_string(),
            "mkfs.ext4 -U clear -F /dev/vdb1"
        );
        assert_eq!(mkfs(&want("none"), Format::None, node, "d"), None);
    }
}
