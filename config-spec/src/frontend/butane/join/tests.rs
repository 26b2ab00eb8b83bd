//! The semantics are those of [`crate::merge()`], so it is the measure.

use proptest::prelude::*;

use super::*;
use crate::frontend::json::read;
use crate::frontend::made;
use crate::frontend::tree::Place;
use crate::types::Config;

#[path = "../../../../tests/support/generate.rs"]
mod generate;

/// Both documents joined as trees, as JSON.
fn joined(parent: &str, child: &str) -> String {
    let node = join(read(parent).unwrap().0, read(child).unwrap().0);
    let mut text = String::new();
    made::write(&node, &mut text);
    text
}

fn config(text: &str) -> Config {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn agrees(parent: &str, child: &str) {
    let merged = crate::merge(config(parent), config(child));
    assert_eq!(config(&joined(parent, child)), merged, "{parent}\n{child}");
}

/// What [`Config`] writes has nulls and empty lists, and what people write has not.
fn documents(config: &Config) -> [String; 2] {
    let whole = serde_json::to_value(config).unwrap();
    let mut filled = whole.clone();
    drop_empty(&mut filled);
    [whole, filled].map(|value| value.to_string())
}

fn drop_empty(value: &mut serde_json::Value) {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| {
            drop_empty(member);
            !member.is_null() && member != &serde_json::json!([]) && member != &serde_json::json!({})
        });
    } else if let Some(entries) = value.as_array_mut() {
        entries.iter_mut().for_each(drop_empty);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn trees_join_as_configs_merge(parent in generate::config(), child in generate::config()) {
        for (parent, child) in documents(&parent).iter().zip(&documents(&child)) {
            agrees(parent, child);
        }
    }
}

#[test]
fn the_references_cases_join() {
    macro_rules! case {
        ($($name:literal),+) => {
            [$((
                include_str!(concat!("../../../../../fixtures/configs/merge/", $name, ".parent.json")),
                include_str!(concat!("../../../../../fixtures/configs/merge/", $name, ".child.json")),
            )),+]
        };
    }
    for (parent, child) in case!(
        "1-nodes",
        "2-users",
        "3-headers",
        "4-kernel-arguments",
        "5-raid",
        "6-dropins",
        "7-partitions",
        "8-tang",
        "a-contents-inherit",
        "b-zero-values-win",
        "c-version-of-base"
    ) {
        agrees(parent, child);
    }
}

#[test]
fn the_extension_joins() {
    let parent = r#"{"kindling": {"version": "1.0.0",
        "files": {"/a": {"expand": true}, "/b": {"compression": "zstd"}},
        "node": {"name": "p", "cluster": {"caCertHashes": ["x", "y"]},
            "kubelet": {"config": {"eviction": {"a": 1, "b": 2}, "pods": 1}, "labels": {"l": "1", "m": "1"}}},
        "report": {"sinks": [
            {"type": "http", "url": "https://h", "headers": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]},
            {"type": "port", "port": "p"}]}}}"#;
    let child = r#"{"kindling": {"version": "1.0.0",
        "files": {"/a": {"compression": "zstd"}},
        "node": {"cluster": {"caCertHashes": ["y", "z"]},
            "kubelet": {"config": {"eviction": {"b": 3}}, "labels": {"m": "2"}, "taints": ["u"]}},
        "report": {"sinks": [
            {"type": "http", "url": "https://h", "headers": [{"name": "A"}, {"name": "B", "value": "2"}]},
            {"type": "http", "url": "https://i"}]}}}"#;
    agrees(parent, child);
    agrees(child, parent);
}

#[test]
fn a_child_takes_a_path_away_from_another_kind() {
    let parent = r#"{"storage":{"files":[{"path":"/a"},{"path":"/b"},{"path":"/c"}]}}"#;
    let child = r#"{"storage":{"links":[{"path":"/a"},{"path":"/b"}],"files":[{"path":"/b","mode":1}]}}"#;
    assert_eq!(
        joined(parent, child),
        r#"{"storage":{"files":[{"path":"/b","mode":1},{"path":"/c"}],"links":[{"path":"/a"},{"path":"/b"}]}}"#
    );
}

#[test]
fn twins_of_the_parent_stay_to_be_found() {
    let parent = r#"{"systemd":{"units":[{"name":"a.mount"},{"name":"a.mount"}]}}"#;
    assert_eq!(
        joined(parent, r#"{"systemd":{"units":[{"name":"b.mount"}]}}"#)
            .matches("a.mount")
            .count(),
        2
    );
}

#[test]
fn what_both_say_is_where_the_child_says_it() {
    // A tree of its own has places of its own; the parent's are those of the sugar.
    let sugar = |node: Node<'static>| node.with("wipeTable", Node::boolean(true, Place::DOCUMENT));
    let disk = sugar(Node::object(Place::DOCUMENT)).with("device", Node::text("/dev/a", Place::DOCUMENT));
    let list = Node::list(vec![disk], Place::DOCUMENT);
    let storage = Node::object(Place::DOCUMENT).with("disks", list);
    let parent = Node::object(Place::DOCUMENT).with("storage", storage);
    let (child, places) = read(r#"{"storage":{"disks":[{"device":"/dev/a"}]}}"#).unwrap();
    let joined = join(parent, child);
    let disk = &joined.get("storage").unwrap().each("disks")[0];
    let at = |name| places.pointer(disk.get(name).unwrap().from).to_string();
    assert_eq!(places.pointer(disk.from).to_string(), "/storage/disks/0");
    assert_eq!(at("device"), "/storage/disks/0/device");
    assert_eq!(at("wipeTable"), "");
}
