# A run that is killed between its table and its calls leaves the kernel with less than the table says, or with something
# else; the next run must neither fail nor make a file system on the bytes that a stale node stands for.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "first", "sizeMiB": 64},
      {"number": 2, "label": "second", "sizeMiB": 64},
      {"number": 3, "label": "third", "sizeMiB": 64}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/first", "format": "ext4", "label": "first"},
      {"device": "/dev/disk/by-partlabel/second", "format": "ext4", "label": "second"},
      {"device": "/dev/disk/by-partlabel/third", "format": "ext4", "label": "third"}
    ]
  }
}
END
blank "$DISK_512"
stage fetch-offline
node=$(readlink -f "$DISK_512")
sfdisk --quiet --no-reread --no-tell-kernel "$node" <<END
label: gpt
1: start=2048, size=131072, name=first
2: start=133120, size=131072, name=second
3: start=264192, size=131072, name=third
END
udevadm settle
# As udev would find it: nobody reads the table again from here on, for these calls open the disk for reading only.
for number in 1 2 3; do delpart "$node" $number 2>/dev/null || true; done
addpart "$node" 1 2048 131072
addpart "$node" 2 140000 50000
[ ! -e "${node}3" ]
stage disks
udevadm settle
for number in 1 2 3; do
    equals "bytes of partition $number" "$(cat "/sys/class/block/$(basename "$node")$number/size")" 131072
    fsck.ext4 -nf "${node}$number" >/dev/null 2>&1
done
equals "where the second starts" "$(cat "/sys/class/block/$(basename "$node")2/start")" 133120
equals "the label of the third" "$(blkid --probe --output value --match-tag LABEL "${node}3")" third
