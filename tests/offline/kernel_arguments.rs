//! Kernel arguments on images: the boot entries that are there get them, or nothing is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::images::{MIB, apply, assert_nothing_attached, done, image, inside};
use crate::sandbox::{Sandbox, require_root};

const LINUX: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const ROOT: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";
const BOOT_MIB: u64 = 1;
const ROOT_MIB: u64 = 17;

/// What is below `tree` as the file system at `start`, in MiB.
fn fill(disk: &Path, start: u64, size: u64, label: &str, tree: &Path) {
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-L", label, "-E", &format!("offset={}", start * MIB), "-d"])
        .arg(tree)
        .arg(disk)
        .arg(format!("{size}M"))
        .status();
    assert!(made.unwrap().success());
}

/// A directory with these files.
fn tree(machine: &Sandbox, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let tree = machine.at(name);
    fs::create_dir_all(&tree).unwrap();
    for (path, text) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    tree
}

/// A disk with a partition for a boot loader, of this type and with this file system, and a root.
fn disk(machine: &Sandbox, kind: &str, label: &str, boot: &[(&str, &str)]) -> PathBuf {
    let disk = image(machine, "disk.img", 64 * MIB);
    let table = format!(
        "label: gpt\nstart={BOOT_MIB}MiB,size=16MiB,type={kind}\nstart={ROOT_MIB}MiB,size=32MiB,type={ROOT}\n"
    );
    fs::write(machine.at("table"), table).unwrap();
    let made = Command::new("sfdisk")
        .arg("--quiet")
        .arg(&disk)
        .stdin(fs::File::open(machine.at("table")).unwrap())
        .status();
    assert!(made.unwrap().success());
    fill(&disk, BOOT_MIB, 16, label, &tree(machine, "boot", boot));
    fill(&disk, ROOT_MIB, 32, "system", &machine.root());
    disk
}

fn config() -> Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "kernelArguments": { "shouldExist": ["console=ttyS0", "a=\"b c\""], "shouldNotExist": ["splash"] },
        "storage": { "files": [{ "path": "/etc/motd", "overwrite": true, "contents": { "source": "data:,hello" } }] },
    })
}

/// A new partition behind the others beside it, so that a run that went on would be seen.
fn with_partition() -> Value {
    let mut config = config();
    config["storage"]["disks"] =
        json!([{ "device": "/dev/vda", "partitions": [{ "number": 3, "label": "data" }] }]);
    config
}

const NORMAL: (&str, &str) = (
    "loader/entries/a.conf",
    "title A\nlinux /vmlinuz\noptions root=LABEL=system splash\n",
);
const CHANGED: &str = "title A\nlinux /vmlinuz\noptions root=LABEL=system console=ttyS0 a=\"b c\"\n";

fn flags(disk: &Path) -> Vec<String> {
    vec![format!("--image=/dev/vda={}", disk.display())]
}

/// A run that is refused, with that code, at the config's line, and changes nothing; the image is only looked at.
fn refused(machine: &Sandbox, disk: &Path, config: &Value, code: &str, what: &str) {
    let before = fs::read(disk).unwrap();
    let ran = apply(machine, config, &flags(disk));
    assert_eq!(ran.status, Some(1), "{code}: {}", ran.stdout);
    for part in [
        &format!("in stage kargs [{code}]"),
        what,
        "nothing was changed",
        "given.ign:1:",
    ] {
        assert!(ran.stderr.contains(part), "{code}, {part}: {}", ran.stderr);
    }
    assert!(fs::read(disk).unwrap() == before, "{code}: the image was changed");
    assert_nothing_attached(machine);
}

#[test]
fn the_entries_of_an_image_get_the_arguments_once() {
    require_root();
    let machine = Sandbox::new();
    let rescue = "title R\nlinux /vmlinuz\noptions rescue\noptions splash -- s\n";
    let shell = "title S\nefi /shell.efi\noptions splash\n";
    // As OSTree has it.
    let entries = [
        ("loader.1/entries/a.conf", NORMAL.1),
        ("loader.1/entries/r+3-0.conf", rescue),
        ("loader.1/entries/s.conf", shell),
    ];
    symlink("loader.1", tree(&machine, "boot", &entries).join("loader")).unwrap();
    tree(&machine, "root", &[("etc/kernel/cmdline", "splash\n")]);
    let disk = disk(&machine, LINUX, "boot", &[]);
    done(&machine, &config(), &flags(&disk));
    let shown = inside(
        &machine,
        &disk,
        BOOT_MIB * MIB,
        "cat loader/entries/* && ls -A loader/entries",
    );
    let changed_rescue = "title R\nlinux /vmlinuz\noptions rescue\noptions console=ttyS0 a=\"b c\" -- s\n";
    assert_eq!(
        shown,
        format!("{CHANGED}{changed_rescue}{shell}a.conf\nr+3-0.conf\ns.conf\n")
    );
    let root = inside(
        &machine,
        &disk,
        ROOT_MIB * MIB,
        "cat etc/motd etc/kernel/cmdline var/lib/kindling/receipt.json",
    );
    let receipt: Value =
        serde_json::from_str(root.strip_prefix("helloconsole=ttyS0 a=\"b c\"\n").unwrap()).unwrap();
    let stages = receipt["stages"].as_array().unwrap();
    let names: Vec<_> = stages
        .iter()
        .map(|stage| stage["stage"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["disks", "kargs", "mount"]);
    let kargs = &stages[1];
    assert_eq!((&kargs["outcome"], &kargs["changed"]), (&json!("ok"), &json!(1)));
    assert_eq!(kargs["steps"][0]["config"], "/kernelArguments");
    assert_eq!(kargs["steps"][0]["outcome"], "changed");
    // Nothing is left to do.
    let before = fs::read(&disk).unwrap();
    let again = apply(&machine, &config(), &flags(&disk));
    assert_eq!(again.status, Some(0), "{}", again.stderr);
    // Of systemctl nobody knows whether it found anything to do.
    for part in ["entries/r+3-0.conf: as configured", "\n1 changed, 3 already so"] {
        assert!(again.stdout.contains(part), "{}", again.stdout);
    }
    let [before, after] = [before, fs::read(&disk).unwrap()].map(|mut bytes| {
        bytes.truncate(usize::try_from(ROOT_MIB * MIB).unwrap());
        bytes
    });
    assert!(before == after, "the boot file system was written to again");
}

#[test]
fn the_stamp_of_the_first_boot_goes_from_a_boot_file_system_of_its_own() {
    require_root();
    let machine = Sandbox::new();
    let stamp = ("ignition.firstboot", "set ignition_network_kcmdline=''\n");
    // A root that nothing boots with as it is keeps it.
    tree(&machine, "root", &[]);
    let bare = disk(&machine, LINUX, "boot", &[stamp]);
    let mut config = config();
    config.as_object_mut().unwrap().remove("kernelArguments");
    let ran = apply(&machine, &config, &flags(&bare));
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        [ran.stderr, ran.stdout]
            .concat()
            .contains("/ignition.firstboot stays on"),
        "nothing is said of it"
    );
    let names = || inside(&machine, &bare, BOOT_MIB * MIB, "ls -A");
    assert_eq!(names(), "ignition.firstboot\nlost+found\n");
    // What a machine boots with loses it.
    tree(&machine, "root", &[("usr/lib/os-release", "ID=test\n")]);
    let disk = disk(&machine, LINUX, "boot", &[stamp, NORMAL]);
    let names = || inside(&machine, &disk, BOOT_MIB * MIB, "ls -A");
    let waits = machine.at("waits");
    let split = [flags(&disk), vec![format!("--split={}", waits.display())]].concat();
    done(&machine, &config, &split);
    assert_eq!(names(), "ignition.firstboot\nloader\nlost+found\n");
    done(&machine, &config, &flags(&disk));
    assert_eq!(names(), "loader\nlost+found\n");
}

#[test]
fn entries_in_the_roots_own_tree_are_found_too() {
    require_root();
    let machine = Sandbox::new();
    tree(&machine, "root/boot", &[NORMAL]);
    let disk = disk(&machine, LINUX, "other", &[]);
    // With a new partition and a new file system beside them, which may have entries and has none.
    let mut more = with_partition();
    more["storage"]["filesystems"] =
        json!([{ "device": "/dev/vda3", "format": "ext4", "label": "boot", "path": "/srv" }]);
    done(&machine, &more, &flags(&disk));
    let shown = inside(&machine, &disk, ROOT_MIB * MIB, "cat boot/loader/entries/*");
    assert_eq!(shown, CHANGED);
    // A whole disk without partitions.
    let whole = image(&machine, "whole.img", 32 * MIB);
    fill(&whole, 0, 32, "", &machine.root());
    done(&machine, &config(), &[format!("--image={}", whole.display())]);
    assert_eq!(inside(&machine, &whole, 0, "cat boot/loader/entries/*"), CHANGED);
}

#[test]
fn what_cannot_be_changed_is_refused_before_anything_is() {
    require_root();
    let entry = |options: &'static str| ("loader/entries/a.conf", options);
    for (kind, boot, code, what) in [
        (
            LINUX,
            vec![],
            "boot-entries-absent",
            "was found on /dev/vda partition 1, /dev/vda partition 2",
        ),
        (
            ESP,
            vec![("EFI/Linux/system-1.efi", "")],
            "boot-entry-fixed",
            "images that hold their arguments: system-1.efi",
        ),
        (
            LINUX,
            vec![entry("linux /l\noptions $kernelopts\n")],
            "boot-entry-fixed",
            "the arguments of /dev/vda partition 1: loader/entries/a.conf cannot be changed",
        ),
        (
            LINUX,
            vec![entry("linux /l\noptions \"a\n")],
            "boot-entry-fixed",
            "a quote without its twin",
        ),
        (
            LINUX,
            vec![entry("efi /shell.efi\n")],
            "boot-entries-absent",
            "--split",
        ),
    ] {
        let machine = Sandbox::new();
        let disk = disk(&machine, kind, "boot", &boot);
        refused(&machine, &disk, &with_partition(), code, what);
        // The way out.
        let split = machine.at("split");
        let mut words = flags(&disk);
        words.push(format!("--split={}", split.display()));
        done(&machine, &config(), &words);
        let waits: Value =
            serde_json::from_str(&fs::read_to_string(split.join("first-boot.ign")).unwrap()).unwrap();
        assert_eq!(waits["kernelArguments"], config()["kernelArguments"]);
    }
}

#[test]
fn what_the_config_makes_anew_counts_for_gone() {
    require_root();
    let machine = Sandbox::new();
    let disk = disk(&machine, LINUX, "boot", &[NORMAL]);
    let mut config = config();
    config["storage"]["disks"] =
        json!([{ "device": "/dev/vda", "wipeTable": true, "partitions": [{ "number": 1 }] }]);
    config["storage"]["filesystems"] = json!([{ "device": "/dev/vda1", "format": "ext4", "path": "/" }]);
    refused(
        &machine,
        &disk,
        &config,
        "boot-entries-absent",
        "nor a file system that could have one",
    );
    config["storage"]["disks"] = json!([]);
    config["storage"]["filesystems"][0] =
        json!({ "device": "/dev/vda1", "format": "ext4", "wipeFilesystem": true });
    refused(
        &machine,
        &disk,
        &config,
        "boot-entries-absent",
        "on /dev/vda partition 2",
    );
    config["kernelArguments"] = json!({ "shouldExist": ["a=\"b"] });
    refused(
        &machine,
        &disk,
        &config,
        "kernel-arguments-unusable",
        "a quote without its twin",
    );
}

/// What goes by more than one word of the config is only seen when it is gone, and the record does not say otherwise.
#[test]
fn entries_that_go_with_their_partition_are_missed_afterwards() {
    require_root();
    let machine = Sandbox::new();
    let disk = disk(&machine, LINUX, "boot", &[NORMAL]);
    let mut config = config();
    let mut gone = json!({ "number": 1, "shouldExist": false, "wipePartitionEntry": true });
    config["storage"]["disks"] = json!([{ "device": "/dev/vda", "partitions": [gone] }]);
    refused(
        &machine,
        &disk,
        &config,
        "boot-entries-absent",
        "was found on /dev/vda partition 2",
    );
    gone = json!({ "number": 1, "startMiB": 52, "sizeMiB": 4, "wipePartitionEntry": true });
    config["storage"]["disks"][0]["partitions"][0] = gone;
    let ran = apply(&machine, &config, &flags(&disk));
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("[boot-entries-absent]"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
    assert_nothing_attached(&machine);
}

#[test]
fn no_link_of_an_image_leads_to_this_machine() {
    require_root();
    let machine = Sandbox::new();
    let own = tree(&machine, "own", &[NORMAL]);
    symlink(&own, machine.root().join("boot")).unwrap();
    let disk = disk(&machine, LINUX, "other", &[]);
    refused(
        &machine,
        &disk,
        &config(),
        "boot-entries-absent",
        "on /dev/vda partition 2",
    );
    // A file that stands where the new text is written first.
    fs::remove_file(machine.root().join("boot")).unwrap();
    let entries = tree(&machine, "boot", &[NORMAL]).join("loader/entries");
    symlink(own.join(NORMAL.0), entries.join(".a.conf.new")).unwrap();
    fill(&disk, BOOT_MIB, 16, "boot", &machine.at("boot"));
    done(&machine, &config(), &flags(&disk));
    assert_eq!(fs::read_to_string(own.join(NORMAL.0)).unwrap(), NORMAL.1);
    let shown = inside(
        &machine,
        &disk,
        BOOT_MIB * MIB,
        "cat loader/entries/* && ls -A loader/entries",
    );
    assert_eq!(shown, format!("{CHANGED}a.conf\n"));
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    require_root();
    let machine = Sandbox::new();
    let second = ("loader/entries/b.conf", NORMAL.1);
    let fresh = fs::read(disk(&machine, LINUX, "boot", &[NORMAL, second])).unwrap();
    let disk = machine.at("disk.img");
    fs::write(machine.at("given.ign"), config().to_string()).unwrap();
    let mut died = 0;
    for call in [
        "rename", "unlink", "fsync", "syncfs", "fchmod", "rmdir", "umount2",
    ] {
        for n in 1.. {
            fs::write(&disk, &fresh).unwrap();
            let inject = format!("inject={call}:signal=SIGKILL:when={n}");
            let mut words: Vec<_> = ["strace", "-o", "/dev/null", "-e"].map(Into::into).into();
            words.extend([format!("trace={call}").into(), "-e".into(), inject.into()]);
            words.extend([env!("CARGO_BIN_EXE_kindling").into(), "apply".into()]);
            words.extend(flags(&disk).into_iter().map(Into::into));
            words.push(machine.at("given.ign").into());
            let killed = machine.run(&words);
            assert_nothing_attached(&machine);
            done(&machine, &config(), &flags(&disk));
            let shown = inside(
                &machine,
                &disk,
                BOOT_MIB * MIB,
                "cat loader/entries/* && ls -A loader/entries",
            );
            assert_eq!(
                shown,
                format!("{CHANGED}{CHANGED}a.conf\nb.conf\n"),
                "killed at {call} {n}"
            );
            if killed.status == Some(0) {
                break;
            }
            died += 1;
        }
    }
    assert!(died > 7, "only {died} runs were killed");
}
