//! Links of every shape on the way, and none leads out of the root.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::sandbox::require_root;
use crate::sandbox::{Listing, Sandbox, assert_same, listing};
use crate::{ignition_apply, ignition_apply_with_proc};

/// How `/way` leads out, if anybody lets it. `OUT` is the directory outside, as seen from the host.
const SHAPES: &[(&str, &[(&str, &str)])] = &[
    ("an absolute link", &[("way", "OUT")]),
    (
        "dots without end",
        &[("way", "../../../../../../../../../../OUT")],
    ),
    (
        "two links that climb together",
        &[("half", ".."), ("way", "half/../../../../OUT")],
    ),
    ("a link to a link", &[("far", "OUT"), ("way", "/far")]),
    ("the root of a process", &[("way", "/proc/self/root/OUT")]),
    (
        "the working directory of a process",
        &[("way", "/proc/self/cwd/OUT")],
    ),
    ("an open directory of a process", &[("way", "/proc/1/root/OUT")]),
];

/// What a config asks for below `/way`.
fn wishes() -> Vec<(&'static str, Value)> {
    let contents = json!({ "source": "data:,planted" });
    let storage = |section: &str, node: Value| json!({ "storage": { section: [node] } });
    let unit = |unit: Value| json!({ "systemd": { "units": [unit] } });
    vec![
        (
            "a file",
            storage("files", json!({ "path": "/way/new", "contents": contents })),
        ),
        (
            "a file there",
            storage(
                "files",
                json!({ "path": "/way/victim", "overwrite": true, "contents": contents }),
            ),
        ),
        (
            "an appended file",
            storage("files", json!({ "path": "/way/victim", "append": [contents] })),
        ),
        (
            "owner and mode",
            storage(
                "files",
                json!({ "path": "/way/victim", "mode": 511, "user": { "id": 12 } }),
            ),
        ),
        (
            "a directory",
            storage(
                "directories",
                json!({ "path": "/way/dir/deep", "mode": 511, "user": { "id": 12 } }),
            ),
        ),
        (
            "a directory there",
            storage("directories", json!({ "path": "/way/full", "overwrite": true })),
        ),
        (
            "the directory itself",
            storage("directories", json!({ "path": "/way/.", "mode": 511 })),
        ),
        (
            "a link",
            storage(
                "links",
                json!({ "path": "/way/link", "target": "x", "user": { "id": 12 } }),
            ),
        ),
        (
            "a link there",
            storage(
                "links",
                json!({ "path": "/way/victim", "target": "x", "overwrite": true }),
            ),
        ),
        (
            "a hard link",
            storage(
                "links",
                json!({ "path": "/stolen", "target": "/way/victim", "hard": true }),
            ),
        ),
        (
            "a drop-in",
            unit(json!({ "name": "way.service", "dropins": [{ "name": "a.conf", "contents": "[Unit]\n" }] })),
        ),
        ("a mask", unit(json!({ "name": "way.service", "mask": true }))),
    ]
}

fn config(wish: &Value) -> String {
    let mut config = wish.clone();
    config["ignition"] = json!({ "version": "3.4.0" });
    config.to_string()
}

/// A root, and beside it something that nobody may touch.
fn machine() -> Sandbox {
    let machine = Sandbox::new();
    let out = machine.at("out");
    fs::create_dir_all(out.join("full")).unwrap();
    fs::write(out.join("victim"), "as it was").unwrap();
    fs::write(out.join("full/inner"), "as it was").unwrap();
    machine
}

/// Also what a listing does not tell: links to it, and when it was changed.
fn outside(machine: &Sandbox) -> (Listing, Vec<(u64, i64, i64)>) {
    let out = machine.at("out");
    let facts = |path: &Path| {
        let at = fs::symlink_metadata(path).unwrap();
        (at.nlink(), at.ctime(), at.ctime_nsec())
    };
    let paths = [
        out.clone(),
        out.join("victim"),
        out.join("full"),
        out.join("full/inner"),
    ];
    (listing(&out), paths.iter().map(|path| facts(path)).collect())
}

#[test]
fn no_way_leads_out_of_the_root() {
    require_root();
    let mut tried = 0;
    for (shape, links) in SHAPES {
        for (kind, wish) in wishes() {
            let machine = machine();
            let root = machine.root();
            let out = machine.at("out");
            let out = out.to_str().unwrap();
            for (name, target) in *links {
                // "/OUT" is OUT as well, whatever stands before it.
                symlink(target.replace("/OUT", out).replace("OUT", out), root.join(name)).unwrap();
            }
            let units = root.join("etc/systemd/system");
            fs::create_dir_all(&units).unwrap();
            symlink("/way", units.join("way.service.d")).unwrap();
            let before = outside(&machine);
            let ran = if shape.ends_with("of a process") {
                ignition_apply_with_proc(&machine, &config(&wish))
            } else {
                ignition_apply(&machine, &config(&wish), &[])
            };
            let (after, facts) = outside(&machine);
            let when = format!("{kind} through {shape}\n{}{}", ran.stdout, ran.stderr);
            assert_same(&after, &before.0, &when);
            assert_eq!(facts, before.1, "{when}");
            assert!(matches!(ran.status, Some(0 | 1)), "{when}");
            tried += 1;
        }
    }
    assert!(tried >= 40, "{tried}");
}

#[test]
fn a_directory_that_becomes_a_link_meanwhile_leads_nowhere() {
    let machine = machine();
    let root = machine.root();
    let (way, aside, link) = (root.join("way"), root.join("aside"), root.join("link"));
    fs::create_dir(&way).unwrap();
    symlink(machine.at("out"), &link).unwrap();
    let before = outside(&machine);
    let is_over = AtomicBool::new(false);
    let swaps = std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                // Directory, link, directory: each by rename, so that something is always there.
                let done = fs::rename(&way, &aside)
                    .and_then(|()| fs::rename(&link, &way))
                    .and_then(|()| fs::rename(&way, &link))
                    .and_then(|()| fs::rename(&aside, &way));
                swaps += u32::from(done.is_ok());
            }
            swaps
        });
        for round in 0..25 {
            for (_, wish) in wishes().into_iter().take(9) {
                // Whether it succeeds is a matter of luck.
                ignition_apply(&machine, &config(&wish), &[]);
            }
            if round % 10 == 9 {
                // What was made inside stands in the way of the next round.
                drop(fs::remove_dir_all(root.join("way/dir")));
            }
        }
        is_over.store(true, Ordering::Relaxed);
        swapper.join().unwrap()
    });
    assert!(swaps > 100, "{swaps}");
    let (after, facts) = outside(&machine);
    assert_same(&after, &before.0, "a directory that becomes a link");
    assert_eq!(facts, before.1);
}
