//! `kindling plan` on images of disks, with the real binary: what it says, its status, and that nothing is written.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot make its image should panic"
)]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kindling::gpt::{Entry, Guid, Table};
use kindling_config_spec::units::{Bytes, Lba, MIB, SectorSize};
use tempfile::TempDir;

/// An image of 256 MiB with one partition of 64 MiB, which holds ext4.
fn image(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("disk.img");
    let size = Bytes(256 * MIB);
    let file = File::create(&path).unwrap();
    file.set_len(size.0).unwrap();
    let mut table = Table::new(Guid::from_random([1; 16]), size, SectorSize::S512).unwrap();
    let sectors = MIB / 512;
    let entry = Entry {
        type_guid: Guid::LINUX_FILESYSTEM,
        guid: Guid::from_random([2; 16]),
        first: Lba(sectors),
        last: Lba(65 * sectors - 1),
        attributes: 0,
        label: "kept".parse().unwrap(),
        extra: Vec::new(),
    };
    table.entries.insert(1, entry);
    for region in table.regions().unwrap() {
        file.write_all_at(&region.bytes, region.offset.0).unwrap();
    }
    let made = Command::new("mkfs.ext4")
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["-q", "-F", "-E", "offset=1048576", "-L", "kept"])
        .arg(&path)
        .arg("64m")
        .status();
    assert!(made.unwrap().success());
    path
}

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn plan(dir: &TempDir, config: &str, arguments: &[&str]) -> Ran {
    let file = dir.path().join("config.ign");
    fs::write(&file, config).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["plan", "--exit-code"])
        .args(arguments)
        .arg(&file)
        .output()
        .unwrap();
    Ran {
        status: ran.status.code().unwrap(),
        stdout: String::from_utf8(ran.stdout).unwrap(),
        stderr: String::from_utf8(ran.stderr).unwrap(),
    }
}

fn config(format: &str) -> String {
    format!(
        r#"{{"ignition":{{"version":"3.4.0"}},"storage":{{
        "disks":[{{"device":"/dev/vda","partitions":[{{"number":1,"label":"kept","sizeMiB":64}},{{"number":2,"label":"new"}}]}}],
        "filesystems":[{{"device":"/dev/disk/by-partlabel/kept","format":"{format}","label":"kept"}},
        {{"device":"/dev/vda2","format":"xfs"}}]}}}}"#
    )
}

fn stands_for(device: &str, image: &Path) -> String {
    format!("{device}={}", image.display())
}

#[test]
fn an_image_is_planned_for_and_not_touched() {
    let dir = TempDir::new().unwrap();
    let image = image(&dir);
    let before = fs::read(&image).unwrap();
    let of = stands_for("/dev/vda", &image);
    let ran = plan(&dir, &config("ext4"), &["--image", &of]);
    assert_eq!(ran.status, 3, "{}", ran.stderr);
    for line in [
        "  =  1       kept   1 MiB   64 MiB     Linux data  kept, ext4 kept",
        "  +  2       new    65 MiB  190.9 MiB  Linux data  created, xfs made",
        "assumed: nothing is recorded of where partition 2 of /dev/vda will be: blank",
    ] {
        assert!(
            ran.stdout.lines().any(|said| said == line),
            "{line}\n{}",
            ran.stdout
        );
    }
    assert!(!ran.stdout.contains("is not in the inventory"), "{}", ran.stdout);
    // What is there is no other file system's to take.
    let refused = plan(&dir, &config("xfs"), &["--image", &of]);
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    let heading = "kindling: a first boot would fail in stage disks [filesystem-differs]";
    assert_eq!(refused.stderr.lines().next(), Some(heading));
    assert!(before == fs::read(&image).unwrap(), "the image was written to");
}

#[test]
fn partitions_of_a_multipath_disk_are_named_as_the_config_writes_them() {
    let dir = TempDir::new().unwrap();
    let of = stands_for("/dev/mapper/mpatha", &image(&dir));
    let config = config("ext4")
        .replace("/dev/vda2", "/dev/mapper/mpatha-part2")
        .replace("/dev/vda", "/dev/mapper/mpatha");
    let row = "created as mpatha-part2, xfs made";
    for arguments in [vec!["--image", &of], vec![]] {
        let ran = plan(&dir, &config, &arguments);
        assert_eq!(ran.status, 3, "{}", ran.stderr);
        assert!(
            ran.stdout.lines().any(|said| said.ends_with(row)),
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains("mpatha-part2 is not"), "{}", ran.stdout);
    }
}

#[test]
fn a_disk_without_an_image_is_assumed_and_a_wrong_one_is_refused() {
    let dir = TempDir::new().unwrap();
    let image = image(&dir);
    let other = plan(
        &dir,
        &config("ext4"),
        &["--image", &stands_for("/dev/vdb", &image)],
    );
    assert!(
        other
            .stdout
            .contains("assumed: /dev/vda is not in the inventory: a blank disk of 8 GiB"),
        "{}",
        other.stdout
    );
    for arguments in [
        ["--image", "/dev/vda=/nowhere/disk.img"],
        ["--image", "disk.img"],
        ["--inventory", "/nowhere/inventory.json"],
    ] {
        let refused = plan(&dir, &config("ext4"), &arguments);
        assert_eq!(
            (refused.status, refused.stdout.as_str()),
            (2, ""),
            "{arguments:?}"
        );
        assert!(!refused.stderr.is_empty());
    }
}
