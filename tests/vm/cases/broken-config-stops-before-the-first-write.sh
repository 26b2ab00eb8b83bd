# Malformed text, an unknown version and a broken rule: each ends in the first stage, with the disk and the root untouched.
before=$(writes "$DISK_512")
refused() {
    rm -rf /run/ignition /run/ignition.json
    fails stage fetch-offline
    [ ! -e /run/ignition.json ]
    equals "sectors written to the disk" "$(writes "$DISK_512")" "$before"
    equals "files in the root" "$(find "$WORK/upper" -mindepth 1)" ""
}
config <<'END'
{"ignition": {"version": "3.4.0"},
END
refused
config <<'END'
{"ignition": {"version": "9.9.0"}}
END
refused
config <<END
{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "relative"}]}}
END
refused
says "relative"
