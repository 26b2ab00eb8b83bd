//! What the stage is run in: limits, a log that cannot be written, programs that refuse, mounts in the target.

use std::ffi::OsString;
use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Ran, Sandbox, assert_same, listing, require_root};
use crate::{assert_record, secrets};

/// A machine with a fetched config.
fn machine(change: impl FnOnce(&mut Value)) -> Sandbox {
    require_root();
    let mut config = secrets::config();
    change(&mut config);
    let machine = Sandbox::new();
    machine.give(&config.to_string());
    machine.done("fetch");
    machine
}

/// Runs the files stage by a shell: `script` has the root in `$root` and the stage in `"$@"`.
fn by_shell(machine: &Sandbox, script: &str) -> Ran {
    let script = format!("set -e; root=$1; shift; {script}");
    let mut call: Vec<OsString> = ["unshare", "-m", "sh", "-c", &script, "sh"]
        .map(Into::into)
        .into();
    call.push(machine.root().into());
    call.extend(machine.words("file", "files"));
    machine.run(&call)
}

#[test]
fn more_files_are_put_together_than_may_be_open() {
    let machine = machine(|config| {
        let files = config["storage"]["files"].as_array_mut().unwrap();
        files.extend(
            (0..300)
                .map(|n| json!({ "path": format!("/srv/f{n}"), "append": [{ "source": "data:,second" }] })),
        );
    });
    fs::create_dir(machine.root().join("srv")).unwrap();
    for n in 0..300 {
        fs::write(machine.root().join(format!("srv/f{n}")), "first,").unwrap();
    }
    let ran = by_shell(&machine, "ulimit -n 128; exec \"$@\"");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert_eq!(
        fs::read_to_string(machine.root().join("srv/f299")).unwrap(),
        "first,second"
    );
}

#[test]
fn a_log_on_a_full_disk_does_not_stop_the_stage() {
    let machine = machine(|_| ());
    let ran = by_shell(&machine, "exec \"$@\" > /dev/full");
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    assert!(machine.root().join("etc/.ignition-result.json").exists());
}

/// Puts a useradd in front that quotes its arguments and refuses.
fn refusing_useradd(machine: &mut Sandbox) {
    let bin = machine.at("bin");
    fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\necho \"useradd: invalid field in: $*\" >&2; exit 3\n";
    fs::write(bin.join("useradd"), script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(bin.join("useradd"), executable).unwrap();
    machine.path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()).into();
}

#[test]
fn a_group_of_the_image_survives_a_refused_user() {
    let mut machine = machine(|config| config["passwd"]["users"][0]["primaryGroup"] = json!("ada"));
    refusing_useradd(&mut machine);
    let group = machine.root().join("etc/group");
    let before = fs::read_to_string(&group).unwrap() + "ada:x:77:\n";
    fs::write(&group, &before).unwrap();
    for _ in 0..3 {
        let ran = machine.stage("files");
        assert_eq!(ran.status, Some(1), "{}", ran.stderr);
        assert!(ran.stderr.contains("[program-failed]"), "{}", ran.stderr);
        secrets::assert_absent(&[("standard output", &ran.stdout), ("standard error", &ran.stderr)]);
        assert_eq!(fs::read_to_string(&group).unwrap(), before);
    }
    assert!(!machine.root().join("home/ada").exists());
}

#[test]
fn a_hash_that_a_program_quotes_is_not_shown() {
    let mut machine = machine(|_| ());
    refusing_useradd(&mut machine);
    let ran = machine.stage("files");
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("--password … ada"), "{}", ran.stderr);
    let kept = fs::read_to_string(machine.at("run/kindling/failure.json")).unwrap();
    secrets::assert_absent(&[
        ("standard output", &ran.stdout),
        ("standard error", &ran.stderr),
        ("failure.json", &kept),
    ]);
}

#[test]
fn a_directory_with_a_file_system_in_it_is_not_removed() {
    let machine = machine(|config| {
        config["storage"]["directories"] = json!([{ "path": "/srv", "overwrite": true }]);
    });
    fs::create_dir_all(machine.root().join("srv/data")).unwrap();
    fs::write(machine.root().join("srv/f"), "kept").unwrap();
    fs::create_dir(machine.at("other")).unwrap();
    fs::write(machine.at("other/f"), "kept").unwrap();
    let before = listing(&machine.root());
    let other = machine.at("other");
    let script = format!(
        "mount --bind '{}' \"$root/srv/data\"; exec \"$@\"",
        other.display()
    );
    let ran = by_shell(&machine, &script);
    assert_record(
        &machine,
        &ran,
        1,
        r#"kindling: first boot FAILED in stage files [path-mounted]
  what:  /srv would be removed, and a file system is mounted at /srv/data
  where: config of platform file:1:133, /storage/directories/0
  why:   nothing was changed
  next:  leave overwrite out, or mount the file system elsewhere"#,
    );
    assert_same(&listing(&machine.root()), &before, "the root was changed");
    assert_eq!(fs::read_to_string(other.join("f")).unwrap(), "kept");
}

#[test]
fn a_file_that_replaces_a_directory_does_not_block_the_next_run() {
    let mut machine = machine(|config| {
        let files = config["storage"]["files"].as_array_mut().unwrap();
        let contents = json!({ "source": "data:,planted-content" });
        files.push(json!({ "path": "/srv", "overwrite": true, "contents": contents }));
    });
    refusing_useradd(&mut machine);
    fs::create_dir(machine.root().join("srv")).unwrap();
    for _ in 0..2 {
        let ran = machine.stage("files");
        assert!(ran.stderr.contains("[program-failed]"), "{}", ran.stderr);
    }
}
