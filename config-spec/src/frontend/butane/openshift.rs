//! What OpenShift asks of a config beside Ignition: `metadata` and `openshift`, and what its machines do not take.

use super::remark::{Remark, Tell};
use super::variant::Variant;
use super::ways::{each, each_mut};
use crate::frontend::tree::{Node, Place, Value};
use crate::rules::catalog as rule;

/// Which pool of machines the config is for.
const ROLE: &str = "machineconfiguration.openshift.io/role";

/// The key of a volume that a crypto card protects, as the kernel is told of it.
const CARD_KEY: &str = "rd.luks.key=/etc/luks/cex.key";

const KERNELS: [&str; 3] = ["", "default", "realtime"];

fn error(at: Place, message: &str, help: &'static str) -> Remark {
    Remark::new(rule::BUTANE_OPENSHIFT, at, message, help)
}

/// Checks `metadata` and `openshift` of the typed tree `source`.
pub(super) fn check(source: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let Some(minor) = variant.openshift else { return };
    check_metadata(source, tell);
    let section = source.get("openshift");
    if let Some(kernel) = section.and_then(|section| section.get("kernelType"))
        && !kernel.as_text().is_some_and(|name| KERNELS.contains(&name))
    {
        let help = "write default or realtime";
        tell(error(kernel.from, "there is no such kernel", help));
    }
    if minor >= 19 && has_card(source) {
        check_card(source, tell);
    }
}

fn check_metadata(source: &Node<'_>, tell: &mut Tell<'_>) {
    let metadata = source.get("metadata");
    let lacks =
        |(at, below): (Place, &'static str), message: &str, help| error(at, message, help).below(below);
    let name = match (metadata, metadata.and_then(|metadata| metadata.get("name"))) {
        (_, Some(name)) if name.as_text() != Some("") => None,
        (_, Some(name)) => Some((name.from, "")),
        (Some(metadata), None) => Some((metadata.from, "name")),
        (None, None) => Some((source.from, "metadata/name")),
    };
    if let Some(at) = name {
        let help = "write a name such as 99-worker-example: MachineConfigs count in the order of their names";
        tell(lacks(at, "the MachineConfig has no name", help));
    }
    let labels = match (metadata, metadata.and_then(|metadata| metadata.get("labels"))) {
        (_, Some(labels)) if labels.word(ROLE).is_some_and(|role| !role.is_empty()) => None,
        (_, Some(labels)) => Some((labels.from, "")),
        (Some(metadata), None) => Some((metadata.from, "labels")),
        (None, None) => Some((source.from, "metadata/labels")),
    };
    if let Some(at) = labels {
        let help = "add the label machineconfiguration.openshift.io/role: worker, or another pool";
        tell(lacks(at, "no label says which machines the config is for", help));
    }
}

/// Whether a crypto card holds the key of the root.
fn has_card(source: &Node<'_>) -> bool {
    let is_used = |volume: &Node<'_>| volume.get("cex").is_some_and(|cex| cex.is("enabled"));
    let boots = source.get("bootDevice").and_then(|section| section.get("luks"));
    let volumes = source
        .get("storage")
        .map_or(&[][..], |storage| storage.each("luks"));
    let mut roots = volumes
        .iter()
        .filter(|volume| volume.word("name") == Some("root"));
    boots.is_some_and(is_used) || roots.any(is_used)
}

fn check_card(source: &Node<'_>, tell: &mut Tell<'_>) {
    let section = source.get("openshift");
    let arguments = section.and_then(|section| section.get("kernelArguments"));
    let given = arguments.map_or(&[][..], Node::elements);
    if given.iter().any(|argument| argument.as_text() == Some(CARD_KEY)) {
        return;
    }
    let (at, below) = match (section, arguments) {
        (_, Some(arguments)) => (arguments.from, ""),
        (Some(section), None) => (section.from, "kernel_arguments"),
        (None, None) => (source.from, "openshift/kernel_arguments"),
    };
    let help = "add rd.luks.key=/etc/luks/cex.key to openshift.kernel_arguments";
    tell(
        error(
            at,
            "a root that a crypto card protects needs a kernel argument",
            help,
        )
        .below(below),
    );
}

/// Tells that settings of OpenShift count for nothing where only the Ignition config is taken.
pub(super) fn warn_raw(source: &Node<'_>, tell: &mut Tell<'_>) {
    let section = source.get("openshift").map_or(&[][..], Node::members);
    for member in section {
        let message = "this counts only in a MachineConfig, and the Ignition config is taken alone";
        let help = "leave it out, or have a MachineConfig made of the config, without --raw";
        tell(Remark::new(
            rule::BUTANE_OPENSHIFT_UNUSED,
            member.node.from,
            message,
            help,
        ));
    }
}

/// Checks the made document for what the machines do not take.
pub(super) fn check_made(made: &Node<'_>, variant: &Variant, tell: &mut Tell<'_>) {
    let Some(minor) = variant.openshift else { return };
    each(made, "storage.filesystems.*.format", &mut |format| {
        let help = "choose xfs or ext4";
        match format.as_text() {
            Some("btrfs") => tell(error(format.from, "there is no btrfs on OpenShift", help)),
            Some("none") if minor >= 14 => {
                tell(error(
                    format.from,
                    "OpenShift takes no file system without a format",
                    help,
                ));
            }
            _ => {}
        }
    });
    each(made, "storage.files.*.contents.source", &mut |source| {
        let scheme = source.as_text().and_then(|url| url.split_once(':'));
        if !scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("data")) {
            let help = "write the contents as inline or local: nothing is fetched there";
            tell(error(source.from, "contents must stand in the config", help));
        }
    });
    each(made, "storage.files.*.mode", &mut |mode| {
        let is_special = mode.as_integer().is_none_or(|bits| bits & !0o777 != 0);
        if minor >= 10 && is_special {
            let help = "write the permissions alone, such as 0755";
            tell(error(
                mode.from,
                "setuid, setgid and sticky bits are not taken",
                help,
            ));
        }
    });
    each(made, "passwd.users.*", &mut |user| {
        let help = "write name: core; there are no other accounts to set";
        let message = "only the user core can be configured";
        match user.get("name") {
            Some(name) if name.as_text() == Some("core") => {}
            Some(name) => tell(error(name.from, message, help)),
            None => tell(error(user.from, message, help).below("name")),
        }
    });
}

/// Gives encrypted volumes the cipher that FIPS asks for, unless they name one.
pub(super) fn add_cipher(made: &mut Node<'_>, source: &Node<'_>, variant: &Variant) {
    let fips = source.get("openshift").and_then(|section| section.get("fips"));
    let needs = variant.openshift.is_some_and(|minor| minor < 20);
    let Some(at) = fips
        .filter(|fips| needs && fips.as_boolean() == Some(true))
        .map(|fips| fips.from)
    else {
        return;
    };
    each_mut(made, "storage.luks.*", &mut |volume| {
        let mut given = volume.each("options").iter().filter_map(Node::as_text);
        if given.any(|option| matches!(option, "--cipher" | "-c") || option.starts_with("--cipher=")) {
            return;
        }
        let more = ["--cipher", "aes-cbc-essiv:sha256"].map(|option| Node::text(option, at));
        match volume.get_mut("options") {
            Some(Node {
                value: Value::List(options),
                ..
            }) => options.extend(more),
            _ => volume.set("options", Node::list(more.into(), at)),
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::butane::seen::{json, told, tree, variant};

    const METADATA: &str =
        r#""metadata":{"name":"a","labels":{"machineconfiguration.openshift.io/role":"worker"}}"#;

    fn errors(places: &[&str]) -> Vec<String> {
        places.iter().map(|at| format!("{at} butane-openshift")).collect()
    }

    #[test]
    fn a_machine_config_needs_a_name_and_a_role() {
        let rows: &[(&str, &[&str])] = &[
            (METADATA, &[]),
            ("", &["/metadata/name", "/metadata/labels"]),
            (r#""metadata":{}"#, &["/metadata/name", "/metadata/labels"]),
            (
                r#""metadata":{"name":"","labels":{"x":"y"}}"#,
                &["/metadata/name", "/metadata/labels"],
            ),
            (
                r#""metadata":{"name":"a","labels":{"machineconfiguration.openshift.io/role":""}}"#,
                &["/metadata/labels"],
            ),
        ];
        for (members, expected) in rows {
            let source = format!("{{{members}}}");
            let found = told(&source, |source, tell| {
                check(source, variant("openshift 4.8.0"), tell)
            });
            assert_eq!(found, errors(expected), "{members}");
        }
        let found = told("{}", |source, tell| check(source, variant("fcos 1.7.0"), tell));
        assert_eq!(found, [""; 0], "others have no metadata");
    }

    #[test]
    fn kernels_have_names() {
        for (kernel, expected) in [
            ("", &[][..]),
            ("default", &[]),
            ("realtime", &[]),
            ("fast", &["/openshift/kernelType"]),
        ] {
            let source = format!("{{{METADATA},\"openshift\":{{\"kernelType\":\"{kernel}\"}}}}");
            let found = told(&source, |source, tell| {
                check(source, variant("openshift 4.22.0"), tell)
            });
            assert_eq!(found, errors(expected), "{kernel}");
        }
    }

    #[test]
    fn a_crypto_card_for_the_root_needs_its_argument() {
        let root = r#""storage":{"luks":[{"name":"root","cex":{"enabled":true}}]}"#;
        let boot = r#""bootDevice":{"luks":{"cex":{"enabled":true}}}"#;
        let data = r#""storage":{"luks":[{"name":"data","cex":{"enabled":true}}]}"#;
        let arguments = |list: &str| format!("{root},\"openshift\":{{\"kernelArguments\":[{list}]}}");
        for (version, members, expected) in [
            ("4.19.0", root.to_owned(), &["/openshift/kernel_arguments"][..]),
            ("4.19.0", boot.to_owned(), &["/openshift/kernel_arguments"]),
            (
                "4.19.0",
                format!("{boot},{root}"),
                &["/openshift/kernel_arguments"],
            ),
            (
                "4.19.0",
                format!("{boot},\"openshift\":{{\"fips\":true}}"),
                &["/openshift/kernel_arguments"],
            ),
            (
                "4.19.0",
                arguments("\"rd.luks.key=/etc/luks/cex.key2\""),
                &["/openshift/kernelArguments"],
            ),
            (
                "4.19.0",
                arguments("\"a\",\"rd.luks.key=/etc/luks/cex.key\""),
                &[],
            ),
            ("4.19.0", data.to_owned(), &[]),
            ("4.18.0", root.to_owned(), &[]),
            (
                "4.23.0-experimental",
                boot.to_owned(),
                &["/openshift/kernel_arguments"],
            ),
        ] {
            let source = format!("{{{METADATA},{members}}}");
            let variant = variant(&format!("openshift {version}"));
            let found = told(&source, |source, tell| check(source, variant, tell));
            assert_eq!(found, errors(expected), "{version} {members}");
        }
    }

    #[test]
    fn settings_of_a_raw_config_are_told() {
        let source =
            r#"{"openshift":{"kernelType":"","fips":false,"extensions":[],"kernelArguments":["a"]}}"#;
        let found = told(source, warn_raw);
        let line = |name| format!("warning /openshift/{name} butane-openshift-unused");
        assert_eq!(
            found,
            ["kernelType", "fips", "extensions", "kernelArguments"].map(line)
        );
        assert_eq!(told("{}", warn_raw), [""; 0]);
    }

    #[test]
    fn what_machines_do_not_take_is_refused() {
        let rows: &[(&str, &str, &[&str])] = &[
            ("4.8.0", r#""passwd":{"users":[{"name":"core"}]}"#, &[]),
            (
                "4.8.0",
                r#""passwd":{"users":[{"name":"core"},{"name":"root"},{}]}"#,
                &["/passwd/users/1/name", "/passwd/users/2/name"],
            ),
            (
                "4.8.0",
                r#""storage":{"files":[{"contents":{"source":"data:,a"}},{}]}"#,
                &[],
            ),
            (
                "4.8.0",
                r#""storage":{"files":[{"contents":{"source":"https://h/a"}}]}"#,
                &["/storage/files/0/contents/source"],
            ),
            (
                "4.8.0",
                r#""storage":{"files":[{"contents":{"source":"data"}}]}"#,
                &["/storage/files/0/contents/source"],
            ),
            (
                "4.8.0",
                r#""storage":{"files":[{"contents":{"source":""}}]}"#,
                &["/storage/files/0/contents/source"],
            ),
            (
                "4.8.0",
                r#""storage":{"filesystems":[{"format":"btrfs"}]}"#,
                &["/storage/filesystems/0/format"],
            ),
            (
                "4.8.0",
                r#""storage":{"filesystems":[{"format":"xfs"},{"format":"none"}]}"#,
                &[],
            ),
            ("4.13.0", r#""storage":{"filesystems":[{"format":"none"}]}"#, &[]),
            (
                "4.14.0",
                r#""storage":{"filesystems":[{"format":"none"}]}"#,
                &["/storage/filesystems/0/format"],
            ),
            ("4.9.0", r#""storage":{"files":[{"mode":2541}]}"#, &[]),
            (
                "4.10.0",
                r#""storage":{"files":[{"mode":2541}]}"#,
                &["/storage/files/0/mode"],
            ),
            ("4.10.0", r#""storage":{"files":[{"mode":511}]}"#, &[]),
            (
                "4.10.0",
                r#""storage":{"files":[{"mode":512}]}"#,
                &["/storage/files/0/mode"],
            ),
        ];
        for (version, members, expected) in rows {
            let source = format!("{{{members}}}");
            let variant = variant(&format!("openshift {version}"));
            let found = told(&source, |made, tell| check_made(made, variant, tell));
            assert_eq!(found, errors(expected), "{version} {members}");
        }
        let other = r#"{"passwd":{"users":[{"name":"root"}]}}"#;
        let found = told(other, |made, tell| check_made(made, variant("fcos 1.7.0"), tell));
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn fips_asks_for_a_cipher() {
        let ciphered = |version: &str, fips: &str, options: &str| {
            let source =
                format!("{{\"openshift\":{{\"fips\":{fips}}},\"storage\":{{\"luks\":[{{{options}}}]}}}}");
            let (source, _) = tree(&source);
            let mut made = source.clone();
            add_cipher(&mut made, &source, variant(version));
            let volume = &made.get("storage").unwrap().each("luks")[0];
            volume.get("options").map(json)
        };
        let added = Some(r#"["--cipher","aes-cbc-essiv:sha256"]"#.to_owned());
        assert_eq!(ciphered("openshift 4.8.0", "true", ""), added);
        assert_eq!(ciphered("openshift 4.19.0", "true", r#""options":[]"#), added);
        assert_eq!(ciphered("openshift 4.20.0", "true", ""), None);
        assert_eq!(ciphered("openshift 4.19.0", "false", ""), None);
        for (option, is_cipher) in [
            ("--cipher", true),
            ("-c", true),
            ("--cipher=x", true),
            ("-cfoo", false),
            ("--ciphers", false),
        ] {
            let options = format!("\"options\":[\"{option}\"]");
            let count = ciphered("openshift 4.19.0", "true", &options)
                .unwrap()
                .matches(',')
                .count();
            assert_eq!(count == 0, is_cipher, "{option}");
        }
        let (source, places) = tree(r#"{"openshift":{"fips":true},"storage":{"luks":[{}]}}"#);
        let mut made = source.clone();
        add_cipher(&mut made, &source, variant("openshift 4.8.0"));
        let options = made.get("storage").unwrap().each("luks")[0]
            .get("options")
            .unwrap();
        assert_eq!(
            places.pointer(options.elements()[0].from).to_string(),
            "/openshift/fips"
        );
    }
}
