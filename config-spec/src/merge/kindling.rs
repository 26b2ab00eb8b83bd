//! Merging the extension.

use super::lists::keyed;
use super::{Merge, headers, objects};
use crate::order::OrderedMap;
use crate::types::kindling::{
    Access, Bootstrap, Cluster, FileExtra, Identity, Kindling, Kubelet, Node, OnFailure, Preflight, Report,
    Sink, Transport,
};

/// Objects whose members the user names join by these names.
fn maps<T: Merge + Default>(
    mut parent: OrderedMap<String, T>,
    child: OrderedMap<String, T>,
) -> OrderedMap<String, T> {
    for (name, over) in child {
        match parent.get_mut(&name) {
            Some(member) => *member = std::mem::take(member).over(over),
            None => drop(parent.insert(name, over)),
        }
    }
    parent
}

impl Merge for Kindling {
    fn over(self, child: Self) -> Self {
        objects(self, child, |parent, child| Self {
            files: maps(parent.files, child.files),
            node: parent.node.over(child.node),
            on_failure: parent.on_failure.over(child.on_failure),
            report: parent.report.over(child.report),
            transport: parent.transport.over(child.transport),
            version: child.version,
        })
    }
}

impl Merge for FileExtra {
    fn over(self, child: Self) -> Self {
        Self {
            compression: child.compression.or(self.compression),
            expand: child.expand.or(self.expand),
        }
    }
}

impl Merge for OnFailure {
    fn over(self, child: Self) -> Self {
        Self {
            action: child.action.or(self.action),
            attempts: child.attempts.or(self.attempts),
            delay_seconds: child.delay_seconds.or(self.delay_seconds),
        }
    }
}

impl Merge for Transport {
    fn over(self, child: Self) -> Self {
        Self {
            hosts: maps(self.hosts, child.hosts),
        }
    }
}

impl Merge for Identity {
    fn over(self, child: Self) -> Self {
        Self {
            client_certificate: self.client_certificate.over(child.client_certificate),
            client_key: self.client_key.over(child.client_key),
        }
    }
}

impl Merge for Node {
    fn over(self, child: Self) -> Self {
        Self {
            access: self.access.over(child.access),
            bootstrap: self.bootstrap.over(child.bootstrap),
            cluster: self.cluster.over(child.cluster),
            kubelet: self.kubelet.over(child.kubelet),
            name: child.name.or(self.name),
            preflight: self.preflight.over(child.preflight),
            prerequisites: child.prerequisites.or(self.prerequisites),
        }
    }
}

impl Merge for Access {
    fn over(self, child: Self) -> Self {
        Self {
            console_login: child.console_login.or(self.console_login),
            ssh: child.ssh.or(self.ssh),
        }
    }
}

impl Merge for Bootstrap {
    fn over(self, child: Self) -> Self {
        Self {
            approval_timeout_seconds: child.approval_timeout_seconds.or(self.approval_timeout_seconds),
            during: child.during.or(self.during),
            lifetime_seconds: child.lifetime_seconds.or(self.lifetime_seconds),
            mode: child.mode.or(self.mode),
            token: child.token.or(self.token),
            token_source: self.token_source.over(child.token_source),
        }
    }
}

impl Merge for Cluster {
    fn over(self, child: Self) -> Self {
        Self {
            ca_cert_hashes: keyed(self.ca_cert_hashes, child.ca_cert_hashes),
            certificate_authorities: keyed(self.certificate_authorities, child.certificate_authorities),
            server: child.server.or(self.server),
        }
    }
}

impl Merge for Kubelet {
    /// What is inside a member of the kubelet's own configuration is the kubelet's matter: members are replaced
    /// whole.
    fn over(self, child: Self) -> Self {
        let mut config = self.config;
        config.extend(child.config);
        Self {
            config,
            labels: maps(self.labels, child.labels),
            layout: child.layout.or(self.layout),
            node_ip: child.node_ip.or(self.node_ip),
            provider_id: child.provider_id.or(self.provider_id),
            taints: keyed(self.taints, child.taints),
            unit: child.unit.or(self.unit),
        }
    }
}

impl Merge for Preflight {
    fn over(self, child: Self) -> Self {
        Self {
            ignore: keyed(self.ignore, child.ignore),
            mode: child.mode.or(self.mode),
        }
    }
}

impl Merge for Report {
    fn over(self, child: Self) -> Self {
        Self {
            sinks: keyed(self.sinks, child.sinks),
        }
    }
}

impl Merge for Sink {
    /// The type and the address are the key, so both sides have the same.
    fn over(self, child: Self) -> Self {
        Self {
            certificate_authorities: keyed(self.certificate_authorities, child.certificate_authorities),
            headers: headers(self.headers, child.headers),
            kind: child.kind,
            path: child.path,
            port: child.port,
            url: child.url,
        }
    }
}
