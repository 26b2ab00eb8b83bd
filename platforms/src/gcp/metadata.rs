//! What the service of Google Compute Engine says of its instances, one address for each thing.

use super::{HEADERS, ID};
use crate::metadata::{Attributes, keys};
use crate::service::{IMDS, Row, get, request, rows, tell, text};
use crate::{
    Access, Attribute, CheckIn, Fact, HttpMethod, HttpRequest, Metadata, Offers, PlatformError, StageEnd,
    host_name,
};

/// What the service says.
pub(super) struct Instance;

const ROWS: &[Row] = &[
    ("instance/hostname", "HOSTNAME", Some(Fact::Hostname)),
    (
        "instance/network-interfaces/0/access-configs/0/external-ip",
        "IP_EXTERNAL_0",
        Some(Fact::PublicIpv4),
    ),
    ("instance/network-interfaces/0/ip", "IP_LOCAL_0", Some(Fact::Ipv4)),
    ("instance/machine-type", "MACHINE_TYPE", Some(Fact::InstanceType)),
];

impl Metadata for Instance {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            failure: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let mut attributes = Attributes::of("GCP_");
        let base = format!("{IMDS}/computeMetadata/v1/");
        rows(via, ID, (&base, HEADERS), &mut attributes, ROWS)?;
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        Ok(said(via, "instance/hostname")?.as_deref().and_then(host_name))
    }

    /// Keys of the instance under the old name stand for all others. Those of the project are added to those under the new
    /// one, unless the instance forbids it.
    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        if let Some(old) = said(via, "instance/attributes/sshKeys")? {
            return of_users(&old);
        }
        let mut found = said(via, "instance/attributes/ssh-keys")?.unwrap_or_default();
        if said(via, "instance/attributes/block-project-ssh-keys")?.as_deref() != Some("true") {
            for path in ["project/attributes/sshKeys", "project/attributes/ssh-keys"] {
                found.push('\n');
                found += &said(via, path)?.unwrap_or_default();
            }
        }
        of_users(&found)
    }

    /// Where the project lets its instances write guest attributes.
    fn stage_ended(&self, via: &dyn Access, end: &StageEnd<'_>) -> Result<CheckIn, PlatformError> {
        let Some(record) = end.failure_within(ATTRIBUTE_LIMIT) else {
            return Ok(CheckIn::Unsupported);
        };
        let url = format!("{IMDS}/computeMetadata/v1/{FAILURE}");
        let request = HttpRequest {
            body: record.as_bytes().to_vec(),
            ..request(HttpMethod::Put, &url, HEADERS)
        };
        tell(via, ID, &request)?;
        Ok(CheckIn::Told)
    }
}

/// The guest attribute that tells why a first boot failed, and the service's limit for one.
const FAILURE: &str = "instance/guest-attributes/kindling/failure";
const ATTRIBUTE_LIMIT: usize = 256 << 10;

fn said(via: &dyn Access, path: &str) -> Result<Option<String>, PlatformError> {
    let url = format!("{IMDS}/computeMetadata/v1/{path}");
    text(via, ID, &get(&url, HEADERS))
}

/// Keys that stand behind the names of their users: `USER:KEY`.
fn of_users(lines: &str) -> Result<Vec<String>, PlatformError> {
    // A line without a user is none of the service's.
    let behind = |line| str::split_once(line, ':').map_or(line, |(_, key)| key);
    keys(ID, lines.lines().map(behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, keeps_its_offers, lines, service};
    use crate::recorded::RecordedAccess;

    const BASE: &str = "http://169.254.169.254/computeMetadata/v1/";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOTHEROTHER other@example";

    fn of(answers: &[(&str, &str)]) -> RecordedAccess {
        service(BASE, answers)
    }

    #[test]
    fn attributes_and_the_name_are_read_with_the_header() {
        let keys = format!("ops:{KEY}");
        let via = of(&[
            ("instance/hostname", "n1.c.p.internal"),
            ("instance/machine-type", "projects/1/machineTypes/e2-small"),
            ("instance/network-interfaces/0/ip", "10.0.0.4"),
            ("instance/network-interfaces/0/access-configs/0/external-ip", ""),
            ("instance/attributes/ssh-keys", &keys),
        ]);
        assert_eq!(
            lines(&Instance, &via),
            [
                "GCP_HOSTNAME (hostname)=n1.c.p.internal",
                "GCP_IP_LOCAL_0 (ipv4)=10.0.0.4",
                "GCP_MACHINE_TYPE (instance-type)=projects/1/machineTypes/e2-small",
            ]
        );
        let with_header = |line: &String| line.ends_with("metadata-flavor: Google");
        assert!(via.asked().iter().all(with_header), "{:?}", via.asked());
        keeps_its_offers(&Instance, &via);
    }

    #[test]
    fn a_name_that_no_host_can_have_is_cut() {
        let long = format!("n1.{}.internal", "c".repeat(63));
        let via = of(&[("instance/hostname", &long)]);
        assert_eq!(Instance.hostname(&via).unwrap().as_deref(), Some("n1"));
    }

    #[test]
    fn keys_of_the_project_are_added_unless_the_instance_forbids() {
        let mine = format!("ops:{KEY}\nops:{KEY}\nrubbish\n");
        let project = format!("all:{OTHER}");
        let old = ("instance/attributes/sshKeys", project.as_str());
        let new = ("instance/attributes/ssh-keys", mine.as_str());
        let of_project = ("project/attributes/ssh-keys", project.as_str());
        let blocked = |value| ("instance/attributes/block-project-ssh-keys", value);
        let read = |answers: &[_]| Instance.ssh_keys(&of(answers)).unwrap();
        assert_eq!(read(&[new, of_project]), [KEY, OTHER]);
        assert_eq!(read(&[new, of_project, blocked("TRUE")]), [KEY, OTHER]);
        assert_eq!(read(&[new, of_project, old]), [OTHER]);
        let via = of(&[new, of_project, blocked("true")]);
        assert_eq!(Instance.ssh_keys(&via).unwrap(), [KEY]);
        assert!(!via.asked().iter().any(|line| line.contains("/project/")));
    }

    #[test]
    fn a_failure_becomes_a_guest_attribute() {
        let url = "http://169.254.169.254/computeMetadata/v1/instance/guest-attributes/kindling/failure";
        let via = RecordedAccess::of_service(&[(url, 200, "")]);
        let ended = |failure| {
            Instance.stage_ended(
                &via,
                &StageEnd {
                    stage: "disks",
                    failure,
                },
            )
        };
        assert_eq!(ended(None), Ok(CheckIn::Unsupported));
        assert_eq!(via.asked(), Vec::<String>::new());
        assert_eq!(ended(Some("FAILED")), Ok(CheckIn::Told));
        assert_eq!(
            via.asked(),
            [format!("Put {url} metadata-flavor: Google, with FAILED")]
        );
        // Where the project does not allow it.
        let via = RecordedAccess::of_service(&[(url, 403, "")]);
        let end = StageEnd {
            stage: "disks",
            failure: Some("FAILED"),
        };
        assert!(Instance.stage_ended(&via, &end).is_err());
    }
}
