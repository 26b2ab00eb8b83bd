# A damaged table stops the stage before its first write, and `wipeTable` makes a table of it whatever is there.
# What is asked of both disks, once without leave to erase and once with it.
for disk in "$DISK_512" "$DISK_4096"; do
    name=$(basename "$disk")
    for wipe in false true; do
        config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"disks": [{"device": "$disk", "wipeTable": $wipe,
                         "partitions": [{"number": 1, "label": "fresh", "sizeMiB": 64}]}]}
}
END
        rm -rf /run/ignition /run/ignition.json
        stage fetch-offline
        cp /run/ignition.json "$WORK/$name.$wipe.json"
    done
done

# usable DISK: a table with three partitions.
usable() {
    blank "$1"
    printf 'label: gpt\nsize=64M, name=one\nsize=64M, name=two\nsize=64M, name=three\n' | sfdisk --quiet "$1"
    udevadm settle
}

# overwrite DISK SECTOR COUNT: with what is no table. A negative sector is from the end.
overwrite() {
    local first=$2
    [ "$first" -ge 0 ] || first=$((first + $(blockdev --getsize64 "$1") / sector))
    head -c $(($3 * sector)) /dev/urandom |
        dd of="$1" bs="$sector" seek="$first" conv=notrunc,fsync iflag=fullblock status=none
}

both_headers() {
    usable "$1"
    overwrite "$1" 1 1
    overwrite "$1" -1 1
}

# One letter of a label in each copy.
both_arrays() {
    usable "$1"
    printf x | dd of="$1" bs=1 seek=$((2 * sector + 56)) conv=notrunc,fsync status=none
    printf x | dd of="$1" bs=1 seek=$(($(blockdev --getsize64 "$1") - sector - 16384 + 56)) conv=notrunc,fsync status=none
}

both_copies() {
    usable "$1"
    overwrite "$1" 1 $((1 + 16384 / sector))
    overwrite "$1" $((-1 - 16384 / sector)) $((1 + 16384 / sector))
}

primary_and_mbr_of_dos() {
    usable "$1"
    overwrite "$1" 1 1
    printf 'label: dos\nsize=64M, type=83\n' | sfdisk --quiet --wipe never "$1"
    udevadm settle
}

fat() {
    mkfs.fat -I "$1" >/dev/null
}

ext4() {
    mkfs.ext4 -q -F "$1"
}

# The table of the other disk, which has sectors of another size, and as many bytes.
of_other_sectors() {
    local other=$DISK_512 end
    [ "$1" != "$DISK_512" ] || other=$DISK_4096
    usable "$other"
    end=$(($(blockdev --getsize64 "$1") / 1048576 - 1))
    dd if="$other" of="$1" bs=1M count=1 conv=notrunc,fsync status=none
    dd if="$other" of="$1" bs=1M skip=$end seek=$end conv=notrunc,fsync status=none
    blank "$other"
}

# The same without sector 0: neither Linux nor blkid sees a table.
of_other_sectors_without_mbr() {
    of_other_sectors "$1"
    dd if=/dev/zero of="$1" bs=512 count=1 conv=notrunc,fsync status=none
}

# Where tables and the marks of file systems are.
content() {
    { head -c 2M "$1"; tail -c 2M "$1"; } | sha256sum
}

# check DISK DAMAGE CODE: refused with the code and left alone; then wiped.
check() {
    local disk=$1 name what="$2 on $1" before written
    name=$(basename "$disk")
    sector=$(blockdev --getss "$disk")
    $2 "$disk"
    udevadm settle
    before=$(content "$disk") written=$(writes "$disk")

    cp "$WORK/$name.false.json" /run/ignition.json
    fails stage disks
    says "$3"
    equals "content after a refusal: $what" "$(content "$disk")" "$before"
    equals "sectors written by a refusal: $what" "$(writes "$disk")" "$written"

    cp "$WORK/$name.true.json" /run/ignition.json
    stage disks
    udevadm settle
    equals "partitions: $what" "$(partitions "$disk")" "1 2048 131072"
    equals "the label: $what" "$(readlink -f /dev/disk/by-partlabel/fresh)" "$(readlink -f "$disk")1"
    sfdisk --verify "$disk" 2>&1 | tee "$WORK/said"
    says "No errors detected"
    equals "marks: $what" "$(wipefs --noheadings --output TYPE "$disk" | tr -d ' ' | sort | tr '\n' ' ')" "PMBR gpt gpt "
    # The next boot sees the same.
    blockdev --rereadpt "$disk"
    udevadm settle
    equals "partitions later: $what" "$(partitions "$disk")" "1 2048 131072"
    blank "$disk"
}

check "$DISK_512" both_headers table-damaged
check "$DISK_512" both_copies table-damaged
check "$DISK_512" primary_and_mbr_of_dos table-not-gpt
check "$DISK_512" fat table-not-gpt
check "$DISK_512" of_other_sectors table-damaged
check "$DISK_4096" both_arrays table-damaged
check "$DISK_4096" both_copies table-damaged
check "$DISK_4096" ext4 disk-has-data
check "$DISK_4096" of_other_sectors table-damaged
check "$DISK_4096" of_other_sectors_without_mbr table-damaged

# Without a partition there is nothing afterwards, whatever was there.
of_other_sectors "$DISK_4096"
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"disks": [{"device": "$DISK_4096", "wipeTable": true}]}
}
END
rm -rf /run/ignition /run/ignition.json
stage fetch-offline
stage disks
udevadm settle
equals "marks of a wiped disk" "$(wipefs --noheadings --output TYPE "$DISK_4096")" ""
equals "partitions of a wiped disk" "$(partitions "$DISK_4096")" ""
