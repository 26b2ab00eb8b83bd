//! What a log of a serial line still tells. The logs are of guests, with the seconds that whoever recorded them put before
//! each line.

use std::fmt::Write;

use kindling::plan::Stage;
use kindling::report::boot::State;
use kindling::report::{Boot, Failure, found};
use proptest::prelude::*;

use crate::{boot_in, text_of};

fn failure_in(log: &str) -> Failure {
    boot_in(log.as_bytes()).failure.unwrap()
}

/// The log as the line carried it: no time, both ends of a line, colours, and lines of others between.
fn as_on_the_line(log: &str) -> String {
    let mut line = String::from("\u{1b}c\u{1b}[?7l\u{1b}[2J[    0.000000] Linux version 6.12\r\n");
    for (at, text) in log.lines().enumerate() {
        let text = text.get(8..).unwrap_or_default();
        let _ = write!(line, "\u{1b}[0m{text}\u{1b}[K\r\r\n");
        if at % 2 == 0 {
            let _ = write!(
                line,
                "[    6.1{at:05}] virtio_blk virtio2: [vdb] 2097152 512-byte blocks\r\n"
            );
            line.push_str(
                "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target \u{1b}[0;1;39mBasic System\u{1b}[0m.\r\n",
            );
        }
    }
    line
}

#[test]
fn the_record_of_a_real_log_is_found_whole() {
    let failure = failure_in(&text_of("consoles/broken.console"));
    assert_eq!(
        (failure.code.as_str(), failure.stage),
        ("config-invalid", Stage::FetchOffline)
    );
    assert_eq!(failure.what.lines().count(), 10, "{}", failure.what);
    assert!(failure.what.ends_with("help: start the path with a slash"));
    assert_eq!(failure.next, "the later one can start at 513");
}

#[test]
fn other_lines_and_colours_change_nothing() {
    let log = text_of("consoles/broken.console");
    assert_eq!(failure_in(&as_on_the_line(&log)), failure_in(&log));
}

#[test]
fn the_log_of_a_stage_is_read_where_it_is_on_the_console() {
    let log = text_of("consoles/disks.console");
    let failure = failure_in(&log);
    assert_eq!(failure.code, "filesystem-differs");
    assert_eq!(
        failure.place.as_deref(),
        Some("merged config, /storage/filesystems/3")
    );
    assert_eq!(failure.why, ["nothing was changed"]);
    // The same from the lines of the log alone, where the stage stands before the first.
    let logged: String = log
        .lines()
        .filter(|line| line.contains("CRITICAL"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(failure_in(&logged), failure);
}

#[test]
fn a_log_that_breaks_off_still_has_the_code() {
    let log = text_of("consoles/broken.console");
    let start = log.find("FAILED in stage").unwrap();
    let code_ends = log.find("[config-invalid]").unwrap() + "[config-invalid]".len();
    for end in code_ends..log.len() {
        let Some(cut) = log.get(..end) else { continue };
        let failure = failure_in(cut);
        assert_eq!(failure.code, "config-invalid");
        assert!(!failure.what.is_empty() && !failure.next.is_empty());
    }
    assert!(found::read(&log.as_bytes()[..start]).is_err());
}

#[test]
fn of_several_boots_the_last_is_shown_and_the_failure_before_it_kept() {
    let broken = as_on_the_line(&text_of("consoles/broken.console"));
    let booted = text_of("consoles/booted.console");
    let after = boot_in(format!("{broken}{booted}").as_bytes());
    assert_eq!((after.state, after.failure), (State::Provisioned, None));
    assert_eq!(after.before.unwrap().code, "config-invalid");
    let before = boot_in(format!("{booted}{broken}").as_bytes());
    assert_eq!(before.failure.unwrap().code, "config-invalid");
    assert_eq!(before.before, None);
    let twice = boot_in(format!("{broken}{}", as_on_the_line(&text_of("consoles/disks.console"))).as_bytes());
    let codes = [twice.failure, twice.before].map(|failure| failure.unwrap().code);
    assert_eq!(codes, ["filesystem-differs", "config-invalid"]);
}

#[test]
fn stages_are_shown_as_far_as_the_console_does() {
    // Somebody printed the list of stages there: that is the whole waterfall.
    let booted = boot_in(text_of("consoles/booted.console").as_bytes());
    assert_eq!(booted.state, State::Provisioned);
    assert!(
        booted
            .stages
            .iter()
            .any(|stage| stage.stage == Stage::Disks && stage.steps.len() == 7)
    );
    let log = "\
        [    5.100000] systemd[1]: Starting ignition-fetch-offline.service - Ignition (fetch-offline)...\n\
        [    5.146000] systemd[1]: Finished ignition-fetch-offline.service - Ignition (fetch-offline).\n\
        [    9.800000] systemd[1]: Starting ignition-disks.service - Ignition (disks)...\n\
        [   10.548000] systemd[1]: Failed to start ignition-disks.service - Ignition (disks).\n";
    let Boot { state, stages, .. } = boot_in(log.as_bytes());
    assert_eq!(state, State::Failed);
    let seen: Vec<_> = stages
        .iter()
        .map(|stage| {
            (
                stage.stage.name(),
                stage.began,
                stage.milliseconds,
                stage.outcome.as_str(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("fetch-offline", Some(5100), 46, "ok"),
            ("disks", Some(9800), 748, "failed")
        ]
    );
}

#[test]
fn a_file_without_a_report_says_so_in_one_line() {
    for nothing in ["", "[    0.000000] Linux version 6.12\n", "{}", "[]", "\u{0}"] {
        let why = found::read(nothing.as_bytes()).err().unwrap();
        assert_eq!(why.lines().count(), 1, "{why}");
    }
    let newer = text_of("reports/receipt.json").replacen("\"format\": 3", "\"format\": 99", 1);
    let why = found::read(newer.as_bytes()).err().unwrap();
    assert!(why.contains("format 99"), "{why}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        drop(found::read(&bytes));
    }

    /// Pieces that it knows, in any order, cut anywhere.
    #[test]
    fn no_pieces_of_logs_make_it_panic(
        pieces in proptest::collection::vec((0_usize..9, 0_usize..80), 0..60),
    ) {
        const PIECES: [&str; 9] = [
            "kindling: first boot FAILED in stage disks [filesystem-differs]\n",
            "  what:  a\n", "  next:  b\n", "         c\n", "\u{1b}[0;1", "é\r",
            "[{\"stage\":\"disks\",\"milliseconds\":18446744073709551615,\"changed\":0,\"already_so\":0,\"outcome\":\"ok\",\"began\":18446744073709551615}]\n",
            "[18446744073709551615.999] Starting Ignition (fetch-offline)\n",
            "   5.92 ",
        ];
        let log: String = pieces.iter().map(|(piece, cut)| {
            let text = PIECES[*piece];
            text.get(..(*cut).max(5)).unwrap_or(text)
        }).collect();
        if let Ok(found::Found::Boot(boot)) = found::read(log.as_bytes()) {
            let look = kindling::report::text::Look { width: 80, all: true };
            drop(kindling::report::text::show(&boot, look));
            drop(kindling::report::html::page(&boot, true));
        }
    }
}
