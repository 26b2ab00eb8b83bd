//! What a sink of each type has.

use crate::diagnostic::Pointer;
use crate::rules::{Findings, catalog as rule, resources};
use crate::types::Config;
use crate::types::kindling::Sink;
use crate::version::Version;

fn all(config: &Config) -> impl Iterator<Item = (Pointer, &Sink)> {
    let sinks = config.kindling.report.sinks.iter().enumerate();
    sinks.map(|(index, sink)| {
        let at = Pointer::root().key("kindling").key("report").key("sinks");
        (at.index(index), sink)
    })
}

/// What a type of sinks takes.
struct Kind {
    /// The member that holds its address.
    address: &'static str,
    /// Schemes of its URL.
    schemes: &'static [&'static str],
    has_headers: bool,
}

/// `None` for a type that is none; where it is written, that is told.
fn kind(sink: &Sink) -> Option<Kind> {
    let (address, schemes, has_headers): (_, &[&str], _) = match sink.kind.as_str() {
        "http" => ("url", &["http://", "https://"], true),
        "syslog" => ("url", &["tcp://", "tls://"], false),
        "sentinel" => ("path", &[], false),
        "port" => ("port", &[], false),
        _ => return None,
    };
    Some(Kind {
        address,
        schemes,
        has_headers,
    })
}

pub(super) fn have_what_they_need(config: &Config, _: Version, findings: &mut Findings) {
    for (at, sink) in all(config) {
        if sink.kind.is_empty() {
            findings
                .report(rule::SINK_MEMBER_MISSING, at.key("type"), "a sink has no type")
                .help("write http, syslog, sentinel or port");
        } else if let Some(kind) = kind(sink) {
            check(sink, &kind, &at, findings);
        }
    }
}

fn check(sink: &Sink, kind: &Kind, at: &Pointer, findings: &mut Findings) {
    for (member, given) in [("path", &sink.path), ("port", &sink.port), ("url", &sink.url)] {
        if member == kind.address && given.as_ref().is_none_or(String::is_empty) {
            let message = format!("a sink of type {} has no {member}", sink.kind);
            findings.report(rule::SINK_MEMBER_MISSING, at.clone().key(member), message);
        } else if member != kind.address && given.is_some() {
            unsupported(sink, member, at, findings);
        }
    }
    if !sink.headers.is_empty() && !kind.has_headers {
        unsupported(sink, "headers", at, findings);
    }
    let url = sink.url.as_deref().filter(|_| kind.address == "url");
    if let Some(url) = url
        && !kind.schemes.iter().any(|scheme| url.starts_with(scheme))
    {
        let message = format!("a sink of type {} does not take a URL of this scheme", sink.kind);
        findings
            .report(rule::SINK_MEMBER_UNSUPPORTED, at.clone().key("url"), message)
            .help(format!("start it with {}", kind.schemes.join(" or ")));
    }
    let has_tls = url.is_some_and(|url| url.starts_with("https://") || url.starts_with("tls://"));
    if !sink.certificate_authorities.is_empty() && !has_tls {
        unsupported(sink, "certificateAuthorities", at, findings);
    }
}

fn unsupported(sink: &Sink, member: &str, at: &Pointer, findings: &mut Findings) {
    let message = match member {
        "certificateAuthorities" => "authorities are for sinks with an https or a tls URL".to_owned(),
        member => format!("a sink of type {} has no {member}", sink.kind),
    };
    findings
        .report(rule::SINK_MEMBER_UNSUPPORTED, at.clone().key(member), message)
        .help("remove it");
}

pub(super) fn headers_are_whole(config: &Config, _: Version, findings: &mut Findings) {
    for (at, sink) in all(config) {
        resources::headers_have_names(&sink.headers, || at.clone().key("headers"), findings);
    }
}
