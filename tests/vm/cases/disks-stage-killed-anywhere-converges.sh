# The disks stage is killed at each of its writes, flushes and kernel calls for the table, and at moments spread over the
# making of file systems; run again, it always ends in the state of a run that was left alone.
put_config() {
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$1", "partitions": [
      {"number": 1, "label": "data", "sizeMiB": 320},
      {"number": 2, "label": "state", "sizeMiB": 64},
      {"number": 0, "label": "swap", "sizeMiB": 64},
      {"number": 4, "label": "exchange", "sizeMiB": 256}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "label": "data"},
      {"device": "/dev/disk/by-partlabel/state", "format": "ext4", "label": "state"},
      {"device": "/dev/disk/by-partlabel/swap", "format": "swap", "label": "swap"},
      {"device": "/dev/disk/by-partlabel/exchange", "format": "vfat", "label": "EXCHANGE"}
    ]
  }
}
END
    rm -rf /run/ignition /run/ignition.json
    stage fetch-offline
}

# Everything but the identifiers that are drawn anew for each table. An attribute would show a mark that was left.
state() {
    udevadm settle
    sfdisk --dump "$1" | grep -v '^label-id' | sed 's/, uuid=[^,]*//'
    for name in data state swap exchange; do
        blkid --probe --output value --match-tag TYPE --match-tag LABEL "/dev/disk/by-partlabel/$name"
    done
    fsck.ext4 -nf /dev/disk/by-partlabel/state >/dev/null 2>&1 || echo "ext4 is not clean"
    xfs_repair -n /dev/disk/by-partlabel/data >/dev/null 2>&1 || echo "xfs is not clean"
    fsck.fat -n /dev/disk/by-partlabel/exchange >/dev/null 2>&1 || echo "fat is not clean"
}

again() {
    if ! stage disks >"$WORK/again" 2>&1; then
        echo "$2: the stage refuses its own work" >&2
        cat "$WORK/again" >&2
        return 1
    fi
    equals "the disk after $2" "$(state "$1")" "${expected[$1]}"
}

# killed DISK CALL N: the stage on a blank disk, killed when it makes CALL for the Nth time. Fails when it never does.
killed() {
    blank "$1"
    ! IGNITION_CONFIG_FILE=$WORK/config.ign strace -qq -o /dev/null -e "trace=$2" -e "inject=$2:signal=SIGKILL:when=$3" \
        "$IGNITION" --root="$ROOT" --platform=file --stage=disks --log-to-stdout "" >/dev/null 2>&1
}

declare -A expected
for disk in "$DISK_512" "$DISK_4096"; do
    put_config "$disk"
    blank "$disk"
    stage disks
    expected[$disk]=$(state "$disk")
    cp "$WORK/config.ign" "$WORK/$(basename "$disk").ign"
    cp /run/ignition.json "$WORK/$(basename "$disk").json"
done
disk=$DISK_512
# The disks take turns.
turn() {
    [ "$disk" = "$DISK_512" ] && disk=$DISK_4096 || disk=$DISK_512
    cp "$WORK/$(basename "$disk").ign" "$WORK/config.ign"
    cp "$WORK/$(basename "$disk").json" /run/ignition.json
}

tried=0
# Each second of these calls, but in a soak every one.
stride=2
[ "$(points)" -lt 50 ] || stride=1
for call in pwrite64 fdatasync ioctl flock; do
    n=1
    while turn && killed "$disk" $call $n; do
        again "$disk" "a kill at $call number $n"
        tried=$((tried + 1))
        n=$((n + stride))
    done
    [ $n -gt 2 ]
done
RANDOM=11
for _ in $(seq "$(points)"); do
    delay=$((150 + RANDOM % 500))
    turn
    blank "$disk"
    IGNITION_CONFIG_FILE=$WORK/config.ign setsid "$IGNITION" --root="$ROOT" --platform=file --stage=disks \
        --log-to-stdout "" >/dev/null 2>&1 &
    sleep "$((delay / 1000)).$(printf %03d $((delay % 1000)))"
    kill -KILL -- -$! 2>/dev/null || true
    wait $! 2>/dev/null || true
    again "$disk" "a kill after $delay ms"
    tried=$((tried + 1))
done
echo "kindling-case: $tried kill points converged" >/dev/console
[ $tried -ge 15 ]
