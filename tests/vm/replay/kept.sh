# A disk that holds somebody's data, of which one partition stays, one is replaced, one goes and one grows. Number 7 is
# not in the config.
prepare() {
    sfdisk --quiet "$DEVICE" <<END_OF_TABLE
label: gpt
1: start=2048, size=32768, name=data
2: start=34816, size=16384, name=replaced
3: start=51200, size=16384, name=gone
4: start=131072, size=32768, name=grown
7: start=262144, size=8192, name=other
END_OF_TABLE
    udevadm settle
    mkfs.ext4 -q -L data /dev/disk/by-partlabel/data
    for name in replaced gone grown; do
        mkfs.ext4 -q -L "$name" "/dev/disk/by-partlabel/$name"
    done
    dd if=/dev/urandom of=/dev/disk/by-partlabel/other bs=1M count=4 status=none
    mount /dev/disk/by-partlabel/data /mnt
    dd if=/dev/urandom of=/mnt/file bs=1M count=2 status=none
    umount /mnt
}

look() {
    table
    md5sum </dev/disk/by-partlabel/data
    head -c 16M /dev/disk/by-partlabel/grown | md5sum
    md5sum </dev/disk/by-partlabel/other
    for name in data replaced grown new last; do
        content "/dev/disk/by-partlabel/$name"
    done
    fsck.ext4 -nf /dev/disk/by-partlabel/new >/dev/null 2>&1 || echo "new is not clean"
    fsck.fat -n /dev/disk/by-partlabel/replaced >/dev/null 2>&1 || echo "replaced is not clean"
    btrfs check --readonly /dev/disk/by-partlabel/last >/dev/null 2>&1 || echo "last is not clean"
}
