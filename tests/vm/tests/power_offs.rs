//! Machines that lose their power at seeded moments of a whole first boot, and start again.
//!
//! `KINDLING_POWER_OFFS=N` takes N moments instead of a few, `KINDLING_SEED=N` others, `KINDLING_POWER_OFFS_FROM=N` leaves out
//! the first N. Every machine is cut off several times, each time in what the
//! cut before left, and started again: the boot goes on to the next moment or to its end, or stops with a record.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod machine;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use kindling_vm::scenario::{self, Boot, End, Node, UserData};
use kindling_vm::tree::{differences, partitions, tree};
use kindling_vm::workspace;
use kindling_vm::writes::Chance;

use crate::machine::assert_is_the_node;

/// What draws the moments where nothing else is said.
const SEED: u64 = 8;
/// Moments that are taken where nothing else is said.
const FEW: usize = 4;
/// Cuts of one machine, one after the other.
const EACH: usize = 6;
/// Lines of the console that a moment comes after, and how long after at most, in milliseconds: the whole boot from the first
/// stage to a while after the switch of roots.
const MARKS: [(&str, u64); 9] = [
    ("kindling-stage: fetch-offline started", 1500),
    ("kindling-stage: fetch started", 1500),
    ("kindling-stage: kargs started", 600),
    ("kindling-stage: disks started", 1500),
    ("kindling-stage: disks started", 1500),
    ("kindling-stage: mount started", 800),
    ("kindling-stage: files started", 1200),
    (WRITTEN, 300),
    (WRITTEN, 6000),
];
/// The end of the initramfs's work: by then everything is on the medium.
const WRITTEN: &str = "kindling-stage: files finished";

/// So long after [`WRITTEN`] the root has certainly not been switched yet.
const NOT_SWITCHED: Duration = Duration::from_millis(300);

/// How a start after a cut went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It came to the moment of the next cut, or to its end.
    WentOn,
    /// It stopped and said why.
    Stopped,
    /// Neither.
    Lost,
}

fn node(name: &str) -> Node {
    let pointer = UserData::Firmware(workspace::fixtures().join("pointer.ign"));
    machine::node(name, &pointer, scenario::worker_offer())
}

fn outcome(boot: &Boot) -> Outcome {
    match boot.end {
        End::Cut | End::Reported(_) => Outcome::WentOn,
        End::Stopped if boot.tail(usize::MAX).contains("first boot FAILED") => Outcome::Stopped,
        End::Stopped | End::TimedOut => Outcome::Lost,
    }
}

/// A moment: the line it comes after, and how long after.
fn drawn(chance: &mut Chance) -> (&'static str, Duration) {
    let (mark, longest) = MARKS[usize::try_from(chance.below(MARKS.len() as u64)).unwrap()];
    (mark, Duration::from_millis(chance.below(longest)))
}

/// What a machine has when its stages are done, and another one with the same config must have too.
fn result(node: &Node) -> (PathBuf, String) {
    (tree(node.root_disk()), partitions(node.data_disk()))
}

#[test]
fn a_first_boot_cut_off_anywhere_ends_as_the_same_machine() {
    let given = |name: &str| {
        let value = std::env::var(name).ok();
        value.map(|number| {
            number
                .parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is a number"))
        })
    };
    let moments = given("KINDLING_POWER_OFFS").map_or(FEW, |count| usize::try_from(count).unwrap());
    let seed = given("KINDLING_SEED").unwrap_or(SEED);
    let mut left_alone = node("left-alone");
    let written = left_alone.boot_until_power_cut(WRITTEN, Duration::ZERO).unwrap();
    assert!(matches!(written.end, End::Cut), "{}", written.tail(40));
    let reference = result(&left_alone);

    let mut chance = Chance(seed);
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut taken = given("KINDLING_POWER_OFFS_FROM").map_or(0, |from| usize::try_from(from).unwrap());
    for _ in 0..taken {
        drawn(&mut chance);
    }
    while taken < moments {
        let name = format!("cut-off-{taken}");
        let mut node = node(&name);
        let mut has_switched = false;
        for number in 0..EACH.min(moments - taken) {
            let (mark, delay) = drawn(&mut chance);
            let boot = node.boot_until_power_cut(mark, delay).unwrap();
            let outcome = outcome(&boot);
            println!(
                "{name}, cut {}: {} ms after {mark:?}: {outcome:?}, first boot: {}",
                number + 1,
                delay.as_millis(),
                boot.was_first
            );
            assert_ne!(outcome, Outcome::Lost, "{}", boot.tail(60));
            if number > 0 {
                *outcomes.entry(outcome).or_default() += 1;
            }
            taken += 1;
            has_switched |= mark == WRITTEN && delay > NOT_SWITCHED;
            // The boot had come to its end before the cut: there is nothing left of it to interrupt.
            if !boot.was_first || matches!(boot.end, End::Reported(_)) {
                break;
            }
        }
        let again = node.boot_until_power_cut(WRITTEN, Duration::ZERO).unwrap();
        *outcomes.entry(outcome(&again)).or_default() += 1;
        // A root that has run has logs and names of its own.
        if !has_switched {
            assert!(matches!(again.end, End::Cut), "{}", again.tail(60));
            let found = result(&node);
            assert_eq!(found.1, reference.1, "{name}: the second disk");
            let [one, other] = [&reference.0, &found.0].map(|archive| std::fs::read(archive).unwrap());
            assert!(
                one == other,
                "{name}: the tree of the root differs\n{}",
                differences(&reference.0, &found.0)
            );
        }
        let last = machine::boot(&mut node);
        *outcomes.entry(outcome(&last)).or_default() += 1;
        assert_is_the_node(last.report());
        println!("{name}: the same machine");
    }
    println!("{taken} cuts; starts after one: {outcomes:?}");
    assert_eq!(
        outcomes.get(&Outcome::Stopped),
        None,
        "no record is expected of this config"
    );
}
