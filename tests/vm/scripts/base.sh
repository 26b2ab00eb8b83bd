# Makes the base root: a minimal Debian from the distribution's packages, as a directory. Changes nothing else.
# $1: the directory to make.
set -eu
out=$1

# The image's initramfs is built by `initramfs.sh`. Without this stand-in the kernel's installation builds one too.
hook='mkdir -p "$1/etc/kernel/postinst.d"
printf "#!/bin/sh\n" >"$1/etc/kernel/postinst.d/dracut"
chmod 755 "$1/etc/kernel/postinst.d/dracut"'

packages=systemd,systemd-sysv,systemd-resolved,udev,dbus,kmod,mount,util-linux
# The cloud kernel has every driver a virtual machine needs, at a third of the size.
packages=$packages,linux-image-cloud-amd64,dracut,dracut-core,dracut-network
packages=$packages,e2fsprogs,xfsprogs,btrfs-progs,dosfstools,fdisk,passwd
# Arrays, volumes and mapped devices, with what may unlock them: tang servers and a (software) TPM.
packages=$packages,mdadm,cryptsetup-bin,dmsetup,kpartx,lvm2,clevis,clevis-luks,clevis-tpm2,tang,jose,swtpm,swtpm-tools,multipath-tools
# The reference and its partitioner, for the benchmark of the disks stage.
packages=$packages,ignition,gdisk
# What labels files, and shows their labels; no policy comes with it.
packages=$packages,policycoreutils,selinux-utils
packages=$packages,openssh-server,curl,ca-certificates,iproute2,strace

mmdebstrap --mode=root --variant=apt --format=directory --components=main \
    --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/etc/kernel/postinst.d/dracut' \
    --essential-hook="$hook" \
    --include="$packages" \
    bookworm "$out"
