use super::*;
use crate::frontend::made;
use crate::rules::catalog as rule;

/// The tree as JSON, in which plain scalars stand between angle brackets.
fn shown(text: &str) -> String {
    fn plain(node: &mut Node<'_>) {
        match &mut node.value {
            Value::Plain(text) => *text = format!("<{text}>").into(),
            Value::List(elements) => elements.iter_mut().for_each(plain),
            Value::Object(members) => members.iter_mut().for_each(|member| plain(&mut member.node)),
            _ => {}
        }
    }
    let (mut node, _) = read(text).unwrap_or_else(|finding| panic!("{text:?}: {finding} {:?}", finding.span));
    plain(&mut node);
    let mut out = String::new();
    made::write(&node, &mut out);
    out
}

#[test]
fn documents_become_trees() {
    for (text, expected) in [
        ("", r#""<>""#),
        ("# nothing\n", r#""<>""#),
        ("--- \n...\n", r#""<>""#),
        ("a: b\n", r#"{"a":"<b>"}"#),
        ("\u{feff}a: b\r\nc: d\r\n", r#"{"a":"<b>","c":"<d>"}"#),
        ("%YAML 1.2\n---\na: b\n", r#"{"a":"<b>"}"#),
        ("a: b\n---\n[\n", r#"{"a":"<b>"}"#),
        ("a: b\n...\n]\n", r#"{"a":"<b>"}"#),
        (
            r#"{"a": [1, "x", null, true], "b":{"c" : 1.5}, "a/b": {}}"#,
            r#"{"a":["<1>","x","<null>","<true>"],"b":{"c":"<1.5>"},"a/b":{}}"#,
        ),
        ("a:\nb: ~\nc: ''\n", r#"{"a":"<>","b":"<~>","c":""}"#),
        (
            "a:\n- b\n-  \n- - c\n  - d\n",
            r#"{"a":["<b>","<>",["<c>","<d>"]]}"#,
        ),
        (
            "- {a: b, c}\n- [d: e, f]\n",
            r#"[{"a":"<b>","c":"<>"},[{"d":"<e>"},"<f>"]]"#,
        ),
        ("a: b\n  c\n\n  d\n", r#"{"a":"<b c\nd>"}"#),
        (
            "a: |\n  b\n   c\n\nd: >-\n  e\n  f\n",
            r#"{"a":"b\n c\n","d":"e f"}"#,
        ),
        ("a: |+\n  b\n\nc: |2-\n   d\n", r#"{"a":"b\n\n","c":" d"}"#),
        ("a: |\n  b", r#"{"a":"b"}"#),
        ("a: |+\n  b", r#"{"a":"b"}"#),
        ("a: >\n  b\n  c", r#"{"a":"b c"}"#),
        ("a: |\n  b\n ", r#"{"a":"b\n"}"#),
        (
            "'a b': \"c\\td\\u00e9\\\n   e\"\n\"f\" : 'g''h'\n",
            r#"{"a b":"c\tdée","f":"g'h"}"#,
        ),
        ("? a\n: b\n? c\n", r#"{"a":"<b>","c":"<>"}"#),
        (
            "a: !!str 1\nb: !!int '2'\nc: !planted x\nd: ! 3\n",
            r#"{"a":"1","b":"<2>","c":"<x>","d":"<3>"}"#,
        ),
        ("a: !!binary aGVs\n  bG8=\nb: !!str\n", r#"{"a":"hello","b":""}"#),
        ("1: a\n~: b\n0x1: c\n", r#"{"1":"<a>","~":"<b>","0x1":"<c>"}"#),
    ] {
        assert_eq!(shown(text), expected, "{text:?}");
    }
}

/// What JSON has in its own way is the same as without that.
#[test]
fn json_with_pairs_of_surrogates_is_read() {
    let pair = r#""\ud83d\uDE00""#;
    for (text, expected) in [
        (
            r#"{"a": P, "b": [1, -1.50, true, null, "x", {}]}"#,
            Some(r#"{"a":"😀","b":["<1>","<-1.50>","<true>","<null>","x",{}]}"#),
        ),
        (r#" {"<<": {"c": P}}"#, Some(r#"{"<<":{"c":"😀"}}"#)),
        (r#"{P: false}"#, Some(r#"{"😀":"<false>"}"#)),
        ("\u{feff}{\"a\": P}\r\n", Some(r#"{"a":"😀"}"#)),
        // Only JSON has them.
        ("a: P\n", None),
        ("{a: P}", None),
        (r#"{"a": P} # b"#, None),
        (r#"{"a": "\ud83d"}"#, None),
        (r#"{"a": P, "b": "\ude00"}"#, None),
        ("\u{feff}\u{feff}{\"a\": P}", None),
    ] {
        let text = text.replace('P', pair);
        match expected {
            Some(expected) => assert_eq!(shown(&text), expected),
            None => assert!(read(&text).is_err(), "{text}"),
        }
    }
    for mark in ["", "\u{feff}"] {
        let text = format!("{mark}{{\"a\": {{\"b\" : {pair}}},\n \"c\": [ 1 ]}}\n");
        let other = text.replace(pair, "'seen'");
        let others = placed(&other).into_iter();
        assert_eq!(
            placed(&text),
            others
                .map(|line| line.replace("'seen'", r#"\"\\ud83d\\uDE00\""#))
                .collect::<Vec<_>>()
        );
    }
    let finding = read(&format!("{{\"a\":\n{{\"b\": {pair},\n\"b\": 1}}}}")).unwrap_err();
    assert_eq!(finding.rule, rule::YAML_KEY_DUPLICATE.id);
    assert_eq!(finding.message, "\"b\" is given in line 2 already");
}

#[test]
fn what_stands_there_is_not_copied() {
    let text = "plain: a b\n'single': 'c d'\n\"double\": \"e\"\nblock: |-\n  one line\nflow: [x, \"y\"]\ntag: !!str z\n";
    let (node, _) = read(text).unwrap();
    fn all<'n>(node: &'n Node<'_>, out: &mut Vec<&'n Cow<'n, str>>) {
        match &node.value {
            Value::Text(text) | Value::Plain(text) => out.push(text),
            _ => {
                node.elements().iter().for_each(|element| all(element, out));
                node.members().iter().for_each(|member| all(&member.node, out));
            }
        }
    }
    let mut texts = Vec::new();
    all(&node, &mut texts);
    texts.extend(node.members().iter().map(|member| &member.name));
    for text in &texts {
        assert!(matches!(text, Cow::Borrowed(_)), "{text}");
    }
    assert_eq!(texts.len(), 13);
}

/// Each place as `pointer key=bytes value=bytes`.
fn placed(text: &str) -> Vec<String> {
    fn all(text: &str, places: &Places<'_>, node: &Node<'_>, out: &mut Vec<String>) {
        let pointer = places.pointer(node.from);
        let key = &text[places.key(node.from)];
        out.push(format!("{pointer} {key:?} {:?}", &text[places.value(node.from)]));
        node.elements()
            .iter()
            .for_each(|element| all(text, places, element, out));
        node.members()
            .iter()
            .for_each(|member| all(text, places, &member.node, out));
    }
    let (node, places) = read(text).unwrap_or_else(|finding| panic!("{text:?}: {finding}"));
    let mut out = Vec::new();
    all(text, &places, &node, &mut out);
    out
}

#[test]
fn values_stand_where_they_start() {
    let text = "# é\nk: é  # ü\nm:\n  n: x\n  o:   # c\n  - 'y' # z\n  -  \"\\\"\" \nb: | # c | d\n  one\n  two\n\nf: [ä, {g: h } ] # i\ne:\n\
                t: &u !!str v\nw: >2\n   z\n";
    assert_eq!(
        placed(text)[1..],
        [
            r#"/k "k" "é""#,
            r##"/m "m" "n: x\n  o:   # c\n  - 'y' # z\n  -  \"\\\"\"""##,
            r#"/m/n "n" "x""#,
            r##"/m/o "o" "- 'y' # z\n  -  \"\\\"\"""##,
            r#"/m/o/0 "'y'" "'y'""#,
            r#"/m/o/1 "\"\\\"\"" "\"\\\"\"""#,
            r#"/b "b" "| # c | d\n  one\n  two""#,
            r#"/f "f" "[ä, {g: h } ]""#,
            r#"/f/0 "ä" "ä""#,
            r#"/f/1 "{g: h }" "{g: h }""#,
            r#"/f/1/g "g" "h""#,
            r#"/e "e" """#,
            r#"/t "t" "&u !!str v""#,
            r#"/w "w" ">2\n   z""#,
        ]
    );
}

#[test]
fn aliases_and_merges_are_copies_that_stand_where_the_alias_does() {
    let text =
        "a: &x {b: [1, 2], c: d}\ne: *x\nf:\n  <<: *x\n  c: own\ng:\n  c: own\n  <<: [{h: i}, *x, {h: j}]\n";
    assert_eq!(
        shown(text),
        r#"{"a":{"b":["<1>","<2>"],"c":"<d>"},"e":{"b":["<1>","<2>"],"c":"<d>"},"f":{"<<":null,"c":"<own>","b":["<1>","<2>"]},"g":{"c":"<own>","<<":null,"h":"<i>","b":["<1>","<2>"]}}"#
    );
    let (node, places) = read(text).unwrap();
    let alias = node.get("e").unwrap();
    let below = &alias.each("b")[1];
    assert_eq!(places.pointer(below.from).to_string(), "/e/b/1");
    assert_eq!(&text[places.value(below.from)], "*x");
    assert_eq!(places.value(below.from), places.value(alias.from));
    assert_eq!(places.original(alias.from), Some(node.get("a").unwrap().from));
    assert_eq!(places.original(below.from), None);
    let merged = &node.get("g").unwrap().each("b")[0];
    assert_eq!(places.pointer(merged.from).to_string(), "/g/<</1/b/0");
    assert!(places.is_taken_over(merged.from));
    assert!(!places.is_taken_over(below.from));
    let sign = &node.get("f").unwrap().members()[0].node;
    assert!(!places.is_taken_over(sign.from));
    assert_eq!(&text[places.key(sign.from)], "<<");
    assert_eq!(shown("a: &k key\n*k : v\n"), r#"{"a":"<key>","key":"<v>"}"#);
    assert_eq!(
        shown("a: &k key\nb: &k other\nc: *k\n"),
        r#"{"a":"<key>","b":"<other>","c":"<other>"}"#
    );
    assert_eq!(shown("'<<': {a: b}\n"), r#"{"<<":{"a":"<b>"}}"#);
}

#[test]
fn what_is_no_document_is_said_without_a_word_of_it() {
    for (text, line, column, words) in [
        ("variant: fcos\nstorage: [\n", 3, 1, "in brackets"),
        ("a: 'planted\n", 1, 4, "quote"),
        ("a: \"planted\\q\"\n", 1, 4, "backslash"),
        ("a: planted: b\n", 1, 11, "colon"),
        ("a: @planted\n", 1, 4, "keeps for itself"),
        ("a:\n\tplanted: b\n", 2, 2, "tab"),
        ("a: *planted\n", 1, 4, "alias"),
        ("a: 'b' planted\n", 1, 8, "in quotes"),
        ("a: |\n    b\n  planted\n", 3, 3, ""),
        ("[planted]: b\n", 1, 1, "a key is"),
        ("a: b\nc: {planted: d]\n", 2, 15, ""),
        ("a: &x [*x]\n", 1, 8, "inside"),
        ("a: {<<: planted}\n", 1, 9, "no mapping"),
        ("a: !!binary planted\n", 1, 4, "base64"),
        ("a:\n  - b\n  planted\n", 3, 3, ""),
        ("%\u{e9}\u{e9}\n---\na: planted\n", 3, 3, "place"),
        ("a: planted\n\0b: c\n", 2, 1, "NUL"),
        ("a: 'planted\0b'\n", 1, 12, "NUL"),
        ("a: |\n  planted\0\n  c\n", 2, 10, "NUL"),
        ("a: b # planted\0\nc: [\n", 1, 15, "NUL"),
    ] {
        let finding = read(text).unwrap_err();
        assert_eq!(finding.rule, rule::YAML_SYNTAX.id, "{text:?}");
        let at = crate::diagnostic::Lines::new(text).position(finding.span.clone().unwrap().start);
        assert_eq!((at.line, at.column), (line, column), "{text:?}: {finding}");
        assert!(finding.message.contains(words), "{text:?}: {finding}");
        let said = format!("{finding:?}");
        assert!(!said.contains("planted"), "{said}");
    }
}

#[test]
fn bytes_that_are_no_text_stay_bytes() {
    let (document, _) = read("a: !!binary gA==\nb: !!binary aGk=\n").unwrap();
    assert_eq!(document.get("a").unwrap().value, Value::Bytes(vec![0x80]));
    assert_eq!(document.get("b").unwrap().value, Value::Text("hi".into()));
}

#[test]
fn a_key_stands_once() {
    let finding = read("a: 1\nb:\n  c: 1\n  'd': 2\n  c: 3\n").unwrap_err();
    assert_eq!(finding.rule, rule::YAML_KEY_DUPLICATE.id);
    assert_eq!(finding.message, "\"c\" is given in line 3 already");
    assert_eq!(finding.span, Some(26..27));
    let many: String = (0..40).map(|nth| format!("k{nth}: 1\n")).collect();
    assert!(read(&many).is_ok());
    let finding = read(&format!("{many}k7: 2\nk3: 2\n")).unwrap_err();
    assert_eq!(finding.message, "\"k7\" is given in line 8 already");
}

/// Whatever comes, there is a tree or a finding, and all spans are of the text.
#[test]
fn every_cut_and_every_changed_byte_has_an_end() {
    let text = "%YAML 1.2\n---\nversion: 2\nlist:\n- {a: [1, 'b'], c: \"d\\u0041\"}\n- |\n  e\n- !!str 1\n- ? f\n  : g\n&h i: >-2\n  j # k\n\
                l: *h\nm: &n {o: é}\np:\n  <<: [*n, *n]\n  \"q\n   r\": 's'\n...\n";
    for cut in 0..text.len() {
        if text.is_char_boundary(cut) {
            survives(&text[..cut]);
        }
        for byte in b"\0\n\t\r :-[]{},'\"|>&*!%#?@`a\\\xc3" {
            let mut changed = text.as_bytes().to_vec();
            changed[cut] = *byte;
            survives(&String::from_utf8_lossy(&changed));
        }
    }
}

fn survives(text: &str) {
    match read(text) {
        Ok((node, places)) => check_places(text, &node, &places),
        Err(finding) => assert!(text.get(finding.span.unwrap()).is_some(), "{text:?}"),
    }
}

fn check_places(text: &str, node: &Node<'_>, places: &Places<'_>) {
    for span in [places.key(node.from), places.value(node.from)] {
        assert!(text.get(span).is_some(), "{text:?}");
    }
    node.elements()
        .iter()
        .for_each(|element| check_places(text, element, places));
    node.members()
        .iter()
        .for_each(|member| check_places(text, &member.node, places));
}

/// No text of this kind keeps a machine from booting: it ends soon, and takes little memory.
#[test]
fn hostile_texts_end_soon() {
    const LENGTH: usize = 1 << 20;
    let many = |piece: &str| piece.repeat(LENGTH / piece.len());
    for text in [
        many("["),
        many("{"),
        many("{a: "),
        many("- "),
        many("? "),
        many(": "),
        many("a:\n "),
        many("\n"),
        many("#\n"),
        many("'"),
        many("\"\\"),
        many("&a "),
        many("!a "),
        many("*a "),
        many("%TAG ! x\n"),
        many("a: 1\n"),
        many("- a\n"),
        many("\u{1}"),
        format!("[{}]", many("a,")),
        format!("[{}]", many("'',")),
        format!("[{}]", many("a: b,")),
        format!("[{}]", many("&a x,")),
        format!("a: {}", many("b ")),
        format!("a: |\n{}", many(" \n")),
        format!("a: |\n{}", many("  b\n")),
        format!("a: \"{}\"", many("\n")),
        format!("a: {}", many("b\n c\n")),
        format!("a: |\n{}b", many(" ")),
        many("a: |\n\n"),
        (0..1000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect(),
        (0..40_000).map(|nth| format!("&a{nth} k{nth}: v\n")).collect(),
        format!("a: &a x\nb: [{}]", many("*a,")),
        format!(
            "a: &a {{{}}}\nb:\n  <<: [{}]",
            (0..100).map(|nth| format!("k{nth}: v,")).collect::<String>(),
            many("*a,")
        ),
    ] {
        survives(&text);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let steps = |depth: usize| {
        (0..depth)
            .map(|nth| format!("{}a:\n", " ".repeat(nth)))
            .collect::<String>()
    };
    let copies = |count: usize| {
        format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(1 << 20),
            vec!["*a"; count].join(", ")
        )
    };
    let chain: String = (1..70)
        .map(|nth| format!("a{nth}: &a{nth} [*a{}]\n", nth - 1))
        .collect();
    for (text, why) in [
        (nested(MAX_DEPTH + 1), Some("64 levels")),
        (nested(MAX_DEPTH), None),
        ("- ".repeat(MAX_DEPTH + 1), Some("64 levels")),
        (steps(MAX_DEPTH + 1), Some("64 levels")),
        (steps(MAX_DEPTH), None),
        (format!("a0: &a0 x\n{chain}"), Some("64 levels")),
        ("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e]\ng: \
          &g [*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g]\ni: &i [*h,*h,*h,*h]\nj: [*i,*i,*i,*i]\n".to_owned(), Some("524288 values")),
        ("- a\n".repeat(MAX_VALUES), Some("524288 values")),
        ("- a\n".repeat(MAX_VALUES - 1), None),
        (format!("[{}]", "a,".repeat(MAX_SIGNS + 1)), Some("262144 commas")),
        (format!("[{}]", "a,".repeat(MAX_SIGNS)), None),
        (copies(15), None),
        (copies(16), Some("16 MiB of text")),
        (" ".repeat(MAX_LENGTH + 1), Some("16 MiB")),
        ((0..20_000).map(|nth| format!("- &a{nth} x\n")).collect(), None),
    ] {
        let start: String = text.chars().take(40).collect();
        match (read(&text), why) {
            (Ok(_), None) => {}
            (Err(finding), Some(why)) => assert!(finding.message.contains(why), "{start}: {finding}"),
            (read, _) => panic!("{start}: {:?}", read.err()),
        }
    }
}
