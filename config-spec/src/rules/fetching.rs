//! Rules for proxies. Timeouts and `noProxy` have none.

use super::{Check, Findings, catalog as rule};
use crate::diagnostic::Pointer;
use crate::types::Config;
use crate::url_syntax;
use crate::version::Version;

pub(super) const CHECKS: &[Check] = &[proxies_are_http, https_proxy_is_secure];

fn at(member: &str) -> Pointer {
    Pointer::root().key("ignition").key("proxy").key(member)
}

fn proxies_are_http(config: &Config, _: Version, findings: &mut Findings) {
    let proxy = &config.ignition.proxy;
    for (member, url) in [
        ("httpProxy", &proxy.http_proxy),
        ("httpsProxy", &proxy.https_proxy),
    ] {
        let Some(url) = url else { continue };
        match url_syntax::parse(url) {
            Err(error) => {
                findings.report(
                    rule::URL_INVALID,
                    at(member),
                    format!("the proxy's URL is invalid: {error}"),
                );
            }
            Ok(url) if url.scheme != "http" && url.scheme != "https" => {
                findings
                    .report(
                        rule::PROXY_SCHEME_UNSUPPORTED,
                        at(member),
                        "a proxy must be reached over http or https",
                    )
                    .help("write http://host:port or https://host:port");
            }
            Ok(_) => {}
        }
    }
}

fn https_proxy_is_secure(config: &Config, _: Version, findings: &mut Findings) {
    let url = config
        .ignition
        .proxy
        .https_proxy
        .as_deref()
        .map(url_syntax::parse);
    if let Some(Ok(url)) = url
        && url.scheme == "http"
    {
        findings
            .report(
                rule::PROXY_INSECURE,
                at("httpsProxy"),
                "the proxy for HTTPS is itself reached without TLS",
            )
            .help("use an https:// proxy if it has one");
    }
}

#[cfg(test)]
mod tests;
