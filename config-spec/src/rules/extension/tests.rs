//! Rows per rule.

use crate::diagnostic::Diagnostic;
use crate::rules::told::{expect, told};
use crate::types::Config;
use crate::{check, check_merged, merge};

fn section(members: &str) -> String {
    format!(r#""kindling":{{"version":"1.0.0",{members}}}"#)
}

#[test]
fn the_extension_is_in_every_version_and_names_its_own() {
    for version in crate::version::Version::ALL {
        let version = version.as_str();
        for (members, expected) in [
            ("", vec![]),
            (r#""kindling":{}"#, vec![]),
            (r#""kindling":{"version":"1.0.0"}"#, vec![]),
            (
                r#""kindling":{"node":{"name":"a"}}"#,
                vec!["$.kindling.version extension-version-missing"],
            ),
            (
                r#""kindling":{"version":null,"node":{}}"#,
                vec!["$.kindling.version extension-version-missing"],
            ),
            (
                r#""kindling":{"version":"2.0.0"}"#,
                vec!["$.kindling.version extension-version-unknown"],
            ),
            (r#""kindling":null"#, vec!["warning $.kindling object-null"]),
            (r#""kindling":[]"#, vec!["$.kindling type-mismatch"]),
        ] {
            assert_eq!(told(version, "", members), expected, "{version} {members}");
        }
    }
}

#[test]
fn unknown_members_are_errors_inside_only() {
    expect(
        "$.",
        str::to_owned,
        &[
            ("3.6.0", r#""kindlin":{"x":1}"#, &["warning kindlin key-unknown"]),
            (
                "3.6.0",
                r#""kindling":{"version":"1.0.0","nodes":{"x":{}}},"storage":{"x":1}"#,
                &[
                    "kindling.nodes extension-key-unknown",
                    "warning storage.x key-unknown",
                ],
            ),
            (
                "3.0.0",
                r#""kindling":{"version":"1.0.0","node":{"bootstrap":{"tokenSource":{"source":"gs://b/o","httpHeader":[]}}}}"#,
                &["kindling.node.bootstrap.tokenSource.httpHeader extension-key-unknown"],
            ),
        ],
    );
    // Elsewhere a name in other letter case is read, with a warning.
    assert_eq!(
        told("3.6.0", "$.kindling.", &section(r#""Node":{"name":"a"}"#)),
        ["Node extension-key-unknown"]
    );
    let text = format!(
        r#"{{"ignition":{{"version":"3.6.0"}},{}}}"#,
        section(r#""node":{"nam":"a"},"report":{"sync":[]}"#)
    );
    let rejected = check(&text).expect_err("the members are unknown");
    let help: Vec<_> = rejected
        .diagnostics()
        .iter()
        .filter_map(|finding| finding.help.clone())
        .collect();
    assert_eq!(help, ["did you mean \"name\"?", "known are sinks"]);
}

#[test]
fn values_fit_their_members() {
    let hash = format!(r#"{{"caCertHashes":["sha256:{}","sha256:00"]}}"#, "0a".repeat(32));
    let rows: &[(&str, &str, &[&str])] = &[
        (
            "node",
            r#"{"name":"Upper"}"#,
            &["node.name extension-value-unfit"],
        ),
        (
            "node",
            r#"{"cluster":{"server":"http://h"}}"#,
            &["node.cluster.server extension-value-unfit"],
        ),
        ("node", r#"{"cluster":{"server":"https://h:6443"}}"#, &[]),
        (
            "node",
            &format!(r#"{{"cluster":{hash}}}"#),
            &["node.cluster.caCertHashes.1 extension-value-unfit"],
        ),
        (
            "node",
            r#"{"bootstrap":{"token":"abc"}}"#,
            &["node.bootstrap.token extension-value-unfit"],
        ),
        (
            "node",
            r#"{"bootstrap":{"token":"abcdef.0123456789abcdef","mode":"native"}}"#,
            &[],
        ),
        (
            "node",
            r#"{"bootstrap":{"mode":"other"}}"#,
            &["node.bootstrap.mode extension-value-unfit"],
        ),
        (
            "node",
            r#"{"bootstrap":{"approvalTimeoutSeconds":0}}"#,
            &["node.bootstrap.approvalTimeoutSeconds extension-value-unfit"],
        ),
        (
            "node",
            r#"{"kubelet":{"taints":["a=b:NoSchedule","a/b:NoExecute"]}}"#,
            &[],
        ),
        (
            "node",
            r#"{"kubelet":{"taints":["a=b",null]}}"#,
            &[
                "node.kubelet.taints.0 extension-value-unfit",
                "node.kubelet.taints.1 extension-value-unfit",
            ],
        ),
        (
            "node",
            r#"{"kubelet":{"labels":{"a":"","b":null,"x.y/z":"1"}}}"#,
            &[],
        ),
        (
            "node",
            r#"{"kubelet":{"labels":{"a b":"x","c":"d/e"}}}"#,
            &[
                "node.kubelet.labels.a b extension-value-unfit",
                "node.kubelet.labels.c extension-value-unfit",
            ],
        ),
        (
            "node",
            r#"{"kubelet":{"labels":{"a":"x","a":"y"}}}"#,
            &["warning node.kubelet.labels.a key-duplicate"],
        ),
        (
            "node",
            r#"{"kubelet":{"config":{"a":[{"b":null}],"c":1.5}}}"#,
            &[],
        ),
        (
            "node",
            r#"{"kubelet":{"config":{"a":1e999}}}"#,
            &["node.kubelet.config type-mismatch"],
        ),
        (
            "node",
            r#"{"kubelet":{"config":{"a":"\ud800"}}}"#,
            &["node.kubelet.config type-mismatch"],
        ),
        (
            "node",
            r#"{"kubelet":{"config":[]}}"#,
            &["node.kubelet.config type-mismatch"],
        ),
        (
            "onFailure",
            r#"{"action":"reboot","attempts":3,"delaySeconds":0}"#,
            &[],
        ),
        (
            "onFailure",
            r#"{"action":"Reboot"}"#,
            &["onFailure.action extension-value-unfit"],
        ),
        ("files", r#"{"/a":{"expand":true,"compression":"zstd"}}"#, &[]),
        (
            "files",
            r#"{"a":{"compression":"gzip"}}"#,
            &[
                "files.a extension-value-unfit",
                "files.a.compression extension-value-unfit",
            ],
        ),
        (
            "transport",
            r#"{"hosts":{"h":{},"[::1]:8443":{},"h:1":{},"https://h":{}}}"#,
            &["transport.hosts.https://h extension-value-unfit"],
        ),
        (
            "transport",
            r#"{"hosts":{"h":{"clientKey":{"source":"ftp://x","compression":"zip"}}}}"#,
            &[
                "transport.hosts.h.clientKey.source url-scheme-unsupported",
                "transport.hosts.h.clientKey.compression extension-value-unfit",
            ],
        ),
        (
            "node",
            r#"{"cluster":{"certificateAuthorities":[{}]}}"#,
            &["node.cluster.certificateAuthorities.0 source-missing"],
        ),
        (
            "node",
            r#"{"preflight":{"ignore":["swap","swap"]}}"#,
            &["node.preflight.ignore.1 entry-duplicate"],
        ),
        (
            "node",
            r#"{"preflight":{"ignore":["swap","swpa",""]}}"#,
            &[
                "node.preflight.ignore.1 preflight-check-unknown",
                "node.preflight.ignore.2 preflight-check-unknown",
            ],
        ),
    ];
    for (member, value, expected) in rows {
        let members = section(&format!(r#""{member}":{value}"#));
        assert_eq!(told("3.0.0", "$.kindling.", &members), *expected, "{value}");
    }
}

#[test]
fn other_formats_nest_within_bounds() {
    let nested = |levels: usize| {
        let value = format!("{}{}", r#"{"a":"#.repeat(levels), "1") + &"}".repeat(levels);
        told(
            "3.6.0",
            "$.kindling.",
            &section(&format!(r#""node":{{"kubelet":{{"config":{value}}}}}"#)),
        )
    };
    assert!(nested(64).is_empty());
    assert_eq!(nested(65), ["node.kubelet.config type-mismatch"]);
    assert_eq!(nested(9_000), ["node.kubelet.config type-mismatch"]);
}

#[test]
fn sinks_have_what_their_type_needs() {
    for (sink, expected) in [
        (
            r#"{"type":"http","url":"https://h/","headers":[{"name":"A","value":"b"}],"certificateAuthorities":[{"source":"data:,x"}]}"#,
            vec![],
        ),
        (r#"{"type":"http","url":"http://h"}"#, vec![]),
        (r#"{"type":"syslog","url":"tls://h:6514"}"#, vec![]),
        (r#"{"type":"sentinel","path":"/run/x"}"#, vec![]),
        (r#"{"type":"port","port":"x"}"#, vec![]),
        ("{}", vec!["type sink-member-missing"]),
        (r#"{"type":"mail"}"#, vec!["type extension-value-unfit"]),
        (r#"{"type":"http"}"#, vec!["url sink-member-missing"]),
        (r#"{"type":"port","port":""}"#, vec!["port sink-member-missing"]),
        (
            r#"{"type":"http","url":"tcp://h"}"#,
            vec!["url sink-member-unsupported"],
        ),
        (
            r#"{"type":"syslog","url":"https://h"}"#,
            vec!["url sink-member-unsupported"],
        ),
        (
            r#"{"type":"syslog","url":"udp://h"}"#,
            vec!["url sink-member-unsupported", "url extension-value-unfit"],
        ),
        (
            r#"{"type":"sentinel","path":"/a","url":"https://h","headers":[{"name":"a"}]}"#,
            vec!["headers sink-member-unsupported", "url sink-member-unsupported"],
        ),
        (
            r#"{"type":"http","url":"http://h","certificateAuthorities":[{"source":"data:,x"}]}"#,
            vec!["certificateAuthorities sink-member-unsupported"],
        ),
        (
            r#"{"type":"http","url":"http://h","headers":[{"value":""},{"name":null}]}"#,
            vec![
                "headers.0.name header-name-empty",
                "headers.0.value header-value-empty",
                "headers.1.name header-name-empty",
                "headers.1 entry-duplicate",
            ],
        ),
    ] {
        let members = section(&format!(r#""report":{{"sinks":[{sink}]}}"#));
        assert_eq!(
            told("3.6.0", "$.kindling.report.sinks.0.", &members),
            expected,
            "{sink}"
        );
    }
    let twins = r#"{"type":"http","url":"http://h"},{"type":"http","url":"http://i"},{"type":"http","url":"http://h"}"#;
    let members = section(&format!(r#""report":{{"sinks":[{twins}]}}"#));
    assert_eq!(
        told("3.6.0", "$.kindling.report.", &members),
        ["sinks.2 entry-duplicate"]
    );
}

fn config(members: &str) -> Config {
    let text = format!(r#"{{"ignition":{{"version":"3.6.0"}},{members}}}"#);
    check(&text).expect("the part is valid").into_config()
}

fn told_of_whole(config: &Config) -> Vec<String> {
    let line = |finding: &Diagnostic| format!("{} {}", finding.at.dollar(), finding.rule);
    check_merged(config).iter().map(line).collect()
}

#[test]
fn a_token_is_given_once_and_shown_to_a_server() {
    let both =
        r#""node":{"bootstrap":{"token":"abcdef.0123456789abcdef","tokenSource":{"source":"https://h"}}}"#;
    assert_eq!(
        told("3.6.0", "$.kindling.node.", &section(both)),
        ["bootstrap.token token-ambiguous"]
    );
    let token = config(&section(
        r#""node":{"bootstrap":{"token":"abcdef.0123456789abcdef"}}"#,
    ));
    let place = config(&section(
        r#""node":{"cluster":{"server":"https://h:6443","certificateAuthorities":[{"source":"data:,x"}]}}"#,
    ));
    let source = config(&section(
        r#""node":{"bootstrap":{"tokenSource":{"source":"https://h/t"}}}"#,
    ));
    assert_eq!(
        told_of_whole(&token),
        ["$.kindling.node.cluster.server token-without-server"]
    );
    let joined = merge(place, token);
    assert_eq!(told_of_whole(&joined), Vec::<String>::new());
    assert_eq!(
        told_of_whole(&merge(joined, source)),
        ["$.kindling.node.bootstrap.token token-ambiguous"]
    );
}

#[test]
fn a_node_has_what_it_joins_with() {
    let hash = format!("sha256:{}", "0a".repeat(32));
    let known = r#""server":"https://h:6443","certificateAuthorities":[{"source":"data:,x"}]"#;
    let token = r#""bootstrap":{"token":"abcdef.0123456789abcdef"}"#;
    let rows: Vec<(String, &[&str])> = vec![
        (format!(r#""cluster":{{{known}}}"#), &[]),
        (
            r#""cluster":{"server":"https://h:6443"}"#.to_owned(),
            &["cluster.server server-unverifiable"],
        ),
        (
            format!(r#""cluster":{{"server":"https://h:6443","caCertHashes":["{hash}"]}}"#),
            &["cluster.caCertHashes ca-hashes-without-token"],
        ),
        (
            format!(r#""cluster":{{"server":"https://h:6443","caCertHashes":["{hash}"]}},{token}"#),
            &[],
        ),
        (
            r#""bootstrap":{"mode":"native"}"#.to_owned(),
            &["bootstrap.mode native-incomplete"],
        ),
        (
            format!(r#""cluster":{{{known}}},"bootstrap":{{"mode":"native"}}"#),
            &["bootstrap.mode native-incomplete"],
        ),
        (
            format!(
                r#""cluster":{{{known}}},"bootstrap":{{"mode":"native","tokenSource":{{"source":"https://t/"}},"during":"initramfs"}}"#
            ),
            &[],
        ),
        (
            r#""bootstrap":{"during":"unit","lifetimeSeconds":600}"#.to_owned(),
            &[
                "bootstrap.during native-member-unused",
                "bootstrap.lifetimeSeconds native-member-unused",
            ],
        ),
        (
            r#""kubelet":{"taints":["a=b:NoSchedule","a:NoExecute","a=c:NoSchedule"]}"#.to_owned(),
            &["kubelet.taints.2 taint-duplicate"],
        ),
        (
            r#""kubelet":{"providerId":"x","taints":["a:NoExecute"],"config":{"providerID":"x","registerWithTaints":[]}}"#
                .to_owned(),
            &[
                "kubelet.config.providerID kubelet-config-twice",
                "kubelet.config.registerWithTaints kubelet-config-twice",
            ],
        ),
        (
            r#""kubelet":{"config":{"providerID":"x","registerWithTaints":[]}}"#.to_owned(),
            &[],
        ),
    ];
    for (node, expected) in rows {
        let config = config(&section(&format!(r#""node":{{{node}}}"#)));
        let told = told_of_whole(&config);
        let told: Vec<_> = told
            .iter()
            .map(|line| line.trim_start_matches("$.kindling.node."))
            .collect();
        assert_eq!(told, expected, "{node}");
    }
}

#[test]
fn a_node_gives_itself_only_labels_that_a_kubelet_may() {
    for (label, everywhere, openshift) in [
        ("plain", true, true),
        ("example.com/rack", true, true),
        ("notkubernetes.io/a", true, true),
        ("kubernetes.io/hostname", true, true),
        ("beta.kubernetes.io/arch", true, true),
        ("topology.kubernetes.io/zone", true, true),
        ("failure-domain.beta.kubernetes.io/region", true, true),
        ("node.kubernetes.io/pool", true, true),
        ("sub.kubelet.kubernetes.io/x", true, true),
        ("topology.kubernetes.io/rack", false, false),
        ("kubernetes.io/role", false, false),
        ("k8s.io/x", false, false),
        ("sub.k8s.io/x", false, false),
        ("node-restriction.kubernetes.io/x", false, false),
        ("mynode.kubernetes.io/x", false, false),
        ("node-role.kubernetes.io/worker", false, true),
    ] {
        for (layout, is_fine) in [
            ("kubeadm", everywhere),
            ("plain", everywhere),
            ("openshift", openshift),
        ] {
            let node = format!(r#""node":{{"kubelet":{{"layout":"{layout}","labels":{{"{label}":""}}}}}}"#);
            let told = told_of_whole(&config(&section(&node)));
            let place = format!("$.kindling.node.kubelet.labels.{label} label-refused");
            let expected = if is_fine { vec![] } else { vec![place] };
            assert_eq!(told, expected, "{layout}");
        }
    }
}

#[test]
fn a_node_and_swap_are_both_meant() {
    let node = |more: &str| {
        let cluster =
            r#""cluster":{"server":"https://h:6443","certificateAuthorities":[{"source":"data:,x"}]}"#;
        config(&section(&format!(r#""node":{{{cluster}{more}}}"#)))
    };
    let swap = || config(r#""storage":{"filesystems":[{"device":"/dev/vdb","format":"swap"}]}"#);
    assert_eq!(
        told_of_whole(&merge(node(""), swap())),
        ["$.kindling.node.prerequisites swap-contradicted"]
    );
    for more in [
        r#","prerequisites":"keep""#,
        r#","kubelet":{"config":{"failSwapOn":false}}"#,
    ] {
        assert_eq!(told_of_whole(&merge(node(more), swap())), Vec::<String>::new());
    }
    assert_eq!(told_of_whole(&node("")), Vec::<String>::new());
}

#[test]
fn client_identities_are_whole_when_merged() {
    let certificate = config(&section(
        r#""transport":{"hosts":{"h":{"clientCertificate":{"source":"data:,c"}}}}"#,
    ));
    let key = config(&section(
        r#""transport":{"hosts":{"h":{"clientKey":{"source":"data:,k"}}}}"#,
    ));
    assert_eq!(
        told_of_whole(&certificate),
        ["$.kindling.transport.hosts.h.clientKey client-identity-incomplete"]
    );
    assert_eq!(
        told_of_whole(&key),
        ["$.kindling.transport.hosts.h.clientCertificate client-identity-incomplete"]
    );
    assert_eq!(told_of_whole(&merge(certificate, key)), Vec::<String>::new());
}

#[test]
fn files_of_the_extension_are_files_of_the_config() {
    let extra = config(&section(r#""files":{"/etc/motd":{"compression":"zstd"}}"#));
    let file = config(r#""storage":{"files":[{"path":"/etc/motd","contents":{"source":"data:,x"}}]}"#);
    let packed = config(
        r#""storage":{"files":[{"path":"/etc/motd","contents":{"source":"data:,x","compression":"gzip"}}]}"#,
    );
    assert_eq!(
        told_of_whole(&extra),
        ["$.kindling.files./etc/motd extension-file-unknown"]
    );
    assert_eq!(told_of_whole(&merge(file, extra.clone())), Vec::<String>::new());
    assert_eq!(
        told_of_whole(&merge(packed, extra)),
        ["$.kindling.files./etc/motd.compression extension-file-compressed-twice"]
    );
}
