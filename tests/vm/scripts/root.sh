# Makes the root disk: an ext4 file system (no partition table) with the base root and the image's own files.
# $1: the base root, $2: the folder with the image's files, $3: an empty folder to work in, $4: the file to make.
base=$1 files=$2 work=$3 out=$4

cp -a "$base" "$work/root"
finish "$work/root" "$files"

truncate --size 1536M "$out"
mke2fs -q -t ext4 -L root -d "$work/root" "$out"
rm -rf "$work/root"
