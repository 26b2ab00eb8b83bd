//! Who asks: a bootstrap token, a node's certificate, nobody, or somebody this server does not know.

use hyper::header::{AUTHORIZATION, HeaderMap};
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::http::Shown;
use crate::request::{NODE, NODES};

/// A user that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec!["system:unauthenticated".to_owned()],
        }
    }

    /// The holder of a bootstrap token with this id.
    pub(crate) fn bootstrap(id: &str) -> Self {
        Self {
            name: format!("system:bootstrap:{id}"),
            groups: [
                "system:bootstrappers",
                "system:bootstrappers:kubeadm:default-node-token",
                "system:authenticated",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_in("system:unauthenticated")
    }

    pub(crate) fn is_bootstrapper(&self) -> bool {
        self.is_in("system:bootstrappers")
    }

    /// The node that this user is.
    pub(crate) fn node(&self) -> Option<&str> {
        self.name.strip_prefix(NODE).filter(|_| self.is_in(NODES))
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }
}

/// The user behind a request; `None` is 401. A certificate comes before a token, as in the real one.
pub(crate) fn recognised(
    headers: &HeaderMap,
    shown: &Shown,
    clients: &dyn ClientCertVerifier,
    tokens: &[String],
) -> Option<User> {
    if let Some((leaf, others)) = shown.0.split_first() {
        clients.verify_client_cert(leaf, others, UnixTime::now()).ok()?;
        return of_certificate(leaf);
    }
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Some(User::anonymous());
    };
    let token = header.to_str().ok()?.strip_prefix("Bearer ")?;
    let known = tokens.iter().find(|known| *known == token)?;
    Some(User::bootstrap(known.split_once('.')?.0))
}

fn of_certificate(der: &[u8]) -> Option<User> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let mut groups: Vec<_> = subject
        .iter_organization()
        .filter_map(|one| one.as_str().ok().map(str::to_owned))
        .collect();
    groups.push("system:authenticated".to_owned());
    Some(User { name, groups })
}
