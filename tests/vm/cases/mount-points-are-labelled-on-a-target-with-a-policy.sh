# New directories for mount points, and the roots of file systems that are empty, get their labels from the target's
# policy. What holds something keeps its own.
mkdir -p "$ROOT/etc/selinux/small/contexts/files"
printf 'SELINUX=enforcing\nSELINUXTYPE=small\n' >"$ROOT/etc/selinux/config"
cat >"$ROOT/etc/selinux/small/contexts/files/file_contexts" <<END
/.*	system_u:object_r:default_t:s0
/srv(/.*)?	system_u:object_r:srv_t:s0
/srv/data(/.*)?	system_u:object_r:data_t:s0
/srv/data/deep(/.*)?	system_u:object_r:deep_t:s0
END
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "data", "sizeMiB": 320},
      {"number": 2, "label": "deep", "sizeMiB": 64},
      {"number": 3, "label": "full", "sizeMiB": 64},
      {"number": 4, "label": "exchange", "sizeMiB": 64}
    ]}],
    "filesystems": [
      {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "path": "/srv/data"},
      {"device": "/dev/disk/by-partlabel/deep", "format": "ext4", "path": "/srv/data/inner/deep"},
      {"device": "/dev/disk/by-partlabel/full", "format": "ext4", "path": "/srv/full"},
      {"device": "/dev/disk/by-partlabel/exchange", "format": "vfat", "path": "/srv/exchange"}
    ]
  }
}
END
label() { getfilecon "$ROOT$1" 2>/dev/null | sed 's/.*object_r:\(.*\):s0$/\1/'; }
# The guest's own root has a /srv.
rmdir "$ROOT/srv"
stage fetch-offline
stage disks
mkdir "$WORK/look"
mount /dev/disk/by-partlabel/full "$WORK/look"
echo mine >"$WORK/look/file"
umount "$WORK/look"

stage mount
equals "label of the first directory" "$(label /srv)" srv_t
equals "label of an empty file system" "$(label /srv/data)" data_t
equals "label of a directory in it" "$(label /srv/data/inner)" data_t
equals "label of an empty ext4" "$(label /srv/data/inner/deep)" data_t
equals "label of its lost+found" "$(label /srv/data/inner/deep/lost+found)" data_t
equals "label of a file system with content" "$(label /srv/full)" ""
equals "label of its content" "$(label /srv/full/file)" ""
stage umount
for name in data full exchange; do
    equals "label of the mount point $name" "$(label /srv/$name)" \
        "$([ $name = data ] && echo data_t || echo srv_t)"
done
equals "label of what was there before" "$(label /etc)" ""
