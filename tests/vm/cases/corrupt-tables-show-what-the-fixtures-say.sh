# What Linux shows of each damaged table of fixtures/disks, on loop devices. The tests on the build machine rely on it.
tables=$HERE/fixtures/disks
disk=$WORK/disk

# base NAME: 64 MiB with that table, made once.
base() {
    [ ! -e "$WORK/$1" ] || return 0
    truncate --size 64M "$WORK/$1"
    [ "$1" != blank ] || return 0
    dd if="$tables/$1.front.bin" of="$WORK/$1" conv=notrunc status=none
    dd if="$tables/$1.back.bin" of="$WORK/$1" bs=512 conv=notrunc status=none \
        seek=$(((64 * 1048576 - $(stat -c %s "$tables/$1.back.bin")) / 512))
}

# put OFFSET BYTES…: as fixtures/disks/corrupt.gen.sh explains.
put() {
    local offset=$1 word bytes= blanks
    shift
    [ "$offset" -ge 0 ] || offset=$((offset + size))
    for word in "$@"; do
        case $word in
            *'*'*)
                printf -v blanks '%*s' "${word#*\*}" ''
                bytes+=${blanks// /\\x${word%\**}}
                ;;
            *) bytes+="\\x$word" ;;
        esac
    done
    printf '%b' "$bytes" | dd of="$disk" bs=64K oflag=seek_bytes seek="$offset" conv=notrunc status=none
}

# Sets `shown`. Read-only: else udev reads the table again as soon as losetup lets go of the device, and the partitions are
# gone for a moment.
look() {
    local loop part number
    loop=$(losetup --find --show --read-only --partscan --sector-size "$sector" "$disk")
    shown=
    for part in "/sys/block/${loop#/dev/}/${loop#/dev/}"p*/partition; do
        if [ -e "$part" ]; then
            read -r number <"$part"
            shown+="${shown:+ }$number"
        fi
    done
    losetup --detach "$loop"
}

modprobe loop
# Nobody waits for udev here, and its work takes longer than ours.
udevadm control --stop-exec-queue
trap 'udevadm control --start-exec-queue' EXIT
checked=0
while read -r word rest; do
    case $word in
        disk)
            read -r name base sector sectors <<<"$rest"
            size=$((sectors * sector))
            base "$base"
            cp --sparse=always "$WORK/$base" "$disk"
            truncate --size "$size" "$disk"
            ;;
        put)
            read -ra bytes <<<"$rest"
            put "${bytes[@]}"
            ;;
        linux)
            look
            [ "$shown" = "$rest" ] || echo "$name: Linux shows '$shown', not '$rest'" | tee -a "$WORK/wrong" >&2
            checked=$((checked + 1))
            ;;
    esac
done <"$tables/corrupt.txt"
[ ! -e "$WORK/wrong" ]
equals "tables" "$checked" "$(grep -c '^disk ' "$tables/corrupt.txt")"
