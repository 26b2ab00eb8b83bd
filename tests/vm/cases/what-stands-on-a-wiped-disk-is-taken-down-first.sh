# A disk full of history: an array of two partitions, a volume group on it with two volumes, one of them an open LUKS volume;
# and an array of the whole other disk. Where the config lets all of it go it goes, from the top; where anything is mounted,
# or the config gives no leave, nothing is touched.
history() {
    take_down
    blank "$DISK_512"
    blank "$DISK_4096"
    printf 'label: gpt\nsize=200M, name=a\nsize=200M, name=b\nsize=64M, name=c\n' | sfdisk --quiet "$DISK_512"
    udevadm settle
    mdadm --create /dev/md/old --run --level 1 --raid-devices 2 --assume-clean --homehost any \
        /dev/disk/by-partlabel/a /dev/disk/by-partlabel/b 2>/dev/null
    udevadm settle
    vgcreate --yes --quiet --quiet old /dev/md/old
    lvcreate --yes --quiet --quiet --size 64M --name plain old
    lvcreate --yes --quiet --quiet --size 64M --name crypt old
    mkfs.ext4 -q /dev/old/plain
    printf key | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - /dev/old/crypt
    printf key | cryptsetup luksOpen --key-file - /dev/old/crypt secrets
    mkfs.ext4 -q -F /dev/disk/by-partlabel/c
    udevadm settle
}
wiping() {
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "wipeTable": ${table-true}, "partitions": [
      {"number": 1, "label": "data", "sizeMiB": 320, "wipePartitionEntry": true},
      {"number": 2, "label": "state", "sizeMiB": 64, "wipePartitionEntry": true}${more-}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "xfs"${wipe-}},
                    {"device": "/dev/disk/by-partlabel/state", "format": "ext4"${wipe-}}]
  }
}
END
    afresh
}
is_new() {
    udevadm settle
    equals "what is on data" "$(wipefs --noheadings --output TYPE /dev/disk/by-partlabel/data)" xfs
    equals "what is on state" "$(wipefs --noheadings --output TYPE /dev/disk/by-partlabel/state)" ext4
    equals "mappings" "$(ls /dev/mapper | xargs)" control
    # Not in /sys: who opens the node of an array that was just stopped, as udev may, makes an empty one of that number.
    equals "arrays" "$(grep '^md' /proc/mdstat || true)" ""
}

echo "# refused while a volume at the top is mounted"
history
mkdir "$WORK/mnt"
mount /dev/old/plain "$WORK/mnt"
wiping
before=$(writes "$DISK_512")
fails stage disks
says "[table-in-use]"
umount "$WORK/mnt"
equals "the volumes" "$(ls /dev/mapper | xargs)" "control old-crypt old-plain secrets"

echo "# refused without leave"
table=false
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [{"device": "/dev/disk/by-partlabel/a", "format": "ext4"}]}
}
END
afresh
fails stage disks
says "[filesystem-differs]"
equals "the volumes" "$(ls /dev/mapper | xargs)" "control old-crypt old-plain secrets"

echo "# with wipePartitionEntry"
more=', {"number": 3, "label": "c", "shouldExist": true}'
wiping
"$HERE/bin/kindling" plan "$WORK/config.ign" | tee "$WORK/plan"
grep -q 'secrets: remove the mapping' "$WORK/plan"
grep -q 'stop the array' "$WORK/plan"
stage disks
is_new
# What the config does not take away is as it was.
equals "the third" "$(blkid -p -s TYPE -o value /dev/disk/by-partlabel/c)" ext4

echo "# with wipeTable"
history
table=true more=
wiping
stage disks
is_new

echo "# a whole disk that is a member, and file systems that may wipe"
history
mdadm --create /dev/md/whole --run --force --level 1 --raid-devices 1 --homehost any "$DISK_4096" 2>/dev/null
mkfs.ext4 -q /dev/md/whole
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [
    {"device": "$DISK_4096", "format": "ext4", "label": "w", "wipeFilesystem": true},
    {"device": "/dev/disk/by-partlabel/b", "format": "ext4", "label": "b", "wipeFilesystem": true}
  ]}
}
END
afresh
stage disks
udevadm settle
equals "on the whole disk" "$(wipefs --noheadings --output TYPE,LABEL "$DISK_4096" | xargs)" "ext4 w"
equals "on the member" "$(wipefs --noheadings --output TYPE,LABEL /dev/disk/by-partlabel/b | xargs)" "ext4 b"
equals "the other member" "$(blkid -p -s TYPE -o value /dev/disk/by-partlabel/a)" linux_raid_member
