//! What the target holds, or cannot hold.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::sandbox::{self, Ran, Sandbox, assert_same, listing};
use crate::server::{Reply, Server};
use crate::{assert_record, refuses, secrets};

fn with(files: &Value) -> Sandbox {
    let mut config = secrets::config();
    let list = config["storage"]["files"].as_array_mut().unwrap();
    list.extend(files.as_array().unwrap().iter().cloned());
    let machine = Sandbox::new();
    machine.give(&config.to_string());
    machine.done("fetch");
    machine
}

#[test]
fn a_file_is_there_and_may_not_be_overwritten() {
    let machine = with(&json!([{ "path": "/etc/hosts", "contents": { "source": "data:,planted-content" } }]));
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [path-exists]
  what:  /etc/hosts is a file in the target, and the config asks for contents of its own
  where: config of platform file:1:329, /storage/files/2
  why:   nothing was changed
  next:  set overwrite to true if it may go, or use another path"#,
    );
}

#[test]
fn everything_in_the_way_is_told_at_once() {
    let machine = with(&json!([
        { "path": "/etc/hosts", "contents": { "source": "data:,planted-content" } },
        { "path": "/home", "contents": { "source": "data:,planted-content" } },
        { "path": "/etc/null", "append": [{ "source": "data:,planted-content" }] },
    ]));
    symlink("/dev/null", machine.root().join("etc/null")).unwrap();
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [path-exists]
  what:  /home is a directory in the target, and the config asks for a file
  where: config of platform file:1:397, /storage/files/3
  why:   also: /etc/hosts is a file in the target, and the config asks for contents of its own (config of platform file:1:329, /storage/files/2)
         also: /etc/null is a symbolic link in the target, and the config asks for a file (config of platform file:1:460, /storage/files/4)
         nothing was changed
  next:  set overwrite to true if it may go, or use another path"#,
    );
}

#[test]
fn a_path_through_a_file() {
    let machine = with(&json!([{ "path": "/etc/hostname/d/file" }]));
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [path-exists]
  what:  /etc/hostname/d/file cannot be made: /etc/hostname is a file in the target, not a directory
  where: config of platform file:1:329, /storage/files/2
  why:   nothing was changed
  next:  use another path, or make /etc/hostname a directory of the config with overwrite"#,
    );
}

#[test]
fn an_owner_whom_nobody_creates() {
    let machine =
        with(&json!([{ "path": "/etc/f", "user": { "name": "nobodys" }, "group": { "name": "ada" } }]));
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [account-unknown]
  what:  the target has no user "nobodys", and the config creates none
  where: config of platform file:1:329, /storage/files/2/user/name
  why:   nothing was changed
  next:  create the user in the config's passwd section, or use a number"#,
    );
}

#[test]
fn an_earlier_result_that_is_no_result() {
    let machine = with(&json!([]));
    fs::write(
        machine.root().join("etc/.ignition-result.json"),
        "planted-content",
    )
    .unwrap();
    refuses(
        &machine,
        "files",
        1,
        r#"kindling: first boot FAILED in stage files [result-unreadable]
  what:  /etc/.ignition-result.json of an earlier provisioning is not a JSON object
  why:   nothing was changed
  next:  remove /etc/.ignition-result.json from the target if it may be provisioned again"#,
    );
}

#[test]
fn no_root() {
    let machine = with(&json!([]));
    let ran = {
        fs::rename(machine.root(), machine.at("elsewhere")).unwrap();
        machine.stage("files")
    };
    assert_record(
        &machine,
        &ran,
        1,
        r#"kindling: first boot FAILED in stage files [root-unreadable]
  what:  cannot open the root DIR/root
  why:   No such file or directory (os error 2)
  next:  check that the root file system is mounted, and where (--root)"#,
    );
}

/// Runs the files stage on a root that `prepare` mounts, in a mount namespace of its own. Afterwards the tree is
/// in `after`.
fn mounted(machine: &Sandbox, prepare: &str) -> Ran {
    sandbox::require_root();
    let words = machine.words("file", "files");
    let script = format!(
        "set -e\nroot=$1; shift\n{prepare}\nstatus=0; \"$@\" || status=$?\ncp -a \"$root\" \"${{root%/root}}/after\"\nexit $status",
    );
    let mut call: Vec<std::ffi::OsString> = ["unshare", "-m", "sh", "-c", &script, "sh"]
        .map(Into::into)
        .into();
    call.push(machine.root().into());
    call.extend(words);
    machine.run(&call)
}

const TINY: &str = "mkdir \"$root.skeleton\"; cp -a \"$root\"/. \"$root.skeleton\"\n\
    mount -t tmpfs -o size=128k,mode=755 tiny \"$root\"\ncp -a \"$root.skeleton\"/. \"$root\"";

#[test]
fn a_read_only_root() {
    let machine = with(&json!([]));
    let before = listing(&machine.root());
    let read_only = "mount --bind \"$root\" \"$root\"; mount -o remount,bind,ro \"$root\"";
    let ran = mounted(&machine, read_only);
    assert_record(
        &machine,
        &ran,
        1,
        r#"kindling: first boot FAILED in stage files [target-write-failed]
  what:  /var/lib/kindling/journal: record what is about to be written
  why:   cannot keep the record of what was written
         cannot make the directory /var/lib
         Read-only file system (os error 30)
  next:  check that the target's file system is mounted writable and has space left"#,
    );
    assert_same(&listing(&machine.at("after")), &before, "the root was changed");
}

#[test]
fn a_download_that_does_not_fit_leaves_nothing_behind() {
    let server = Server::always(Reply::ok(vec![b'x'; 1 << 20]));
    let machine = with(&json!([{ "path": "/opt/tool", "contents": { "source": server.url("/tool") } }]));
    let before = listing(&machine.root());
    let ran = mounted(&machine, TINY);
    assert_record(
        &machine,
        &ran,
        1,
        r#"kindling: first boot FAILED in stage files [target-write-failed]
  what:  /opt/tool (0644): http://SERVER/tool (no hash)
  where: config of platform file:1:329, /storage/files/2
  why:   cannot write the content of /opt/tool
         no storage space
  next:  check that the target's file system is mounted writable and has space left"#,
    );
    assert_same(&listing(&machine.at("after")), &before, "the root was changed");
}

#[test]
fn inline_content_that_does_not_fit_is_no_half_file_and_fits_later() {
    let files: Vec<Value> = (0..60)
        .map(|n| json!({ "path": format!("/opt/f{n}"), "contents": { "source": format!("data:,{}", "y".repeat(5_000)) } }))
        .collect();
    let machine = with(&json!(files));
    let ran = mounted(&machine, TINY);
    // Which one is the first that does not fit depends on the kernel.
    let first: String = ran
        .stderr
        .split("/opt/f")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let entry = first.parse::<usize>().unwrap() + 2;
    let record = r#"kindling: first boot FAILED in stage files [target-write-failed]
  what:  /opt/fN (0644): 4.8 KiB
WHERE
  why:   cannot write /opt/fN
         No space left on device (os error 28)
  next:  check that the target's file system is mounted writable and has space left"#;
    let record = record.replace("/opt/fN", &format!("/opt/f{first}"));
    // The column depends on how long the contents before it are.
    let place = ran
        .stderr
        .lines()
        .find_map(|line| line.find("  where: ").and_then(|at| line.get(at..)));
    let place = place.unwrap_or_default();
    assert!(
        place.starts_with("  where: config of platform file:1:")
            && place.ends_with(&format!(", /storage/files/{entry}")),
        "{place}"
    );
    assert_record(&machine, &ran, 1, &record.replace("WHERE", place));
    let after = listing(&machine.at("after"));
    let whole = format!("file 0644 0:0\n{}", "y".repeat(5_000));
    for (name, text) in after.iter().filter(|(name, _)| name.starts_with("opt/")) {
        assert_eq!(*text, whole, "/{name}");
    }
    assert!(after.contains_key("opt/f0") && !after.contains_key("opt/f59"));
    // The same disk with more room.
    fs::remove_dir_all(machine.root()).unwrap();
    fs::rename(machine.at("after"), machine.root()).unwrap();
    machine.done("files");
    assert_eq!(listing(&machine.root())["opt/f59"], whole);
    assert!(!machine.at("run/kindling/failure.json").exists());
}
