//! `kindling apply --image`: disks in files, on real loop devices.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::sandbox::{Ran, Sandbox, assert_same, listing, require_root};

const MIB: u64 = 1 << 20;

fn image(machine: &Sandbox, name: &str, size: u64) -> PathBuf {
    let path = machine.at(name);
    File::create(&path).unwrap().set_len(size).unwrap();
    path
}

pub(crate) fn apply(machine: &Sandbox, config: &serde_json::Value, flags: &[String]) -> Ran {
    fs::write(machine.at("given.ign"), config.to_string()).unwrap();
    let mut words = vec![env!("CARGO_BIN_EXE_kindling").into(), "apply".into()];
    words.extend(flags.iter().map(Into::into));
    words.push(machine.at("given.ign").into());
    machine.run(&words)
}

fn done(machine: &Sandbox, config: &serde_json::Value, flags: &[String]) {
    let ran = apply(machine, config, flags);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stderr, ran.stdout);
    assert_nothing_attached(machine);
}

/// Whatever happened, no loop device stays behind. Somebody who lists the devices at that moment keeps one a moment longer.
fn assert_nothing_attached(machine: &Sandbox) {
    let attached = || {
        let mut list = Command::new("losetup");
        let said = list.args(["--list", "--output", "BACK-FILE"]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        said.contains(machine.name().to_str().unwrap())
    };
    let mut tries = 250;
    while attached() {
        tries -= 1;
        assert!(tries > 0, "a loop device stays behind");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `command` in mounts of its own with the file system at `offset` of an image mounted at `at/mnt`.
pub(crate) fn inside(machine: &Sandbox, image: &Path, offset: u64, command: &str) -> String {
    let at = machine.at("mnt");
    fs::create_dir_all(&at).unwrap();
    let script = format!(
        "mount -o ro,loop,offset={offset} \"$0\" \"$1\" && (cd \"$1\" && {command}) && umount \"$1\""
    );
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .arg(image)
        .arg(&at)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // The kernel lets go of the loop device of a mount a moment after the mount is gone.
    assert_nothing_attached(machine);
    String::from_utf8(ran.stdout).unwrap()
}

/// The root is never looked for on what the config mounts elsewhere.
#[test]
fn a_new_file_system_for_data_is_no_root() {
    require_root();
    let machine = Sandbox::new();
    let disk = image(&machine, "disk.img", 64 * MIB);
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": {
            "filesystems": [{ "device": "/dev/vda", "format": "ext4", "path": "/var" }],
            "files": [{ "path": "/etc/motd" }],
        },
    });
    let ran = apply(
        &machine,
        &config,
        &[format!("--image=/dev/vda={}", disk.display())],
    );
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("[root-unknown]"), "{}", ran.stderr);
    assert_nothing_attached(&machine);
}

/// A root on a new partition, and another file system below it.
fn whole() -> serde_json::Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "core", "homeDir": "/srv/core" }] },
        "storage": {
            "disks": [{ "device": "/dev/disk/by-id/virtio-system", "wipeTable": true, "partitions": [
                { "number": 1, "label": "root", "sizeMiB": 96 },
                { "number": 2, "label": "data of mine", "sizeMiB": 64 },
            ]}],
            "filesystems": [
                { "device": "/dev/disk/by-id/virtio-system-part1", "format": "ext4", "path": "/", "label": "r" },
                { "device": "/dev/disk/by-partlabel/data\\x20of\\x20mine", "format": "ext4", "path": "/srv" },
            ],
            "files": [
                { "path": "/etc/motd", "contents": { "source": "data:,hello" } },
                { "path": "/srv/deep/file", "mode": 384, "contents": { "source": "data:,data" } },
            ],
        },
    })
}

#[test]
fn a_disk_is_made_with_all_that_is_on_it() {
    require_root();
    let machine = Sandbox::new();
    let disk = image(&machine, "disk.img", 200 * MIB);
    let mut config = whole();
    // A new root has no accounts to add to.
    config["passwd"] = json!({});
    let flags = [format!("--image={}", disk.display())];
    done(&machine, &config, &flags);
    let said = Command::new("sfdisk")
        .args(["--list", "--output", "Start,Name"])
        .arg(&disk)
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("data of mine"), "{said}");
    let root = inside(&machine, &disk, MIB, "cat etc/motd && ls srv");
    assert_eq!(root, "hello");
    let data = inside(
        &machine,
        &disk,
        97 * MIB,
        "cat deep/file && stat -c ' %a %u' deep/file",
    );
    assert_eq!(data, "data 600 0\n");
    // The same again makes the same again: the config says that the table may be wiped.
    done(&machine, &config, &flags);
    assert_eq!(inside(&machine, &disk, MIB, "cat etc/motd"), "hello");
    // Without that it is kept as it is, and its files with it.
    config["storage"]["disks"][0]["wipeTable"] = json!(false);
    let ran = apply(&machine, &config, &flags);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("[path-exists]"), "{}", ran.stderr);
    assert_nothing_attached(&machine);
}

#[test]
fn the_root_that_is_there_gets_what_a_first_boot_would_write() {
    require_root();
    let machine = Sandbox::new();
    fs::create_dir(machine.root().join("boot")).unwrap();
    fs::write(machine.root().join("boot/ignition.firstboot"), "").unwrap();
    let disk = image(&machine, "disk.img", 64 * MIB);
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-d"])
        .arg(machine.root())
        .arg(&disk)
        .status();
    assert!(made.unwrap().success());
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"] }] },
        "storage": { "files": [{ "path": "/etc/hosts", "append": [{ "source": "data:,10.0.0.1%20a%0A" }] }] },
        "systemd": { "units": [{ "name": "a.service", "enabled": true, "contents": "[Service]\n" }] },
    });
    done(&machine, &config, &[format!("--image={}", disk.display())]);
    machine.give(&config.to_string());
    for stage in ["fetch", "kargs", "disks", "mount", "files", "umount"] {
        machine.done(stage);
    }
    let copy = Sandbox::copy_of(&machine);
    fs::remove_dir_all(copy.root()).unwrap();
    inside(&machine, &disk, 0, &format!("cp -a . {}", copy.root().display()));
    fs::remove_dir(copy.root().join("lost+found")).unwrap();
    // What is left to a first boot: nothing.
    fs::remove_file(machine.root().join("boot/ignition.firstboot")).unwrap();
    let dated = |path: &String| path == "etc/.ignition-result.json" || path.starts_with("var/lib/kindling/");
    let [baked, booted] = [copy.root(), machine.root()].map(|root| {
        let mut files = listing(&root);
        files.retain(|path, _| !dated(path));
        files
    });
    assert_same(&baked, &booted, "baked against booted");
}

#[test]
fn what_a_name_means_here_is_never_what_it_means_on_this_machine() {
    require_root();
    let machine = Sandbox::new();
    let disk = image(&machine, "disk.img", 64 * MIB);
    let named = format!("--image=/dev/vda={}", disk.display());
    let blank = fs::read(&disk).unwrap();
    let filesystem = |device: &str| {
        json!({
            "ignition": { "version": "3.4.0" },
            "storage": { "filesystems": [{ "device": device, "format": "ext4", "wipeFilesystem": true, "path": "/" }] },
        })
    };
    // One that this machine has, and one that nobody has.
    for device in ["/dev/loop7", "/dev/disk/by-label/root"] {
        let ran = apply(&machine, &filesystem(device), std::slice::from_ref(&named));
        assert_eq!(ran.status, Some(1), "{device}");
        assert!(ran.stderr.contains("[device-missing]"), "{}", ran.stderr);
        assert_eq!(fs::read(&disk).unwrap(), blank);
        assert_nothing_attached(&machine);
    }
    let mut config = whole();
    config["storage"]["disks"][0]["device"] = json!("/dev/vdb");
    for (flags, what) in [
        (vec![named.clone()], "the config's disk /dev/vdb has no image"),
        (
            vec![named.clone(), named.clone()],
            "two images are given for /dev/vda",
        ),
    ] {
        let ran = apply(&machine, &config, &flags);
        assert_eq!(ran.status, Some(1));
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
    }
    let again = format!("--image=/dev/vdb={}", disk.display());
    let ran = apply(&machine, &config, &[named.clone(), again]);
    assert!(ran.stderr.contains("is given for two disks"), "{}", ran.stderr);
    // A device that nothing can be on is none.
    let ran = apply(&machine, &config, &["--image=/dev/vdb=/dev/loop7".to_owned()]);
    assert!(
        ran.stderr
            .contains("/dev/loop7 is neither a regular file nor a whole disk"),
        "{}",
        ran.stderr
    );
    let ran = apply(
        &machine,
        &config,
        &[format!("--image=/dev/vdb={}", machine.at("none").display())],
    );
    assert!(ran.stderr.contains("[image-unusable]"), "{}", ran.stderr);
    let files = json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": [{ "path": "/a" }] } });
    let ran = apply(&machine, &files, &[named]);
    assert!(ran.stderr.contains("[root-unknown]"), "{}", ran.stderr);
}

/// A loop device that stands for a disk of this machine.
struct Disk(String);

impl Disk {
    fn of(image: &Path) -> Self {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(String::from_utf8(made.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["--detach", &self.0]).status());
    }
}

#[test]
fn a_whole_disk_of_this_machine_is_an_image_while_nobody_uses_it() {
    require_root();
    let machine = Sandbox::new();
    let file = image(&machine, "disk.img", 64 * MIB);
    let made = Command::new("mkfs.ext4").arg("-q").arg(&file).status();
    assert!(made.unwrap().success());
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": { "files": [{ "path": "/etc/motd", "contents": { "source": "data:,installed" } }] },
    });
    let before = fs::read(&file).unwrap();
    let disk = Disk::of(&file);
    // As installers name it.
    let name = machine.at("by-id");
    std::os::unix::fs::symlink(&disk.0, &name).unwrap();
    let flags = [format!("--image={}", name.display())];
    // Somebody has it for himself: a file system that is mounted, an array, swap.
    let taken = {
        use std::os::unix::fs::OpenOptionsExt;
        let exclusive = nix::libc::O_EXCL;
        File::options()
            .read(true)
            .custom_flags(exclusive)
            .open(&disk.0)
            .unwrap()
    };
    let ran = apply(&machine, &config, &flags);
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("[image-unusable]"), "{}", ran.stderr);
    assert!(ran.stderr.contains("by-id is in use"), "{}", ran.stderr);
    assert!(fs::read(&file).unwrap() == before, "a disk in use was written to");
    drop(taken);
    let ran = apply(&machine, &config, &flags);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stderr, ran.stdout);
    drop(disk);
    assert_nothing_attached(&machine);
    assert_eq!(inside(&machine, &file, 0, "cat etc/motd"), "installed");
}
