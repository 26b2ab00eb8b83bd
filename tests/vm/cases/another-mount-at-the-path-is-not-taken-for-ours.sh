# Something else is mounted where the config wants its file system: ours is mounted over it, and only ours is taken away.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "path": "/var/lib/data"}
    ],
    "files": [{"path": "/var/lib/data/marker", "contents": {"source": "data:,ours"}}]
  }
}
END
stage fetch-offline
stage disks
mkdir -p "$ROOT/var/lib/data"
mount -t tmpfs foreign "$ROOT/var/lib/data"
stage mount
equals "what is seen there" "$(findmnt -n -o FSTYPE "$ROOT/var/lib/data" | tail -n 1)" xfs
# Again: this time it is ours, and it is not mounted twice.
stage mount
equals "mounts there" "$(findmnt -n -o FSTYPE "$ROOT/var/lib/data" | wc -l)" 2
stage files
stage umount
equals "what is left there" "$(findmnt -n -o FSTYPE "$ROOT/var/lib/data")" tmpfs
[ ! -e "$ROOT/var/lib/data/marker" ]
# Nothing of ours is mounted any more: no error, and the foreign mount stays.
stage umount
mountpoint -q "$ROOT/var/lib/data"
umount "$ROOT/var/lib/data"
