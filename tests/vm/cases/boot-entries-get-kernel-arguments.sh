# The hook for kernel arguments: entries of systemd-boot on an ESP and an extended boot loader partition, entries of GRUB on
# an ext4 /boot; what cannot be changed is refused before anything is. The machine would boot again: a `systemctl` of this case
# takes that down, and ends who waits for it, as the end of a machine does.
config <<'JSON'
{
  "ignition": {"version": "3.3.0"},
  "kernelArguments": {"shouldExist": ["nosmt=force", "console=ttyS1"], "shouldNotExist": ["quiet"]}
}
JSON
xbootldr=BC13C2FF-59E6-4262-A352-B275FD6F7172
linux=0FC63DAF-8483-4772-8E79-3D69D8477DE4
before="root=PARTLABEL=root-part ro quiet"
after="root=PARTLABEL=root-part ro nosmt=force console=ttyS1"

# listing: everything in the file system, with its content.
listing() {
    in_boot find . -type f -exec md5sum {} + | sort
}

# refused CODE: the stage fails with that code, changes nothing and boots nothing.
refused() {
    local was
    was=$(listing)
    afresh
    fails helped stage kargs
    says "[$1]"
    equals "the files after $1" "$(listing)" "$was"
    equals "boots after $1" "$(wc -l <"$WORK/boots")" "$boots"
    equals "mounts" "$(findmnt /run/kindling/boot-0)" ""
}

for kind in "$DISK_512 $xbootldr vfat" "$DISK_4096 $linux ext4"; do
    with_boot $kind
    in_boot entry debian "$before"
    in_boot entry debian-2+3-0 "$before"
    in_boot sh -c 'printf "title Shell\nefi /shell.efi\noptions quiet\n" >loader/entries/shell.conf; printf old >loader/entries/x.conf.old'

    # Changed, and the machine boots again: no later stage may run before it does.
    afresh
    fails helped stage kargs
    says "was killed by signal 15"
    equals "what was asked of systemd" "$(cat "$WORK/boots")" "reboot --force"
    for name in debian debian-2+3-0; do
        equals "$name" "$(in_boot options $name)" "$after"
    done
    equals "an entry of no kernel" "$(in_boot options shell)" quiet
    equals "files" "$(in_boot ls -A loader/entries | tr '\n' ' ')" "debian-2+3-0.conf debian.conf shell.conf x.conf.old "
    equals "mounts" "$(findmnt /run/kindling/boot-0)" ""
    # Cut off before the machine went down: it still has to.
    fails helped stage kargs
    equals "boots" "$(wc -l <"$WORK/boots")" 2

    # The next boot runs with them, and goes on. Nothing is written.
    written=$(writes "${kind%% *}")
    echo "$after" >"$WORK/cmdline"
    afresh
    helped stage kargs
    equals "sectors written by a run that finds all done" "$(writes "${kind%% *}")" "$written"
    boots=2
    equals "boots" "$(wc -l <"$WORK/boots")" $boots

    # A boot loader that takes its arguments elsewhere: one more boot would be one of many.
    echo "$before" >"$WORK/cmdline"
    refused kernel-arguments-not-in-effect
    says "it lacks nosmt=force, it lacks console=ttyS1, it has quiet"

    # Somebody put the arguments in by hand for one boot: the entries get them, and this boot goes on.
    in_boot entry debian "$before"
    echo "$after" >"$WORK/cmdline"
    afresh
    helped stage kargs
    equals "the entry" "$(in_boot options debian)" "$after"
    equals "boots" "$(wc -l <"$WORK/boots")" $boots
    echo "$before" >"$WORK/cmdline"

    # Full.
    in_boot entry debian "$before"
    in_boot sh -c 'head -c 100M /dev/zero >fill 2>/dev/null || true; for n in 1 2 3 4; do head -c 1M /dev/zero >fill$n 2>/dev/null || true; done'
    refused boot-unwritable
    says "No space left on device"
    in_boot sh -c 'rm fill*'
    # Write-protected.
    boot_node=$(readlink -f /dev/disk/by-partlabel/boot-part)
    blockdev --setro "$boot_node"
    afresh
    fails helped stage kargs
    says "[boot-unwritable]"
    blockdev --setrw "$boot_node"
    equals "the entry on a protected medium" "$(in_boot options debian)" "$before"

    # Where it is mounted by somebody else already, it is used there.
    mkdir -p "$WORK/elsewhere"
    mount "$boot_node" "$WORK/elsewhere"
    afresh
    fails helped stage kargs
    umount "$WORK/elsewhere"
    equals "the entry of a mounted file system" "$(in_boot options debian)" "$after"
    boots=3
    equals "boots" "$(wc -l <"$WORK/boots")" $boots

    # One that cannot be changed, and the others are not either.
    in_boot entry debian "$before"
    in_boot entry zz '$kernelopts'
    refused boot-entry-fixed
    says 'kernelopts'
    # Unless there is nothing to do about it.
    echo "$after" >"$WORK/cmdline"
    afresh
    helped stage kargs
    echo "$before" >"$WORK/cmdline"

    in_boot sh -c 'rm loader/entries/*; mkdir -p EFI/Linux; touch EFI/Linux/debian-6.1.efi'
    refused boot-entry-fixed
    says "debian-6.1.efi"
    in_boot rm -r EFI loader
    refused boot-entries-absent
    says "no boot entry of a kernel was found on $boot_node"
    wipefs --quiet --all "$boot_node"
    mkfs.ext4 -q -F -L other "$boot_node"
    udevadm trigger --settle "$boot_node"
    sfdisk --quiet --part-type "$boot_disk" 1 $linux
    udevadm settle
    afresh
    fails helped stage kargs
    says "[boot-entries-absent]"
    says "nor a file system that could have one"
    blank "$boot_disk"
done

# Arguments that no boot could have.
with_boot "$DISK_512" $xbootldr vfat
in_boot entry debian "$before"
boots=0
config <<'JSON'
{"ignition": {"version": "3.3.0"}, "kernelArguments": {"shouldExist": ["a b"], "shouldNotExist": ["b"]}}
JSON
refused kernel-arguments-unusable

# Another hook in its place has words of its own.
printf '#!/bin/sh\necho "zipl is not here" >&2\nexit 1\n' >"$WORK/hook"
chmod 755 "$WORK/hook"
ln -sfn "$WORK/hook" "$WORK/bin/ignition-kargs-helper"
refused program-failed
says "zipl is not here"

# The files stage sees to kernels that are installed later.
mkdir -p "$ROOT/etc/kernel"
echo "$before" >"$ROOT/etc/kernel/cmdline"
chmod 600 "$ROOT/etc/kernel/cmdline"
config <<'JSON'
{"ignition": {"version": "3.3.0"}, "kernelArguments": {"shouldExist": ["nosmt=force", "console=ttyS1"], "shouldNotExist": ["quiet"]}}
JSON
afresh
for round in 1 2; do
    stage files
    equals "later kernels, run $round" "$(cat "$ROOT/etc/kernel/cmdline")" "$after"
    equals "its mode" "$(stat -c %a "$ROOT/etc/kernel/cmdline")" 600
done
