# A blank disk of 512-byte sectors becomes four partitions with one file system of each kind; a second boot changes nothing.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "data", "sizeMiB": 512},
      {"number": 2, "label": "state", "sizeMiB": 128},
      {"number": 3, "label": "swap", "sizeMiB": 64},
      {"number": 4, "label": "exchange", "sizeMiB": 0}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "label": "data", "path": "/var/lib/data"},
      {"device": "/dev/disk/by-partlabel/state", "format": "ext4", "label": "state", "path": "/var/lib/state"},
      {"device": "/dev/disk/by-partlabel/swap", "format": "swap", "label": "swap"},
      {"device": "/dev/disk/by-partlabel/exchange", "format": "vfat", "label": "EXCHANGE"}
    ],
    "files": [{"path": "/var/lib/data/marker", "mode": 384, "contents": {"source": "data:,on%20the%20disk"}}]
  }
}
END
boot
for pair in data:xfs state:ext4 swap:swap exchange:vfat; do
    device=/dev/disk/by-partlabel/${pair%:*}
    equals "$device" "$(blkid --probe --match-tag TYPE --output value "$device")" "${pair#*:}"
done
# Nothing is left mounted, and the file is on the disk, not beneath the mount point.
fails mountpoint "$ROOT/var/lib/data"
[ ! -e "$ROOT/var/lib/data/marker" ]
mkdir "$WORK/look"
mount -o ro /dev/disk/by-partlabel/data "$WORK/look"
equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"
equals "its mode" "$(stat -c %a "$WORK/look/marker")" 600
umount "$WORK/look"

before=$(writes "$DISK_512")
stage disks
equals "sectors written by the same stage again" "$(writes "$DISK_512")" "$before"
