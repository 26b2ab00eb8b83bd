//! Configs made from small pools: keys meet often when two configs are merged, and most values are ones the rules
//! accept. No list has two entries with one key.

use kindling_config_spec::types::{
    Cex, Clevis, ClevisCustom, Config, Directory, Disk, Dropin, File, Filesystem, Group, HttpHeader,
    Ignition, IgnitionConfig, KernelArguments, Link, Luks, Owner, Partition, Passwd, Proxy, Raid, Resource,
    Security, Storage, Systemd, Tang, Timeouts, Tls, Unit, User, Verification,
};
use kindling_config_spec::version::NEWEST;
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

/// One of `pool`, or rarely something odd.
fn one_of(pool: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
    const ODD: &[&str] = &["", "é\u{1f600}", "\"\\\n\u{7f}", "../x", "$6$salt$hash"];
    prop_oneof![30 => select(pool), 1 => select(ODD)].prop_map(str::to_owned)
}

fn maybe(pool: &'static [&'static str]) -> impl Strategy<Value = Option<String>> + Clone {
    of(one_of(pool))
}

fn flag() -> impl Strategy<Value = Option<bool>> + Clone {
    of(any::<bool>())
}

/// An entry per key of `pool`, of which a few are taken, each made by `entry`.
fn list<T, S>(
    pool: &'static [&'static str],
    entry: impl Fn(String) -> S + Clone + 'static,
) -> impl Strategy<Value = Vec<T>>
where
    T: std::fmt::Debug + Clone,
    S: Strategy<Value = T>,
{
    keys(pool).prop_flat_map(move |keys| keys.into_iter().map(&entry).collect::<Vec<_>>())
}

fn keys(pool: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> + Clone {
    subsequence(pool, 0..=pool.len().min(2))
        .prop_map(|keys| keys.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

fn number(pool: &'static [i64]) -> impl Strategy<Value = Option<i64>> + Clone {
    of(prop_oneof![30 => select(pool), 1 => any::<i64>()])
}

const SOURCES: &[&str] = &["https://h/a", "data:,x", "http://h/b?c=d"];
const HASH: &str = "sha512-cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce\
     47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

fn resource(source: Option<String>) -> impl Strategy<Value = Resource> + Clone {
    let is_http = source.as_deref().is_some_and(|source| source.starts_with("http"));
    let has_source = source.is_some();
    let header = |name| {
        of(Just("v".to_owned())).prop_map(move |value| HttpHeader {
            name: String::clone(&name),
            value,
        })
    };
    let headers = keys(if is_http { &["A", "B"] } else { &[] });
    let headers = headers.prop_flat_map(move |names| names.into_iter().map(header).collect::<Vec<_>>());
    let hash = weighted(if has_source { 0.3 } else { 0.02 }, Just(HASH.to_owned()));
    (weighted(0.2, one_of(&["gzip"])), headers, hash).prop_map(move |(compression, http_headers, hash)| {
        Resource {
            compression,
            http_headers,
            source: source.clone(),
            verification: Verification { hash },
        }
    })
}

fn any_resource() -> impl Strategy<Value = Resource> {
    weighted(0.6, one_of(SOURCES)).prop_flat_map(resource)
}

fn resources() -> impl Strategy<Value = Vec<Resource>> {
    // A reference without a source is what 3.0 allowed.
    (
        list(SOURCES, |source| resource(Some(source))),
        weighted(0.05, resource(None)),
    )
        .prop_map(|(list, without)| list.into_iter().chain(without).collect())
}

fn ignition() -> impl Strategy<Value = Ignition> {
    // A digest of nothing is what 3.0 allowed.
    let digest_only = Just(Resource {
        verification: Verification {
            hash: Some(HASH.to_owned()),
        },
        ..Resource::default()
    });
    let replace = weighted(0.15, prop_oneof![any_resource(), digest_only]);
    let config = (resources(), replace).prop_map(|(merge, replace)| IgnitionConfig {
        merge,
        replace: replace.unwrap_or_default(),
    });
    let proxy = (
        maybe(&["http://p"]),
        maybe(&["https://p", "http://p"]),
        keys(&["*", ".lan"]),
    )
        .prop_map(|(http_proxy, https_proxy, no_proxy)| Proxy {
            http_proxy,
            https_proxy,
            no_proxy,
        });
    let timeouts = (number(&[0, 10]), number(&[0, -1])).prop_map(|(headers, total)| Timeouts {
        http_response_headers: headers,
        http_total: total,
    });
    let authorities = list(SOURCES, |source| resource(Some(source)));
    (config, proxy, authorities, timeouts).prop_map(|(config, proxy, certificate_authorities, timeouts)| {
        Ignition {
            config,
            proxy,
            security: Security {
                tls: Tls {
                    certificate_authorities,
                },
            },
            timeouts,
            version: NEWEST.as_str().to_owned(),
        }
    })
}

fn passwd() -> impl Strategy<Value = Passwd> {
    let groups = list(&["wheel", "adm"], |name| {
        (number(&[10, 0]), maybe(&["*"]), flag(), flag()).prop_map(
            move |(gid, password_hash, should_exist, system)| Group {
                gid,
                name: name.clone(),
                password_hash,
                should_exist,
                system,
            },
        )
    });
    let users = list(&["core", "ada"], |name| {
        let names = (
            maybe(&["Ada"]),
            maybe(&["/home/ada"]),
            maybe(&["wheel"]),
            maybe(&["/bin/sh"]),
        );
        let lists = (keys(&["wheel", "adm"]), keys(&["ssh-rsa k1", "ssh-rsa k2"]));
        let flags = (flag(), flag(), flag(), flag(), flag());
        (names, lists, flags, maybe(&["*"]), number(&[1000])).prop_map(
            move |(names, lists, flags, password_hash, uid)| User {
                gecos: names.0,
                groups: lists.0,
                home_dir: names.1,
                name: name.clone(),
                no_create_home: flags.0,
                no_log_init: flags.1,
                no_user_group: flags.2,
                password_hash,
                primary_group: names.2,
                ssh_authorized_keys: lists.1,
                shell: names.3,
                should_exist: flags.3,
                system: flags.4,
                uid,
            },
        )
    });
    (groups, users).prop_map(|(groups, users)| Passwd { groups, users })
}

fn owner() -> impl Strategy<Value = Owner> + Clone {
    prop_oneof![
        2 => Just(Owner::default()),
        1 => number(&[0, 1000]).prop_map(|id| Owner { id, name: None }),
        1 => maybe(&["root", "ada"]).prop_map(|name| Owner { id: None, name }),
    ]
}

fn nodes() -> impl Strategy<Value = (Vec<File>, Vec<Directory>, Vec<Link>)> {
    let files = list(&["/f1", "/f2/x", "/shared"], |path| {
        let parts = (any_resource(), vec(any_resource(), 0..2), number(&[420, 2541]));
        (owner(), owner(), weighted(0.1, any::<bool>()), parts).prop_map(
            move |(user, group, overwrite, (contents, append, mode))| File {
                group,
                overwrite,
                path: path.clone(),
                user,
                append,
                contents,
                mode,
            },
        )
    });
    let directories = list(&["/d1", "/d2"], |path| {
        (owner(), owner(), flag(), number(&[493, 1023])).prop_map(move |(user, group, overwrite, mode)| {
            Directory {
                group,
                overwrite,
                path: path.clone(),
                user,
                mode,
            }
        })
    });
    // One path is a file's too: when merged, it changes its kind.
    let links = list(&["/l1", "/l2", "/shared"], |path| {
        let target = weighted(0.9, one_of(&["/f1", "d1", "/else"]));
        (owner(), owner(), flag(), flag(), target).prop_map(move |(user, group, overwrite, hard, target)| {
            Link {
                group,
                overwrite,
                path: path.clone(),
                user,
                hard,
                target,
            }
        })
    });
    (files, directories, links)
}

fn disks() -> impl Strategy<Value = Vec<Disk>> {
    const GUID: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
    list(&["/dev/vda", "/dev/vdb"], |device| {
        let partition = |label: String| {
            let sizes = (number(&[0, 64]), number(&[0]));
            let flags = (flag(), weighted(0.1, any::<bool>()), flag());
            (of(Just(GUID.to_owned())), of(Just(GUID.to_owned())), sizes, flags).prop_map(
                move |(guid, type_guid, (size_mib, start_mib), flags)| Partition {
                    guid,
                    label: Some(label.clone()),
                    number: i64::from(label == "root"),
                    resize: flags.0,
                    should_exist: flags.1,
                    size_mib,
                    start_mib,
                    type_guid,
                    wipe_partition_entry: flags.2,
                },
            )
        };
        (list(&["root", "data"], partition), flag()).prop_map(move |(partitions, wipe_table)| Disk {
            device: device.clone(),
            partitions,
            wipe_table,
        })
    })
}

fn raid() -> impl Strategy<Value = Vec<Raid>> {
    list(&["md0", "md1"], |name| {
        let devices = keys(&["/dev/vdc", "/dev/vdd"]).prop_map(|mut devices| {
            if devices.is_empty() {
                devices.push("/dev/vde".to_owned());
            }
            devices
        });
        let level = weighted(0.95, one_of(&["raid1", "5", "linear"]));
        let options = vec(one_of(&["-x", "-y"]), 0..3);
        (devices, level, options, weighted(0.2, Just(0))).prop_map(
            move |(devices, level, options, spares)| Raid {
                devices,
                level,
                name: name.clone(),
                options,
                spares,
            },
        )
    })
}

fn filesystems() -> impl Strategy<Value = Vec<Filesystem>> {
    list(&["/dev/vda1", "/dev/vdb"], |device| {
        let format = weighted(0.95, one_of(&["ext4", "xfs", "vfat", "none", "swap"]));
        let names = (format, maybe(&["ROOT"]), maybe(&["/var", "/"]), maybe(&["1-2-3"]));
        let options = (
            vec(one_of(&["-q", "-L"]), 0..3),
            vec(one_of(&["ro", "noatime"]), 0..3),
        );
        (names, options, flag()).prop_map(
            move |((format, label, path, uuid), (options, mount_options), wipe_filesystem)| Filesystem {
                device: device.clone(),
                format,
                label,
                mount_options,
                options,
                path,
                uuid,
                wipe_filesystem,
            },
        )
    })
}

fn clevis() -> impl Strategy<Value = Clevis> {
    let tang = list(&["http://t1", "https://t2"], |url| {
        (maybe(&["{}"]), weighted(0.95, one_of(&["thumb"]))).prop_map(move |(advertisement, thumbprint)| {
            Tang {
                advertisement,
                thumbprint,
                url: url.clone(),
            }
        })
    });
    let custom = (
        weighted(0.8, one_of(&["tpm2", "sss"])),
        weighted(0.8, one_of(&["{}"])),
        flag(),
    )
        .prop_map(|(pin, config, needs_network)| ClevisCustom {
            config,
            needs_network,
            pin,
        });
    prop_oneof![
        2 => Just(Clevis::default()),
        1 => (tang, number(&[0, 1]), flag()).prop_map(|(tang, threshold, tpm2)| Clevis {
            tang,
            threshold,
            tpm2,
            ..Clevis::default()
        }),
        // Neither pin nor config is what 3.2 allowed.
        1 => Just(Clevis {
            custom: ClevisCustom {
                needs_network: Some(true),
                ..ClevisCustom::default()
            },
            ..Clevis::default()
        }),
        1 => custom.prop_map(|custom| Clevis {
            custom,
            ..Clevis::default()
        }),
    ]
}

fn luks() -> impl Strategy<Value = Vec<Luks>> {
    list(&["v1", "v2"], |name| {
        let names = (
            weighted(0.95, one_of(&["/dev/vdc"])),
            maybe(&["V"]),
            maybe(&["u"]),
        );
        let lists = (keys(&["-a", "-b"]), vec(one_of(&["-c"]), 0..3));
        let cex = weighted(0.1, any::<bool>()).prop_map(|enabled| Cex { enabled });
        (
            cex,
            clevis(),
            weighted(0.3, any_resource()),
            names,
            lists,
            (flag(), flag()),
        )
            .prop_map(move |(cex, clevis, key_file, names, lists, flags)| Luks {
                cex,
                clevis,
                device: names.0,
                discard: flags.0,
                key_file: key_file.unwrap_or_default(),
                label: names.1,
                name: name.clone(),
                open_options: lists.0,
                options: lists.1,
                uuid: names.2,
                wipe_volume: flags.1,
            })
    })
}

fn systemd() -> impl Strategy<Value = Systemd> {
    const UNIT: &[&str] = &["[Unit]\nA=b\n", "[Install]\nWantedBy=x\n"];
    let units = list(&["a.service", "b@.service", "b@x.service"], |name| {
        let dropins = list(&["1.conf", "2.conf"], |name| {
            maybe(UNIT).prop_map(move |contents| Dropin {
                contents,
                name: name.clone(),
            })
        });
        (maybe(UNIT), dropins, flag(), flag()).prop_map(move |(contents, dropins, enabled, mask)| Unit {
            contents,
            dropins,
            enabled,
            mask,
            name: name.clone(),
        })
    });
    units.prop_map(|units| Systemd { units })
}

/// A config of the newest version.
pub(crate) fn config() -> impl Strategy<Value = Config> {
    let storage = (nodes(), disks(), filesystems(), luks(), raid()).prop_map(
        |((files, directories, links), disks, filesystems, luks, raid)| Storage {
            directories,
            disks,
            files,
            filesystems,
            links,
            luks,
            raid,
        },
    );
    let arguments =
        (keys(&["a", "b=c"]), keys(&["d", "quiet"])).prop_map(|(exist, not_exist)| KernelArguments {
            should_exist: exist,
            should_not_exist: not_exist,
        });
    (ignition(), arguments, passwd(), storage, systemd()).prop_map(
        |(ignition, kernel_arguments, passwd, storage, systemd)| Config {
            ignition,
            kernel_arguments,
            passwd,
            storage,
            systemd,
            ..Config::default()
        },
    )
}
