//! `kindling inspect` through the real binary: a directory and the archive that tar(1) makes of it give the same facts,
//! and what is no root is refused with one cause and a remedy.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its root should panic"
)]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use kindling_config_spec::facts::{Account, Facts, Kind};
use tempfile::TempDir;

struct Ran {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the command under a limit of 256 MiB of address space.
fn inspect(path: &Path) -> Ran {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v 262144; exec \"$0\" inspect \"$1\""])
        .arg(env!("CARGO_BIN_EXE_kindling"))
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Ran {
        status: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn facts(path: &Path) -> Facts {
    let ran = inspect(path);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// That `path` is refused with exactly this text, in which `PATH` stands for it.
fn refuses(path: &Path, told: &str) {
    let ran = inspect(path);
    let name = path.display().to_string();
    assert_eq!(ran.stderr.replace(&name, "PATH").trim_end(), told);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(1), ""));
}

fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn link(root: &Path, path: &str, target: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

const UNITS: &[&str] = &["a@.service", "b.service", "b.timer"];

/// A root with a merged `/usr`, templates, aliases, masks, odd names, and links that climb or loop.
fn root() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (path, text) in [
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\nada:x:7:7:::\n+::::::\nbroken:x:one:2\n",
        ),
        ("usr/lib/passwd", "core:x:500:501:::\nroot:x:9:9:::\n"),
        ("etc/group", "root:x:0:\nwheel:x:10:ada\n"),
        (
            "usr/lib/os-release",
            "NAME=\"Some Linux\"\nID=some\nVERSION_ID=\"12.1\"\n",
        ),
        (
            "etc/fstab",
            "# none\n/dev/vda1 /boot\\040disk ext4 defaults,ro 0 0\n/dev/vda2 / ext4 ro,rw\n/dev/vda3 none swap ro\n",
        ),
        ("etc/my folder/a file", ""),
        ("usr/share/doc/x/README", ""),
        ("var/log/messages", ""),
        (
            "etc/systemd/system/multi-user.target.wants/not-a-unit.service",
            "",
        ),
        ("usr/lib/systemd/system/README", ""),
    ] {
        put(root, path, text, 0o644);
    }
    for unit in UNITS {
        put(root, &format!("usr/lib/systemd/system/{unit}"), "[Unit]\n", 0o644);
    }
    put(root, "usr/bin/dash", "#!", 0o755);
    put(root, "usr/libexec/only-mine", "#!", 0o700);
    for (path, target) in [
        ("bin", "usr/bin"),
        ("lib", "usr/lib"),
        ("usr/bin/sh", "dash"),
        ("etc/os-release", "../usr/lib/os-release"),
        (
            "etc/systemd/system/alias.service",
            "/usr/lib/systemd/system/b.service",
        ),
        ("etc/systemd/system/masked.service", "/dev/null"),
        (
            "etc/systemd/system/dangling.service",
            "/usr/lib/systemd/system/none.service",
        ),
        ("etc/climb", "../../../../../../etc/passwd"),
        ("etc/out", "/tmp"),
        ("loop", "loop"),
        ("var/run", "/run"),
    ] {
        link(root, path, target);
    }
    fs::hard_link(root.join("usr/bin/dash"), root.join("usr/bin/bash")).unwrap();
    fs::create_dir_all(root.join("usr/empty dir")).unwrap();
    nix::unistd::mkfifo(
        &root.join("etc/pipe"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .unwrap();
    fs::create_dir(root.join(OsStr::from_bytes(b"etc/\xff"))).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"etc/\xff/inside")), "").unwrap();
    symlink(OsStr::from_bytes(b"\xfe"), root.join("etc/to-bytes")).unwrap();
    dir
}

/// What tar(1) makes of `root`, called with `flags`.
fn tar(root: &Path, flags: &[&str]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("root.tar");
    let made = Command::new("tar")
        .arg("-C")
        .arg(root)
        .args(flags)
        .arg("-cf")
        .arg(&path)
        .arg(".")
        .status();
    assert!(made.unwrap().success());
    (dir, path)
}

#[test]
fn a_root_is_told_as_it_is() {
    let dir = root();
    let facts = facts(dir.path());
    assert_eq!(facts.os_release.id.as_deref(), Some("some"));
    assert_eq!(facts.os_release.version_id.as_deref(), Some("12.1"));
    let users: Vec<_> = facts
        .users
        .iter()
        .map(|(name, at)| (name.as_str(), *at))
        .collect();
    assert_eq!(
        users,
        [
            ("ada", Account { uid: 1000, gid: 1001 }),
            ("core", Account { uid: 500, gid: 501 }),
            ("root", Account { uid: 0, gid: 0 }),
        ]
    );
    assert_eq!(facts.groups.get("wheel"), Some(&10));
    let units: Vec<_> = facts.units.iter().map(String::as_str).collect();
    assert_eq!(units, ["a@.service", "alias.service", "b.service", "b.timer"]);
    assert_eq!(facts.read_only.iter().collect::<Vec<_>>(), ["/boot disk"]);
    for (path, kind) in [
        ("/bin/sh", Some(Kind::Program)),
        ("/usr/bin/bash", Some(Kind::Program)),
        ("/usr/libexec/only-mine", Some(Kind::Program)),
        ("/etc/climb", Some(Kind::File)),
        ("/etc/my folder/a file", Some(Kind::File)),
        ("/usr/empty dir", Some(Kind::Directory)),
        ("/etc/pipe", Some(Kind::Special)),
        ("/loop", None),
        ("/etc/to-bytes", None),
        ("/usr/share/doc/x", None),
    ] {
        assert_eq!(facts.resolve(path).map(|node| node.kind), kind, "{path}");
    }
    assert!(facts.knows("/etc/none") && !facts.knows("/var/run/x") && !facts.knows("/etc/out/x"));
    assert!(facts.has_program("sh") && facts.has_unit("a@x.service") && !facts.has_unit("masked.service"));
}

#[test]
fn a_directory_and_its_archives_give_the_same_facts() {
    let dir = root();
    let of_directory = inspect(dir.path());
    assert_eq!(of_directory.status, Some(0), "{}", of_directory.stderr);
    let long = "very-long-name/".repeat(20) + "end";
    for (flags, with_long) in [
        (&["--format=gnu"][..], false),
        (&["--format=pax"], false),
        (&["--format=gnu", "--gzip", "--sort=name"], false),
        (&["--format=gnu"], true),
        (&["--format=pax", "--gzip"], true),
    ] {
        if with_long {
            put(dir.path(), &format!("usr/{long}"), "", 0o644);
            link(dir.path(), &format!("usr/{long}-link"), &long);
        }
        let expected = inspect(dir.path());
        let (_kept, archive) = tar(dir.path(), flags);
        let found = inspect(&archive);
        assert_eq!(found.stdout, expected.stdout, "{flags:?}: {}", found.stderr);
        fs::remove_dir_all(dir.path().join("usr/very-long-name")).ok();
    }
}

#[test]
fn names_that_are_not_text_are_told() {
    let dir = root();
    let ran = inspect(dir.path());
    assert!(
        ran.stderr
            .contains("the name \"/etc/\u{fffd}\" is not UTF-8 and is left out"),
        "{}",
        ran.stderr
    );
    let (_kept, archive) = tar(dir.path(), &[]);
    let told = inspect(&archive).stderr;
    assert!(
        told.contains("2 names are not UTF-8 and are left out, the first is"),
        "{told}"
    );
}

#[test]
fn a_deployment_of_ostree_has_a_read_only_usr() {
    let dir = root();
    fs::create_dir_all(dir.path().join("usr/lib/ostree")).unwrap();
    let facts = facts(dir.path());
    assert!(facts.is_read_only("/bin/sh") && facts.is_read_only("/usr/new") && !facts.is_read_only("/etc/x"));
}

#[test]
fn a_directory_that_cannot_be_read_is_named() {
    let dir = root();
    // A path longer than PATH_MAX, made in two parts: root may read anything else.
    let step = "d".repeat(200);
    let part = [step.as_str(); 12].join("/");
    let other = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join(&part)).unwrap();
    fs::create_dir_all(other.path().join(&part)).unwrap();
    fs::rename(other.path().join(&step), dir.path().join(&part).join(&step)).unwrap();
    let ran = inspect(dir.path());
    assert_eq!(ran.status, Some(1));
    let expected = format!(
        "cannot inspect {}\n  why:   cannot list /{step}",
        dir.path().display()
    );
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    assert!(ran.stderr.contains("File name too long"), "{}", ran.stderr);
}

#[test]
fn what_is_no_root_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    refuses(
        &dir.path().join("absent"),
        "kindling: cannot inspect PATH\n  why:   it cannot be opened: No such file or directory (os error 2)\n  \
         next:  give the directory of a root, or a tar archive of one",
    );
    refuses(
        dir.path(),
        "kindling: cannot inspect PATH\n  why:   it holds no root: it has neither etc nor usr\n  \
         next:  give the top directory of a root, or a tar archive made there",
    );
    refuses(
        Path::new("/dev/null"),
        "kindling: cannot inspect PATH\n  why:   it is neither a directory nor a regular file\n  \
         next:  write it to a file first, and give that file",
    );
    for (files, marker) in [
        (&["oci-layout", "index.json", "blobs/sha256/00"][..], "oci-layout"),
        (
            &["manifest.json", "repositories", "00/layer.tar"],
            "manifest.json",
        ),
        (&["etc/.wh.passwd", "usr/bin/sh"], "whiteouts (.wh.)"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|path| put(dir.path(), path, "", 0o644));
        let (_kept, archive) = tar(dir.path(), &[]);
        refuses(
            &archive,
            &format!(
                "kindling: cannot inspect PATH\n  why:   it holds layers of an image, not a root: it has {marker}\n  \
                 next:  give a flattened root: docker create IMAGE, then docker export CONTAINER (not docker save)"
            ),
        );
    }
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
        .arg("inspect")
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
}

/// One header of a tar archive, its checksum right.
fn header(name: &[u8], kind: u8, size: &[u8], target: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut set = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    set(0, name);
    set(100, b"0000755\0");
    set(124, size);
    set(148, b"        ");
    set(156, &[kind]);
    set(157, target);
    set(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

const NO_SIZE: &[u8] = b"00000000000\0";

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn end() -> Vec<u8> {
    vec![0; 1024]
}

#[test]
fn names_of_an_archive_stay_inside_the_root() {
    let file = written(
        &[
            header(b"/etc/", b'5', NO_SIZE, b""),
            header(b"//etc//./absolute", b'0', NO_SIZE, b""),
            header(b"etc/out", b'2', NO_SIZE, b"../../../../../../"),
            header(b"etc/out/below", b'0', NO_SIZE, b""),
            header(b"hard", b'1', NO_SIZE, b"/etc/absolute"),
            header(b"etc/run", b'2', NO_SIZE, b"/run"),
            header(b"etc/run/below", b'0', NO_SIZE, b""),
            end(),
        ]
        .concat(),
    );
    let facts = facts(file.path());
    let programs: Vec<_> = facts.programs.iter().map(String::as_str).collect();
    assert_eq!(programs, ["/below", "/etc/absolute", "/hard"]);
    assert_eq!(facts.directories.iter().collect::<Vec<_>>(), ["/etc"]);
}

#[test]
fn hostile_archives_are_refused_in_bounded_memory() {
    let etc = header(b"etc/", b'5', NO_SIZE, b"");
    let dots = header(b"etc/../../passwd", b'0', NO_SIZE, b"");
    let huge = header(b"etc/passwd", b'0', b"77777777777\0", b"");
    let beyond = header(
        b"etc/passwd",
        b'0',
        b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"",
    );
    let long = header(b"././@LongLink", b'L', b"77777777777\0", b"");
    let mut damaged = etc.clone();
    damaged[0] = b'x';
    let damaged_help = "make the archive anew, or copy it again: this one is damaged";
    for (name, bytes, why, next) in [
        (
            "empty",
            vec![],
            "the archive ends too early, at or behind byte 0",
            damaged_help,
        ),
        (
            "no archive",
            b"{\"ignition\":{}}".repeat(100),
            "there is no tar header at byte 0",
            "give a tar archive, plain or packed with gzip; unpack any other format first",
        ),
        (
            "damaged",
            [etc.clone(), damaged, end()].concat(),
            "there is no tar header at byte 512",
            damaged_help,
        ),
        (
            "cut in a header",
            etc[..300].to_vec(),
            "the archive ends too early, at or behind byte 300",
            damaged_help,
        ),
        (
            "no end",
            etc.clone(),
            "the archive ends too early, at or behind byte 512",
            damaged_help,
        ),
        (
            "a step up",
            [etc.clone(), dots, end()].concat(),
            "the archive's entry \"etc/../../passwd\" has a step \"..\"",
            "make the archive anew from the root's own directory, as in tar -C ROOT -cf root.tar .",
        ),
        (
            "a huge size",
            [etc.clone(), huge, end()].concat(),
            "the archive ends too early, at or behind byte 1024",
            damaged_help,
        ),
        (
            "a size beyond all",
            [etc.clone(), beyond, end()].concat(),
            "there is no tar header at byte",
            damaged_help,
        ),
        (
            "a name without end",
            [etc.clone(), long, vec![b'a'; 2 << 20]].concat(),
            "the archive has more names, or longer ones, than any root",
            "make the archive anew from the root's own directory, as in tar -C ROOT -cf root.tar .",
        ),
    ] {
        for packed in [false, true] {
            let file = if packed {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&bytes).unwrap();
                written(&encoder.finish().unwrap())
            } else {
                written(&bytes)
            };
            let ran = inspect(file.path());
            assert_eq!(ran.status, Some(1), "{name}: {}", ran.stderr);
            assert!(
                ran.stderr.contains(&format!("why:   {why}")),
                "{name}: {}",
                ran.stderr
            );
            assert!(
                ran.stderr.contains(&format!("next:  {next}")),
                "{name}: {}",
                ran.stderr
            );
            assert_eq!(ran.stderr.lines().count(), 3, "{name}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_damaged_gzip_is_told() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let names: Vec<u8> = (0..500)
        .flat_map(|n: u32| {
            header(
                format!("etc/{n}-{}", n.wrapping_mul(2_654_435_761)).as_bytes(),
                b'0',
                NO_SIZE,
                b"",
            )
        })
        .collect();
    encoder.write_all(&[names, end()].concat()).unwrap();
    let packed = encoder.finish().unwrap();
    let cut = written(&packed[..packed.len() / 2]);
    let told = inspect(cut.path()).stderr;
    assert!(told.contains("the archive ends too early"), "{told}");
    let mut changed = packed.clone();
    changed[packed.len() / 2..].fill(0xff);
    let changed = written(&changed);
    let told = inspect(changed.path()).stderr;
    assert!(told.contains("it cannot be unpacked behind byte"), "{told}");
}
