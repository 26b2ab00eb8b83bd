//! Reporting.

use super::{ALWAYS, authorities};
use crate::fields::patterns::{PATH, SINK_URL};
use crate::fields::resource::HTTP_HEADER;
use crate::fields::{Joining, Limit, Table, objects, text};

pub(super) static REPORT: Table = Table {
    name: "report",
    fields: &[objects(
        ALWAYS,
        "sinks",
        &SINK,
        Joining::By("type and its address (url, path or port)"),
        "Where success and failure are reported, each independently of the others. Sinks count as soon as \
         the config that names them is read, also when one it refers to cannot be fetched.",
    )],
};

static SINK: Table = Table {
    name: "sink",
    fields: &[
        authorities(
            "Authorities trusted for this sink besides the system's, as PEM. For `https` and `tls` URLs only.",
        ),
        objects(
            ALWAYS,
            "headers",
            &HTTP_HEADER,
            Joining::By("name"),
            "Headers of the request. For type `http` only.",
        ),
        text(
            ALWAYS,
            "path",
            "Absolute path of a directory in the new root, in which a file is made at the end. For type \
             `sentinel` only.",
        )
        .pattern(&PATH)
        .example(r#""/run/cluster-api""#),
        text(
            ALWAYS,
            "port",
            "Name of a serial port of the virtual machine. For type `port` only.",
        )
        .limit(Limit::Filled)
        .example(r#""org.example.report""#),
        text(
            ALWAYS,
            "type",
            "`http` posts to a URL, `syslog` sends to a log server, `sentinel` makes a file in a directory, \
             `port` writes to a serial port of the hypervisor.",
        )
        .required()
        .limit(Limit::Words(&[
            (ALWAYS, "http"),
            (ALWAYS, "syslog"),
            (ALWAYS, "sentinel"),
            (ALWAYS, "port"),
        ])),
        text(
            ALWAYS,
            "url",
            "Where to send to: `http` or `https` for type `http`, `tcp` or `tls` for type `syslog`. For \
             these only.",
        )
        .pattern(&SINK_URL)
        .example(r#""https://reports.example.com/boots""#),
    ],
};
