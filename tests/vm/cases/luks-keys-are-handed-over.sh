# What the files stage does with encrypted volumes: keys, crypttab and the unfinished mark, on real LUKS2 headers. The
# case makes the volumes as the disks stage leaves them.
mark=kindling:0123456789abcdef0123456789abcdef

put_config() {
    config <<JSON
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "luks": [
      {"name": "data", "device": "$DISK_512"},
      {"name": "more", "device": "$DISK_4096", "label": "größe 1 "}
    ],
    "files": [{"path": "/etc/beside", "contents": {"source": "data:,beside"}}]
  }
}
JSON
    rm -rf /run/ignition /run/ignition.json
    stage fetch-offline
    cp /run/ignition/state "$WORK/state"
}

# volume DISK KEY LABEL: a new volume, marked. The key must be cheap to use: nobody waits for emulated key stretching.
volume() {
    printf %s "$2" | cryptsetup luksFormat --batch-mode --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
        --label "$3" --subsystem "$mark" --key-file - "$1"
}

# as_made KEY: the volumes and the state as the disks stage leaves them, and a root that nothing was written to. The keys
# are KEY and KEY-more.
as_made() {
    umount "$ROOT"
    rm -rf "$WORK/upper" "$WORK/work"
    mkdir "$WORK/upper" "$WORK/work"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$ROOT"
    printf '# mine\nold UUID=1 none' >"$ROOT/etc/crypttab"
    volumes_anew "$1"
}

volumes_anew() {
    volume "$DISK_512" "$1" "of the options"
    volume "$DISK_4096" "$1-more" "größe 1 "
    keys="{\"data\":\"data:;base64,$(printf %s "$1" | base64)\",\"more\":\"data:;base64,$(printf %s "$1-more" | base64)\"}"
    sed "s|\"luksPersistKeyFiles\":null|\"luksPersistKeyFiles\":$keys|" "$WORK/state" >/run/ignition/state
    grep -q luksPersistKeyFiles.*base64 /run/ignition/state
    uuid_data=$(cryptsetup luksUUID "$DISK_512")
    uuid_more=$(cryptsetup luksUUID "$DISK_4096")
}

# subsystem DISK: as blkid reads it, empty if there is none.
subsystem() {
    blkid --probe --match-tag SUBSYSTEM --output value "$1" || true
}

# header DISK: label and subsystem, by cryptsetup's own reading.
header() {
    cryptsetup luksDump "$1" | grep -E '^(Label|Subsystem):' | tr -s '\t ' ' ' | tr '\n' ';'
}

# handed_over KEY WHEN
handed_over() {
    equals "directory $2" "$(stat -c '%a %U %G' "$ROOT/etc/luks")" "700 root root"
    for name in data more; do
        equals "access of $name $2" "$(stat -c '%a %U %G' "$ROOT/etc/luks/$name")" "600 root root"
    done
    equals "the key $2" "$(cat "$ROOT/etc/luks/data")" "$1"
    equals "the other key $2" "$(cat "$ROOT/etc/luks/more")" "$1-more"
    equals "crypttab $2" "$(cat "$ROOT/etc/crypttab")" "# mine
old UUID=1 none
data UUID=$uuid_data /etc/luks/data luks,x-initrd.attach
more UUID=$uuid_more /etc/luks/more luks,x-initrd.attach"
    equals "access of crypttab $2" "$(stat -c %a "$ROOT/etc/crypttab")" 600
    equals "the header $2" "$(header "$DISK_512")" "Label: of the options;Subsystem: (no subsystem);"
    equals "the other header $2" "$(header "$DISK_4096")" "Label: größe 1 ;Subsystem: (no subsystem);"
    if grep -q base64 /run/ignition/state; then
        echo "a key is left in the state $2" >&2
        return 1
    fi
    # They do open the volumes.
    cryptsetup open --test-passphrase --key-file "$ROOT/etc/luks/data" "$DISK_512"
    cryptsetup open --test-passphrase --key-file "$ROOT/etc/luks/more" "$DISK_4096"
}

put_config

# One of them is in use, as the mount stage may leave it.
as_made hush-first
equals "the header as made" "$(header "$DISK_4096")" "Label: größe 1 ;Subsystem: $mark;"
printf hush-first | cryptsetup open --key-file - "$DISK_512" data
stage files >"$WORK/said" 2>&1
handed_over hush-first "the first time"
cryptsetup close data
if grep -q -e hush -e aHVza "$WORK/said" /run/kindling/* "$ROOT/var/lib/kindling/journal"; then
    echo "a key is shown" >&2
    return 1
fi
# systemd reads the lines.
SYSTEMD_CRYPTTAB="$ROOT/etc/crypttab" /usr/lib/systemd/system-generators/systemd-cryptsetup-generator \
    "$WORK" "$WORK" "$WORK"
grep -q "^SourcePath=$ROOT/etc/crypttab" "$WORK/systemd-cryptsetup@more.service"
grep -q "'/dev/disk/by-uuid/$uuid_more' '/etc/luks/more' 'luks,x-initrd.attach'" "$WORK/systemd-cryptsetup@more.service"

# Once more: nothing is written.
written() {
    echo "$(writes "$DISK_512") $(writes "$DISK_4096")"
    stat -c '%n %i %Y' "$ROOT"/etc/luks/* "$ROOT/etc/crypttab" "$ROOT/var/lib/kindling/journal"
}
before=$(written)
stage files
equals "sectors and files after the stage again" "$(written)" "$before"

# killed CALL N: the stage, killed when it makes CALL for the Nth time. Fails when it never does.
killed() {
    ! IGNITION_CONFIG_FILE=$WORK/config.ign strace -qq -o /dev/null -e "trace=$1" -e "inject=$1:signal=SIGKILL:when=$2" \
        "$IGNITION" --root="$ROOT" --platform=file --stage=files --log-to-stdout "" >/dev/null 2>&1
}

# Where a header has lost its mark, everything that opens the volume is there.
consistent() {
    if [ "$(subsystem "$DISK_512")" != "$mark" ]; then
        equals "the key behind a finished volume, $1" "$(cat "$ROOT/etc/luks/data")" hush-first
        grep -q "^data UUID=$uuid_data " "$ROOT/etc/crypttab"
        [ -e "$ROOT/etc/.ignition-result.json" ]
    fi
}

tried=0
for at in mkdirat:1 renameat:1 renameat:2 renameat:3 renameat:4 renameat:5 syncfs:1 syncfs:2 syncfs:4 fdatasync:1 \
    clone3:3 clone3:7 clone3:8; do
    as_made hush-first
    if killed "${at%:*}" "${at#*:}"; then
        when="after a kill at $at"
        consistent "$when"
        # Either the stage runs once more, or the power was cut and the volumes are made anew.
        key=hush-first
        if [ $((tried % 2)) = 1 ] && [ "$(subsystem "$DISK_512")" = "$mark" ]; then
            key=hush-second
            volumes_anew "$key"
        fi
        stage files >"$WORK/again" 2>&1 || {
            echo "$when: the stage refuses its own work" >&2
            cat "$WORK/again" >&2
            return 1
        }
        handed_over "$key" "$when"
        tried=$((tried + 1))
    fi
done
echo "kindling-case: $tried kill points of the files stage converged" >/dev/console
[ $tried -ge 10 ]

# A device without a volume is told with its place, and nothing is written.
as_made hush-first
blank "$DISK_4096"
fails stage files
says "[volume-absent]"
says "/storage/luks/1/device"
[ ! -e "$ROOT/etc/luks" ]
[ ! -e "$ROOT/etc/beside" ]
