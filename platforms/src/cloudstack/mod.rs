//! `cloudstack`: Apache CloudStack. A config drive, or the metadata service of the virtual router, which is where the lease
//! came from.

mod metadata;

use crate::drive_or_service::{Drives, Service, config_of};
use crate::lease;
use crate::service::{Absent, config, get};
use crate::{Access, AccessError, Metadata, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("cloudstack");

/// The config on the drive.
const PATH: &str = "/cloudstack/userdata/user_data.txt";

/// The name that the virtual router gives itself, for machines whose DHCP client keeps no lease that can be read.
const BY_NAME: &str = "data-server";

/// How long the lease is awaited, in seconds: the network is up when this is asked, so it is there or it never will be.
const LEASE_WITHIN: u64 = 5;

/// A machine of CloudStack.
pub struct CloudStack;

impl Platform for CloudStack {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Network
    }

    fn place(&self) -> &'static str {
        "`/cloudstack/userdata/user_data.txt` of the drive `config-2` or `CONFIG-2`, also before the network; else \
         `/latest/user-data` of the DHCP server by the lease of networkd, NetworkManager or dhclient, or of `data-server`. \
         404, and no drive within 10 s, is no config."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        let drives = Drives {
            via,
            id: ID,
            path: PATH,
        };
        config_of(&drives, || ask(&drives))
    }

    fn metadata(&self) -> Option<&dyn Metadata> {
        Some(self)
    }
}

/// What the virtual router says, or the drive that appears while its address is looked for.
fn ask(drives: &Drives<'_>) -> Result<Service, PlatformError> {
    let via = drives.via;
    if !via.machine().is_online {
        return Err(failed(AccessError::NeedsNetwork));
    }
    let mut server = lease::server(via).map_err(failed)?;
    for _ in 0..LEASE_WITHIN {
        if server.is_some() {
            break;
        }
        // One second each. A drive that cannot be read is told of when the service has no answer either.
        if let Ok(Some(found)) = drives.look(1) {
            return Ok(Service::Drive(found));
        }
        server = lease::server(via).map_err(failed)?;
    }
    let host = server.map_or(BY_NAME.to_owned(), |address| address.to_string());
    let url = format!("http://{host}/latest/user-data");
    config(via, ID, &get(&url, &[]), Absent::NoConfig).map(Service::Said)
}

fn failed(source: AccessError) -> PlatformError {
    PlatformError::Access { id: ID, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const URL: &str = "http://10.1.1.1/latest/user-data";
    const LEASE: &str = "/run/systemd/netif/leases/2";

    fn router(status: u16, body: &str) -> RecordedAccess {
        RecordedAccess::of_http(&[(URL, status, body)])
            .with_file(LEASE, "ADDRESS=10.1.1.20\nSERVER_ADDRESS=10.1.1.1\n")
    }

    fn given(text: &str) -> Result<Option<UserData>, PlatformError> {
        Ok(UserData::new(text.as_bytes().to_vec()))
    }

    /// The seconds that a drive was awaited.
    fn waited(via: &RecordedAccess) -> usize {
        let asked = via.asked();
        asked.iter().filter(|asked| asked.ends_with("for 1 s")).count()
    }

    #[test]
    fn a_drive_that_is_there_wins_and_needs_no_network() {
        for label in ["config-2", "CONFIG-2"] {
            let via = router(200, "of the router").with_drive(label, &[(PATH, "config")]);
            assert_eq!(CloudStack.user_data(&via), given("config"));
            assert!(via.asked().iter().all(|asked| asked.starts_with("drive")));
            let offline = RecordedAccess::of_drives(&[(label, PATH, "config")]);
            assert_eq!(CloudStack.user_data(&offline), given("config"));
        }
        for files in [("/cloudstack/metadata/vm_id.txt", "vm-9\n"), (PATH, "")] {
            let via = RecordedAccess::of_drives(&[]).with_drive("config-2", &[files]);
            assert_eq!(CloudStack.user_data(&via), Ok(None));
        }
    }

    #[test]
    fn the_router_is_where_the_lease_came_from() {
        let via = router(200, "config");
        assert_eq!(CloudStack.user_data(&via), given("config"));
        assert_eq!(via.asked().last(), Some(&format!("Get {URL}")));
        assert_eq!(waited(&via), 0);
        let offline = RecordedAccess::of_drives(&[]).with_file(LEASE, "SERVER_ADDRESS=10.1.1.1\n");
        assert!(CloudStack.user_data(&offline).unwrap_err().needs_network());
        assert!(offline.asked().iter().all(|asked| asked.starts_with("drive")));
    }

    #[test]
    fn without_a_lease_the_router_is_asked_by_its_name() {
        let via = RecordedAccess::of_http(&[("http://data-server/latest/user-data", 200, "config")]);
        assert_eq!(CloudStack.user_data(&via), given("config"));
        assert_eq!(waited(&via), 5);
        let listed = via
            .asked()
            .iter()
            .filter(|asked| asked.as_str() == "list /run/systemd/netif/leases")
            .count();
        assert_eq!(listed, 6);
    }

    #[test]
    fn what_the_router_does_not_say_a_late_drive_may() {
        for (status, body) in [(404, ""), (204, ""), (200, "")] {
            let via = router(status, body);
            assert_eq!(CloudStack.user_data(&via), Ok(None));
            assert_eq!(waited(&via), 10);
        }
        let via = router(403, "");
        assert!(matches!(
            CloudStack.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
        assert_eq!(waited(&via), 30);
    }

    #[test]
    fn a_drive_that_cannot_be_read_does_not_hide_the_router() {
        let via = router(200, "config").with_broken_drive("config-2");
        assert_eq!(CloudStack.user_data(&via), given("config"));
        for status in [403, 404] {
            let via = router(status, "").with_broken_drive("config-2");
            let error = CloudStack.user_data(&via).unwrap_err();
            assert!(
                matches!(&error, PlatformError::Access { source: AccessError::Failed { what, .. }, .. } if what == "config-2"),
                "{error:?}"
            );
        }
    }
}
