# The harness itself: without this, the cases for 4096-byte sectors would prove nothing.
equals "logical sector of the first disk" "$(blockdev --getss "$DISK_512")" 512
equals "logical sector of the second disk" "$(blockdev --getss "$DISK_4096")" 4096
fails wipefs --parsable "$DISK_512-absent"
equals "signatures" "$(wipefs --parsable "$DISK_512" | grep -v '^#' || true)" ""
