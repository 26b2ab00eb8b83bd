//! `kindling apply --image` without root: what comes out is what root makes on loop devices, and whatever ends it before leaves
//! the image as it was.

use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::images::{apply, assert_nothing_attached, inside};
use crate::sandbox::{Listing, Ran, Sandbox, assert_same, listing, require_root};

const MIB: u64 = 1 << 20;
const NOBODY: u32 = 65_534;
/// What a kill between two calls can leave, and the next run removes.
const UNFINISHED: &str = "images/.kindling.disk.img";

/// Has what follows run as a user without rights, with the numbers that the first word names, in mounts of its own; called by a
/// name that is not on `PATH`.
const UNPRIVILEGED: &str = r#"set -e
dir=$1 binary=$2 numbers=$3 within=$4; shift 4
mount -t tmpfs -o mode=755 none "$dir"
cp -a /etc "$dir/etc"
printf '%s' "$numbers" >"$dir/etc/subuid"
printf '%s' "$numbers" >"$dir/etc/subgid"
mount --bind "$dir/etc" /etc
mknod -m 666 "$dir/fuse" c 10 229
mount --bind "$dir/fuse" /dev/fuse
touch "$dir/kindling"
mount --bind "$binary" "$dir/kindling"
exec setpriv --reuid 65534 --regid 65534 --clear-groups -- $within bash -c 'exec -a kindling "$0" "$@"' "$dir/kindling" "$@""#;

/// A machine on which somebody without rights has images.
struct Desk {
    machine: Sandbox,
    numbers: &'static str,
    /// The words that start Kindling there.
    within: &'static str,
}

impl Desk {
    fn new() -> Self {
        require_root();
        let machine = Sandbox::new();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(machine.name(), open).unwrap();
        for dir in ["private", "images"] {
            fs::create_dir(machine.at(dir)).unwrap();
        }
        chown(machine.at("images"), Some(NOBODY), Some(NOBODY)).unwrap();
        Self {
            machine,
            numbers: "nobody:100000:65536\n",
            within: "",
        }
    }

    /// An image of the user's.
    fn image(&self, size: u64) -> PathBuf {
        self.image_named("disk.img", size)
    }

    fn image_named(&self, name: &str, size: u64) -> PathBuf {
        let path = self.machine.at("images").join(name);
        File::create(&path).unwrap().set_len(size).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        path
    }

    /// Runs `kindling apply` with the image as the user, behind the words of `before`.
    fn run(&self, before: &[OsString], config: &Value, flags: &[&str]) -> Ran {
        fs::write(self.machine.at("given.ign"), config.to_string()).unwrap();
        let mut words = before.to_vec();
        words.extend(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                UNPRIVILEGED,
                "sh",
            ]
            .map(Into::into),
        );
        words.push(self.machine.at("private").into());
        words.push(env!("CARGO_BIN_EXE_kindling").into());
        words.extend([self.numbers, self.within, "apply"].map(Into::into));
        words.extend(flags.iter().map(Into::into));
        words.push(self.machine.at("given.ign").into());
        self.machine.run(&words)
    }

    fn apply(&self, config: &Value) -> Ran {
        let flag = format!("--image={}", self.machine.at("images/disk.img").display());
        self.run(&[], config, &[&flag])
    }

    fn done(&self, config: &Value) {
        // What was looked at before is a loop device a moment longer.
        assert_nothing_attached(&self.machine);
        let ran = self.apply(config);
        assert_eq!(ran.status, Some(0), "{}{}", ran.stderr, ran.stdout);
        self.assert_nothing_left();
        assert!(!self.machine.at(UNFINISHED).exists());
    }

    /// That nothing is beside the image, and nobody has a file there open. A killed process is gone a moment after the kill.
    fn assert_nothing_left(&self) {
        let images = self.machine.at("images");
        let names = fs::read_dir(&images)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let known = ["disk.img", "root.img", ".kindling.disk.img"];
        let others: Vec<_> = names
            .filter(|name| !known.contains(&name.to_str().unwrap()))
            .collect();
        assert!(others.is_empty(), "{others:?}");
        let is_open = || {
            let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
            let mut files = processes
                .filter_map(|dir| fs::read_dir(dir.join("fd")).ok())
                .flatten();
            files.any(|file| fs::read_link(file.unwrap().path()).is_ok_and(|at| at.starts_with(&images)))
        };
        let mut tries = 250;
        while is_open() {
            tries -= 1;
            assert!(tries > 0, "a program goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A copy of the image that root works on, in a sandbox of its own.
    fn copy(&self) -> (Sandbox, PathBuf) {
        let machine = Sandbox::new();
        let copy = machine.at("disk.img");
        copy_over(&self.machine.at("images/disk.img"), &copy);
        (machine, copy)
    }
}

/// Carries the config out as root.
fn as_root(machine: &Sandbox, image: &Path, config: &Value) {
    let ran = apply(machine, config, &[format!("--image={}", image.display())]);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stderr, ran.stdout);
}

/// The file system at that offset, checked, as files with their extended attributes.
fn tree(machine: &Sandbox, image: &Path, offset: u64) -> Listing {
    let mut whole = image.as_os_str().to_owned();
    whole.push(format!("?offset={offset}"));
    let checked = Command::new("e2fsck").arg("-fn").arg(&whole).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    let to = machine.at(&format!("tree-{offset}"));
    drop(fs::remove_dir_all(&to));
    fs::create_dir(&to).unwrap();
    // What a name holds and takes, and what its blocks are, but for directories, whose own blocks are the writer's.
    let command = format!(
        "cp -a . {to} && getfattr -hRd -m - . && find . -type f -printf '%p %s %b\\n' | LC_ALL=C sort",
        to = to.display()
    );
    let more = inside(machine, image, offset, &command);
    let mut files = listing(&to);
    let dated = |path: &str| path == "etc/.ignition-result.json" || path.starts_with("var/lib/kindling/");
    files.retain(|path, _| !dated(path));
    let more: Vec<&str> = more
        .lines()
        .filter(|line| !line.contains("/kindling/") && !line.contains("result.json"))
        .collect();
    files.insert("attributes and blocks".to_owned(), more.join("\n"));
    files
}

/// Both copies of a GPT, with the protective MBR.
fn tables(image: &Path) -> [Vec<u8>; 2] {
    let file = File::open(image).unwrap();
    let end = file.metadata().unwrap().len() - 33 * 512;
    [(0, 34 * 512), (end, 33 * 512)].map(|(start, length)| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, start).unwrap();
        bytes
    })
}

/// What stands for the bytes of an image, which are too many to hold: a number for each MiB that is not all zeros.
fn digest(image: &Path) -> Vec<(u64, u64)> {
    let file = File::open(image).unwrap();
    let length = file.metadata().unwrap().len();
    let (zeros, mut bytes) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut numbers = vec![(length, 0)];
    for start in (0..length).step_by(1 << 20) {
        let part = &mut bytes[..usize::try_from(MIB.min(length - start)).unwrap()];
        file.read_exact_at(part, start).unwrap();
        if *part != zeros[..part.len()] {
            let mut hasher = DefaultHasher::new();
            hasher.write(part);
            numbers.push((start, hasher.finish()));
        }
    }
    numbers
}

/// Writes the bytes of one image to another that is there.
fn copy_over(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("--sparse=always")
        .args([from, to])
        .status();
    assert!(copied.unwrap().success());
}

/// Two new file systems, one below the other, and accounts in the files of the one.
fn new_disk() -> Value {
    let text =
        |path: &str, text: &str| json!({ "path": path, "contents": { "source": format!("data:,{text}") } });
    let mut files = vec![
        text("/etc/motd", "hello"),
        text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh%0A"),
        text("/etc/group", "root:x:0:%0A"),
        json!({ "path": "/srv/deep/file", "mode": 384, "user": { "id": 1000 }, "contents": { "source": "data:,data" } }),
        json!({ "path": "/usr/bin/special", "mode": 0o6755, "user": { "id": 7 }, "group": { "id": 60_000 } }),
        json!({ "path": "/etc/large", "contents": { "compression": "gzip", "source": LARGE } }),
    ];
    files.extend((0..200).map(|number| text(&format!("/etc/many/{number}"), "x")));
    json!({
        "ignition": { "version": "3.4.0" },
        "storage": {
            "disks": [{ "device": "/dev/vda", "partitions": [
                { "number": 1, "label": "root", "sizeMiB": 96 },
                { "number": 2, "label": "data of mine", "sizeMiB": 64 },
            ]}],
            "filesystems": [
                { "device": "/dev/vda1", "format": "ext4", "path": "/", "label": "r" },
                { "device": "/dev/disk/by-partlabel/data\\x20of\\x20mine", "format": "ext4", "path": "/srv",
                  "mountOptions": ["noatime", "discard"] },
            ],
            "files": files,
            "directories": [{ "path": "/srv/shared", "mode": 0o2775, "group": { "id": 50 } }],
            "links": [
                { "path": "/etc/soft", "target": "/srv/deep/file", "user": { "id": 3 } },
                { "path": "/etc/hard", "target": "/etc/motd", "hard": true },
            ],
        },
        "systemd": { "units": [{ "name": "a.service", "enabled": true, "contents": "[Install]\nWantedBy=multi-user.target\n" }] },
    })
}

/// 64 KiB of zeros.
const LARGE: &str = "data:;base64,H4sIAAAAAAAC/+3BAQEAAACAkP6v7ggKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAauuOl9cAAAEA";

#[test]
fn a_new_disk_is_what_root_makes() {
    let desk = Desk::new();
    let disk = desk.image(200 * MIB);
    // A new table gets a number that is drawn, and those of its partitions are made of it.
    partition(&disk, "label: gpt\n");
    let (machine, other) = desk.copy();
    let config = new_disk();
    desk.done(&config);
    as_root(&machine, &other, &config);
    assert!(tables(&disk) == tables(&other), "the partition tables differ");
    for offset in [MIB, 97 * MIB] {
        let [here, there] =
            [(&desk.machine, &disk), (&machine, &other)].map(|(at, image)| tree(at, image, offset));
        assert_same(&here, &there, "without root against with");
    }
    let made = fs::metadata(&disk).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (NOBODY, NOBODY, 0o644)
    );
    // The same config finds its own work. Another one is refused as by root, and nothing is changed by that.
    desk.done(&config);
    let before = digest(&disk);
    let mut config = config;
    config["storage"]["files"][0]["contents"]["source"] = json!("data:,other");
    let ran = desk.apply(&config);
    assert!(ran.stderr.contains("[path-exists]"), "{}", ran.stderr);
    assert!(digest(&disk) == before, "a refusal changed the image");
    desk.assert_nothing_left();
}

/// Gives the image a table.
fn partition(image: &Path, table: &str) {
    let mut sfdisk = Command::new("sfdisk")
        .arg("-q")
        .arg(image)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sfdisk.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

/// A disk with a root that somebody else made, on its second partition.
fn with_root(desk: &Desk) -> PathBuf {
    let disk = desk.image(160 * MIB);
    let table = "label: gpt\nstart=2048, size=2048\nstart=4096, size=262144, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n";
    partition(&disk, table);
    let root = desk.machine.root();
    let script = "cd \"$0\" && mkdir -p usr/lib && echo ID=x >usr/lib/os-release && mkdir -m 2775 shared boot && chgrp 50 shared && : >boot/ignition.firstboot && \
        echo x >su && chown 5:6 su && chmod 6755 su && ln su su2 && echo y >capable && \
        setfattr -n security.capability -v 0x0100000200040000000000000000000000000000 capable && \
        setfattr -n user.note -v mine su && setfattr -n security.selinux -v system_u:object_r:etc_t:s0 etc/hosts && \
        mkfifo pipe && truncate -s 5M sparse && echo z >>sparse && ln -s su link && mkdir long && \
        for i in $(seq 300); do echo $i >long/a-name-of-some-length-$i; done";
    let made = Command::new("sh").args(["-c", script]).arg(&root).status();
    assert!(made.unwrap().success());
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-E", "offset=2097152", "-d"])
        .arg(&root)
        .arg(&disk)
        .arg("128M")
        .status();
    assert!(made.unwrap().success());
    disk
}

fn for_a_root() -> Value {
    json!({
        "ignition": { "version": "3.4.0" },
        "passwd": {
            "groups": [{ "name": "wheel", "gid": 700 }],
            "users": [{ "name": "core", "groups": ["wheel"], "sshAuthorizedKeys": ["ssh-ed25519 AAAA core"] }],
        },
        "storage": { "files": [
            { "path": "/etc/hosts", "append": [{ "source": "data:,10.0.0.1%20a%0A" }] },
            { "path": "/shared/below/it/file", "user": { "name": "core" } },
            { "path": "/etc/hostname", "overwrite": true, "contents": { "source": "data:,new" } },
        ]},
        "systemd": { "units": [{ "name": "a.service", "enabled": true, "contents": "[Service]\n" }] },
    })
}

#[test]
fn a_root_that_is_there_becomes_what_root_makes_of_it() {
    let desk = Desk::new();
    let disk = with_root(&desk);
    let before = tables(&disk);
    let (machine, other) = desk.copy();
    let config = for_a_root();
    desk.done(&config);
    as_root(&machine, &other, &config);
    assert!(tables(&disk) == before, "the table was changed");
    let [here, there] =
        [(&desk.machine, &disk), (&machine, &other)].map(|(at, image)| tree(at, image, 2 * MIB));
    assert_same(&here, &there, "without root against with");
    assert!(
        here["etc/passwd"].contains("core:x:1000"),
        "{}",
        here["etc/passwd"]
    );
    assert!(!here.contains_key("boot/ignition.firstboot"));
    for kept in ["user.note", "security.capability"] {
        assert!(
            here["attributes and blocks"].contains(kept),
            "{}",
            here["attributes and blocks"]
        );
    }
}

#[test]
fn a_journal_that_a_crash_left_is_replayed() {
    let desk = Desk::new();
    let disk = with_root(&desk);
    // A file system that is copied while it is mounted is as after a power cut.
    let script = "mkdir m && mount -o loop,offset=2097152 disk.img m && echo late >m/etc/late && sync -f m && \
        cp --sparse=always disk.img cut.img && umount m && rmdir m && cat cut.img >disk.img && rm cut.img";
    let cut = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .current_dir(desk.machine.at("images"))
        .status();
    assert!(cut.unwrap().success());
    let needs = Command::new("dumpe2fs")
        .arg("-h")
        .arg(format!("{}?offset=2097152", disk.display()))
        .output()
        .unwrap();
    let needs = String::from_utf8(needs.stdout).unwrap();
    assert!(needs.contains("needs_recovery"), "{needs}");
    desk.done(&for_a_root());
    let found = tree(&desk.machine, &disk, 2 * MIB);
    assert!(
        found["etc/late"].ends_with("late\n") && found["etc/hostname"].ends_with("new"),
        "{found:?}"
    );
}

/// Where [`with_boot`] has its third partition, in MiB.
const BOOT_AT: u64 = 130;

/// A disk with a root, and a third partition with a file system labelled `boot`.
fn with_boot(desk: &Desk, make: &str) -> PathBuf {
    let disk = with_root(desk);
    let table = "label: gpt\nstart=2048, size=2048\nstart=4096, size=262144, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n\
        start=266240, size=32768\n";
    partition(&disk, table);
    let script = format!("mkdir boot && echo k >boot/kernel && : >boot/ignition.firstboot && {make}");
    let made = Command::new("sh")
        .args(["-c", &script])
        .arg(&disk)
        .current_dir(desk.machine.name())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    disk
}

#[test]
fn the_stamp_goes_from_a_boot_file_system_of_its_own() {
    let desk = Desk::new();
    let disk = with_boot(
        &desk,
        "mkfs.ext4 -q -L boot -E offset=136314880 -d boot \"$0\" 16M",
    );
    let (machine, other) = desk.copy();
    let config = for_a_root();
    desk.done(&config);
    as_root(&machine, &other, &config);
    for offset in [2, BOOT_AT].map(|at| at * MIB) {
        let [here, there] =
            [(&desk.machine, &disk), (&machine, &other)].map(|(at, image)| tree(at, image, offset));
        assert_same(&here, &there, "without root against with");
        assert!(offset == 2 * MIB || here.contains_key("kernel") && !here.contains_key("ignition.firstboot"));
    }
    // One that has none is not written to.
    let boot = |image: &Path| {
        fs::read(image)
            .unwrap()
            .split_off((BOOT_AT * MIB).try_into().unwrap())
    };
    let before = boot(&disk);
    desk.done(&config);
    assert!(boot(&disk) == before, "what had no stamp was written to");
    // A journal that has to be replayed before, and what is not sound.
    let is_to_be_replayed = || {
        let mut whole = disk.as_os_str().to_owned();
        whole.push("?offset=136314880");
        let asked = Command::new("dumpe2fs").arg("-h").arg(whole).output().unwrap();
        String::from_utf8_lossy(&asked.stdout).contains("needs_recovery")
    };
    for (damage, replayed, expected) in [
        ("set_super_value feature_incompat 0x2c6", true, 0),
        ("set_inode_field <2> links_count 9", false, 1),
    ] {
        let script = "dd if=\"$0\" of=b bs=1M skip=130 count=16 && debugfs -w -R \"$1\" b && \
            dd if=b of=\"$0\" bs=1M seek=130 conv=notrunc";
        let damaged = Command::new("sh")
            .args(["-c", script])
            .args([disk.as_os_str(), damage.as_ref()])
            .current_dir(desk.machine.name())
            .output()
            .unwrap();
        assert!(
            damaged.status.success(),
            "{}",
            String::from_utf8_lossy(&damaged.stderr)
        );
        assert_eq!(is_to_be_replayed(), replayed, "{damage}");
        let before = fs::read(&disk).unwrap();
        let ran = desk.apply(&config);
        assert_eq!(
            ran.status,
            Some(expected),
            "{damage}: {}{}",
            ran.stderr,
            ran.stdout
        );
        assert!(!is_to_be_replayed(), "{damage}");
        if expected == 1 {
            assert!(ran.stderr.contains("[image-unusable]"), "{}", ran.stderr);
            assert!(fs::read(&disk).unwrap() == before, "the image was changed");
        }
        desk.assert_nothing_left();
    }
}

#[test]
fn a_boot_file_system_that_nobody_sees_is_told_of() {
    let desk = Desk::new();
    let disk = with_boot(&desk, "mkfs.fat -n boot --offset 266240 \"$0\" 16384");
    let before = tables(&disk);
    let ran = desk.apply(&for_a_root());
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("/ignition.firstboot was not looked for on"),
        "{}",
        ran.stdout
    );
    assert!(tables(&disk) == before);
    desk.assert_nothing_left();
}

#[test]
fn what_is_not_sound_does_not_take_the_place_of_the_image() {
    let mut desk = Desk::new();
    let disk = with_root(&desk);
    let before = digest(&disk);
    let bin = desk.machine.at("bin");
    fs::create_dir(&bin).unwrap();
    let check = bin.join("e2fsck");
    fs::write(&check, "#!/bin/sh\necho 'planned for this test' >&2\nexit 4\n").unwrap();
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();
    desk.machine.path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()).into();
    let ran = desk.apply(&for_a_root());
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    for said in [
        "[image-unusable]",
        "e2fsck ended with status 4: planned for this test",
    ] {
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert!(digest(&disk) == before, "the image was changed");
    desk.assert_nothing_left();
}

/// Every kind in one config; those that nobody can fill here stay empty.
#[test]
fn file_systems_of_every_kind_are_made() {
    let desk = Desk::new();
    let disk = desk.image(1024 * MIB);
    partition(&disk, "label: gpt\n");
    let (machine, other) = desk.copy();
    let kinds = [
        ("ext4", 96),
        ("vfat", 64),
        ("xfs", 400),
        ("btrfs", 300),
        ("swap", 32),
    ];
    let numbered = || kinds.iter().zip(1..);
    let partitions =
        numbered().map(|((kind, size), number)| json!({ "number": number, "label": kind, "sizeMiB": size }));
    let filesystems = numbered()
        .map(|((kind, _), number)| json!({ "device": format!("/dev/vda{number}"), "format": kind }));
    let mut config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": {
            "disks": [{ "device": "/dev/vda", "partitions": partitions.collect::<Vec<_>>() }],
            "filesystems": filesystems.collect::<Vec<_>>(),
            "files": [{ "path": "/etc/motd", "contents": { "source": "data:,hello" } }],
        },
    });
    config["storage"]["filesystems"][0]["path"] = json!("/");
    desk.done(&config);
    // Root cannot mount all of them on every kernel either.
    as_root(&machine, &other, &config);
    assert!(tables(&disk) == tables(&other), "the partition tables differ");
    let mut start = MIB;
    for (kind, size) in kinds {
        let [here, there] = [&disk, &other].map(|image| {
            let (offset, size) = (start.to_string(), (size * MIB).to_string());
            let asked = Command::new("blkid")
                .args(["--probe", "-o", "export", "-O", &offset, "-S", &size])
                .arg(image)
                .output();
            let said = String::from_utf8(asked.unwrap().stdout).unwrap();
            // btrfs draws one for each device.
            let lines = said
                .lines()
                .filter(|line| !line.starts_with("UUID_SUB=") && !line.starts_with("DEVNAME="));
            lines.collect::<Vec<_>>().join("\n")
        });
        assert_eq!(here, there, "{kind}");
        assert!(here.contains(&format!("TYPE={kind}")), "{here}");
        start += size * MIB;
    }
    let [here, there] = [(&desk.machine, &disk), (&machine, &other)].map(|(at, image)| tree(at, image, MIB));
    assert_same(&here, &there, "without root against with");
    // With their places: these are directories, and nothing is on them.
    config["storage"]["filesystems"][0]["wipeFilesystem"] = json!(true);
    config["storage"]["filesystems"][1]["path"] = json!("/boot");
    config["storage"]["filesystems"][1]["wipeFilesystem"] = json!(true);
    config["storage"]["filesystems"][2]["path"] = json!("/data");
    config["storage"]["links"] = json!([{ "path": "/link", "target": "/data" }]);
    desk.done(&config);
    let found = tree(&desk.machine, &disk, MIB);
    assert_eq!(found["data"], "directory 0755 0:0");
    assert_eq!(found["boot"], "directory 0755 0:0");
    // What may hold the stamp of the first boot, and is not seen, is not left as it is.
    let before = digest(&disk);
    config["storage"]["filesystems"][1]["wipeFilesystem"] = json!(false);
    let ran = desk.apply(&config);
    assert!(
        ran.stderr.contains("/boot/ignition.firstboot ("),
        "{}",
        ran.stderr
    );
    assert!(digest(&disk) == before, "a refusal changed the image");
    config["storage"]["filesystems"][1]["path"] = json!("/boot/efi");
    // Nothing may land on a file system that cannot be mounted, or below it in its place.
    config["storage"]["filesystems"][0]["wipeFilesystem"] = json!(false);
    config["storage"]["links"] = json!([]);
    for (path, code) in [
        ("/data/file", "[image-needs-root]"),
        ("/link/file", "Read-only file system"),
    ] {
        config["storage"]["files"][0]["path"] = json!(path);
        let ran = desk.apply(&config);
        assert_eq!(ran.status, Some(1), "{path}: {}", ran.stdout);
        assert!(ran.stderr.contains(code), "{path}: {}", ran.stderr);
        assert!(digest(&disk) == before, "{path}: a refusal changed the image");
        desk.assert_nothing_left();
    }
}

#[test]
fn what_only_root_can_do_is_refused_before_anything_is_changed() {
    let mut desk = Desk::new();
    let disk = desk.image(200 * MIB);
    let before = digest(&disk);
    let plain = format!("--image={}", disk.display());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut config = new_disk();
        change(&mut config);
        config
    };
    let xfs = with(&|config| config["storage"]["filesystems"][0]["format"] = json!("xfs"));
    let home = with(&|config| {
        config["storage"]["filesystems"][1] =
            json!({ "device": "/dev/vda2", "format": "btrfs", "path": "/home" });
        config["passwd"] = json!({ "users": [{ "name": "core" }] });
    });
    let owner = with(&|config| config["storage"]["files"][0]["user"] = json!({ "id": 70_000 }));
    let sectors = format!("{plain}:4096");
    for (config, flag, what) in [
        (xfs, &plain, "would be on a xfs"),
        (home, &plain, "/home/core (/passwd/users/0) would be on a btrfs"),
        (owner, &plain, "nothing can be given to number 70000 without root"),
        (
            new_disk(),
            &sectors,
            "a file system for /dev/vda1 cannot be made without root",
        ),
    ] {
        let ran = desk.run(&[], &config, &[flag]);
        assert_eq!(ran.status, Some(1), "{what}: {}", ran.stdout);
        assert!(ran.stderr.contains("[image-needs-root]"), "{}", ran.stderr);
        assert!(ran.stderr.contains(what), "{}", ran.stderr);
        assert!(digest(&disk) == before, "{what}: the image was changed");
    }
    // A disk of this machine.
    let ran = desk.run(&[], &new_disk(), &["--image=/dev/null"]);
    assert!(ran.stderr.contains("[image-unusable]"), "{}", ran.stderr);
    // A machine without the program.
    let bin = desk.machine.at("bin");
    fs::create_dir(&bin).unwrap();
    for program in [
        "unshare",
        "sh",
        "bash",
        "mount",
        "cp",
        "mknod",
        "touch",
        "setpriv",
        "true",
        "e2fsck",
        "newuidmap",
        "newgidmap",
    ] {
        let paths = ["/usr/bin", "/usr/sbin"].map(|dir| Path::new(dir).join(program));
        let found = paths.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
    }
    let all = std::mem::replace(&mut desk.machine.path, bin.into());
    let ran = desk.apply(&new_disk());
    assert!(
        ran.stderr.contains("the program fuse2fs is not on this system"),
        "{}",
        ran.stderr
    );
    desk.machine.path = all;
    // A user who has no numbers but his own.
    desk.numbers = "";
    let ran = desk.apply(&new_disk());
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    for said in ["[image-needs-root]", "subuid", "nothing was changed"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    // A config that is wrong is told of first.
    let ran = desk.apply(&json!({ "ignition": { "version": "3.4.0" }, "storage": { "files": [{}] } }));
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("[config-invalid]"), "{}", ran.stderr);
    // A program that makes no namespace is run once.
    let fake = desk.machine.at("fake");
    fs::create_dir(&fake).unwrap();
    let script = "#!/bin/sh\n[ \"$1\" = --user ] || exec /usr/bin/unshare \"$@\"\n\
        while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"\n";
    fs::write(fake.join("unshare"), script).unwrap();
    fs::set_permissions(fake.join("unshare"), fs::Permissions::from_mode(0o755)).unwrap();
    desk.machine.path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", fake.display()).into();
    let ran = desk.apply(&new_disk());
    assert_eq!(ran.status, Some(1), "{}", ran.stdout);
    assert!(
        ran.stderr
            .contains("unshare ended with status 0: nobody is root behind it"),
        "{}",
        ran.stderr
    );
    assert!(digest(&disk) == before, "the image was changed");
    desk.assert_nothing_left();
}

/// A loop device that somebody has on an image.
struct Loop(String);

impl Loop {
    fn of(image: &Path) -> Self {
        let made = Command::new("losetup")
            .args(["--find", "--show"])
            .arg(image)
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self(String::from_utf8(made.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        drop(Command::new("losetup").args(["--detach", &self.0]).status());
    }
}

#[test]
fn an_image_that_somebody_has_is_refused_with_root_and_without() {
    let desk = Desk::new();
    let disk = desk.image(200 * MIB);
    let config = new_disk();
    let flag = format!("--image={}", disk.display());
    let both = |said: &str| {
        let before = digest(&disk);
        let as_root = apply(&desk.machine, &config, std::slice::from_ref(&flag));
        for (who, ran) in [("root", as_root), ("user", desk.apply(&config))] {
            assert_eq!(ran.status, Some(1), "{who}: {}", ran.stdout);
            assert!(ran.stderr.contains("[image-unusable]"), "{who}: {}", ran.stderr);
            assert!(ran.stderr.contains(said), "{who}: {}", ran.stderr);
        }
        assert!(digest(&disk) == before, "{said}: the image was changed");
    };
    let device = Loop::of(&disk);
    both("disk.img is a loop device already");
    drop(device);
    assert_nothing_attached(&desk.machine);
    // As a run holds it, of root or of a user.
    let held = File::open(&disk).unwrap();
    held.lock().unwrap();
    both("disk.img is being worked on already");
    drop(held);
    desk.done(&config);
}

/// The calls that change something, and moments among them that every run comes to.
const KILLS: [(&str, &[usize]); 11] = [
    ("copy_file_range", &[1, 5]),
    ("pwrite64", &[1, 6]),
    ("fdatasync", &[1, 8]),
    ("clone3", &[1, 4, 9, 12]),
    ("fallocate", &[1]),
    ("renameat", &[2, 4]),
    ("umount2", &[1, 2]),
    ("fsync", &[1, 2]),
    ("linkat", &[1]),
    ("rename", &[1]),
    ("symlink", &[1, 3]),
];

/// Kills at the `moment`th call of that name.
fn killing(call: &str, moment: usize) -> [OsString; 7] {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=SIGKILL:when={moment}");
    ["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject].map(OsString::from)
}

/// Removes the empty directories that a killed run leaves, and names in its log.
fn remove_places(log: &str) {
    for (at, start) in log.match_indices("/tmp/kindling-root-") {
        let name = log.get(at..at + start.len() + 6).unwrap();
        drop(fs::remove_dir(name));
    }
}

#[test]
fn killed_at_any_moment_it_leaves_the_image_as_it_was() {
    let desk = Desk::new();
    let disk = with_root(&desk);
    let before = digest(&disk);
    let saved = desk.machine.at("saved");
    copy_over(&disk, &saved);
    let mut config = for_a_root();
    // Beside the root that stays a new one, so that there are table, file systems, mounts and files to be killed in.
    config["storage"]["disks"] =
        json!([{ "device": "/dev/vda", "partitions": [{ "number": 3, "label": "new", "sizeMiB": 20 }] }]);
    config["storage"]["filesystems"] = json!([{ "device": "/dev/vda3", "format": "ext4", "path": "/srv" }]);
    config["storage"]["directories"] = json!([{ "path": "/srv/deep" }]);
    let flag = format!("--image={}", disk.display());
    let mut left = false;
    for (call, moments) in KILLS {
        for moment in moments {
            copy_over(&saved, &disk);
            let ran = desk.run(&killing(call, *moment), &config, &[&flag]);
            desk.assert_nothing_left();
            assert_eq!(ran.status, None, "{call} {moment}: {}", ran.stderr);
            left |= desk.machine.at(UNFINISHED).exists();
            remove_places(&ran.stdout);
            // The last sync is that of the directory, behind the rename.
            if call == "fsync" && *moment == 2 {
                assert!(tree(&desk.machine, &disk, 2 * MIB)["etc/hostname"].ends_with("new"));
            } else {
                assert!(digest(&disk) == before, "{call} {moment}: the image was changed");
            }
        }
    }
    assert!(left, "no kill left a copy with a name");
    // What the last of them left is in the way of nothing.
    copy_over(&saved, &disk);
    let (machine, other) = desk.copy();
    desk.done(&config);
    as_root(&machine, &other, &config);
    assert!(tables(&disk) == tables(&other), "the partition tables differ");
    let [here, there] =
        [(&desk.machine, &disk), (&machine, &other)].map(|(at, image)| tree(at, image, 2 * MIB));
    assert_same(&here, &there, "after the kills against with root");
}

/// Runs the words behind the first with the images in a small file system of their own, and says whether the image is as it was.
const ON_A_SMALL_DISK: &str = r#"set -e
images=$1; shift
exec 3<"$images/disk.img"
mount -t tmpfs -o size=72M,mode=755,uid=65534,gid=65534 none "$images"
cp --sparse=always /dev/fd/3 "$images/disk.img"
chown 65534:65534 "$images/disk.img"
sum=$(sha256sum <"$images/disk.img")
status=0; "$@" 3<&- || status=$?
[ "$sum" = "$(sha256sum <"$images/disk.img")" ] || echo "the image was changed"
for name in $(ls -A "$images"); do case $name in disk.img|fill) ;; *) echo "$name is left";; esac; done
exit $status"#;

/// Puts a program in the place of fuse2fs, which begins with `script`.
fn serve_by(desk: &mut Desk, script: &str) {
    let bin = desk.machine.at("bin");
    drop(fs::create_dir(&bin));
    let program = bin.join("fuse2fs");
    fs::write(
        &program,
        format!("#!/bin/sh\n{script}\nexec /usr/bin/fuse2fs \"$@\"\n"),
    )
    .unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    desk.machine.path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()).into();
}

/// A root of 20 MiB that is there, with all its blocks in the image, and another file system behind it that is made.
fn two_file_systems(desk: &Desk) -> (PathBuf, Value) {
    let disk = desk.image(64 * MIB);
    fs::write(&disk, vec![0xFF; 24 << 20]).unwrap();
    let file = File::options().write(true).open(&disk).unwrap();
    file.set_len(64 * MIB).unwrap();
    partition(
        &disk,
        "label: gpt\nstart=2048, size=40960, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709\n",
    );
    let made = Command::new("mkfs.ext4")
        .args(["-q", "-E", "nodiscard,offset=1048576"])
        .arg(&disk)
        .arg("20M")
        .status();
    assert!(made.unwrap().success());
    let file = |path: &str| json!({ "path": path, "contents": { "source": "data:,text" } });
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": {
            "disks": [{ "device": "/dev/vda", "partitions": [{ "number": 2, "label": "data" }] }],
            "filesystems": [{ "device": "/dev/vda2", "format": "ext4", "path": "/srv", "options": ["-b", "4096"] }],
            "files": [file("/srv/a/b"), file("/srv/c"), file("/d")],
        },
    });
    (disk, config)
}

/// That a run ended with one record.
fn assert_one_record(ran: &Ran, row: &str) {
    assert_eq!(ran.status, Some(1), "{row}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.stderr.matches("FAILED").count(), 1, "{row}: {}", ran.stderr);
}

/// As in a container that has no `/proc` of its own: this process is 1 to itself, and another one is 1 there.
#[test]
fn where_proc_shows_other_numbers_the_copy_is_still_found() {
    let mut desk = Desk::new();
    let (disk, config) = two_file_systems(&desk);
    desk.within = "unshare --user --map-root-user --map-auto unshare --pid --fork";
    desk.done(&config);
    assert!(tree(&desk.machine, &disk, 21 * MIB)["a/b"].ends_with("text"));
}

/// Nothing is left beside an image whose place cannot be taken, and what is foreseen of that is refused before the work.
#[test]
fn an_image_whose_place_cannot_be_taken_stays_alone() {
    let desk = Desk::new();
    let (disk, config) = two_file_systems(&desk);
    let before = digest(&disk);
    let (images, flag) = (desk.machine.at("images"), format!("--image={}", disk.display()));
    let refused = |row: &str, before_words: &[OsString], said: &str, is_begun: bool| {
        let ran = desk.run(before_words, &config, &[&flag]);
        assert_one_record(&ran, row);
        assert!(
            ran.stderr.contains("[image-unusable]") && ran.stderr.contains(said),
            "{row}: {}",
            ran.stderr
        );
        assert_eq!(ran.stdout.contains("setpriv"), is_begun, "{row}: {}", ran.stdout);
        assert!(digest(&disk) == before, "{row}: the image was changed");
        desk.assert_nothing_left();
        assert!(!desk.machine.at(UNFINISHED).exists(), "{row}: a copy is left");
    };
    let bound = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        "mount --bind $0 $0 && exec \"$@\"",
    ];
    let mut bound = bound.map(OsString::from).to_vec();
    bound.push((&disk).into());
    refused("a mount", &bound, "is mounted there by itself", false);
    let busy = [
        "strace",
        "-o",
        "/dev/null",
        "-e",
        "trace=rename",
        "-e",
        "inject=rename:error=EBUSY",
    ];
    refused(
        "busy",
        &busy.map(OsString::from),
        "cannot put the copy in the place of",
        true,
    );
    // A directory in which only who has a file may put another in its place.
    chown(&images, Some(0), Some(0)).unwrap();
    fs::set_permissions(&images, fs::Permissions::from_mode(0o1777)).unwrap();
    chown(&disk, Some(0), Some(0)).unwrap();
    fs::set_permissions(&disk, fs::Permissions::from_mode(0o666)).unwrap();
    refused("sticky", &[], "cannot put the copy in the place of", true);
    // Owners that the user has a number for stay; the others do not.
    fs::set_permissions(&images, fs::Permissions::from_mode(0o777)).unwrap();
    let saved = desk.machine.at("saved");
    copy_over(&disk, &saved);
    for (owner, group, expected) in [
        (100_007, 100_009, (100_007, 100_009)),
        (NOBODY, 100_009, (NOBODY, 100_009)),
        (0, 0, (NOBODY, NOBODY)),
    ] {
        copy_over(&saved, &disk);
        chown(&disk, Some(owner), Some(group)).unwrap();
        fs::set_permissions(&disk, fs::Permissions::from_mode(0o666)).unwrap();
        desk.done(&config);
        let made = fs::metadata(&disk).unwrap();
        assert_eq!(
            (made.uid(), made.gid(), made.mode() & 0o7777),
            (expected.0, expected.1, 0o666)
        );
    }
}

#[test]
fn a_full_disk_fails_the_run() {
    let mut desk = Desk::new();
    let images = desk.machine.at("images");
    let (disk, below) = two_file_systems(&desk);
    // The disk is full from the first mount on. What the root of the image has, has its place in the copy.
    let fill = format!("dd if=/dev/zero of={}/fill bs=4k 2>/dev/null", images.display());
    serve_by(&mut desk, &fill);
    let mut above = below.clone();
    above["storage"]["filesystems"][0]["path"] = json!("/");
    let mut on_a_small_disk = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        ON_A_SMALL_DISK,
        "sh",
    ]
    .map(OsString::from)
    .to_vec();
    on_a_small_disk.push(images.into());
    let flag = format!("--image={}", disk.display());
    for (row, config) in [("a second file system", below), ("a root", above)] {
        let ran = desk.run(&on_a_small_disk, &config, &[&flag]);
        assert_one_record(&ran, row);
        assert!(
            !ran.stdout.contains("was changed") && !ran.stdout.contains("is left"),
            "{row}: {}",
            ran.stdout
        );
    }
}

/// fuse2fs has in its status nothing of what it could not write at its end, and what e2fsck looks at is sound without it.
#[test]
fn whenever_nothing_can_be_written_any_more_the_run_fails() {
    let mut desk = Desk::new();
    let (disk, config) = two_file_systems(&desk);
    let before = digest(&disk);
    let logs = desk.machine.at("logs");
    fs::create_dir(&logs).unwrap();
    chown(&logs, Some(NOBODY), Some(NOBODY)).unwrap();
    let mut late = 0;
    for offset in [1 << 20, 21 << 20] {
        // That file system alone; the words are what strace does to it.
        let serve = |desk: &mut Desk, inject: &str| {
            let script = format!(
                "case \"$*\" in *offset={offset}*) exec strace -o {}/{offset} -e trace=pwrite64,lseek,write {inject} /usr/bin/fuse2fs \"$@\";; esac",
                logs.display()
            );
            serve_by(desk, &script);
        };
        let saved = desk.machine.at("saved");
        copy_over(&disk, &saved);
        serve(&mut desk, "");
        desk.done(&config);
        copy_over(&saved, &disk);
        let log = fs::read_to_string(logs.join(offset.to_string())).unwrap();
        // Parts of a superblock go by lseek and write, and so does what pwrite64 cannot write.
        let calls: Vec<&str> = log
            .lines()
            .filter(|line| line.starts_with("pwrite64(") || line.starts_with("lseek("))
            .collect();
        let all = calls.len();
        let moments = (0..all).step_by(all / 3).chain(all - 11..all);
        for (moment, other) in moments.flat_map(|moment| [(moment, "lseek"), (moment, "write")]) {
            let seeks = calls[..moment]
                .iter()
                .filter(|call| call.starts_with("lseek"))
                .count();
            let (pwrite, other_one) = (moment - seeks + 1, seeks + 1);
            let row = format!("{offset}: {moment} of {all} and {other}");
            // Without write it cannot say either that it failed.
            let inject = format!(
                "-e inject=pwrite64:error=ENOSPC:when={pwrite}+ -e inject={other}:error=ENOSPC:when={other_one}+"
            );
            serve(&mut desk, &inject);
            let ran = desk.apply(&config);
            // Not every run makes as many calls, and what it prints itself is no matter. Behind the mark, which is taken away once
            // and given once, only the count of what was ever written is left to be written.
            let met = fs::read_to_string(logs.join(offset.to_string())).unwrap();
            let is_met = |line: &str| line.contains("(INJECTED)") && !line.starts_with("write(1,");
            let first = met.lines().position(is_met);
            let mark = format!(", {}, SEEK_SET", offset + 1082);
            let marks = met.lines().enumerate().filter(|(_, line)| line.contains(&mark));
            let marked = marks.map(|(at, _)| at + 1).nth(1);
            let is_told = other == "lseek" || marked.is_none_or(|marked| first <= Some(marked));
            if ran.status == Some(0) && (first.is_none() || !is_told) {
                copy_over(&saved, &disk);
                continue;
            }
            assert_one_record(&ran, &row);
            assert!(digest(&disk) == before, "{row}: the image was changed");
            desk.assert_nothing_left();
            late += usize::from(ran.stderr.contains("fuse2fs ended with status 0"));
        }
    }
    assert!(late > 0, "none came to the end of a file system");
}

#[test]
fn of_two_images_the_one_with_the_root_is_put_in_its_place_first() {
    let desk = Desk::new();
    let [data, root] = ["disk.img", "root.img"].map(|name| desk.image_named(name, 64 * MIB));
    let disk = |device: &str| json!({ "device": device, "partitions": [{ "number": 1, "label": "one" }] });
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": {
            "disks": [disk("/dev/vda"), disk("/dev/vdb")],
            "filesystems": [
                { "device": "/dev/vda1", "format": "ext4", "path": "/srv" },
                { "device": "/dev/vdb1", "format": "ext4", "path": "/" },
            ],
            "files": [
                { "path": "/etc/motd", "contents": { "source": "data:,hello" } },
                { "path": "/srv/deep/file", "contents": { "source": "data:,data" } },
            ],
        },
    });
    let flags = [("/dev/vda", &data), ("/dev/vdb", &root)]
        .map(|(device, image)| format!("--image={device}={}", image.display()));
    let flags = flags.each_ref().map(String::as_str);
    // The data without the root that knows them would be files of somebody else to the next run.
    let blank = digest(&data);
    let ran = desk.run(&killing("rename", 2), &config, &flags);
    assert_eq!(ran.status, None, "{}", ran.stderr);
    remove_places(&ran.stdout);
    desk.assert_nothing_left();
    assert!(digest(&data) == blank, "the data came first");
    assert!(tree(&desk.machine, &root, MIB).contains_key("etc/motd"));
    let ran = desk.run(&[], &config, &flags);
    assert_eq!(ran.status, Some(0), "{}{}", ran.stderr, ran.stdout);
    desk.assert_nothing_left();
    assert!(!desk.machine.at(UNFINISHED).exists());
    assert!(tree(&desk.machine, &root, MIB)["etc/motd"].ends_with("hello"));
    assert!(tree(&desk.machine, &data, MIB)["deep/file"].ends_with("data"));
}
