//! `nocloud`: cloud-init's way for machines without a cloud. Whoever starts the machine names a server or a folder in the
//! serial number of its board or on the kernel command line, or gives it a drive.

mod seed;

use std::path::Path;

use self::seed::{Seed, seed};
use crate::config_drive::{files_of_any, first_of};
use crate::service::{Absent, config, get};
use crate::{Access, AccessError, Platform, PlatformError, PlatformId, Reach, UserData};

const ID: PlatformId = PlatformId::new("nocloud");

/// The labels that drives have: file systems of DOS have upper case only.
const LABELS: [&str; 2] = ["cidata", "CIDATA"];

/// How long a drive is awaited, in seconds.
const WAIT: u64 = 30;

/// A machine that is told where its config is.
pub struct NoCloud;

impl Platform for NoCloud {
    fn id(&self) -> PlatformId {
        ID
    }

    fn reach(&self) -> Reach {
        Reach::Local
    }

    fn place(&self) -> &'static str {
        "`user-data` below the address or folder `s=` (or `seedfrom=`) of `ds=nocloud;…` in the DMI serial number, else on the \
         kernel command line; none there is a failure. Without either, `/user-data` of the drive `cidata` or `CIDATA`; no \
         such drive within 30 s is no config. An address needs the network."
    }

    fn user_data(&self, via: &dyn Access) -> Result<Option<UserData>, PlatformError> {
        match seed(via, ID)? {
            Some(Seed::Server(prefix)) => {
                config(via, ID, &get(&format!("{prefix}user-data"), &[]), Absent::Failure)
            }
            Some(Seed::Folder(folder)) => in_folder(via, &folder),
            None => {
                let found = files_of_any(via, ID, &LABELS, &["/user-data"], WAIT)?;
                Ok(found.and_then(first_of))
            }
        }
    }
}

/// The config in a folder that somebody named: there, or it is a failure.
fn in_folder(via: &dyn Access, folder: &str) -> Result<Option<UserData>, PlatformError> {
    let path = Path::new(folder).join("user-data");
    let failed = |source| PlatformError::Access { id: ID, source };
    match via.file(&path).map_err(failed)? {
        Some(bytes) => Ok(UserData::new(bytes)),
        None => Err(failed(AccessError::Failed {
            what: path.display().to_string(),
            why: "there is no such file".to_owned(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::RecordedAccess;

    const SERIAL: &str = "/sys/class/dmi/id/product_serial";
    const URL: &str = "http://10.0.0.1:8000/seed/user-data";

    fn given(text: &str) -> Result<Option<UserData>, PlatformError> {
        Ok(UserData::new(text.as_bytes().to_vec()))
    }

    fn server(status: u16, body: &str) -> RecordedAccess {
        RecordedAccess::of_http(&[(URL, status, body)])
    }

    #[test]
    fn the_serial_number_names_the_server() {
        for serial in [
            "ds=nocloud;s=http://10.0.0.1:8000/seed/;h=n1\n",
            "ds=nocloud-net;seedfrom=http://10.0.0.1:8000/seed\n",
            "ds=nocloud;i=1;s=http://10.0.0.1:8000/seed/",
        ] {
            let via = server(200, "config").with_file(SERIAL, serial);
            assert_eq!(NoCloud.user_data(&via), given("config"), "{serial}");
            assert_eq!(via.asked().last(), Some(&format!("Get {URL}")));
            // Before the network, the question is put off.
            let offline = RecordedAccess::of_drives(&[("cidata", "/user-data", "of the drive")])
                .with_file(SERIAL, serial);
            assert!(NoCloud.user_data(&offline).unwrap_err().needs_network());
        }
    }

    #[test]
    fn the_kernel_argument_comes_after_the_serial_number() {
        let line = "quiet ds=nocloud;s=http://10.0.0.1:8000/seed/ ro\n";
        let via = server(200, "config").with_command_line(line);
        assert_eq!(NoCloud.user_data(&via), given("config"));
        let via = server(200, "config")
            .with_file(SERIAL, "ds=nocloud;s=http://10.0.0.1:8000/seed/")
            .with_command_line("ds=nocloud;s=http://10.0.0.2/");
        assert_eq!(NoCloud.user_data(&via), given("config"));
        // Whatever else stands there is of no concern.
        let via = server(200, "config")
            .with_file(SERIAL, "VMware-56 4d")
            .with_command_line(line);
        assert_eq!(NoCloud.user_data(&via), given("config"));
    }

    #[test]
    fn a_server_that_was_named_must_have_it() {
        let at = |status, body| {
            NoCloud
                .user_data(&server(status, body).with_file(SERIAL, "ds=nocloud;s=http://10.0.0.1:8000/seed/"))
        };
        assert_eq!(at(200, ""), Ok(None));
        for status in [404, 403] {
            assert!(matches!(at(status, ""), Err(PlatformError::Access { .. })));
        }
    }

    #[test]
    fn a_folder_may_be_named_as_well() {
        for place in ["file:///oem/seed/", "/oem/seed"] {
            let via = RecordedAccess::of_drives(&[])
                .with_file("/oem/seed/user-data", "config")
                .with_command_line(&format!("ds=nocloud;s={place}"));
            assert_eq!(NoCloud.user_data(&via), given("config"), "{place}");
        }
        let via = RecordedAccess::of_drives(&[]).with_command_line("ds=nocloud;s=/oem/seed");
        let error = NoCloud.user_data(&via).unwrap_err();
        assert!(matches!(error, PlatformError::Access { .. }), "{error:?}");
    }

    #[test]
    fn without_a_place_the_drive_has_it() {
        for label in LABELS {
            for line in ["", "ds=nocloud", "ds=nocloud;h=n1"] {
                let via =
                    RecordedAccess::of_drives(&[(label, "/user-data", "config")]).with_command_line(line);
                assert_eq!(NoCloud.user_data(&via), given("config"));
            }
        }
        let via = RecordedAccess::of_drives(&[("cidata", "/meta-data", "instance-id: i1")]);
        assert_eq!(NoCloud.user_data(&via), Ok(None));
        let via = RecordedAccess::of_drives(&[]);
        assert_eq!(NoCloud.user_data(&via), Ok(None));
        assert_eq!(via.seconds_waited(), 30);
        let via = RecordedAccess::of_broken_drive("CIDATA");
        assert!(matches!(
            NoCloud.user_data(&via),
            Err(PlatformError::Access { .. })
        ));
    }
}
