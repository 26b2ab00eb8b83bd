//! The `ignition` section.

use super::patterns::HTTP;
use super::resource::REFERENCE;
use super::{Joining, Limit, Table, integer, object, objects, text, texts};
use crate::version::Version::{V3_0_0, V3_1_0};

pub(super) static IGNITION: Table = Table {
    name: "ignition",
    fields: &[
        object(V3_0_0, "config", &CONFIG, "Other configs this one refers to."),
        object(V3_1_0, "proxy", &PROXY, "Proxies for everything that is fetched."),
        object(V3_0_0, "security", &SECURITY, "What to trust when fetching."),
        object(V3_0_0, "timeouts", &TIMEOUTS, "How long to wait when fetching."),
        text(
            V3_0_0,
            "version",
            "The version of the language the document is written in. It decides which members exist and \
             which rules hold; configs of different versions can be merged.",
        )
        .required()
        .limit(Limit::Version),
    ],
};

pub(super) static CONFIG: Table = Table {
    name: "configReferences",
    fields: &[
        objects(
            V3_0_0,
            "merge",
            &REFERENCE,
            Joining::By("source"),
            "Configs to fetch and merge over this one, in this order: later ones win.",
        )
        .demands("source", V3_1_0),
        object(
            V3_0_0,
            "replace",
            &REFERENCE,
            "A config to use instead of this one, of which then only this section's settings for fetching \
             are used. Unused while `source` is absent.",
        ),
    ],
};

pub(super) static PROXY: Table = Table {
    name: "proxy",
    fields: &[
        text(
            V3_1_0,
            "httpProxy",
            "URL of the proxy for HTTP, and for HTTPS unless that has one of its own.",
        )
        .pattern(&HTTP)
        .example(r#""http://proxy.example.com:3128""#),
        text(
            V3_1_0,
            "httpsProxy",
            "URL of the proxy for HTTPS. One that is itself reached over `http` draws a warning.",
        )
        .pattern(&HTTP)
        .example(r#""https://proxy.example.com:3129""#),
        texts(
            V3_1_0,
            "noProxy",
            Joining::ByText,
            "Hosts reached without a proxy: addresses, prefixes such as `10.0.0.0/8`, domains, `.domain`, \
             `host:port`, or `*` for all.",
        )
        .example(r#"["10.0.0.0/8", ".example.com"]"#),
    ],
};

pub(super) static SECURITY: Table = Table {
    name: "security",
    fields: &[object(V3_0_0, "tls", &TLS, "Trust for TLS.")],
};

pub(super) static TLS: Table = Table {
    name: "tls",
    fields: &[objects(
        V3_0_0,
        "certificateAuthorities",
        &REFERENCE,
        Joining::By("source"),
        "PEM bundles of authorities that are trusted besides the system's. They count for what is fetched \
         after them.",
    )
    .demands("source", V3_0_0)],
};

pub(super) static TIMEOUTS: Table = Table {
    name: "timeouts",
    fields: &[
        integer(
            V3_0_0,
            "httpResponseHeaders",
            "Seconds to wait for a response to start; 0 is no limit.",
        )
        .default("10"),
        integer(
            V3_0_0,
            "httpTotal",
            "Seconds for one fetch with all its retries; 0 is no limit.",
        )
        .default("0"),
    ],
};
