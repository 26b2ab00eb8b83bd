#!/bin/bash
# Kindling in the initramfs: the engine, the programs it may call, one unit per stage, and a network that only comes
# up when a config needs it. Everything that decides is in the engine; the order of things is in the units.

# Included only when another module depends on it or a dracut configuration asks for it: an initramfs that provisions
# must be somebody's choice.
check() {
    return 255
}

depends() {
    # `systemd-networkd` brings networkd and, through `kernel-network-modules`, the drivers; `qemu` brings virtio.
    # `rootfs-block` and `dracut-systemd` find the root device named by `root=`.
    echo systemd-initrd dracut-systemd systemd-networkd kernel-modules rootfs-block udev-rules fs-lib qemu
}

installkernel() {
    # Not only what this machine has: an image boots on other machines than the one that built it.
    hostonly='' instmods \
        qemu_fw_cfg virtio_blk virtio_scsi virtio_net virtio_pci sd_mod sr_mod \
        isofs udf vfat nls_cp437 nls_iso8859_1 nls_ascii nls_utf8 \
        ext4 xfs virtiofs loop
    # What Azure's machines have their disks and their disc on: Hyper-V's bus, or IDE in the first generation.
    hostonly='' instmods -o hv_storvsc ata_piix
    # Arrays and encrypted volumes that a config may ask for; the TPM that may unlock them.
    hostonly='' instmods \
        linear raid0 raid1 raid10 raid456 dm_mod dm_crypt \
        xts cbc essiv aes_generic aesni_intel sha256_generic sha512_generic af_alg algif_skcipher algif_hash \
        tpm_tis tpm_crb
    # Channels to hypervisors and to the host of a card, on the processors that have them.
    hostonly='' instmods \
        vsock vmw_vsock_virtio_transport hv_utils vboxguest vmur mlxbf_bootctl
    # Variables of the firmware: which boot is the first, and why the one before failed.
    hostonly='' instmods efivarfs
}

# The hook for kernel arguments is the engine by another name. One of the distribution's goes before it: put into this folder,
# or installed by a module whose number is lower.
inst_helper() {
    if [ -e "$moddir/$1" ]; then
        inst_script "$moddir/$1" "/usr/sbin/$1"
    elif [ ! -e "$initdir/usr/sbin/$1" ] && [ ! -e "$initdir/usr/bin/$1" ]; then
        ln_r /usr/bin/kindling "/usr/sbin/$1"
    fi
}

install() {
    # kindling-programs: begin. The list the engine keeps in src/invocation.rs; a test compares the two.
    inst_multiple \
        blkid mkfs.ext4 mkfs.xfs mkfs.fat mkswap wipefs mount modprobe chroot systemctl
    # Without these, accounts are edited natively.
    inst_multiple -o useradd usermod userdel groupadd groupmod groupdel
    inst_multiple -o setfiles mkfs.btrfs mdadm cryptsetup clevis dmsetup zkey zkey-cryptsetup
    # What the virtual card reader of z/VM is read with; machines of another kind have none.
    inst_multiple -o chccwdev cio_ignore udevadm vmur
    inst_helper ignition-kargs-helper
    # kindling-programs: end

    # What clevis calls to bind a volume, and the rules by which udev links arrays and mappings and starts arrays.
    inst_multiple -o \
        clevis-encrypt clevis-encrypt-sss clevis-encrypt-tang clevis-encrypt-tpm2 clevis-encrypt-null \
        clevis-decrypt clevis-decrypt-sss clevis-decrypt-tang clevis-decrypt-tpm2 clevis-decrypt-null \
        clevis-luks-bind clevis-luks-unlock clevis-luks-list clevis-luks-pass clevis-luks-common-functions \
        jose curl pwmake mktemp tpm2_create tpm2_createprimary tpm2_createpolicy tpm2_flushcontext tpm2_load \
        tpm2_pcrlist tpm2_pcrread tpm2_policypcr tpm2_unseal bash cat cut grep head sed seq sort tail tr uniq
    # Names of multipath disks' partitions, and kpartx, which makes those that are there when the disk comes.
    inst_rules 11-dm-parts.rules 56-dm-parts.rules 66-kpartx.rules 60-kpartx.rules
    inst_libdir_file 'libtss2-tcti-device.so*'
    inst_rules 01-md-raid-creating.rules 63-md-raid-arrays.rules 64-md-raid-assembly.rules \
        10-dm.rules 55-dm.rules 13-dm-disk.rules 60-persistent-storage-dm.rules 95-dm-notify.rules 64-btrfs-dm.rules
    inst_simple "$moddir/58-kindling-stacks.rules" "$udevdir/rules.d/58-kindling-stacks.rules"
    # Clevis draws its keys with a tool that wants a dictionary, which an initramfs has not.
    if [ -d "$dracutsysrootdir/etc/security" ]; then
        mkdir -p "$initdir/etc/security/pwquality.conf.d"
        echo 'dictcheck = 0' >"$initdir/etc/security/pwquality.conf.d/kindling.conf"
    fi

    inst_binary "$moddir/kindling" /usr/bin/kindling
    ln_r /usr/bin/kindling /usr/bin/ignition

    # Public certificate authorities, for configs on public servers. Debian and Fedora keep them in different places.
    inst_multiple -o /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt
    # Labels of config drives on optical media.
    inst_rules 60-cdrom_id.rules

    # What the generator and the units below call, besides the engine and systemctl.
    inst_multiple mkdir ln umount

    inst_script "$moddir/ignition-generator" "$systemdutildir/system-generators/ignition-generator"

    # How a first boot that fails ends. The generator puts one of the two in place; on other boots neither.
    inst_simple "$moddir/emergency-acts.conf" /usr/lib/kindling/emergency-acts.conf
    inst_simple "$moddir/dracut-emergency-acts.conf" /usr/lib/kindling/dracut-emergency-acts.conf
    inst_simple "$moddir/emergency-tells.conf" /usr/lib/kindling/emergency-tells.conf
    # Where dracut would stop the machine by itself.
    inst_hook emergency 00 "$moddir/kindling.sh"
    inst_hook shutdown-emergency 00 "$moddir/kindling.sh"
    inst_simple "$moddir/kindling-deadline.service" "$systemdsystemunitdir/kindling-deadline.service"

    local unit stage
    for unit in complete diskful subsequent diskful-subsequent; do
        inst_simple "$moddir/ignition-$unit.target" "$systemdsystemunitdir/ignition-$unit.target"
    done
    for stage in fetch-offline fetch kargs disks mount files; do
        inst_simple "$moddir/ignition-$stage.service" "$systemdsystemunitdir/ignition-$stage.service"
        $SYSTEMCTL -q --root "$initdir" add-requires ignition-complete.target "ignition-$stage.service"
    done
    # Does nothing but where a config asks for a certificate before the root is switched.
    inst_simple "$moddir/kindling-join.service" "$systemdsystemunitdir/kindling-join.service"
    $SYSTEMCTL -q --root "$initdir" add-requires ignition-complete.target kindling-join.service
    # Pulled in by the generator, where a kernel argument says that this boot loader cannot tell which boot is the first.
    inst_simple "$moddir/kindling-first-boot.service" "$systemdsystemunitdir/kindling-first-boot.service"
    inst_simple "$moddir/ignition-remount-sysroot.service" "$systemdsystemunitdir/ignition-remount-sysroot.service"
    $SYSTEMCTL -q --root "$initdir" add-requires ignition-diskful.target ignition-remount-sysroot.service

    # Only where a dracut configuration asks for it (`kindling_hostname=yes`): a config that writes /etc/hostname without
    # `overwrite` would be refused.
    inst_simple "$moddir/kindling-hostname.service" "$systemdsystemunitdir/kindling-hostname.service"
    if [ "${kindling_hostname-}" = yes ]; then
        $SYSTEMCTL -q --root "$initdir" add-requires ignition-complete.target kindling-hostname.service
        # A service has the name, whatever the config needs.
        mkdir -p "$initdir$systemdsystemunitdir/kindling-network.service.d"
        printf '[Unit]\nConditionPathExists=\nConditionPathExists=/etc/initrd-release\n' \
            >"$initdir$systemdsystemunitdir/kindling-network.service.d/hostname.conf"
    fi

    inst_simple "$moddir/kindling-network.service" "$systemdsystemunitdir/kindling-network.service"
    inst_simple "$moddir/99-kindling.network" "$systemdnetwork/99-kindling.network"
    inst_script "$moddir/kindling-resolv-conf" /usr/sbin/kindling-resolv-conf
    $SYSTEMCTL -q --root "$initdir" add-wants ignition-complete.target kindling-network.service
    # networkd's own socket starts it as soon as the kernel announces a link. Here `kindling-network.service` starts it,
    # and only when the config needs a network.
    $SYSTEMCTL -q --root "$initdir" disable systemd-networkd.socket systemd-networkd.service \
        systemd-networkd-wait-online.service
    # The order of `ip=` and its kin is networkd's generator's business; disabling the service above took it along.
    $SYSTEMCTL -q --root "$initdir" enable systemd-network-generator.service
}
