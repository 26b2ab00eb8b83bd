//! Documents made along the tables, of values that meet.

use proptest::prelude::*;

use super::*;
use crate::frontend::ignition2::shape::{Field, Shape};
use crate::{fields, merge};

/// Numbers from a seed; that they are even enough is all.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % sides
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

const PATHS: [&str; 8] = [
    "/a",
    "/a/b",
    "/l",
    "/l/c",
    "/sysroot",
    "/sysroot/d",
    "x",
    "/etc/systemd/system/u.service",
];

fn text(dice: &mut Dice, name: &str) -> &'static str {
    match name {
        "filesystem" => dice.one(&["root", "root", "root", "d", "oem", "s"]),
        "path" | "target" => dice.one(&PATHS),
        "device" => dice.one(&["/dev/a", "/dev/b", "/dev/c"]),
        "format" => dice.one(&["ext4", "xfs", "btrfs", "swap", ""]),
        "source" => dice.one(&["data:,a", "data:,b", "http://h/a", "oem:///a", ""]),
        "hash" => dice.one(&["sha512-planted", "md5-x", "x"]),
        "contents" => dice.one(&["[U]\\nA=b\\n", "", "[planted"]),
        "name" => dice.one(&["root", "u.service", "n.network", "d", "c.conf", ""]),
        "level" => dice.one(&["raid0", "raid1"]),
        "label" => dice.one(&["a:b", "c", ""]),
        "compression" => "gzip",
        "passwordHash" | "value" | "gecos" | "shell" | "homeDir" => dice.one(&["planted", ""]),
        _ => dice.one(&["x", "", "y"]),
    }
}

fn value(dice: &mut Dice, name: &str, shape: &Shape, out: &mut String) {
    match name {
        "version" => return out.push_str("\"planted\""),
        "ignitionVersion" => return out.push('1'),
        _ => {}
    }
    if name != "ignition" && dice.roll(400) == 0 {
        out.push_str(dice.one(&["null", "5", "\"x\"", "[{}]", "{}", "[null]", "1.5", "-0"]));
        return;
    }
    match shape {
        Shape::Is(fields::Shape::Texts) => {
            let entries: Vec<String> = (0..dice.roll(3))
                .map(|_| format!("\"{}\"", text(dice, "device")))
                .collect();
            *out += &format!("[{}]", entries.join(","));
        }
        Shape::Is(fields::Shape::Boolean) => out.push_str(dice.one(&["true", "false"])),
        Shape::Is(fields::Shape::Integer) => {
            out.push_str(dice.one(&["0", "1", "2", "2048", "420", "644", "-1", "9223372036854775807"]))
        }
        Shape::Is(_) => *out += &format!("\"{}\"", text(dice, name)),
        Shape::Object(fields) => object(dice, fields, out),
        Shape::Objects(fields) => {
            out.push('[');
            for index in 0..dice.roll(4) {
                if index > 0 {
                    out.push(',');
                }
                object(dice, fields, out);
            }
            out.push(']');
        }
    }
}

fn object(dice: &mut Dice, fields: &[Field], out: &mut String) {
    out.push('{');
    let mut first = true;
    for field in fields {
        // What is needed is mostly there, and what excludes the rest rarely.
        let is_needed = matches!(
            field.name,
            "filesystem"
                | "path"
                | "name"
                | "device"
                | "format"
                | "mount"
                | "mode"
                | "level"
                | "devices"
                | "target"
                | "number"
        );
        let odds = match field.name {
            "path" if fields.iter().any(|other| other.name == "mount") => 1,
            "create" | "mount" if is_needed => 19,
            "create" | "start" | "size" => 1,
            "ignition" | "version" | "ignitionVersion" => 20,
            _ if is_needed => 19,
            _ => 8,
        };
        if dice.roll(20) >= odds {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        *out += &format!("\"{}\":", field.name);
        value(dice, field.name, &field.shape, out);
    }
    out.push('}');
}

fn made_up(seed: u64) -> String {
    let mut dice = Dice(seed);
    let edition = dice.roll(6);
    let edition = Edition::SECOND
        .get(edition)
        .and_then(|version| Edition::of_version(version));
    let edition = edition.unwrap_or(Edition {
        minor: 0,
        is_first: true,
    });
    let Shape::Object(fields) = members::document(edition) else {
        unreachable!()
    };
    let mut text = String::new();
    object(&mut dice, fields, &mut text);
    text.replace(
        "\"version\":\"planted\"",
        &format!("\"version\":\"{}\"", edition.as_str()),
    )
}

fn errors(findings: &[Diagnostic]) -> usize {
    findings
        .iter()
        .filter(|finding| finding.severity == crate::diagnostic::Severity::Error)
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_finding_has_its_place(seed: u64, other: u64) {
        let text = made_up(seed);
        prop_assert!(crate::document::syntax(&text).is_ok(), "{}", text);
        let told = findings(&text);
        for note in explain(&text) {
            prop_assert!(note.span.is_some());
        }
        if let Ok(checked) = check(&text) {
            let written = convert(&checked, Version::V3_4_0).map_err(|refused| TestCaseError::fail(format!("{text} {refused:?}")))?;
            let again = check(&written).unwrap();
            prop_assert_eq!(again.config(), checked.config());
            let second = made_up(other);
            if let Ok(second) = check(&second) {
                let merged = merge(checked.into_config(), second.into_config());
                let _ = check_merged(&merged);
            }
        } else {
            prop_assert!(errors(&told) > 0);
        }
    }
}

#[test]
fn enough_of_them_are_valid() {
    let valid = (0..2_000_u64)
        .filter(|seed| check(&made_up(seed * 7_919)).is_ok())
        .count();
    assert!(valid > 100, "{valid}");
}
