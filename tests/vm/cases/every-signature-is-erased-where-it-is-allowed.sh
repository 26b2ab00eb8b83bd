# Old signatures come back to haunt: a table inside a partition with its backup at the end, below a file system. With leave
# to erase all of it goes.
printf 'label: gpt\nsize=400M, name=data\n' | sfdisk --quiet "$DISK_512"
udevadm settle
node=$(readlink -f /dev/disk/by-partlabel/data)
printf 'label: gpt\nsize=64M\n' | sfdisk --quiet --no-reread --no-tell-kernel "$node"
# The file system leaves the first sectors alone, where the inner table is.
mkfs.ext4 -q -F "$node"
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
