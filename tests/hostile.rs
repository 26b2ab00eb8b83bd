//! Configs made to do harm, through the real binary: each ends in a finding or a refusal with status 1, or is a config
//! after all, and none takes more memory than it may. The kernel keeps the limit of the address space.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its config should panic"
)]

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// The commands that judge a config.
const COMMANDS: [&str; 2] = ["plan", "validate --lenient"];

const MIB: usize = 1 << 20;

/// What a bomb may take, whatever its size.
const BOMB: usize = 256 * MIB;

/// The largest document.
const DOCUMENT: usize = 64 * MIB;

struct Ran {
    status: Option<i32>,
    /// Standard output and standard error.
    said: String,
}

/// Judges `config` by each command, with at most `memory` bytes of address space.
fn judged(config: &[u8], memory: usize) -> [Ran; 2] {
    COMMANDS.map(|command| judged_by(command, config, memory))
}

fn judged_by(command: &str, config: &[u8], memory: usize) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.json");
    fs::write(&path, config).unwrap();
    let script = format!("ulimit -v {}; exec \"$0\" {command} \"$1\"", memory >> 10);
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(env!("CARGO_BIN_EXE_kindling"))
        .arg(&path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let start: String = said.chars().take(2_000).collect();
    assert_eq!(output.status.signal(), None, "killed: {start}");
    assert!(
        !said.contains("panicked") && !said.contains("overflow"),
        "{start}"
    );
    Ran {
        status: output.status.code(),
        said,
    }
}

/// That `config` is refused with these words.
fn refused(name: &str, config: &[u8], memory: usize, words: &str) {
    for ran in judged(config, memory) {
        let start: String = ran.said.chars().take(2_000).collect();
        assert_eq!(ran.status, Some(1), "{name}: {start}");
        assert!(ran.said.contains(words), "{name}: {start}");
        assert!(
            ran.said.len() < 16 * MIB,
            "{name}: {} bytes are said",
            ran.said.len()
        );
    }
}

/// That `config` is a config after all; returns what the first command said.
fn accepted(name: &str, config: &[u8], memory: usize) -> String {
    let [first, second] = judged(config, memory);
    for ran in [&first, &second] {
        let start: String = ran.said.chars().take(2_000).collect();
        assert_eq!(ran.status, Some(0), "{name}: {start}");
    }
    first.said
}

/// A config with `members` besides its version.
fn config(members: &str) -> String {
    format!(r#"{{"ignition":{{"version":"3.6.0"}},{members}}}"#)
}

/// `start`, as many of `piece` as it takes, and `end`: a document of `size` bytes or a little less.
fn filled(size: usize, start: &str, piece: &str, end: &str) -> Vec<u8> {
    let count = (size - start.len() - end.len()) / piece.len();
    [start, &piece.repeat(count), end].concat().into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A reference to `child`, which is packed; `n` makes it another than the same child's other ones.
fn packed_reference(child: &[u8], n: usize) -> String {
    format!(
        r#"{{"source":"data:;n={n};base64,{}","compression":"gzip"}}"#,
        STANDARD.encode(child)
    )
}

fn merging(references: &[String], members: &str) -> String {
    let references = references.join(",");
    format!(r#"{{"ignition":{{"version":"3.6.0","config":{{"merge":[{references}]}}}}{members}}}"#)
}

#[test]
fn nesting_without_end() {
    let told = "arrays and objects nest more than 10000 levels deep";
    for (name, start, piece) in [
        ("arrays", "", "["),
        ("objects", "", "{\"a\":"),
        ("closed", "[", "[[]],"),
        (
            "an unknown member",
            "{\"ignition\":{\"version\":\"3.6.0\"},\"x\":",
            "[",
        ),
    ] {
        let text = start.to_owned() + &piece.repeat(100_000);
        let words = if name == "closed" { "ends too early" } else { told };
        refused(name, text.as_bytes(), BOMB, words);
    }
    let closed = "[".repeat(100_000) + &"]".repeat(100_000);
    refused("closed arrays", closed.as_bytes(), BOMB, told);
    let deep = "[".repeat(9_000) + &"]".repeat(9_000);
    accepted(
        "deep, but not too deep",
        config(&format!("\"x\":{deep}")).as_bytes(),
        BOMB,
    );
}

#[test]
fn one_giant_string() {
    let memory = 4 * DOCUMENT;
    let contents = r#""storage":{"files":[{"path":"/f","contents":{"source":"data:,"#;
    for (name, start, piece, end) in [
        ("contents", config("@").replace("@}", contents), "x", "\"}}]}}"),
        (
            "escaped contents",
            config("@").replace("@}", contents),
            "\\u0078",
            "\"}}]}}",
        ),
        (
            "base64",
            config("@").replace("@}", &contents.replace("data:,", "data:;base64,")),
            "AAAA",
            "\"}}]}}",
        ),
        (
            "an unknown member",
            config("@").replace("@}", "\"x\":\""),
            "x",
            "\"}",
        ),
        ("a name", config("@").replace("@}", "\""), "x", "\":1}"),
        (
            "a unit",
            config("@").replace(
                "@}",
                r#""systemd":{"units":[{"name":"a.service","contents":"[Unit]\n"#,
            ),
            "A=b\\n",
            "\"}]}}",
        ),
    ] {
        let said = accepted(name, &filled(DOCUMENT, &start, piece, end), memory);
        assert!(said.len() < MIB, "{name}: {} bytes are said", said.len());
    }
    // No hash looks like this, which only the one who lints says.
    let start = config("@").replace("@}", r#""passwd":{"users":[{"name":"a","passwordHash":""#);
    let [plan, validate] = judged(&filled(DOCUMENT, &start, "x", "\"}]}}"), memory);
    assert_eq!([plan.status, validate.status], [Some(0), Some(1)]);
    let start = config("@").replace("@}", r#""storage":{"files":[{"path":""#);
    refused(
        "a path",
        &filled(DOCUMENT, &start, "x", "\"}]}}"),
        memory,
        "path-relative",
    );
    let start = config("@").replace("@}", "\"x\":\"");
    refused(
        "no end",
        &filled(DOCUMENT, &start, "x", ""),
        memory,
        "ends too early",
    );
}

#[test]
fn one_byte_too_many() {
    let mut text = filled(DOCUMENT, &config("\"x\":1"), " ", "");
    assert_eq!(text.len(), DOCUMENT);
    let said = accepted("64 MiB", &text, 4 * DOCUMENT);
    assert!(said.contains("key-unknown"), "{said}");
    text.push(b' ');
    refused(
        "64 MiB and a byte",
        &text,
        4 * DOCUMENT,
        "it is larger than 64 MiB",
    );
}

#[test]
fn what_is_no_json_text() {
    for (name, bytes, words) in [
        (
            "not UTF-8",
            &b"{\"ignition\":\n\"\xff\"}"[..],
            "not UTF-8 text from byte 14 on (line 2)",
        ),
        ("cut in a letter", b"\xc3", "not UTF-8 text from byte 0"),
        ("UTF-16", b"\xff\xfe{\0}\0", "not UTF-8 text from byte 0"),
        (
            "gzip",
            b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
            "not UTF-8 text from byte 1",
        ),
        (
            "a NUL",
            b"{\"ignition\":{\"version\":\"3.6.0\0\"}}",
            "control character",
        ),
        ("only NULs", &[0; 4096], "json-syntax"),
        (
            "a NUL at the end",
            b"{\"ignition\":{\"version\":\"3.6.0\"}}\0",
            "text after the end",
        ),
        (
            "a byte-order mark",
            b"\xef\xbb\xbf{\"ignition\":{\"version\":\"3.6.0\"}}",
            "without a byte-order mark",
        ),
        ("nothing", b"", "document-empty"),
        ("white space", b" \n\t ", "ends too early"),
    ] {
        refused(name, bytes, BOMB, words);
    }
}

#[test]
fn members_given_twice() {
    let said = accepted(
        "twins",
        br#"{"ignition":{"version":"9"},"ignition":{"version":"3.6.0"},"passwd":{},"passwd":{}}"#,
        BOMB,
    );
    assert_eq!(said.matches("warning[key-duplicate]").count(), 2, "{said}");
    let start = config("@").replace("@}", "\"passwd\":{}");
    let twins = filled(4 * MIB, &start, ",\"passwd\":{}", "}");
    refused("a crowd of twins", &twins, BOMB, "more than 131072 twins");
}

#[test]
fn numbers_beyond_all() {
    for number in [
        "9223372036854775808",
        "-9223372036854775809",
        "1e400",
        "1.5",
        &"9".repeat(MIB),
    ] {
        let members = format!(r#""passwd":{{"users":[{{"name":"a","uid":{number}}}]}}"#);
        refused("a number", config(&members).as_bytes(), BOMB, "type-mismatch");
    }
    let members = r#""storage":{"disks":[{"device":"/dev/kindling-none","partitions":[{"number":1,"startMiB":9223372036854775807,"sizeMiB":9223372036854775807},{"number":2,"startMiB":9223372036854775807,"sizeMiB":1}]}]}"#;
    refused("a disk", config(members).as_bytes(), BOMB, "partition-overlap");
}

/// Dense documents: a few bytes of text become a few hundred in memory, if nobody counts.
#[test]
fn crowds_of_almost_nothing() {
    let told = "the lists of the document have more than 131072 entries";
    for (name, members, piece, end) in [
        ("null files", r#""storage":{"files":[null"#, ",null", "]}}"),
        ("empty files", r#""storage":{"files":[{}"#, ",{}", "]}}"),
        ("empty volumes", r#""storage":{"luks":[{}"#, ",{}", "]}}"),
        (
            "empty strings",
            r#""kernelArguments":{"shouldExist":["""#,
            ",\"\"",
            "]}}",
        ),
        ("wrong types", r#""passwd":{"users":[1"#, ",1", "]}}"),
        (
            "odd entries",
            r#""storage":{"files":[{"x":1}"#,
            ",{\"x\":1}",
            "]}}",
        ),
    ] {
        let start = config("@").replace("@}", members);
        refused(name, &filled(2 * MIB, &start, piece, end), BOMB, told);
        // Just as many as are allowed, each with several findings.
        let fitting = start.len() + (131_072 - 1) * piece.len() + end.len();
        let cut = "there are more of these, which are not listed";
        refused(name, &filled(fitting, &start, piece, end), BOMB, cut);
    }
}

#[test]
fn large_documents_of_small_pieces() {
    for (name, members, piece, end) in [
        ("unknown members", r#""a":1"#, ",\"a\":1", "}"),
        ("lines", r#""x":1"#, "\n", "}"),
        ("secrets", r#""x":["data:""#, ",\"data:\"", "]}"),
    ] {
        let start = config("@").replace("@}", members);
        let said = accepted(name, &filled(DOCUMENT, &start, piece, end), 4 * DOCUMENT);
        assert!(said.contains("warning[key-unknown]"), "{name}");
    }
    let start = config("@").replace("@}", "\"x\":");
    refused(
        "brackets",
        &filled(DOCUMENT, &start, "[", ""),
        4 * DOCUMENT,
        "nest more than 10000",
    );
    let start = config("@").replace("@}", r#""passwd":{"users":[{"name":""#);
    refused(
        "halves of letters",
        &filled(MIB, &start, "\\ud800", "\"}]}}"),
        BOMB,
        "broken escapes",
    );
}

/// Each of many files is below each of many links: a thousand million findings, if nobody stops.
#[test]
fn findings_that_multiply() {
    let files = r#"{"path":"/a/b"}"#.to_owned() + &r#",{"path":"/a/b"}"#.repeat(30_000);
    let links = r#"{"path":"/a","target":"b"}"#.to_owned() + &r#",{"path":"/a","target":"b"}"#.repeat(30_000);
    let members = format!(r#""storage":{{"files":[{files}],"links":[{links}]}}"#);
    refused(
        "files below links",
        config(&members).as_bytes(),
        BOMB,
        "file-below-link",
    );
}

#[test]
fn a_merge_bomb_is_defused() {
    // Two references to two references to …: a few kilobytes that are a million documents.
    let mut child = gzip(config("\"kernelArguments\":{\"shouldExist\":[\"a\"]}").as_bytes());
    for _ in 0..20 {
        let both = [0, 1].map(|n| packed_reference(&child, n));
        child = gzip(merging(&both, "").as_bytes());
    }
    let bomb = merging(&[packed_reference(&child, 0)], "");
    refused(
        "doubling",
        bomb.as_bytes(),
        BOMB,
        "the config consists of more than 256 documents",
    );
    // Not many documents, but each as large as one may be, and each with other contents.
    let large: Vec<String> = (0..4)
        .map(|n| {
            let start = format!(r#""storage":{{"files":[{{"path":"/f{n}","contents":{{"source":"data:,"#);
            let start = config("@").replace("@}", &start);
            packed_reference(&gzip(&filled(DOCUMENT, &start, "x", "\"}}]}}")), n)
        })
        .collect();
    refused(
        "large",
        merging(&large, "").as_bytes(),
        BOMB,
        "take more than 64 MiB together",
    );
}

#[test]
fn a_merge_bomb_of_small_entries_is_defused() {
    // Each child is small as text, even unpacked, and takes far more as a config.
    let children: Vec<String> = (0..20)
        .map(|n| {
            let users: Vec<String> = (0..50_000).map(|m| format!(r#"{{"name":"{n}-{m}"}}"#)).collect();
            let members = format!(r#""passwd":{{"users":[{}]}}"#, users.join(","));
            packed_reference(&gzip(config(&members).as_bytes()), n)
        })
        .collect();
    refused(
        "entries",
        merging(&children, "").as_bytes(),
        BOMB,
        "take more than 64 MiB together",
    );
    // The same with warnings, which are kept as text.
    let children: Vec<String> = (0..200)
        .map(|n| {
            let members = format!("\"a\":1{}", r#","a":1"#.repeat(9_000));
            packed_reference(&gzip(config(&members).as_bytes()), n)
        })
        .collect();
    refused(
        "warnings",
        merging(&children, "").as_bytes(),
        BOMB,
        "take more than 64 MiB together",
    );
}

#[test]
fn a_gzip_bomb_is_defused() {
    // A quarter of a GiB of blanks in a megabyte.
    let start = merging(&[], "");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(start.as_bytes()).unwrap();
    let piece = vec![b' '; 16 * MIB];
    for _ in 0..16 {
        encoder.write_all(&piece).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let references = [packed_reference(&bomb, 0)];
    refused(
        "a child",
        merging(&references, "").as_bytes(),
        BOMB,
        "config-too-large",
    );
    let authority = format!(
        r#"{{"ignition":{{"version":"3.6.0","security":{{"tls":{{"certificateAuthorities":[{}]}}}}}}}}"#,
        references[0]
    );
    let [plan, validate] = judged(authority.as_bytes(), BOMB);
    assert!(plan.said.contains("resource-too-large"), "{}", plan.said);
    assert!(
        validate.said.contains("error[authority-unreadable]"),
        "{}",
        validate.said
    );
    assert_eq!([plan.status, validate.status], [Some(1); 2]);
    let file = config(&format!(
        r#""storage":{{"files":[{{"path":"/f","contents":{}}}]}}"#,
        references[0]
    ));
    accepted(
        "a file's contents, which are not unpacked to be planned",
        file.as_bytes(),
        BOMB,
    );
}

#[test]
fn the_old_language_takes_no_more() {
    let head = "{\"ignition\":{\"version\":\"2.0.0\"},\"storage\":{\"files\":[";
    let file = |number: usize| format!("{{\"filesystem\":\"root\",\"path\":\"/{number}\"}}");
    let files: Vec<String> = (0..131_000).map(file).collect();
    let crowd = format!("{head}{}]}}}}", files.join(","));
    accepted("a crowd of files", crowd.as_bytes(), BOMB);
    let start = format!(
        "{head}{{\"filesystem\":\"root\",\"path\":\"/a\",\"mode\":420,\"contents\":{{\"source\":\"data:,"
    );
    let giant = filled(DOCUMENT - MIB, &start, "x", "\"}}]}}");
    accepted("a giant file", &giant, BOMB);
    // Each byte would be three as an address.
    let start = "{\"ignition\":{\"version\":\"2.0.0\"},\"networkd\":{\"units\":[{\"name\":\"a.network\",\"contents\":\"";
    let units = filled(10 * MIB, start, "#", "\"}]}}");
    refused("a giant unit", &units, BOMB, "v2-inexpressible");
}

/// The largest document in YAML.
const YAML: usize = 16 * MIB;

/// What the parser keeps of a text, if nobody counts, is hundreds of times the text.
#[test]
fn yaml_that_grows() {
    let signs = "more than 262144 commas, colons and brackets";
    let values = "more than 524288 values";
    let head = "variant: fcos\nversion: 1.7.0\nx: ";
    for (name, start, piece, end, words) in [
        ("a list in brackets", "[", "a,", "]", signs),
        ("commas", "[", ",", "]", signs),
        ("brackets", "", "[", "", "yaml-syntax"),
        ("pairs", "[", "a: b,", "]", signs),
        ("pairs without commas", "[", "a: ", "]", signs),
        ("comments in brackets", "[", "a #\n ", "]", signs),
        ("anchors in brackets", "[", "&a ", "]", signs),
        ("tags in brackets", "[", "!a ", "]", signs),
        ("documents in brackets", "[\n", "a\n---\n", "]", signs),
        ("directives", "y\n---\n", "%A a a a a\n", "", signs),
        ("entries", "\n", "- a\n", "", values),
        ("nested entries", "\n", "- ", "", "64 levels"),
        ("keys", "\n", "  a:\n", "", "yaml-"),
        ("question marks", "\n", "? ", "", "yaml-syntax"),
        ("quotes", "\n", "- ''\n", "", values),
        ("escapes", "\n", "- \"\\t\"\n", "", values),
        ("single maps", "\n", "- a: b\n", "", signs),
        ("comments", "\n", "# x\n", "", signs),
    ] {
        refused(
            name,
            &filled(YAML, &(head.to_owned() + start), piece, end),
            BOMB,
            words,
        );
    }
    for (name, start, piece) in [
        ("a long word", "", "x"),
        ("a long line", "", "x "),
        ("long quotes", "\"", "x\\n"),
        ("a text of lines", "|\n", "  x\n"),
        ("a folded text", ">\n", "  x\n"),
        ("blank lines", "\n", "\n"),
    ] {
        let end = if start == "\"" { "\"" } else { "" };
        let said = accepted(name, &filled(YAML, &(head.to_owned() + start), piece, end), BOMB);
        assert!(said.len() < MIB, "{name}: {} bytes are said", said.len());
    }
    // Just as many as are allowed.
    for (name, start, piece, end, count) in [
        ("pairs", "[", "a: b,", "]", 131_000),
        ("single maps", "\n", "- a: b\n", "", 262_000),
        ("entries", "\n", "- a\n", "", 524_000),
        ("lists", "[", "[''],", "]", 131_000),
    ] {
        accepted(
            name,
            format!("{head}{start}{}{end}", piece.repeat(count)).as_bytes(),
            BOMB,
        );
    }
    let long = filled(YAML + 1, head, "x", "");
    refused("16 MiB and a byte", &long, BOMB, "more than 16 MiB");
}

#[test]
fn yaml_of_aliases() {
    let head = "variant: fcos\nversion: 1.7.0\n";
    let laughs: String = (1..12)
        .map(|nth| {
            format!(
                "x{nth}: &x{nth} [{}]\n",
                vec![format!("*x{}", nth - 1); 10].join(", ")
            )
        })
        .collect();
    let bomb = format!("{head}x0: &x0 x\n{laughs}");
    refused("a billion", bomb.as_bytes(), BOMB, "more than 524288 values");
    let long = "x".repeat(MIB);
    let aliases = vec!["*x"; 1000].join(", ");
    let bomb = format!("{head}x: &x {long}\ny: [{aliases}]\n");
    refused(
        "a thousand times a megabyte",
        bomb.as_bytes(),
        BOMB,
        "more than 16 MiB of text",
    );
}
