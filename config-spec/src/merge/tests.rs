//! Cases with names; the reference's own are in `fixtures/configs/merge`.

use super::*;
use crate::types::{Disk, Partition};

#[test]
fn an_empty_config_changes_nothing() {
    let mut config = Config::default();
    config.ignition.version = "3.7.0-experimental".into();
    config.storage.disks.push(Disk {
        device: "/dev/a".into(),
        ..Default::default()
    });
    assert_eq!(merge(config.clone(), Config::default()), config);
    assert_eq!(merge(Config::default(), config.clone()), config);
    assert_eq!(
        merge(config.clone(), config.clone()),
        config,
        "keyed lists do not grow"
    );
}

#[test]
fn twins_in_a_base_config_do_no_harm() {
    let config = |numbers: &[i64]| {
        let partitions = numbers
            .iter()
            .map(|&number| Partition {
                number,
                ..Default::default()
            })
            .collect();
        let mut config = Config::default();
        config.storage.disks.push(Disk {
            device: "/dev/a".into(),
            partitions,
            ..Default::default()
        });
        config
    };
    let merged = merge(config(&[1, 1, 0, 0]), config(&[1, 0, 2, 2]));
    let numbers: Vec<_> = merged.storage.disks[0]
        .partitions
        .iter()
        .map(|partition| partition.number)
        .collect();
    assert_eq!(numbers, [1, 1, 0, 0, 2, 2]);
}
