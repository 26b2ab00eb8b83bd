//! Why a machine does not become a node: one cause each, where the config decides it, and what to do.

use crate::plan::Stage;
use crate::report::{Failure, in_merged};

/// A cause. Each has a row in docs/failure-states.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What the files stage left for the join is not there, or not whole.
    Handed,
    /// The name is no node's.
    Name,
    /// The authorities of the cluster are no certificates.
    Authorities,
    /// Nobody answered at the server's address until the time was over.
    Unreachable,
    /// The server's certificate is of another authority.
    WrongAuthority,
    /// The server's certificate is another host's.
    ServerName,
    /// A certificate's dates do not fit this machine's clock.
    Clock,
    /// The server, or what stands before it, was not ready until the time was over.
    Unready,
    /// No API server with certificate requests answers there.
    NotServed,
    /// 401 until the time was over.
    TokenRefused,
    /// 403 until the time was over.
    Forbidden,
    /// The server does not take the request.
    Refused,
    /// Somebody denied it.
    Denied,
    /// The signer could not issue it.
    Failed,
    /// It was deleted again and again.
    Deleted,
    /// Nobody approved it.
    Pending,
    /// It was approved and nobody issued the certificate.
    Unsigned,
    /// The certificate is not the one that was asked for.
    Unfit,
    /// The issued certificate has expired.
    Expired,
    /// The API server does not take the certificate that its cluster issued.
    NotAccepted,
    /// Another machine is the Node of that name.
    NodeExists,
    /// Key, certificate or kubeconfig cannot be written.
    Unwritable,
    /// The kubelet got no certificate.
    NoCertificate,
    /// The kubelet did not register the Node.
    NodeAbsent,
}

impl Cause {
    /// Its stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Handed => "join-handed",
            Self::Name => "join-name",
            Self::Authorities => "join-authority-broken",
            Self::Unreachable => "join-unreachable",
            Self::WrongAuthority => "join-wrong-authority",
            Self::ServerName => "join-server-name",
            Self::Clock => "join-clock",
            Self::Unready => "join-server-unready",
            Self::NotServed => "join-not-served",
            Self::TokenRefused => "join-token-refused",
            Self::Forbidden => "join-forbidden",
            Self::Refused => "join-refused",
            Self::Denied => "join-denied",
            Self::Failed => "join-failed",
            Self::Deleted => "join-deleted",
            Self::Pending => "join-pending",
            Self::Unsigned => "join-unsigned",
            Self::Unfit => "join-certificate-unfit",
            Self::Expired => "join-certificate-expired",
            Self::NotAccepted => "join-certificate-refused",
            Self::NodeExists => "join-node-exists",
            Self::Unwritable => "join-unwritable",
            Self::NoCertificate => "join-kubelet-silent",
            Self::NodeAbsent => "join-node-absent",
        }
    }

    /// Where in the merged config that is decided.
    fn pointer(self) -> &'static str {
        match self {
            Self::Handed => "/kindling/node",
            Self::Name | Self::NodeExists => "/kindling/node/name",
            Self::Authorities | Self::WrongAuthority => "/kindling/node/cluster/certificateAuthorities",
            Self::Unreachable | Self::ServerName | Self::Clock | Self::Unready | Self::NotServed => {
                "/kindling/node/cluster/server"
            }
            Self::TokenRefused | Self::Forbidden | Self::Refused => "/kindling/node/bootstrap/token",
            Self::Pending | Self::Unsigned => "/kindling/node/bootstrap/approvalTimeoutSeconds",
            Self::Denied | Self::Failed | Self::Deleted | Self::Unfit | Self::Expired | Self::NotAccepted => {
                "/kindling/node/bootstrap"
            }
            Self::Unwritable => "/kindling/node/kubelet/layout",
            Self::NoCertificate | Self::NodeAbsent => "/kindling/node/kubelet",
        }
    }

    /// What the operator does next. `kindling join` afterwards, or another boot, goes on from what is done.
    fn next(self) -> &'static str {
        match self {
            Self::Handed => {
                "see how the files stage ended, which leaves join.json in /run/kindling; another boot makes it anew"
            }
            Self::Name => {
                "give the machine a name in kindling.node.name, or a host name that is a lower-case DNS name"
            }
            Self::Authorities => "provide a PEM bundle of the cluster's CA certificates",
            Self::Unreachable => "check the address, its name in DNS, and the way from this machine to it",
            Self::WrongAuthority => {
                "put the CA of this cluster into the config; after a cluster is made anew, its new one"
            }
            Self::ServerName => "use a name that the server's certificate lists, or issue one for this name",
            Self::Clock => "set this machine's clock; if it is right, the certificate's dates are wrong",
            Self::Unready => {
                "look at the control plane and at the load balancer before it; then run kindling join"
            }
            Self::NotServed => "use the address of an API server of Kubernetes 1.19 or newer",
            Self::TokenRefused => {
                "make a new bootstrap token for this cluster (kubeadm token create) and put it into the config"
            }
            Self::Forbidden => "bind the token's group to the ClusterRole system:node-bootstrapper",
            Self::Refused => "look at the server's words, and at its admission plug-ins",
            Self::Denied => {
                "find out who denied it and why; delete the request (kubectl delete csr NAME), then run kindling join"
            }
            Self::Failed => {
                "look at the signer's log; delete the request (kubectl delete csr NAME), then run kindling join"
            }
            Self::Deleted => "find out who deletes the request; then run kindling join",
            Self::Pending => {
                "approve it (kubectl certificate approve NAME), or see the approver's log; then run kindling join"
            }
            Self::Unsigned => {
                "check that kube-controller-manager runs its csrsigning controller; then run kindling join"
            }
            Self::Unfit => {
                "look at the cluster's signer; delete the request (kubectl delete csr NAME), then run kindling join"
            }
            Self::Expired => {
                "compare the clocks of signer and machine; delete the request (kubectl delete csr NAME), then run kindling join"
            }
            Self::NotAccepted => {
                "let the API server trust the signer's CA (--client-ca-file) and authorise nodes (Node, RBAC)"
            }
            Self::NodeExists => {
                "give this machine another name; or drain the other one and kubectl delete node NAME, then run kindling join"
            }
            Self::Unwritable => "check that the file system is mounted writable and has space left",
            Self::NoCertificate => "look at the kubelet's journal, and at its request (kubectl get csr)",
            Self::NodeAbsent => {
                "look at the kubelet's journal: a label or option that it refuses ends it before it registers"
            }
        }
    }

    /// The record of it: `what` happened, and `why` as far as that is known.
    #[must_use]
    pub fn record(self, what: impl Into<String>, why: Vec<String>) -> Failure {
        Failure {
            code: self.code().to_owned(),
            stage: Stage::Join,
            what: what.into(),
            place: in_merged(self.pointer()),
            why,
            next: self.next().to_owned(),
        }
    }
}
