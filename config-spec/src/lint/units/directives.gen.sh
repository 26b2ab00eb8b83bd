#!/bin/sh
# Writes directives.txt: which directives systemd knows in which sections.
#
# Arguments are outputs of `systemd --dump-configuration-items`; their union is written, since a config may be meant for
# an older systemd as well as for a newer one. Directives are grouped by the sections that know them, so that each stands
# there once. Made with Debian's systemd 252 (bookworm), 257 (trixie) and 262 (sid).
set -eu
export LC_ALL=C
test $# -gt 0 || { echo "usage: $0 DUMP…" >&2; exit 2; }
out=$(dirname "$0")/directives.txt

{
    echo "# The directives of systemd 252 to 262 by the sections that know them. Made by directives.gen.sh."
    awk '
        /^\[.*\]$/ { section = substr($0, 2, length($0) - 2); next }
        index($0, "=") { print substr($0, 1, index($0, "=") - 1), section }
    ' "$@" | sort -u | awk '
        $1 != name { if (name != "") print sections ": " name; name = $1; sections = $2; next }
        { sections = sections " " $2 }
        END { print sections ": " name }
    ' | sort | awk -F ': ' '
        $1 != group { group = $1; print "[" group "]" }
        { print $2 }
    '
} >"$out"
