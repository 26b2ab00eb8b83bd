//! User data in languages that are not a config's, known by name so that people are told what they gave. Only text that
//! was refused comes here, and no more of it is looked at than its start and the lines that start with a key.

use super::tree::Value;
use super::yaml;
use crate::diagnostic::{Diagnostic, Pointer};
use crate::document;
use crate::rules::Findings;
use crate::rules::catalog as rule;

/// What a text is, and what to do about it.
type Kind = (&'static str, &'static str);

/// How much of a text its start is.
const START: usize = 1024;

const CLOUD_INIT: Kind = (
    "user data for cloud-init",
    "cloud-init is not what reads it here, and nothing of it was done: write the same as a Butane or Ignition config",
);
const SCRIPT: Kind = (
    "a script",
    "nothing of it was run: make it a file of a config, and add a unit that runs it",
);
const WEB_PAGE: Kind = (
    "a web page",
    "something answered in place of the server, a proxy or the login page of a network: see what the address gives",
);
const XML: Kind = (
    "an XML document",
    "stores answer so when they refuse: see what the address gives, and whether it needs credentials",
);
const PEM: Kind = (
    "a key or a certificate",
    "the wrong file was given; a config refers to such files, or has them inline",
);
const UNIT: Kind = (
    "a unit of systemd",
    "put it into a config as the contents of an entry of systemd.units",
);
const BASE64: Kind = ("a config in base64", "give it as it was before it was encoded");
const INSTALLER: Kind = (
    "a script for another distribution's installer",
    "write the same as a Butane or Ignition config",
);
const POWERSHELL: Kind = (
    "a script for Windows",
    "see that this user data is meant for this machine",
);
const MACHINE_CONFIG: Kind = (
    "a MachineConfig",
    "the config is the value of spec.config in it: give that, as JSON",
);
const SECRET: Kind = (
    "a Secret or ConfigMap of Kubernetes",
    "the user data is a value below data in it; of a Secret, in base64",
);
const KUBEADM: Kind = (
    "a configuration of kubeadm",
    "put it into a config as a file, and add a unit that runs kubeadm with it",
);
const KUBELET: Kind = (
    "a configuration of the kubelet",
    "put it into a config as a file, or as kindling.node.kubelet.config",
);
const OBJECT: Kind = (
    "an object of Kubernetes",
    "give the config that is to be used, not what describes it to a cluster",
);
const TALOS: Kind = (
    "a machine configuration of Talos",
    "it is for images of Talos: write a Butane or Ignition config for this one",
);
const CONTAINER_LINUX: Kind = (
    "a Container Linux Config",
    "write it as Butane: start with variant: flatcar and version: 1.1.0, and rename what that refuses",
);
const NO_VARIANT: Kind = (
    "YAML without a variant",
    "if it is a Butane config, start it with variant: fcos and version: 1.6.0; a Container Linux Config needs more changes; an \
     Ignition config is JSON",
);

/// What texts start with, in lower case.
const STARTS: [(&str, Kind); 20] = [
    ("#cloud-", CLOUD_INIT),
    ("#include", CLOUD_INIT),
    ("#part-handler", CLOUD_INIT),
    ("## template:", CLOUD_INIT),
    ("content-type: multipart/", CLOUD_INIT),
    ("content-type: text/", CLOUD_INIT),
    ("mime-version:", CLOUD_INIT),
    ("#!", SCRIPT),
    ("<!doctype", WEB_PAGE),
    ("<html", WEB_PAGE),
    ("<powershell>", POWERSHELL),
    ("<script>", POWERSHELL),
    ("#ps1", POWERSHELL),
    ("<", XML),
    ("-----begin ", PEM),
    ("[unit]", UNIT),
    // What {" and a brace before a line end are in base64.
    ("eyj", BASE64),
    ("ewog", BASE64),
    ("ewo", BASE64),
    ("#version=", INSTALLER),
];

/// What lines near the start of a text start with.
const LINES: [(&str, Kind); 4] = [
    ("%packages", INSTALLER),
    ("%post", INSTALLER),
    ("%pre", INSTALLER),
    ("d-i ", INSTALLER),
];

/// Kinds of objects of Kubernetes.
const OBJECTS: [(&str, Kind); 7] = [
    ("MachineConfig", MACHINE_CONFIG),
    ("Secret", SECRET),
    ("ConfigMap", SECRET),
    ("JoinConfiguration", KUBEADM),
    ("InitConfiguration", KUBEADM),
    ("ClusterConfiguration", KUBEADM),
    ("KubeletConfiguration", KUBELET),
];

/// Keys that documents in YAML have at their top, and what has each; the first that is there decides.
const KEYS: [(&str, Kind); 13] = [
    ("autoinstall", INSTALLER),
    ("machine", TALOS),
    ("etcd", CONTAINER_LINUX),
    ("flannel", CONTAINER_LINUX),
    ("locksmith", CONTAINER_LINUX),
    ("docker", CONTAINER_LINUX),
    ("update", CONTAINER_LINUX),
    ("networkd", CONTAINER_LINUX),
    ("storage", NO_VARIANT),
    ("systemd", NO_VARIANT),
    ("passwd", NO_VARIANT),
    ("ignition", NO_VARIANT),
    ("kernel_arguments", NO_VARIANT),
];

/// A finding that says what `text` is, if it is one of these.
pub(crate) fn finding(text: &str) -> Option<Diagnostic> {
    let (what, help) = kind(text.trim_start_matches('\u{feff}').trim_start())?;
    let mut findings = Findings::default();
    findings
        .report(
            rule::USER_DATA_FOREIGN,
            Pointer::root(),
            format!("this is {what}, and no config"),
        )
        .span(0..0)
        .help(help);
    findings.into_inner().pop()
}

fn kind(text: &str) -> Option<Kind> {
    if text.starts_with('{') {
        return object(text);
    }
    let start = text.get(..text.floor_char_boundary(START)).unwrap_or_default();
    let start = start.to_ascii_lowercase();
    let is_bare = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=\r\n".contains(&byte))
    };
    let mut starts = STARTS.iter().filter(|(sign, _)| start.starts_with(sign));
    let by_start = starts.find(|(_, kind)| *kind != BASE64 || is_bare(&start));
    let by_line = || {
        let mut lines = start.lines();
        lines.find_map(|line| LINES.iter().find(|(sign, _)| line.starts_with(sign)))
    };
    by_start
        .or_else(by_line)
        .map(|(_, kind)| *kind)
        .or_else(|| by_key(text))
}

/// What an object in JSON is.
fn object(text: &str) -> Option<Kind> {
    document::syntax(text).ok()?;
    let value = |name: &str| {
        let found = document::find(text, &Pointer::root().key(name))?;
        text.get(found.value)
    };
    value("apiVersion")?;
    Some(of_kubernetes(value("kind")?.trim_matches('"')))
}

fn of_kubernetes(kind: &str) -> Kind {
    let known = OBJECTS.iter().find(|(name, _)| *name == kind);
    known.map_or(OBJECT, |(_, kind)| *kind)
}

/// What a document in YAML is, by the keys at its top.
fn by_key(text: &str) -> Option<Kind> {
    let value = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
    };
    if value("variant").is_some() {
        return None;
    }
    if let (Some(_), Some(kind)) = (value("apiVersion"), value("kind")) {
        let kind = kind.split('#').next().unwrap_or_default();
        return Some(of_kubernetes(kind.trim().trim_matches(['"', '\''])));
    }
    let mut keys = KEYS.iter().filter(|(key, _)| value(key).is_some());
    let known = keys.next().map(|(_, kind)| *kind);
    known.or_else(|| is_mapping(text).then_some(NO_VARIANT))
}

/// Whether the text is a mapping of YAML without any doubt: JSON that lacks its first brace is none, nor is a line with a colon.
fn is_mapping(text: &str) -> bool {
    let Ok((document, places)) = yaml::read(text) else {
        return false;
    };
    let start = places.value(document.from).start;
    let is_json = text.get(start..).is_none_or(|rest| rest.starts_with(['{', '"']));
    // A page of an error has lines with colons too.
    let is_more = document.members().iter().any(|member| {
        member.name == "version" || matches!(member.node.value, Value::Object(_) | Value::List(_))
    });
    is_more && !is_json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rejected, check};

    #[test]
    fn what_people_give_is_named() {
        for (text, expected) in [
            ("#cloud-config\nusers: []\n", Some(CLOUD_INIT)),
            ("\u{feff}#cloud-config\n", Some(CLOUD_INIT)),
            ("#cloud-boothook\n", Some(CLOUD_INIT)),
            ("## template: jinja\n#cloud-config\n", Some(CLOUD_INIT)),
            (
                "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n",
                Some(CLOUD_INIT),
            ),
            (
                "MIME-Version: 1.0\nContent-Type: multipart/mixed\n",
                Some(CLOUD_INIT),
            ),
            ("#!/bin/sh\necho planted\n", Some(SCRIPT)),
            ("<!DOCTYPE html>\n<html>", Some(WEB_PAGE)),
            ("\n<HTML><body>", Some(WEB_PAGE)),
            (
                "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                Some(XML),
            ),
            ("<powershell>\n", Some(POWERSHELL)),
            ("-----BEGIN CERTIFICATE-----\n", Some(PEM)),
            ("[Unit]\nDescription=x\n", Some(UNIT)),
            ("eyJpZ25pdGlvbiI6eyJ2ZXJzaW9uIjoiMy42LjAifX0=\n", Some(BASE64)),
            ("eyjafjallajokull: x\n", None),
            ("#version=RHEL9\n", Some(INSTALLER)),
            ("text\nlang en_US\n%packages\n@core\n%end\n", Some(INSTALLER)),
            ("d-i debian-installer/locale string en_US\n", Some(INSTALLER)),
            ("autoinstall:\n  version: 1\n", Some(INSTALLER)),
            (
                "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nspec:\n  config:\n    storage: {}\n",
                Some(MACHINE_CONFIG),
            ),
            (
                r#"{"apiVersion": "x/v1", "kind": "MachineConfig", "spec": {}}"#,
                Some(MACHINE_CONFIG),
            ),
            (
                "kind: 'JoinConfiguration' # x\napiVersion: kubeadm.k8s.io/v1beta3\n",
                Some(KUBEADM),
            ),
            (
                "---\napiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n",
                Some(KUBEADM),
            ),
            (
                "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
                Some(KUBELET),
            ),
            (
                "apiVersion: v1\nkind: Secret\ndata: {token: planted}\n",
                Some(SECRET),
            ),
            ("apiVersion: v1\nkind: Pod\n", Some(OBJECT)),
            (r#"{"apiVersion": "v1", "kind": "Pod"}"#, Some(OBJECT)),
            (r#"{"kind": "Pod"}"#, None),
            (r#"{"apiVersion": "v1", "kind": "Pod""#, None),
            (
                "version: v1alpha1\nmachine:\n  token: planted\ncluster: {}\n",
                Some(TALOS),
            ),
            ("etcd:\n  version: 3.0.15\nstorage:\n", Some(CONTAINER_LINUX)),
            ("version: 1.7.0\nstorage:\n  files: []\n", Some(NO_VARIANT)),
            ("variant: fcos\nstorage:\n  machine:\n", None),
            ("text: storage:\n  storage:\n", None),
            ("version: 1.6.0\nboot_device:\n  mirror: {}\n", Some(NO_VARIANT)),
            ("# a\n---\n'users':\n- name: planted\n", Some(NO_VARIANT)),
            ("varaint: fcos\nversion: 1.6.0\n", Some(NO_VARIANT)),
            ("a: b\na: c\n", None),
            ("404: Not Found\n", None),
            ("Error: not found\nMessage: see the docs\n", None),
            ("Error: no such\n  file\n", None),
            ("- a: b\n- c: d\n", None),
            ("\"ignition\": {\"version\": \"3.4.0\"}\n", None),
            ("# a\n{\"ignition\": {\"version\": \"3.4.0\"}}\n", None),
            ("// a\n{\"ignition\": {\"version\": \"3.4.0\"}}\n", None),
            ("{ignition: {version: 3.4.0}}\n", None),
            ("hello\n", None),
            ("", None),
        ] {
            assert_eq!(
                kind(text.trim_start_matches('\u{feff}').trim_start()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn foreign_user_data_is_refused_by_name_and_without_a_word_of_it() {
        for text in [
            "#cloud-config\nchpasswd: {list: planted}\n",
            "#!/bin/sh -c planted\n",
            r#"{"apiVersion": "v1", "kind": "planted"}"#,
            "version: v1alpha1\nmachine: {token: planted}\n",
        ] {
            let Err(Rejected::Invalid(findings)) = check(text) else {
                panic!("{text}");
            };
            let [finding] = findings.as_slice() else {
                panic!("{findings:?}");
            };
            assert_eq!(finding.rule, rule::USER_DATA_FOREIGN.id);
            assert!(finding.help.is_some());
            let shown = crate::diagnostic::render("f", text, &findings);
            assert!(!shown.contains("planted"), "{shown}");
        }
    }

    #[test]
    fn a_config_with_foreign_members_is_none() {
        let text = r#"{"ignition": {"version": "3.6.0"}, "apiVersion": "v1", "kind": "Pod"}"#;
        assert!(check(text).is_ok());
    }
}
