#!/bin/sh
# Writes a copy of the C library whose tables of characters end before those by which a converter of character sets spells
# letters that the other set lacks: 50 kB. They lie in one object with the tables of the locale "C", behind these, and
# nothing in the binary converts (src/host/never_run.rs). Where an object is built otherwise, no copy is made.
set -e
library=$(cc -print-file-name=libc.a)
rm -rf "$1"
mkdir -p "$1"
cd "$1"
ar x "$library" C-ctype.o
# Where the first of these tables begins, unless another one lies behind.
end=$(nm -n C-ctype.o | awk '
  $2 !~ /^[rR]$/ { next }
  $3 ~ /^translit_/ { if (end == "") end = $1; next }
  { end = "" }
  END { print end }')
[ -n "$end" ] || exit 0
objcopy --dump-section .rodata=tables C-ctype.o
head -c "$((0x$end))" tables >kept
objcopy --update-section .rodata=kept --strip-unneeded C-ctype.o
cp "$library" libc.a
ar r libc.a C-ctype.o
rm C-ctype.o tables kept
