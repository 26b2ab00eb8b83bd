//! Joining a cluster.

use super::{ALWAYS, authorities};
use crate::fields::patterns::{
    ADDRESSES, CA_HASH, HTTPS_SERVER, LABEL_KEY, LABEL_VALUE, NODE_NAME, SERVICE, TAINT, TOKEN,
};
use crate::fields::resource::RESOURCE;
use crate::fields::{Joining, Limit, Shape, Table, field, integer, object, text, texts};

pub(super) static NODE: Table = Table {
    name: "node",
    fields: &[
        object(ALWAYS, "access", &ACCESS, "Which ways to log in stay open."),
        object(
            ALWAYS,
            "bootstrap",
            &BOOTSTRAP,
            "How the machine proves for the first time that it may join.",
        ),
        object(
            ALWAYS,
            "cluster",
            &CLUSTER,
            "The cluster to join, and how to know it.",
        ),
        object(ALWAYS, "kubelet", &KUBELET, "How the kubelet runs."),
        text(
            ALWAYS,
            "name",
            "The node's name. Absent is the host name the platform gives, else the machine's own. Like `kubelet.nodeIp`, \
             `kubelet.providerId`, values of `kubelet.labels` and texts in `kubelet.config`, it may have \
             [placeholders](placeholders.md).",
        )
        .pattern(&NODE_NAME)
        .example(r#""worker-1""#),
        object(
            ALWAYS,
            "preflight",
            &PREFLIGHT,
            "What is looked at before the machine joins.",
        ),
        text(
            ALWAYS,
            "prerequisites",
            "`set` writes files that load the kernel modules and set the kernel parameters a node needs, and that \
             turn swap off; `keep` leaves all that as the image has it. Without a cluster's server nothing is written.",
        )
        .limit(Limit::Words(&[(ALWAYS, "set"), (ALWAYS, "keep")]))
        .default(r#""set""#),
    ],
};

static ACCESS: Table = Table {
    name: "access",
    fields: &[
        text(
            ALWAYS,
            "consoleLogin",
            "`off` masks the login prompts of the consoles; `keep` leaves them as the image has them.",
        )
        .limit(Limit::Words(&[(ALWAYS, "off"), (ALWAYS, "keep")]))
        .default(r#""keep""#),
        text(
            ALWAYS,
            "ssh",
            "`off` masks the SSH server; `keep` leaves it as the image has it.",
        )
        .limit(Limit::Words(&[(ALWAYS, "off"), (ALWAYS, "keep")]))
        .default(r#""keep""#),
    ],
};

static BOOTSTRAP: Table = Table {
    name: "bootstrap",
    fields: &[
        integer(
            ALWAYS,
            "approvalTimeoutSeconds",
            "Seconds to wait until the cluster has approved the node's certificate.",
        )
        .limit(Limit::Range(1, 86_400))
        .default("300"),
        text(
            ALWAYS,
            "during",
            "When mode `native` asks for the certificate: `unit` in a unit before the kubelet, `initramfs` before the \
             root is switched, so that a machine that may not join does not come up.",
        )
        .limit(Limit::Words(&[(ALWAYS, "unit"), (ALWAYS, "initramfs")]))
        .default(r#""unit""#),
        integer(
            ALWAYS,
            "lifetimeSeconds",
            "The lifetime in seconds that mode `native` wishes for the certificate. The cluster may shorten it; one older \
             than 1.22 gives its own.",
        )
        .limit(Limit::Range(600, 2_147_483_647)),
        text(
            ALWAYS,
            "mode",
            "Who asks for the certificate: `kubelet` leaves it to the kubelet after the boot, `native` asks \
             during the first boot, so that a refusal is told like any failure.",
        )
        .limit(Limit::Words(&[(ALWAYS, "kubelet"), (ALWAYS, "native")]))
        .default(r#""kubelet""#),
        text(
            ALWAYS,
            "token",
            "The bootstrap token, `id.secret`. Whoever can fetch the config has it. It excludes \
             `tokenSource`.",
        )
        .pattern(&TOKEN)
        .example(r#""abcdef.0123456789abcdef""#),
        object(
            ALWAYS,
            "tokenSource",
            &RESOURCE,
            "Where to fetch the bootstrap token from, so that it is in no config. It excludes `token`.",
        ),
    ],
};

static CLUSTER: Table = Table {
    name: "cluster",
    fields: &[
        texts(
            ALWAYS,
            "caCertHashes",
            Joining::ByText,
            "Digests of the public keys (SPKI) of authorities of the cluster, each `sha256:` and 64 hex \
             digits. One of them must match what the server shows.",
        )
        .pattern(&CA_HASH)
        .example(r#"["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]"#),
        authorities("The cluster's authorities, as PEM. Nothing else is trusted for its server."),
        text(
            ALWAYS,
            "server",
            "URL of the API server. Without it nothing is joined.",
        )
        .pattern(&HTTPS_SERVER)
        .example(r#""https://api.cluster.example.com:6443""#),
    ],
};

static KUBELET: Table = Table {
    name: "kubelet",
    fields: &[
        field(
            ALWAYS,
            "config",
            Shape::Free,
            "A KubeletConfiguration, passed on as it is. It nests at most 64 levels deep.",
        )
        .example(r#"{"maxPods": 200}"#),
        field(
            ALWAYS,
            "labels",
            Shape::Map(&LABEL_KEY, &Shape::Text),
            "Labels the node registers with.",
        )
        .pattern(&LABEL_VALUE)
        .example(r#"{"topology.kubernetes.io/zone": "a"}"#),
        text(
            ALWAYS,
            "layout",
            "Where the kubelet of this image looks for its files: as kubeadm's packages have it, in `plain` places named \
             on its command line, or as OpenShift's images have it.",
        )
        .limit(Limit::Words(&[
            (ALWAYS, "kubeadm"),
            (ALWAYS, "plain"),
            (ALWAYS, "openshift"),
        ]))
        .default(r#""kubeadm""#),
        text(
            ALWAYS,
            "nodeIp",
            "The node's address, or one of each family with a comma between. Absent is the kubelet's choice.",
        )
        .pattern(&ADDRESSES)
        .example(r#""192.0.2.10""#),
        text(
            ALWAYS,
            "providerId",
            "What the cloud calls this machine, for the cloud controller. Absent is what the platform knows.",
        )
        .example(r#""example:///zone-a/i-0123""#),
        texts(
            ALWAYS,
            "taints",
            Joining::ByText,
            "Taints the node registers with, each `key=value:Effect` or `key:Effect`.",
        )
        .pattern(&TAINT)
        .example(r#"["dedicated=storage:NoSchedule"]"#),
        text(ALWAYS, "unit", "The kubelet's unit.")
            .pattern(&SERVICE)
            .default(r#""kubelet.service""#),
    ],
};

static PREFLIGHT: Table = Table {
    name: "preflight",
    fields: &[
        texts(
            ALWAYS,
            "ignore",
            Joining::ByText,
            "Names of checks whose result does not matter here.",
        )
        .example(r#"["swap"]"#),
        text(
            ALWAYS,
            "mode",
            "What a failed check does: `fail` stops the boot, `warn` tells it and goes on, `off` looks at \
             nothing.",
        )
        .limit(Limit::Words(&[
            (ALWAYS, "fail"),
            (ALWAYS, "warn"),
            (ALWAYS, "off"),
        ]))
        .default(r#""fail""#),
    ],
};
