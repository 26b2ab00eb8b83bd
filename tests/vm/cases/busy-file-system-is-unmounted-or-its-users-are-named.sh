# The umount stage waits for a file system to become idle. One that stays busy is a failure that names who uses it.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "ext4", "path": "/var/lib/data"}],
    "files": [{"path": "/var/lib/data/marker", "contents": {"source": "data:,x"}}]
  }
}
END
stage fetch-offline
stage disks
stage mount
stage files
data=$ROOT/var/lib/data

# Whoever ends within the time is no obstacle.
sleep 1.5 <"$data/marker" &
stage umount >"$WORK/waited" 2>&1
grep -q "/var/lib/data is busy: trying again" "$WORK/waited"
fails mountpoint -q "$data"
wait

# An open file, and a working directory.
stage mount
tail -f "$data/marker" >/dev/null &
tail=$!
(cd "$data" && exec sleep 300) &
sleep=$!
until [ "$(readlink "/proc/$sleep/cwd")" = "$data" ] && [ "$(cat "/proc/$sleep/comm")" = sleep ] &&
    ls -l "/proc/$tail/fd" | grep -q "$data/marker"; do
    kill -0 $tail $sleep
done
fails stage umount
says "in stage umount [unmount-failed]"
says "where: config of platform file:"
says ", /storage/filesystems/0"
says "cannot unmount /var/lib/data: still used by "
says "tail (pid $tail)"
says "sleep (pid $sleep)"
says "next:  end what is named here"
mountpoint -q "$data"
kill $tail $sleep
wait $tail $sleep || true

# What the kernel itself uses: a mount, a swap file, a loop device.
mkdir "$data/inner"
mount -t tmpfs inner "$data/inner"
fallocate -l 16M "$data/swap file"
chmod 600 "$data/swap file"
mkswap -q "$data/swap file"
swapon "$data/swap file"
truncate -s 16M "$data/image"
loop=$(losetup --find --show "$data/image")
fails stage umount
says "cannot unmount /var/lib/data: still used by the file system mounted at /var/lib/data/inner, the swap file \
/var/lib/data/swap file, $loop on the file /var/lib/data/image"
losetup --detach "$loop"
swapoff "$data/swap file"
umount "$data/inner"

# Then it goes.
stage umount
fails mountpoint -q "$data"
[ ! -e /run/kindling/failure.json ]
