//! Whether a config will want the network: asked before it is up.

use kindling_config_spec::types::{Config, Luks, Resource};

use super::{Scheme, shown};

/// One thing of a config that the network is needed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Where in the config, as a JSON pointer.
    pub pointer: String,
    /// What for: an address fit to be shown, or words.
    pub what: String,
}

/// Everything in `config` that needs the network, in the order of the config: resources that are not inline, Tang
/// servers whose advertisement is not given, custom Clevis pins that say so.
///
/// References to other configs count as well, also where they have been resolved already: that is the reference's
/// answer, and a base config's references are never resolved.
#[must_use]
pub fn needs_network(config: &Config) -> Vec<Need> {
    let mut needs = Vec::new();
    let ignition = &config.ignition;
    list(&mut needs, "/ignition/config/merge", &ignition.config.merge);
    resource(
        &mut needs,
        "/ignition/config/replace".to_owned(),
        &ignition.config.replace,
    );
    let authorities = &ignition.security.tls.certificate_authorities;
    list(
        &mut needs,
        "/ignition/security/tls/certificateAuthorities",
        authorities,
    );
    for (host, identity) in &config.kindling.transport.hosts {
        let at = format!("/kindling/transport/hosts/{host}");
        resource(
            &mut needs,
            format!("{at}/clientCertificate"),
            &identity.client_certificate,
        );
        resource(&mut needs, format!("{at}/clientKey"), &identity.client_key);
    }
    node(&mut needs, config);
    for (index, file) in config.storage.files.iter().enumerate() {
        resource(
            &mut needs,
            format!("/storage/files/{index}/contents"),
            &file.contents,
        );
        list(
            &mut needs,
            &format!("/storage/files/{index}/append"),
            &file.append,
        );
    }
    for (index, volume) in config.storage.luks.iter().enumerate() {
        luks(&mut needs, &format!("/storage/luks/{index}"), volume);
    }
    needs
}

/// What is fetched for a node, and what the join itself asks before there is another network.
fn node(needs: &mut Vec<Need>, config: &Config) {
    let (cluster, bootstrap) = (&config.kindling.node.cluster, &config.kindling.node.bootstrap);
    let Some(server) = &cluster.server else { return };
    list(
        needs,
        "/kindling/node/cluster/certificateAuthorities",
        &cluster.certificate_authorities,
    );
    let at = "/kindling/node/bootstrap/tokenSource".to_owned();
    resource(needs, at, &bootstrap.token_source);
    if cluster.certificate_authorities.is_empty() || bootstrap.during.as_deref() == Some("initramfs") {
        needs.push(Need {
            pointer: "/kindling/node/cluster/server".to_owned(),
            what: shown(server),
        });
    }
}

fn list(needs: &mut Vec<Need>, pointer: &str, resources: &[Resource]) {
    for (index, one) in resources.iter().enumerate() {
        resource(needs, format!("{pointer}/{index}"), one);
    }
}

fn resource(needs: &mut Vec<Need>, pointer: String, resource: &Resource) {
    let source = resource.source.as_deref().unwrap_or_default();
    if Scheme::of(source).needs_network() {
        needs.push(Need {
            pointer: format!("{pointer}/source"),
            what: shown(source),
        });
    }
}

fn luks(needs: &mut Vec<Need>, pointer: &str, volume: &Luks) {
    resource(needs, format!("{pointer}/keyFile"), &volume.key_file);
    for (index, tang) in volume.clevis.tang.iter().enumerate() {
        if tang.advertisement.as_deref().unwrap_or_default().is_empty() {
            let what = format!("the advertisement of Tang server {}", shown(&tang.url));
            needs.push(Need {
                pointer: format!("{pointer}/clevis/tang/{index}"),
                what,
            });
        }
    }
    if volume.clevis.custom.needs_network == Some(true) {
        let what = "a custom Clevis pin".to_owned();
        needs.push(Need {
            pointer: format!("{pointer}/clevis/custom"),
            what,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointers(config: &str) -> Vec<String> {
        let config: Config = serde_json::from_str(config).unwrap();
        needs_network(&config)
            .into_iter()
            .map(|need| need.pointer)
            .collect()
    }

    #[test]
    fn inline_content_needs_no_network() {
        let config = r#"{"ignition":{"version":"3.4.0","config":{"merge":[{"source":"data:,x"}]}},
            "storage":{"files":[{"path":"/a","contents":{"source":""}},{"path":"/b","append":[{"source":"data:,x"}]}],
            "luks":[{"name":"v","clevis":{"tang":[{"url":"http://t","advertisement":"{}"}],
                     "custom":{"needsNetwork":false}}}]}}"#;
        assert_eq!(pointers(config), Vec::<String>::new());
    }

    #[test]
    fn every_place_of_a_resource_is_scanned() {
        let config = r#"{"ignition":{"config":{"merge":[{"source":"https://h/m"}],"replace":{"source":"http://h/r"}},
              "security":{"tls":{"certificateAuthorities":[{"source":"data:,x"},{"source":"s3://b/ca"}]}}},
            "storage":{"files":[{"path":"/a","contents":{"source":"tftp://h/a"},"append":[{"source":"gs://b/k"}]}],
            "luks":[{"name":"v","keyFile":{"source":"https://h/k"}},
                    {"name":"w","clevis":{"tang":[{"url":"http://t"},{"url":"http://u","advertisement":""}]}},
                    {"name":"x","clevis":{"custom":{"needsNetwork":true}}}]}}"#;
        assert_eq!(
            pointers(config),
            [
                "/ignition/config/merge/0/source",
                "/ignition/config/replace/source",
                "/ignition/security/tls/certificateAuthorities/1/source",
                "/storage/files/0/contents/source",
                "/storage/files/0/append/0/source",
                "/storage/luks/0/keyFile/source",
                "/storage/luks/1/clevis/tang/0",
                "/storage/luks/1/clevis/tang/1",
                "/storage/luks/2/clevis/custom",
            ]
        );
    }
}
