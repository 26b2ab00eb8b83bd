use kindling_config_spec::types::{Cex, Clevis, Directory, File, Link, Resource};

use super::*;
use crate::inventory::disks::{Content as Holds, Signature};
use crate::plan::{Stage, files, show};

fn volume(name: &str) -> Luks {
    Luks {
        name: name.into(),
        device: Some(format!("/dev/{name}")),
        ..Luks::default()
    }
}

fn config(volumes: impl IntoIterator<Item = Luks>) -> Config {
    let mut config = Config::default();
    config.storage.luks.extend(volumes);
    config
}

fn header(uuid: &str) -> Signature {
    Signature {
        kind: "crypto_LUKS".into(),
        uuid: Some(uuid.into()),
        ..Signature::default()
    }
}

fn at(name: &str, content: Holds) -> (String, Volume) {
    let node = Path::new("/dev/dm").join(name);
    let found = Volume {
        node,
        content,
        label: None,
    };
    (name.to_owned(), found)
}

fn made(names: &[&str]) -> Target {
    let volumes = names.iter().map(|name| at(name, Holds::Known(header("5a0e"))));
    Target {
        volumes: Some(volumes.collect()),
        ..Target::default()
    }
}

fn node(kind: Kind) -> Node {
    Node {
        kind,
        uid: 0,
        gid: 0,
        mode: Mode(0o644),
        inode: (1, 1),
    }
}

fn keys(names: &[&str]) -> OrderedSet<Secret> {
    names.iter().map(|name| Secret::Volume((*name).into())).collect()
}

/// The whole stage's plan, without its result file.
fn planned(
    config: &Config,
    target: &Target,
    keys: Option<&OrderedSet<Secret>>,
) -> Result<Plan, Vec<Conflict>> {
    let known = files::Known {
        target,
        root: Path::new("/sysroot"),
        made_by_mount: &[],
        key_file: crate::plan::accounts::KeyFile::Fragment,
        boot_id: "b",
        now: "n",
        user_config_provided: true,
        keys,
        extent: None,
        is_part: false,
        applies_presets: false,
        origins: &Default::default(),
    };
    let mut plan = files::plan_files(config, &known)?;
    plan.steps
        .retain(|planned| !matches!(planned.step, Step::Result { .. }));
    Ok(plan)
}

fn lines(config: &Config, target: &Target, keys: Option<&OrderedSet<Secret>>) -> Vec<String> {
    show::lines(&planned(config, target, keys).unwrap())
}

fn codes(config: &Config, target: &Target) -> Vec<(&'static str, String)> {
    let conflicts = planned(config, target, Some(&keys(&["data"]))).unwrap_err();
    conflicts
        .into_iter()
        .map(|found| (found.code, found.pointer))
        .collect()
}

#[test]
fn what_is_written_for_each_kind_of_volume() {
    let clevis = Luks {
        clevis: Clevis {
            tpm2: Some(true),
            ..Clevis::default()
        },
        ..volume("sealed")
    };
    let card = Luks {
        cex: Cex { enabled: Some(true) },
        ..volume("card")
    };
    let config = config([volume("data"), clevis, card]);
    let mut given = keys(&["data", "card", "sealed"]);
    given.extend(["skey", "info"].map(|kind| Secret::SecureKey(format!("ignition-luks-card.{kind}"))));
    assert_eq!(
        lines(&config, &made(&["data", "sealed", "card"]), Some(&given)),
        [
            "+ /etc/luks/ (0700 0:0)",
            "+ /etc/luks/data (0600 0:0): the key of the volume data",
            "+ /etc/luks/card (0600 0:0): the key of the volume card",
            "+ /etc/zkey/repository/ (0700 0:0)",
            "+ /etc/zkey/repository/ignition-luks-card.skey (0600 0:0): what zkey made",
            "+ /etc/zkey/repository/ignition-luks-card.info (0600 0:0): what zkey made",
            "+ /etc/crypttab (0600): a line for the volume data with UUID 5a0e \
             + a line for the volume sealed with UUID 5a0e + a line for the volume card with UUID 5a0e",
        ]
    );
}

#[test]
fn a_dry_run_shows_what_is_not_known_yet() {
    let named = Luks {
        uuid: Some("77".into()),
        label: Some("L 1".into()),
        ..volume("named")
    };
    assert_eq!(
        lines(&config([volume("data"), named]), &Target::default(), None),
        [
            "+ /etc/luks/ (0700 0:0)",
            "+ /etc/luks/data (0600 0:0): the key of the volume data",
            "+ /etc/luks/named (0600 0:0): the key of the volume named",
            "+ /etc/crypttab (0600): a line for the volume data with the UUID that it will have \
             + a line for the volume named with UUID 77",
            "~ /dev/data: mark the volume as finished: cryptsetup config --label \"\" --subsystem \"\" /dev/data",
            "~ /dev/named: mark the volume as finished: cryptsetup config --label \"L 1\" --subsystem \"\" /dev/named",
        ]
    );
}

#[test]
fn the_page_decides_a_key_as_the_code_does() {
    let rows = crate::plan::page::table("### The file of a key");
    assert_eq!(rows.len(), 6);
    let other = node(Kind::File);
    for (stands, standing) in [
        ("nothing", Standing::Nothing),
        (
            "the file that an earlier run of this config put there",
            Standing::Own,
        ),
        ("something else", Standing::Other(&other)),
    ] {
        for (known, has_key) in [("yes", true), ("no", false)] {
            let row = rows.iter().find(|row| row[0] == known && row[1] == stands);
            let expected = match decide(has_key, standing) {
                Decision::Store(Before::Absent) => "written",
                Decision::Store(Before::HalfWritten) => "written again",
                Decision::Store(Before::Ours) => "kept, mode set",
                Decision::RefuseFound(_) => "refused: `path-exists`",
                Decision::RefuseMissing => "refused: `volume-key-missing`",
                Decision::Store(other) => panic!("{other:?}"),
            };
            assert_eq!(row.map(|row| row[2]), Some(expected), "{known}, {stands}");
        }
    }
}

#[test]
fn only_a_file_that_is_still_there_is_ours() {
    let path = PathBuf::from("/etc/luks/data");
    let data = keys(&["data"]);
    let mut target = made(&["data"]);
    target.own_keys.insert(path.clone());
    let step = |target: &Target, config: &Config| {
        let plan = planned(config, target, Some(&data)).map_err(|found| found[0].code)?;
        let lines = show::lines(&plan);
        Ok(lines.into_iter().find(|line| line.contains("/etc/luks/data")))
    };
    target.nodes.insert(path.clone(), node(Kind::Directory));
    assert_eq!(step(&target, &config([volume("data")])), Err("path-exists"));
    target.nodes.insert(path, node(Kind::File));
    let again = "~ /etc/luks/data (0600 0:0): the key of the volume data";
    assert_eq!(
        step(&target, &config([volume("data")])),
        Ok(Some(again.to_owned()))
    );
    // A directory of the config goes, with what is in it, and comes again.
    let mut over = config([volume("data")]);
    over.storage.directories.push(Directory {
        path: "/etc/luks".into(),
        overwrite: Some(true),
        mode: Some(0o750),
        ..Directory::default()
    });
    target.nodes.insert("/etc/luks".into(), node(Kind::Directory));
    let new = "+ /etc/luks/data (0600 0:0): the key of the volume data";
    assert_eq!(step(&target, &over), Ok(Some(new.to_owned())));
    let lines = lines(&over, &target, Some(&data));
    assert!(
        !lines.contains(&"+ /etc/luks/ (0700 0:0)".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn a_key_without_a_volume_in_the_state_is_missing() {
    let target = made(&["data", "more"]);
    let found = codes(&config([volume("data"), volume("more")]), &target);
    assert_eq!(found, [("volume-key-missing", "/storage/luks/1".to_owned())]);
}

#[test]
fn a_device_that_is_no_volume_is_refused() {
    let known = |kind: &str| {
        Holds::Known(Signature {
            kind: kind.into(),
            ..Signature::default()
        })
    };
    for (content, says) in [
        (None, "/dev/data of the volume data is not there"),
        (Some(Holds::Blank), "/dev/data of the volume data holds nothing"),
        (
            Some(known("ext4")),
            "/dev/data of the volume data holds ext4, not a LUKS volume",
        ),
        (
            Some(known("crypto_LUKS")),
            "/dev/data of the volume data has no UUID",
        ),
        (
            Some(Holds::Ambiguous(vec!["a".into(), "b".into()])),
            "/dev/data of the volume data holds a and b",
        ),
    ] {
        let target = Target {
            volumes: Some(content.into_iter().map(|content| at("data", content)).collect()),
            ..Target::default()
        };
        let conflicts = planned(&config([volume("data")]), &target, Some(&keys(&["data"]))).unwrap_err();
        let [conflict] = &conflicts[..] else {
            panic!("{conflicts:?}");
        };
        assert_eq!(
            (conflict.code, conflict.message.as_str()),
            ("volume-absent", says)
        );
        assert_eq!(conflict.pointer, "/storage/luks/0/device");
    }
}

#[test]
fn a_name_that_crypttab_cannot_hold_is_refused() {
    for name in ["my data", "#data", ""] {
        let conflicts = unwritable_names(&config([volume("data"), volume(name)]));
        let [conflict] = &conflicts[..] else {
            panic!("{name:?}: {conflicts:?}");
        };
        assert_eq!(conflict.code, "volume-name-unwritable");
        assert_eq!(conflict.pointer, "/storage/luks/1/name");
        let all = planned(&config([volume("data"), volume(name)]), &Target::default(), None);
        assert!(all.unwrap_err().contains(conflict));
    }
}

fn file(path: &str, contents: Option<&str>, append: &[&str]) -> File {
    let inline = |text: &str| Resource {
        source: Some(format!(
            "data:,{}",
            text.replace('#', "%23").replace(' ', "%20").replace('\n', "%0A")
        )),
        ..Resource::default()
    };
    File {
        path: path.into(),
        contents: contents.map(inline).unwrap_or_default(),
        append: append.iter().map(|text| inline(text)).collect(),
        ..File::default()
    }
}

#[test]
fn paths_that_the_config_writes_too_are_refused() {
    let link = |path: &str| Link {
        path: path.into(),
        target: Some("/x".into()),
        ..Link::default()
    };
    let collide = |change: &dyn Fn(&mut Config), target: &Target| {
        let mut config = config([volume("data")]);
        change(&mut config);
        codes(&config, target)
    };
    let target = made(&["data"]);
    let at_volume = [("paths-collide", "/storage/luks/0".to_owned())];
    let same = |config: &mut Config| config.storage.files.push(file("/etc/luks/data", Some("x"), &[]));
    assert_eq!(collide(&same, &target), at_volume);
    // Through a link of the target it is the same path.
    let mut linked = target.clone();
    linked
        .resolved
        .insert("/keys/data".into(), "/etc/luks/data".into());
    let other = |config: &mut Config| config.storage.files.push(file("/keys/data", Some("x"), &[]));
    assert_eq!(collide(&other, &linked), at_volume);
    let key_link = |config: &mut Config| config.storage.links.push(link("/etc/luks/data"));
    assert_eq!(collide(&key_link, &target), at_volume);
    let table_link = |config: &mut Config| config.storage.links.push(link(CRYPTTAB));
    let at_all = [("paths-collide", "/storage/luks".to_owned())];
    assert_eq!(collide(&table_link, &target), at_all);
}

const LINE: &str = "data UUID=5a0e /etc/luks/data luks,x-initrd.attach\n";
const OLD_LINE: &str = "data UUID=5a0d /etc/luks/data luks,x-initrd.attach\n";

/// The step that leaves `/etc/crypttab`, or the codes of what refuses it.
fn crypttab_of(config: &Config, target: &Target) -> Result<FileStep, Vec<&'static str>> {
    let data = keys(&["data"]);
    let plan = planned(config, target, Some(&data));
    let plan = plan.map_err(|found| found.iter().map(|one| one.code).collect::<Vec<_>>())?;
    let mut steps = plan.steps.into_iter().filter_map(|planned| match planned.step {
        Step::File(file) if file.path == Path::new(CRYPTTAB) => Some(file),
        _ => None,
    });
    let found = steps.next().expect("crypttab is written");
    assert_eq!(steps.next(), None, "one step leaves the file");
    assert_eq!(found.ownership.mode, Some(Mode(0o600)));
    Ok(found)
}

#[test]
fn the_page_decides_a_line_as_the_code_does() {
    let rows = crate::plan::page::table("### The line in crypttab");
    assert_eq!(rows.len(), 10);
    for row in rows {
        let text = match row[1] {
            "nothing" => "# mine\n".to_owned(),
            "the same line" => format!("# mine\n{LINE}"),
            "another line" => format!("# mine\n{OLD_LINE}"),
            other => panic!("{other}"),
        };
        let mut target = made(&["data"]);
        let mut config = config([volume("data")]);
        let mut there = |kind| drop(target.nodes.insert(CRYPTTAB.into(), node(kind)));
        match row[0] {
            "absent" => {}
            "no file" => there(Kind::Directory),
            "there" | "an earlier run's own" => {
                there(Kind::File);
                target.crypttab = Some(text.clone());
            }
            "a file of this config" => config.storage.files.push(file(CRYPTTAB, Some(&text), &[])),
            other => panic!("{other}"),
        }
        if row[0] == "an earlier run's own" {
            target.complete.insert(CRYPTTAB.into());
        }
        let found = crypttab_of(&config, &target);
        let of_config = |part: &Content| *part == Content::Inline(text.clone().into_bytes());
        let adds = |part: &Content| match part {
            Content::Crypttab(lines) => lines.first().map(|line| line.replaces),
            _ => None,
        };
        let found = found.as_ref();
        let parts = found.map(|file| (file.content.as_slice(), file.keeps_content));
        let happens = match parts {
            Ok(([line], false)) if adds(line) == Some(false) => "made with the lines",
            Ok(([line], true)) if adds(line) == Some(false) => "the line goes behind what is there",
            Ok(([line], true)) if adds(line) == Some(true) => "that line goes, the new one stands at the end",
            Ok(([], true)) => "kept, mode set",
            Ok(([given, line], false)) if of_config(given) && adds(line) == Some(false) => {
                "one file: its content, then the line"
            }
            Ok(([given], false)) if of_config(given) => "one file: its content",
            Err(codes) if *codes == ["path-exists"] => "refused: `path-exists`",
            Err(codes) if *codes == ["crypttab-line-differs"] => "refused: `crypttab-line-differs`",
            other => panic!("{other:?}"),
        };
        assert_eq!(row[2], happens, "{} / {}", row[0], row[1]);
    }
}

#[test]
fn a_crypttab_of_the_config_that_is_appended_to_is_ours_with_its_lines() {
    let mut config = config([volume("data")]);
    config
        .storage
        .files
        .push(file(CRYPTTAB, None, &["swap /dev/vdb /dev/urandom swap"]));
    let mut target = made(&["data"]);
    target.nodes.insert(CRYPTTAB.into(), node(Kind::File));
    let found = |text: &str, target: &Target| {
        let target = Target {
            crypttab: Some(text.to_owned()),
            ..target.clone()
        };
        let step = crypttab_of(&config, &target)?;
        Ok((step.before, step.keeps_content, step.content.len()))
    };
    // First both go behind what is there.
    assert_eq!(found("", &target), Ok((Before::Present, true, 2)));
    assert_eq!(found(OLD_LINE, &target), Err(vec!["crypttab-line-differs"]));
    // Then all of it is ours; of a volume that was made anew only the line is another.
    target.complete.insert(CRYPTTAB.into());
    assert_eq!(found(LINE, &target).map(|step| step.0), Ok(Before::Ours));
    assert_eq!(found(OLD_LINE, &target), Ok((Before::Present, true, 1)));
}

#[test]
fn a_half_written_crypttab_is_written_from_the_start() {
    let mut target = made(&["data"]);
    target.nodes.insert(CRYPTTAB.into(), node(Kind::File));
    target.crypttab = Some("da".into());
    target.half_written.insert(CRYPTTAB.into());
    let step = crypttab_of(&config([volume("data")]), &target).unwrap();
    assert_eq!((step.before, step.keeps_content), (Before::HalfWritten, false));
}

#[test]
fn a_mark_of_ours_is_taken_off_and_the_label_kept() {
    let finished = |content: Holds, label: Option<&str>, configured: Option<&str>, clevis: bool| {
        let mut target = made(&["data"]);
        let volumes = target.volumes.as_mut().unwrap();
        let found = volumes.get_mut("data").unwrap();
        found.content = content;
        found.label = label.map(str::to_owned);
        let clevis = Clevis {
            tpm2: Some(clevis),
            ..Clevis::default()
        };
        let volume = Luks {
            label: configured.map(str::to_owned),
            clevis,
            ..volume("data")
        };
        let mut plan = Plan::empty(Stage::Files);
        plan_finish(&mut plan, &config([volume]), &target);
        let calls = plan.steps.into_iter().map(|planned| match planned.step {
            Step::FinishVolume { call, stored, device } => {
                assert_eq!(device, Path::new("/dev/data"));
                assert_eq!(
                    stored,
                    ["/etc/crypttab", "/etc/luks/data"].map(PathBuf::from).into()
                );
                call.to_string()
            }
            other => panic!("{other:?}"),
        });
        calls.collect::<Vec<_>>()
    };
    let marked = |subsystem: Option<&str>| {
        Holds::Known(Signature {
            subsystem: subsystem.map(str::to_owned),
            ..header("5a0e")
        })
    };
    let ours = || marked(Some("kindling:0123"));
    let call = |label: &str| {
        vec![format!(
            "cryptsetup config --label {label} --subsystem \"\" /dev/dm/data"
        )]
    };
    for (label, configured, expected) in [
        (None, None, "\"\""),
        (Some("data"), None, "data"),
        (Some("data"), Some("data"), "data"),
        (Some("data"), Some("data "), "\"data \""),
        (Some("of the options"), Some("data"), "\"of the options\""),
        (None, Some(" "), "\" \""),
    ] {
        assert_eq!(
            finished(ours(), label, configured, false),
            call(expected),
            "{label:?} {configured:?}"
        );
    }
    let none: Vec<String> = Vec::new();
    assert_eq!(finished(ours(), None, None, true), none);
    assert_eq!(finished(marked(None), None, None, false), none);
    assert_eq!(finished(marked(Some("somebody's")), None, None, false), none);
    assert_eq!(finished(Holds::Blank, None, None, false), none);
}

#[test]
fn the_mark_goes_last_and_new_paths_are_labelled() {
    let mut target = made(&["data"]);
    target.selinux_contexts = Some("/c".into());
    target.existing_parents.insert("/etc".into());
    let found = target.volumes.as_mut().unwrap().get_mut("data").unwrap();
    found.content = Holds::Known(Signature {
        subsystem: Some("kindling:0".into()),
        ..header("5a0e")
    });
    let plan = planned(&config([volume("data")]), &target, Some(&keys(&["data"]))).unwrap();
    let [.., labelled, finished] = &plan.steps[..] else {
        panic!("{plan:?}");
    };
    assert!(matches!(&finished.step, Step::FinishVolume { .. }));
    let Step::Relabel { paths, .. } = &labelled.step else {
        panic!("{labelled:?}");
    };
    // Of the receipt, the first directory that is not there.
    let expected = ["/etc/.ignition-result.json", "/etc/crypttab", "/etc/luks", "/var"].map(PathBuf::from);
    assert_eq!(*paths, expected.into());
    // Without the result file, which `planned` leaves out, nothing may be finished.
    let faults = crate::plan::check::faults(&plan);
    assert_eq!(faults, ["/dev/data: finished before the result is written"]);
}
