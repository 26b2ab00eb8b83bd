# What cases are written with. Each case runs under `bash -eu`: the first command that fails ends it.
#
# DISK_512, DISK_4096  blank disks of 1 GiB with that logical sector size
# WAYS                 two SCSI disks of 512 MiB that are one; no case but those of multipath touches them
# WORK                 an empty folder of the case's own
# ROOT                 a root to provision: this guest's own system, copy on write, with all its users and programs
DISK_512=/dev/disk/by-id/virtio-disk-512
DISK_4096=/dev/disk/by-id/virtio-disk-4096
WAYS="/dev/sda /dev/sdb"
WORK=/run/case
ROOT=$WORK/root
IGNITION=/run/under-test/ignition

prepare() {
    clean_up
    mkdir -p "$WORK"
    mount -t tmpfs tmpfs "$WORK"
    mkdir "$WORK/upper" "$WORK/work" "$ROOT"
    mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/upper,workdir=$WORK/work" "$ROOT"
    mkdir -p "${IGNITION%/*}"
    ln -sfn "$HERE/bin/kindling" "$IGNITION"
    blank "$DISK_512"
    blank "$DISK_4096"
}

clean_up() {
    for _ in 1 2 3 4 5 6 7 8; do
        umount --recursive "$WORK" 2>/dev/null || break
    done
    rm -rf "$WORK" /run/ignition /run/ignition.json /run/kindling
    take_down
}

# take_down: no mapping and no array of this guest is left.
take_down() {
    dmsetup remove_all --force >/dev/null 2>&1 || true
    mdadm --stop --scan >/dev/null 2>&1 || true
}

# blank DISK: no data, no signatures, no partitions.
blank() {
    blkdiscard --force "$1"
    blockdev --rereadpt "$1"
    udevadm settle
}

# config <<END: the case's config, from standard input.
config() {
    cat >"$WORK/config.ign"
}

# stage NAME: runs one stage as its unit would, trailing empty argument included.
stage() {
    IGNITION_CONFIG_FILE=$WORK/config.ign "$IGNITION" --root="$ROOT" --platform=file --stage="$1" \
        --log-to-stdout ""
}

# boot: all stages of a first boot without a network, in order.
boot() {
    for name in fetch-offline kargs disks mount files umount; do
        stage "$name"
    done
}

# afresh: the stages begin as after a boot: no cached config, no state.
afresh() {
    rm -rf /run/ignition /run/ignition.json /run/kindling
    stage fetch-offline
}

# points: at how many random moments a case is to be killed.
points() {
    cat "$HERE/points"
}

# fails COMMAND…: succeeds when the command fails; its output goes to $WORK/said as well.
fails() {
    if "$@" 2>&1 | tee "$WORK/said"; then
        echo "should have failed: $*" >&2
        return 1
    fi
}

# says TEXT: the last command given to `fails` said this.
says() {
    grep --fixed-strings --quiet -- "$1" "$WORK/said" || {
        echo "not said: $1" >&2
        return 1
    }
}

# equals WHAT ACTUAL EXPECTED
equals() {
    [ "$2" = "$3" ] || {
        echo "$1: got '$2', expected '$3'" >&2
        return 1
    }
}

# partitions DISK: number, start and size in 512-byte units of each partition, as the kernel shows them.
partitions() {
    local disk part
    disk=$(basename "$(readlink -f "$1")")
    for part in /sys/block/"$disk"/"$disk"*/; do
        if [ -e "$part/partition" ]; then
            echo "$(cat "$part/partition") $(cat "$part/start") $(cat "$part/size")"
        fi
    done | sort --numeric-sort
}

# writes DISK: sectors written to it since this guest started. Two equal answers mean that nothing touched the disk.
writes() {
    sync
    read -r _ _ _ _ _ _ sectors _ <"/sys/block/$(basename "$(readlink -f "$1")")/stat"
    echo "$sectors"
}

# becomes_four_partitions DISK: a first boot on a blank disk, looked at from outside; then the stage once more.
becomes_four_partitions() {
    disk=$1
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$disk", "partitions": [
      {"number": 1, "label": "data", "sizeMiB": 512},
      {"number": 2, "label": "state", "sizeMiB": 128},
      {"number": 3, "label": "swap", "sizeMiB": 64},
      {"number": 4, "label": "exchange", "sizeMiB": 0}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "label": "data", "path": "/var/lib/data"},
      {"device": "/dev/disk/by-partlabel/state", "format": "ext4", "label": "state", "path": "/var/lib/state"},
      {"device": "/dev/disk/by-partlabel/swap", "format": "swap", "label": "swap"},
      {"device": "/dev/disk/by-partlabel/exchange", "format": "vfat", "label": "EXCHANGE"}
    ],
    "files": [{"path": "/var/lib/data/marker", "mode": 384, "contents": {"source": "data:,on%20the%20disk"}}]
  }
}
END
    boot
    for pair in data:xfs state:ext4 swap:swap exchange:vfat; do
        device=/dev/disk/by-partlabel/${pair%:*}
        equals "$device" "$(blkid --probe --match-tag TYPE --output value "$device")" "${pair#*:}"
    done
    # Nothing is left mounted, and the file is on the disk, not beneath the mount point.
    fails mountpoint "$ROOT/var/lib/data"
    [ ! -e "$ROOT/var/lib/data/marker" ]
    mkdir "$WORK/look"
    mount -o ro /dev/disk/by-partlabel/data "$WORK/look"
    equals "the marker" "$(cat "$WORK/look/marker")" "on the disk"
    equals "its mode" "$(stat -c %a "$WORK/look/marker")" 600
    umount "$WORK/look"

    before=$(writes "$disk")
    stage disks
    equals "sectors written by the same stage again" "$(writes "$disk")" "$before"
}

# with_boot DISK TYPE FORMAT: a disk with a root and a file system for boot entries, and a kernel that was started from it.
# `helped COMMAND…` runs what calls the hook. The machine that is told to boot again says so in $WORK/boots, and ends the hook.
with_boot() {
    boot_disk=$1 boot_type=$2 boot_format=$3
    printf 'label: gpt\nsize=64M, type=%s, name=boot-part\nsize=64M, name=root-part\n' "$boot_type" |
        sfdisk --quiet --wipe always "$boot_disk"
    udevadm settle
    new_boot_file_system
    echo "BOOT_IMAGE=/vmlinuz root=PARTLABEL=root-part ro quiet" >"$WORK/cmdline"
    mkdir -p "$WORK/bin" "$WORK/look"
    ln -sfn "$HERE/bin/kindling" "$WORK/bin/ignition-kargs-helper"
    printf '#!/bin/sh\necho "$@" >>%s/boots\nkill $PPID\n' "$WORK" >"$WORK/bin/systemctl"
    chmod 755 "$WORK/bin/systemctl"
    : >"$WORK/boots"
}

new_boot_file_system() {
    case $boot_format in
    vfat) mkfs.fat -n BOOT-FS /dev/disk/by-partlabel/boot-part >/dev/null ;;
    ext4) mkfs.ext4 -q -F -O ^has_journal -L boot /dev/disk/by-partlabel/boot-part ;;
    esac
    udevadm trigger --settle "$(readlink -f /dev/disk/by-partlabel/boot-part)"
}

helped() {
    PATH=$WORK/bin:$PATH IGNITION_KERNEL_CMDLINE_PATH=$WORK/cmdline "$@"
}

# in_boot COMMAND…: a command in the file system with the boot entries.
in_boot() {
    mount /dev/disk/by-partlabel/boot-part "$WORK/look"
    (cd "$WORK/look" && "$@") || { umount "$WORK/look"; return 1; }
    umount "$WORK/look"
}

# entry NAME OPTIONS: writes a boot entry.
entry() {
    mkdir -p loader/entries
    printf 'title Debian\nversion 6.1\nlinux /vmlinuz\ninitrd /initrd\noptions %s\n' "$2" >"loader/entries/$1.conf"
}

# options NAME: the arguments of a boot entry.
options() {
    sed -n 's/^options //p' "loader/entries/$1.conf"
}
