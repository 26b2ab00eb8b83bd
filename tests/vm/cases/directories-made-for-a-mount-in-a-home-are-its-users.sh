# A mount point below a home: the directories made for it go to the user, also when power was cut behind the mount stage
# and all that it had left in /run is gone.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "passwd": {"users": [
    {"name": "ada", "uid": 2201, "homeDir": "/var/home/ada"},
    {"name": "bob", "uid": 2202, "homeDir": "/var/home/bob"}
  ]},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "xfs", "path": "/var/home/ada/work/data"}]
  }
}
END
stage fetch-offline
stage disks
stage mount
grep -q "/var/home/ada/work/data" "$ROOT/etc/.kindling-mount-points"
equals "owner before there is a user" "$(stat -c '%u %a' "$ROOT/var/home/ada/work")" "0 755"
umount "$ROOT/var/home/ada/work/data"
rm -rf /run/ignition /run/ignition.json /run/kindling
boot
for at in "" /work; do
    equals "owner of the home's $at" "$(stat -c '%u %g %a' "$ROOT/var/home/ada$at")" "2201 2201 700"
done
equals "owner of what is above" "$(stat -c '%u %a' "$ROOT/var/home")" "0 755"
[ ! -e "$ROOT/etc/.kindling-mount-points" ]
mkdir "$WORK/look"
mount -o ro /dev/disk/by-partlabel/data "$WORK/look"
equals "owner of the file system's root" "$(stat -c '%u %a' "$WORK/look")" "2201 700"
umount "$WORK/look"
