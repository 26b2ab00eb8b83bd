//! What a cluster made by kubeadm has for those who want to join it (cluster.md 2.1, 2.10): as API objects, each with the
//! collection it is created in.

use serde_json::{Value, json};

/// The group that kubeadm's tokens belong to, beside that of every bootstrap token.
pub const TOKEN_GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

/// The collection of token Secrets.
pub(super) const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// The object that tells whoever has a token where and who the cluster is.
pub(super) const CLUSTER_INFO: &str = "/api/v1/namespaces/kube-public/configmaps";

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A bootstrap token, good until `expiration` (RFC 3339). The server refuses an empty list of groups, so that is left out.
pub(super) fn token(token: &str, expiration: &str, groups: &str) -> Value {
    let (id, password) = token.split_once('.').unwrap_or((token, ""));
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": format!("bootstrap-token-{id}"), "namespace": "kube-system" },
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": id,
            "token-secret": password,
            "expiration": expiration,
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
        },
    });
    if !groups.is_empty() {
        secret["stringData"]["auth-extra-groups"] = json!(groups);
    }
    secret
}

/// Who may do what: the bindings that `kubeadm init` makes for nodes that join.
pub(super) fn bindings() -> Vec<(String, Value)> {
    let node_client = "system:certificates.k8s.io:certificatesigningrequests";
    [
        (
            "kubeadm:kubelet-bootstrap",
            "system:node-bootstrapper",
            TOKEN_GROUP,
        ),
        (
            "kubeadm:node-autoapprove-bootstrap",
            &format!("{node_client}:nodeclient"),
            TOKEN_GROUP,
        ),
        (
            "kubeadm:node-autoapprove-certificate-rotation",
            &format!("{node_client}:selfnodeclient"),
            "system:nodes",
        ),
        ("kubeadm:get-nodes", "kubeadm:get-nodes", TOKEN_GROUP),
    ]
    .map(|(name, role, group)| {
        let object = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }],
        });
        (format!("{RBAC}/clusterrolebindings"), object)
    })
    .into_iter()
    .chain([(
        format!("{RBAC}/clusterroles"),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": { "name": "kubeadm:get-nodes" },
            "rules": [{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get"] }],
        }),
    )])
    .chain(everybody_reads_cluster_info())
    .collect()
}

fn everybody_reads_cluster_info() -> [(String, Value); 2] {
    let name = "kubeadm:bootstrap-signer-clusterinfo";
    let metadata = json!({ "name": name, "namespace": "kube-public" });
    [
        (
            format!("{RBAC}/namespaces/kube-public/roles"),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "Role",
                "metadata": metadata,
                "rules": [{
                    "apiGroups": [""],
                    "resources": ["configmaps"],
                    "resourceNames": ["cluster-info"],
                    "verbs": ["get"],
                }],
            }),
        ),
        (
            format!("{RBAC}/namespaces/kube-public/rolebindings"),
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
                "subjects": [{
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "User",
                    "name": "system:anonymous",
                }],
            }),
        ),
    ]
}

/// `cluster-info`, which the bootstrap signer signs for every token.
pub(super) fn cluster_info(kubeconfig: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "cluster-info", "namespace": "kube-public" },
        "data": { "kubeconfig": kubeconfig },
    })
}
