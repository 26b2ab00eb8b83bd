//! What a kubelet meets behind its certificate.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::cluster::{Cluster, Memory};
use crate::desk::lasts;
use crate::http::{Answer, Asked, pieces};
use crate::route::{Query, Route};
use crate::shelf::patch;
use crate::status::{self, json_body};
use crate::user::User;

/// Labels of these domains a node may not give itself...
const GUARDED: &[&str] = &["kubernetes.io", "k8s.io"];
/// ...but for those below these...
const FREE: &[&str] = &["kubelet.kubernetes.io", "node.kubernetes.io"];
/// ...and these.
const ALLOWED: &[&str] = &[
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

impl Cluster {
    pub(crate) fn kubelet(
        self: &Arc<Self>,
        memory: &mut Memory,
        asked: &Asked,
        route: &Route,
        user: &User,
    ) -> Answer {
        let Route::Shelf {
            collection,
            namespace,
            name,
            verb,
            ..
        } = route
        else {
            return status::not_served();
        };
        let place = namespace.as_deref().unwrap_or_default();
        let query = Query::of(asked.uri());
        let sent = serde_json::from_slice::<Value>(asked.body());
        match (*asked.method() == Method::GET, name, sent) {
            (true, None, _) if *verb == "watch" => idle(&query),
            (true, None, _) => {
                // Other selectors (a pod's node) choose among nothing here.
                let only = query.name().ok().flatten();
                let found = memory
                    .shelf
                    .list(collection, namespace.as_deref(), only.as_deref());
                json_body(StatusCode::OK, &found)
            }
            (true, Some(name), _) => match memory.shelf.get(collection, place, name) {
                Some(thing) => json_body(StatusCode::OK, thing),
                None => status::not_found(collection.group, collection.resource, name),
            },
            (false, _, Err(error)) => {
                status::bad_request(&format!("the object provided is unrecognized: {error}"))
            }
            (false, None, Ok(thing)) => {
                let metadata = &thing["metadata"];
                let name = ["name", "generateName"]
                    .iter()
                    .find_map(|field| metadata[*field].as_str())
                    .unwrap_or_default()
                    .to_owned();
                if collection.resource == "nodes"
                    && let Some(refused) = admitted(user, &name, metadata)
                {
                    return refused;
                }
                if memory.shelf.get(collection, place, &name).is_some() {
                    return status::already_exists(collection.group, collection.resource, &name);
                }
                let thing = memory.shelf.put(collection, place, &name, thing);
                json_body(StatusCode::CREATED, &thing)
            }
            (false, Some(name), Ok(change)) => {
                let Some(thing) = memory.shelf.get(collection, place, name) else {
                    return status::not_found(collection.group, collection.resource, name);
                };
                let mut thing = thing.clone();
                if *verb == "update" {
                    thing = change;
                } else {
                    patch(&mut thing, &change);
                }
                let thing = memory.shelf.put(collection, place, name, thing);
                json_body(StatusCode::OK, &thing)
            }
        }
    }
}

/// NodeRestriction: a node makes itself alone, with labels that are its to give.
fn admitted(user: &User, name: &str, metadata: &Value) -> Option<Answer> {
    let own = user.node().unwrap_or_default();
    if own != name {
        let what = format!("node {own:?} is not allowed to create node {name:?}");
        return Some(status::forbidden("", "nodes", name, &what));
    }
    let labels = metadata["labels"].as_object();
    let bad: Vec<&str> = labels
        .into_iter()
        .flatten()
        .map(|(label, _)| label.as_str())
        .filter(|label| is_guarded(label))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let what = format!("is not allowed to set the following labels: {}", bad.join(", "));
    Some(status::forbidden("", "nodes", name, &what))
}

fn is_guarded(label: &str) -> bool {
    let domain = label.split_once('/').map_or("", |(domain, _)| domain);
    let is_below = |tops: &[&str]| {
        tops.iter().any(|top| {
            domain
                .strip_suffix(top)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    };
    is_below(GUARDED) && !is_below(FREE) && !ALLOWED.contains(&label)
}

/// A watch in which nothing happens.
fn idle(query: &Query) -> Answer {
    let (sender, answer) = pieces(StatusCode::OK, "application/json");
    let wait = lasts(query);
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        drop(sender);
    });
    answer
}
