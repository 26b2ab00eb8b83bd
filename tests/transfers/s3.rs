//! An S3 that is not our double: moto, whose judgement of a signature is the vendor's own library's for Python. In a
//! network namespace, at the vendor's names.
//!
//! What moto lets pass and the vendor refuses: a signature of another day, one for another region than the bucket's, and
//! a question without a signature for the region of a private bucket (the vendor's answer is 403 with the region, moto's
//! 200 with the region).

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use kindling_config_spec::data_url;
use serde_json::{Value, json};

use crate::names::{LOOPBACK, inside, name_server};
use crate::sandbox::{Ran, Sandbox};
use crate::server::{Identity, Reply, Server};

/// The server of s3.py. It ends with the test.
struct Moto {
    process: Child,
    /// The credentials of the role.
    role: Value,
}

impl Moto {
    fn start(identity: &Identity) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let pem = tempfile::NamedTempFile::new().unwrap();
        fs::write(pem.path(), identity.server_pem()).unwrap();
        let mut process = Command::new(top.join("target/s3/bin/python"))
            .arg(top.join("tests/transfers/s3.py"))
            .arg(pem.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("moto is installed by `make s3`");
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let role = serde_json::from_str(&line).unwrap();
        Self { process, role }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn a_real_s3_accepts_our_signatures_and_none_with_another_secret() {
    inside(
        "s3::inside_moto",
        "127.0.0.1",
        "ip addr add 169.254.169.254/32 dev lo;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_moto() {
    // Whatever name is asked for is here.
    name_server("127.0.0.1", 0, &LOOPBACK);
    let identity = Identity::for_host(
        "s3.dualstack.us-east-1.amazonaws.com,s3.dualstack.eu-west-1.amazonaws.com,\
         private.s3.dualstack.eu-west-1.amazonaws.com,open.s3.dualstack.eu-west-1.amazonaws.com",
    );
    let moto = Moto::start(&identity);
    let role = Arc::new(Mutex::new(moto.role.clone()));
    let told = Arc::clone(&role);
    let _metadata = Server::http_at(("169.254.169.254", 80), move |seen, _| {
        match (seen.method.as_str(), seen.target.as_str()) {
            ("PUT", "/latest/api/token") => Reply::ok("session"),
            _ if seen.header("x-aws-ec2-metadata-token") != Some("session") => Reply::status(401),
            ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::ok("node"),
            ("GET", "/latest/meta-data/iam/security-credentials/node") => {
                Reply::ok(told.lock().unwrap().to_string())
            }
            _ => Reply::status(404),
        }
    });
    let authority = data_url::encode(identity.authority_pem().as_bytes());

    let (machine, ran) = boot("aws", "s3://private/node.ign", &authority);
    assert_eq!(ran.status, Some(0), "{}\n{}", ran.stderr, ran.stdout);
    let files = machine.run(&machine.words("aws", "files"));
    assert_eq!(files.status, Some(0), "{}\n{}", files.stderr, files.stdout);
    for secret in ["SecretAccessKey", "Token"].map(|field| moto.role[field].as_str().unwrap()) {
        for said in [&ran.stdout, &ran.stderr, &files.stdout, &files.stderr] {
            assert!(!said.contains(secret), "a secret of the role is printed");
        }
    }
    for (name, text) in [
        ("first", "first"),
        ("second", "second"),
        ("dots", "dots"),
        ("arn", "to all"),
    ] {
        let written = fs::read_to_string(machine.root().join("etc").join(name)).unwrap();
        assert_eq!(written, text, "{name}");
    }

    for (field, status) in [("SecretAccessKey", 403), ("Token", 400), ("AccessKeyId", 403)] {
        let mut other = moto.role.clone();
        other[field] = json!("planted");
        *role.lock().unwrap() = other;
        let why = format!("the server answered with status {status}");
        refused(
            "aws",
            "s3://private/node.ign",
            &authority,
            ["[http-status]", &why],
        );
    }

    // A machine that is nobody.
    let (_, ran) = boot("metal", "s3://open/node.ign", &authority);
    assert_eq!(ran.status, Some(0), "{}\n{}", ran.stderr, ran.stdout);
    for (source, code, why) in [
        (
            "s3://private/node.ign",
            "[http-status]",
            "the server answered with status 403",
        ),
        (
            "s3://absent/node.ign",
            "[bucket-absent]",
            "the bucket of s3://absent/node.ign does not exist",
        ),
    ] {
        refused("metal", source, &authority, [code, why]);
    }
}

/// The fetch stage of a machine whose config is all at `source`.
fn boot(platform: &str, source: &str, authority: &str) -> (Sandbox, Ran) {
    let machine = Sandbox::new();
    let config = json!({
        "ignition": {
            "version": "3.4.0",
            "config": {"merge": [{"source": source}]},
            "security": {"tls": {"certificateAuthorities": [{"source": authority}]}},
        },
    });
    fs::create_dir(machine.at("system")).unwrap();
    fs::write(machine.at("system/user.ign"), config.to_string()).unwrap();
    let ran = machine.run(&machine.words(platform, "fetch"));
    (machine, ran)
}

/// Such a boot fails at once, and says each of `told`.
fn refused(platform: &str, source: &str, authority: &str, told: [&str; 2]) {
    let (_, ran) = boot(platform, source, authority);
    assert_eq!(ran.status, Some(1), "{}\n{}", ran.stderr, ran.stdout);
    for told in told {
        assert!(ran.stderr.contains(told), "{source}, {told}: {}", ran.stderr);
    }
}
