# Two entries of the config lead to one disk: refused before the first write, whatever each of them asks.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {"filesystems": [
    {"device": "$DISK_512", "format": "ext4"},
    {"device": "$(readlink -f "$DISK_512")", "format": "xfs"}
  ]}
}
END
before=$(writes "$DISK_512")
stage fetch-offline
stage kargs
fails stage disks
says "device-repeated"
equals "sectors written to the disk" "$(writes "$DISK_512")" "$before"
