//! What the drive of IBM Cloud says of an instance: lines of `key: value`, and the keys of those who may log in among what
//! the vendor has for cloud-init, in parts as of a letter (RFC 2046, 5.1).

use super::ID;
use crate::config_drive::{MAYBE_ATTACHED, NOCLOUD, files, missing};
use crate::document::Document;
use crate::metadata::{Attributes, keys_of};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, host_name};

impl Metadata for super::IbmCloud {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let text = file(via, "/meta-data")?.unwrap_or_default();
        let mut attributes = Attributes::of("IBMCLOUD_");
        for (key, name, fact) in [
            ("instance-id", "INSTANCE_ID", Fact::InstanceId),
            ("local-hostname", "LOCAL_HOSTNAME", Fact::Hostname),
        ] {
            attributes.add(name, fact, value(&text, key));
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let text = file(via, "/meta-data")?.unwrap_or_default();
        Ok(value(&text, "local-hostname").and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        let text = file(via, "/vendor-data")?.unwrap_or_default();
        let mut found = Vec::new();
        for part in cloud_configs(&text) {
            let document = Document::yaml(ID, "vendor-data", part.as_bytes())?;
            found.extend(document.root().texts("ssh_authorized_keys")?);
        }
        keys_of(ID, &found)
    }
}

/// A file of the drive that every instance has.
fn file(via: &dyn Access, path: &str) -> Result<Option<String>, PlatformError> {
    let (label, _) = NOCLOUD;
    let found = files(via, ID, label, &[path], MAYBE_ATTACHED)?;
    let found = found.ok_or_else(|| missing(ID, label, MAYBE_ATTACHED))?;
    let Some(bytes) = found.into_iter().flatten().next() else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| PlatformError::Malformed {
        id: ID,
        why: format!("{} is not text", path.trim_start_matches('/')),
    })?;
    Ok(Some(text))
}

/// What stands behind the first colon of a line.
fn value<'a>(text: &'a str, wanted: &str) -> Option<&'a str> {
    let pairs = || text.lines().filter_map(|line| line.split_once(':'));
    let found = pairs().find(|(key, _)| key.trim() == wanted)?;
    let value = found.1.trim();
    (!value.is_empty()).then_some(value)
}

/// The bodies of the parts that are for cloud-init.
fn cloud_configs(text: &str) -> Vec<String> {
    let (head, body) = headed(text);
    let Some(boundary) = boundary(&head) else {
        return Vec::new();
    };
    let (middle, end) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut parts: Vec<String> = Vec::new();
    let mut is_inside = false;
    for line in body.lines() {
        match line.trim_end() {
            closing if closing == end => break,
            opening if opening == middle => {
                is_inside = true;
                parts.push(String::new());
            }
            _ => {
                if let Some(part) = parts.last_mut().filter(|_| is_inside) {
                    *part += line;
                    part.push('\n');
                }
            }
        }
    }
    let mut found = Vec::new();
    for part in &parts {
        let (head, body) = headed(part);
        let is_wanted = |line: &String| line.to_ascii_lowercase().contains("text/cloud-config");
        if head.iter().any(is_wanted) {
            found.push(body);
        }
    }
    found
}

/// The header, a line that is continued as one, and what follows the empty line behind it.
fn headed(text: &str) -> (Vec<String>, String) {
    let mut head: Vec<String> = Vec::new();
    let mut lines = text.lines();
    for line in lines.by_ref() {
        if line.trim().is_empty() {
            break;
        }
        match head.last_mut().filter(|_| line.starts_with([' ', '\t'])) {
            Some(begun) => {
                begun.push(' ');
                *begun += line.trim();
            }
            None => head.push(line.to_owned()),
        }
    }
    let body: Vec<&str> = lines.collect();
    (head, body.join("\n"))
}

/// What parts the parts.
fn boundary(head: &[String]) -> Option<String> {
    let is_type = |line: &&String| line.to_ascii_lowercase().starts_with("content-type:");
    let parameters = head.iter().find(is_type)?.split(';').skip(1);
    let mut named = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, value) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IbmCloud;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::recorded::RecordedAccess;

    fn drive(meta_data: &str, vendor_data: &str) -> RecordedAccess {
        RecordedAccess::of_drives(&[
            ("cidata", "/meta-data", meta_data),
            ("cidata", "/vendor-data", vendor_data),
        ])
    }

    fn vendor(keys: &str) -> String {
        format!(
            "Content-Type: multipart/mixed; boundary=\"B\"\nMIME-Version: 1.0\n\n--B\nContent-Type: text/x-shellscript\n\n\
             ssh_authorized_keys: [planted]\n--B\nMIME-Version: 1.0\nContent-Type: text/cloud-config; charset=\"us-ascii\"\n\n\
             #cloud-config\nssh_authorized_keys:\n{keys}\n--B--\nssh_authorized_keys: [planted]\n"
        )
    }

    #[test]
    fn attributes_name_and_keys_are_read() {
        for line_end in ["\n", "\r\n"] {
            let vendor = vendor(&format!("  - {KEY}\n  - {KEY}")).replace('\n', line_end);
            let via = drive(
                &format!("instance-id: 1_a{line_end}local-hostname: n1{line_end}"),
                &vendor,
            );
            assert_eq!(
                lines(&IbmCloud, &via),
                [
                    "IBMCLOUD_INSTANCE_ID (instance-id)=1_a",
                    "IBMCLOUD_LOCAL_HOSTNAME (hostname)=n1"
                ]
            );
            assert_eq!(IbmCloud.ssh_keys(&via).unwrap(), [KEY]);
            keeps_its_offers(&IbmCloud, &via);
        }
    }

    #[test]
    fn the_boundary_may_stand_on_a_line_of_its_own() {
        let text = format!(
            "content-type: multipart/mixed;\n\tcharset=x; Boundary==1==\n\nnone\n--=1==\nContent-Type: text/cloud-config\n\n\
             ssh_authorized_keys: ['{KEY}']\n--=1==--\n"
        );
        assert_eq!(IbmCloud.ssh_keys(&drive("", &text)).unwrap(), [KEY]);
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let via = drive("instance-id: a\0b\nlocal-hostname:\nrubbish\n", "no letter");
        assert_eq!(lines(&IbmCloud, &via), Vec::<String>::new());
        assert_eq!(IbmCloud.hostname(&via), Ok(None));
        assert_eq!(IbmCloud.ssh_keys(&via), Ok(Vec::new()));
        let via = RecordedAccess::of_drives(&[("cidata", "/other", "")]);
        assert_eq!(IbmCloud.attributes(&via), Ok(Vec::new()));
        is_malformed(
            IbmCloud.ssh_keys(&drive("", &vendor("  planted: ["))),
            "vendor-data: it is not YAML",
        );
        for via in [
            RecordedAccess::of_drives(&[]),
            RecordedAccess::of_broken_drive("cidata"),
        ] {
            assert!(matches!(
                IbmCloud.attributes(&via),
                Err(PlatformError::Access { .. })
            ));
        }
    }
}
