# A power cut between the two copies of a table leaves a backup that is good and a primary that is not. Linux looks at no
# backup, so it shows no partition; an array and a volume on them are found all the same, and kept.
fast='"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"'
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "a", "sizeMiB": 48}, {"number": 2, "label": "b", "sizeMiB": 48},
      {"number": 3, "label": "c", "sizeMiB": 48}
    ]}],
    "raid": [{"name": "pair", "level": "raid1", "devices": ["/dev/disk/by-partlabel/a", "/dev/disk/by-partlabel/b"],
              "options": ["--assume-clean"]}],
    "luks": [{"name": "given", "device": "/dev/disk/by-partlabel/c", "discard": true, "options": [$fast],
              "keyFile": {"source": "data:,a%20key"}}],
    "filesystems": [
      {"device": "/dev/md/pair", "format": "ext4", "label": "pair"},
      {"device": "/dev/mapper/given", "format": "ext4", "label": "given"}
    ]
  }
}
END
facts() {
    sfdisk --dump "$DISK_512"
    mdadm --detail --export /dev/md/pair | grep '^MD_UUID='
    for device in /dev/md/pair /dev/mapper/given /dev/disk/by-partlabel/c; do
        blkid --probe --output value --match-tag UUID "$device"
    done
}
afresh
stage disks
udevadm settle
expected=$(facts)
sync

# Udev starts an array again when its members are let go of.
node=$(readlink -f "$DISK_512")
take_down
udevadm settle
udevadm control --stop-exec-queue
mdadm --stop --scan >/dev/null 2>&1 || true
# The first sector of the primary copy's entries: its sum no longer fits.
printf 'torn' | dd of="$node" bs=512 seek=2 conv=notrunc,fsync status=none
blockdev --rereadpt "$node"
udevadm control --start-exec-queue
udevadm settle
[ ! -e "${node}1" ]
afresh
stage disks
udevadm settle
equals "what is there" "$(facts)" "$expected"
