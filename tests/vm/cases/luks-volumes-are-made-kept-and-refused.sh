# Encrypted volumes on a partition, on an array, with a key of the config and with a drawn one; the same stage again; what is
# refused, with every byte as it was.
fast='"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"'
put() {
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "one", "sizeMiB": 64}, {"number": 2, "label": "two", "sizeMiB": 64},
      {"number": 3, "label": "three", "sizeMiB": 64}, {"number": 4, "label": "four", "sizeMiB": 64}
    ]}],
    "raid": [{"name": "pair", "level": "raid1", "devices": ["/dev/disk/by-partlabel/one", "/dev/disk/by-partlabel/two"]}],
    "luks": [
      {"name": "given", "device": "/dev/md/pair", "label": "${label-given}", "discard": ${discard-true}, "options": [$fast],
       "openOptions": ["--perf-no_read_workqueue"], "keyFile": {"source": "data:,${key-a%20secret%20of%20ours}"}},
      {"name": "drawn", "device": "/dev/disk/by-partlabel/three", "uuid": "7b6f3b1e-8a5d-4a6e-9f43-0a4f6d6f1c11",
       "options": [$fast], "wipeVolume": ${wipe-false}}
    ],
    "filesystems": [
      {"device": "/dev/mapper/given", "format": "ext4", "label": "g"},
      {"device": "/dev/disk/by-id/dm-name-drawn", "format": "vfat", "label": "D"},
      {"device": "/dev/disk/by-partlabel/four", "format": "ext4"}
    ]
  }
}
END
}
state=/run/ignition/state
key_of() {
    sed -n "s/.*\"$1\":\"data:;base64,\([^\"]*\)\".*/\1/p" "$state" | base64 -d
}

put
afresh
stage disks | tee "$WORK/out"
# Nothing that was said holds a key.
fails grep -q 'a secret of ours' "$WORK/out" /run/kindling -r
equals "the given key" "$(key_of given)" "a secret of ours"
equals "the drawn key's length" "$(key_of drawn | wc -c)" 8192
equals "who may read the keys" "$(stat -c %a "$state")" 600
array=$(readlink -f /dev/md/pair)
three=$(readlink -f /dev/disk/by-partlabel/three)
cryptsetup isLuks --type luks2 "$array"
equals "its label" "$(blkid -p -s LABEL -o value "$array")" given
equals "its UUID" "$(cryptsetup luksUUID "$three")" 7b6f3b1e-8a5d-4a6e-9f43-0a4f6d6f1c11
# Complete with a key that the config can give again; not complete while the only copy of the drawn key is in memory.
equals "the mark of the given" "$(blkid -p -s SUBSYSTEM -o value "$array")" ""
blkid -p -s SUBSYSTEM -o value "$three" | grep -q '^kindling:[0-9a-f]*$'
equals "flags" "$(cryptsetup luksDump "$array" | grep ^Flags | xargs)" "Flags: allow-discards no-read-workqueue"
equals "file systems" "$(blkid -p -s TYPE -o value /dev/mapper/given) $(blkid -p -s TYPE -o value /dev/mapper/drawn)" "ext4 vfat"
equals "marks on partitions" "$(sfdisk --dump "$DISK_512" | grep -c attrs)" 0

echo "# the same stage again, in the same boot"
dd if=/dev/urandom of=/dev/mapper/given bs=1M count=1 seek=40 status=none
inside() { sha256sum /dev/mapper/given /dev/mapper/drawn; }
first=$(inside)
key_of drawn >"$WORK/drawn.key"
stage disks
equals "the volumes" "$(inside)" "$first"
equals "the drawn key" "$(key_of drawn)" "$(cat "$WORK/drawn.key")"

echo "# with both closed"
cryptsetup luksClose given
cryptsetup luksClose drawn
stage disks
equals "the volumes, opened" "$(inside)" "$first"

echo "# after a power cut: the key that was only in memory is gone, so its volume is made again; the other is kept"
cryptsetup luksClose given
cryptsetup luksClose drawn
mdadm --wait-clean /dev/md/pair || true
given=$(sha256sum <"$array")
afresh
stage disks
equals "the given volume" "$(sha256sum <"$array")" "$given"
fails cmp "$WORK/drawn.key" <(key_of drawn)
key_of drawn | cryptsetup open --test-passphrase --key-file - "$three"

echo "# cut off once the drawn key is in the target: kept here, and opened by the mount stage"
key_of drawn >"$WORK/drawn.key"
cryptsetup config --label "" --subsystem "" "$three"
cryptsetup luksClose drawn
cryptsetup luksClose given
drawn=$(sha256sum <"$three")
afresh
stage disks
equals "the drawn volume" "$(sha256sum <"$three")" "$drawn"
[ ! -e /dev/mapper/drawn ]
mkdir -p "$ROOT/etc/luks"
cp "$WORK/drawn.key" "$ROOT/etc/luks/drawn"
stage mount
[ -e /dev/mapper/drawn ]

echo "# refused: what the config does not describe"
cryptsetup luksClose drawn
cryptsetup luksClose given
cryptsetup luksUUID --batch-mode --uuid 7b6f3b1e-8a5d-4a6e-9f43-0a4f6d6f1c12 "$three"
unchanged() {
    mdadm --wait-clean /dev/md/pair || true
    before=$(cat "$array" "$three" | sha256sum)
    afresh
    fails stage disks
    says "[$1]"
    says "$2"
    equals "both devices" "$(cat "$array" "$three" | sha256sum)" "$before"
}
unchanged volume-differs "the config gives no key that could open it"
wipe=true
label=other put
unchanged volume-differs 'with the label "given", and the config asks for "other"'
key=wrong put
unchanged volume-not-opened "cannot open the volume given"
fails grep -q wrong "$WORK/said"
discard=false put
unchanged volume-differs "that allows discards, and the config asks for the opposite"

echo "# a mapping of that name on another device"
put
dmsetup create drawn --table "0 8 linear $(readlink -f "$DISK_4096") 0"
afresh
fails stage disks
says "[volume-name-taken]"
dmsetup remove drawn

echo "# a mapping of that name without a table, as a kill in the middle of luksOpen leaves it"
dmsetup create drawn --notable
afresh
stage disks
[ -e /dev/mapper/drawn ]
cryptsetup luksClose drawn
cryptsetup luksClose given

echo "# erased with leave, though something stands on it"
cryptsetup luksFormat --batch-mode --type luks1 --pbkdf-force-iterations 1000 --key-file "$WORK/drawn.key" "$three"
cryptsetup luksOpen --key-file "$WORK/drawn.key" "$three" other
afresh
stage disks
[ ! -e /dev/mapper/other ]
cryptsetup isLuks --type luks2 "$three"

echo "# a torn header, as a kill in the middle of luksFormat leaves it: refused, and erased with leave"
cryptsetup luksClose drawn
cryptsetup luksClose given
dd if=/dev/zero of="$three" bs=4096 seek=1 count=7 conv=notrunc status=none
equals "what blkid calls it" "$(blkid -p -s TYPE -o value "$three")" crypto_LUKS
wipe=false put
unchanged volume-differs "it holds a LUKS volume whose header cannot be read"
wipe=true put
afresh
stage disks
cryptsetup isLuks --type luks2 "$three"
