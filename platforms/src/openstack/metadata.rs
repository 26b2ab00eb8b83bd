//! What OpenStack says of a machine: files of the drive, else the service, which for most of it speaks as EC2's does.

use crate::config_drive::files_of_any;
use crate::config_drive::metadata::META_DATA;
use crate::document::{Document, behind};
use crate::drive_or_service::LABELS;
use crate::metadata::{Attributes, keys_of};
use crate::service::{IMDS, Row, get, rows, text};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, PlatformId, host_name};

/// What EC2 would say, below the root of the drive.
const EC2: &str = "/ec2/latest/meta-data.json";

/// The same keys are addresses of the service.
const ROWS: &[Row] = &[
    // Where there is an id of Nova's, that is the machine's.
    ("instance-id", "INSTANCE_ID", Some(Fact::InstanceId)),
    ("instance-type", "INSTANCE_TYPE", Some(Fact::InstanceType)),
    ("local-ipv4", "IPV4_LOCAL", Some(Fact::Ipv4)),
    ("public-ipv4", "IPV4_PUBLIC", Some(Fact::PublicIpv4)),
];

/// The name has an address of its own as well.
const NAME: Row = ("hostname", "HOSTNAME", Some(Fact::Hostname));

/// A machine whose cloud is made of Nova.
pub(crate) struct Nova {
    pub(crate) id: PlatformId,
    /// What names of attributes begin with.
    pub(crate) prefix: &'static str,
}

/// What the drive has.
struct Drive {
    meta_data: Option<Document>,
    ec2: Option<Document>,
}

impl Nova {
    /// The drive, where the machine has one.
    fn drive(&self, via: &dyn Access) -> Result<Option<Drive>, PlatformError> {
        let found = files_of_any(via, self.id, &LABELS, &[META_DATA, EC2], 0);
        let files = match found {
            Ok(Some(files)) => files,
            Ok(None) => return Ok(None),
            // The service may still know.
            Err(_) if via.machine().is_online => {
                via.warn("the config drive cannot be read; the metadata service is asked");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut files = files.into_iter();
        let mut next = |what| {
            let file = files.next().flatten();
            file.map(|file| Document::json(self.id, what, &file)).transpose()
        };
        Ok(Some(Drive {
            meta_data: next("meta_data.json")?,
            ec2: next("meta-data.json")?,
        }))
    }

    fn said(&self, via: &dyn Access, path: &str) -> Result<Option<String>, PlatformError> {
        text(
            via,
            self.id,
            &get(&format!("{IMDS}/latest/meta-data/{path}"), &[]),
        )
    }

    fn of_service(&self, via: &dyn Access, attributes: &mut Attributes) -> Result<(), PlatformError> {
        let request = get(&format!("{IMDS}/openstack/2012-08-10/meta_data.json"), &[]);
        let document = behind(via, self.id, (&request, "meta_data.json"), Document::json)?;
        let base = format!("{IMDS}/latest/meta-data/");
        rows(via, self.id, (&base, &[]), attributes, &[NAME])?;
        add(
            attributes,
            document.as_ref(),
            "uuid",
            ("INSTANCE_UUID", Some(Fact::InstanceId)),
        )?;
        rows(via, self.id, (&base, &[]), attributes, ROWS)
    }
}

fn add(
    attributes: &mut Attributes,
    document: Option<&Document>,
    key: &str,
    (name, fact): (&str, Option<Fact>),
) -> Result<(), PlatformError> {
    let value = document.map(|document| document.root().text(key)).transpose()?;
    attributes.add(name, fact, value.flatten().as_deref());
    Ok(())
}

impl Metadata for Nova {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: true,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let mut attributes = Attributes::of(self.prefix);
        match self.drive(via)? {
            None => self.of_service(via, &mut attributes)?,
            Some(Drive { meta_data, ec2 }) => {
                let meta_data = meta_data.as_ref();
                add(&mut attributes, meta_data, NAME.0, (NAME.1, NAME.2))?;
                add(
                    &mut attributes,
                    meta_data,
                    "uuid",
                    ("INSTANCE_UUID", Some(Fact::InstanceId)),
                )?;
                for (key, name, fact) in ROWS {
                    add(&mut attributes, ec2.as_ref(), key, (name, *fact))?;
                }
            }
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let name = match self.drive(via)? {
            None => self.said(via, "hostname")?,
            Some(drive) => match drive.meta_data {
                Some(document) => document.root().text("hostname")?,
                None => None,
            },
        };
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        if let Some(drive) = self.drive(via)? {
            return match drive.meta_data {
                Some(document) => keys_of(self.id, &document.root().values("public_keys")?),
                None => Ok(Vec::new()),
            };
        }
        let listed = self.said(via, "public-keys")?.unwrap_or_default();
        let mut found = Vec::new();
        for line in listed.lines() {
            if let Some((number, _)) = line.split_once('=') {
                found.extend(self.said(via, &format!("public-keys/{number}/openssh-key"))?);
            }
        }
        keys_of(self.id, &found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines, service};
    use crate::recorded::RecordedAccess;

    const NOVA: Nova = Nova {
        id: PlatformId::new("openstack"),
        prefix: "OPENSTACK_",
    };

    fn meta_data() -> String {
        format!(
            r#"{{"uuid":"3f2e","hostname":"n1","name":"n1","public_keys":{{"a":"{KEY}\n","b":"{KEY}"}}}}"#
        )
    }

    #[test]
    fn the_drive_is_read_first() {
        let ec2 =
            r#"{"instance-id":"i-1","instance-type":"m1.small","local-ipv4":"10.0.0.9","public-ipv4":""}"#;
        for label in LABELS {
            let meta_data = meta_data();
            let via = RecordedAccess::of_drives(&[(label, META_DATA, &meta_data), (label, EC2, ec2)]);
            assert_eq!(
                lines(&NOVA, &via),
                [
                    "OPENSTACK_HOSTNAME (hostname)=n1",
                    "OPENSTACK_INSTANCE_UUID (instance-id)=3f2e",
                    "OPENSTACK_INSTANCE_ID=i-1",
                    "OPENSTACK_INSTANCE_TYPE (instance-type)=m1.small",
                    "OPENSTACK_IPV4_LOCAL (ipv4)=10.0.0.9",
                ]
            );
            assert_eq!(NOVA.hostname(&via).unwrap().as_deref(), Some("n1"));
            assert_eq!(NOVA.ssh_keys(&via).unwrap(), [KEY]);
            keeps_its_offers(&NOVA, &via);
            assert!(via.asked().iter().all(|asked| asked.starts_with("drive")));
        }
    }

    fn nova() -> RecordedAccess {
        let ec2 = [
            ("hostname", "n1.novalocal"),
            ("instance-id", "i-1"),
            ("local-ipv4", "10.0.0.9\n"),
            ("public-keys", "0=a\nrubbish"),
            ("public-keys/0/openssh-key", KEY),
        ];
        service("http://169.254.169.254/latest/meta-data/", &ec2).with_answer(
            "http://169.254.169.254/openstack/2012-08-10/meta_data.json",
            200,
            &meta_data(),
        )
    }

    #[test]
    fn without_a_drive_the_service_is_asked() {
        let via = nova();
        assert_eq!(
            lines(&NOVA, &via),
            [
                "OPENSTACK_HOSTNAME (hostname)=n1.novalocal",
                "OPENSTACK_INSTANCE_UUID (instance-id)=3f2e",
                "OPENSTACK_INSTANCE_ID=i-1",
                "OPENSTACK_IPV4_LOCAL (ipv4)=10.0.0.9",
            ]
        );
        keeps_its_offers(&NOVA, &via);
        let broken = nova().with_broken_drive("config-2");
        assert_eq!(lines(&NOVA, &broken), lines(&NOVA, &via));
        let via = RecordedAccess::of_broken_drive("config-2");
        assert!(matches!(NOVA.attributes(&via), Err(PlatformError::Access { .. })));
        assert!(
            NOVA.attributes(&RecordedAccess::of_drives(&[]))
                .unwrap_err()
                .needs_network()
        );
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let of = |text: &str| RecordedAccess::of_drives(&[("config-2", META_DATA, text)]);
        assert_eq!(
            lines(&NOVA, &of(r#"{"uuid":"3f2e","hostname":"a\nB=1"}"#)),
            ["OPENSTACK_INSTANCE_UUID (instance-id)=3f2e"]
        );
        let via = RecordedAccess::of_drives(&[("config-2", EC2, r#"{"instance-id":"i-1"}"#)]);
        assert_eq!(lines(&NOVA, &via), ["OPENSTACK_INSTANCE_ID (instance-id)=i-1"]);
        assert_eq!(NOVA.hostname(&via), Ok(None));
        assert_eq!(NOVA.ssh_keys(&via), Ok(Vec::new()));
        is_malformed(NOVA.attributes(&of("planted")), "meta_data.json is not JSON");
        is_malformed(
            NOVA.hostname(&of(r#"{"hostname":["planted"]}"#)),
            "hostname is not one value",
        );
    }
}
