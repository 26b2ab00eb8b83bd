use proptest::prelude::*;

use super::*;
use crate::frontend::json::read;
use crate::frontend::tree::Place;

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r#"[-?:,\[\]{}#&*!|>'"%@`~ \n\t\\a.0_xe+]{0,8}"#,
        r"[0-9]{1,4}[-:._xobe]?[0-9]{0,3}[-:.+]?[0-9]{0,3}",
        r"( |\n|a|#|- ){0,8}",
    ]
}

fn any_tree() -> impl Strategy<Value = Node<'static>> {
    let text = |text: String| Node::text(text, Place::DOCUMENT);
    let list = |nodes| Node::list(nodes, Place::DOCUMENT);
    any_text().prop_map(text).prop_recursive(4, 24, 4, move |inner| {
        let members = proptest::collection::vec((any_text(), inner.clone()), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(list),
            members.prop_map(|members| {
                let mut object = Node::object(Place::DOCUMENT);
                for (name, node) in members {
                    object.set(name, node);
                }
                object
            }),
        ]
    })
}

/// Without the places, and without the difference between a text with quotes and one without.
fn json_of(node: &Node<'_>) -> String {
    let mut text = String::new();
    crate::frontend::made::write(node, &mut text);
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_written_reads_back(tree in any_tree()) {
        let object = Node::object(Place::DOCUMENT).with("k", tree);
        let written = write(&object);
        match crate::frontend::yaml::read(&written) {
            Ok((read, _)) => prop_assert_eq!(json_of(&read), json_of(&object), "{}", written),
            Err(finding) => prop_assert!(false, "{}\n{}", finding, written),
        }
    }
}

/// A document of JSON as YAML.
fn yaml(json: &str) -> String {
    write(&read(json).unwrap().0)
}

#[test]
fn objects_and_lists_are_indented() {
    assert_eq!(
        yaml(r#"{"a":{"b":[{"c":1,"d":[]},{"e":{}},"f",["g","h"]],"i":null},"j":true,"k":[false]}"#),
        "\
a:
  b:
    - c: 1
      d: []
    - e: {}
    - f
    - - g
      - h
  i: null
j: true
k:
  - false
"
    );
    assert_eq!(yaml("{}"), "{}\n");
}

#[test]
fn texts_are_quoted_where_they_would_be_something_else() {
    for (text, written) in [
        ("a", "a"),
        ("a b", "a b"),
        ("é", "é"),
        ("a:b", "a:b"),
        ("a::b", "a::b"),
        ("::1", "::1"),
        ("a#b", "a#b"),
        ("-a", "-a"),
        ("?a", "?a"),
        (":a", ":a"),
        ("$6$a", "$6$a"),
        ("1.7.0", "1.7.0"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("1a", "1a"),
        ("0x", "0x"),
        ("0o8", "0o8"),
        ("1e", "1e"),
        ("yEs", "yEs"),
        ("12:60", "12:60"),
        ("2020-01", "2020-01"),
        ("data:,a%20b", "data:,a%20b"),
        ("http://h:80/", "http://h:80/"),
        // Words, numbers, times.
        ("", "\"\""),
        ("~", "\"~\""),
        ("null", "\"null\""),
        ("Null", "\"Null\""),
        ("NULL", "\"NULL\""),
        ("true", "\"true\""),
        ("yes", "\"yes\""),
        ("Y", "\"Y\""),
        ("n", "\"n\""),
        ("Off", "\"Off\""),
        ("<<", "\"<<\""),
        (".inf", "\".inf\""),
        ("-.Inf", "\"-.Inf\""),
        (".NaN", "\".NaN\""),
        ("0", "\"0\""),
        ("-1", "\"-1\""),
        ("+1_000", "\"+1_000\""),
        ("1.0", "\"1.0\""),
        ("1.", "\"1.\""),
        (".5", "\".5\""),
        ("1e3", "\"1e3\""),
        ("-1.5E+7", "\"-1.5E+7\""),
        ("0x1F", "\"0x1F\""),
        ("0644", "\"0644\""),
        ("0o17", "\"0o17\""),
        ("0b10", "\"0b10\""),
        ("99999999999999999999", "\"99999999999999999999\""),
        ("12:30", "\"12:30\""),
        ("1:59:59.5", "\"1:59:59.5\""),
        ("2020-01-02", "\"2020-01-02\""),
        ("2020-1-2T03:04:05Z", "\"2020-1-2T03:04:05Z\""),
        // Marks.
        ("- a", "'- a'"),
        ("-", "'-'"),
        ("a: b", "'a: b'"),
        ("a:", "'a:'"),
        ("a #b", "'a #b'"),
        ("#a", "'#a'"),
        ("@a", "'@a'"),
        ("'a'", "'''a'''"),
        ("\"a\"", "'\"a\"'"),
        ("[a]", "'[a]'"),
        ("{a}", "'{a}'"),
        ("*a", "'*a'"),
        ("---", "'---'"),
        (" a", "' a'"),
        ("a ", "'a '"),
        // Letters that are not to be seen.
        ("a\tb", "\"a\\tb\""),
        ("a\rb", "\"a\\rb\""),
        ("\u{1b}", "\"\\x1B\""),
        ("\u{85}\u{2028}", "\"\\x85\\u2028\""),
        ("\u{feff}", "\"\\uFEFF\""),
        ("\u{1f600}", "\"\\U0001F600\""),
    ] {
        assert_eq!(
            write(&Node::text(text, Place::DOCUMENT)),
            format!("{written}\n"),
            "{text:?}"
        );
        let name = Node::object(Place::DOCUMENT).with(text, Node::text("x", Place::DOCUMENT));
        assert_eq!(write(&name), format!("{written}: x\n"), "{text:?}");
    }
}

#[test]
fn lines_stand_as_they_are_where_that_can_be() {
    for (text, written) in [
        ("a\nb\n", "k: |\n  a\n  b\n"),
        ("a\nb", "k: |-\n  a\n  b\n"),
        ("a\n\nb\n\n", "k: |+\n  a\n\n  b\n\n"),
        ("a\n", "k: |\n  a\n"),
        ("\n", "k: |2+\n\n"),
        ("\na", "k: |2-\n\n  a\n"),
        (" a\nb", "k: |2-\n   a\n  b\n"),
        ("a\n  b\n", "k: |\n  a\n    b\n"),
        ("a\tb\n\tc\n", "k: |\n  a\tb\n  \tc\n"),
        ("# a: b\n- c\n", "k: |\n  # a: b\n  - c\n"),
        // A space at the end of a line would be lost to who reads it.
        ("a \nb", "k: \"a \\nb\"\n"),
        ("a\n ", "k: \"a\\n \"\n"),
        ("a\r\nb\r\n", "k: \"a\\r\\nb\\r\\n\"\n"),
    ] {
        let node = Node::object(Place::DOCUMENT).with("k", Node::text(text, Place::DOCUMENT));
        assert_eq!(write(&node), written, "{text:?}");
    }
    assert_eq!(
        yaml(r#"["a\nb\n",{"c":"d\ne"}]"#),
        "- |\n  a\n  b\n- c: |-\n    d\n    e\n"
    );
    assert_eq!(yaml(r#"{"a\nb":1}"#), "\"a\\nb\": 1\n", "a name has one line");
}

#[test]
fn long_names_are_marked() {
    let name = "n".repeat(LONG_NAME + 1);
    assert_eq!(
        yaml(&format!("{{\"a\":{{\"{name}\":{{\"b\":1,\"c\":[2]}}}}}}")),
        format!("a:\n  ? {name}\n  : b: 1\n    c:\n      - 2\n")
    );
}

#[test]
fn names_are_sorted_by_their_runs() {
    let sorted = [
        "", "/", "a", "a-b", "a.b", "a:", "a1", "a01", "a2", "a2b", "a10", "aB", "ab", "b", "team2",
        "team10", "z", "é",
    ];
    for (index, one) in sorted.iter().enumerate() {
        for (position, other) in sorted.iter().enumerate() {
            assert_eq!(by_runs(one, other), index.cmp(&position), "{one} {other}");
        }
    }
    let mut node = read(r#"{"b":[{"d":1,"c":2}],"a":{"f":1,"e":2}}"#).unwrap().0;
    sort(&mut node);
    let mut text = String::new();
    crate::frontend::made::write(&node, &mut text);
    assert_eq!(text, r#"{"a":{"e":2,"f":1},"b":[{"c":2,"d":1}]}"#);
}
