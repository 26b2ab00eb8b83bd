//! The API server that a guest joins: the double, or the real one where its programs are built.

use kindling_api_server::{ApiServer, Scenario};
use serde_json::Value;

use crate::control_plane::{self, ControlPlane, ControlPlaneError, Options, TOKEN_GROUP};

/// The address guests know the API server by.
pub const ADDRESS: &str = "10.0.2.101:6443";

/// The token that guests are given. The half behind the dot is the secret; nothing else on a disk has those letters.
const TOKEN: &str = "node01.planted5ecret0f7";

/// Which API server a machine is offered.
#[derive(Clone, Debug)]
pub enum Offered {
    /// The double in this scenario; how guests reach it is filled in.
    Double(Box<Scenario>),
    /// kube-apiserver, with the controllers that a join needs.
    Real,
}

impl Offered {
    /// The real one where `make cluster-tools` has built it, else the double.
    #[must_use]
    pub fn best() -> Self {
        match control_plane::programs().join("kube-apiserver").exists() {
            true => Self::Real,
            false => Self::Double(Box::default()),
        }
    }
}

/// A running API server; it ends with this value.
pub enum Api {
    /// The double.
    Double(ApiServer),
    /// The real one.
    Real(Box<ControlPlane>),
}

impl Api {
    /// Starts it, for guests that know it by [`ADDRESS`].
    ///
    /// # Errors
    /// The programs of the real one are not there or do not start.
    pub fn start(offered: Offered) -> Result<Self, ControlPlaneError> {
        let (host, _) = ADDRESS.split_once(':').unwrap_or((ADDRESS, ""));
        match offered {
            Offered::Double(mut scenario) => {
                scenario.listener.hosts = vec![host.to_owned()];
                scenario.listener.url = Some(format!("https://{ADDRESS}"));
                scenario.tokens = vec![TOKEN.to_owned()];
                Ok(Self::Double(ApiServer::start(*scenario)))
            }
            Offered::Real => {
                let options = Options {
                    advertised: ADDRESS.to_owned(),
                };
                let plane = ControlPlane::start_with(&options)?;
                plane.add_token(TOKEN, time::Duration::hours(1), TOKEN_GROUP)?;
                Ok(Self::Real(Box::new(plane)))
            }
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Double(_) => "API server (the tests' double)",
            Self::Real(_) => "kube-apiserver with its controller manager and etcd",
        }
    }

    /// Its port on the host's loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Double(double) => double.port(),
            Self::Real(plane) => plane.port(),
        }
    }

    /// The authority of its certificate, PEM.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        match self {
            Self::Double(double) => double.ca_pem(),
            Self::Real(plane) => plane.authority_pem().to_owned(),
        }
    }

    /// A bootstrap token that it knows, `id.secret`.
    #[must_use]
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// Every request for a certificate that it has, as it stores it.
    ///
    /// # Errors
    /// The real one does not answer.
    pub fn requests(&self) -> Result<Vec<Value>, ControlPlaneError> {
        match self {
            Self::Double(double) => Ok(double.requests()),
            Self::Real(plane) => plane.requests(),
        }
    }

    /// The Node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<Value> {
        match self {
            Self::Double(double) => double.node(name),
            Self::Real(plane) => plane.get(&format!("/api/v1/nodes/{name}")).ok(),
        }
    }
}
