//! A report out of a file that somebody saved, recognised by what is in it.

use super::boot::Boot;
use super::progress::StageRecord;
use super::receipt::{FORMAT, Receipt};
use super::{Failure, serial};
use kindling_config_spec::json;

/// What such a file holds.
pub enum Found {
    /// A receipt.
    Receipt(Box<Receipt>),
    /// A list of stages, one failure, or a console log.
    Boot(Box<Boot>),
}

/// Reads a receipt, a list of stages, a failure record, or what a console showed.
///
/// # Errors
/// One line for a person: nothing of the kind is in it, or a newer kindling wrote it.
pub fn read(bytes: &[u8]) -> Result<Found, String> {
    let text = String::from_utf8_lossy(bytes);
    let boot = |boot| Ok(Found::Boot(Box::new(boot)));
    if let Ok(receipt) = Receipt::read(&text) {
        let format = receipt.heading.format;
        if format > FORMAT {
            return Err(format!(
                "it is a receipt of format {format}, and this kindling reads up to {FORMAT}"
            ));
        }
        return Ok(Found::Receipt(Box::new(receipt)));
    }
    if let Ok(stages) = json::parse::<Vec<StageRecord>>(&text)
        && !stages.is_empty()
    {
        return boot(Boot::of_stages(stages, None));
    }
    if let Ok(failure) = json::parse::<Failure>(&text) {
        return boot(Boot::of_stages(Vec::new(), Some(failure)));
    }
    match serial::read(&text) {
        Some(seen) => boot(seen),
        None => Err(
            "it holds no receipt, no list of stages, and no line that a console shows of a first boot"
                .to_owned(),
        ),
    }
}
