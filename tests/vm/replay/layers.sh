# An array, a volume on it whose key is drawn, one whose key is given, and file systems on them.
key_of() {
    sed -n "s/.*\"$1\":\"data:;base64,\([^\"]*\)\".*/\1/p" /run/ignition/state | base64 -d
}

look() {
    table
    mdadm --detail --export /dev/md/pair | grep -E '^MD_(LEVEL|DEVICES|NAME|UUID)='
    for device in /dev/md/pair /dev/disk/by-partlabel/c /dev/mapper/drawn /dev/mapper/given /dev/disk/by-partlabel/d; do
        content "$device"
    done
    fsck.ext4 -nf /dev/mapper/drawn >/dev/null 2>&1 || echo "drawn is not clean"
    fsck.fat -n /dev/mapper/given >/dev/null 2>&1 || echo "given is not clean"
    key_of drawn | cryptsetup open --test-passphrase --key-file - /dev/md/pair || echo "the key of drawn opens nothing"
    key_of given | cryptsetup open --test-passphrase --key-file - /dev/disk/by-partlabel/c || echo "the key of given opens nothing"
    cryptsetup luksDump /dev/disk/by-partlabel/c | grep '^Flags' | xargs
}
