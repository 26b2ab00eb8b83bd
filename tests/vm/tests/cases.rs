//! One guest, every case of `tests/vm/cases`, on real disks.
//!
//! `KINDLING_CASES=TEXT` runs only the cases whose name contains the text.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that tells how far it is"
)]

use kindling_vm::{cases, scenario, workspace};

#[test]
fn every_case_on_real_disks_passes() {
    let filter = std::env::var("KINDLING_CASES").unwrap_or_default();
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let outcomes = cases::run(&built, &filter, &mut |case| {
        let verdict = if case.status == 0 {
            "ok".to_owned()
        } else {
            format!("FAILED with {}", case.status)
        };
        println!(
            "case {} ... {verdict} ({:.0} s)",
            case.name,
            case.took.as_secs_f32()
        );
        for line in &case.output {
            println!("    {line}");
        }
    })
    .unwrap();
    assert!(
        outcomes.is_complete,
        "the guest did not get to the end; its console ends with:\n{}",
        outcomes.tail.join("\n")
    );
    let ran: Vec<&str> = outcomes.cases.iter().map(|case| case.name.as_str()).collect();
    let mut wanted = cases::names().unwrap();
    wanted.retain(|name| name.contains(&filter));
    assert_eq!(ran, wanted);
    let failed: Vec<&str> = outcomes
        .cases
        .iter()
        .filter(|case| case.status != 0)
        .map(|case| case.name.as_str())
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed: {failed:?}",
        failed.len(),
        ran.len()
    );
}
