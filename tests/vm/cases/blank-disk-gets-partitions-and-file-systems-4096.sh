# A blank disk of 4096-byte sectors becomes four partitions with one file system of each kind; a second boot changes nothing.
becomes_four_partitions "$DISK_4096"
