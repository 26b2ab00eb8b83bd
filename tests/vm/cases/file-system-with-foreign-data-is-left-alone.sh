# Reuse needs the same format; another one without leave to wipe is refused and stays as it was.
printf 'label: gpt\nsize=400M, name=data\n' | sfdisk --quiet "$DISK_4096"
udevadm settle
mkfs.ext4 -q -L precious /dev/disk/by-partlabel/data
before=$(writes "$DISK_4096")
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "xfs"}]}
}
END
stage fetch-offline
stage kargs
fails stage disks
says "/dev/disk/by-partlabel/data"
equals "sectors written to the disk" "$(writes "$DISK_4096")" "$before"
