# Makes the root disk: an ext4 file system (no partition table) with the base root and the image's own files.
# $1: the base root, $2: the folder with the image's files, $3: an empty folder to work in, $4: the file to make.
set -eu
base=$1 files=$2 work=$3 out=$4

cp -a "$base" "$work/root"
# Owned by root whoever checked the repository out.
cp -a --no-preserve=ownership "$files/." "$work/root/"

# What a machine must not share with others that boot the same image.
rm -f "$work/root/etc/hostname" "$work/root"/etc/ssh/ssh_host_*
# Present, so that presets are applied; not an identity, so that every machine gets its own.
echo uninitialized >"$work/root/etc/machine-id"

# Nobody sits at these machines: no questions and no login prompts.
for unit in systemd-firstboot.service serial-getty@.service getty@.service; do
    ln -sf /dev/null "$work/root/etc/systemd/system/$unit"
done
# Only what the image or the config enables is started; Debian's own presets would start every timer there is.
rm -rf "$work/root"/etc/systemd/system/*.wants

truncate --size 1536M "$out"
mke2fs -q -t ext4 -L root -d "$work/root" "$out"
rm -rf "$work/root"
