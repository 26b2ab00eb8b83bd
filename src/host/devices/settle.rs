//! Events of our own making, by which we learn that udev has finished with a device.

use std::path::PathBuf;

use kindling_config_spec::order::OrderedMap;

use crate::host::uevent::has_property;

/// The devices whose event has not come back yet. Each has a mark of its own in `SYNTH_UUID`.
pub(super) struct Awaited {
    serial: u128,
    nodes: OrderedMap<String, PathBuf>,
}

impl Awaited {
    pub(super) fn new(serial: u128) -> Self {
        Self {
            serial,
            nodes: OrderedMap::new(),
        }
    }

    /// Awaits one more event; returns its mark.
    pub(super) fn add(&mut self, node: PathBuf) -> String {
        let mark = synthetic_uuid(self.serial);
        self.serial = self.serial.wrapping_add(1);
        self.nodes.insert(format!("SYNTH_UUID={mark}"), node);
        mark
    }

    /// Takes one event in. Returns the devices whose events may be lost, for an empty event stands for a queue that ran
    /// over: they have to be triggered again, and are no longer awaited.
    pub(super) fn take(&mut self, event: &[u8]) -> Vec<PathBuf> {
        if event.is_empty() {
            return std::mem::take(&mut self.nodes).into_values().collect();
        }
        self.nodes.retain(|mark, _| !has_property(event, mark));
        Vec::new()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn into_nodes(self) -> Vec<PathBuf> {
        self.nodes.into_values().collect()
    }
}

fn synthetic_uuid(serial: u128) -> String {
    let text = format!("{serial:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_event_is_asked_for_again() {
        let mut awaited = Awaited::new(u128::MAX);
        let marks: Vec<String> = ["/dev/vdb", "/dev/vdb1"]
            .map(|node| awaited.add(node.into()))
            .to_vec();
        assert_ne!(marks[0], marks[1]);
        let event = |mark: &str| format!("libudev\0SYNTH_UUID={mark}\0").into_bytes();
        assert_eq!(awaited.take(&event(&marks[0])), Vec::<PathBuf>::new());
        let lost = awaited.take(&[]);
        assert_eq!(lost, [PathBuf::from("/dev/vdb1")]);
        let again = awaited.add("/dev/vdb1".into());
        assert!(!marks.contains(&again));
        awaited.take(&event(&marks[1]));
        assert!(!awaited.is_empty());
        awaited.take(&event(&again));
        assert!(awaited.is_empty());
    }
}
