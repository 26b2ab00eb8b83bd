//! A kubeconfig that holds one cluster and nothing of a user, as kubeadm puts it into `cluster-info`: block YAML, or JSON.
//!
//! What is read decides whom the machine trusts, so everything that is not of the plain form is refused by line instead of
//! guessed: anchors, flow collections, folded texts, escapes, tabs, comments behind a value, a second cluster.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kindling_config_spec::json;
use serde_json::Value;

/// What a kubeconfig knows of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its API server, as the cluster names it.
    pub server: String,
    /// Its authorities, PEM.
    pub authorities: String,
}

/// The members that are looked for, by their path.
const SERVER: &[&str] = &["clusters", "-", "cluster", "server"];
const AUTHORITIES: &[&str] = &["clusters", "-", "cluster", "certificate-authority-data"];

/// The one cluster of a kubeconfig.
///
/// # Errors
/// What is not understood, or is not there.
pub fn read_cluster(text: &str) -> Result<Cluster, String> {
    let (server, data) = if text.trim_start().starts_with('{') {
        of_json(text)?
    } else {
        of_lines(text)?
    };
    let server = server.ok_or("its kubeconfig names no server")?;
    let data = data.ok_or("its kubeconfig has no certificate-authority-data")?;
    let authorities = STANDARD
        .decode(data)
        .ok()
        .and_then(|pem| String::from_utf8(pem).ok())
        .ok_or("certificate-authority-data is not PEM in base64")?;
    Ok(Cluster { server, authorities })
}

type Found = (Option<String>, Option<String>);

fn of_json(text: &str) -> Result<Found, String> {
    let whole: Value =
        json::read(text.as_bytes()).ok_or("its kubeconfig is not JSON, although it begins so")?;
    let clusters = whole.get("clusters").and_then(Value::as_array);
    let [entry] = clusters.map(Vec::as_slice).unwrap_or_default() else {
        return Err("its kubeconfig has not one cluster".to_owned());
    };
    let member = |name: &str| {
        let value = entry.get("cluster")?.get(name)?;
        value.as_str().map(str::to_owned)
    };
    let last = |path: &[&str]| path.last().and_then(|name| member(name));
    Ok((last(SERVER), last(AUTHORITIES)))
}

/// A key whose value stands below it, or `-` for an entry of a list, and how far in it stands. An entry counts as half a step
/// further in than its dash, so that a list may stand as far in as the key it belongs to.
struct Open<'t> {
    column: usize,
    name: &'t str,
}

fn of_lines(text: &str) -> Result<Found, String> {
    let (mut server, mut data) = (None, None);
    let mut open: Vec<Open<'_>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let refused = || format!("line {} of its kubeconfig is not of the plain form", number + 1);
        let line = line.trim_end();
        let rest = line.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') || (number == 0 && line == "---") {
            continue;
        }
        let mut column = 2 * (line.len() - rest.len());
        let mut rest = rest;
        if let Some(entry) = rest.strip_prefix("- ") {
            open.retain(|known| known.column <= column);
            open.push(Open {
                column: column + 1,
                name: "-",
            });
            rest = entry.trim_start_matches(' ');
            column = 2 * (line.len() - rest.len());
        } else {
            open.retain(|known| known.column < column);
        }
        let (name, value) = rest.split_once(':').ok_or_else(refused)?;
        let is_name = |name: &str| {
            let mut letters = name.bytes();
            letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && !name.starts_with('-')
        };
        if name.is_empty() || !is_name(name) {
            return Err(refused());
        }
        open.push(Open { column, name });
        let found = match open.iter().map(|known| known.name).collect::<Vec<_>>().as_slice() {
            path if path == SERVER => &mut server,
            path if path == AUTHORITIES => &mut data,
            _ if value.is_empty() => continue,
            _ => &mut None,
        };
        let value = value.strip_prefix(' ').and_then(scalar).ok_or_else(refused)?;
        if found.replace(value).is_some() {
            return Err(format!(
                "line {} of its kubeconfig is of a second cluster",
                number + 1
            ));
        }
    }
    Ok((server, data))
}

/// A value that stands on one line and means what it shows.
fn scalar(text: &str) -> Option<String> {
    let text = text.trim_start_matches(' ');
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote) {
            let inner = inner.strip_suffix(quote)?;
            return (!inner.contains([quote, '\\'])).then(|| inner.to_owned());
        }
    }
    if matches!(text, "{}" | "[]") {
        return Some(String::new());
    }
    let is_plain = !text.is_empty()
        && !text.starts_with(|first: char| "&*!|>%@`{}[],?-#".contains(first))
        && !text.contains(" #")
        && !text.contains(": ")
        && !text.contains(char::is_control);
    is_plain.then(|| text.to_owned())
}
