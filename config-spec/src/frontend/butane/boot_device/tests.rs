use super::*;
use crate::frontend::butane::seen::{json, told, tree, variant};

fn findings(config: &str, section: &str) -> Vec<String> {
    let source = format!("{{\"bootDevice\":{section}}}");
    told(&source, |node, tell| check(node, variant(config), tell))
}

#[test]
fn sections_are_held_to_the_rules_of_their_version() {
    const MIRROR: &str = r#""mirror":{"devices":["/dev/a","/dev/b"]}"#;
    let cex = |layout: &str| {
        format!("{{{layout}\"luks\":{{\"device\":\"/dev/sda\",\"cex\":{{\"enabled\":true}}}}}}")
    };
    let disk = |layout: &str, device: &str| {
        format!("{{\"layout\":\"{layout}\",\"luks\":{{\"device\":\"{device}\",\"tpm2\":true}}}}")
    };
    let error = |at: &str| format!("/bootDevice{at} butane-boot-device");
    let rows: &[(&str, String, &[&str])] = &[
        // Layouts.
        ("fcos 1.3.0", r#"{"layout":"x86_64"}"#.into(), &[]),
        ("fcos 1.3.0", r#"{"layout":"aarch64"}"#.into(), &[]),
        ("fcos 1.5.0", r#"{"layout":"ppc64le"}"#.into(), &[]),
        ("fcos 1.5.0", r#"{"layout":"s390x-virt"}"#.into(), &["/layout"]),
        (
            "openshift 4.18.0",
            r#"{"layout":"s390x-virt"}"#.into(),
            &["/layout"],
        ),
        ("openshift 4.19.0", r#"{"layout":"s390x-virt"}"#.into(), &[]),
        ("fcos 1.6.0", r#"{"layout":"s390x-virt"}"#.into(), &[]),
        ("fcos 1.7.0", r#"{"layout":"X86_64"}"#.into(), &["/layout"]),
        ("fcos 1.7.0", r#"{"layout":""}"#.into(), &["/layout"]),
        // Mirrors.
        ("fcos 1.7.0", format!("{{{MIRROR}}}"), &["/mirror"]),
        ("fcos 1.7.0", format!("{{\"layout\":\"x86_64\",{MIRROR}}}"), &[]),
        (
            "fcos 1.7.0",
            r#"{"layout":"x86_64","mirror":{"devices":[]}}"#.into(),
            &[],
        ),
        (
            "fcos 1.7.0",
            r#"{"layout":"x86_64","mirror":{"devices":["/dev/a"]}}"#.into(),
            &["/mirror/devices"],
        ),
        (
            "fcos 1.6.0",
            format!("{{\"layout\":\"s390x-virt\",{MIRROR}}}"),
            &["/layout"],
        ),
        (
            "fcos 1.5.0",
            format!("{{\"layout\":\"s390x-virt\",{MIRROR}}}"),
            &["/layout"],
        ),
        // Disks that the layout needs by name.
        ("fcos 1.6.0", r#"{"layout":"s390x-eckd"}"#.into(), &["/layout"]),
        (
            "fcos 1.6.0",
            r#"{"layout":"s390x-zfcp","luks":{}}"#.into(),
            &["/layout"],
        ),
        ("fcos 1.6.0", disk("s390x-eckd", "/dev/dasda"), &[]),
        ("fcos 1.6.0", disk("s390x-eckd", "/foo/dev/dasdz"), &[]),
        ("fcos 1.6.0", disk("s390x-eckd", "/dev/dasdaa"), &["/layout"]),
        ("fcos 1.6.0", disk("s390x-eckd", "/dev/dasd"), &["/layout"]),
        ("fcos 1.6.0", disk("s390x-eckd", "/dev/dasd1"), &["/layout"]),
        ("fcos 1.6.0", disk("s390x-eckd", "/dev/sda"), &["/layout"]),
        ("fcos 1.6.0", disk("s390x-zfcp", "/dev/sda"), &[]),
        ("fcos 1.6.0", disk("s390x-zfcp", "/dev/dasda"), &["/layout"]),
        // A crypto card.
        ("fcos 1.6.0", cex(""), &["/luks/cex"]),
        ("fcos 1.6.0", cex("\"layout\":\"aarch64\","), &["/layout"]),
        ("fcos 1.6.0", cex("\"layout\":\"s390x-virt\","), &[]),
        ("fcos 1.6.0", cex("\"layout\":\"s390x-zfcp\","), &[]),
        ("fcos 1.6.0", r#"{"luks":{"cex":{"enabled":false}}}"#.into(), &[]),
        (
            "fcos 1.6.0",
            r#"{"layout":"s390x-virt","luks":{"tpm2":true,"cex":{"enabled":true}}}"#.into(),
            &["/luks"],
        ),
        (
            "fcos 1.6.0",
            r#"{"layout":"s390x-virt","luks":{"tang":[{}],"cex":{"enabled":true}}}"#.into(),
            &["/luks"],
        ),
        // A device that nothing unlocks.
        (
            "fcos 1.7.0",
            r#"{"luks":{"device":"/dev/sda"}}"#.into(),
            &["/luks"],
        ),
        ("fcos 1.6.0", r#"{"luks":{"device":"/dev/sda"}}"#.into(), &[]),
        (
            "fcos 1.7.0",
            r#"{"luks":{"device":"/dev/sda","tang":[{},{"url":""}]}}"#.into(),
            &["/luks"],
        ),
        (
            "fcos 1.7.0",
            r#"{"luks":{"device":"/dev/sda","tang":[{},{"url":"http://h"}]}}"#.into(),
            &[],
        ),
        (
            "fcos 1.7.0",
            r#"{"luks":{"device":"/dev/sda","tpm2":false}}"#.into(),
            &["/luks"],
        ),
        (
            "fcos 1.7.0",
            r#"{"luks":{"device":"/dev/sda","tpm2":true}}"#.into(),
            &[],
        ),
        ("fcos 1.7.0", r#"{"luks":{"discard":true}}"#.into(), &[]),
    ];
    for (config, section, expected) in rows {
        let expected: Vec<_> = expected.iter().map(|at| error(at)).collect();
        assert_eq!(findings(config, section), expected, "{config} {section}");
    }
    for config in ["fcos 1.3.0", "fcos 1.6.0", "openshift 4.8.0"] {
        let told = findings(config, &format!("{{{MIRROR}}}"));
        assert_eq!(
            told,
            ["warning /bootDevice/mirror butane-boot-layout"],
            "{config}"
        );
    }
    let both = r#"{"layout":"s390x-eckd","luks":{"device":"/dev/sda"},"mirror":{"devices":["a","b"]}}"#;
    assert_eq!(findings("fcos 1.6.0", both).len(), 2, "each reason is told");
    assert_eq!(
        findings("flatcar 1.1.0", r#"{"layout":"x"}"#),
        [""; 0],
        "it has no such section"
    );
}

fn expanded(section: &str) -> Option<String> {
    let source = format!("{{\"bootDevice\":{section}}}");
    expand(&tree(&source).0).map(|node| json(&node))
}

#[test]
fn a_section_that_asks_for_nothing_is_nothing() {
    for section in [
        r#"{"layout":"x86_64"}"#,
        r#"{"luks":{"threshold":1,"discard":true,"tpm2":false,"tang":[],"cex":{"enabled":false}}}"#,
        r#"{"mirror":{"devices":[]},"layout":"aarch64"}"#,
    ] {
        assert_eq!(expanded(section), None, "{section}");
    }
    assert!(expand(&tree("{}").0).is_none());
}

#[test]
fn a_mirror_has_the_partitions_of_its_layout() {
    let rows = [
        (
            "x86_64",
            &[
                ("bios", 1, "21686148-6449-6E6F-744E-656564454649"),
                ("esp", 127, ESP.kind),
            ],
        ),
        (
            "aarch64",
            &[
                ("reserved", 1, "8DA63339-0007-60C0-C436-083AC8230908"),
                ("esp", 127, ESP.kind),
            ],
        ),
        (
            "ppc64le",
            &[
                ("prep", 4, "9E1A2D38-C612-4316-AA26-8B49521E5A8B"),
                ("reserved", 1, RESERVED.kind),
            ],
        ),
    ];
    assert_eq!(ESP.kind, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
    for (layout, slots) in rows {
        let made = expanded(&format!(
            "{{\"layout\":\"{layout}\",\"mirror\":{{\"devices\":[\"/dev/a\",\"/dev/b\"]}}}}"
        ));
        let made: serde_json::Value = serde_json::from_str(&made.unwrap()).unwrap();
        let storage = &made["storage"];
        for (index, device) in ["/dev/a", "/dev/b"].iter().enumerate() {
            let number = index + 1;
            let mut partitions: Vec<_> = slots
                .iter()
                .map(|(name, size, kind)| {
                    serde_json::json!({"label": format!("{name}-{number}"), "sizeMiB": size, "typeGuid": kind})
                })
                .collect();
            partitions.push(serde_json::json!({"label": format!("boot-{number}"), "sizeMiB": 384}));
            partitions.push(serde_json::json!({"label": format!("root-{number}")}));
            let disk = serde_json::json!({"device": device, "wipeTable": true, "partitions": partitions});
            assert_eq!(storage["disks"][index], disk, "{layout}");
        }
        let filesystem = |device: &str, format: &str, label: &str| serde_json::json!({"device": device, "format": format, "label": label, "wipeFilesystem": true});
        let mut filesystems = Vec::new();
        if layout != "ppc64le" {
            filesystems.push(filesystem("/dev/disk/by-partlabel/esp-1", "vfat", "esp-1"));
            filesystems.push(filesystem("/dev/disk/by-partlabel/esp-2", "vfat", "esp-2"));
        }
        filesystems.push(filesystem("/dev/md/md-boot", "ext4", "boot"));
        filesystems.push(filesystem("/dev/md/md-root", "xfs", "root"));
        assert_eq!(storage["filesystems"], serde_json::json!(filesystems), "{layout}");
        let members = |name: &str| [1, 2].map(|number| format!("/dev/disk/by-partlabel/{name}-{number}"));
        let arrays = serde_json::json!([
            {"name": "md-boot", "level": "raid1", "devices": members("boot"), "options": ["--metadata=1.0"]},
            {"name": "md-root", "level": "raid1", "devices": members("root")},
        ]);
        assert_eq!(storage["raid"], arrays, "{layout}");
        assert_eq!(storage.get("luks"), None, "{layout}");
    }
}

#[test]
fn the_encrypted_root_is_on_the_device_of_its_layout() {
    let mirror = r#","mirror":{"devices":["/dev/a","/dev/b"]}"#;
    for (layout, more, device) in [
        ("s390x-eckd", "", "/dev/dasda2"),
        ("s390x-zfcp", "", "/dev/dasda4"),
        ("s390x-virt", "", "/dev/disk/by-partlabel/root"),
        ("x86_64", "", "/dev/disk/by-partlabel/root"),
        ("x86_64", mirror, "/dev/md/md-root"),
    ] {
        let made = expanded(&format!(
            "{{\"layout\":\"{layout}\",\"luks\":{{\"device\":\"/dev/dasda\",\"tpm2\":true}}{more}}}"
        ));
        let made: serde_json::Value = serde_json::from_str(&made.unwrap()).unwrap();
        let volume = serde_json::json!([{
            "name": "root", "label": "luks-root", "device": device, "wipeVolume": true, "clevis": {"tpm2": true},
        }]);
        assert_eq!(made["storage"]["luks"], volume, "{layout} {more}");
        let filesystems = made["storage"]["filesystems"].as_array().unwrap();
        let root = serde_json::json!({
            "device": "/dev/mapper/root", "format": "xfs", "label": "root", "wipeFilesystem": true,
        });
        assert_eq!(filesystems.last(), Some(&root));
    }
}

#[test]
fn pins_are_given_on_as_they_are() {
    let luks = |members: &str| {
        let made = expanded(&format!("{{\"layout\":\"s390x-virt\",\"luks\":{{{members}}}}}")).unwrap();
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        made["storage"]["luks"][0].clone()
    };
    let tang = r#""tang":[{"url":"http://h","thumbprint":"t"}],"threshold":9,"tpm2":false,"discard":false"#;
    let volume = luks(tang);
    let clevis =
        serde_json::json!({"tang": [{"url": "http://h", "thumbprint": "t"}], "threshold": 9, "tpm2": false});
    assert_eq!(volume["clevis"], clevis);
    assert_eq!(volume["discard"], serde_json::json!(false));
    let volume = luks(r#""cex":{"enabled":true},"threshold":1"#);
    assert_eq!(volume["cex"], serde_json::json!({"enabled": true}));
    assert_eq!((volume.get("clevis"), volume.get("discard")), (None, None));
}

#[test]
fn what_is_made_has_the_place_of_what_asked_for_it() {
    let source = r#"{"bootDevice":{"layout":"x86_64","luks":{"discard":true,"tang":[{"url":"u"}],"threshold":1,"tpm2":true},
        "mirror":{"devices":["/dev/a","/dev/b"]}}}"#;
    let (source, places) = tree(source);
    let made = expand(&source).unwrap();
    let at = |way: &str| {
        let node = way
            .split('/')
            .fold(&made, |node, step| match step.parse::<usize>() {
                Ok(index) => &node.elements()[index],
                Err(_) => node.get(step).unwrap(),
            });
        let at = places.pointer(node.from).to_string();
        at.strip_prefix("/bootDevice").unwrap().to_owned()
    };
    for (made, place) in [
        ("storage", ""),
        ("storage/disks/1", "/mirror/devices/1"),
        ("storage/disks/1/device", "/mirror/devices/1"),
        ("storage/disks/0/partitions/3/label", "/mirror/devices/0"),
        ("storage/filesystems/1/label", "/mirror/devices/1"),
        ("storage/filesystems/2", "/mirror"),
        ("storage/filesystems/3", ""),
        ("storage/filesystems/3/format", ""),
        ("storage/raid/0/devices/1", "/mirror"),
        ("storage/luks/0", "/luks"),
        ("storage/luks/0/name", "/luks"),
        ("storage/luks/0/discard", "/luks/discard"),
        ("storage/luks/0/clevis", "/luks"),
        ("storage/luks/0/clevis/tang/0/url", "/luks/tang/0/url"),
        ("storage/luks/0/clevis/threshold", "/luks/threshold"),
        ("storage/luks/0/clevis/tpm2", "/luks/tpm2"),
    ] {
        assert_eq!(at(made), place, "{made}");
    }
}
