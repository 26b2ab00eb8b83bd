//! What a config of 10,000 inline files costs: parse, validate, and merge with an empty parent. Prints the least of many
//! runs and the memory at its highest; asserts nothing, for times belong to one machine.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, /proc and prints"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use kindling_config_spec::types::Config;
use kindling_config_spec::{check, merge};

const FILES: usize = 10_000;
const RUNS: usize = 20;

fn document() -> String {
    let mut text = String::from("{\"ignition\":{\"version\":\"3.4.0\"},\"storage\":{\"files\":[");
    for number in 0..FILES {
        let comma = if number == 0 { "" } else { "," };
        let contents = format!("content%20of%20file%20{number:05}").repeat(8);
        let _ = write!(
            text,
            "{comma}{{\"path\":\"/etc/bench/{:02}/file-{number:05}\",\"mode\":420,\
             \"contents\":{{\"source\":\"data:,{contents}\"}}}}",
            number % 100
        );
    }
    text + "]}}"
}

/// The most memory this process ever held, in KiB (proc_pid_status(5)).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn main() {
    let text = document();
    let before = peak();
    let mut least = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        let checked = check(black_box(&text)).expect("the document is valid");
        black_box(merge(Config::default(), checked.into_config()));
        least = least.min(start.elapsed());
    }
    let input = text.len() >> 10;
    let memory = peak().saturating_sub(before);
    println!(
        "check and merge: {FILES} files, {input} KiB: {:.1} ms, {memory} KiB of memory ({:.1} x the input)",
        least.as_secs_f64() * 1e3,
        memory as f64 / input as f64
    );
}
