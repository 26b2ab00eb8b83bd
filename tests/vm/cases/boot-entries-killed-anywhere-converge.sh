# The hook for kernel arguments is killed at each call that changes something: each entry is then the old one or the new one,
# whole, and run again the hook leaves what a run that was left alone leaves, and has the machine boot once more.
xbootldr=BC13C2FF-59E6-4262-A352-B275FD6F7172
linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4
before="root=PARTLABEL=root-part ro quiet"
after="root=PARTLABEL=root-part ro nosmt=force"

hook() {
    helped "$@" "$WORK/bin/ignition-kargs-helper" --should-exist nosmt=force --should-not-exist quiet
}

old() {
    rm -rf /run/kindling
    : >"$WORK/boots"
    in_boot eval 'entry a "$before"; entry b+2-1 "$before"'
}

# whole: every entry is the old one or the new one.
whole() {
    for name in a b+2-1; do
        case $(options $name) in
        "$before" | "$after") equals "lines of $name" "$(wc -l <loader/entries/$name.conf)" 5 || return 1 ;;
        *)
            echo "$name: $(cat "loader/entries/$name.conf")" >&2
            return 1
            ;;
        esac
    done
}

final() {
    ls -A loader/entries
    md5sum loader/entries/*
}

tried=0
# sweep CALL…: killed at the first of each, at the second, and so on until it comes to its end.
sweep() {
    for call in "$@"; do
        n=1
        while true; do
            old
            { hook strace -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=SIGKILL:when=$n" \
                >"$WORK/said" 2>&1 || true; } 2>/dev/null
            in_boot whole
            [ ! -s "$WORK/boots" ] || break
            { hook >"$WORK/said" 2>&1 && exit 1; } 2>/dev/null
            when="$boot_format, killed at $call number $n"
            equals "boots after $when" "$(cat "$WORK/boots")" "reboot --force"
            equals "entries after $when" "$(in_boot final)" "$expected"
            equals "mounts after $when" "$(findmnt /run/kindling/boot-0)" ""
            tried=$((tried + 1))
            n=$((n + stride))
        done
    done
}

# Each second of these calls, but in a soak every one.
stride=2
[ "$(points)" -lt 50 ] || stride=1

# begin DISK TYPE FORMAT: a file system, and what a run that is left alone makes of it.
begin() {
    with_boot "$@"
    old
    { hook >"$WORK/said" 2>&1 && exit 1; } 2>/dev/null
    equals "boots" "$(cat "$WORK/boots")" "reboot --force"
    expected=$(in_boot final)
}

begin "$DISK_512" $xbootldr vfat
sweep unshare mount mkdir write fchmod fsync rename syncfs umount2 rmdir
begin "$DISK_4096" $linux ext4
sweep write rename
echo "kindling-case: $tried kill points of boot entries converged in $SECONDS s" >/dev/console
[ $tried -ge 12 ]
