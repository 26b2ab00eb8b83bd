//! The schema, the table and the rules agree.

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::strategy::{Union, ValueTree};
use proptest::string::string_regex;
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::json;

use super::*;
use crate::fields::{Need, Pattern, tests::fields};
use crate::rules::catalog as rule;
use crate::{Rejected, check};

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).expect("a schema is one")
}

/// The rules that a document breaks.
fn broken(text: &str) -> Vec<crate::diagnostic::RuleId> {
    let findings = match check(text) {
        Ok(checked) => checked.warnings().to_vec(),
        Err(Rejected::Invalid(findings)) => findings,
        Err(rejected) => rejected.diagnostics().into_owned(),
    };
    findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn every_schema_is_one_and_names_itself() {
    for language in Language::all() {
        let schema = schema(language);
        assert!(jsonschema::meta::is_valid(&schema), "{language}");
        assert_eq!(Language::from_name(&language.to_string()), Some(language));
        assert_eq!(schema["$id"], json!(format!("urn:kindling:schema:{language}")));
    }
    assert_eq!(Language::from_name("kindling"), Some(Language::Extension));
    assert_eq!(Language::from_name("3.7.0"), None);
}

#[test]
fn examples_and_defaults_are_what_their_member_takes() {
    let mut maker = Maker {
        version: NEWEST,
        shared: Map::new(),
    };
    for (table, field) in fields() {
        let property = maker.property(field);
        for json in [field.example, field.default].into_iter().flatten() {
            let value = literal(json);
            assert!(
                validator(&Value::Object(property.clone())).is_valid(&value),
                "{table}.{}: {json}",
                field.name
            );
        }
    }
}

#[test]
fn spellings_of_a_version_are_taken_as_by_the_reader() {
    for version in Version::ALL {
        let validator = validator(&json!({ "pattern": version_expression(version) }));
        for text in [
            version.as_str().to_owned(),
            format!("{version}+"),
            format!("{version}-"),
            format!("{version}-+"),
            format!("00{version}"),
            version.as_str().replace(".0", ".00"),
            version.as_str().replace(".0", ".1"),
            format!("{version}.0"),
            "3.8.0".to_owned(),
            String::new(),
        ] {
            let is_read = Version::parse(&text) == Ok(version);
            assert_eq!(validator.is_valid(&json!(text)), is_read, "{version}: {text:?}");
        }
    }
}

/// Texts of many kinds, most of which most members do not take.
const TEXTS: &[&str] = &[
    "",
    " ",
    ".",
    "/",
    "//",
    "/a",
    "/a/",
    "/a/../b",
    "/..",
    "/.",
    "/...",
    "/.a/..b",
    "a",
    "a:b",
    "a/b",
    "é",
    "\n",
    "0",
    "none",
    "virtiofs",
    "ext4",
    "Ext4",
    "swap",
    "gzip",
    "zstd",
    "raid1",
    "stripe",
    "tpm2",
    "hsm",
    "http:",
    "HTTP://h/",
    "http://h:p/",
    "https://h",
    "https:///x",
    "tftp://h/f",
    "s3://b/k",
    "S3://b/k",
    "gs://b/o",
    "arn:aws:s3:::b/k",
    "arn:x",
    "data:,",
    "data:,%20",
    "data:;base64,eA==",
    "Data:,",
    "data:",
    "file:///x",
    "tcp://h:1",
    "tls://h",
    "udp://h",
    "http://h/\u{2028}",
    "a.service",
    ".service",
    "a.network",
    "a.conf",
    ".conf",
    "a/b.mount",
    "{}",
    "sha512-",
    "sha256-ff",
    "sha256:",
    "abcdef.0123456789abcdef",
    "key=value:NoSchedule",
    "key:NoExecute",
    "host:1",
    "[::1]:1",
    "192.0.2.1",
    "off",
    "keep",
    "fail",
    "native",
    "http",
    "port",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "0fc63daf84834772",
    "1.0.0",
    "3.0.0",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "éééééééééééééééééé",
    "ééééééééééééééééééé",
    "UPPER",
    "node-1",
    "sha256-gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg",
    "sha256-éééééééééééééééééééééééééééééééé",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
];

/// The values that are tried in the place of a member: all of its own kind, some of each other kind.
fn values(shape: &Shape) -> Vec<Value> {
    let texts = TEXTS.iter();
    let mut values: Vec<Value> = match shape {
        Shape::Text => texts.map(|text| json!(text)).collect(),
        Shape::Texts => texts.map(|text| json!([text])).collect(),
        Shape::Map(..) => texts.map(|text| json!({ *text: {} })).collect(),
        _ => vec![json!("x"), json!(["x"])],
    };
    values.extend([
        Value::Null,
        json!([]),
        json!({}),
        json!([null]),
        json!(["a", "a"]),
        json!([null, "a"]),
        json!([{}]),
        json!({ "a": null }),
        json!({ "a": "b" }),
        json!(true),
        json!(false),
        json!("true"),
        json!({ "unknown": 1 }),
        json!([{ "unknown": 1 }]),
    ]);
    values.extend([-1, 0, 1, 420, 4095, 4096, i64::MIN, i64::MAX].map(Value::from));
    values.extend([json!(u64::MAX), json!(1.5)]);
    values
}

/// The smallest value of a field that nothing is wrong with.
fn sample(field: &Field, version: Version) -> Value {
    if let Some(json) = field.example.or(field.default) {
        return literal(json);
    }
    match (&field.shape, &field.limit) {
        (_, Limit::Words(words)) => json!(words.last().expect("a set of words has some").1),
        (_, Limit::Version) => json!(version.as_str()),
        (Shape::Object(table), _) => smallest(table, version),
        (shape, _) => panic!("{}: no sample of {shape:?}", field.name),
    }
}

/// The smallest object that nothing is wrong with.
fn smallest(table: &Table, version: Version) -> Value {
    let required = table.fields.iter().filter(|field| field.is_required(version));
    let mut members: Schema = required
        .map(|field| (field.name.to_owned(), sample(field, version)))
        .collect();
    match table.name {
        "kindling" => put(&mut members, "version", VERSION),
        "sink" => {
            put(&mut members, "type", "http");
            put(&mut members, "url", "https://h");
        }
        "partition" => put(&mut members, "number", 1),
        "reference" | "contents" | "resource" => put(&mut members, "source", "https://h"),
        _ => {}
    }
    Value::Object(members)
}

/// Makes a document of one object in it.
type Place<'a> = dyn Fn(Value) -> Value + 'a;

/// What is done with a table and the place of its objects.
type Visit<'a> = dyn FnMut(&Table, &Place<'_>) + 'a;

/// Calls `visit` with each table a document of `version` can have, and what makes a document of one of its objects.
fn every_object(version: Version, visit: &mut Visit<'_>) {
    fn below(table: &Table, version: Version, place: &Place<'_>, visit: &mut Visit<'_>) {
        visit(table, place);
        for field in table.fields.iter().filter(|field| field.first <= version) {
            let around = |value: Value| {
                let mut object = smallest(table, version);
                object[field.name] = value;
                place(object)
            };
            match &field.shape {
                // The extension is the same in all versions: the first and the newest are enough.
                Shape::Strict(_) if !matches!(version, Version::V3_0_0 | NEWEST) => {}
                Shape::Object(inner) | Shape::Strict(inner) => below(inner, version, &around, visit),
                Shape::Objects(inner) => {
                    below(inner, version, &|value| around(json!([value])), visit);
                }
                Shape::Map(_, Shape::Object(inner)) => {
                    let key = if table.name == "transport" { "h" } else { "/a" };
                    below(inner, version, &|value| around(json!({ key: value })), visit);
                }
                _ => {}
            }
        }
    }
    below(&ROOT, version, &|value| value, visit);
}

#[test]
fn what_is_told_nothing_is_valid_and_what_is_of_no_type_is_not() {
    let mut told_nothing = 0_usize;
    let mut mismatched = 0_usize;
    for version in Version::ALL {
        let validator = validator(&schema(Language::Spec(version)));
        every_object(version, &mut |table, place| {
            // With another version the document would be one for another schema.
            let fields = table
                .fields
                .iter()
                .filter(|field| !matches!(field.limit, Limit::Version));
            for field in fields {
                for value in &values(&field.shape) {
                    let mut object = smallest(table, version);
                    object[field.name] = value.clone();
                    let document = place(object);
                    let text = document.to_string();
                    let rules = broken(&text);
                    let is_valid = validator.is_valid(&document);
                    if rules.is_empty() {
                        told_nothing += 1;
                        assert!(is_valid, "told nothing, and refused by the schema: {text}");
                    }
                    // JSON Schema knows no difference between 1 and 1.0, so that is not among the values. Of ports it is not
                    // told what they are.
                    if rules.contains(&rule::TYPE_MISMATCH.id)
                        || rules.contains(&rule::KEY_UNKNOWN.id)
                        || rules.contains(&rule::EXTENSION_KEY_UNKNOWN.id)
                        || (rules.contains(&rule::EXTENSION_VALUE_UNFIT.id) && *value != json!("http://h:p/"))
                    {
                        mismatched += 1;
                        assert!(!is_valid, "{rules:?}, and taken by the schema: {text}");
                    }
                }
            }
        });
    }
    assert!(
        told_nothing > 5_000 && mismatched > 5_000,
        "{told_nothing} {mismatched}"
    );
}

#[test]
fn documents_without_a_required_member_are_refused_by_both() {
    for version in Version::ALL {
        let validator = validator(&schema(Language::Spec(version)));
        every_object(version, &mut |table, place| {
            assert!(
                broken(&place(smallest(table, version)).to_string()).is_empty(),
                "{}",
                table.name
            );
            let required = table.fields.iter().filter(|field| field.is_required(version));
            for field in required.filter(|field| field.need != Need::Optional) {
                let mut object = smallest(table, version);
                object
                    .as_object_mut()
                    .expect("it is an object")
                    .remove(field.name);
                let document = place(object);
                assert!(!broken(&document.to_string()).is_empty(), "{document}");
                assert!(!validator.is_valid(&document), "{document}");
            }
        });
    }
}

#[test]
fn patterns_say_the_same_as_functions_and_as_expressions() {
    let mut patterns: Vec<&'static Pattern> = Vec::new();
    for (_, field) in fields() {
        if let Limit::Pattern(pattern) = field.limit {
            patterns.push(pattern);
        }
        if let Shape::Map(names, _) = &field.shape {
            patterns.push(names);
        }
    }
    let mut runner = TestRunner::deterministic();
    for pattern in patterns {
        let Some(fits) = pattern.fits else { continue };
        let expression = pattern.expression(NEWEST);
        let validator = validator(&json!({ "pattern": expression }));
        // What follows an authority may still be no URL, which only the function sees.
        let is_url = pattern.wanted.contains("URL");
        for text in TEXTS {
            let (matches, fits) = (validator.is_valid(&json!(text)), fits(text));
            assert!(
                matches == fits || (is_url && matches),
                "{}: {text:?}",
                pattern.wanted
            );
        }
        if is_url {
            continue;
        }
        let texts = string_regex(inner(&expression)).expect("an expression for texts");
        for _ in 0..200 {
            let text = texts.new_tree(&mut runner).expect("a text").current();
            assert!(fits(&text), "{}: {text:?}", pattern.wanted);
        }
    }
}

/// An expression without its anchors.
fn inner(expression: &str) -> &str {
    expression.trim_start_matches('^').trim_end_matches('$')
}

/// Values of a field that are within its limits.
fn fitting(shape: &'static Shape, limit: &'static Limit, version: Version) -> BoxedStrategy<Value> {
    match shape {
        Shape::Text => texts(limit, version),
        Shape::Integer => match limit {
            Limit::Range(low, high) => (*low..=*high).prop_map(Value::from).boxed(),
            _ => any::<i64>().prop_map(Value::from).boxed(),
        },
        Shape::Boolean => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Texts => proptest::collection::vec(texts(limit, version), 1..4)
            .prop_map(|mut texts| {
                texts.sort_by_key(Value::to_string);
                texts.dedup();
                json!(texts)
            })
            .boxed(),
        Shape::Object(table) => objects(table, version),
        Shape::Strict(table) => objects(table, version)
            .prop_map(|mut section| {
                section["version"] = json!(VERSION);
                section
            })
            .boxed(),
        Shape::Objects(table) => proptest::collection::vec(objects(table, version), 1..3)
            .prop_map(Value::from)
            .boxed(),
        Shape::Map(names, member) => {
            let names = string_regex(inner(&names.expression(version))).expect("an expression for texts");
            proptest::collection::btree_map(names, fitting(member, limit, version), 0..3)
                .prop_map(|members| json!(members))
                .boxed()
        }
        Shape::Free => Just(json!({ "a": [1, { "b": null }] })).boxed(),
    }
}

fn texts(limit: &Limit, version: Version) -> BoxedStrategy<Value> {
    let one_of =
        |words: Vec<&'static str>| Union::new(words.into_iter().map(|word| Just(json!(word)))).boxed();
    match limit {
        Limit::Words(words) => {
            let words = words.iter().filter(|(first, _)| *first <= version);
            one_of(words.map(|(_, word)| *word).collect())
        }
        Limit::WordsBefore(first, words) if version < *first => one_of(words.to_vec()),
        Limit::Version => Just(json!(version.as_str())).boxed(),
        Limit::ExtensionVersion => Just(json!(VERSION)).boxed(),
        Limit::MaxBytes(most) => string_regex(&format!("[ -~]{{0,{most}}}"))
            .expect("an expression for texts")
            .prop_map(Value::from)
            .boxed(),
        Limit::Pattern(pattern) => string_regex(inner(&pattern.expression(version)))
            .expect("an expression for texts")
            .prop_map(Value::from)
            .boxed(),
        Limit::Filled => ".{1,20}".prop_map(Value::from).boxed(),
        _ => ".{0,20}".prop_map(Value::from).boxed(),
    }
}

fn objects(table: &'static Table, version: Version) -> BoxedStrategy<Value> {
    let known = table.fields.iter().filter(|field| field.first <= version);
    let members: Vec<_> = known
        .map(|field| {
            let is_required = field.is_required(version) || field.name == "source";
            let value = fitting(&field.shape, &field.limit, version);
            let value = match (is_required, &field.shape) {
                (false, Shape::Text | Shape::Integer | Shape::Boolean | Shape::Texts) => {
                    prop_oneof![6 => value, 1 => Just(Value::Null)].boxed()
                }
                _ => value,
            };
            let value = if is_required {
                value.prop_map(Some).boxed()
            } else {
                proptest::option::weighted(0.4, value).boxed()
            };
            value.prop_map(|value| (field.name, value))
        })
        .collect();
    members
        .prop_map(|members| {
            let given = members
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(given.collect())
        })
        .boxed()
}

#[test]
fn documents_made_from_the_table_are_valid_and_read() {
    for version in Version::ALL {
        let validator = validator(&schema(Language::Spec(version)));
        let mut runner = TestRunner::new(Cases {
            cases: 48,
            failure_persistence: None,
            ..Cases::default()
        });
        let outcome = runner.run(&objects(&ROOT, version), |document| {
            let text = document.to_string();
            if let Err(error) = validator.validate(&document) {
                // Authorities and, since 3.1.0, configs to merge need a source that is not empty.
                let at = error.instance_path().to_string();
                prop_assert!(at.ends_with("/source"), "{} at {}", error, at);
            }
            let rules = broken(&text);
            for none in [
                rule::TYPE_MISMATCH,
                rule::KEY_UNKNOWN,
                rule::EXTENSION_KEY_UNKNOWN,
                rule::OBJECT_NULL,
            ] {
                prop_assert!(!rules.contains(&none.id), "{}: {}", none.id, text);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}
