//! Which of its answers a request asks for.

use hyper::{Method, Uri};
use url::form_urlencoded;

use crate::scenario::On;
use crate::shelf::Collection;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Version,
    Health,
    /// Who am I.
    SelfReview,
    /// May I.
    AccessReview,
    ClusterInfo,
    Create,
    List,
    Watch,
    Get(String),
    /// Anything else with the requests for certificates: no joining machine may.
    Beyond(&'static str),
    /// A thing of a kubelet's.
    Shelf {
        collection: &'static Collection,
        namespace: Option<String>,
        name: Option<String>,
        is_status: bool,
        verb: &'static str,
    },
    Unknown,
}

impl Route {
    /// Reads a request line.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Self {
        let query = Query::of(uri);
        let segments: Vec<&str> = uri.path().trim_matches('/').split('/').collect();
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["version"]) => Self::Version,
            ("GET", ["healthz" | "livez" | "readyz", ..]) => Self::Health,
            ("POST", ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]) => Self::SelfReview,
            ("POST", ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]) => {
                Self::AccessReview
            }
            (
                "GET",
                [
                    "api",
                    "v1",
                    "namespaces",
                    "kube-public",
                    "configmaps",
                    "cluster-info",
                ],
            ) => Self::ClusterInfo,
            ("POST", ["apis", "certificates.k8s.io", "v1", "certificatesigningrequests"]) => Self::Create,
            ("GET", ["apis", "certificates.k8s.io", "v1", "certificatesigningrequests"])
                if query.is_watch() =>
            {
                Self::Watch
            }
            ("GET", ["apis", "certificates.k8s.io", "v1", "certificatesigningrequests"]) => Self::List,
            (
                "GET",
                [
                    "apis",
                    "certificates.k8s.io",
                    "v1",
                    "certificatesigningrequests",
                    name,
                ],
            ) => Self::Get(decoded(name)),
            (
                method,
                [
                    "apis",
                    "certificates.k8s.io",
                    "v1",
                    "certificatesigningrequests",
                    ..,
                ],
            ) => Self::Beyond(verb(method, true, false)),
            (method, segments) => Self::shelf(method, segments, query.is_watch()).unwrap_or(Self::Unknown),
        }
    }

    fn shelf(method: &str, segments: &[&str], is_watch: bool) -> Option<Self> {
        let (group, rest) = match segments {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(decoded(namespace)), rest),
            _ => (None, rest),
        };
        let (resource, name, is_status) = match rest {
            [resource] => (resource, None, false),
            [resource, name] => (resource, Some(decoded(name)), false),
            [resource, name, "status"] => (resource, Some(decoded(name)), true),
            _ => return None,
        };
        Some(Self::Shelf {
            collection: Collection::find(group, resource)?,
            verb: verb(method, name.is_some(), is_watch),
            namespace,
            name,
            is_status,
        })
    }

    /// What a fault calls it.
    pub(crate) fn on(&self) -> On {
        match self {
            Self::Version => On::Version,
            Self::Health => On::Health,
            Self::SelfReview | Self::AccessReview => On::Review,
            Self::ClusterInfo => On::ClusterInfo,
            Self::Create => On::Create,
            Self::List => On::List,
            Self::Watch => On::Watch,
            Self::Get(_) => On::Get,
            Self::Shelf { collection, .. } if collection.resource == "nodes" => On::Nodes,
            Self::Shelf { .. } | Self::Beyond(_) | Self::Unknown => On::Other,
        }
    }
}

fn verb(method: &str, has_name: bool, is_watch: bool) -> &'static str {
    match (method, has_name) {
        ("GET", _) if is_watch => "watch",
        ("GET", true) => "get",
        ("GET", false) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => "use",
    }
}

fn decoded(segment: &str) -> String {
    // A plus is a plus in a path.
    let plain = segment.replace('+', "%2B");
    form_urlencoded::parse(plain.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

/// The part of an address behind its path.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == key)?;
        Some(value)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }

    fn is_watch(&self) -> bool {
        self.is_true("watch")
    }

    /// The only name that is asked for, where the selector names one; the label that is not served otherwise.
    pub(crate) fn name(&self) -> Result<Option<String>, String> {
        let Some(selector) = self.get("fieldSelector").filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let (field, name) = selector.split_once('=').unwrap_or((selector, ""));
        match field {
            "metadata.name" => Ok(Some(name.trim_start_matches('=').to_owned())),
            other => Err(other.to_owned()),
        }
    }
}
