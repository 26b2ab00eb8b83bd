# A partition that the config wants elsewhere, without leave to wipe: one cause, and not one byte of the disk changes.
printf 'label: gpt\nsize=300M, name=precious\n' | sfdisk --quiet "$DISK_512"
udevadm settle
mkfs.ext4 -q -L precious /dev/disk/by-partlabel/precious
before=$(writes "$DISK_512")
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "data", "sizeMiB": 512}]}]}
}
END
stage fetch-offline
stage kargs
fails stage disks
says "/dev/disk/by-id/virtio-disk-512"
equals "sectors written to the disk" "$(writes "$DISK_512")" "$before"
