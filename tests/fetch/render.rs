//! Configs that refer to configs.

use kindling::fetch::{Origin, OriginKind, resource};
use kindling::render::{First, RenderError, Rendered, render};
use kindling_config_spec::{Source, check, data_url};
use serde_json::{Value, json};

use crate::server::{Identity, Reply, Server};
use crate::{fetcher, offline};

fn origin() -> Origin {
    Origin {
        kind: OriginKind::User,
        source: "qemu".to_owned(),
        referenced: false,
        sha256: None,
    }
}

fn first(text: &str) -> First<'_> {
    First {
        checked: check(text).expect("the first config is valid"),
        name: "user config",
        source: Source::alone(text),
        origin: origin(),
    }
}

fn rendered(config: &Value) -> Result<Rendered, RenderError> {
    render(first(&config.to_string()), &mut fetcher())
}

fn failed(config: &Value) -> RenderError {
    match rendered(config) {
        Ok(_) => panic!("the config renders"),
        Err(error) => error,
    }
}

/// A config with one kernel argument, one unit text and references.
fn document(karg: &str, unit: Option<&str>, merge: &[String]) -> Value {
    let references: Vec<Value> = merge.iter().map(|url| json!({ "source": url })).collect();
    let units: Vec<Value> = unit
        .iter()
        .map(|text| json!({ "name": "a.service", "contents": format!("[Unit]\nDescription={text}\n") }))
        .collect();
    json!({
        "ignition": { "version": "3.4.0", "config": { "merge": references } },
        "kernelArguments": { "shouldExist": [karg] },
        "systemd": { "units": units },
    })
}

fn replaced_by(url: &str) -> Value {
    json!({ "ignition": { "version": "3.4.0", "config": { "replace": { "source": url } } } })
}

fn kargs(rendered: &Rendered) -> Vec<&str> {
    rendered
        .config()
        .kernel_arguments
        .should_exist
        .iter()
        .map(String::as_str)
        .collect()
}

#[test]
fn grandchildren_win_over_children_and_siblings_keep_their_order() {
    let server = Server::http(|seen, _| {
        let host = seen.target.as_str();
        Reply::ok(match host {
            "/c1a" => document("c1a", Some("from c1a"), &[]).to_string(),
            _ => document("c2", None, &[]).to_string(),
        })
    });
    let (c1a, c2) = (server.url("/c1a"), server.url("/c2"));
    let first = Server::http(move |_, _| {
        Reply::ok(document("c1", Some("from c1"), std::slice::from_ref(&c1a)).to_string())
    });
    let result = rendered(&document("p", Some("from p"), &[first.url("/c1"), c2])).unwrap();
    assert_eq!(kargs(&result), ["p", "c1", "c1a", "c2"]);
    let unit = &result.config().systemd.units[0];
    assert_eq!(unit.contents.as_deref(), Some("[Unit]\nDescription=from c1a\n"));
    let sources: Vec<_> = result
        .origins()
        .iter()
        .map(|o| (o.source.as_str(), o.referenced))
        .collect();
    assert_eq!(
        sources,
        [("qemu", false), ("/c1", true), ("/c1a", true), ("/c2", true)]
    );
    let digest = kindling::identity::hex(&resource::sha256(
        document("c2", None, &[]).to_string().as_bytes(),
    ));
    assert_eq!(result.origins()[3].sha256.as_deref(), Some(digest.as_str()));
}

#[test]
fn replace_drops_everything_of_the_config_it_stands_in() {
    let server = Server::always(Reply::ok(document("new", None, &[]).to_string()));
    let mut config = document("old", None, &["http://never.invalid/".to_owned()]);
    config["ignition"]["config"]["replace"] = json!({ "source": server.url("/new") });
    assert_eq!(kargs(&rendered(&config).unwrap()), ["new"]);
}

#[test]
fn replace_in_a_child_replaces_the_child_alone() {
    let inner = document("inner", None, &[]).to_string();
    let child = replaced_by(&data_url::encode(inner.as_bytes())).to_string();
    let config = document("parent", None, &[data_url::encode(child.as_bytes())]);
    assert_eq!(kargs(&rendered(&config).unwrap()), ["parent", "inner"]);
}

#[test]
fn the_rendered_config_survives_the_cache() {
    let server = Server::always(Reply::ok(document("child", None, &[]).to_string()));
    let result = rendered(&document("parent", None, &[server.url("/c")])).unwrap();
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<Rendered>(&text).unwrap(), result);
}

#[test]
fn an_empty_child_is_an_error_that_names_it() {
    for reply in [Reply::ok(""), Reply::status(204)] {
        let server = Server::always(reply);
        let error = failed(&document("p", None, &[server.url("/empty")]));
        let text = format!(
            "config {}, to which user config refers, is empty",
            server.url("/empty")
        );
        assert_eq!((error.to_string(), error.code()), (text, "config-empty"));
    }
    assert_eq!(failed(&replaced_by("")).code(), "config-empty");
}

#[test]
fn a_reference_without_a_source_is_named() {
    let config = json!({ "ignition": { "version": "3.0.0", "config": { "merge": [{}] } } });
    assert_eq!(failed(&config).code(), "config-source-missing");
}

#[test]
fn circles_are_shown() {
    // The host of the circle stands in the path, because a server knows its port only once it runs.
    let server = Server::http(|seen, _| {
        let (base, name) = seen.target[1..].split_once('/').unwrap();
        let next = if name == "a" { "b" } else { "a" };
        Reply::ok(document(name, None, &[format!("http://{base}/{base}/{next}")]).to_string())
    });
    let base = server.url("").trim_start_matches("http://").to_owned();
    let [a, b] = ["a", "b"].map(|name| server.url(&format!("/{base}/{name}")));
    let error = failed(&document("p", None, std::slice::from_ref(&a)));
    assert_eq!(
        error,
        RenderError::Cycle {
            chain: vec![a.clone(), b.clone(), a.clone()]
        }
    );
    assert_eq!(
        error.to_string(),
        format!("configs refer to each other in a circle: {a} → {b} → {a}")
    );
}

#[test]
fn a_chain_without_an_end_is_cut() {
    let server = Server::http(|seen, _| {
        let (base, depth) = seen.target[1..].split_once('/').unwrap();
        let next = depth.parse::<u32>().unwrap() + 1;
        Reply::ok(replaced_by(&format!("http://{base}/{base}/{next}")).to_string())
    });
    let base = server.url("").trim_start_matches("http://").to_owned();
    let error = failed(&replaced_by(&server.url(&format!("/{base}/1"))));
    assert_eq!(
        error,
        RenderError::TooDeep {
            document: server.url(&format!("/{base}/33"))
        }
    );
    assert_eq!(server.seen().len(), 32);
}

#[test]
fn a_child_with_findings_is_shown_with_its_line() {
    let text = "{\n  \"ignition\": { \"version\": \"3.4.0\" },\n  \"storage\": { \"files\": [ { \"path\": \"relative\" } ] }\n}\n";
    let server = Server::always(Reply::ok(text));
    let error = failed(&document("p", None, &[server.url("/broken?token=hunter2")]));
    assert_eq!(error.code(), "config-invalid");
    let text = error.to_string();
    assert!(
        text.contains(&format!("{}?…:3:", server.url("/broken"))),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_child_of_an_unknown_version_is_told_apart() {
    for version in ["9.9.9", "2.5.0", "nonsense"] {
        let child = json!({ "ignition": { "version": version } }).to_string();
        let error = failed(&replaced_by(&data_url::encode(child.as_bytes())));
        assert_eq!(error.code(), "config-version-unknown", "{version}");
    }
}

fn inline(config: &Value) -> Value {
    json!({ "source": data_url::encode(config.to_string().as_bytes()) })
}

/// A document of Ignition 2 with those members in its storage, which appends `children`.
fn old(storage: Value, children: &[&Value]) -> Value {
    let append: Vec<Value> = children.iter().map(|child| inline(child)).collect();
    json!({ "ignition": { "version": "2.3.0", "config": { "append": append } }, "storage": storage })
}

fn old_file(filesystem: &str, path: &str, text: &str) -> Value {
    json!({ "filesystem": filesystem, "path": path, "mode": 420, "contents": { "source": format!("data:,{text}") } })
}

fn paths(rendered: &Rendered) -> Vec<&str> {
    let files = &rendered.config().storage.files;
    files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn documents_of_ignition_2_and_3_append_and_merge_each_other() {
    let two = old(json!({ "files": [old_file("root", "/etc/a", "two")] }), &[]);
    let three = json!({
        "ignition": { "version": "3.5.0" },
        "storage": { "files": [{ "path": "/etc/a", "overwrite": true, "contents": { "source": "data:,three" } }] },
    });
    let mut parent = three.clone();
    parent["ignition"]["config"] = json!({ "merge": [inline(&two)] });
    for (config, source) in [
        (parent, "data:,two"),
        (
            old(json!({ "files": [old_file("root", "/etc/a", "two")] }), &[&three]),
            "data:,three",
        ),
        (old(json!({}), &[&two, &three]), "data:,three"),
        (old(json!({}), &[&three, &two]), "data:,two"),
    ] {
        let result = rendered(&config).unwrap();
        let file = &result.config().storage.files[0];
        assert_eq!(paths(&result), ["/etc/a"]);
        assert_eq!(
            (file.contents.source.as_deref(), file.mode),
            (Some(source), Some(0o644))
        );
    }
    let first =
        json!({ "ignitionVersion": 1, "systemd": { "units": [{ "name": "a.service", "mask": true }] } });
    let result = rendered(&old(json!({}), &[&first])).unwrap();
    assert_eq!(result.config().systemd.units[0].mask, Some(true));
}

#[test]
fn a_name_of_a_file_system_means_the_same_in_parent_and_child() {
    let defined = |device: &str| json!({ "name": "data", "mount": { "device": device, "format": "xfs" } });
    let child = old(json!({ "files": [old_file("data", "/x", "1")] }), &[]);
    let parent = old(json!({ "filesystems": [defined("/dev/a")] }), &[&child]);
    let result = rendered(&parent).unwrap();
    assert_eq!(paths(&result), ["/tmp/data-ign1/x"]);
    let filesystem = &result.config().storage.filesystems[0];
    assert_eq!(filesystem.path.as_deref(), Some("/tmp/data-ign1"));
    // Where nobody defines it, nothing is written to the root instead.
    let error = failed(&old(json!({}), &[&child]));
    assert_eq!(error.code(), "config-merged-invalid");
    let text = error.to_string();
    assert!(
        text.contains("v2-filesystem-undefined") && text.contains("\"data\""),
        "{text}"
    );
    assert!(text.contains("/storage/files/0/path"), "{text}");
    let other = old(json!({ "filesystems": [defined("/dev/b")] }), &[]);
    let error = failed(&old(json!({ "filesystems": [defined("/dev/a")] }), &[&other]));
    assert!(error.to_string().contains("v2-filesystem-ambiguous"), "{error}");
}

/// The provider for AWS keeps the config in an object store and hands over a stub.
#[test]
fn the_two_steps_of_cluster_api_render() {
    let worker = include_str!("../../fixtures/ignition2/27-capi-kubeadm-worker.v2.json");
    let server = Server::http(move |_, _| Reply::ok(worker));
    let stub = json!({ "ignition": { "version": "2.3.0", "config": { "append": [{ "source": server.url("/worker") }] } } });
    let result = rendered(&stub).unwrap();
    assert!(result.warnings().is_empty(), "{:?}", result.warnings());
    let alone = check(include_str!(
        "../../fixtures/ignition2/27-capi-kubeadm-worker.v3.json"
    ))
    .unwrap();
    assert_eq!(result.config().storage, alone.config().storage);
    assert_eq!(result.config().systemd, alone.config().systemd);
    assert_eq!(result.config().passwd, alone.config().passwd);
}

#[test]
fn a_child_that_is_not_text_is_refused() {
    let error = failed(&replaced_by("data:;base64,/w=="));
    assert_eq!(error.code(), "config-not-text");
}

#[test]
fn a_child_with_the_wrong_digest_has_a_code_of_its_own() {
    let mut config = replaced_by("data:,x");
    config["ignition"]["config"]["replace"]["verification"] =
        json!({ "hash": format!("sha256-{}", "0".repeat(64)) });
    assert_eq!(failed(&config).code(), "config-hash-mismatch");
}

#[test]
fn valid_documents_with_an_invalid_sum_are_refused() {
    let with_owner = |owner: Value| {
        json!({
            "ignition": { "version": "3.4.0" },
            "storage": { "files": [{ "path": "/etc/a", "user": owner }] },
        })
    };
    let child = with_owner(json!({ "name": "root" })).to_string();
    let mut config = with_owner(json!({ "id": 1 }));
    config["ignition"]["config"] = json!({ "merge": [{ "source": data_url::encode(child.as_bytes()) }] });
    let error = failed(&config);
    assert_eq!(error.code(), "config-merged-invalid");
    // The line is that of the document that completed the contradiction, the inline child.
    let text = error.to_string();
    assert!(
        text.contains("  user config#/ignition/config/merge/0:1:77, /storage/files/0/user\n"),
        "{text}"
    );
}

#[test]
fn offline_a_remote_child_asks_for_the_network() {
    let text = document("p", None, &["https://h.invalid/".to_owned()]).to_string();
    let error = render(first(&text), &mut offline()).unwrap_err();
    assert!(error.needs_network(), "{error}");
}

#[test]
fn the_authority_of_a_pointer_config_opens_its_child_and_is_kept_inline() {
    let identity = Identity::new();
    let child = document("worker", None, &[]).to_string();
    let server = Server::https(&identity, move |_, _| Reply::ok(child.clone()));
    let pem = identity.authority_pem();
    let authority = Server::http(move |_, _| Reply::ok(pem.clone()));
    let mut config = document("pointer", None, &[server.url("/config/worker")]);
    config["ignition"]["security"] =
        json!({ "tls": { "certificateAuthorities": [{ "source": authority.url("/ca.pem") }] } });
    let result = rendered(&config).unwrap();
    assert_eq!(kargs(&result), ["pointer", "worker"]);
    let kept = &result.config().ignition.security.tls.certificate_authorities[0];
    assert_eq!(
        kept.source.as_deref(),
        Some(data_url::encode(identity.authority_pem().as_bytes()).as_str())
    );
    assert_eq!(authority.seen().len(), 1);
}

#[test]
fn the_number_of_documents_is_bounded() {
    let many: Vec<String> = (0..300)
        .map(|n| data_url::encode(document(&format!("k{n}"), None, &[]).to_string().as_bytes()))
        .collect();
    assert_eq!(failed(&document("p", None, &many)).code(), "config-too-many");
}
