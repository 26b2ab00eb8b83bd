//! Certificate authorities in data URLs: whether they can be read, and trusted today.

use super::pem::{self, Block};
use super::{Setting, inline, lint};
use crate::certificate::{self, Validity};
use crate::diagnostic::Pointer;
use crate::rules::Findings;
use crate::rules::resources::{Place, all};
use crate::types::Config;

/// How much of a bundle is looked at, in bytes. The roots of a whole system take a quarter of a mebibyte.
const LIMIT: u64 = 16 << 20;

const SECONDS_OF_DAY: i64 = 86_400;

pub(super) fn authorities_can_be_trusted(config: &Config, setting: &Setting<'_>, findings: &mut Findings) {
    let authorities = all(config).filter(|(place, _)| matches!(place, Place::Authority(_)));
    for (place, resource) in authorities {
        let Some(text) = inline::text(resource, LIMIT) else {
            continue;
        };
        let at = place.at().key("source");
        let blocks = pem::blocks(&text);
        keys_stay_out(&blocks, at.clone(), findings);
        if let Some(validities) = read(&blocks, at.clone(), findings) {
            dates_fit(&validities, setting, at, findings);
        }
    }
}

fn keys_stay_out(blocks: &[Block<'_>], at: Pointer, findings: &mut Findings) {
    if blocks.iter().any(Block::is_private_key) {
        findings
            .report(
                lint::AUTHORITY_KEY.rule,
                at,
                "there is a private key among the certificates",
            )
            .help("remove it, and make a new authority: whoever has seen the config can sign with this one");
    }
}

/// When each certificate of the bundle is valid; `None` where not all of it can be used, which is told.
fn read(blocks: &[Block<'_>], at: Pointer, findings: &mut Findings) -> Option<Vec<Validity>> {
    let mut validities = Vec::new();
    let certificates = blocks.iter().filter(|block| block.label == "CERTIFICATE");
    for (index, block) in certificates.enumerate() {
        let number = index + 1;
        let (message, help) = match block.bytes() {
            None => (
                format!("certificate {number} of the bundle is cut off, or is not base64"),
                "copy it again, from its BEGIN line to its END line",
            ),
            Some(der) => match certificate::validity(&der) {
                Some(validity) => {
                    validities.push(validity);
                    continue;
                }
                None => (
                    format!("certificate {number} of the bundle is no X.509 certificate"),
                    "look at it with openssl x509 -noout -text",
                ),
            },
        };
        findings
            .report(lint::AUTHORITY_UNREADABLE.rule, at, message)
            .help(help);
        return None;
    }
    if validities.is_empty() {
        findings
            .report(
                lint::AUTHORITY_UNREADABLE.rule,
                at,
                "the bundle holds no certificate in PEM form",
            )
            .help("give certificates that begin with -----BEGIN CERTIFICATE-----; openssl x509 -inform DER makes them of DER");
        return None;
    }
    Some(validities)
}

/// One certificate that can be used is enough: bundles keep old ones beside their successors.
fn dates_fit(validities: &[Validity], setting: &Setting<'_>, at: Pointer, findings: &mut Findings) {
    let Some(now) = setting.now.and_then(|now| i64::try_from(now).ok()) else {
        return;
    };
    let last = validities.iter().map(|validity| validity.not_after).max();
    let first = validities.iter().map(|validity| validity.not_before).min();
    if let Some(last) = last.filter(|last| *last < now) {
        let message = format!("the last certificate expired {} ago", days(now - last));
        findings
            .report(lint::AUTHORITY_EXPIRED.rule, at, message)
            .help("give the authority's new certificate");
    } else if let Some(first) = first.filter(|first| *first > now) {
        let message = format!("the first certificate is valid in {} only", days(first - now));
        findings
            .report(lint::AUTHORITY_EARLY.rule, at, message)
            .help("boot later, or give a certificate that is valid today; mind the clock of the machine that made it");
    }
}

fn days(seconds: i64) -> String {
    match seconds / SECONDS_OF_DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_url;
    use crate::lint::told::{expect, said};

    const CA: &str = include_str!("../../../../fixtures/vm/pki/ca.crt");
    const SERVER: &str = include_str!("../../../../fixtures/vm/pki/server.crt");
    const KEY: &str = include_str!("../../../../fixtures/vm/pki/server.key");

    /// 2020-01-01 and 2120-01-01, between which the fixtures are valid.
    const BEGIN: u64 = 1_577_836_800;
    const END: u64 = 4_733_510_400;

    fn at(now: u64) -> Setting<'static> {
        Setting {
            now: Some(now),
            ..Setting::default()
        }
    }

    fn bundle(text: &str) -> String {
        let source = data_url::encode(text.as_bytes());
        format!(
            r#""ignition":{{"version":"3.6.0","security":{{"tls":{{"certificateAuthorities":[{{"source":"{source}"}}]}}}}}}"#
        )
    }

    fn expect_of(text: &str, now: u64, rules: &[&str]) {
        let place = "$.ignition.security.tls.certificateAuthorities.0.source";
        let expected: Vec<String> = rules
            .iter()
            .map(|rule| match rule.strip_prefix("warning ") {
                Some(rule) => format!("warning {place} {rule}"),
                None => format!("{place} {rule}"),
            })
            .collect();
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expect(&at(now), &[(&bundle(text), &expected)]);
    }

    #[test]
    fn authorities_are_certificates() {
        let now = BEGIN + 1;
        let cut = CA.get(..CA.len() / 2).unwrap();
        for (text, rules) in [
            (CA.to_owned(), &[][..]),
            (format!("# comment\n{CA}\n\n{SERVER}\n"), &[]),
            (CA.replace('\n', "\r\n"), &[]),
            (String::new(), &["authority-unreadable"]),
            ("CA".to_owned(), &["authority-unreadable"]),
            (cut.to_owned(), &["authority-unreadable"]),
            (CA.replace("MII", "M!I"), &["authority-unreadable"]),
            (CA.replace("MII", "NII"), &["authority-unreadable"]),
            (format!("{CA}{KEY}"), &["authority-private-key"]),
            (KEY.to_owned(), &["authority-private-key", "authority-unreadable"]),
        ] {
            expect_of(&text, now, rules);
        }
    }

    #[test]
    fn authorities_have_their_time() {
        for (now, rules) in [
            (BEGIN - 1, &["warning authority-not-yet-valid"][..]),
            (BEGIN, &[]),
            (END, &[]),
            (END + 1, &["authority-expired"]),
        ] {
            expect_of(CA, now, rules);
        }
        expect(&Setting::default(), &[(&bundle(CA), &[])]);
        let said = said(&bundle(CA), &at(END + 2 * 86_400));
        assert_eq!(said[0].0, "the last certificate expired 2 days ago");
    }

    #[test]
    fn a_successor_in_the_bundle_is_enough() {
        // The same certificate with an end in 2021: its signature no longer fits, which is not looked at.
        let mut old = pem::blocks(CA)[0].bytes().unwrap();
        let end = b"21200101000000Z";
        let place = old.windows(end.len()).position(|window| window == end).unwrap();
        old[place..place + 4].copy_from_slice(b"2021");
        let old = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            data_url::encode(&old).trim_start_matches("data:;base64,")
        );
        expect_of(&old, END - 1, &["authority-expired"]);
        expect_of(&format!("{old}{CA}"), END - 1, &[]);
    }
}
