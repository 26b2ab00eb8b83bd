//! What Hyper-V is told: why a first boot failed, as a pair of the machine's own.

use super::ID;
use crate::{Access, Attribute, Channel, CheckIn, Metadata, Offers, PlatformError, StageEnd};

/// The pair, and how much of a value the kernel hands on: so many units of UTF-16 (drivers/hv/hv_kvp.c of Linux), of which no
/// text has more than bytes.
const FAILURE: &str = "kindling.failure";
const VALUE_LIMIT: usize = 1022;

impl Metadata for super::HyperV {
    fn offers(&self) -> Offers {
        Offers {
            attributes: false,
            failure: true,
            ..Offers::default()
        }
    }

    /// None: the agent knows no such platform.
    fn attributes(&self, _via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        Ok(Vec::new())
    }

    /// The host forgets the pair with the boot, so that nothing is to be taken back.
    fn stage_ended(&self, via: &dyn Access, end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        let Some(record) = end.failure_within(VALUE_LIMIT) else {
            return Ok(CheckIn::Unsupported);
        };
        via.set(Channel::HypervKvp, FAILURE, Some(record.as_bytes()))
            .map_err(|source| PlatformError::Access { id: ID, source })?;
        Ok(CheckIn::Told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HyperV;
    use crate::metadata::tests::keeps_its_offers;
    use crate::recorded::RecordedAccess;

    #[test]
    fn a_failure_is_a_pair_that_fits() {
        let via = RecordedAccess::of_channel(&[]);
        let ended = |failure| {
            HyperV.stage_ended(
                &via,
                &StageEnd {
                    stage: "disks",
                    failure,
                },
            )
        };
        assert_eq!(ended(None), Ok(CheckIn::Unsupported));
        assert_eq!(via.held(), []);
        let record = format!("FAILED\n  why: {}\n  next: y", "x".repeat(1000));
        assert_eq!(ended(Some(&record)), Ok(CheckIn::Told));
        let cut = record.strip_suffix("\n  next: y").unwrap();
        assert_eq!(via.held(), [(FAILURE.to_owned(), cut.to_owned())]);
        keeps_its_offers(&HyperV, &via);
        assert_eq!(HyperV.attributes(&via), Ok(Vec::new()));
    }
}
