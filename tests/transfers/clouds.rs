//! Metadata services at their own addresses, in a network namespace: the real binary, both fetch stages.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use kindling_config_spec::data_url;
use serde_json::json;

use crate::names::{LOOPBACK, inside, name_server};
use crate::sandbox::Sandbox;
use crate::server::{Identity, Reply, Seen, Server};

const CONFIG: &str = r#"{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/etc/cloud","contents":{"source":"data:,here"}}]}}"#;

/// A config that is all in another one.
const CHILD: &str =
    r#"{"ignition":{"version":"3.4.0","config":{"merge":[{"source":"http://169.254.42.42/child.ign"}]}}}"#;

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// All services at once: each refuses whoever does not ask in its own way.
fn service(seen: &Seen) -> Reply {
    let has = |name: &str, value: &str| seen.header(name) == Some(value);
    let packed = || Reply::ok(STANDARD.encode(CONFIG));
    let when = |is_allowed: bool, reply: Reply| if is_allowed { reply } else { Reply::status(403) };
    match (seen.method.as_str(), seen.target.as_str()) {
        ("PUT", "/v1/token") => when(has("metadata-token-expiry-seconds", "300"), Reply::ok("tok-1\n")),
        ("GET", "/v1/user-data") => when(has("metadata-token", "tok-1") && has("accept", "*/*"), packed()),
        ("PUT", "/latest/api/token") if seen.header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => {
            Reply::ok("aws-tok")
        }
        ("GET", "/2019-10-01/user-data") => {
            when(has("x-aws-ec2-metadata-token", "aws-tok"), Reply::ok(CONFIG))
        }
        ("PUT", "/latest/api/token") => Reply::ok("ali-tok"),
        ("GET", "/latest/user-data") => {
            when(has("x-aliyun-ecs-metadata-token", "ali-tok"), Reply::ok(CONFIG))
        }
        ("GET", "/computeMetadata/v1/instance/attributes/user-data") => {
            when(has("metadata-flavor", "Google"), Reply::ok(CONFIG))
        }
        ("GET", "/opc/v2/instance/metadata/user_data") => {
            when(has("authorization", "Bearer Oracle"), packed())
        }
        ("GET", "/metadata/instance/compute/userData?api-version=2021-01-01&format=text") => {
            when(has("metadata", "true"), Reply::ok(STANDARD.encode(gzip(CONFIG))))
        }
        ("GET", "/user_data/cloud-init") => when(seen.from_port < 1024, Reply::ok(CHILD)),
        // The privilege is that one request's.
        ("GET", "/child.ign") => when(seen.from_port >= 1024, Reply::ok(CONFIG)),
        (
            "GET",
            "/metadata/v1/user-data"
            | "/1.0/user-data"
            | "/hetzner/v1/userdata"
            | "/metadata/v1/user_data"
            | "/user-data/user-data"
            | "/openstack/latest/user_data",
        ) => Reply::ok(CONFIG),
        _ => Reply::status(404),
    }
}

#[test]
fn clouds_give_their_config_over_the_network() {
    inside(
        "clouds::inside_all_clouds",
        "127.0.0.1",
        "for address in 169.254.169.254 169.254.42.42 100.100.100.200; do ip addr add $address/32 dev lo; done;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_all_clouds() {
    let _services = ["169.254.169.254", "169.254.42.42", "100.100.100.200"].map(|address| {
        // The first request of each kind is answered by a service that is still starting.
        let seen_once = std::sync::Mutex::new(std::collections::BTreeSet::new());
        Server::http_at((address, 80), move |seen, _| {
            if seen_once.lock().unwrap().insert(seen.target.clone()) {
                if seen.target.starts_with("/metadata/instance/") {
                    return Reply::status(404);
                }
                return Reply::status(503).with_header("retry-after", "0");
            }
            service(seen)
        })
    });
    for platform in [
        "akamai",
        "aliyun",
        "aws",
        "azure",
        "brightbox",
        "digitalocean",
        "exoscale",
        "gcp",
        "hetzner",
        "openstack",
        "oraclecloud",
        "scaleway",
        "upcloud",
        "vultr",
    ] {
        boots(&Sandbox::new(), platform);
    }
}

/// A boot of `platform` whose config comes over the network.
fn boots(machine: &Sandbox, platform: &str) {
    stage(machine, platform, "fetch-offline");
    assert!(machine.at("run/neednet").exists(), "{platform}");
    stage(machine, platform, "fetch");
    provisioned(machine, platform);
}

fn stage(machine: &Sandbox, platform: &str, stage: &str) {
    let ran = machine.run(&machine.words(platform, stage));
    assert_eq!(
        ran.status,
        Some(0),
        "{platform} {stage}: {}\n{}",
        ran.stderr,
        ran.stdout
    );
}

/// The rest of such a boot: the config is the user's, and it is applied.
fn provisioned(machine: &Sandbox, platform: &str) {
    stage(machine, platform, "files");
    let written = fs::read_to_string(machine.root().join("etc/cloud")).unwrap();
    assert_eq!(written, "here", "{platform}");
    let result = fs::read_to_string(machine.root().join("etc/.ignition-result.json")).unwrap();
    assert!(
        result.contains("\"userConfigProvided\": true") || result.contains("\"userConfigProvided\":true"),
        "{platform}: {result}"
    );
}

#[test]
fn services_are_found_by_what_the_machine_knows() {
    // A lease and a socket are looked for at their own places, which here are the namespace's.
    inside(
        "clouds::inside_a_machine_that_knows",
        "127.0.0.1",
        "ip addr add 10.1.1.1/32 dev lo;
         mount -t tmpfs none /run; mkdir -p /run/systemd/netif/leases;
         printf 'ADDRESS=10.1.1.20\\nSERVER_ADDRESS=10.1.1.1\\n' >/run/systemd/netif/leases/2;
         mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; mkdir /dev/lxd;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_a_machine_that_knows() {
    let _lxd = lxd();
    let server = Server::http_at(("10.1.1.1", 80), |seen, before| {
        let signed = seen.header("authorization").unwrap_or_default();
        match seen.target.as_str() {
            _ if before == 0 => Reply::status(500),
            "/latest/user-data" | "/seed/user-data" => Reply::ok(CONFIG),
            "/MAAS/metadata/latest/x1/?op=get_preseed" => Reply::ok(
                "#cloud-config\ndatasource:\n  MAAS: {consumer_key: c1, metadata_url: 'http://10.1.1.1/MAAS/metadata/',\n    \
                 token_key: t1, token_secret: planted}\n",
            )
            .with_header("date", "Fri, 24 May 2013 00:00:00 GMT"),
            "/MAAS/metadata/2012-03-01/user-data"
                if signed.contains("oauth_timestamp=\"1369353600\"")
                    && signed.ends_with("oauth_signature=\"%26planted\"") =>
            {
                Reply::ok(CONFIG)
            }
            _ => Reply::status(403),
        }
    });
    for (platform, argument) in [
        ("cloudstack", ""),
        ("nocloud", "ds=nocloud;s=http://10.1.1.1/seed/"),
        (
            "maas",
            "cloud-config-url=http://10.1.1.1/MAAS/metadata/latest/x1/?op=get_preseed",
        ),
    ] {
        let machine = Sandbox::new();
        fs::write(machine.at("cmdline"), format!("ignition.firstboot {argument}\n")).unwrap();
        boots(&machine, platform);
    }
    assert!(server.seen().iter().all(|seen| seen.from_port > 1023));
    let machine = Sandbox::new();
    stage(&machine, "lxd", "fetch-offline");
    assert!(!machine.at("run/neednet").exists());
    provisioned(&machine, "lxd");
}

/// The host's socket in an instance of LXD, which fails at first. It lasts as long as the process.
fn lxd() -> std::thread::JoinHandle<()> {
    let socket = UnixListener::bind("/dev/lxd/sock").unwrap();
    std::thread::spawn(move || {
        for number in 0.. {
            let (stream, _) = socket.accept().unwrap();
            let mut stream = BufReader::new(stream);
            let mut asked = String::new();
            while !asked.ends_with("\r\n\r\n") {
                assert!(stream.read_line(&mut asked).unwrap() > 0, "{asked}");
            }
            let (status, body) = match asked.split(' ').nth(1).unwrap() {
                _ if number == 0 => (500, ""),
                "/1.0/config" => (200, "[\"/1.0/config/user.user-data\"]"),
                "/1.0/config/user.user-data" => (200, CONFIG),
                _ => (404, ""),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status} x\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = if length == 0 {
                String::new()
            } else {
                format!("{length:x}\r\n{body}\r\n")
            };
            stream
                .get_mut()
                .write_all(format!("{head}{chunk}0\r\n\r\n").as_bytes())
                .unwrap();
        }
    })
}

#[test]
fn objects_are_read_with_the_role_and_the_account_of_the_machine() {
    inside(
        "clouds::inside_stores",
        "127.0.0.1",
        "ip addr add 169.254.169.254/32 dev lo;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_stores() {
    // Whatever name is asked for is here.
    name_server("127.0.0.1", 0, &LOOPBACK);
    let identity = Identity::for_host(
        "s3.dualstack.eu-north-1.amazonaws.com,bucket.s3.dualstack.ap-south-1.amazonaws.com,storage.googleapis.com,\
         account.blob.core.windows.net",
    );
    let authority = data_url::encode(identity.authority_pem().as_bytes());
    let _metadata = Server::http_at(("169.254.169.254", 80), move |seen, _| {
        let pointer = |source: &str| {
            json!({
                "ignition": {
                    "version": "3.4.0",
                    "config": {"merge": [{"source": source}]},
                    "security": {"tls": {"certificateAuthorities": [{"source": authority}]}},
                },
            })
            .to_string()
        };
        match (seen.method.as_str(), seen.target.as_str()) {
            ("PUT", "/latest/api/token") => Reply::ok("aws-tok"),
            ("GET", "/2019-10-01/user-data") => Reply::ok(pointer("s3://bucket/dir/a%20b.ign")),
            ("GET", "/latest/meta-data/placement/region") => Reply::ok("eu-north-1"),
            ("GET", "/latest/meta-data/iam/security-credentials/") => Reply::ok("node"),
            ("GET", "/latest/meta-data/iam/security-credentials/node") => {
                Reply::ok(r#"{"AccessKeyId":"AKID","SecretAccessKey":"planted-key","Token":"planted-token"}"#)
                    .with_header("date", "Fri, 24 May 2013 00:00:00 GMT")
            }
            ("GET", "/computeMetadata/v1/instance/attributes/user-data") => {
                Reply::ok(pointer("gs://bucket/dir/a%20b.ign"))
            }
            ("GET", path) if path.starts_with("/metadata/instance/compute/userData?") => {
                Reply::ok(STANDARD.encode(pointer("https://account.blob.core.windows.net/container/file")))
            }
            ("GET", path)
                if path.starts_with("/computeMetadata/v1/instance/service-accounts/")
                    || path.starts_with("/metadata/identity/oauth2/token?") =>
            {
                Reply::ok(r#"{"access_token":"planted-token"}"#)
            }
            _ => Reply::status(404),
        }
    });
    let store = Server::https_at(("127.0.0.1", 443), &identity, |seen, _| {
        let signed = seen.header("authorization").unwrap_or_default();
        match (seen.method.as_str(), seen.target.as_str()) {
            ("HEAD", "/bucket") => Reply::status(403).with_header("x-amz-bucket-region", "ap-south-1"),
            ("GET", "/dir/a%20b.ign")
                if signed.starts_with(
                    "AWS4-HMAC-SHA256 Credential=AKID/20130524/ap-south-1/s3/aws4_request, SignedHeaders=",
                ) && seen.header("x-amz-security-token") == Some("planted-token") =>
            {
                Reply::ok(CONFIG)
            }
            ("GET", "/storage/v1/b/bucket/o/dir%2Fa%20b.ign?alt=media" | "/container/file")
                if signed == "Bearer planted-token" =>
            {
                Reply::ok(CONFIG)
            }
            _ => Reply::status(403),
        }
    });
    for platform in ["aws", "azure", "gcp"] {
        let machine = Sandbox::new();
        for step in ["fetch", "files"] {
            let ran = machine.run(&machine.words(platform, step));
            assert_eq!(
                ran.status,
                Some(0),
                "{platform} {step}: {}\n{}\n{:?}",
                ran.stderr,
                ran.stdout,
                store.seen()
            );
        }
        let written = fs::read_to_string(machine.root().join("etc/cloud")).unwrap();
        assert_eq!(written, "here", "{platform}");
    }
}

#[test]
fn a_clock_that_stands_is_set_right_by_the_metadata_service_alone() {
    inside(
        "clouds::inside_with_a_clock_that_stands",
        "127.0.0.1",
        "for address in 169.254.169.254 100.100.100.200; do ip addr add $address/32 dev lo; done;",
    );
}

#[test]
#[ignore = "started by the test above, in a namespace"]
fn inside_with_a_clock_that_stands() {
    // Seen from 2250, this machine's clock stands.
    let identity = Identity::valid(
        "127.0.0.1",
        rcgen::date_time_ymd(2200, 1, 1),
        rcgen::date_time_ymd(2300, 1, 1),
    );
    let files = Server::https(&identity, |_, _| Reply::ok("here"));
    let config = json!({
        "ignition": {
            "version": "3.4.0",
            "security": {"tls": {"certificateAuthorities": [
                {"source": data_url::encode(identity.authority_pem().as_bytes())},
            ]}},
            "timeouts": {"httpTotal": 3},
        },
        "storage": {"files": [{"path": "/etc/cloud", "contents": {"source": files.url("/file")}}]},
    });
    let config = config.to_string();
    let _services = ["169.254.169.254", "100.100.100.200"].map(|address| {
        let config = config.clone();
        Server::http_at((address, 80), move |seen, _| {
            if address == "169.254.169.254" && seen.target.starts_with("/metadata") {
                return Reply::redirect(302, "http://100.100.100.200/elsewhere");
            }
            Reply::ok(config.clone()).with_header("date", "Thu, 03 Jan 2250 00:00:00 GMT")
        })
    });
    // Each stage is a process of its own: the second has not asked the service.
    let machine = Sandbox::new();
    stage(&machine, "hetzner", "fetch");
    provisioned(&machine, "hetzner");
    // An address that any router may pass on tells no time.
    let machine = Sandbox::new();
    stage(&machine, "aliyun", "fetch");
    assert!(!machine.at("run/kindling/time").exists());
    let ran = machine.run(&machine.words("aliyun", "files"));
    assert!(
        ran.stderr.contains("[tls-certificate-not-yet-valid]"),
        "{}",
        ran.stderr
    );
    // Nor does one that a link-local service sends this machine to.
    let machine = Sandbox::new();
    stage(&machine, "digitalocean", "fetch");
    assert!(!machine.at("run/kindling/time").exists());
}
