//! The failure that outlives the power of a machine: kept until a first boot succeeds, so that it never tells of what has
//! been overcome. That it cannot be kept or read stops nothing.

use crate::host::efivar::EfiVariables;
use crate::host::machine;
use crate::report::Failure;
use crate::report::remembered::Remembered;

/// The variable's name.
const NAME: &str = "KindlingFailure";

/// Why a boot before this one failed, where the machine remembers it and no first boot has succeeded since.
#[must_use]
pub fn last_failure() -> Option<Remembered> {
    let remembered = read(&EfiVariables::of_machine()?)?;
    (remembered.boot != machine::boot_id()).then_some(remembered)
}

/// Keeps the failure of this boot. In the initramfs alone: elsewhere the machine is not the one provisioned.
pub(super) fn keep(failure: &Failure) {
    if let Some(variables) = of_first_boot() {
        let now = crate::calendar::utc(machine::seconds_since_1970());
        keep_in(
            &variables,
            Remembered::new(failure.clone(), machine::boot_id(), now),
        );
    }
}

/// Forgets what is kept: a first boot has succeeded.
pub(super) fn forget() {
    if let Some(variables) = of_first_boot()
        && let Err(error) = variables.remove(NAME)
    {
        tracing::warn!(
            "cannot remove the firmware's variable {NAME}, which tells of an earlier failure: {error}"
        );
    }
}

/// Says in the log why an earlier boot failed.
pub(super) fn recall() {
    if machine::is_initramfs()
        && let Some(Remembered { boot, time, failure }) = last_failure()
    {
        tracing::info!("a boot before this one failed ({boot}, {time}):\n{failure}");
    }
}

fn of_first_boot() -> Option<EfiVariables> {
    machine::is_initramfs().then(EfiVariables::of_machine).flatten()
}

fn read(variables: &EfiVariables) -> Option<Remembered> {
    Remembered::read(&variables.read(NAME).ok().flatten()?)
}

/// The memory wears. A machine that fails in the same way at each of many boots writes once.
fn keep_in(variables: &EfiVariables, remembered: Remembered) {
    // Reasons tell of times and numbers, which differ from boot to boot.
    let what = |failure: &Failure| (failure.code.clone(), failure.stage, failure.place.clone());
    if read(variables).is_some_and(|kept| what(&kept.failure) == what(&remembered.failure)) {
        return;
    }
    if let Err(error) = variables.write(NAME, &remembered.bytes()) {
        tracing::warn!("cannot keep the failure in the firmware's variable {NAME}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Stage;

    fn of(boot: &str, code: &str) -> Remembered {
        let failure = Failure {
            code: code.into(),
            stage: Stage::Fetch,
            what: "get the config".into(),
            place: None,
            why: vec![format!("after {} attempts", boot.len())],
            next: "look".into(),
        };
        Remembered::new(failure, boot.into(), format!("time of {boot}"))
    }

    #[test]
    fn the_first_boot_that_failed_in_the_same_way_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        assert_eq!(read(&variables), None);
        keep_in(&variables, of("one", "network-timeout"));
        keep_in(&variables, of("two", "network-timeout"));
        assert_eq!(read(&variables), Some(of("one", "network-timeout")));
        keep_in(&variables, of("three", "http-status"));
        assert_eq!(read(&variables), Some(of("three", "http-status")));
    }

    #[test]
    fn what_another_program_left_is_no_failure_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let variables = EfiVariables::at(dir.path());
        variables.write(NAME, b"\xff{").unwrap();
        assert_eq!(read(&variables), None);
        keep_in(&variables, of("one", "network-timeout"));
        assert_eq!(read(&variables), Some(of("one", "network-timeout")));
    }
}
