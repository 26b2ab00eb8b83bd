# A file system may be the root itself, and two may have one path: the later lies over the earlier, deeper ones on top.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "deep", "sizeMiB": 320},
      {"number": 2, "label": "below", "sizeMiB": 128},
      {"number": 3, "label": "above", "sizeMiB": 128},
      {"number": 4, "label": "newroot", "sizeMiB": 128},
      {"number": 5, "label": "never", "sizeMiB": 64}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/deep", "format": "xfs", "path": "/srv/data/deep"},
      {"device": "/dev/disk/by-partlabel/below", "format": "ext4", "label": "below", "path": "/srv/data"},
      {"device": "/dev/disk/by-partlabel/above", "format": "ext4", "label": "above", "path": "/srv/data"},
      {"device": "/dev/disk/by-partlabel/newroot", "format": "ext4", "path": "/", "mountOptions": ["noatime"]},
      {"device": "/dev/disk/by-partlabel/never", "format": "swap", "path": "/never"}
    ],
    "files": [{"path": "/srv/data/deep/marker", "contents": {"source": "data:,deep"}},
              {"path": "/srv/data/marker", "contents": {"source": "data:,above"}}]
  }
}
END
mounts() {
    findmnt --raw --noheadings --output TARGET,SOURCE | grep "^$ROOT" | grep -v "^$ROOT overlay" | sed "s,$ROOT,," |
        sed "s,^ ,/ ," | while read -r at node; do echo "$at $(lsblk -n -o PARTLABEL "$node")"; done
}
expected="/ newroot
/srv/data below
/srv/data above
/srv/data/deep deep"

stage fetch-offline
stage disks
stage mount
equals "what is mounted" "$(mounts)" "$expected"
equals "what was made" "$(sed 's/.*"notatedDirectories":\(\[[^]]*\]\).*/\1/' /run/ignition/state)" \
    '["/srv","/srv/data","/srv/data/deep"]'
# Again: nothing is mounted a second time.
stage mount
equals "what is mounted after a second run" "$(mounts)" "$expected"
# A run that was killed between the two at one path.
umount "$ROOT/srv/data/deep"
umount "$ROOT/srv/data"
stage mount
equals "what is mounted after a run from the middle" "$(mounts)" "$expected"
stage files
stage umount
equals "what is left" "$(mounts)" ""
# The root that was there before has nothing of it, and is what is seen again.
[ ! -e "$ROOT/srv/data" ]
[ -e "$ROOT/usr/bin/env" ]
mkdir "$WORK/look"
mount /dev/disk/by-partlabel/newroot "$WORK/look"
[ -e "$WORK/look/etc/.ignition-result.json" ]
[ ! -e "$WORK/look/etc/.kindling-mount-points" ]
equals "what lies in the mount point" "$(ls "$WORK/look/srv/data")" ""
umount "$WORK/look"
mount /dev/disk/by-partlabel/above "$WORK/look"
equals "the file above" "$(cat "$WORK/look/marker")" above
umount "$WORK/look"
# Half unmounted, it ends unmounted.
stage mount
umount "$ROOT/srv/data/deep"
umount "$ROOT/srv/data"
stage umount
equals "what is left of the rest" "$(mounts)" ""
