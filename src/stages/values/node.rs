//! Who a node is, settled with the other values of its machine: its name, what its cloud calls it, and placeholders in its
//! section.

use kindling_config_spec::check;
use kindling_config_spec::types::Config;
use kindling_config_spec::types::kindling::{Kindling, Node};
use kindling_config_spec::version::NEWEST;
use kindling_platforms::PlatformError;
use serde_json::Value;

use super::{Refused, Values};
use crate::plan::Stage;
use crate::render::expand::{ExpandError, expand};
use crate::report::Failure;
use crate::stages::fetch::rejection;

type Looked<T> = Result<T, ExpandError<PlatformError>>;

/// Settles them in the section, where it joins a cluster. What is behind the network, if something is.
///
/// # Errors
/// `placeholder-unknown`, `placeholder-missing`, `placeholder-value`; a rejection where a value does not fit its member.
pub(super) fn settle(
    stage: Stage,
    values: &mut Values<'_>,
    config: &mut Config,
) -> Result<Option<String>, Failure> {
    let node = &mut config.kindling.node;
    if node.cluster.server.is_none() {
        return Ok(None);
    }
    let settled = put(values, node).and_then(|is_changed| {
        by_platform(values, node)?;
        Ok(is_changed)
    });
    match settled {
        Ok(false) => Ok(None),
        Ok(true) => fits(stage, node).map(|()| None),
        Err(ExpandError::Lookup { source, .. }) if source.needs_network() => {
            Ok(Some("values of the platform".to_owned()))
        }
        Err(error) => {
            let what = "cannot put the values of this machine into the section of the node".to_owned();
            Err(Refused::Value(error).record(stage, "/kindling/node", what))
        }
    }
}

/// Puts values in the place of their names; whether there were any.
fn put(values: &mut Values<'_>, node: &mut Node) -> Looked<bool> {
    let kubelet = &mut node.kubelet;
    let mut texts: Vec<&mut String> = Vec::new();
    texts.extend(&mut node.name);
    texts.extend(&mut kubelet.provider_id);
    texts.extend(&mut kubelet.node_ip);
    texts.extend(kubelet.labels.values_mut());
    for value in kubelet.config.values_mut() {
        strings(value, &mut texts);
    }
    let mut is_changed = false;
    for text in texts.into_iter().filter(|text| text.contains("${")) {
        let expanded = expand(text.as_bytes(), &mut |name| values.value(name))?;
        // Text with text in it.
        *text = String::from_utf8_lossy(&expanded).into_owned();
        is_changed = true;
    }
    Ok(is_changed)
}

fn strings<'a>(value: &'a mut Value, texts: &mut Vec<&'a mut String>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter_mut().for_each(|value| strings(value, texts)),
        Value::Object(members) => members.values_mut().for_each(|value| strings(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What the config leaves to the platform. One that says nothing leaves the name to the machine, and the other out.
fn by_platform(values: &mut Values<'_>, node: &mut Node) -> Looked<()> {
    if node.name.is_none() {
        let found = asked(values, "platform.hostname")?;
        node.name = found.and_then(|name| usable(&name));
    }
    if node.kubelet.provider_id.is_none() && !node.kubelet.config.contains_key("providerID") {
        node.kubelet.provider_id = provider_id(values)?;
    }
    Ok(())
}

fn asked(values: &mut Values<'_>, name: &'static str) -> Looked<Option<String>> {
    let lookup = |source| ExpandError::Lookup {
        line: 1,
        name,
        source,
    };
    values.value(name).map_err(lookup)
}

/// The first of several names, as a node can have it.
fn usable(name: &str) -> Option<String> {
    let name = name.split_whitespace().next()?.trim_end_matches('.');
    let name = name.to_ascii_lowercase();
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_usable = name.len() <= 253
        && name.bytes().all(|byte| inner(byte) || b"-.".contains(&byte))
        && name.bytes().next().is_some_and(inner)
        && name.bytes().last().is_some_and(inner);
    if !is_usable {
        tracing::warn!("the platform's name for this machine cannot be a node's: the machine's own is taken");
    }
    is_usable.then_some(name)
}

/// As the cloud's own controller writes it (docs/node.md).
fn provider_id(values: &mut Values<'_>) -> Looked<Option<String>> {
    let (scheme, has_zone) = match values.context.platform.id().as_str() {
        "aws" => ("aws", true),
        "digitalocean" => ("digitalocean", false),
        "hetzner" => ("hcloud", false),
        _ => return Ok(None),
    };
    let zone = if has_zone {
        asked(values, "platform.zone")?.map(|zone| format!("/{zone}/"))
    } else {
        Some(String::new())
    };
    let id = asked(values, "platform.instance-id")?;
    Ok(zone.zip(id).map(|(zone, id)| format!("{scheme}://{zone}{id}")))
}

/// A value may be one that its member does not take.
fn fits(stage: Stage, node: &Node) -> Result<(), Failure> {
    let mut config = Config::default();
    config.ignition.version = NEWEST.as_str().to_owned();
    config.kindling = Kindling {
        node: node.clone(),
        version: kindling_config_spec::types::kindling::VERSION.to_owned(),
        ..Kindling::default()
    };
    let text = config.to_json();
    let name = "the section of the node with the values of this machine";
    check(&text)
        .map(drop)
        .map_err(|rejected| rejection(stage, name, &text, &rejected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_the_platform_is_taken_where_a_node_can_have_it() {
        for (name, usable_name) in [
            (
                "ip-10-0-0-1.eu-west-1.compute.internal",
                Some("ip-10-0-0-1.eu-west-1.compute.internal"),
            ),
            ("Worker-1. worker-1.lab.test", Some("worker-1")),
            ("under_score", None),
            ("-a", None),
            ("", None),
        ] {
            assert_eq!(usable(name).as_deref(), usable_name, "{name}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_its_member_is_told() {
        let mut node = Node::default();
        node.kubelet.node_ip = Some("192.0.2.1".to_owned());
        assert!(fits(Stage::Fetch, &node).is_ok());
        node.kubelet
            .labels
            .insert("serial".to_owned(), "VM 42/ä".to_owned());
        let failure = fits(Stage::Fetch, &node).unwrap_err();
        assert!(failure.what.contains("serial"), "{failure}");
    }

    #[test]
    fn texts_of_the_kubelets_own_configuration_are_all_found() {
        let mut value = serde_json::json!({"a": ["${machine.mac}", 1, {"b": "x"}], "c": null});
        let mut texts = Vec::new();
        strings(&mut value, &mut texts);
        let texts: Vec<_> = texts.iter().map(|text| text.as_str()).collect();
        assert_eq!(texts, ["${machine.mac}", "x"]);
    }
}
