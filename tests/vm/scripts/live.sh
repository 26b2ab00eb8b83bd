# Makes what a machine gets that starts from the network: a root to run from memory, and the image of a root disk for it.
# $1: the base root, $2: the folder with the image's files, $3: an empty folder to work in, $4: the squashfs to make, $5: the
# disk image to make, packed by gzip.
base=$1 files=$2 work=$3 live=$4 disk=$5
root=$work/root

# A third of the base: no kernel (the loader has it) and no drivers (the initramfs loads them), nothing that only builds images.
mkdir "$root"
tar --create --directory "$base" \
    --exclude='./boot/*' --exclude='./usr/lib/modules' --exclude='./usr/lib/dracut' --exclude='./usr/lib/file' \
    --exclude='./usr/lib/udev/hwdb.*' --exclude='./usr/lib/python3*' --exclude='./usr/bin/python3*' \
    --exclude='./usr/share/perl*' --exclude='./usr/lib/*/perl*' --exclude='./usr/lib/*/libicu*' --exclude='./usr/lib/*/gconv' \
    --exclude='./var/lib/dpkg' --exclude='./var/lib/apt' --exclude='./var/cache/*' --exclude='./dev/*' . |
    tar --extract --directory "$root"
finish "$root" "$files"
# What would ask for a driver.
for unit in proc-sys-fs-binfmt_misc.automount systemd-binfmt.service; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
done

truncate --size 320M "$work/disk"
mke2fs -q -t ext4 -L root -d "$root" "$work/disk"
gzip -1 <"$work/disk" >"$disk"

# The live root is no disk of that label, and has no stamp: every boot of it is its first.
: >"$root/etc/fstab"
rm "$root/boot/ignition.firstboot"
ln -s /dev/null "$root/etc/systemd/system/ignition-firstboot-complete.service"
# Under emulation unpacking costs more than loading.
mksquashfs "$root" "$live" -quiet -no-progress -comp lz4
rm -rf "$root" "$work/disk"
