# What an operator reads at the desk, from a record of the machine's disks, is what the machine itself would say.
kindling=$HERE/bin/kindling
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "kept", "sizeMiB": 256},
                                                     {"number": 3, "label": "held", "sizeMiB": 64}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/kept", "format": "ext4", "label": "kept"}]
  }
}
END
blank "$DISK_512"
blank "$DISK_4096"
stage fetch-offline
stage disks
udevadm settle
mkfs.fat /dev/disk/by-partlabel/held >/dev/null
udevadm settle
before=$(writes "$DISK_512")

# The same partitions, one file system of them replaced, one more partition, and a second, blank disk.
config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [{"number": 1, "label": "kept", "sizeMiB": 256},
                                                     {"number": 3, "label": "held", "sizeMiB": 64},
                                                     {"number": 4, "label": "new", "sizeMiB": 0}]},
              {"device": "$DISK_4096", "wipeTable": true, "partitions": [{"label": "other", "sizeMiB": 0}]}],
    "filesystems": [{"device": "/dev/disk/by-partlabel/kept", "format": "ext4", "label": "kept"},
                    {"device": "/dev/disk/by-partlabel/held", "format": "ext4", "wipeFilesystem": true},
                    {"device": "/dev/disk/by-partlabel/new", "format": "xfs"},
                    {"device": "/dev/disk/by-partlabel/other", "format": "xfs"}]
  }
}
END
# Identifiers of what is made on a new table are drawn anew each time; what is assumed differs by nature.
told() {
    sed -e 's/uuid=[^ ]*//' -e 's/-U [^ ]*//' -e '/^assumed:/d'
}
"$kindling" inspect --disks >"$WORK/inventory.json"
live=$("$kindling" plan "$WORK/config.ign" | told)
recorded=$("$kindling" plan --inventory "$WORK/inventory.json" "$WORK/config.ign" | told)
equals "the plan from the record" "$recorded" "$live"
echo "$live" | grep -q '^  =  1 .*kept, ext4 kept$'
echo "$live" | grep -q '^  !  3 .*kept, ext4 made over what is there$'
echo "$live" | grep -q '^  +  4 .*created, xfs made$'
echo "$live" | grep -q '; 1 step marked ! destroys data$'

# Without leave to erase both refuse, with the same record.
sed -i 's/, "wipeFilesystem": true//' "$WORK/config.ign"
fails "$kindling" plan "$WORK/config.ign"
says 'a first boot would fail in stage disks [filesystem-differs]'
fails "$kindling" plan --inventory "$WORK/inventory.json" "$WORK/config.ign"
says 'a first boot would fail in stage disks [filesystem-differs]'
equals "sectors written by all of this" "$(writes "$DISK_512")" "$before"
