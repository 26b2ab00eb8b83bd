# A disk that is a mapping, as multipath makes one: its partitions are mappings too. They are made, found again, changed
# beside one that is mounted, and never touched while they are in use.
modprobe dm-mod
base=$(readlink -f "$DISK_512")
disk=/dev/mapper/stand-in

# Not at the start of the disk below, so that its table is nobody else's: 512 MiB from 1 MiB on.
stand_in() {
    dmsetup remove_all
    blank "$DISK_512"
    dmsetup create stand-in --table "0 1048576 linear $base 2048"
}
finish() {
    umount "$WORK/through" 2>/dev/null || true
    umount "$WORK/look" 2>/dev/null || true
    swapoff /dev/mapper/stand-inp3 2>/dev/null || true
    dmsetup remove_all || true
}
trap finish EXIT

put_config() {
    config
    rm -rf /run/ignition /run/ignition.json
    stage fetch-offline
}
# mappings: name, start and size of every partition, in 512-byte units.
mappings() {
    for name in $(dmsetup ls | cut -f 1 | sort); do
        [ "$name" = stand-in ] || echo "$name $(dmsetup table "$name" | cut -d ' ' -f 2,5)"
    done | paste -s -d ,
}

stand_in
put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [
      {"number": 1, "label": "mapped-data", "sizeMiB": 64},
      {"number": 2, "label": "mapped-more", "sizeMiB": 64},
      {"number": 3, "label": "mapped-swap", "sizeMiB": 32}
    ]}],
    "filesystems": [
      {"device": "/dev/mapper/stand-inp1", "format": "ext4", "label": "mapped-data", "path": "/var/lib/data"},
      {"device": "/dev/disk/by-partlabel/mapped-more", "format": "vfat", "label": "MORE"},
      {"device": "/dev/disk/by-id/dm-name-stand-inp3", "format": "swap", "label": "mapped-swap"}
    ],
    "files": [{"path": "/var/lib/data/marker", "contents": {"source": "data:,on%20the%20disk"}}]
  }
}
END
for name in kargs disks mount files umount; do stage "$name"; done
equals "its partitions" "$(mappings)" "stand-inp1 131072 2048,stand-inp2 131072 133120,stand-inp3 65536 264192"
equals "the first" "$(blkid --probe --match-tag TYPE --output value /dev/mapper/stand-inp1)" ext4
equals "the second" "$(blkid --probe --match-tag TYPE --output value /dev/disk/by-partlabel/mapped-more)" vfat
equals "the third" "$(blkid --probe --match-tag TYPE --output value /dev/disk/by-partlabel/mapped-swap)" swap
equals "what the kernel shows of the disk below" "$(ls -d /sys/class/block/"$(basename "$base")"?* 2>/dev/null)" ""
mkdir "$WORK/look"
mount -o ro /dev/mapper/stand-inp1 "$WORK/look"
equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"

# The same again while one is mounted: nothing is written, and the file systems are seen through what the kernel keeps of
# the disk in memory.
before=$(writes "$DISK_512")
stage disks
equals "sectors written by the same stage again" "$(writes "$DISK_512")" "$before"

# Nobody's table is told of, and the mappings are gone, as after a power cut: they come back, and nothing is written.
umount "$WORK/look"
for name in stand-inp1 stand-inp2 stand-inp3; do dmsetup remove --retry "$name"; done
udevadm settle
before=$(writes "$DISK_512")
stage disks
equals "its partitions" "$(mappings)" "stand-inp1 131072 2048,stand-inp2 131072 133120,stand-inp3 65536 264192"
equals "sectors written to bring them back" "$(writes "$DISK_512")" "$before"

# One deleted, one made, one grown, beside one that is mounted.
mount -o ro /dev/mapper/stand-inp1 "$WORK/look"
put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "/dev/disk/by-id/dm-name-stand-in", "partitions": [
      {"number": 2, "shouldExist": false, "wipePartitionEntry": true},
      {"number": 3, "label": "mapped-swap", "sizeMiB": 96, "resize": true},
      {"number": 4, "label": "mapped-late", "sizeMiB": 32, "startMiB": 300}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/mapped-late", "format": "ext4", "label": "late"},
      {"device": "/dev/mapper/stand-inp3", "format": "swap", "label": "mapped-swap"}
    ]
  }
}
END
stage disks
equals "its partitions" "$(mappings)" "stand-inp1 131072 2048,stand-inp3 196608 264192,stand-inp4 65536 614400"
equals "the new one" "$(blkid --probe --match-tag TYPE --output value /dev/disk/by-partlabel/mapped-late)" ext4
equals "the grown one" "$(blkid --probe --match-tag TYPE --output value /dev/mapper/stand-inp3)" swap
equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"
[ ! -e /dev/disk/by-partlabel/mapped-more ]
sfdisk --verify "$disk" >/dev/null
before=$(writes "$DISK_512")
stage disks
equals "sectors written by the same stage again" "$(writes "$DISK_512")" "$before"

# What is mounted, swapped to, or mounted through another mapping is not changed.
swapon /dev/mapper/stand-inp3
dmsetup create above --table "0 65536 linear /dev/mapper/stand-inp4 0"
mkdir "$WORK/through"
mount -o ro /dev/mapper/above "$WORK/through"
for number in 1 3 4; do
    put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"disks": [{"device": "$disk", "partitions": [
    {"number": $number, "sizeMiB": 16, "wipePartitionEntry": true}
  ]}]}
}
END
    before=$(writes "$DISK_512")
    fails stage disks
    says "partition-in-use"
    equals "sectors written to number $number" "$(writes "$DISK_512")" "$before"
done
put_config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "$disk", "wipeTable": true}]}}
END
fails stage disks
says "table-in-use"
swapoff /dev/mapper/stand-inp3
umount "$WORK/through"
umount "$WORK/look"
dmsetup remove above

# Another mapping on the disk is a use of it; with leave to wipe everything goes, that mapping included.
put_config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "$disk", "partitions": [{"number": 5}]}]}}
END
dmsetup create beside --table "0 8 linear $disk 800000"
fails stage disks
says "disk-in-use"
put_config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "$disk", "wipeTable": true}]}}
END
stage disks
equals "its partitions" "$(mappings)" ""

# Partitions that somebody else mapped, under other names and without a UUID that says so, are the partitions.
stand_in
sfdisk --quiet --no-reread --no-tell-kernel "$disk" <<END
label: gpt
1: start=2048, size=131072, name=other-first
2: start=133120, size=131072, name=other-second
END
dmsetup create stand-in1 --table "0 131072 linear $disk 2048"
put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [
      {"number": 1, "label": "other-first", "sizeMiB": 64},
      {"number": 2, "label": "other-second", "sizeMiB": 96, "resize": true}
    ]}],
    "filesystems": [
      {"device": "/dev/mapper/stand-in1", "format": "ext4"},
      {"device": "/dev/mapper/stand-in2", "format": "ext4"}
    ]
  }
}
END
stage disks
equals "its partitions" "$(mappings)" "stand-in1 131072 2048,stand-in2 196608 133120"
for name in stand-in1 stand-in2; do
    equals "$name" "$(blkid --probe --match-tag TYPE --output value "/dev/mapper/$name")" ext4
done
