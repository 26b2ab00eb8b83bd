# The root of a machine that never ran, made of a copy of the base root.
set -eu

# finish ROOT FILES: puts the image's files in, and takes out what no two machines may share.
finish() {
    # Owned by root whoever checked the repository out.
    cp -a --no-preserve=ownership "$2/." "$1/"

    # What a machine must not share with others that boot the same image.
    rm -f "$1/etc/hostname" "$1"/etc/ssh/ssh_host_*
    # Present, so that presets are applied; not an identity, so that every machine gets its own.
    echo uninitialized >"$1/etc/machine-id"

    # Nobody sits at these machines: no questions and no login prompts.
    for unit in systemd-firstboot.service serial-getty@.service getty@.service; do
        ln -sf /dev/null "$1/etc/systemd/system/$unit"
    done
    # Only what the image or the config enables is started; Debian's own presets would start every timer there is.
    rm -rf "$1"/etc/systemd/system/*.wants
}
