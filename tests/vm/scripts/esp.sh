# Makes a disk with an EFI system partition. The kernel that this runs on need not know FAT.
# $1: the file to make, $2: the folder with what will be on the partition.
set -eu
disk=$1 tree=$2

truncate --size 514M "$disk"
echo 'start=1MiB, size=512MiB, type=uefi' | sfdisk --quiet --label gpt "$disk"
# In sectors and in KiB.
mkfs.fat -F 32 -n ESP --offset 2048 "$disk" 524288
mcopy -s -i "$disk@@1M" "$tree"/* ::
