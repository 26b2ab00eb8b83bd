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

fn extension(json: serde_json::Value) -> Config {
    let config = serde_json::json!({ "kindling": json });
    serde_json::from_value(config).expect("the case reads")
}

#[test]
fn the_extension_merges_by_the_rules_of_the_rest() {
    let parent = extension(serde_json::json!({
        "version": "1.0.0",
        "files": {"/a": {"expand": true}, "/b": {"compression": "zstd"}},
        "node": {
            "name": "p",
            "bootstrap": {"mode": "native", "tokenSource": {"source": "https://h/t"}},
            "cluster": {"caCertHashes": ["x", "y"], "certificateAuthorities": [{"source": "data:,a"}]},
            "kubelet": {
                "config": {"eviction": {"a": 1, "b": 2}, "pods": 1}, "labels": {"l": "1", "m": "1"}, "taints": ["t"]
            },
        },
        "report": {"sinks": [
            {"type": "http", "url": "https://h", "headers": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
            {"type": "port", "port": "p"},
        ]},
        "transport": {"hosts": {"h": {"clientCertificate": {"source": "data:,c"}}}},
    }));
    let child = extension(serde_json::json!({
        "version": "1.0.0",
        "files": {"/a": {"compression": "zstd"}},
        "node": {
            "bootstrap": {"approvalTimeoutSeconds": 5},
            "cluster": {"caCertHashes": ["y", "z"]},
            "kubelet": {"config": {"eviction": {"b": 3}}, "labels": {"m": "2"}, "taints": ["u", "t"]},
        },
        "onFailure": {"action": "reboot"},
        "report": {"sinks": [
            {"type": "http", "url": "https://i"},
            {"type": "http", "url": "https://h", "headers": [{"name": "A"}, {"name": "B", "value": "2"}]},
        ]},
        "transport": {"hosts": {"h": {"clientKey": {"source": "data:,k"}}, "i": {}}},
    }));
    let merged = extension(serde_json::json!({
        "version": "1.0.0",
        "files": {"/a": {"expand": true, "compression": "zstd"}, "/b": {"compression": "zstd"}},
        "node": {
            "name": "p",
            "bootstrap": {
                "mode": "native", "tokenSource": {"source": "https://h/t"}, "approvalTimeoutSeconds": 5
            },
            "cluster": {"caCertHashes": ["x", "y", "z"], "certificateAuthorities": [{"source": "data:,a"}]},
            "kubelet": {
                "config": {"eviction": {"b": 3}, "pods": 1}, "labels": {"l": "1", "m": "2"}, "taints": ["t", "u"]
            },
        },
        "onFailure": {"action": "reboot"},
        "report": {"sinks": [
            {"type": "http", "url": "https://h", "headers": [{"name": "B", "value": "2"}]},
            {"type": "port", "port": "p"},
            {"type": "http", "url": "https://i"},
        ]},
        "transport": {"hosts": {
            "h": {"clientCertificate": {"source": "data:,c"}, "clientKey": {"source": "data:,k"}}, "i": {},
        }},
    }));
    assert_eq!(merge(parent.clone(), child), merged);
    assert_eq!(merge(parent.clone(), Config::default()), parent);
    assert_eq!(merge(parent.clone(), parent.clone()), parent);
}

#[test]
fn a_config_without_the_extension_is_written_as_before() {
    let text = serde_json::to_string(&Config::default()).expect("plain data serialises");
    assert!(!text.contains("kindling"), "{text}");
}
