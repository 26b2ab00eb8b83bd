# A real multipath disk, and udev's rules that run kpartx on it whenever it changes: they make, rename and remove the very
# mappings that the stage makes, at the same time.
read -r one other <<<"$WAYS"
disk=/dev/mapper/mpatha
finish() {
    umount "$WORK/look" 2>/dev/null || true
    for name in $(dmsetup ls | cut -f 1 | grep '^mpatha.'); do dmsetup remove --retry "$name" || true; done
    systemctl stop multipathd.socket multipathd.service || true
    multipath -F || true
    rm -rf /etc/multipath.conf /etc/multipath
    blkdiscard --force "$one" || true
}
trap finish EXIT

put_config() {
    config
    rm -rf /run/ignition /run/ignition.json
    stage fetch-offline
}
# Every sector that was written by either way.
written() {
    echo $(($(writes "$one") + $(writes "$other")))
}
# partitions_of: UUID, start and size in 512-byte units of every partition.
partitions_of() {
    udevadm settle
    dmsetup ls | cut -f 1 | grep '^mpatha.' | while read -r name; do
        echo "$(dmsetup info --columns --noheadings -o uuid "$name" | cut -d - -f 1) $(dmsetup table "$name" | cut -d ' ' -f 2,5)"
    done | sort | paste -s -d ,
}

cat >/etc/multipath.conf <<END
defaults {
    user_friendly_names yes
    find_multipaths yes
}
END
blkdiscard --force "$one"
modprobe dm-multipath
systemctl start multipathd.service
udevadm wait --timeout=60 "$disk"
udevadm settle
equals "ways to the disk" "$(multipath -ll mpatha | grep -c 'active ready')" 2

put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [
      {"number": 1, "label": "way-first", "sizeMiB": 64},
      {"number": 2, "label": "way-second", "sizeMiB": 64},
      {"number": 3, "label": "way-third", "sizeMiB": 32}
    ]}],
    "filesystems": [
      {"device": "/dev/mapper/mpatha-part1", "format": "ext4", "label": "way-first", "path": "/var/lib/data"},
      {"device": "/dev/disk/by-partlabel/way-second", "format": "ext4", "label": "way-second"},
      {"device": "/dev/disk/by-partlabel/way-third", "format": "swap"}
    ],
    "files": [{"path": "/var/lib/data/marker", "contents": {"source": "data:,on%20the%20disk"}}]
  }
}
END
for name in kargs disks mount files umount; do stage "$name"; done
all="part1 131072 2048,part2 131072 133120,part3 65536 264192"
equals "its partitions" "$(partitions_of)" "$all"
for pair in first:ext4 second:ext4 third:swap; do
    device=/dev/disk/by-partlabel/way-${pair%:*}
    equals "$device" "$(blkid --probe --match-tag TYPE --output value "$device")" "${pair#*:}"
    # Not that of one of the ways.
    [[ $(readlink -f "$device") = /dev/dm-* ]]
done
mkdir "$WORK/look"
mount -o ro /dev/mapper/mpatha-part1 "$WORK/look"
equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"
before=$(written)
stage disks
equals "sectors written by the same stage again" "$(written)" "$before"

# One deleted, one grown, one made, beside one that is mounted, and with one way gone.
echo offline >/sys/block/"$(basename "$other")"/device/state
put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "/dev/disk/by-id/dm-name-mpatha", "partitions": [
      {"number": 2, "shouldExist": false, "wipePartitionEntry": true},
      {"number": 3, "label": "way-third", "sizeMiB": 64, "resize": true},
      {"number": 4, "label": "way-late", "sizeMiB": 32, "startMiB": 300}
    ]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/way-late", "format": "ext4", "label": "way-late"}]
  }
}
END
stage disks
echo running >/sys/block/"$(basename "$other")"/device/state
equals "its partitions" "$(partitions_of)" "part1 131072 2048,part3 131072 264192,part4 65536 614400"
equals "the new one" "$(blkid --probe --match-tag LABEL --output value /dev/disk/by-partlabel/way-late)" way-late
equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"
before=$(written)
stage disks
equals "sectors written by the same stage again" "$(written)" "$before"

# A way to the disk is not the disk, and what is mounted stays.
for device in "$one" "$disk"; do
    put_config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "$device", "wipeTable": true}]}}
END
    before=$(written)
    fails stage disks
    says "-in-use"
    equals "sectors written to $device" "$(written)" "$before"
done
umount "$WORK/look"

# What an operator records of this machine names the disk, and not only the ways to it.
"$HERE/bin/kindling" inspect --disks >"$WORK/inventory.json"
put_config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [{"number": 5, "label": "way-fifth", "sizeMiB": 16}]}],
    "filesystems": [{"device": "/dev/mapper/mpatha-part5", "format": "ext4"}]
  }
}
END
live=$("$HERE/bin/kindling" plan "$WORK/config.ign" | grep -v '^assumed:')
recorded=$("$HERE/bin/kindling" plan --inventory "$WORK/inventory.json" "$WORK/config.ign" | grep -v '^assumed:')
equals "the plan from the record" "$recorded" "$live"
grep -q 'created as mpatha-part5, ext4 made$' <<<"$live"

# Everything goes.
put_config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"disks": [{"device": "$disk", "wipeTable": true}]}}
END
stage disks
equals "its partitions" "$(partitions_of)" ""
