# A whole disk that holds a file system, or a volume group, has no partition table to be kept: without leave to wipe the
# table not one byte of it changes, also where an old backup table still lies at its end.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}]}
}
END
stage fetch-offline
stage kargs

refused() {
    before=$(writes "$DISK_512")
    fails stage disks
    says "disk-has-data"
    equals "sectors written to the disk" "$(writes "$DISK_512")" "$before"
}

mkfs.xfs -q -L precious "$DISK_512"
udevadm settle
refused

# A smaller file system over an earlier table that is just as the config asks: the primary copy is gone, the backup is whole.
blank "$DISK_512"
printf 'label: gpt\nsize=512M, name=data\n' | sfdisk --quiet "$DISK_512"
udevadm settle
dd if=/dev/zero of="$DISK_512" bs=1M count=1 conv=fsync status=none
udevadm settle
mkfs.ext4 -q -F -L precious "$DISK_512" 640M
udevadm settle
refused
