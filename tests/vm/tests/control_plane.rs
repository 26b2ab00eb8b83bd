//! A real control plane judges what a node sends to join. What it answers is kept in `fixtures/cluster`, to which our
//! double is held; `KINDLING_RENEW=1 make test-cluster` writes it anew.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

mod openssl;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use hyper::Method;
use kindling_vm::control_plane::exchange::Question;
use kindling_vm::control_plane::kubelet::{self, Kubelet};
use kindling_vm::control_plane::{self, Client, ControlPlane, Pair, REQUESTS, TOKEN_GROUP};
use kindling_vm::workspace;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::openssl::Asked;

const LIMIT: Duration = Duration::from_secs(60);
/// Set for a test that is to wait until it is killed; also what its lines for the other begin with.
const HOLD: &str = "KINDLING_HOLD";
const NODE_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const TWO: [&str; 2] = ["digital signature", "client auth"];
const THREE: [&str; 3] = ["digital signature", "key encipherment", "client auth"];

fn start() -> ControlPlane {
    let began = Instant::now();
    let plane = ControlPlane::start().unwrap();
    println!("ready in {} ms", began.elapsed().as_millis());
    for program in plane.programs() {
        println!("{}: {} MB", program.name(), program.memory_bytes() / 1_000_000);
    }
    plane
}

/// The object that asks for a certificate.
fn request(name: &str, asked: &Asked, signer: &str, usages: &[&str]) -> Value {
    json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": { "name": name },
        "spec": {
            "signerName": signer,
            "request": STANDARD.encode(&asked.request),
            "usages": usages,
        },
    })
}

/// The certificate that a request of this name gets, with the key it was asked for with.
fn issued(plane: &ControlPlane, name: &str, asked: &Asked) -> Pair {
    let object = plane
        .request_when(name, LIMIT, |object| object["status"]["certificate"].is_string())
        .unwrap();
    let certificate = STANDARD
        .decode(object["status"]["certificate"].as_str().unwrap())
        .unwrap();
    Pair {
        certificate: String::from_utf8(certificate).unwrap(),
        key: asked.key.clone(),
    }
}

/// Keeps exchanges as fixtures, or compares them with those kept.
#[derive(Default)]
struct Record {
    differences: BTreeMap<String, String>,
}

impl Record {
    /// Asks, and gives the answer's body.
    fn ask(&mut self, name: &str, client: &Client, question: &Question) -> Value {
        let (answer, kept) = question.ask(client).unwrap();
        self.keep(name, &kept);
        answer
    }

    fn keep(&mut self, name: &str, kept: &Value) {
        let path = workspace::root().join(format!("fixtures/cluster/{name}.json"));
        let text = format!("{kept:#}\n");
        if std::env::var_os("KINDLING_RENEW").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            self.differences.insert(name.to_owned(), text);
        }
    }

    fn assert_as_kept(self) {
        let said: Vec<String> = self
            .differences
            .iter()
            .map(|(name, text)| format!("fixtures/cluster/{name}.json should be:\n{text}"))
            .collect();
        assert!(said.is_empty(), "{}", said.join("\n"));
    }
}

#[test]
#[ignore = "needs what `make cluster-tools` builds; run by `make test-cluster`"]
fn cluster_info_is_signed_for_whoever_has_the_token() {
    let plane = start();
    let path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    let info = plane.anonymous().unwrap().get(path).unwrap().json();
    let (id, secret) = control_plane::TOKEN.split_once('.').unwrap();
    let kubeconfig = info["data"]["kubeconfig"].as_str().unwrap();
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{id}"}}"#));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{header}.{}", URL_SAFE_NO_PAD.encode(kubeconfig)).as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    assert_eq!(
        info["data"][format!("jws-kubeconfig-{id}")],
        format!("{header}..{signature}")
    );
    let cluster = &serde_json::from_str::<Value>(kubeconfig).unwrap()["clusters"][0]["cluster"];
    assert_eq!(cluster["server"], plane.server());
    assert_eq!(
        cluster["certificate-authority-data"],
        STANDARD.encode(plane.authority_pem())
    );
}

#[test]
#[ignore = "needs what `make cluster-tools` builds; run by `make test-cluster`"]
fn only_a_request_for_three_usages_is_approved() {
    let plane = start();
    let token = plane.with_token(control_plane::TOKEN).unwrap();
    let [with_two, with_three] =
        [(&TWO[..], "two.test"), (&THREE[..], "three.test")].map(|(usages, node)| {
            let asked = openssl::node_request(node);
            let reply = token
                .post(REQUESTS, &request(node, &asked, NODE_CLIENT, usages))
                .unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text);
            asked
        });
    let pair = issued(&plane, "three.test", &with_three);
    let told = openssl::certificate(&pair.certificate);
    assert!(
        told.contains("O = system:nodes, CN = system:node:three.test"),
        "{told}"
    );
    // The approver takes requests in turn, and another came after this one.
    let again = request(
        "after.test",
        &openssl::node_request("after.test"),
        NODE_CLIENT,
        &THREE,
    );
    assert_eq!(token.post(REQUESTS, &again).unwrap().status, 201);
    issued(&plane, "after.test", &with_three);
    let status = &plane.get(&format!("{REQUESTS}/two.test")).unwrap()["status"];
    assert_eq!(*status, json!({}), "{} bytes asked", with_two.request.len());
}

#[test]
#[ignore = "needs what `make cluster-tools` builds; run by `make test-cluster`"]
fn the_api_server_answers_as_it_is_recorded() {
    let plane = start();
    let day = time::Duration::days(1);
    plane.add_token("plantd.aaaaaaaaaaaaaaaa", day, "").unwrap();
    plane
        .add_token("expird.aaaaaaaaaaaaaaaa", -day, TOKEN_GROUP)
        .unwrap();
    let token = plane.with_token(control_plane::TOKEN).unwrap();
    let of_nobody = plane.anonymous().unwrap();
    // `cluster-info` is one of the answers.
    plane.wait_until_signed_for("plantd").unwrap();
    let mut record = Record::default();

    who_may_ask(&plane, &token, &of_nobody, &mut record);
    what_is_refused(&token, &mut record);
    from_request_to_certificate(&plane, &token, &mut record);
    what_an_administrator_decides(&plane, &token, &mut record);
    what_a_node_may(&plane, &token, &mut record);
    record.assert_as_kept();
}

fn who_may_ask(plane: &ControlPlane, token: &Client, of_nobody: &Client, record: &mut Record) {
    let asked = openssl::node_request("who.test");
    let create = |by| Question::post(by, REQUESTS, request("who.test", &asked, NODE_CLIENT, &THREE));
    let of_group = "/apis/certificates.k8s.io";
    let info = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    record.ask("version", of_nobody, &Question::get("anonymous", "/version"));
    record.ask("healthz", of_nobody, &Question::get("anonymous", "/healthz"));
    record.ask("cluster-info", of_nobody, &Question::get("anonymous", info));
    record.ask("group", token, &Question::get("token", of_group));
    record.ask("create-anonymous", of_nobody, &create("anonymous"));

    let may = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "group": "certificates.k8s.io",
            "resource": "certificatesigningrequests",
            "verb": "create",
        } },
    });
    let review = |by| {
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        Question::post(by, path, may.clone())
    };
    record.ask("access-review", token, &review("token"));
    let myself = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    record.ask("self-review", token, &Question::post("token", path, myself));

    for (by, secret) in [
        ("token-without-rights", "plantd.aaaaaaaaaaaaaaaa"),
        ("expired-token", "expird.aaaaaaaaaaaaaaaa"),
        ("wrong-secret", "kndlng.aaaaaaaaaaaaaaaa"),
        ("unknown-token", "nobody.aaaaaaaaaaaaaaaa"),
    ] {
        let client = plane.with_token(secret).unwrap();
        record.ask(&format!("create-{by}"), &client, &create(by));
        record.ask(&format!("access-review-{by}"), &client, &review(by));
    }
}

fn what_is_refused(token: &Client, record: &mut Record) {
    let asked = openssl::node_request("refused.test");
    let good = request("refused.test", &asked, NODE_CLIENT, &THREE);
    let cases: [(&str, &str, Value); 10] = [
        ("no-signer", "/spec/signerName", json!("")),
        ("signer-without-domain", "/spec/signerName", json!("kubelet")),
        ("no-usages", "/spec/usages", json!([])),
        ("unknown-usage", "/spec/usages", json!(["client auth", "cooking"])),
        (
            "usage-twice",
            "/spec/usages",
            json!(["client auth", "client auth"]),
        ),
        (
            "request-not-pem",
            "/spec/request",
            json!(STANDARD.encode("not PEM")),
        ),
        ("request-not-base64", "/spec/request", json!("***")),
        ("bad-name", "/metadata/name", json!("a/b")),
        ("wrong-kind", "/kind", json!("Pod")),
        ("wrong-version", "/apiVersion", json!("certificates.k8s.io/v9")),
    ];
    for (name, pointer, value) in cases {
        let mut object = good.clone();
        *object.pointer_mut(pointer).unwrap() = value;
        record.ask(
            &format!("refused-{name}"),
            token,
            &Question::post("token", REQUESTS, object),
        );
    }
    let cut = json!("{\"apiVersion\":");
    record.ask(
        "refused-cut-short",
        token,
        &Question::post("token", REQUESTS, cut),
    );
    let path = format!("{REQUESTS}/absent.test");
    record.ask("get-absent", token, &Question::get("token", path.clone()));
    let change = Question {
        method: Method::DELETE,
        ..Question::get("token", path)
    };
    record.ask("delete-forbidden", token, &change);
}

fn from_request_to_certificate(plane: &ControlPlane, token: &Client, record: &mut Record) {
    let asked = openssl::node_request("node-a.test");
    let mut object = request("node-a.test", &asked, NODE_CLIENT, &TWO);
    object["spec"]["expirationSeconds"] = json!(86400);
    object["metadata"]["annotations"] = json!({ "kindling.test/status": "waiting" });
    // Before 1.22 the wish for a lifetime is no field, and does not come back.
    record.ask(
        "create-two-usages",
        token,
        &Question::post("token", REQUESTS, object),
    );

    let named = "node-csr-node-b";
    let asked = openssl::node_request("node-b.test");
    let object = request(named, &asked, NODE_CLIENT, &THREE);
    let path = format!("{REQUESTS}?fieldManager=kindling");
    let created = record.ask(
        "create-three-usages",
        token,
        &Question::post("token", path, object.clone()),
    );
    let pair = issued(plane, named, &asked);
    record.ask("create-again", token, &Question::post("token", REQUESTS, object));
    record.ask(
        "get-issued",
        token,
        &Question::get("token", format!("{REQUESTS}/{named}")),
    );

    let selected = format!("{REQUESTS}?fieldSelector=metadata.name%3D{named}");
    record.ask("list-issued", token, &Question::get("token", selected.clone()));
    let version = created["metadata"]["resourceVersion"].as_str().unwrap();
    let watch =
        format!("{selected}&watch=true&resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=60");
    let mut events = Vec::new();
    token
        .watch(&watch, LIMIT, |event| {
            events.push(control_plane::exchange::scrubbed(event.clone()));
            event["object"]["status"]["certificate"].is_string().then_some(())
        })
        .unwrap();
    record.keep("watch-from-creation", &json!(events));
    // The end that the client asked for is an ordinary end of the stream.
    let brief = format!("{selected}&watch=true&resourceVersion=99999999&timeoutSeconds=1");
    record.ask("watch-that-ends", token, &Question::get("token", brief));

    let generated = openssl::node_request("node-c.test");
    let mut object = request("", &generated, NODE_CLIENT, &THREE);
    object["metadata"] = json!({ "generateName": "csr-" });
    record.ask(
        "create-generated-name",
        token,
        &Question::post("token", REQUESTS, object),
    );
    let told = openssl::certificate(&pair.certificate);
    for part in [
        "Issuer: CN = kubernetes",
        "Subject: O = system:nodes, CN = system:node:node-b.test",
        "Digital Signature, Key Encipherment",
        "TLS Web Client Authentication",
        "CA:FALSE",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

fn what_an_administrator_decides(plane: &ControlPlane, token: &Client, record: &mut Record) {
    // Two usages: nobody but the administrator decides.
    let asked = openssl::node_request("denied.test");
    let object = request("denied.test", &asked, NODE_CLIENT, &TWO);
    let mut object = token.post(REQUESTS, &object).unwrap().json();
    object["status"]["conditions"] = json!([{
        "type": "Denied", "status": "True", "reason": "Unknown", "message": "no such machine was bought",
    }]);
    let path = format!("{REQUESTS}/denied.test");
    let approval = Question {
        by: "administrator",
        method: Method::PUT,
        path: format!("{path}/approval"),
        body: object,
    };
    record.ask("deny", plane.admin(), &approval);
    record.ask("get-denied", token, &Question::get("token", path));

    // Approved by hand, and not what the signer signs: it asks to be a server.
    let asked = openssl::node_request("failed.test");
    let object = request("failed.test", &asked, NODE_CLIENT, &["server auth"]);
    let mut object = token.post(REQUESTS, &object).unwrap().json();
    object["status"]["conditions"] = json!([{ "type": "Approved", "status": "True", "reason": "ByHand" }]);
    let path = format!("{REQUESTS}/failed.test");
    let approval = Question {
        by: "administrator",
        method: Method::PUT,
        path: format!("{path}/approval"),
        body: object,
    };
    approval.ask(plane.admin()).unwrap();
    plane
        .request_when("failed.test", LIMIT, |object| {
            object["status"]["conditions"]
                .as_array()
                .is_some_and(|all| all.len() == 2)
        })
        .unwrap();
    record.ask("get-failed", token, &Question::get("token", path.clone()));

    let removal = Question {
        method: Method::DELETE,
        ..Question::get("administrator", path)
    };
    record.ask("delete", plane.admin(), &removal);
}

fn what_a_node_may(plane: &ControlPlane, token: &Client, record: &mut Record) {
    let asked = openssl::node_request("worker.test");
    let object = request("worker.test", &asked, NODE_CLIENT, &THREE);
    assert_eq!(token.post(REQUESTS, &object).unwrap().status, 201);
    let node = plane
        .with_certificate(&issued(plane, "worker.test", &asked))
        .unwrap();
    let own = "/api/v1/nodes/worker.test";
    record.ask("node-not-registered", &node, &Question::get("node", own));
    record.ask(
        "node-of-another",
        &node,
        &Question::get("node", "/api/v1/nodes/other.test"),
    );
    record.ask("node-by-token", token, &Question::get("token", own));
    record.ask(
        "node-list-by-token",
        token,
        &Question::get("token", "/api/v1/nodes"),
    );
    let object = |name: &str| json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    let nodes = "/api/v1/nodes";
    record.ask(
        "register-another",
        &node,
        &Question::post("node", nodes, object("other.test")),
    );
    let mut labelled = object("worker.test");
    labelled["metadata"]["labels"] = json!({ "node-role.kubernetes.io/worker": "" });
    record.ask(
        "register-forbidden-label",
        &node,
        &Question::post("node", nodes, labelled),
    );
    record.ask(
        "register",
        &node,
        &Question::post("node", nodes, object("worker.test")),
    );
    record.ask("node-registered", &node, &Question::get("node", own));

    let renewal = request("renewal", &asked, NODE_CLIENT, &THREE);
    record.ask("renew", &node, &Question::post("node", REQUESTS, renewal));
    issued(plane, "renewal", &asked);
    record.ask(
        "get-renewed",
        &node,
        &Question::get("node", format!("{REQUESTS}/renewal")),
    );
    let serving = openssl::serving_request("worker.test");
    let usages = ["digital signature", "key encipherment", "server auth"];
    let serving = request("serving", &serving, "kubernetes.io/kubelet-serving", &usages);
    record.ask(
        "create-serving",
        &node,
        &Question::post("node", REQUESTS, serving),
    );
}

#[test]
#[ignore = "needs what `make cluster-tools` builds, and root; run by `make test-cluster`"]
fn a_real_kubelet_joins_by_its_own_bootstrap() {
    let plane = start();
    let root = tempfile::tempdir().unwrap();
    kubelet::place_bootstrap(root.path(), &plane, control_plane::TOKEN).unwrap();
    let mut kubelet = Kubelet::start(root.path(), "worker.test").unwrap();
    let node = plane.node_when("worker.test", LIMIT, is_ready);
    kubelet.process_mut().check().unwrap();
    let node = node.unwrap_or_else(|error| panic!("{error}: {}", kubelet.process_mut().said()));
    println!("{:#}", node["status"]["nodeInfo"]);
    let current = root.path().join("var/lib/kubelet/pki/kubelet-client-current.pem");
    assert!(fs::symlink_metadata(current).unwrap().is_symlink());
    assert_eq!(plane.requests().unwrap().len(), 1);
}

/// Also the part of the next test that is killed.
#[test]
#[ignore = "needs what `make cluster-tools` builds, and root; run by `make test-cluster`"]
fn nothing_runs_on_after_the_value() {
    let plane = start();
    let root = tempfile::tempdir().unwrap();
    kubelet::place_bootstrap(root.path(), &plane, control_plane::TOKEN).unwrap();
    let kubelet = Kubelet::start(root.path(), "worker.test").unwrap();
    plane.node_when("worker.test", LIMIT, |_| true).unwrap();
    let logs: Vec<File> = plane
        .programs()
        .iter()
        .chain([kubelet.process()])
        .map(|program| File::open(program.log()).unwrap())
        .collect();
    if std::env::var_os(HOLD).is_some() {
        for program in plane.programs().iter().chain([kubelet.process()]) {
            println!("{HOLD} {}", program.log().display());
        }
        println!("{HOLD}");
        std::thread::park();
    }
    drop((plane, kubelet));
    for log in logs {
        log.try_lock().unwrap();
    }
}

#[test]
#[ignore = "needs what `make cluster-tools` builds, and root; run by `make test-cluster`"]
fn nothing_runs_on_after_a_killed_test() {
    // Who is killed removes nothing.
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "nothing_runs_on_after_the_value",
        ])
        .env(HOLD, "1")
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let logs: Vec<PathBuf> = lines
        .filter_map(|line| Some(line.strip_prefix(HOLD)?.trim().to_owned()))
        .take_while(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(logs.len(), 4);
    // Waits until none of them has its log open.
    for log in &logs {
        File::open(log).unwrap().lock().unwrap();
    }
}

/// What a join leaves on a machine, made by this test: the pair, the symlink and the kubeconfig of cluster.md 2.7.
#[test]
#[ignore = "needs what `make cluster-tools` builds, and root; run by `make test-cluster`"]
fn a_real_kubelet_takes_up_a_certificate_that_it_did_not_ask_for() {
    let plane = start();
    let root = tempfile::tempdir().unwrap();
    let token = plane.with_token(control_plane::TOKEN).unwrap();
    let asked = openssl::node_request("worker.test");
    let object = request("native", &asked, NODE_CLIENT, &THREE);
    assert_eq!(token.post(REQUESTS, &object).unwrap().status, 201);
    place_joined(root.path(), &plane, &issued(&plane, "native", &asked));

    let mut kubelet = Kubelet::start(root.path(), "worker.test").unwrap();
    let node = plane.node_when("worker.test", LIMIT, is_ready);
    kubelet.process_mut().check().unwrap();
    node.unwrap_or_else(|error| panic!("{error}: {}", kubelet.process_mut().said()));
    // It did not ask for one of its own.
    let names: Vec<Value> = plane
        .requests()
        .unwrap()
        .iter()
        .map(|request| request["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["native"]);
}

/// Mode `native`, against those that it is for: the engine asks the real API server, and the real kubelet goes on with what
/// it wrote. The engine sees a `/run` of its own.
#[test]
#[ignore = "needs what `make cluster-tools` builds, the engine, and root; run by `make test-cluster`"]
fn the_engine_joins_and_a_real_kubelet_goes_on() {
    let plane = start();
    let root = tempfile::tempdir().unwrap();
    let handed = json!({
        "format": 1, "name": "worker.test", "server": plane.server(), "authorities": [plane.authority_pem()],
        "token": control_plane::TOKEN, "mode": "native", "during": "unit", "approvalTimeoutSeconds": 60,
        "layout": "kubeadm", "unit": "kubelet.service", "preflight": { "mode": "off" },
        "access": { "isSshOff": false, "isConsoleLoginOff": false },
    });
    let file = root.path().join("join.json");
    fs::write(&file, handed.to_string()).unwrap();
    let joined = Command::new("unshare")
        .args(["--mount", "sh", "-euc"])
        .arg(
            "mount -t tmpfs run /run; mkdir -m 0700 /run/kindling; mv \"$1\" /run/kindling/join.json
            \"$0\" join --root \"$2\"
            ! grep -r \"$3\" /run",
        )
        .arg(workspace::engine())
        .args([file.as_path(), root.path()])
        .arg(control_plane::TOKEN.split_once('.').unwrap().1)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&joined.stderr);
    println!("{said}{}", String::from_utf8_lossy(&joined.stdout));
    assert!(joined.status.success(), "{said}");
    // The kubelet's clients may be checked by this authority; the engine's files stage puts it there.
    fs::create_dir_all(root.path().join("etc/kubernetes/pki")).unwrap();
    fs::write(
        root.path().join("etc/kubernetes/pki/ca.crt"),
        plane.authority_pem(),
    )
    .unwrap();

    let asked = plane.requests().unwrap();
    println!("{:#}", control_plane::exchange::scrubbed(asked[0].clone()));
    let mut kubelet = Kubelet::start(root.path(), "worker.test").unwrap();
    let node = plane.node_when("worker.test", LIMIT, is_ready);
    kubelet.process_mut().check().unwrap();
    node.unwrap_or_else(|error| panic!("{error}: {}", kubelet.process().said()));
    let names = |requests: &[Value]| -> Vec<Value> {
        requests
            .iter()
            .map(|request| request["metadata"]["name"].clone())
            .collect()
    };
    assert_eq!(
        names(&plane.requests().unwrap()),
        names(&asked),
        "it asked for another"
    );
    assert_eq!(asked.len(), 1);
}

fn place_joined(root: &Path, plane: &ControlPlane, pair: &Pair) {
    let certificates = root.join("var/lib/kubelet/pki");
    let settings = root.join("etc/kubernetes");
    fs::create_dir_all(&certificates).unwrap();
    fs::create_dir_all(settings.join("pki")).unwrap();
    fs::write(settings.join("pki/ca.crt"), plane.authority_pem()).unwrap();
    let name = "kubelet-client-2026-01-02-03-04-05.pem";
    fs::write(
        certificates.join(name),
        format!("{}{}", pair.certificate, pair.key),
    )
    .unwrap();
    let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    symlink(
        format!("/var/lib/kubelet/pki/{name}"),
        certificates.join("kubelet-client-current.pem"),
    )
    .unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&plane.bootstrap_kubeconfig("")).unwrap();
    kubeconfig["users"][0]["user"] = json!({ "client-certificate": current, "client-key": current });
    fs::write(settings.join("kubelet.conf"), kubeconfig.to_string()).unwrap();
}

fn is_ready(node: &Value) -> bool {
    node["status"]["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|one| one["type"] == "Ready" && one["status"] == "True")
    })
}
