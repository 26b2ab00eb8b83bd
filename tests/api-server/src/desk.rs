//! Every answer: who asks, may they, and what they get.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Memory};
use crate::discovery;
use crate::http::{Answer, Asked, Content, Shown, body, lock, pieces, plain};
use crate::manners;
use crate::request::{Refusal, judge};
use crate::route::{Query, Route};
use crate::scenario::{ClusterInfo, Release, With};
use crate::shelf::{bare, list};
use crate::status::{self, CERTIFICATES, REQUESTS, json_body};
use crate::store::line;
use crate::user::{User, recognised};

/// How long a watch lasts that does not say.
const WATCH: Duration = Duration::from_secs(1800);
/// The media type of answers.
const JSON: &str = "application/json";

impl Cluster {
    /// Decides one answer.
    pub(crate) fn answer(self: &Arc<Self>, asked: &Asked) -> Answer {
        let route = Route::of(asked.method(), asked.uri());
        let mut memory = lock(&self.memory);
        let complaints = manners::complaints(asked, &route, &memory.tokens);
        let place = format!("{} {}", asked.method(), asked.uri().path());
        let complaints = complaints.iter().map(|one| format!("{place}: {one}"));
        memory.findings.extend(complaints);
        let shown = asked.extensions().get::<Shown>().cloned().unwrap_or_default();
        let user = recognised(asked.headers(), &shown, self.clients.as_ref(), &memory.tokens);
        let answer = match memory.fault(route.on()) {
            Some(with) => wrong(&with, &route, user.as_ref()),
            None => match user {
                None => status::unauthorized(),
                Some(user) => match self.forbidden(&user, &route) {
                    Some(refused) => refused,
                    None => self.right(&mut memory, asked, &route, &user),
                },
            },
        };
        match self.scenario.listener.slow_body {
            Some(pause) => slowly(answer, pause),
            None => answer,
        }
    }

    /// RBAC, the Node authoriser and the admission that a node meets.
    fn forbidden(&self, user: &User, route: &Route) -> Option<Answer> {
        let is_new = self.scenario.release == Release::New;
        let may_file =
            user.node().is_some() || (user.is_bootstrapper() && self.scenario.is_bootstrapper_bound);
        let (is_allowed, verb, group, resource, name) = match route {
            Route::Version | Route::Health | Route::ClusterInfo => return None,
            Route::SelfReview => (
                is_new && !user.is_anonymous(),
                "create",
                "authentication.k8s.io",
                "selfsubjectreviews",
                "",
            ),
            Route::AccessReview => (
                !user.is_anonymous(),
                "create",
                "authorization.k8s.io",
                "selfsubjectaccessreviews",
                "",
            ),
            Route::Create => (may_file, "create", CERTIFICATES, REQUESTS, ""),
            Route::List => (may_file, "list", CERTIFICATES, REQUESTS, ""),
            Route::Watch => (may_file, "watch", CERTIFICATES, REQUESTS, ""),
            Route::Get(name) => (may_file, "get", CERTIFICATES, REQUESTS, name.as_str()),
            Route::Beyond(verb) => (false, *verb, CERTIFICATES, REQUESTS, ""),
            Route::Shelf {
                collection,
                name,
                verb,
                ..
            } => {
                let name = name.as_deref().unwrap_or_default();
                let is_reading = matches!(*verb, "get" | "list" | "watch");
                let is_allowed = match user.node() {
                    Some(node) if collection.resource == "nodes" && !name.is_empty() => {
                        if name != node && (is_new || !is_reading) {
                            let what = format!(
                                "User {:?} cannot {verb} resource \"nodes\" in API group \"\" at the cluster scope: node {node:?} cannot \
                                 read {name:?}, only its own Node object",
                                user.name
                            );
                            return Some(status::forbidden("", "nodes", name, &what));
                        }
                        *verb != "delete"
                    }
                    Some(_) => *verb != "delete",
                    // The binding `kubeadm:get-nodes`.
                    None => user.is_bootstrapper() && collection.resource == "nodes" && *verb == "get",
                };
                (is_allowed, *verb, collection.group, collection.resource, name)
            }
            Route::Unknown => (!user.is_anonymous(), "get", "", "unknown", ""),
        };
        (!is_allowed).then(|| denied(user, verb, group, resource, name))
    }

    fn right(self: &Arc<Self>, memory: &mut Memory, asked: &Asked, route: &Route, user: &User) -> Answer {
        let query = Query::of(asked.uri());
        match route {
            Route::Version => json_body(StatusCode::OK, &self.version()),
            Route::Health => plain(StatusCode::OK, "ok"),
            Route::SelfReview => self_review(user),
            Route::AccessReview => self.access_review(asked.body(), user),
            Route::ClusterInfo => self.cluster_info(memory),
            Route::Create => self.create(memory, asked.body(), user),
            Route::List => requests(memory, &query),
            Route::Watch => self.watch(memory, &query),
            Route::Get(name) => match memory.store.get(name) {
                Some(filed) => json_body(StatusCode::OK, &filed.object()),
                None => status::not_found(CERTIFICATES, REQUESTS, name),
            },
            Route::Shelf { .. } => self.kubelet(memory, asked, route, user),
            Route::Beyond(_) | Route::Unknown => status::not_served(),
        }
    }

    fn version(&self) -> Value {
        let (minor, git) = match self.scenario.release {
            Release::New => ("34", "v1.34.1"),
            Release::Old => ("20", "v1.20.2"),
        };
        json!({
            "major": "1", "minor": minor, "gitVersion": git, "gitCommit": "0000000000000000000000000000000000000000",
            "gitTreeState": "clean", "buildDate": "2026-01-02T03:04:05Z", "goVersion": "go1.19.8", "compiler": "gc",
            "platform": "linux/amd64",
        })
    }

    fn access_review(&self, body: &[u8], user: &User) -> Answer {
        let Ok(mut review) = serde_json::from_slice::<Value>(body) else {
            return status::bad_request("the object provided is unrecognized");
        };
        if review["kind"] != "SelfSubjectAccessReview" || review["apiVersion"] != "authorization.k8s.io/v1" {
            return status::bad_request("the object provided is of another kind or version");
        }
        let about = &review["spec"]["resourceAttributes"];
        let route = match (
            about["group"].as_str(),
            about["resource"].as_str(),
            about["verb"].as_str(),
        ) {
            (Some(CERTIFICATES), Some(REQUESTS), Some("create")) => Route::Create,
            (Some(CERTIFICATES), Some(REQUESTS), Some("list")) => Route::List,
            (Some(CERTIFICATES), Some(REQUESTS), Some("watch")) => Route::Watch,
            (Some(CERTIFICATES), Some(REQUESTS), Some("get")) => Route::Get(String::new()),
            _ => Route::Beyond("use"),
        };
        let is_allowed = self.forbidden(user, &route).is_none();
        review["metadata"] = json!({"creationTimestamp": null});
        review["status"] = if is_allowed {
            json!({"allowed": true, "reason": "RBAC: allowed by ClusterRoleBinding \"kubeadm:kubelet-bootstrap\""})
        } else {
            json!({"allowed": false})
        };
        json_body(StatusCode::CREATED, &review)
    }

    fn cluster_info(&self, memory: &mut Memory) -> Answer {
        memory.discoveries += 1;
        let authority = match self.scenario.cluster_info {
            ClusterInfo::OtherAuthority => &self.other,
            ClusterInfo::OtherAuthoritySecond if memory.discoveries > 1 => &self.other,
            _ => &self.authority,
        };
        let kubeconfig = discovery::kubeconfig(&self.url, &authority.pem());
        let secrets = memory
            .tokens
            .iter()
            .filter_map(|token| token.split_once('.'))
            .map(|(id, secret)| match self.scenario.cluster_info {
                ClusterInfo::BadSignature => (id, "not the secret"),
                ClusterInfo::Unsigned => ("othere", secret),
                _ => (id, secret),
            });
        match self.scenario.cluster_info {
            ClusterInfo::Absent => status::not_found("", "configmaps", "cluster-info"),
            _ => json_body(StatusCode::OK, &discovery::cluster_info(&kubeconfig, secrets)),
        }
    }

    fn create(self: &Arc<Self>, memory: &mut Memory, sent: &[u8], user: &User) -> Answer {
        let wanted = match judge(sent, self.scenario.release) {
            Ok(wanted) => wanted,
            Err(Refusal::Bad(message)) => {
                memory.findings.push(format!("create: {message}"));
                return status::bad_request(&message);
            }
            Err(Refusal::Invalid(name, causes)) => {
                let each = causes
                    .iter()
                    .map(|cause| format!("create: {}: {}", cause.field, cause.message));
                memory.findings.extend(each);
                return status::invalid(&name, &causes);
            }
        };
        let found = wanted.flaws.iter().chain(&wanted.notes);
        memory.findings.extend(found.map(|one| format!("create: {one}")));
        let name = wanted.name.clone();
        let Some(filed) = memory.store.file(wanted, user) else {
            return status::already_exists(CERTIFICATES, REQUESTS, &name);
        };
        let (name, object) = (filed.name.clone(), filed.object());
        self.filed(memory, &name);
        json_body(StatusCode::CREATED, &object)
    }

    fn watch(self: &Arc<Self>, memory: &mut Memory, query: &Query) -> Answer {
        let name = match query.name() {
            Ok(name) => name,
            Err(field) => return status::bad_request(&format!("field label not supported: {field}")),
        };
        let from = match query.get("resourceVersion").unwrap_or_default() {
            "" | "0" => None,
            text => match text.parse::<u64>() {
                Ok(version) => Some(version),
                Err(_) => return status::bad_request("resourceVersion: Invalid value"),
            },
        };
        let newest = memory.store.version();
        if from.is_some_and(|from| from > newest) {
            let finding = format!("watch: version {from:?} was never given, the newest is {newest}");
            memory.findings.push(finding);
        }
        let expired = status::expired(from.unwrap_or_default(), newest);
        memory.watches += 1;
        let (sender, answer) = pieces(StatusCode::OK, JSON);
        let plan = &self.scenario.watch;
        let mut before = memory.watches;
        for (count, ending) in [
            (plan.closed_first, Ending::Closed),
            (plan.cut_first, Ending::Cut),
            (plan.gone_first, Ending::Gone),
            (plan.expired_first, Ending::Expired),
        ] {
            if before <= count {
                return match ending {
                    Ending::Closed => answer,
                    Ending::Gone => json_body(StatusCode::GONE, &expired),
                    Ending::Cut => {
                        drop(sender.send(Ok(Bytes::from_static(b"{\"type\":\"MODI"))));
                        drop(sender.send(Err(std::io::Error::other("cut"))));
                        answer
                    }
                    Ending::Expired => {
                        drop(sender.send(Ok(line("ERROR", &expired))));
                        answer
                    }
                };
            }
            before -= count;
        }
        let has_bookmarks = plan.has_bookmarks && query.is_true("allowWatchBookmarks");
        // Whom nobody calls that hears nothing.
        let name = if plan.is_deaf { Some("/".to_owned()) } else { name };
        let id = memory.store.watch(name, from, has_bookmarks, sender);
        let cluster = Arc::clone(self);
        let wait = lasts(query);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            lock(&cluster.memory).store.unwatch(id);
        });
        answer
    }
}

/// How a watch goes wrong.
enum Ending {
    Closed,
    Cut,
    Gone,
    Expired,
}

/// How long a watch lasts.
pub(crate) fn lasts(query: &Query) -> Duration {
    let given = query.get("timeoutSeconds").and_then(|text| text.parse().ok());
    given.map_or(WATCH, Duration::from_secs)
}

fn requests(memory: &Memory, query: &Query) -> Answer {
    let name = match query.name() {
        Ok(name) => name,
        Err(field) => return status::bad_request(&format!("field label not supported: {field}")),
    };
    let items = memory
        .store
        .list(name.as_deref())
        .iter()
        .map(|filed| bare(filed.object()))
        .collect();
    let all = list(
        "CertificateSigningRequestList",
        "certificates.k8s.io/v1",
        memory.store.version(),
        items,
    );
    json_body(StatusCode::OK, &all)
}

fn self_review(user: &User) -> Answer {
    let review = json!({
        "kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {"creationTimestamp": null},
        "status": {"userInfo": {"username": user.name, "groups": user.groups}},
    });
    json_body(StatusCode::CREATED, &review)
}

pub(crate) fn denied(user: &User, verb: &str, group: &str, resource: &str, name: &str) -> Answer {
    let user = &user.name;
    let what = format!(
        "User {user:?} cannot {verb} resource {resource:?} in API group {group:?} at the cluster scope"
    );
    status::forbidden(group, resource, name, &what)
}

/// The answer that a scenario ordered.
fn wrong(with: &With, route: &Route, user: Option<&User>) -> Answer {
    let name = match route {
        Route::Get(name) => name.as_str(),
        _ => "",
    };
    match with {
        With::Unauthorized => status::unauthorized(),
        With::Forbidden => {
            let anonymous = User::anonymous();
            let (verb, group, resource) = match route {
                Route::Create => ("create", CERTIFICATES, REQUESTS),
                Route::List => ("list", CERTIFICATES, REQUESTS),
                Route::Watch => ("watch", CERTIFICATES, REQUESTS),
                Route::Get(_) => ("get", CERTIFICATES, REQUESTS),
                Route::Shelf {
                    verb, collection, ..
                } => (*verb, collection.group, collection.resource),
                _ => ("get", "", "path"),
            };
            denied(user.unwrap_or(&anonymous), verb, group, resource, name)
        }
        With::NotServed => status::not_served(),
        With::AlreadyExists => status::already_exists(CERTIFICATES, REQUESTS, "node-csr-taken"),
        With::Invalid { field, message } => {
            let cause = status::Cause {
                reason: "FieldValueInvalid",
                message: message.clone(),
                field: field.clone(),
            };
            status::invalid("", &[cause])
        }
        With::TooManyRequests(seconds) => status::too_many_requests(*seconds),
        With::Failure(code) => {
            let (reason, message) = match code {
                503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
                504 => ("Timeout", "the server was unable to return a response in the time allotted"),
                _ => ("InternalError", "Internal error occurred: etcdserver: request timed out"),
            };
            status::refuse(*code, reason, message, Value::Null)
        }
        With::Html => body(
            StatusCode::BAD_GATEWAY,
            "text/html",
            b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n".to_vec(),
        ),
        With::Empty(code) => {
            let mut answer = Response::new(Content::Whole(None));
            *answer.status_mut() = StatusCode::from_u16(*code).unwrap_or(StatusCode::BAD_GATEWAY);
            answer
        }
        With::Cut => {
            let (sender, answer) = pieces(StatusCode::OK, JSON);
            drop(sender.send(Ok(Bytes::from_static(b"{\"kind\":"))));
            drop(sender.send(Err(std::io::Error::other("cut"))));
            answer
        }
    }
}

/// The same answer in two halves.
fn slowly(answer: Answer, pause: Duration) -> Answer {
    let (head, content) = answer.into_parts();
    match content {
        Content::Whole(Some(bytes)) => {
            let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(async move {
                let half = bytes.len() / 2;
                drop(sender.send(Ok(bytes.slice(..half))));
                tokio::time::sleep(pause).await;
                drop(sender.send(Ok(bytes.slice(half..))));
            });
            Response::from_parts(head, Content::Pieces(receiver))
        }
        content => Response::from_parts(head, content),
    }
}
