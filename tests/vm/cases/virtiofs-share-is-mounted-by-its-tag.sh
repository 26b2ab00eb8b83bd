# A share of the host is mounted by its tag: it is not a device to wait for, and nothing is made on it.
config <<END
{
  "ignition": {"version": "3.7.0-experimental"},
  "storage": {
    "filesystems": [{"device": "case-share", "format": "virtiofs", "path": "/srv/shared", "mountOptions": ["nosuid"]}],
    "files": [{"path": "/srv/shared/from-the-guest", "mode": 416, "contents": {"source": "data:,from%20the%20guest"}}]
  }
}
END
for name in fetch-offline disks mount; do
    stage $name
done
equals "what is mounted" "$(findmnt -n -o FSTYPE,SOURCE "$ROOT/srv/shared")" "virtiofs case-share"
equals "what the host put there" "$(cat "$ROOT/srv/shared/from-the-host")" "from the host"
findmnt -n -o OPTIONS "$ROOT/srv/shared" | grep -q nosuid
# Again: it is known by its tag, and not mounted twice.
stage mount
equals "mounts there" "$(findmnt -n -o FSTYPE "$ROOT/srv/shared" | wc -l)" 1
stage files
stage umount
fails mountpoint -q "$ROOT/srv/shared"
[ ! -e "$ROOT/srv/shared/from-the-guest" ]
mkdir "$WORK/look"
mount -t virtiofs case-share "$WORK/look"
equals "the file on the host" "$(stat -c '%a %u' "$WORK/look/from-the-guest") $(cat "$WORK/look/from-the-guest")" "640 0 from the guest"
# Something else with the tag as its source is not taken for the share.
mount -t tmpfs case-share "$ROOT/srv/shared"
stage umount
mountpoint -q "$ROOT/srv/shared"
umount "$ROOT/srv/shared" "$WORK/look"
