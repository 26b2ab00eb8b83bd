//! The files stage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::kill::{Point, Whom, killed, killer, sweep};
use crate::machines::{Start, result, worker};
use crate::sandbox::{Sandbox, assert_same, listing};

#[test]
fn killed_at_any_change_and_run_again_it_ends_the_same() {
    let start = Start::new();
    let points = sweep(1, |at| {
        let machine = Sandbox::copy_of(&start.blank);
        let survived = killed(&machine, "files", Whom::Main, at);
        if !survived {
            machine.done("files");
        }
        assert_same(&result(&machine), &start.reference, &at.to_string());
        survived
    });
    println!("files: killed at {points} points");
    assert!(points > 150, "{points}");
}

#[test]
fn killed_with_its_threads_and_programs_it_ends_the_same() {
    let start = Start::new();
    let points = sweep(3, |at| {
        let machine = Sandbox::copy_of(&start.blank);
        let survived = killed(&machine, "files", Whom::Everybody, at);
        if !survived {
            machine.done("files");
        }
        assert_same(&result(&machine), &start.reference, &format!("somebody {at}"));
        survived
    });
    println!("files: threads and programs killed at {points} points");
}

#[test]
fn killed_twice_it_ends_the_same() {
    let start = Start::new();
    let pairs = sweep(5, |at| {
        let machine = Sandbox::copy_of(&start.blank);
        if killed(&machine, "files", Whom::Main, at) {
            return true;
        }
        let second = [
            ("openat2", 1 + at.n % 9),
            ("renameat", 1 + at.n % 4),
            ("fdatasync", 2),
        ];
        for (call, n) in second {
            let again = Sandbox::copy_of(&machine);
            let then = Point { call, n };
            if !killed(&again, "files", Whom::Main, then) {
                again.done("files");
            }
            assert_same(&result(&again), &start.reference, &format!("{at}, then {then}"));
        }
        false
    });
    println!("files: killed twice from {pairs} points");
}

/// A power cut does not spare the programs.
#[test]
fn a_program_killed_at_any_change_is_made_up_for() {
    let start = Start::new();
    for program in ["groupadd", "useradd"] {
        let points = sweep(1, |at| {
            let machine = Sandbox::copy_of(&start.blank);
            let real = format!("/usr/sbin/{program}");
            let words = killer(Whom::Main, at);
            let words: Vec<_> = words.iter().map(|word| word.to_str().unwrap()).collect();
            let script = format!("#!/bin/sh\nexec {} {real} \"$@\"\n", words.join(" "));
            let mut dying = Sandbox::copy_of(&machine);
            fs::create_dir(dying.at("bin")).unwrap();
            let file = dying.at("bin").join(program);
            fs::write(&file, script).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
            dying.path = format!("{}:{}", dying.at("bin").display(), machine.path.display()).into();
            let survived = dying.stage("files").status == Some(0);
            dying.path = machine.path.clone();
            if !survived {
                dying.done("files");
            }
            assert_same(&result(&dying), &start.reference, &format!("{program} {at}"));
            survived
        });
        println!("{program}: killed at {points} points");
        assert!(points > 10, "{program}: {points}");
    }
}

#[test]
fn another_config_after_a_kill_succeeds_or_names_the_path() {
    let start = Start::new();
    let mut other = worker(&start.server);
    other["storage"]["files"][2]["contents"]["source"] = json!("data:,another%20authority%0A");
    other["storage"]["files"][0]["contents"]["source"] = json!("data:,worker-2%0A");
    let fresh = Sandbox::copy_of(&start.blank);
    fresh.give(&other.to_string());
    fresh.done("fetch");
    let whole = Sandbox::copy_of(&fresh);
    whole.done("files");
    let wholes = [
        listing(&start.blank.root()),
        start.reference.clone(),
        result(&whole),
    ];
    let points = sweep(3, |at| {
        let machine = Sandbox::copy_of(&start.blank);
        if killed(&machine, "files", Whom::Main, at) {
            return true;
        }
        for name in ["ignition.json", "state"] {
            fs::copy(fresh.at("run").join(name), machine.at("run").join(name)).unwrap();
        }
        let ran = machine.stage("files");
        let when = format!("another config, {at}: {}", ran.stderr);
        if ran.status != Some(0) {
            assert_eq!(ran.status, Some(1), "{when}");
            assert!(ran.stderr.contains("[path-exists]\n  what:  /"), "{when}");
        }
        for (name, text) in result(&machine)
            .into_iter()
            .filter(|(_, text)| text.starts_with("file "))
        {
            // Both configs append to the one and enter the other, and both may have come to that.
            let is_whole = name == "etc/hosts"
                || name == "etc/.ignition-result.json"
                || (name.ends_with("/.profile") && content(&text).ends_with("\numask 022\n"))
                || wholes.iter().any(|whole| {
                    whole
                        .get(&name)
                        .is_some_and(|whole| content(whole) == content(&text))
                });
            // An unfinished file has no name that anybody reads, and a refusal changes nothing.
            let is_left = ran.status != Some(0) && name.rsplit('/').next().unwrap().starts_with(".kindling.");
            assert!(
                is_whole || is_left || is_account_file(&name),
                "/{name} is {text:?}, {when}"
            );
        }
        false
    });
    println!("another config: after {points} kill points");
}

/// An entry without what depends on whether its other names are there yet.
fn content(entry: &str) -> String {
    let (first, rest) = entry.split_once('\n').unwrap_or((entry, ""));
    let first = first.split(" same as").next().unwrap();
    format!("{first}\n{rest}")
}

/// Written by the shadow programs, which replace them whole.
fn is_account_file(name: &str) -> bool {
    ["etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"].contains(&name)
}

/// A config server was given another config while the machine had no power.
#[test]
fn a_config_that_changed_in_between_is_noticed_and_named() {
    let config = |content: &str, overwrite: bool| {
        json!({
            "ignition": { "version": "3.4.0" },
            "storage": { "files": [
                { "path": "/etc/a", "overwrite": overwrite, "contents": { "source": format!("data:,{content}") } },
                { "path": "/etc/b", "contents": { "source": "data:,b" } }
            ] }
        })
        .to_string()
    };
    let begun = |overwrite| {
        let machine = Sandbox::new();
        machine.give(&config("one", overwrite));
        for stage in ["fetch-offline", "disks", "mount"] {
            machine.done(stage);
        }
        // In front of each name in turn, until the first of the two files is there and the second is not.
        let is_there = |machine: &Sandbox, path: &str| machine.root().join(path).exists();
        let calls = ["rename", "renameat", "renameat2"].into_iter();
        let mut points = calls.flat_map(|call| (1..6).map(move |n| Point { call, n }));
        let machine = points
            .find_map(|cut| {
                let copy = Sandbox::copy_of(&machine);
                killed(&copy, "files", Whom::Main, cut);
                (is_there(&copy, "etc/a") && !is_there(&copy, "etc/b")).then_some(copy)
            })
            .expect("a moment between the two files");
        fs::remove_dir_all(machine.at("run")).unwrap();
        fs::create_dir(machine.at("run")).unwrap();
        machine.give(&config("two", overwrite));
        for stage in ["fetch-offline", "disks", "mount"] {
            machine.done(stage);
        }
        machine
    };
    let machine = begun(false);
    let ran = machine.stage("files");
    assert_eq!(ran.status, Some(1));
    let record = ran.stderr;
    assert!(
        record.contains("[path-exists]") && record.contains("/etc/a"),
        "{record}"
    );
    assert!(record.contains("the config has changed: "), "{record}");
    assert!(record.lines().count() <= 12, "{record}");
    assert!(!machine.root().join("etc/b").exists());

    let machine = begun(true);
    let ran = machine.done("files");
    assert!(ran.stdout.contains("the config has changed: "), "{}", ran.stdout);
    let receipt = fs::read_to_string(machine.root().join("var/lib/kindling/receipt.json")).unwrap();
    assert!(receipt.contains("\"begunWith\":\""), "{receipt}");
    assert_eq!(fs::read_to_string(machine.root().join("etc/a")).unwrap(), "two");
    // What has come to its end is not told again.
    let ran = machine.stage("files");
    assert!(!ran.stdout.contains("the config has changed"), "{}", ran.stdout);
}
