//! What `kindling plan` says of recorded machines, word by word. A change of these pages is a change of what people sign.
//!
//! The records in `fixtures/inventories` are made by hand, in the format of `kindling inspect --disks`. Renew the plans with
//! `KINDLING_RENEW=1 cargo nextest run --test inventories`, and read each line of the difference.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot read its fixtures should panic"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kindling::inventory::recorded::Recorded;

/// A config, the machine it is planned for, and the status that says what it comes to.
const PLANS: [(&str, &str, i32); 9] = [
    ("blank", "blank", CHANGES),
    ("coreos", "coreos", CHANGES),
    ("array", "array", NOTHING),
    ("archive", "array", CHANGES),
    ("array-wiped", "array", CHANGES),
    ("history", "history", REFUSES),
    ("history-wiped", "history", CHANGES),
    ("sectors-4096", "sectors-4096", CHANGES),
    ("shrunk", "sectors-4096", CHANGES),
];

const NOTHING: i32 = 0;
const REFUSES: i32 = 1;
const CHANGES: i32 = 3;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Plans with the real binary; returns the status and what it said on either stream.
fn planned(config: &str, inventory: &str, more: &[&str]) -> (i32, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_kindling"))
        .current_dir(fixtures().join("inventories"))
        .args(["plan", "--exit-code", "--inventory"])
        .arg(format!("{inventory}.json"))
        .args(more)
        .arg(format!("{config}.ign"))
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(ran.stdout).unwrap(),
        String::from_utf8(ran.stderr).unwrap(),
    );
    let status = ran.status.code().unwrap();
    assert!(
        out.is_empty() == (status == REFUSES) && err.is_empty() == (status != REFUSES),
        "{config}: {status}\n{out}\n{err}"
    );
    (status, out + &err)
}

/// Compares with the page `name`, or writes it.
fn compare(name: &str, said: &str) {
    let page = fixtures().join("plans").join(name);
    if std::env::var_os("KINDLING_RENEW").is_some() {
        fs::write(page, said).unwrap();
        return;
    }
    let expected = fs::read_to_string(&page).unwrap_or_default();
    assert!(
        said == expected,
        "fixtures/plans/{name} says something else; renew it with KINDLING_RENEW=1 and read the difference\n{said}"
    );
}

#[test]
fn plans_read_as_they_were_signed() {
    for (config, inventory, expected) in PLANS {
        let (status, said) = planned(config, inventory, &[]);
        assert_eq!(status, expected, "{config}\n{said}");
        compare(&format!("{config}.txt"), &said);
    }
    let (status, said) = planned("coreos", "coreos", &["--format=json"]);
    assert_eq!(status, CHANGES);
    compare("coreos.json", &said);
}

#[test]
fn a_plan_is_the_same_each_time_and_names_no_identifier_that_it_cannot_know() {
    for (config, inventory, _) in PLANS {
        let said = planned(config, inventory, &[]);
        assert_eq!(said, planned(config, inventory, &[]), "{config}");
        let recorded = fs::read_to_string(fixtures().join(format!("inventories/{inventory}.json"))).unwrap();
        let is_uuid = |word: &&str| {
            word.len() == 36
                && word.chars().enumerate().all(|(at, letter)| match at {
                    8 | 13 | 18 | 23 => letter == '-',
                    _ => letter.is_ascii_hexdigit(),
                })
        };
        let words = said
            .1
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        for uuid in words.filter(is_uuid) {
            assert!(recorded.contains(uuid), "{config} names {uuid}");
        }
    }
}

#[test]
fn every_status_of_the_command_is_met() {
    for status in [NOTHING, REFUSES, CHANGES] {
        assert!(PLANS.iter().any(|(_, _, met)| *met == status), "{status}");
    }
}

#[test]
fn records_are_written_as_they_are_read() {
    for inventory in fs::read_dir(fixtures().join("inventories")).unwrap() {
        let path = inventory.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let text = fs::read_to_string(&path).unwrap();
            let recorded: Recorded = serde_json::from_str(&text).unwrap();
            let written = serde_json::to_string_pretty(&recorded).unwrap() + "\n";
            if std::env::var_os("KINDLING_RENEW").is_some() {
                fs::write(&path, &written).unwrap();
            } else {
                assert!(
                    text == written,
                    "{} is no record as inspect writes it",
                    path.display()
                );
            }
        }
    }
}
