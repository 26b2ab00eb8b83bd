//! What a machine finds that knows no authority.

use kindling_api_server::{ApiServer, ClusterInfo, Listener, Scenario, TOKEN, kubeconfig, pin, signature};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::client::Client;

const PATH: &str = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

fn server(cluster_info: ClusterInfo) -> ApiServer {
    ApiServer::start(Scenario {
        cluster_info,
        ..Scenario::default()
    })
}

/// Whether our token signed what the answer holds.
fn is_signed(info: &Value) -> bool {
    let (id, secret) = TOKEN.split_once('.').unwrap();
    let content = info["data"]["kubeconfig"].as_str().unwrap();
    info["data"][format!("jws-kubeconfig-{id}")] == signature(id, secret, content.as_bytes())
}

#[test]
fn the_right_one_holds_the_authority_signed_for_everybody_to_read() {
    let server = server(ClusterInfo::Right);
    let reply = Client::anonymous(&server).get(PATH);
    assert_eq!(reply.status, 200);
    let info = reply.json();
    assert!(is_signed(&info));
    let expected = kubeconfig(&server.url(), &server.ca_pem());
    assert_eq!(info["data"]["kubeconfig"], expected);
    assert_eq!(server.findings(), [""; 0]);
    // Whoever shows the token here shows it to a server that is not verified.
    assert_eq!(Client::of(&server).get(PATH).status, 200);
    assert!(server.findings()[0].contains("discovery sent a credential"));
}

#[test]
fn the_pin_is_of_the_authority() {
    let server = server(ClusterInfo::Right);
    let der = CertificateDer::from_pem_slice(server.ca_pem().as_bytes()).unwrap();
    let (_, authority) = X509Certificate::from_der(&der).unwrap();
    assert_eq!(server.ca_pin(), pin(authority.public_key().raw));
}

#[test]
fn each_wrong_one_is_wrong_in_its_way() {
    let info = |how| Client::anonymous(&server(how)).get(PATH).json();
    assert_eq!(info(ClusterInfo::Absent)["code"], 404);
    let unsigned = info(ClusterInfo::Unsigned);
    assert!(unsigned["data"].get("jws-kubeconfig-abcdef").is_none());
    assert_eq!(unsigned["data"].as_object().unwrap().len(), 2);
    let bad = info(ClusterInfo::BadSignature);
    assert!(bad["data"]["jws-kubeconfig-abcdef"].is_string() && !is_signed(&bad));
}

#[test]
fn another_authority_comes_first_or_at_the_second_look_rightly_signed() {
    for (how, same) in [
        (ClusterInfo::Right, [true, true]),
        (ClusterInfo::OtherAuthoritySecond, [true, false]),
        (ClusterInfo::OtherAuthority, [false, false]),
    ] {
        let server = server(how);
        let ours = kubeconfig(&server.url(), &server.ca_pem());
        let looks = [(); 2].map(|()| {
            let info = Client::anonymous(&server).get(PATH).json();
            assert!(is_signed(&info));
            info["data"]["kubeconfig"] == ours
        });
        assert_eq!(looks, same, "{how:?}");
    }
}

#[test]
fn a_token_that_is_forgotten_loses_its_signature_and_the_address_is_the_scenarios() {
    let server = ApiServer::start(Scenario {
        listener: Listener {
            url: Some("https://10.0.2.100:6443".to_owned()),
            ..Listener::default()
        },
        ..Scenario::default()
    });
    server.forget_tokens();
    let info = Client::anonymous(&server).get(PATH).json();
    assert_eq!(info["data"].as_object().unwrap().len(), 1);
    assert!(
        info["data"]["kubeconfig"]
            .as_str()
            .unwrap()
            .contains("server: https://10.0.2.100:6443\n")
    );
}
