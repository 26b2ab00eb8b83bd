# A table and file systems on it.
look() {
    table
    for name in data state swap exchange kept; do
        content "/dev/disk/by-partlabel/$name"
    done
    fsck.ext4 -nf /dev/disk/by-partlabel/state >/dev/null 2>&1 || echo "state is not clean"
    fsck.ext4 -nf /dev/disk/by-partlabel/kept >/dev/null 2>&1 || echo "kept is not clean"
    xfs_repair -n /dev/disk/by-partlabel/data >/dev/null 2>&1 || echo "data is not clean"
    fsck.fat -n /dev/disk/by-partlabel/exchange >/dev/null 2>&1 || echo "exchange is not clean"
}
