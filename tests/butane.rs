//! `butane` as a person or a pipeline runs it, and our own commands on configs in other languages than Ignition 3: the real
//! binary on files, its exit status and what it prints.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot run the binary should panic"
)]

#[path = "support/sandbox.rs"]
#[allow(dead_code, reason = "shared by tests that use different parts")]
mod sandbox;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sandbox::{Sandbox, require_root};
use serde_json::{Value, json};
use tempfile::TempDir;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/butane")
}

/// A place to work in, with the binary under the name it is called by.
struct Desk(TempDir);

/// Exit status, standard output, standard error.
#[derive(Debug)]
struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Desk {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        for name in ["butane", "kindling", "ignition-validate"] {
            symlink(env!("CARGO_BIN_EXE_kindling"), dir.path().join(name)).unwrap();
        }
        Self(dir)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap()
    }

    /// The program `line` starts with, with the words that follow, in this place.
    fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = Command::new(self.at(words.next().unwrap()));
        command
            .args(words)
            .current_dir(self.0.path())
            .env_remove("NO_COLOR")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, line: &str) -> Ran {
        let ran = self.command(line).output().unwrap();
        Ran {
            status: ran.status.code().unwrap(),
            stdout: String::from_utf8(ran.stdout).unwrap(),
            stderr: String::from_utf8(ran.stderr).unwrap(),
        }
    }

    /// The same with `text` on standard input.
    fn run_with(&self, line: &str, text: &str) -> Ran {
        self.write("standard-input", text);
        let mut command = self.command(line);
        command.stdin(File::open(self.at("standard-input")).unwrap());
        let ran = command.output().unwrap();
        Ran {
            status: ran.status.code().unwrap(),
            stdout: String::from_utf8(ran.stdout).unwrap(),
            stderr: String::from_utf8(ran.stderr).unwrap(),
        }
    }
}

const PLAIN: &str =
    "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - path: /etc/a\n      mode: 0644\n";
const PLAIN_JSON: &str =
    "{\"ignition\":{\"version\":\"3.5.0\"},\"storage\":{\"files\":[{\"path\":\"/etc/a\",\"mode\":420}]}}\n";
/// A warning: the mode is decimal.
const DOUBTFUL: &str =
    "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - path: /etc/a\n      mode: 500\n";
const LOCAL: &str = "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - path: /etc/a\n      contents:\n        local: a.txt\n";
/// Valid as YAML, and refused by the rules of Ignition.
const GENERATED: &str = "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - path: relative\n";

#[test]
fn a_config_comes_from_a_file_or_standard_input_and_goes_to_standard_output() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    desk.write("-", PLAIN);
    for line in [
        "butane a.bu",
        "butane --input a.bu",
        "butane --input=a.bu",
        "butane -",
        "butane -- a.bu",
        "butane a.bu -s",
        "butane -sr a.bu",
        "butane --strict=true --raw --check=false a.bu",
        "butane --colour=never --color=never a.bu",
    ] {
        let ran = desk.run(line);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}");
        assert_eq!(sorted(&ran.stdout), sorted(PLAIN_JSON), "{line}");
        assert!(
            ran.stdout.ends_with("}\n") && ran.stdout.lines().count() == 1,
            "{line}"
        );
    }
    let ran = desk.run_with("butane", PLAIN);
    assert_eq!(
        (ran.status, sorted(&ran.stdout)),
        (0, sorted(PLAIN_JSON)),
        "{}",
        ran.stderr
    );
    let pretty = desk.run("butane -p a.bu").stdout;
    assert_eq!(pretty, desk.run("butane --pretty a.bu").stdout);
    assert_eq!(sorted(&pretty), sorted(PLAIN_JSON));
    assert!(
        pretty.starts_with("{\n  \"ignition\": {\n    \"version\": \"3.5.0\"\n  },\n"),
        "{pretty}"
    );
    let ran = desk.run("butane -c a.bu");
    assert_eq!(
        (ran.status, ran.stdout.as_str(), ran.stderr.as_str()),
        (0, "", "")
    );
}

fn sorted(json: &str) -> Value {
    serde_json::from_str(json).unwrap()
}

#[test]
fn wrong_lines_are_told_with_the_usage_and_status_2() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    for line in [
        "butane a.bu a.bu",
        "butane --input a.bu a.bu",
        "butane --nope",
        "butane -x",
        "butane -o",
        "butane --files-dir",
        "butane --strict=perhaps a.bu",
    ] {
        let ran = desk.run(line);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{line}");
        assert!(ran.stderr.contains("\nusage: butane "), "{line}: {}", ran.stderr);
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let desk = Desk::new();
    for (line, start) in [
        ("butane -h", "usage: butane [flags] [FILE]\n"),
        ("butane --help a b", "usage: butane [flags] [FILE]\n"),
        ("butane -V", "Butane 0.29.0 (kindling "),
        ("butane --version", "Butane 0.29.0 (kindling "),
    ] {
        let ran = desk.run(line);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}");
        assert!(ran.stdout.starts_with(start), "{line}: {}", ran.stdout);
    }
    let help = desk.run("butane -h").stdout;
    for flag in [
        "-c, --check",
        "--color",
        "-d, --files-dir",
        "-h, --help",
        "-o, --output",
        "-p, --pretty",
        "-r, --raw",
        "--raw-errors",
        "-s, --strict",
        "-V, --version",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
    for hidden in ["--debug", "--input", "--colour"] {
        assert!(!help.contains(hidden), "{hidden}");
    }
}

#[test]
fn an_output_file_is_written_whole_after_success_alone() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    desk.write("doubtful.bu", DOUBTFUL);
    desk.write("generated.bu", GENERATED);
    assert_eq!(desk.run("butane -o new.ign a.bu").status, 0);
    assert_eq!(sorted(&desk.read("new.ign")), sorted(PLAIN_JSON));
    assert_eq!(fs::metadata(desk.at("new.ign")).unwrap().mode() & 0o777, 0o644);
    desk.write("old.ign", &"as it was".repeat(100));
    for line in [
        "butane -o old.ign generated.bu",
        "butane -o old.ign absent.bu",
        "butane -o old.ign -s doubtful.bu",
        "butane -o old.ign --nope",
    ] {
        assert_ne!(desk.run(line).status, 0, "{line}");
        assert_eq!(desk.read("old.ign"), "as it was".repeat(100), "{line}");
    }
    assert_eq!(desk.run("butane -c -o old.ign a.bu").status, 0);
    assert_eq!(desk.read("old.ign"), "as it was".repeat(100));
    assert_eq!(desk.run("butane -co absent.ign a.bu").status, 0);
    assert!(!desk.at("absent.ign").exists());
    assert_eq!(desk.run("butane --output=old.ign doubtful.bu").status, 0);
    assert_eq!(sorted(&desk.read("old.ign"))["storage"]["files"][0]["mode"], 500);
    let ran = desk.run("butane -o no/such/directory a.bu");
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr.starts_with("butane: cannot write no/such/directory: "),
        "{}",
        ran.stderr
    );
}

#[test]
fn full_disks_are_failures_and_readers_that_have_enough_are_not() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    let ran = desk.run("butane -o /dev/full a.bu");
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("cannot write /dev/full: "), "{}", ran.stderr);
    let mut command = desk.command("butane a.bu");
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(command.status().unwrap().code(), Some(1));

    let long = format!("{PLAIN}      contents:\n        inline: \"{}\"\n", noise(1 << 19));
    desk.write("long.bu", &long);
    let mut child = desk
        .command("butane long.bu")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Text that nobody can compress by much.
fn noise(length: usize) -> String {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from(state >> 24).unwrap() % 26)
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn what_is_no_text_or_not_there_is_told_by_name() {
    let desk = Desk::new();
    fs::write(desk.at("latin.bu"), b"variant: fcos\nversion: 1.6.0\n# \xe9\n").unwrap();
    desk.write("empty.bu", "");
    desk.write("json.bu", "{\"variant\": \"fcos\", \"version\": \"1.6.0\"}");
    for (line, why) in [
        (
            "butane latin.bu",
            "butane: cannot read latin.bu: it is not UTF-8 text from byte 31 on (line 3)",
        ),
        ("butane absent.bu", "butane: cannot read absent.bu: "),
        ("butane .", "butane: cannot read .: "),
        ("butane empty.bu", "error at $, line 1 col 1: "),
        ("butane -d absent a.bu", "butane: cannot read a.bu: "),
        (
            "butane -d absent json.bu",
            "butane: cannot use absent for local files: ",
        ),
    ] {
        let ran = desk.run(line);
        assert_eq!((ran.status, ran.stdout.as_str()), (1, ""), "{line}");
        assert!(
            ran.stderr.starts_with(why) || ran.stderr.contains("-> ") && why.starts_with("error"),
            "{line}: {}",
            ran.stderr
        );
    }
    assert_eq!(
        desk.run("butane json.bu").stdout,
        "{\"ignition\":{\"version\":\"3.5.0\"}}\n"
    );
}

#[test]
fn local_files_are_read_below_one_directory() {
    let desk = Desk::new();
    desk.write("a.bu", LOCAL);
    fs::create_dir(desk.at("files")).unwrap();
    desk.write("files/a.txt", "hello\n");
    for line in [
        "butane -d files a.bu",
        "butane -dfiles a.bu",
        "butane --files-dir=files/. a.bu",
    ] {
        let ran = desk.run(line);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{line}");
        let source = &sorted(&ran.stdout)["storage"]["files"][0]["contents"]["source"];
        assert_eq!(source, "data:,hello%0A", "{line}");
    }
    let whole = LOCAL.replace("a.txt", desk.at("files/a.txt").to_str().unwrap());
    desk.write("whole.bu", &whole);
    assert_eq!(desk.run("butane --files-dir / whole.bu").status, 0);
    let none = desk.run("butane a.bu");
    assert_eq!((none.status, none.stdout.as_str()), (1, ""));
    assert!(
        none.stderr.contains("a.bu:7:16") && none.stderr.contains("--files-dir"),
        "{}",
        none.stderr
    );

    desk.write("planted", "planted");
    fs::remove_file(desk.at("files/a.txt")).unwrap();
    symlink("../planted", desk.at("files/a.txt")).unwrap();
    let out = desk.run("butane -d files a.bu");
    assert_eq!((out.status, out.stdout.as_str()), (1, ""));
    assert!(
        out.stderr.contains("a link leads out of the directory"),
        "{}",
        out.stderr
    );
}

#[test]
fn warnings_are_told_and_fail_where_that_is_asked_for() {
    let desk = Desk::new();
    desk.write("doubtful.bu", DOUBTFUL);
    for (line, status) in [
        ("butane", 0),
        ("butane -s", 1),
        ("butane --strict", 1),
        ("butane -c", 0),
        ("butane -cs", 1),
    ] {
        let ran = desk.run(&format!("{line} doubtful.bu"));
        assert_eq!(ran.status, status, "{line}");
        assert_eq!(ran.stdout.is_empty(), line != "butane", "{line}");
        assert!(
            ran.stderr.contains("doubtful.bu:6:13\n"),
            "{line}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_report_shows_the_lines_around_or_one_line() {
    let desk = Desk::new();
    desk.write("doubtful.bu", DOUBTFUL);
    let lines = desk.run("butane --raw-errors doubtful.bu").stderr;
    assert!(
        lines.starts_with("warning at $.storage.files.0.mode, line 6 col 13: ") && lines.lines().count() == 1,
        "{lines}"
    );
    let message = lines.trim_end().split_once("13: ").unwrap().1;
    let around = desk.run("butane doubtful.bu").stderr;
    let expected = format!(
        "warning[$.storage.files.0.mode]:\n \
         --> doubtful.bu:6:13\n  |\n\
         4 |   files:\n\
         5 |     - path: /etc/a\n\
         6 |       mode: 500\n  \
         |             ^^^ {message}\n"
    );
    assert!(around.starts_with(&expected), "{around}\n{expected}");
    let by_stdin = desk.run_with("butane", DOUBTFUL).stderr;
    assert!(by_stdin.contains("--> <stdin>:6:13\n"), "{by_stdin}");
}

#[test]
fn columns_count_characters() {
    let desk = Desk::new();
    desk.write(
        "a.bu",
        "variant: fcos\nversion: 1.6.0\nstorage:\n  files:\n    - {path: /etc/ääü, mode: 644}\n",
    );
    let ran = desk.run("butane --raw-errors a.bu");
    assert!(
        ran.stderr.contains("$.storage.files.0.mode, line 5 col 30: "),
        "{}",
        ran.stderr
    );
    let around = desk.run("butane a.bu").stderr;
    let (line, note) = around
        .lines()
        .zip(around.lines().skip(1))
        .find(|(line, _)| line.starts_with("5 | "))
        .unwrap();
    let column = |text: &str, letter| text.chars().position(|other| other == letter).unwrap();
    assert_eq!(column(line, '6'), column(note, '^'), "{around}");
}

#[test]
fn colours_are_as_the_flag_says() {
    let desk = Desk::new();
    desk.write("doubtful.bu", DOUBTFUL);
    for (flag, has_colours) in [
        ("", false),
        ("--color", true),
        ("--colour", true),
        ("--color=always", true),
        ("--color=yes", true),
        ("--color=auto", false),
        ("--color=never", false),
        ("--color=no", false),
        ("--color=blue", false),
    ] {
        let ran = desk.run(&format!("butane {flag} doubtful.bu"));
        assert_eq!(ran.status, 0, "{flag}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains('\x1b'), has_colours, "{flag}");
    }
}

/// Severity, path, line and column of every entry, as the reference was seen to report them: the rows where ours are the same
/// on purpose. That all rows are is a test of config-spec.
#[test]
fn positions_are_those_of_the_reference() {
    let desk = Desk::new();
    let table = fs::read_to_string(fixtures().join("diagnostics.tsv")).unwrap();
    for name in [
        "50-partition-warnings.bu",
        "52-decimal-modes-warn.bu",
        "invalid/grub-missing.bu",
        "invalid/local-escape.bu",
        "invalid/flatcar-clevis.bu",
        "invalid/duplicate-nodes.bu",
        "invalid/two-sources.bu",
    ] {
        let mut expected: Vec<String> = Vec::new();
        let mut status = 0;
        for row in table.lines() {
            if let [file, "default", exit, _, severity, path, line, column] =
                row.split('\t').collect::<Vec<_>>().as_slice()
                && *file == name
            {
                expected.push(format!("{severity} at {path}, line {line} col {column}"));
                status = exit.parse().unwrap();
            }
        }
        let path = fixtures().join(name).display().to_string();
        let files = fixtures().join("files").display().to_string();
        let ran = desk.run(&format!("butane --raw-errors -d {files} {path}"));
        let mut told: Vec<String> = ran
            .stderr
            .lines()
            .filter(|line| !line.starts_with("butane: "))
            .map(|line| line.split(": ").next().unwrap().to_owned())
            .collect();
        told.sort();
        expected.sort();
        assert_eq!((ran.status, told), (status, expected), "{name}: {}", ran.stderr);
    }
}

#[test]
fn where_values_come_from_is_told_to_those_who_look() {
    let desk = Desk::new();
    desk.write(
        "a.bu",
        "variant: fcos\nversion: 1.6.0\nstorage:\n  filesystems:\n    - {device: /dev/a, format: ext4, path: /var/a, with_mount_unit: true}\n",
    );
    for flag in ["-D", "--debug"] {
        let ran = desk.run(&format!("butane {flag} a.bu"));
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        for line in [
            "$.ignition.version <- $.version",
            "$.storage.filesystems.0.device <- $.storage.filesystems.0.device",
            "$.systemd.units.0.name <- $.storage.filesystems.0.with_mount_unit",
        ] {
            assert!(
                ran.stderr.lines().any(|told| told == line),
                "{line}: {}",
                ran.stderr
            );
        }
    }
}

#[test]
fn openshift_is_wrapped_unless_that_is_refused() {
    let desk = Desk::new();
    desk.write(
        "a.bu",
        "variant: openshift\nversion: 4.18.0\nmetadata:\n  name: a\n  labels:\n    machineconfiguration.openshift.io/role: worker\n",
    );
    let wrapped = desk.run("butane -p a.bu").stdout;
    assert!(
        wrapped.starts_with("# Generated by Butane; do not edit\napiVersion: "),
        "{wrapped}"
    );
    assert!(wrapped.ends_with('\n') && !wrapped.ends_with("\n\n"));
    for flag in ["-r", "--raw"] {
        let raw = desk.run(&format!("butane {flag} a.bu")).stdout;
        assert_eq!(raw, "{\"ignition\":{\"version\":\"3.4.0\"}}\n");
    }
}

#[test]
fn secrets_around_a_finding_are_not_shown() {
    let desk = Desk::new();
    desk.write(
        "a.bu",
        "variant: fcos\nversion: 1.6.0\npasswd:\n  users:\n    - name: a\n      password_hash: planted1\n      uid: planted2\n      ssh_authorized_keys:\n        - planted3\nstorage:\n  files:\n    - path: /etc/a\n      contents:\n        inline: |\n          planted4\n          planted5\n      mode: 644\n      append:\n        - inline: \"planted6\"\n      nonsense: 1\n",
    );
    let ran = desk.run("butane a.bu");
    assert_ne!(ran.status, 0);
    assert!(
        !ran.stderr.contains("planted1") && !ran.stderr.contains("planted3"),
        "{}",
        ran.stderr
    );
    let valid = desk.read("a.bu").replace("      uid: planted2\n", "");
    desk.write("b.bu", &valid);
    let ran = desk.run("butane b.bu");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("nonsense") && ran.stderr.contains("644"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("planted"), "{}", ran.stderr);
}

#[test]
fn convert_writes_what_a_butane_config_becomes_or_any_other_version() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    desk.write("doubtful.bu", DOUBTFUL);
    desk.write("local.bu", LOCAL);
    desk.write("a.txt", "hello\n");
    let version = |line: &str| {
        let ran = desk.run(line);
        assert_eq!(ran.status, 0, "{line}: {}", ran.stderr);
        sorted(&ran.stdout)["ignition"]["version"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(version("kindling convert a.bu"), "3.5.0");
    assert_eq!(version("kindling convert --minimal a.bu"), "3.0.0");
    assert_eq!(version("kindling convert --to 3.6.0 a.bu"), "3.6.0");
    assert_eq!(version("kindling convert --expand a.bu"), "3.0.0");
    assert_eq!(version("kindling convert local.bu --files-dir ."), "3.5.0");
    assert_eq!(
        desk.run("kindling convert a.bu").stdout,
        desk.run("butane -rp a.bu").stdout
    );
    for (line, status, said) in [
        ("kindling convert doubtful.bu", 0, "doubtful.bu:6:13"),
        ("kindling convert --strict doubtful.bu", 1, "doubtful.bu:6:13"),
        (
            "kindling convert --strict --expand doubtful.bu",
            1,
            "doubtful.bu:6:13",
        ),
        ("kindling convert local.bu", 1, "local.bu:7:16"),
        (
            "kindling convert local.bu --files-dir absent",
            2,
            "cannot use absent",
        ),
    ] {
        let ran = desk.run(line);
        assert_eq!(ran.status, status, "{line}: {}", ran.stderr);
        assert_eq!(ran.stdout.is_empty(), status != 0, "{line}");
        assert!(ran.stderr.contains(said), "{line}: {}", ran.stderr);
    }
    desk.write(
        "new.bu",
        "variant: fcos\nversion: 1.6.0\nkernel_arguments:\n  should_exist: [a]\n",
    );
    let refused = desk.run("kindling convert --to 3.1.0 new.bu");
    assert_eq!((refused.status, refused.stdout.as_str()), (1, ""));
    assert!(
        refused.stderr.contains("new.bu:3:1, /kernel_arguments: "),
        "{}",
        refused.stderr
    );
}

#[test]
fn validate_plan_and_apply_take_butane_and_point_at_its_lines() {
    let desk = Desk::new();
    desk.write("local.bu", LOCAL);
    desk.write("a.txt", "hello\n");
    // Judged with the lint of the whole, which sees what the local file made.
    desk.write(
        "doubtful.bu",
        &LOCAL
            .replace("/etc/a", "/etc/systemd/system/a.service")
            .replace("version: 1.6.0", "version: 1.6.0\n# a line"),
    );
    let ran = desk.run("kindling validate local.bu");
    assert_eq!(ran.status, 1, "{}", ran.stdout);
    assert!(
        ran.stdout.contains("local.bu:7:16") && ran.stdout.contains("--files-dir"),
        "{}",
        ran.stdout
    );
    let ran = desk.run("kindling validate --files-dir . local.bu");
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    let report = desk
        .run("kindling validate --format json --files-dir . doubtful.bu")
        .stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    for finding in report["configs"][0]["findings"].as_array().unwrap() {
        assert!(finding["line"].as_u64().unwrap() > 4, "{finding}");
    }

    let plan = desk.run("kindling plan local.bu");
    assert_eq!((plan.status, plan.stdout.as_str()), (1, ""));
    assert!(plan.stderr.contains("local.bu:7:16"), "{}", plan.stderr);
    let plan = desk.run("kindling plan --files-dir . local.bu");
    assert_eq!(plan.status, 0, "{}", plan.stderr);
    assert!(plan.stdout.contains("/etc/a"), "{}", plan.stdout);

    let root = desk.at("root");
    fs::create_dir(&root).unwrap();
    let ran = desk.run("kindling apply --offline --root root local.bu");
    assert_eq!(ran.status, 1, "{}", ran.stderr);
    assert!(!root.join("etc/a").exists());
    let ran = desk.run("kindling apply --offline --root root --files-dir . local.bu");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(root.join("etc/a")).unwrap(), "hello\n");
    // A step that fails names the line of the YAML.
    fs::remove_file(root.join("etc/a")).unwrap();
    fs::create_dir(root.join("etc/a")).unwrap();
    let ran = desk.run("kindling apply --offline --root root --files-dir . local.bu");
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr.contains("local.bu:5:7, /storage/files/0"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_validator_of_the_reference_takes_no_butane() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    let ran = desk.run("ignition-validate a.bu");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("a.bu: Butane fcos 1.6.0 is no Ignition 3"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_at_the_desk_is_nothing_to_a_fetched_config() {
    let desk = Desk::new();
    desk.write("a.txt", "planted");
    let child = LOCAL.replace("local: a.txt", "local: a.txt ");
    let encoded: String = child.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let parent = json!({ "ignition": { "version": "3.5.0", "config": { "merge": [{ "source": format!("data:,{encoded}") }] } } });
    desk.write("parent.ign", &parent.to_string());
    let ran = desk.run("kindling plan --files-dir . parent.ign");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("there are no local files here"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_pipe_is_written_to_in_place() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    let status = Command::new("mkfifo").arg(desk.at("pipe")).status().unwrap();
    assert!(status.success());
    let mut child = desk.command("butane -o pipe a.bu").spawn().unwrap();
    let mut text = String::new();
    File::open(desk.at("pipe"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(sorted(&text), sorted(PLAIN_JSON));
    // A pipeline: what is written is what was read, once.
    let mut child = desk
        .command("butane")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PLAIN.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(
        sorted(&String::from_utf8(ended.stdout).unwrap()),
        sorted(PLAIN_JSON)
    );
}

#[test]
fn a_file_that_is_there_keeps_its_mode() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    desk.write("old.ign", "x");
    fs::set_permissions(desk.at("old.ign"), fs::Permissions::from_mode(0o600)).unwrap();
    symlink("old.ign", desk.at("link.ign")).unwrap();
    assert_eq!(desk.run("butane -o link.ign a.bu").status, 0);
    assert_eq!(fs::metadata(desk.at("old.ign")).unwrap().mode() & 0o777, 0o600);
    assert!(fs::symlink_metadata(desk.at("link.ign")).unwrap().is_symlink());
    assert_eq!(sorted(&desk.read("old.ign")), sorted(PLAIN_JSON));
}

#[test]
fn a_config_is_written_as_butane_and_becomes_the_same_again() {
    let desk = Desk::new();
    desk.write("a.bu", PLAIN);
    desk.write(
        "a.ign",
        "{\"ignition\":{\"version\":\"3.4.0\"},\"storage\":{\"files\":[{\"path\":\"/etc/a\",\"mode\":420,\"contents\":{\"source\":\"data:,a%0Ab%0A\"}}]}}",
    );
    let ran = desk.run("kindling convert --to butane a.ign");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("variant: fcos\nversion: 1.5.0\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("mode: 0644"), "{}", ran.stdout);
    desk.write("again.bu", &ran.stdout);
    let again = sorted(&desk.run("butane again.bu").stdout);
    assert_eq!(
        again["storage"]["files"][0]["contents"]["source"],
        "data:,a%0Ab%0A"
    );
    assert_eq!(again["ignition"]["version"], "3.4.0");
    let ran = desk.run("kindling convert --to butane a.bu");
    assert!(
        ran.stdout.starts_with("variant: fcos\nversion: 1.6.0\n"),
        "{}",
        ran.stdout
    );
}

/// A config of a cluster that still speaks the old language.
const OLD: &str = "{\"ignition\":{\"version\":\"2.2.0\"},\n\"storage\":{\"files\":[{\"filesystem\":\"root\",\"path\":\"/etc/a\",\"mode\":420,\n\"contents\":{\"source\":\"data:,a\"}}]}}";

#[test]
fn ignition_2_is_taken_and_converted() {
    let desk = Desk::new();
    desk.write("old.ign", OLD);
    let ran = desk.run("kindling validate old.ign");
    assert_eq!(ran.status, 0, "{}", ran.stdout);
    for (line, version) in [
        ("kindling convert old.ign", None),
        ("kindling convert --to 3.6.0 old.ign", Some("3.6.0")),
        ("kindling convert --minimal old.ign", Some("3.0.0")),
    ] {
        let ran = desk.run(line);
        assert_eq!(ran.status, 0, "{line}: {}", ran.stderr);
        let written = sorted(&ran.stdout);
        let told = written["ignition"]["version"].as_str().unwrap();
        assert!(version.is_none_or(|version| version == told), "{line}: {told}");
        assert!(told.starts_with("3."), "{line}: {told}");
        assert_eq!(
            written["storage"]["files"][0]["contents"]["source"], "data:,a",
            "{line}"
        );
    }
    let ran = desk.run("kindling convert --to butane old.ign");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    desk.write("new.bu", &ran.stdout);
    assert_eq!(desk.run("butane -s new.bu").status, 0);
    let plan = desk.run("kindling plan old.ign");
    assert_eq!(plan.status, 0, "{}", plan.stderr);
    let by_name = desk.run("ignition-validate old.ign");
    assert_eq!((by_name.status, by_name.stdout.as_str()), (1, ""));
    assert!(
        by_name.stderr.contains("Ignition 2.2.0 is no Ignition 3"),
        "{}",
        by_name.stderr
    );
    // What is no Butane is none, whatever the program is called.
    let ran = desk.run("butane old.ign");
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
}

#[test]
fn a_machine_boots_from_butane_and_ignition_2() {
    require_root();
    for text in [&PLAIN.replace("mode: 0644", "contents: {inline: hello}"), OLD] {
        let machine = Sandbox::new();
        machine.give(text);
        for stage in ["fetch-offline", "fetch", "files"] {
            let ran = machine.stage(stage);
            assert_eq!(ran.status, Some(0), "{stage}: {}", ran.stderr);
        }
        assert!(machine.root().join("etc/a").is_file());
    }
}

#[test]
fn a_machine_has_no_local_files_and_says_so_with_the_line() {
    require_root();
    let machine = Sandbox::new();
    machine.give(LOCAL);
    let ran = machine.stage("fetch-offline");
    assert_ne!(ran.status, Some(0));
    assert!(
        ran.stderr.contains(":7:16, /storage/files/0/contents/local") && ran.stderr.contains("--files-dir"),
        "{}",
        ran.stderr
    );
}
