//! The rules of docs/architecture.md as tests: which module may name which, and what code must not contain.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that reads the source tree"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// One source file of ours.
struct Source {
    /// Path from the top of the checkout, with `/`.
    path: String,
    /// Its text up to the unit tests.
    code: String,
}

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&top().join(below), &mut found);
    assert!(!found.is_empty(), "{below} holds no source");
    found
}

fn collect(dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && path.file_stem().is_none_or(|stem| stem != "tests")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text
                .split("#[cfg(test)]\nmod tests {")
                .next()
                .unwrap_or_default()
                .to_owned();
            let path = path.strip_prefix(top()).unwrap().to_string_lossy().into_owned();
            found.push(Source { path, code });
        }
    }
}

/// The code lines that are not comments.
fn lines(source: &Source) -> impl Iterator<Item = &str> {
    source
        .code
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
}

fn assert_absent(sources: &[Source], allowed: &[&str], banned: &[&str], rule: &str) {
    let mut found = Vec::new();
    for source in sources
        .iter()
        .filter(|source| !allowed.iter().any(|path| source.path.starts_with(path)))
    {
        for line in lines(source) {
            if let Some(word) = banned.iter().find(|word| names(line, word)) {
                found.push(format!("{}: {word}: {line}", source.path));
            }
        }
    }
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

/// Whether `word` stands in the line and is not the end of another word.
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !word.starts_with(|c: char| c.is_alphanumeric())
            || !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

const IO: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::time",
    "SystemTime",
    "Instant::now",
];

#[test]
fn the_pure_layers_do_no_io() {
    assert_absent(&sources("src/plan"), &[], IO, "plan decides from values");
    assert_absent(
        &sources("src/gpt"),
        &[],
        &["std::fs", "std::net", "std::process", "std::env"],
        "gpt works on any Read + Seek",
    );
    assert_absent(&sources("src/shadow"), &[], IO, "shadow edits text");
    assert_absent(&sources("config-spec/src"), &[], IO, "config-spec judges text");
    assert_absent(
        &sources("platforms/src"),
        &[],
        &["std::fs", "std::net", "std::process", "std::env"],
        "platforms reach the machine through Access",
    );
}

#[test]
fn the_pure_layers_do_not_know_the_host_and_do_not_log() {
    let banned = [
        "crate::host",
        "crate::apply",
        "crate::stages",
        "crate::fetch",
        "tracing::",
    ];
    assert_absent(&sources("src/plan"), &[], &banned, "plan knows values only");
    assert_absent(
        &sources("src/gpt"),
        &[],
        &["crate::host", "crate::plan", "tracing::"],
        "gpt knows tables only",
    );
    assert_absent(
        &sources("src/shadow"),
        &[],
        &["crate::host", "crate::plan", "crate::inventory", "tracing::"],
        "shadow knows lines only",
    );
    assert_absent(
        &sources("config-spec/src"),
        &[],
        &["tracing", "kindling_platforms"],
        "config-spec returns findings",
    );
    assert_absent(
        &sources("platforms/src"),
        &[],
        &["kindling_config_spec", "reqwest", "nix::"],
        "platforms return bytes",
    );
}

#[test]
fn apply_decides_nothing_from_the_config() {
    let banned = [
        "kindling_config_spec::rules",
        "kindling_config_spec::check",
        "types::Config",
        "crate::inventory::observe",
    ];
    assert_absent(
        &sources("src/apply"),
        &[],
        &banned,
        "the plan holds what apply needs",
    );
}

#[test]
fn inventory_reads_and_never_writes() {
    let banned = [
        "write_table",
        ".put(",
        ".commit(",
        ".remove(Path",
        "make_dirs",
        "unmount(",
        "crate::apply",
    ];
    assert_absent(
        &sources("src/inventory"),
        &[],
        &banned,
        "inventory calls the reading half of host",
    );
}

#[test]
fn only_the_host_talks_to_kernel_network_and_programs() {
    let all = sources("src");
    assert_absent(
        &all,
        &["src/host/"],
        &["nix::", "reqwest"],
        "nix and reqwest are named in host only",
    );
    assert_absent(
        &all,
        &["src/host/process.rs"],
        &["process::Command", "Command::new"],
        "programs are run in one place",
    );
    assert_absent(
        &all,
        &["src/cli/"],
        &["lexopt::", "env::var"],
        "arguments and environment are read in cli",
    );
    assert_absent(
        &all,
        &[],
        &["use gpt::", "gpt::GptConfig", "gpt::mbr"],
        "the crate gpt is a test's oracle",
    );
}

#[test]
fn one_request_alone_believes_anybody() {
    let all = sources("src");
    assert_absent(
        &all,
        &["src/host/http/discovery.rs"],
        &["ServerCertVerifier", ".dangerous(", "verify_server_cert"],
        "certificates are checked",
    );
    assert_absent(
        &all,
        &["src/host/http/discovery.rs", "src/host/http/client.rs"],
        &["believing_anybody", "Belief::Anybody", "discovery::configuration"],
        "the client that checks nothing is made for one request",
    );
    assert_absent(
        &all,
        &["src/host/http/", "src/stages/discovery.rs"],
        &["http::discovery", "unproven("],
        "one stage asks it",
    );
}

#[test]
fn unsafe_stands_in_few_modules() {
    let all: Vec<Source> = ["src", "config-spec/src", "platforms/src"]
        .iter()
        .flat_map(|dir| sources(dir))
        .collect();
    assert_absent(
        &all,
        &[
            "src/host/block.rs",
            "src/host/never_run.rs",
            "src/host/vboxguest.rs",
            "src/host/vmware.rs",
        ],
        &["unsafe {", "unsafe fn", "unsafe impl"],
        "unsafe code",
    );
    assert_absent(
        &all,
        &["src/host/unwind.rs", "src/host/never_run.rs"],
        &["unsafe("],
        "symbols under names of our choice",
    );
}

#[test]
fn siblings_of_plan_and_apply_stay_apart_from_stages() {
    for dir in [
        "src/plan",
        "src/apply",
        "src/fetch",
        "src/inventory",
        "src/host",
        "src/report",
    ] {
        assert_absent(
            &sources(dir),
            &[],
            &["crate::stages", "crate::cli"],
            "arrows point from stages",
        );
    }
}

#[test]
fn one_sort_serves_all_types() {
    let all: Vec<Source> = ["src", "config-spec/src", "platforms/src"]
        .iter()
        .flat_map(|dir| sources(dir))
        .collect();
    assert_absent(
        &all,
        &["config-spec/src/order.rs"],
        &[".sort(", ".sort_by", ".sort_unstable"],
        "order::by sorts without 4 kB of code for each type",
    );
}

#[test]
fn one_order_serves_all_maps() {
    let all: Vec<Source> = ["src", "config-spec/src"]
        .iter()
        .flat_map(|dir| sources(dir))
        .collect();
    assert_absent(
        &all,
        &["config-spec/src/order.rs", "config-spec/src/order/"],
        &["BTreeMap", "BTreeSet"],
        "order::OrderedMap and OrderedSet do without kilobytes of code for each type",
    );
}

#[test]
fn one_reader_and_one_writer_serve_all_json() {
    let all: Vec<Source> = ["src", "config-spec/src"]
        .iter()
        .flat_map(|dir| sources(dir))
        .collect();
    assert_absent(
        &all,
        &["config-spec/src/json.rs", "src/stages/disks/tests/"],
        &[
            "serde_json::from_slice",
            "serde_json::from_reader",
            "serde_json::to_string",
            "serde_json::to_vec",
            "serde_json::to_writer",
        ],
        "kindling_config_spec::json has the kinds that are compiled anyway",
    );
}

#[test]
fn no_left_overs() {
    let all: Vec<Source> = [
        "src",
        "config-spec/src",
        "platforms/src",
        "tests/api-server/src",
        "tests/vm/src",
    ]
    .iter()
    .flat_map(|dir| sources(dir))
    .collect();
    let banned = ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX"];
    assert_absent(&all, &[], &banned, "finish it or name it in an issue");
    for source in &all {
        for part in source.path.split('/') {
            let name = part.trim_end_matches(".rs");
            assert!(
                !["util", "utils", "helper", "helpers", "manager", "misc", "common"].contains(&name),
                "{}",
                source.path
            );
        }
    }
}

#[test]
fn a_file_is_one_room() {
    const LIMIT: usize = 500;
    let all: Vec<Source> = [
        "src",
        "config-spec/src",
        "platforms/src",
        "tests/api-server/src",
        "tests/vm/src",
    ]
    .iter()
    .flat_map(|dir| sources(dir))
    .collect();
    let long: Vec<String> = all
        .iter()
        .map(|source| (source.code.lines().count(), &source.path))
        .filter(|(count, _)| *count > LIMIT)
        .map(|(count, path)| format!("{path}: {count} lines"))
        .collect();
    assert!(
        long.is_empty(),
        "over {LIMIT} lines without tests:\n{}",
        long.join("\n")
    );
}

#[test]
fn the_initramfs_carries_exactly_the_programs_the_code_can_call() {
    let setup = fs::read_to_string(top().join("dracut/30kindling/module-setup.sh")).unwrap();
    let begin = setup
        .find("# kindling-programs: begin")
        .expect("module-setup.sh marks its list of programs");
    let end = setup
        .find("# kindling-programs: end")
        .expect("module-setup.sh marks the end of its list of programs");
    let mut listed: Vec<&str> = setup[begin..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(str::split_whitespace)
        .filter(|word| !word.starts_with(['-', '\\', '"']) && !word.starts_with("inst_"))
        .map(|word| word.rsplit('/').next().unwrap_or(word))
        .collect();
    listed.sort_unstable();
    listed.dedup();
    let mut called: Vec<&str> = kindling::invocation::Program::ALL
        .iter()
        .map(|program| program.name())
        .collect();
    called.sort_unstable();
    assert_eq!(listed, called);
}

#[test]
fn programs_of_the_real_root_are_called_where_no_boot_gets() {
    use kindling::invocation::Program;
    let text = fs::read_to_string(top().join("src/invocation.rs")).unwrap();
    let (_, variants) = text.split_once("pub enum Program {").unwrap();
    let (variants, _) = variants.split_once("\n}").unwrap();
    let mut known: Vec<&str> = variants
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .collect();
    known.sort_unstable();
    let mut listed: Vec<String> = [Program::ALL, Program::REAL_ROOT]
        .concat()
        .iter()
        .map(|program| format!("{program:?}"))
        .collect();
    listed.sort_unstable();
    assert_eq!(listed, known, "a program is of the initramfs or of the real root");

    for program in Program::REAL_ROOT {
        let caller = match program {
            Program::Losetup => "src/host/loops.rs",
            Program::Openssl => "src/host/envelope.rs",
            Program::Unshare => "src/host/user_namespace.rs",
            Program::Setpriv | Program::Fuse2fs | Program::E2fsck => "src/host/fuse.rs",
            other => panic!("who calls {other}?"),
        };
        let name = format!("Program::{program:?}");
        let allowed = [caller, "src/invocation.rs"];
        assert_absent(&sources("src"), &allowed, &[&name], "no initramfs has it");
    }
    // Who writes keys asks for envelopes, and no stage does.
    let asked = [".recipient(", ".enclosed_key(", ".ssh_keys("];
    let rule = "keys are had on the running system";
    assert_absent(&sources("src"), &["src/metadata.rs"], &asked, rule);
    let metadata = ["platforms/src/azurestack/metadata.rs"];
    assert_absent(&sources("platforms/src"), &metadata, &asked[..2], rule);
}

#[test]
fn every_failure_code_has_a_row_in_the_docs() {
    let docs = fs::read_to_string(top().join("docs/failure-states.md")).unwrap();
    let mut missing = Vec::new();
    for source in sources("src") {
        for code in codes(&source.code) {
            if !docs.contains(&format!("| `{code}` |")) {
                missing.push(format!("{}: {code}", source.path));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "no row in docs/failure-states.md:\n{}",
        missing.join("\n")
    );
}

/// Kebab-case words in quotes on lines of the functions that give codes, and behind the constructors of records.
fn codes(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code_fn = false;
    for line in code.lines() {
        in_code_fn = (in_code_fn || line.contains("fn code(&self)")) && !line.starts_with("    }");
        let is_record = ["Failure::of(", "Conflict::new(", "code: \""]
            .iter()
            .any(|start| line.contains(start));
        if in_code_fn || is_record {
            found.extend(quoted(line));
        }
    }
    found
}

fn quoted(line: &str) -> impl Iterator<Item = String> + '_ {
    let is_code = |word: &&str| {
        word.contains('-')
            && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            && !word.starts_with('-')
    };
    line.split('"')
        .skip(1)
        .step_by(2)
        .filter(is_code)
        .map(str::to_owned)
}
