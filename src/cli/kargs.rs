//! The command line of the hook for kernel arguments (engine.md 4.3), for images whose distribution brings none.

use std::ffi::OsString;

use super::{USAGE, complain, environment};
use crate::host::console;
use crate::host::log::Log;
use crate::plan::Stage;
use crate::plan::entries::Next;
use crate::report::Failure;
use crate::stages::boot_entries;

const HELP: &str =
    "usage: ignition-kargs-helper [--should-exist ARGUMENT]... [--should-not-exist ARGUMENT]...";

/// Runs the process and returns its exit status.
pub(super) fn main(arguments: &[OsString]) -> u8 {
    let (Some([exist, not]), Ok(environment)) = (lists(arguments), environment()) else {
        complain(HELP);
        return USAGE;
    };
    Log::open(false, Stage::Kargs.name()).install();
    match boot_entries::change(&exist, &not, &environment) {
        Ok(Next::Reboot) => {
            let text = "kindling: the boot entries have new kernel arguments: the machine boots again";
            tracing::info!("{text}");
            complain(text);
            console::show(text);
            fail(&boot_entries::reboot(&environment))
        }
        Ok(Next::Nothing | Next::Fail) => 0,
        Err(failure) => fail(&failure),
    }
}

/// The stage that called reads the record.
fn fail(failure: &Failure) -> u8 {
    complain(&failure.to_string());
    1
}

/// What shall be there and what shall not; `None` when the line is no list of pairs.
fn lists(arguments: &[OsString]) -> Option<[Vec<String>; 2]> {
    let mut lists = [Vec::new(), Vec::new()];
    for pair in arguments.chunks(2) {
        let [flag, value] = pair else { return None };
        let [exist, not] = &mut lists;
        let list = match flag.to_str()? {
            "--should-exist" => exist,
            "--should-not-exist" => not,
            _ => return None,
        };
        list.push(value.to_str()?.to_owned());
    }
    Some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_command_line_is_understood() {
        let lists_of = |words: &[&str]| lists(&words.iter().map(OsString::from).collect::<Vec<_>>());
        let call = [
            "--should-exist",
            "a=1",
            "--should-exist",
            "b",
            "--should-not-exist",
            "--c",
        ];
        let of = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(lists_of(&call), Some([of(&["a=1", "b"]), of(&["--c"])]));
        assert_eq!(lists_of(&[]), Some([vec![], vec![]]));
        for wrong in [&["--should-exist"][..], &["a=1"], &["--help"], &["--append", "x"]] {
            assert_eq!(lists_of(wrong), None, "{wrong:?}");
        }
    }
}
