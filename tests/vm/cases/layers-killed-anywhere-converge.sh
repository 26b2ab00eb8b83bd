# Arrays, volumes and file systems: the stage is killed, with every program it runs, at program starts, at writes of its
# tables and at seeded random moments; run again, it always ends in the state of a run that was left alone.
fast='"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"'
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "a", "sizeMiB": 48}, {"number": 2, "label": "b", "sizeMiB": 48},
      {"number": 3, "label": "c", "sizeMiB": 48}, {"number": 4, "label": "d", "sizeMiB": 48}
    ]}],
    "raid": [{"name": "pair", "level": "raid1", "devices": ["/dev/disk/by-partlabel/a", "/dev/disk/by-partlabel/b"],
              "options": ["--assume-clean"]}],
    "luks": [
      {"name": "drawn", "device": "/dev/md/pair", "options": [$fast]},
      {"name": "given", "device": "/dev/disk/by-partlabel/c", "label": "given", "discard": true, "options": [$fast],
       "keyFile": {"source": "data:,a%20key"}}
    ],
    "filesystems": [
      {"device": "/dev/mapper/drawn", "format": "ext4", "label": "drawn"},
      {"device": "/dev/mapper/given", "format": "vfat", "label": "GIVEN"},
      {"device": "/dev/disk/by-partlabel/d", "format": "swap", "label": "plain"}
    ]
  }
}
END
afresh
cp /run/ignition.json "$WORK/cache.json"

key_of() {
    sed -n "s/.*\"$1\":\"data:;base64,\([^\"]*\)\".*/\1/p" /run/ignition/state | base64 -d
}

# Everything but the identifiers that are drawn anew for each table. An attribute would show a mark that was left.
state() {
    udevadm settle
    sfdisk --dump "$DISK_512" | grep -v '^label-id' | sed 's/, uuid=[^,]*//'
    mdadm --detail --export /dev/md/pair | grep -E '^MD_(LEVEL|DEVICES|NAME|DEVICE_.*_DEV)='
    for device in /dev/mapper/drawn /dev/mapper/given /dev/disk/by-partlabel/d; do
        blkid --probe --output value --match-tag TYPE --match-tag LABEL "$device"
    done
    fsck.ext4 -nf /dev/mapper/drawn >/dev/null 2>&1 || echo "ext4 is not clean"
    fsck.fat -n /dev/mapper/given >/dev/null 2>&1 || echo "fat is not clean"
    key_of drawn | cryptsetup open --test-passphrase --key-file - /dev/md/pair || echo "the key of drawn opens nothing"
    key_of given | cryptsetup open --test-passphrase --key-file - /dev/disk/by-partlabel/c || echo "the key of given opens nothing"
    blkid -p -s SUBSYSTEM -o value /dev/md/pair | cut -c 1-9
    blkid -p -s SUBSYSTEM -o value /dev/disk/by-partlabel/c
    cryptsetup luksDump /dev/disk/by-partlabel/c | grep '^Flags' | xargs
}

fresh() {
    take_down
    blank "$DISK_512"
    rm -rf /run/ignition
    cp "$WORK/cache.json" /run/ignition.json
}

again() {
    if ! stage disks >"$WORK/again" 2>&1; then
        echo "$1: the stage refuses its own work" >&2
        cat "$WORK/again" >&2
        return 1
    fi
    equals "the disk after $1" "$(state)" "$expected"
    tried=$((tried + 1))
}

# killed CALL N: the stage on a blank disk, killed when it makes CALL for the Nth time. Fails when it never does.
killed() {
    fresh
    IGNITION_CONFIG_FILE=$WORK/config.ign setsid strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" \
        "$IGNITION" --root="$ROOT" --platform=file --stage=disks --log-to-stdout "" >"$WORK/killed" 2>&1 &
    status=0
    wait $! || status=$?
    kill -KILL -- -$! 2>/dev/null || true
    [ $status -ne 0 ]
}

fresh
start=${EPOCHREALTIME/./}
stage disks
duration=$((${EPOCHREALTIME/./} - start))
expected=$(state)
tried=0
stage disks
equals "the disk after the same stage again" "$(state)" "$expected"

# Every program is waited for by wait4. Each fifth of these calls, but in a soak every one.
stride=5
[ "$(points)" -lt 50 ] || stride=1
for call in wait4 pwrite64; do
    n=1
    while killed $call $n; do
        again "a kill at $call number $n"
        n=$((n + stride))
    done
    [ $n -gt 4 ]
done
RANDOM=7
for _ in $(seq "$(points)"); do
    delay=$((duration * (RANDOM % 1000) / 1000))
    fresh
    IGNITION_CONFIG_FILE=$WORK/config.ign setsid "$IGNITION" --root="$ROOT" --platform=file --stage=disks \
        --log-to-stdout "" >/dev/null 2>&1 &
    sleep "$((delay / 1000000)).$(printf %06d $((delay % 1000000)))"
    kill -KILL -- -$! 2>/dev/null || true
    wait $! 2>/dev/null || true
    again "a kill after $delay us"
done
echo "kindling-case: $tried kill points of layers converged" >/dev/console
[ $tried -ge 6 ]
