# What mount(8) refuses is told once, in its own words, with the place in the config.
put_config() {
    config <<END
{
  "ignition": {"version": "3.7.0-experimental"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/other", "format": "none"},
      {"device": "$1", "format": "$2", "path": "/var/lib/data", "mountOptions": [$3]}
    ]
  }
}
END
    rm -rf /run/ignition /run/ignition.json
    stage fetch-offline
}

# told TEXT: the last failure says so, once.
told() {
    equals "times that the record says $1" "$(grep --only-matching --fixed-strings -- "$1" /run/kindling/failure.json | wc -l)" 1
}

data=/dev/disk/by-partlabel/data
point=$ROOT/var/lib/data
put_config $data ext4 ""
# The other device is not there; nothing is made on it.
sed -i 's,{"device": "/dev/disk/by-partlabel/other"[^}]*}\,,,' "$WORK/config.ign"
rm -rf /run/ignition /run/ignition.json
stage fetch-offline
stage disks

put_config $data xfs ""
fails stage mount
told '"code":"program-failed"'
told "mount -o \\\"\\\" -t xfs $data $point"
told "mount ended with status 32: mount: $point: wrong fs type"
told '"place":"config of platform file:'
told ', /storage/filesystems/1"'

put_config $data ext4 '"noatime", "no-such-option=1"'
fails stage mount
told "mount -o noatime,no-such-option=1 -t ext4 $data $point"
told "mount ended with status 32: mount: $point:"
says "where: config of platform file:"
says ", /storage/filesystems/1"
says "next:  compare the file system's format, mountOptions and device with what mount said"

# Nobody shares that: told at once, for a tag is not a device to wait for.
put_config homes virtiofs ""
before=$(cut -d. -f1 /proc/uptime)
fails stage mount
[ $(($(cut -d. -f1 /proc/uptime) - before)) -lt 45 ]
told "mount -o \\\"\\\" -t virtiofs homes $point"
told "mount ended with status 32: mount: $point:"

# The directory that was made for it is there; the corrected config goes on from it.
fails mountpoint -q "$point"
put_config $data ext4 '"noatime"'
stage mount
findmnt -n -o OPTIONS "$point" | grep -q noatime
stage umount
