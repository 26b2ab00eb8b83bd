# Volumes bound to a TPM (a software one behind the kernel's own driver) and to Tang servers (the real one, on loopback),
# with a threshold, with an advertisement of a server that is not there, and with a pin of the user's own.
fast='"--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"'
modprobe tpm_vtpm_proxy
mkdir -p "$WORK/tpm" "$WORK/tang"
swtpm chardev --vtpm-proxy --tpmstate "dir=$WORK/tpm" --tpm2 --flags startup-clear --pid "file=$WORK/swtpm.pid" --daemon \
    >"$WORK/swtpm.log" 2>&1
trap 'kill "$(cat "$WORK/swtpm.pid")" "$(cat "$WORK/tang.pid" 2>/dev/null)" 2>/dev/null' EXIT
for _ in $(seq 40); do
    [ ! -e /dev/tpmrm0 ] || break
    sleep 0.5
done
[ -e /dev/tpmrm0 ] || { cat "$WORK/swtpm.log"; ls /dev/vtpmx /dev/tpm*; dmesg | tail -n 20; exit 1; }
tang=/usr/libexec/tangd
ip link set lo up
systemd-socket-activate --accept --inetd --listen=127.0.0.1:7500 "$tang" "$WORK/tang" >"$WORK/tang.log" 2>&1 &
echo $! >"$WORK/tang.pid"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    curl -sf http://127.0.0.1:7500/adv >"$WORK/adv.json" && break
    sleep 0.5
done
thumbprint=$(jose fmt --json="$(cat "$WORK/adv.json")" -g payload -y -o- | jose jwk use -i- -r -u verify -o- | jose jwk thp -i- -a S256)
advertisement=$(sed 's/\\/\\\\/g; s/"/\\"/g' "$WORK/adv.json")

put() {
    config <<END
{
  "ignition": {"version": "3.4.0"},
  "storage": {
    "disks": [{"device": "$DISK_512", "partitions": [
      {"number": 1, "label": "one", "sizeMiB": 64}, {"number": 2, "label": "two", "sizeMiB": 64},
      {"number": 3, "label": "three", "sizeMiB": 64}, {"number": 4, "label": "four", "sizeMiB": 64}
    ]}],
    "luks": [
      {"name": "tpm", "device": "/dev/disk/by-partlabel/one", "options": [$fast], "clevis": {"tpm2": true}},
      {"name": "both", "device": "/dev/disk/by-partlabel/two", "options": [$fast],
       "clevis": {"tpm2": true, "threshold": 2, "tang": [{"url": "http://127.0.0.1:7500", "thumbprint": "$thumbprint"}]}},
      {"name": "later", "device": "/dev/disk/by-partlabel/three", "options": [$fast],
       "keyFile": {"source": "data:,spare%20key"},
       "clevis": {"tang": [{"url": "http://127.0.0.1:1", "thumbprint": "$thumbprint", "advertisement": "$advertisement"}]}},
      {"name": "own", "device": "/dev/disk/by-partlabel/four", "options": [$fast],
       "clevis": {"custom": {"pin": "tang", "needsNetwork": true,
                             "config": "{\"url\": \"http://127.0.0.1:7500\", \"thp\": \"$thumbprint\"}"}}}
    ],
    "filesystems": [
      {"device": "/dev/mapper/tpm", "format": "ext4"}, {"device": "/dev/mapper/both", "format": "ext4"},
      {"device": "/dev/mapper/later", "format": "ext4"}, {"device": "/dev/mapper/own", "format": "ext4"}
    ]
  }
}
END
}
put
rm -rf /run/ignition /run/ignition.json
IGNITION_CONFIG_FILE=$WORK/config.ign "$IGNITION" --root="$ROOT" --platform=file --stage=fetch --log-to-stdout ""
stage disks | tee "$WORK/out"
fails grep -q 'spare key' "$WORK/out"
slots() { cryptsetup luksDump "/dev/disk/by-partlabel/$1" | sed -n '/^Keyslots/,/^Tokens/p' | grep -c ': luks2'; }
equals "slots" "$(slots one) $(slots two) $(slots three) $(slots four)" "1 1 2 1"
for volume in tpm:one both:two later:three own:four; do
    device=/dev/disk/by-partlabel/${volume#*:}
    [ -e "/dev/mapper/${volume%:*}" ]
    equals "bindings of ${volume%:*}" "$(clevis luks list -d "$device" | wc -l)" 1
    equals "the mark of ${volume%:*}" "$(blkid -p -s SUBSYSTEM -o value "$device")" ""
done
clevis luks list -d /dev/disk/by-partlabel/two | grep -q '"t":2'
# No key of a bound volume is handed to the files stage.
fails grep -q 'data:;base64' /run/ignition/state

echo "# the same stage again, with everything closed: unlocked by what they are bound to, and kept"
sums() { sha256sum /dev/mapper/tpm /dev/mapper/both /dev/mapper/own; }
before=$(sums)
for volume in tpm both later own; do cryptsetup luksClose $volume; done
rm -rf /run/ignition /run/ignition.json
IGNITION_CONFIG_FILE=$WORK/config.ign "$IGNITION" --root="$ROOT" --platform=file --stage=fetch --log-to-stdout ""
# The server of one volume never was there; the config has a key that opens it.
stage disks
equals "the volumes" "$(sums)" "$before"

echo "# a server that does not answer stops the stage before its first write"
kill "$(cat "$WORK/tang.pid")"
wait "$(cat "$WORK/tang.pid")" 2>/dev/null || true
for volume in tpm both later own; do cryptsetup luksClose $volume; done
blank "$DISK_512"
sed -i 's/"version": "3.4.0"/"version": "3.4.0", "timeouts": {"httpTotal": 3}/' "$WORK/config.ign"
rm -rf /run/ignition /run/ignition.json
IGNITION_CONFIG_FILE=$WORK/config.ign "$IGNITION" --root="$ROOT" --platform=file --stage=fetch --log-to-stdout ""
before=$(writes "$DISK_512")
fails stage disks
says "the Tang server that is to unlock both does not answer"
equals "sectors written" "$(writes "$DISK_512")" "$before"
