# The mount stage and the umount stage are killed at each step that changes something, and so are the programs that they
# run; run again, they end in the state of a run that was left alone.
mkdir -p "$ROOT/etc/selinux/small/contexts/files"
printf 'SELINUX=enforcing\nSELINUXTYPE=small\n' >"$ROOT/etc/selinux/config"
echo '/.*	system_u:object_r:any_t:s0' >"$ROOT/etc/selinux/small/contexts/files/file_contexts"
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "outer", "sizeMiB": 64},
      {"number": 2, "label": "inner", "sizeMiB": 64}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/inner", "format": "ext4", "path": "/data/one/two"},
      {"device": "/dev/disk/by-partlabel/outer", "format": "ext4", "path": "/data/one"}
    ]
  }
}
END
stage fetch-offline
stage disks
cp /run/ignition/state "$WORK/state"

# From mounted to what stood before the first mount, but for labels, which are wrong in place of absent.
blank_target() {
    setfilecon system_u:object_r:old_t:s0 "$ROOT/data/one" "$ROOT/data/one/two"
    umount "$ROOT/data/one/two"
    rm -rf "$ROOT/data/one/two"
    umount "$ROOT/data/one"
    rm -rf "$ROOT/data" "$ROOT/etc/.kindling-mount-points"
    cp "$WORK/state" /run/ignition/state
}

# What is mounted, what was made with which mode and label, and what the files stage is told.
state() {
    findmnt --raw --noheadings --output TARGET,SOURCE | grep "^$ROOT/data" || true
    find "$ROOT/data" -printf '%p %M %u\n' | sort
    getfilecon "$ROOT/data" "$ROOT/data/one" 2>&1
    [ ! -e "$ROOT/data/one/two" ] || getfilecon "$ROOT/data/one/two"
    sed 's/.*"notatedDirectories":\(\[[^]]*\]\).*/\1/' /run/ignition/state | tr ',[]' '\n' | sort
}

# killed STAGE CALL N [-f]: the stage, killed at its Nth CALL; with -f programs that it runs count too, each by itself.
# Fails when it never comes to that. The log goes to the journal, so that not every line of it is a call.
killed() {
    killed=1
    { IGNITION_CONFIG_FILE=$WORK/config.ign strace -qq ${4:-} -o /dev/null -e "trace=$2" \
        -e "inject=$2:signal=SIGKILL:when=$3" \
        "$IGNITION" --root="$ROOT" --platform=file --stage="$1" "" >/dev/null && killed=0; } 2>/dev/null
    # A program that it had started goes on alone. systemd would end it with the unit.
    while grep -qs "case/roo[t]" /proc/[0-9]*/cmdline; do :; done
    [ $killed = 1 ]
}

declare -A expected
stage mount
expected[mount]=$(state)
stage umount
expected[umount]=$(state)
[ "${expected[mount]}" != "${expected[umount]}" ]

# from STAGE: what the stage finds on its first run.
from() {
    case $1 in
    mount) blank_target ;;
    umount) stage mount >/dev/null 2>&1 ;;
    esac
}

# sweep STAGE CALL STEP [-f]: at the first CALL, STEP calls later… until the stage survives.
tried=0
stage mount
sweep() {
    n=1
    while true; do
        from "$1"
        killed "$1" "$2" $n ${4:-} || break
        when="$1 killed at $2 number $n ${4:-}"
        stage "$1" >"$WORK/again" 2>&1 || {
            echo "$when: the stage refuses its own work" >&2
            cat "$WORK/again" >&2
            return 1
        }
        equals "the target after $when" "$(state)" "${expected[$1]}"
        tried=$((tried + 1))
        n=$((n + $3))
    done
    [ $n -gt 1 ] || {
        echo "$1 makes no call $2" >&2
        return 1
    }
    echo "$1 $2 ${4:-} up to $((n - $3))" >>"$WORK/points"
}
sweep mount mkdirat 1
sweep mount write 5
sweep mount fdatasync 1
sweep mount rename 1
# In front of a program's start, and of the threads that talk to it.
sweep mount clone3 5
sweep mount wait4 2
# The programs' own calls.
sweep mount mount 1 -f
sweep mount setxattr 1 -f
sweep umount umount2 1
sweep umount write 3
sweep umount rename 1
echo "kindling-case: $tried kill points of mounts converged in $SECONDS s: $(tr '\n' ',' <"$WORK/points")" >/dev/console
[ $tried -ge 20 ]
stage umount
