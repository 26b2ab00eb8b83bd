# An array of each level is made of new partitions, gets its file system, and is kept by the same stage again: the array
# with its UUID, and what was written to it in between.
array() {
    level=$1 members=$2 spares=$3
    devices=
    partitions=
    for n in $(seq "$members"); do
        partitions="$partitions{\"number\": $n, \"label\": \"m$n\", \"sizeMiB\": 64},"
        devices="$devices\"/dev/disk/by-partlabel/m$n\","
    done
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [${partitions%,}]}],
    "raid": [{"name": "data", "level": "$level", "spares": $spares, "devices": [${devices%,}]}],
    "filesystems": [{"device": "/dev/md/data", "format": "ext4", "label": "data", "path": "/var/lib/data"}],
    "files": [{"path": "/var/lib/data/marker", "contents": {"source": "data:,on%20the%20array"}}]
  }
}
END
}

facts() {
    mdadm --detail --export /dev/md/data | grep -E '^MD_(LEVEL|DEVICES|UUID|NAME)='
}

for row in linear:2:0:linear stripe:2:0:raid0 raid1:3:1:raid1 raid4:3:0:raid4 5:3:0:raid5 raid6:4:0:raid6 \
    raid10:3:1:raid10; do
    IFS=: read -r level members spares shown <<<"$row"
    take_down
    blank "$DISK_512"
    array "$level" "$members" "$spares"
    rm -rf /run/ignition /run/ignition.json "$ROOT/etc/.ignition-result.json" "$ROOT/var/lib/kindling"
    boot
    facts >"$WORK/first"
    grep -q "^MD_LEVEL=$shown$" "$WORK/first"
    grep -q "^MD_NAME=any:data$" "$WORK/first"
    grep -q "^MD_DEVICES=$((members - spares))$" "$WORK/first"
    equals "spares of $level" "$(mdadm --detail /dev/md/data | grep -c '[^-]spare')" "$spares"
    equals "marks" "$(sfdisk --dump "$DISK_512" | grep -c attrs)" 0
    # Stopped, as after a boot without the rules that start arrays, it is started and kept.
    [ "$level" != raid1 ] || mdadm --stop /dev/md/data
    afresh
    stage disks
    equals "the array of level $level" "$(facts)" "$(cat "$WORK/first")"
    mkdir -p "$WORK/look"
    mount -o ro /dev/md/data "$WORK/look"
    equals "the marker on $level" "$(cat "$WORK/look/marker")" "on the array"
    umount "$WORK/look"
done
