//! The config server of a cluster, as OpenShift's answers: routes, statuses, empty bodies, versions by `Accept`, and the
//! files it adds to the config of a pool.
//!
//! What it knows is data; [`ConfigServer::answer`] is a function of the request. Facts: the sections on the Machine Config
//! Server in the project's cluster facts.

mod convert;
mod negotiate;
mod rendered;

use std::collections::BTreeMap;

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::Value;

use crate::server::Answer;

pub use self::convert::{NEWEST, NoConversion};
pub use self::negotiate::{Served, negotiate};
pub use self::rendered::{Cluster, MACHINE_CONFIG, Rendered, append};

/// The config of a pool, as its administrators and controllers wrote it.
#[derive(Clone, Debug)]
pub enum Pool {
    /// It is there, in the newest version that the server knows.
    Ready(Value),
    /// It is known, and nothing was rendered for it yet.
    NotReady,
}

/// Who serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The cluster.
    Cluster,
    /// The installer's own machine: pools `master` and `arbiter` alone, and at first not even those.
    Bootstrap,
}

/// A config server.
#[derive(Clone, Debug)]
pub struct ConfigServer {
    /// Who serves.
    pub mode: Mode,
    /// The pools by name.
    pub pools: BTreeMap<String, Pool>,
    /// What the files it adds are made of; without it none is added.
    pub cluster: Option<Cluster>,
}

impl ConfigServer {
    /// The answer to a request for `path`, a query left out.
    #[must_use]
    pub fn answer(&self, method: &Method, path: &str, accept: Option<&str>) -> Answer {
        if *method != Method::GET && *method != Method::HEAD {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        if path == "/healthz" {
            return empty(StatusCode::OK);
        }
        let Some(below) = path.strip_prefix("/config/") else {
            return empty(StatusCode::NOT_FOUND);
        };
        // The last component alone counts; of none the folder is the last.
        let pool = below.trim_end_matches('/').rsplit('/').next();
        let pool = pool.filter(|name| !name.is_empty()).unwrap_or("config");
        match self.config(pool, accept) {
            Ok(config) => json(&config),
            Err(status) => empty(status),
        }
    }

    fn config(&self, pool: &str, accept: Option<&str>) -> Result<Value, StatusCode> {
        let served = negotiate(accept).ok_or(StatusCode::BAD_REQUEST)?;
        if self.mode == Mode::Bootstrap && !matches!(pool, "master" | "arbiter") {
            return Err(StatusCode::INTERNAL_SERVER_ERROR);
        }
        let config = match (self.pools.get(pool), self.mode) {
            (Some(Pool::Ready(config)), _) => config.clone(),
            (_, Mode::Bootstrap) => return Err(StatusCode::NOT_FOUND),
            (Some(Pool::NotReady) | None, Mode::Cluster) => return Err(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let rendered = convert::down(config, served).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(match &self.cluster {
            Some(cluster) => append(rendered, pool, cluster),
            None => rendered.config,
        })
    }
}

/// A status and no word.
fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Vec::new().into());
    *answer.status_mut() = status;
    let length = HeaderValue::from_static("0");
    answer.headers_mut().insert(CONTENT_LENGTH, length);
    answer
}

fn json(config: &Value) -> Answer {
    let bytes = config.to_string().into_bytes();
    let length = HeaderValue::from(bytes.len());
    let mut answer = Response::new(bytes.into());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, length);
    answer
}

#[cfg(test)]
mod tests;
