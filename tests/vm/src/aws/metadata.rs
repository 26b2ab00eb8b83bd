//! The metadata service, in its second version only: whoever has no token of a session is answered with 401.
//!
//! Facts: the vendor's user guide for EC2, "Use the Instance Metadata Service" and "Retrieve instance metadata".

use std::io;
use std::sync::{Arc, Mutex};

use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use serde_json::json;

use super::{ACCOUNT, HERE};
use crate::server::{Answer, Seen, Server, body, lock, plain};

const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";
/// The longest session.
const LONGEST: u32 = 21_600;
/// The role of the instance.
const ROLE: &str = "worker-node";

pub(super) struct Metadata {
    server: Server,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    pub(super) fn start(user_data: String) -> io::Result<Self> {
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let desk = Desk {
            user_data,
            tokens: Arc::clone(&tokens),
        };
        let server = Server::start(None, move |asked| {
            desk.decide(asked.method(), asked.uri().path(), asked.headers())
        })?;
        Ok(Self { server, tokens })
    }

    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    pub(super) fn tokens(&self) -> Vec<String> {
        lock(&self.tokens).clone()
    }
}

struct Desk {
    user_data: String,
    tokens: Arc<Mutex<Vec<String>>>,
}

impl Desk {
    fn decide(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        // A request that somebody passes on is not the instance's own.
        if headers.contains_key("x-forwarded-for") {
            return plain(StatusCode::FORBIDDEN, "forwarded\n");
        }
        if path == "/latest/api/token" {
            return if *method == Method::PUT {
                self.session(headers)
            } else {
                plain(StatusCode::METHOD_NOT_ALLOWED, "tokens are put\n")
            };
        }
        let token = headers.get(TOKEN).and_then(|value| value.to_str().ok());
        if !token.is_some_and(|token| lock(&self.tokens).iter().any(|known| known == token)) {
            return plain(StatusCode::UNAUTHORIZED, "no token of a session\n");
        }
        if *method != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "no such thing to do here\n");
        }
        self.item(path)
    }

    fn session(&self, headers: &HeaderMap) -> Answer {
        let seconds = headers
            .get(TTL)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.parse::<u32>().ok());
        if !seconds.is_some_and(|seconds| (1..=LONGEST).contains(&seconds)) {
            return plain(StatusCode::BAD_REQUEST, "how long is the session to last?\n");
        }
        let mut tokens = lock(&self.tokens);
        let token = format!("test-only-metadata-token-{}==", tokens.len() + 1);
        tokens.push(token.clone());
        plain(StatusCode::OK, &token)
    }

    /// What stands at a path, below the name of a version: here every version has the same.
    fn item(&self, path: &str) -> Answer {
        let absent = || plain(StatusCode::NOT_FOUND, "no such item\n");
        let Some((_, item)) = path.trim_start_matches('/').split_once('/') else {
            return absent();
        };
        if item == "user-data" {
            let bytes = self.user_data.clone().into_bytes();
            return body(StatusCode::OK, "application/octet-stream", bytes);
        }
        if let Some(role) = item.strip_prefix("meta-data/iam/security-credentials/") {
            return match role {
                "" => plain(StatusCode::OK, ROLE),
                ROLE => body(StatusCode::OK, "application/json", credentials()),
                _ => absent(),
            };
        }
        match item {
            "meta-data/placement/region" => plain(StatusCode::OK, HERE),
            "dynamic/instance-identity/document" => {
                let document = json!({ "region": HERE, "instanceId": "i-0123456789abcdef0" });
                plain(StatusCode::OK, &document.to_string())
            }
            _ => absent(),
        }
    }
}

fn credentials() -> Vec<u8> {
    let document = json!({
        "Code": "Success",
        "LastUpdated": "2026-01-01T00:00:00Z",
        "Type": "AWS-HMAC",
        "AccessKeyId": ACCOUNT.access_key,
        "SecretAccessKey": ACCOUNT.secret_key,
        "Token": ACCOUNT.session_token,
        "Expiration": "2126-01-01T00:00:00Z",
    });
    document.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk() -> Desk {
        Desk {
            user_data: "config".to_owned(),
            tokens: Arc::default(),
        }
    }

    fn ask(desk: &Desk, method: &Method, path: &str, headers: &[(&'static str, &str)]) -> u16 {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        desk.decide(method, path, &headers.collect()).status().as_u16()
    }

    #[test]
    fn nothing_is_told_without_a_token_of_a_session() {
        let desk = desk();
        let config = "/2019-10-01/user-data";
        assert_eq!(ask(&desk, &Method::GET, config, &[]), 401);
        assert_eq!(ask(&desk, &Method::GET, config, &[(TOKEN, "guessed")]), 401);
        for ttl in ["0", "21601", "", "long"] {
            assert_eq!(
                ask(&desk, &Method::PUT, "/latest/api/token", &[(TTL, ttl)]),
                400,
                "{ttl}"
            );
        }
        assert_eq!(ask(&desk, &Method::PUT, "/latest/api/token", &[]), 400);
        assert_eq!(
            ask(&desk, &Method::GET, "/latest/api/token", &[(TTL, "21600")]),
            405
        );
        assert_eq!(*lock(&desk.tokens), [""; 0]);
        assert_eq!(
            ask(&desk, &Method::PUT, "/latest/api/token", &[(TTL, "21600")]),
            200
        );
        let token = lock(&desk.tokens)[0].clone();
        for (path, status) in [
            (config, 200),
            ("/latest/meta-data/placement/region", 200),
            ("/latest/meta-data/iam/security-credentials/", 200),
            ("/latest/meta-data/iam/security-credentials/worker-node", 200),
            ("/latest/meta-data/iam/security-credentials/other", 404),
            ("/latest", 404),
        ] {
            assert_eq!(
                ask(&desk, &Method::GET, path, &[(TOKEN, &token)]),
                status,
                "{path}"
            );
        }
        let forwarded = [(TOKEN, token.as_str()), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(ask(&desk, &Method::GET, config, &forwarded), 403);
    }
}
