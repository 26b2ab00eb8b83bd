# While a partition is mounted the kernel keeps what was once read through the disk, also when it was written through
# another partition since. A second run must not take a new file system for nothing, and make it again.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "first", "sizeMiB": 64}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/first", "format": "ext4"}]
  }
}
END
stage fetch-offline
stage disks
mkdir "$WORK/look"
mount -o ro /dev/disk/by-partlabel/first "$WORK/look"
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 2, "label": "second", "sizeMiB": 64}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/second", "format": "ext4"}]
  }
}
END
rm -rf /run/ignition /run/ignition.json
stage fetch-offline
stage disks
before=$(writes "$DISK_512")
# What blkid sees through the disk without our help, for the record of this case.
blkid --probe --offset $((65 << 20)) --size $((64 << 20)) "$DISK_512" || true
stage disks
equals "sectors written by the same stage again" "$(writes "$DISK_512")" "$before"
umount "$WORK/look"
