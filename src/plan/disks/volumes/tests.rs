use kindling_config_spec::types::{ClevisCustom, Resource, Tang};

use std::path::Path;

use super::*;

fn plain(name: &str) -> Luks {
    Luks {
        name: name.into(),
        device: Some("/dev/vdb1".into()),
        ..Luks::default()
    }
}

fn keyed(name: &str) -> Luks {
    Luks {
        key_file: Resource {
            source: Some("data:,k".into()),
            ..Resource::default()
        },
        ..plain(name)
    }
}

fn tang(url: &str, advertisement: Option<&str>) -> Tang {
    Tang {
        url: url.into(),
        thumbprint: Some("T".into()),
        advertisement: advertisement.map(str::to_owned),
    }
}

fn lines(want: &Luks) -> Vec<String> {
    let calls = calls(
        want,
        Path::new("/dev/vdb1"),
        "u-1",
        Some("kindling:1"),
        &["01.0004".into()],
    );
    calls.iter().map(ToString::to_string).collect()
}

#[test]
fn the_page_decides_a_volume_as_the_code_does() {
    let rows = crate::plan::page::table("## Encrypted volumes");
    assert_eq!(rows.len(), 9);
    let why = || "why".to_owned();
    for (holds, word) in [
        (Holds::Nothing, "nothing"),
        (Holds::Unfinished, "what an interrupted run left"),
        (Holds::HandedOver, "this boot's own volume, its key handed over"),
        (
            Holds::Bound(Unlock::Clevis),
            "this provisioning's own volume, bound by clevis",
        ),
        (Holds::Stored, "this config's own volume, its drawn key stored"),
        (Holds::Agreeing, "a LUKS2 volume that agrees"),
        (Holds::Differing(why()), "any other LUKS volume"),
        (Holds::Other(why()), "anything else"),
    ] {
        for wipe in [false, true] {
            let may = if wipe { "yes" } else { "no" };
            let covers = |row: &&Vec<&str>| {
                let is_any = row[0] == "anything" && !matches!(holds, Holds::Nothing | Holds::Unfinished);
                (row[0] == word || is_any) && (row[1] == "any" || row[1] == may)
            };
            let matching: Vec<_> = rows.iter().filter(covers).collect();
            let [row] = matching[..] else {
                panic!("{word}, {may} is covered by {} rows", matching.len());
            };
            let expected = match decide(holds.clone(), wipe) {
                Decision::Keep(Unlock::Key) => "kept, opened by its key",
                Decision::Keep(Unlock::Clevis) => "kept, opened by clevis",
                Decision::Keep(Unlock::Stored) => "kept, opened by the mount stage",
                Decision::Make => "made",
                Decision::EraseAndMake => "erased, then made",
                Decision::Refuse(_) => "refused: `volume-differs`",
            };
            assert_eq!(row[2], expected, "{word}, {may}");
        }
    }
}

#[test]
fn the_calls_of_a_plain_volume() {
    let want = Luks {
        label: Some("L".into()),
        discard: Some(true),
        options: vec!["--cipher=aes".into()],
        open_options: vec!["--perf-no_read_workqueue".into()],
        ..keyed("data")
    };
    assert_eq!(
        lines(&want),
        [
            "cryptsetup luksFormat --type luks2 --key-file KEY --label L --uuid u-1 --subsystem kindling:1 \
             --cipher=aes /dev/vdb1",
            "cryptsetup luksOpen /dev/vdb1 data --key-file KEY --persistent --allow-discards \
             --perf-no_read_workqueue",
        ]
    );
    let chosen = Luks {
        uuid: Some("U".into()),
        options: vec!["--uuid=X".into()],
        ..keyed("data")
    };
    assert!(!lines(&chosen)[0].contains("u-1"));
}

#[test]
fn the_calls_of_a_bound_volume() {
    let mut want = plain("root");
    want.clevis.tpm2 = Some(true);
    want.clevis.tang = vec![tang("http://a", None)];
    want.clevis.threshold = Some(2);
    assert_eq!(
        lines(&want)[2..],
        [
            r#"clevis luks bind -f -k KEY -d /dev/vdb1 sss "{\"pins\":{\"tang\":[{\"thp\":\"T\",\"url\":\"http://a\"}],\"tpm2\":{}},\"t\":2}""#,
            "cryptsetup luksClose root",
            "clevis luks unlock -d /dev/vdb1 -n root",
            "cryptsetup luksRemoveKey /dev/vdb1 KEY",
        ]
    );
    // A key of the user's own keeps its slot.
    want.key_file.source = Some("data:,k".into());
    assert_eq!(
        lines(&want).last().unwrap(),
        "clevis luks unlock -d /dev/vdb1 -n root"
    );
    // A server with an advertisement need not be there: with two needed, nothing can be proved.
    want.clevis.tang = vec![tang("http://a", Some(r#"{"payload":""}"#))];
    let calls = lines(&want);
    assert_eq!(calls.len(), 3);
    assert!(calls[2].contains(r#"\"adv\":{\"payload\":\"\"}"#), "{}", calls[2]);
}

#[test]
fn what_a_pin_of_the_users_own_is_told_is_a_secret() {
    let mut want = plain("root");
    want.clevis.custom = ClevisCustom {
        pin: Some("hsm".into()),
        config: Some(r#"{"pin":"1234"}"#.into()),
        needs_network: Some(true),
    };
    let calls = lines(&want);
    assert_eq!(calls[2], "clevis luks bind -f -k KEY -d /dev/vdb1 hsm …");
    assert_eq!(calls[3], "cryptsetup luksRemoveKey /dev/vdb1 KEY");
}

#[test]
fn the_calls_of_a_volume_that_a_crypto_card_protects() {
    let mut want = plain("root");
    want.cex.enabled = Some(true);
    let key = "/etc/zkey/repository/ignition-luks-root.skey";
    assert_eq!(
        lines(&want),
        [
            "zkey generate --name ignition-luks-root --key-type CCA-AESCIPHER --xts --description \
             \"the volume root of the first boot's config\" --apqns 01.0004"
                .to_owned(),
            format!(
                "cryptsetup luksFormat --type luks2 --key-file KEY --uuid u-1 --subsystem kindling:1 /dev/vdb1 \
                 --volume-key-file {key} --cipher paes-xts-plain64 --key-size BITS-OF:{key}"
            ),
            "zkey-cryptsetup setvp /dev/vdb1 --key-file KEY".to_owned(),
            "cryptsetup luksOpen /dev/vdb1 root --key-file KEY --persistent".to_owned(),
        ]
    );
}

#[test]
fn reuse_conditions() {
    let found = |label: Option<&str>, version: &str| Signature {
        kind: "crypto_LUKS".into(),
        label: label.map(str::to_owned),
        uuid: Some("AB".into()),
        version: Some(version.into()),
        subsystem: None,
    };
    let with = |change: &dyn Fn(&mut Luks)| {
        let mut want = keyed("data");
        change(&mut want);
        want
    };
    let discards = Facts {
        flags: ["allow-discards".to_owned()].into(),
        ..Facts::default()
    };
    for (row, want, found, facts, agrees) in [
        (
            "as it is",
            keyed("data"),
            found(None, "2"),
            Facts::default(),
            true,
        ),
        (
            "version 1",
            keyed("data"),
            found(None, "1"),
            Facts::default(),
            false,
        ),
        ("no key", plain("data"), found(None, "2"), Facts::default(), false),
        (
            "label",
            with(&|want| want.label = Some("L".into())),
            found(Some("L"), "2"),
            Facts::default(),
            true,
        ),
        (
            "other label",
            with(&|want| want.label = Some("L".into())),
            found(None, "2"),
            Facts::default(),
            false,
        ),
        (
            "UUID",
            with(&|want| want.uuid = Some("AB".into())),
            found(None, "2"),
            Facts::default(),
            true,
        ),
        (
            "other case",
            with(&|want| want.uuid = Some("ab".into())),
            found(None, "2"),
            Facts::default(),
            false,
        ),
        (
            "discards",
            with(&|want| want.discard = Some(true)),
            found(None, "2"),
            discards.clone(),
            true,
        ),
        (
            "too many discards",
            keyed("data"),
            found(None, "2"),
            discards,
            false,
        ),
        (
            "clevis",
            with(&|want| want.clevis.tpm2 = Some(true)),
            found(None, "2"),
            Facts::default(),
            false,
        ),
    ] {
        assert_eq!(
            volume_difference(&want, &found, &facts).is_none(),
            agrees,
            "{row}"
        );
    }
}

#[test]
fn flags_that_later_boots_open_it_with() {
    let want = Luks {
        discard: Some(true),
        open_options: ["--perf-no_read_workqueue", "--integrity-no-journal", "--debug"]
            .map(str::to_owned)
            .into(),
        ..keyed("data")
    };
    let expected = ["allow-discards", "no-journal", "no-read-workqueue"];
    assert_eq!(flags(&want), expected.map(str::to_owned).into());
    assert_eq!(flags(&keyed("data")), OrderedSet::new());
}
