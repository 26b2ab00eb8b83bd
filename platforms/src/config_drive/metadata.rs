//! What platforms with OpenStack's drive say of a machine, where they say it nowhere else.

use super::{MAYBE_ATTACHED, files, missing};
use crate::document::Document;
use crate::metadata::{Attributes, keys_of};
use crate::network::{Interface, openstack};
use crate::{Access, Attribute, Fact, Metadata, Offers, PlatformError, PlatformId, host_name};

/// The machine, below the root of the drive.
pub(crate) const META_DATA: &str = "/openstack/latest/meta_data.json";

/// Its network.
pub(crate) const NETWORK_DATA: &str = "/openstack/latest/network_data.json";

/// A drive labelled `config-2` that every machine has.
pub(crate) struct OnDrive {
    pub(crate) id: PlatformId,
    /// What names of attributes begin with.
    pub(crate) prefix: &'static str,
    /// Whether its keys are those who may log in.
    pub(crate) has_keys: bool,
    /// Whether interfaces are configured by what it says.
    pub(crate) has_network: bool,
}

impl OnDrive {
    fn read(&self, via: &dyn Access, path: &str) -> Result<Option<Document>, PlatformError> {
        let found = files(via, self.id, "config-2", &[path], MAYBE_ATTACHED)?;
        let found = found.ok_or_else(|| missing(self.id, "config-2", MAYBE_ATTACHED))?;
        let what = path.rsplit('/').next().unwrap_or(path);
        let file = found.into_iter().flatten().next();
        file.map(|file| Document::json(self.id, what, &file)).transpose()
    }

    /// The name is the host's alone; what is called `hostname` has a domain.
    fn name(document: &Document) -> Result<Option<String>, PlatformError> {
        document.root().first(&["name", "hostname"])
    }
}

impl Metadata for OnDrive {
    fn offers(&self) -> Offers {
        Offers {
            hostname: true,
            ssh_keys: self.has_keys,
            network: self.has_network,
            ..Offers::default()
        }
    }

    fn attributes(&self, via: &dyn Access) -> Result<Vec<Attribute>, PlatformError> {
        let mut attributes = Attributes::of(self.prefix);
        if let Some(document) = self.read(via, META_DATA)? {
            let id = document.root().text("uuid")?;
            attributes.add("INSTANCE_ID", Fact::InstanceId, id.as_deref());
            attributes.add(
                "LOCAL_HOSTNAME",
                Fact::Hostname,
                Self::name(&document)?.as_deref(),
            );
        }
        Ok(attributes.done())
    }

    fn hostname(&self, via: &dyn Access) -> Result<Option<String>, PlatformError> {
        let document = self.read(via, META_DATA)?;
        let name = document.as_ref().map(Self::name).transpose()?.flatten();
        Ok(name.as_deref().and_then(host_name))
    }

    fn ssh_keys(&self, via: &dyn Access) -> Result<Vec<String>, PlatformError> {
        if !self.has_keys {
            return Ok(Vec::new());
        }
        match self.read(via, META_DATA)? {
            Some(document) => keys_of(self.id, &document.root().values("public_keys")?),
            None => Ok(Vec::new()),
        }
    }

    fn network(&self, via: &dyn Access) -> Result<Vec<Interface>, PlatformError> {
        if !self.has_network {
            return Ok(Vec::new());
        }
        match self.read(via, NETWORK_DATA)? {
            Some(document) => openstack::interfaces(document.root(), 10),
            None => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::tests::{KEY, is_malformed, keeps_its_offers, lines};
    use crate::network::units;
    use crate::recorded::RecordedAccess;

    const METADATA: OnDrive = OnDrive {
        id: PlatformId::new("powervs"),
        prefix: "X_",
        has_keys: true,
        has_network: true,
    };

    #[test]
    fn both_files_are_read() {
        let meta_data = format!(
            r#"{{"hostname":"n1.x","name":"n1","uuid":"u1","public_keys":{{"k":"{KEY}\n","l":"{KEY}"}}}}"#
        );
        let network_data = r#"{"links":[{"id":"l0","name":"eth0","ethernet_mac_address":"02:00:00:00:00:03"}],"networks":[
            {"id":"n0","type":"ipv4","link":"l0","ip_address":"10.0.0.5","netmask":"255.255.255.0"}],"services":[]}"#;
        let via = RecordedAccess::of_drives(&[
            ("config-2", META_DATA, &meta_data),
            ("config-2", NETWORK_DATA, network_data),
        ]);
        assert_eq!(
            lines(&METADATA, &via),
            ["X_INSTANCE_ID (instance-id)=u1", "X_LOCAL_HOSTNAME (hostname)=n1"]
        );
        assert_eq!(METADATA.hostname(&via).unwrap().as_deref(), Some("n1"));
        assert_eq!(METADATA.ssh_keys(&via).unwrap(), [KEY]);
        let files = units(&METADATA.network(&via).unwrap());
        assert_eq!(files[0].name, "10-eth0.network");
        for (has_keys, has_network) in [(true, true), (true, false), (false, true)] {
            let metadata = OnDrive {
                has_keys,
                has_network,
                ..METADATA
            };
            keeps_its_offers(&metadata, &via);
        }
    }

    #[test]
    fn what_is_not_said_is_left_out_and_what_is_broken_named() {
        let of = |text| RecordedAccess::of_drives(&[("config-2", META_DATA, text)]);
        let via = of(r#"{"uuid":"u\n1","hostname":"n1.x"}"#);
        assert_eq!(lines(&METADATA, &via), ["X_LOCAL_HOSTNAME (hostname)=n1.x"]);
        assert_eq!(METADATA.network(&via), Ok(Vec::new()));
        is_malformed(METADATA.attributes(&of("planted")), "meta_data.json is not JSON");
        is_malformed(
            METADATA.ssh_keys(&of(r#"{"public_keys":{"a":["planted"]}}"#)),
            "a is not one value",
        );
        let via = RecordedAccess::of_drives(&[("config-2", "/other", "")]);
        assert_eq!(METADATA.attributes(&via), Ok(Vec::new()));
        assert_eq!(METADATA.hostname(&via), Ok(None));
        for via in [
            RecordedAccess::of_drives(&[]),
            RecordedAccess::of_broken_drive("config-2"),
        ] {
            assert!(matches!(
                METADATA.attributes(&via),
                Err(PlatformError::Access { .. })
            ));
        }
    }
}
