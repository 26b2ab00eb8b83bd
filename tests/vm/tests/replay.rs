//! The power is cut at every flush of the disks stage, and between flushes.
//!
//! `KINDLING_STATES=N` replays every flush, and up to N states between each two, where otherwise some are drawn;
//! `KINDLING_WORKS=TEXT` only the works whose name contains the text.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is"
)]

use kindling_vm::replay::{self, State, UNFLUSHED, WORKS, Work};
use kindling_vm::scenario::{self, Built};
use kindling_vm::workspace;

/// What draws the states.
const SEED: u64 = 11;
/// How many states between two flushes there are to draw from.
const TORN: usize = 2;
/// How many flushes of each work are drawn, and how many states between flushes.
const DRAWN: usize = 1;
const DRAWN_TORN: usize = 1;
/// How many states are drawn of a run that must not survive each of them.
const SPOILED: usize = 12;

#[test]
fn the_disks_stage_survives_a_power_cut_at_any_flush_and_between() {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let states = std::env::var("KINDLING_STATES").ok();
    let states: Option<usize> = states.map(|count| count.parse().expect("KINDLING_STATES is a number"));
    let filter = std::env::var("KINDLING_WORKS").unwrap_or_default();
    let works: Vec<Work> = WORKS
        .into_iter()
        .filter(|work| work.name.contains(&filter))
        .collect();
    assert!(!works.is_empty(), "no work is called so: {filter}");
    let recorded = replay::record(&built, &works).unwrap();
    let mut chosen: Vec<State<'_>> = Vec::new();
    for run in &recorded {
        let (flushes, torn) = (run.boundaries(), run.torn(SEED, states.unwrap_or(TORN)));
        let (some, some_torn) = match states {
            Some(_) => (flushes.len(), torn.len()),
            None => (DRAWN, DRAWN_TORN),
        };
        let (some, some_torn) = (some.min(flushes.len()), some_torn.min(torn.len()));
        println!(
            "{}: {some} of {} flushes and {some_torn} of {} states between flushes are replayed",
            run.work,
            flushes.len(),
            torn.len()
        );
        assert!(some > 0, "{}: no flush is replayed", run.work);
        assert!(
            states == Some(0) || some_torn > 0,
            "{}: nothing between flushes is replayed",
            run.work
        );
        chosen.extend(replay::some_of(&flushes, SEED, some));
        chosen.extend(replay::some_of(&torn, SEED, some_torn));
    }
    let failures = replayed(&built, &chosen);
    assert_eq!(
        failures,
        0,
        "{failures} of {} states did not converge",
        chosen.len()
    );
}

/// Prints what becomes of each of these states; how many did not converge.
fn replayed(built: &Built, states: &[State<'_>]) -> usize {
    let mut seen = 0;
    let failures = replay::replay(built, states, &mut |state, fault| {
        seen += 1;
        match fault {
            None => println!("{seen:4} {state} ... ok"),
            Some(fault) => println!("{seen:4} {state} ... FAILED\n{fault}"),
        }
    })
    .unwrap();
    assert_eq!(seen, states.len(), "some states were not replayed");
    println!("{seen} states were replayed, {failures} did not converge");
    failures
}

#[test]
#[ignore = "two more guests; make soak has it"]
fn a_stage_whose_flushes_are_lost_is_found_out() {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let recorded = replay::record(&built, &[UNFLUSHED]).unwrap();
    let torn = replay::some_of(&recorded[0].torn(SEED, TORN), SEED, SPOILED);
    assert!(replayed(&built, &torn) > 0, "nothing was spoiled");
}
