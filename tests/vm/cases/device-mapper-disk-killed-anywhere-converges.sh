# On a disk that is a mapping: dmsetup is killed at each of its steps, or the stage right after it, and the stage, run
# again, ends in the state of a run that was left alone.
modprobe dm-mod
base=$(readlink -f "$DISK_512")
disk=/dev/mapper/stand-in
dmsetup create stand-in --table "0 1048576 linear $base 2048"
trap 'dmsetup remove_all || true' EXIT

config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [
      {"number": 1, "label": "mapped-first", "sizeMiB": 16},
      {"number": 2, "label": "mapped-second", "sizeMiB": 32, "resize": true},
      {"number": 3, "shouldExist": false, "wipePartitionEntry": true}
    ]}],
    "filesystems": [{"device": "/dev/mapper/stand-inp1", "format": "swap", "label": "first"}]
  }
}
END
stage fetch-offline

# One to be made, one to be grown, one to go.
fresh() {
    for name in $(dmsetup ls | cut -f 1 | grep '^stand-in.'); do dmsetup remove --retry "$name"; done
    dd if=/dev/zero of="$disk" bs=1M count=2 conv=fsync status=none
    sfdisk --quiet --no-reread --no-tell-kernel --wipe never "$disk" <<END
label: gpt
2: start=34816, size=32768, name=mapped-second
3: start=300000, size=2048, name=mapped-third
END
    dmsetup create stand-inp2 --uuid part2-stand-in --table "0 32768 linear $disk 34816"
    dmsetup create stand-inp3 --uuid part3-stand-in --table "0 2048 linear $disk 300000"
}
state() {
    sfdisk --dump "$disk" | grep -v '^label-id' | sed 's/, uuid=[^,]*//'
    dmsetup table
    dmsetup info --columns --noheadings --sort name -o name,uuid,suspended,tables_loaded
    blkid --probe --output value --match-tag TYPE --match-tag LABEL /dev/disk/by-partlabel/mapped-first
}
again() {
    if ! stage disks >"$WORK/again" 2>&1; then
        echo "$1: the stage refuses its own work" >&2
        cat "$WORK/again" >&2
        dmsetup info --columns >&2
        return 1
    fi
    equals "the disk after $1" "$(state)" "$expected"
}

# Stands before the real dmsetup: of its calls that change something the one with number $AT is killed at its ioctl with
# number $IOCTL, and the stage with it.
mkdir "$WORK/bin"
cat >"$WORK/bin/dmsetup" <<'END'
#!/bin/bash
case $1 in
    create | reload | resume | remove)
        echo "$1" >>"$SEEN"
        if [ "$(wc -l <"$SEEN")" = "$AT" ]; then
            strace -qq -o /dev/null -e trace=ioctl -e "inject=ioctl:signal=SIGKILL:when=$IOCTL" /usr/sbin/dmsetup "$@"
            [ $? -ge 128 ] || touch "$SEEN.survived"
            kill -KILL $PPID
            exit 1
        fi
        ;;
esac
exec /usr/sbin/dmsetup "$@"
END
chmod 755 "$WORK/bin/dmsetup"
# killed CALL IOCTL: fails when there are not so many calls.
killed() {
    fresh
    rm -f "$WORK/seen" "$WORK/seen.survived"
    ! PATH=$WORK/bin:$PATH SEEN=$WORK/seen AT=$1 IOCTL=$2 stage disks >/dev/null 2>&1
}

fresh
stage disks
expected=$(state)
tried=0
verbs=
# The first ioctl of each asks for the version of the driver.
for at in 1 2 3 4; do
    for ioctl in 2 3 4 5 6 7 8 9; do
        killed $at $ioctl
        verb=$(tail -n 1 "$WORK/seen")
        again "a kill of dmsetup $verb at ioctl number $ioctl"
        tried=$((tried + 1))
        [ ! -e "$WORK/seen.survived" ] || break
    done
    [ $ioctl -gt 2 ]
    verbs="$verbs $verb"
done
equals "what was killed" "$verbs" " remove reload resume create"
fails killed 5 1
echo "kindling-case: $tried kill points converged" >/dev/console
