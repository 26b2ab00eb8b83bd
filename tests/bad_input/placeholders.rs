//! Files with values of the machine in them: written, and refused.

use std::fs;

use serde_json::{Value, json};

use crate::refuses;
use crate::sandbox::Sandbox;
use crate::server::{Reply, Server};

fn with(contents: &Value) -> Sandbox {
    let machine = Sandbox::new();
    let config = json!({
        "ignition": { "version": "3.4.0" },
        "storage": { "files": [
            { "path": "/etc/plain", "contents": { "source": "data:,%24%7Bmachine.architecture%7D" } },
            { "path": "/etc/node.env", "contents": contents },
        ] },
        "kindling": { "version": "1.0.0", "files": { "/etc/node.env": { "expand": true } } },
    });
    machine.give(&config.to_string());
    machine
}

fn written(machine: &Sandbox, path: &str) -> String {
    fs::read_to_string(machine.root().join(path)).unwrap()
}

#[test]
fn values_stand_where_their_names_were_and_only_in_files_that_ask() {
    let text = "ARCH=${machine.architecture}\nPLATFORM=${platform.id}\nSHELL=${HOME} $${machine.uuid}\n";
    let server = Server::always(Reply::ok(text));
    let machine = with(&json!({ "source": server.url("/node.env") }));
    let ran = machine.done("fetch");
    assert!(
        ran.stdout.contains("platform.id of this machine is file"),
        "{}",
        ran.stdout
    );
    machine.done("files");
    let arch = std::env::consts::ARCH;
    assert_eq!(
        written(&machine, "etc/node.env"),
        format!("ARCH={arch}\nPLATFORM=file\nSHELL=${{HOME}} ${{machine.uuid}}\n")
    );
    assert_eq!(written(&machine, "etc/plain"), "${machine.architecture}");
}

#[test]
fn a_name_that_there_is_not() {
    refuses(
        &with(&json!({ "source": "data:,%0A%24%7Bmachine.password%7D" })),
        "fetch",
        1,
        "kindling: first boot FAILED in stage fetch [placeholder-unknown]
  what:  cannot put values into contents of /etc/node.env
  where: merged config, /storage/files/1/contents
  why:   line 2 has a placeholder that there is not: ${machine.password}
  next:  write a name of docs/placeholders.md, or $${…} for the text itself",
    );
}

#[test]
fn a_value_this_machine_has_not() {
    refuses(
        &with(&json!({ "source": "data:,%24%7Bplatform.zone%7D" })),
        "fetch",
        1,
        "kindling: first boot FAILED in stage fetch [placeholder-missing]
  what:  cannot put values into contents of /etc/node.env
  where: merged config, /storage/files/1/contents
  why:   line 1 asks for ${platform.zone}, and this machine has no such value
  next:  leave the placeholder out, or see what `kindling metadata` prints on this machine",
    );
}

/// A stage on a host of that name.
fn on_host(machine: &Sandbox, name: &str, stage: &str) {
    let script = format!("echo {name} >/proc/sys/kernel/hostname && exec \"$@\"");
    let mut words: Vec<std::ffi::OsString> = ["/usr/bin/unshare", "--uts", "/bin/sh", "-c", &script, "sh"]
        .map(Into::into)
        .to_vec();
    words.extend(machine.words("file", stage));
    let ran = machine.run(&words);
    assert_eq!(
        ran.status,
        Some(0),
        "{stage} on {name}: {}\n{}",
        ran.stderr,
        ran.stdout
    );
}

/// The power goes before the result is there, and with it the name that DHCP gave.
#[test]
fn a_machine_that_comes_back_with_another_value_finishes_its_own_work() {
    crate::sandbox::require_root();
    let machine = with(&json!({ "source": "data:,%24%7Bmachine.hostname%7D" }));
    for stage in ["fetch", "files"] {
        on_host(&machine, "first", stage);
    }
    assert_eq!(written(&machine, "etc/node.env"), "first");
    fs::remove_file(machine.root().join("etc/.ignition-result.json")).unwrap();
    fs::remove_dir_all(machine.at("run")).unwrap();
    for stage in ["fetch", "files"] {
        on_host(&machine, "second", stage);
    }
    assert_eq!(written(&machine, "etc/node.env"), "second");
}
