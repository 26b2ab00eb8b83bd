//! The table and the types name the same members.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::*;
use crate::types;

/// Asks a type for its members instead of giving it any.
struct Probe<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        members: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.extend(members);
        Err(serde::de::Error::custom("the members are known"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(serde::de::Error::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn members<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut members = Vec::new();
    let _ = T::deserialize(Probe(&mut members));
    members.sort_unstable();
    members
}

#[test]
fn the_table_names_the_members_of_the_types() {
    for (name, table, members) in [
        ("Config", ROOT, members::<types::Config>()),
        ("Ignition", IGNITION, members::<types::Ignition>()),
        (
            "IgnitionConfig",
            IGNITION_CONFIG,
            members::<types::IgnitionConfig>(),
        ),
        ("Proxy", PROXY, members::<types::Proxy>()),
        ("Security", SECURITY, members::<types::Security>()),
        ("Tls", TLS, members::<types::Tls>()),
        ("Timeouts", TIMEOUTS, members::<types::Timeouts>()),
        ("Resource", REFERENCE, members::<types::Resource>()),
        ("Resource", CONTENTS, members::<types::Resource>()),
        ("HttpHeader", HTTP_HEADER, members::<types::HttpHeader>()),
        ("Verification", VERIFICATION, members::<types::Verification>()),
        (
            "KernelArguments",
            KERNEL_ARGUMENTS,
            members::<types::KernelArguments>(),
        ),
        ("Passwd", PASSWD, members::<types::Passwd>()),
        ("Group", GROUP, members::<types::Group>()),
        ("User", USER, members::<types::User>()),
        ("Storage", STORAGE, members::<types::Storage>()),
        ("Disk", DISK, members::<types::Disk>()),
        ("Partition", PARTITION, members::<types::Partition>()),
        ("Raid", RAID, members::<types::Raid>()),
        ("Filesystem", FILESYSTEM, members::<types::Filesystem>()),
        ("Luks", LUKS, members::<types::Luks>()),
        ("Cex", CEX, members::<types::Cex>()),
        ("Clevis", CLEVIS, members::<types::Clevis>()),
        ("ClevisCustom", CLEVIS_CUSTOM, members::<types::ClevisCustom>()),
        ("Tang", TANG, members::<types::Tang>()),
        ("Owner", OWNER, members::<types::Owner>()),
        ("File", FILE, members::<types::File>()),
        ("Directory", DIRECTORY, members::<types::Directory>()),
        ("Link", LINK, members::<types::Link>()),
        ("Systemd", SYSTEMD, members::<types::Systemd>()),
        ("Unit", UNIT, members::<types::Unit>()),
        ("Dropin", DROPIN, members::<types::Dropin>()),
    ] {
        let mut names: Vec<_> = table.iter().map(|field| field.name).collect();
        names.sort_unstable();
        assert_eq!(names, members, "{name}");
    }
}

/// A document with every member of `table`.
fn full(table: &[Field]) -> serde_json::Value {
    let member = |field: &Field| match field.shape {
        Shape::Text => "x".into(),
        Shape::Integer => 7.into(),
        Shape::Boolean => true.into(),
        Shape::Texts => serde_json::json!(["x", "y"]),
        Shape::Object(below) => full(below),
        Shape::Objects(below) => serde_json::json!([full(below)]),
    };
    table
        .iter()
        .map(|field| (field.name.to_owned(), member(field)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn every_member_survives_reading_and_writing() {
    let document = full(ROOT);
    let config: types::Config = serde_json::from_value(document.clone()).expect("the shapes fit the types");
    assert_eq!(
        serde_json::to_value(&config).expect("plain data serialises"),
        document
    );
}

#[test]
fn objects_are_written_even_when_empty_and_absent_members_are_not() {
    let mut config = types::Config::default();
    config.storage.files.push(types::File {
        path: "/a".into(),
        ..Default::default()
    });
    config.storage.luks.push(types::Luks::default());
    config.storage.disks.push(types::Disk {
        partitions: vec![types::Partition::default()],
        ..Default::default()
    });
    let text = serde_json::to_string(&config).expect("plain data serialises");
    assert_eq!(
        text,
        concat!(
            r#"{"ignition":{"config":{"replace":{"verification":{}}},"proxy":{},"security":{"tls":{}},"#,
            r#""timeouts":{},"version":""},"kernelArguments":{},"passwd":{},"storage":{"#,
            r#""disks":[{"device":"","partitions":[{}]}],"#,
            r#""files":[{"group":{},"path":"/a","user":{},"contents":{"verification":{}}}],"#,
            r#""luks":[{"cex":{},"clevis":{"custom":{}},"keyFile":{"verification":{}},"name":""}]},"systemd":{}}"#,
        )
    );
    assert_eq!(
        serde_json::from_str::<types::Config>(&text).expect("what is written reads"),
        config
    );
}

#[test]
fn null_reads_as_absence() {
    let text = r#"{"ignition":null,"passwd":{"users":[null,{"name":null,"groups":[null,"a"],"uid":null}]},
        "storage":{"files":null,"disks":[{"partitions":[{"number":null}]}]}}"#;
    let config: types::Config = serde_json::from_str(text).expect("null is no type error");
    assert_eq!(config.passwd.users.len(), 2);
    assert_eq!(config.passwd.users[1].groups, ["", "a"]);
    assert_eq!(config.storage.disks[0].partitions[0].number, 0);
}
