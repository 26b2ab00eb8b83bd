//! What a kubelet puts and looks for once it has its certificate: its Node, its Lease, and lists that are empty here.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::scenario::Node;
use crate::store::stamp;

/// A kind of things.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Collection {
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
}

/// Every kind that is kept.
const COLLECTIONS: &[Collection] = &[
    kind("", "nodes", "Node"),
    kind("", "pods", "Pod"),
    kind("", "services", "Service"),
    kind("", "events", "Event"),
    kind("", "configmaps", "ConfigMap"),
    kind("", "secrets", "Secret"),
    kind("coordination.k8s.io", "leases", "Lease"),
    kind("events.k8s.io", "events", "Event"),
    kind("node.k8s.io", "runtimeclasses", "RuntimeClass"),
    kind("storage.k8s.io", "csidrivers", "CSIDriver"),
    kind("storage.k8s.io", "csinodes", "CSINode"),
];

const fn kind(group: &'static str, resource: &'static str, kind: &'static str) -> Collection {
    Collection {
        group,
        resource,
        kind,
    }
}

impl Collection {
    pub(crate) fn find(group: &str, resource: &str) -> Option<&'static Self> {
        COLLECTIONS
            .iter()
            .find(|one| one.group == group && one.resource == resource)
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            "v1".to_owned()
        } else {
            format!("{}/v1", self.group)
        }
    }
}

/// Where a thing stands: kind, namespace (empty for none), name.
type Place = (&'static str, String, String);

/// All things.
#[derive(Default)]
pub(crate) struct Shelf {
    things: BTreeMap<Place, Value>,
    version: u64,
}

impl Shelf {
    /// With these nodes.
    pub(crate) fn new(nodes: &[Node]) -> Self {
        let mut shelf = Self::default();
        for node in nodes {
            shelf.set_node(&node.name, node.is_ready);
        }
        shelf
    }

    /// The names of a kind's things.
    pub(crate) fn names(&self, kind: &str) -> Vec<String> {
        let of_kind = self.things.keys().filter(|(one, ..)| *one == kind);
        of_kind.map(|(_, _, name)| name.clone()).collect()
    }

    pub(crate) fn get(&self, collection: &Collection, namespace: &str, name: &str) -> Option<&Value> {
        self.things
            .get(&(collection.kind, namespace.to_owned(), name.to_owned()))
    }

    /// Keeps a thing in the place of what was there.
    pub(crate) fn put(
        &mut self,
        collection: &Collection,
        namespace: &str,
        name: &str,
        mut thing: Value,
    ) -> Value {
        self.version += 1;
        let place = (collection.kind, namespace.to_owned(), name.to_owned());
        let before = self
            .things
            .get(&place)
            .map(|thing| thing["metadata"]["uid"].clone());
        thing["kind"] = collection.kind.into();
        thing["apiVersion"] = collection.api_version().into();
        let metadata = &mut thing["metadata"];
        metadata["name"] = name.into();
        metadata["resourceVersion"] = self.version.to_string().into();
        metadata["uid"] =
            before.unwrap_or_else(|| format!("7d8f3c56-12ab-4c3d-8e4f-{:012x}", self.version).into());
        if !namespace.is_empty() {
            metadata["namespace"] = namespace.into();
        }
        if metadata["creationTimestamp"].is_null() {
            metadata["creationTimestamp"] = stamp(std::time::SystemTime::now()).into();
        }
        self.things.insert(place, thing.clone());
        thing
    }

    /// The list of a kind, its items without kind and version as in every typed list.
    pub(crate) fn list(&self, collection: &Collection, namespace: Option<&str>, name: Option<&str>) -> Value {
        let items: Vec<Value> = self
            .things
            .iter()
            .filter(|((kind, at, called), _)| {
                *kind == collection.kind
                    && namespace.is_none_or(|namespace| namespace == at)
                    && name.is_none_or(|name| name == called)
            })
            .map(|(_, thing)| bare(thing.clone()))
            .collect();
        list(
            &format!("{}List", collection.kind),
            &collection.api_version(),
            self.version,
            items,
        )
    }

    /// A node that is there, `Ready` or not.
    pub(crate) fn set_node(&mut self, name: &str, is_ready: bool) {
        let (status, reason) = if is_ready {
            ("True", "KubeletReady")
        } else {
            ("False", "KubeletNotReady")
        };
        let node = json!({
            "metadata": {"labels": {"kubernetes.io/hostname": name}},
            "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": status, "reason": reason}]},
        });
        if let Some(nodes) = Collection::find("", "nodes") {
            self.put(nodes, "", name, node);
        }
    }

    /// A node that is gone.
    pub(crate) fn remove_node(&mut self, name: &str) {
        self.things.remove(&("Node", String::new(), name.to_owned()));
    }
}

/// A list as the API writes it.
pub(crate) fn list(kind: &str, api_version: &str, version: u64, items: Vec<Value>) -> Value {
    json!({
        "kind": kind, "apiVersion": api_version,
        "metadata": {"resourceVersion": version.to_string()}, "items": items,
    })
}

/// A thing as an item of a list.
pub(crate) fn bare(mut thing: Value) -> Value {
    if let Some(fields) = thing.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    thing
}

/// What a merge patch makes of a thing. Lists of things with a `type` (conditions, addresses) are merged by it, as the strategic
/// patch of a kubelet means it; any other list is replaced.
pub(crate) fn patch(thing: &mut Value, change: &Value) {
    match (thing, change) {
        (Value::Object(thing), Value::Object(change)) => {
            for (field, value) in change.iter().filter(|(field, _)| !field.starts_with('$')) {
                if value.is_null() {
                    thing.remove(field);
                } else {
                    patch(thing.entry(field).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(things), Value::Array(changes))
            if changes.iter().all(|one| one["type"].is_string()) =>
        {
            for change in changes {
                match things.iter_mut().find(|one| one["type"] == change["type"]) {
                    Some(thing) => patch(thing, change),
                    None => things.push(change.clone()),
                }
            }
        }
        (thing, Value::Object(change)) => {
            *thing = json!({});
            patch(thing, &Value::Object(change.clone()));
        }
        (thing, change) => *thing = change.clone(),
    }
}
