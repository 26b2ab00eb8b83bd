# Old signatures come back to haunt: the backup of a table that once was on the partition stands at its end, behind a file
# system. With leave to erase all of it goes.
printf 'label: gpt\nsize=400M, name=data\n' | sfdisk --quiet "$DISK_512"
udevadm settle
node=$(readlink -f /dev/disk/by-partlabel/data)
mkfs.ext4 -q -F "$node"
truncate --size "$(blockdev --getsize64 "$node")" "$WORK/table"
printf 'label: gpt\nsize=64M\n' | sfdisk --quiet "$WORK/table"
tail -c 16896 "$WORK/table" | dd of="$node" bs=512 seek=$(($(blockdev --getsz "$node") - 33)) conv=notrunc status=none
udevadm settle
tail -c 512 "$node" | grep -q 'EFI PART'
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "xfs"}]}
}
END
stage fetch-offline
before=$(writes "$DISK_512")
fails stage disks
equals "sectors written without leave" "$(writes "$DISK_512")" "$before"

config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [{"device": "/dev/disk/by-partlabel/data", "format": "xfs", "wipeFilesystem": true}]}
}
END
rm -rf /run/ignition /run/ignition.json
stage fetch-offline
stage disks
udevadm settle
equals "all signatures" "$(wipefs --noheadings --output TYPE "$node")" xfs
fails sh -c "tail -c 512 '$node' | grep 'EFI PART'"
xfs_repair -n "$node" >/dev/null 2>&1
