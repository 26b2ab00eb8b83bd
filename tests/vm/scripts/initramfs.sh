# Runs dracut inside the base root, with this repository's module mounted over its own place there. Every mount is in a
# mount namespace of this script's own, so neither the host nor the base root keeps a trace.
# $1: the base root, $2: the folder of the dracut module, $3: the engine's binary, $4: the file to make.
set -eu
root=$1 module=$2 binary=$3 out=$4

mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --bind /dev "$root/dev"
for scratch in run tmp var/tmp; do
    mount -t tmpfs tmpfs "$root/$scratch"
done

# All module folders again, plus ours, in a tmpfs: a mount point for ours would otherwise have to be made in the base.
modules=$root/usr/lib/dracut/modules.d
mkdir "$root/run/modules.d"
cp -a "$modules/." "$root/run/modules.d/"
cp -a "$module" "$root/run/modules.d/30kindling"
cp "$binary" "$root/run/modules.d/30kindling/kindling"
mount --bind "$root/run/modules.d" "$modules"

# Uncompressed: under emulation unpacking costs more than reading. `network`, `ifcfg` and the rest serve roots on a
# network or on mapped devices, which these guests do not have. `sha256sum` lets a guest name the binary it runs.
kernel=$(ls "$root/usr/lib/modules")
chroot "$root" env LC_ALL=C PATH=/usr/sbin:/usr/bin dracut --force --kver "$kernel" \
    --no-hostonly --no-hostonly-cmdline --no-compress \
    --add kindling --omit 'network ifcfg qemu-net crypt dm nvdimm overlay-root lunmask resume virtiofs i18n' \
    --install sha256sum /tmp/initramfs.img
cp "$root/tmp/initramfs.img" "$out"
chmod 644 "$out"
