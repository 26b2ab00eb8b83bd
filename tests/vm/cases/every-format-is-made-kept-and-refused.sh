# Each format with label and UUID: made on a blank partition; kept by a second run; refused where label, UUID or type differ,
# with every byte as it was; made anew with leave.
formats="ext4:5a0e1d9c-2f63-4b0e-9e0b-0b4b8f8f1a01 xfs:5a0e1d9c-2f63-4b0e-9e0b-0b4b8f8f1a02 btrfs:5a0e1d9c-2f63-4b0e-9e0b-0b4b8f8f1a03
    swap:5a0e1d9c-2f63-4b0e-9e0b-0b4b8f8f1a04 vfat:5A0E-1A05"
put() {
    partitions= filesystems= n=0
    for pair in $formats none:; do
        n=$((n + 1))
        format=${pair%%:*} uuid=${pair#*:}
        size=120
        [ "$format" != xfs ] || size=320
        partitions="$partitions,{\"number\": $n, \"label\": \"p-$format\", \"sizeMiB\": $size}"
        filesystems="$filesystems,{\"device\": \"/dev/disk/by-partlabel/p-$format\", \"format\": \"$format\", \"wipeFilesystem\": ${wipe-false}"
        [ "$format" = none ] || filesystems="$filesystems, \"label\": \"${label-ONE}\", \"uuid\": \"${other-$uuid}\""
        filesystems="$filesystems}"
    done
    config <<END
{
  "ignition": {"version": "3.7.0-experimental"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [${partitions#,}]}],
    "filesystems": [${filesystems#,}, {"device": "shared", "format": "virtiofs", "path": "/var/shared"}]
  }
}
END
    afresh
}
seen() {
    udevadm settle
    for pair in $formats; do
        blkid -p -o value -s TYPE -s LABEL -s UUID "/dev/disk/by-partlabel/p-${pair%%:*}" | xargs
    done
    wipefs --noheadings /dev/disk/by-partlabel/p-none
}
expected=
for pair in $formats; do
    expected="${expected}ONE ${pair#*:} ${pair%%:*}
"
done
put
stage disks
equals "what is there" "$(seen | tr ' ' '\n' | sort)" "$(printf %s "$expected" | tr ' ' '\n' | sort)"
before=$(writes "$DISK_512")
put
stage disks
equals "sectors written by the same stage again" "$(writes "$DISK_512")" "$before"

label=TWO put
fails stage disks
says '[filesystem-differs]'
says 'with the label "ONE" and the config asks for the label "TWO"'
# All five are told.
[ "$(grep -c 'and the config asks for the label' "$WORK/said")" -ge 4 ]
equals "sectors written by a refusal" "$(writes "$DISK_512")" "$before"
mkfs.ext4 -q -F /dev/disk/by-partlabel/p-none
mkfs.ext4 -q -F /dev/disk/by-partlabel/p-btrfs
before=$(writes "$DISK_512")
put
fails stage disks
says 'it holds a file system or member of type ext4 and the config asks for btrfs'
says 'it holds a file system or member of type ext4 and the config asks for none'
equals "sectors written by a refusal" "$(writes "$DISK_512")" "$before"

wipe=true put
stage disks
equals "what is there" "$(seen | tr ' ' '\n' | sort)" "$(printf %s "$expected" | tr ' ' '\n' | sort)"
mkdir "$WORK/look"
modprobe btrfs
for format in ext4 xfs btrfs vfat; do
    mount -o ro "/dev/disk/by-partlabel/p-$format" "$WORK/look"
    umount "$WORK/look"
done
