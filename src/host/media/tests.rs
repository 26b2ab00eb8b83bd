#![expect(clippy::disallowed_methods, reason = "tests fill a directory of their own")]

use super::*;

struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn paths(&self) -> MediaPaths {
        let at = |name: &str| self.root.path().join(name);
        MediaPaths {
            fw_cfg: at("fw_cfg"),
            by_label: at("by-label"),
            by_id: at("by-id"),
            blocks: at("block"),
            nodes: at("dev"),
            file_systems: at("filesystems"),
            scratch: at("scratch"),
        }
    }

    fn fw_cfg(&self, name: &str) -> Result<Option<Vec<u8>>, AccessError> {
        self.paths().read_fw_cfg(name, &refuse)
    }
}

fn refuse(_module: &str) -> Result<(), String> {
    Err("no such module".to_owned())
}

const ENTRY: &str = "opt/com.coreos/config";

#[test]
fn a_firmware_entry_is_read_whole() {
    let host = Host::new();
    host.put("fw_cfg/by_name/opt/com.coreos/config/size", "5\n");
    host.put("fw_cfg/by_name/opt/com.coreos/config/raw", "hello");
    assert_eq!(host.fw_cfg(ENTRY), Ok(Some(b"hello".to_vec())));
    assert_eq!(host.fw_cfg("opt/other"), Ok(None));
    assert_eq!(host.fw_cfg("../../fw_cfg"), Ok(None));
}

#[test]
fn a_wrong_size_is_an_error() {
    for (size, why) in [
        ("4\n", "it is longer than the 4 bytes the kernel announced"),
        ("6\n", "it is shorter than the 6 bytes the kernel announced"),
        ("abc", "its size is not a number"),
    ] {
        let host = Host::new();
        host.put("fw_cfg/by_name/opt/com.coreos/config/size", size);
        host.put("fw_cfg/by_name/opt/com.coreos/config/raw", "hello");
        let what = "firmware entry opt/com.coreos/config".to_owned();
        assert_eq!(
            host.fw_cfg(ENTRY),
            Err(AccessError::Failed {
                what,
                why: why.to_owned()
            })
        );
    }
}

#[test]
fn an_absurd_size_is_refused_before_memory_is_asked_for() {
    let host = Host::new();
    host.put(
        "fw_cfg/by_name/opt/com.coreos/config/size",
        "18446744073709551615",
    );
    let what = "firmware entry opt/com.coreos/config".to_owned();
    assert_eq!(
        host.fw_cfg(ENTRY),
        Err(AccessError::TooLarge { what, limit: LIMIT })
    );
}

#[test]
fn without_the_firmware_interface_the_missing_module_is_named() {
    let error = Host::new().fw_cfg(ENTRY).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read the firmware interface of QEMU: kernel module qemu_fw_cfg cannot be loaded: no such module"
    );
}

#[test]
fn a_machine_without_the_firmware_interface_is_told_from_one_without_the_entry() {
    let host = Host::new();
    // The module makes this folder on any machine.
    fs::create_dir(host.paths().fw_cfg).unwrap();
    let loaded = host.paths().read_fw_cfg(ENTRY, &|module| {
        assert_eq!(module, "qemu_fw_cfg");
        Ok(())
    });
    let what = "the firmware interface of QEMU".to_owned();
    let waited = Duration::ZERO;
    assert_eq!(loaded, Err(AccessError::Absent { what, waited }));
}

#[test]
fn a_disk_is_read_by_its_id_and_its_absence_is_timed() {
    let host = Host::new();
    host.put("by-id/virtio-ignition", "config");
    assert_eq!(
        host.paths()
            .read_block("virtio-ignition", Duration::ZERO, &refuse),
        Ok(b"config".to_vec())
    );
    let wait = Duration::from_millis(60);
    let error = AccessError::Absent {
        what: "other".to_owned(),
        waited: wait,
    };
    assert_eq!(host.paths().read_block("other", wait, &refuse), Err(error));
}

#[test]
fn a_drive_that_is_no_file_system_is_an_error_and_leaves_nothing_behind() {
    let host = Host::new();
    host.put("by-label/IGN", "not a file system");
    let drive = Drive {
        name: DriveName::Label("IGN"),
        wait: Duration::ZERO,
    };
    let error = host.paths().read_drive(&drive, &["/config.ign"]).unwrap_err();
    assert!(matches!(error, AccessError::Failed { .. }), "{error}");
    assert_eq!(fs::read_dir(host.root.path().join("scratch")).unwrap().count(), 0);
}

#[test]
fn an_absent_file_is_not_an_error() {
    let host = Host::new();
    host.put("etc/user.ign", "{}");
    let at = |name: &str| host.root.path().join(name);
    assert_eq!(read_file(&at("etc/user.ign")), Ok(Some(b"{}".to_vec())));
    assert_eq!(read_file(&at("etc/user.ign/below-a-file")), Ok(None));
    assert_eq!(read_file(&at("run/user.ign")), Ok(None));
    assert!(matches!(read_file(&at("etc")), Err(AccessError::Failed { .. })));
}

#[test]
fn file_systems_without_a_device_are_not_tried() {
    let kinds = parse_file_systems("nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tbtrfs\n");
    assert_eq!(kinds, ["ext4", "btrfs", "iso9660", "vfat", "udf", "xfs"]);
}

#[test]
fn paths_stay_below_their_root() {
    assert_eq!(below(Path::new("/m"), "/../a/./b"), Path::new("/m/a/b"));
}

#[test]
fn a_directory_is_listed_in_order_and_one_that_is_not_there_is_empty() {
    let host = Host::new();
    for name in ["3", "10", "2"] {
        host.put(&format!("leases/{name}"), "");
    }
    let at = |name: &str| host.root.path().join(name);
    let names = ["10", "2", "3"].map(str::to_owned).to_vec();
    assert_eq!(list(&at("leases")), Ok(names));
    assert_eq!(list(&at("other")), Ok(Vec::new()));
    assert_eq!(list(&at("leases/3")), Ok(Vec::new()));
}

#[test]
fn a_disc_is_never_awaited_longer_than_was_said() {
    let host = Host::new();
    host.put("block/sr0/size", "0\n");
    let drive = Drive {
        name: DriveName::FileSystem(&["udf"]),
        wait: Duration::from_millis(60),
    };
    let error = host.paths().read_drive(&drive, &["/ovf-env.xml"]).unwrap_err();
    assert!(matches!(error, AccessError::Absent { .. }), "{error}");
}
