//! The table and the types name the same members.

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::*;
use crate::order::OrderedMap;
use crate::types::{self, kindling};

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
    let types = [
        ("config", members::<types::Config>()),
        ("ignition", members::<types::Ignition>()),
        ("configReferences", members::<types::IgnitionConfig>()),
        ("proxy", members::<types::Proxy>()),
        ("security", members::<types::Security>()),
        ("tls", members::<types::Tls>()),
        ("timeouts", members::<types::Timeouts>()),
        ("reference", members::<types::Resource>()),
        ("contents", members::<types::Resource>()),
        ("httpHeader", members::<types::HttpHeader>()),
        ("verification", members::<types::Verification>()),
        ("kernelArguments", members::<types::KernelArguments>()),
        ("passwd", members::<types::Passwd>()),
        ("group", members::<types::Group>()),
        ("user", members::<types::User>()),
        ("storage", members::<types::Storage>()),
        ("disk", members::<types::Disk>()),
        ("partition", members::<types::Partition>()),
        ("raid", members::<types::Raid>()),
        ("filesystem", members::<types::Filesystem>()),
        ("luks", members::<types::Luks>()),
        ("cex", members::<types::Cex>()),
        ("clevis", members::<types::Clevis>()),
        ("clevisCustom", members::<types::ClevisCustom>()),
        ("tang", members::<types::Tang>()),
        ("owner", members::<types::Owner>()),
        ("file", members::<types::File>()),
        ("directory", members::<types::Directory>()),
        ("link", members::<types::Link>()),
        ("systemd", members::<types::Systemd>()),
        ("unit", members::<types::Unit>()),
        ("dropin", members::<types::Dropin>()),
        ("kindling", members::<kindling::Kindling>()),
        ("fileExtra", members::<kindling::FileExtra>()),
        ("onFailure", members::<kindling::OnFailure>()),
        ("transport", members::<kindling::Transport>()),
        ("identity", members::<kindling::Identity>()),
        ("resourceVerification", members::<types::Verification>()),
        ("resource", members::<types::Resource>()),
        ("node", members::<kindling::Node>()),
        ("access", members::<kindling::Access>()),
        ("bootstrap", members::<kindling::Bootstrap>()),
        ("cluster", members::<kindling::Cluster>()),
        ("kubelet", members::<kindling::Kubelet>()),
        ("preflight", members::<kindling::Preflight>()),
        ("report", members::<kindling::Report>()),
        ("sink", members::<kindling::Sink>()),
    ];
    let types: OrderedMap<_, _> = types.into_iter().collect();
    let tables = tables();
    assert_eq!(
        tables.keys().collect::<Vec<_>>(),
        types.keys().collect::<Vec<_>>()
    );
    for (name, table) in tables {
        let mut names: Vec<_> = table.fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        assert_eq!(names, types[name], "{name}");
    }
}

/// All tables by their names, which no two share.
pub(crate) fn tables() -> OrderedMap<&'static str, &'static Table> {
    fn collect(table: &'static Table, found: &mut OrderedMap<&'static str, &'static Table>) {
        if let Some(known) = found.insert(table.name, table) {
            assert!(std::ptr::eq(known, table), "two tables are called {}", table.name);
            return;
        }
        for field in table.fields {
            if let Some(below) = below(&field.shape) {
                collect(below, found);
            }
        }
    }
    let mut found = OrderedMap::new();
    collect(&ROOT, &mut found);
    found
}

fn below(shape: &'static Shape) -> Option<&'static Table> {
    match shape {
        Shape::Object(table) | Shape::Objects(table) | Shape::Strict(table) => Some(table),
        Shape::Map(_, member) => below(member),
        Shape::Text | Shape::Integer | Shape::Boolean | Shape::Texts | Shape::Free => None,
    }
}

/// All fields with the tables they are in.
pub(crate) fn fields() -> impl Iterator<Item = (&'static str, &'static Field)> {
    tables()
        .into_iter()
        .flat_map(|(name, table)| table.fields.iter().map(move |field| (name, field)))
}

#[test]
fn every_field_is_described() {
    for (table, field) in fields() {
        let about = field.about;
        assert!(
            about.ends_with('.'),
            "{table}.{} is not described in sentences",
            field.name
        );
        assert!(
            (10..=300).contains(&about.len()),
            "{table}.{}: {} bytes of description",
            field.name,
            about.len()
        );
        assert!(!about.contains("  "), "{table}.{}: {about}", field.name);
    }
    let bytes: usize = fields().map(|(_, field)| field.about.len()).sum();
    assert!(
        bytes < 20_000,
        "the descriptions are part of the binary, and have {bytes} bytes"
    );
}

#[test]
fn every_list_says_how_it_joins() {
    for (table, field) in fields() {
        let is_list = matches!(field.shape, Shape::Texts | Shape::Objects(_));
        assert_eq!(
            field.joining != Joining::NoList,
            is_list,
            "{table}.{}",
            field.name
        );
        if let (Shape::Objects(table), Joining::By(key)) = (&field.shape, field.joining)
            && !key.contains(' ')
        {
            assert!(
                table.fields.iter().any(|field| field.name == key),
                "{}",
                field.name
            );
        }
    }
}

#[test]
fn no_member_is_older_than_the_object_it_is_in() {
    for (table, field) in fields() {
        // Tables that objects of different ages share are as old as the oldest.
        if let (Shape::Object(below), true) = (&field.shape, field.first > V3_0_0)
            && !matches!(below.name, "contents" | "reference")
        {
            let older: Vec<_> = below
                .fields
                .iter()
                .filter(|member| member.first < field.first)
                .collect();
            assert!(older.is_empty(), "{table}.{}: {older:?}", field.name);
        }
    }
}

fn value(shape: &Shape) -> serde_json::Value {
    match shape {
        Shape::Text => "x".into(),
        Shape::Integer => 7.into(),
        Shape::Boolean => true.into(),
        Shape::Texts => serde_json::json!(["x", "y"]),
        Shape::Object(below) | Shape::Strict(below) => full(below),
        Shape::Objects(below) => serde_json::json!([full(below)]),
        Shape::Map(_, member) => serde_json::json!({ "x": value(member) }),
        Shape::Free => serde_json::json!({ "x": [{ "y": null }] }),
    }
}

/// A document with every member of `table`.
fn full(table: &Table) -> serde_json::Value {
    table
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), value(&field.shape)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn every_member_survives_reading_and_writing() {
    let document = full(&ROOT);
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
