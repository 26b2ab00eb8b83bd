//! The units of the initramfs, as the distribution's systemd reads them.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that tells how far it is, and its preparation"
)]

use kindling_vm::{run, scenario, workspace};

/// Puts the units of `$2` and the engine `$3` into the base root `$1`, in a mount namespace of its own, and has them verified
/// with everything that they pull in. `$4`, if it is there, goes beside the unit of the first stage.
const SCRIPT: &str = r#"
set -eu
root=$1 module=$2 engine=$3
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/run/systemd/system" "$root/run/bin"
cp "$module"/*.service "$module"/*.target "$root/run/systemd/system/"
cp "$engine" "$root/run/bin/kindling"
for name in kindling ignition kindling-resolv-conf; do
    [ "$name" = kindling ] || ln -s kindling "$root/run/bin/$name"
done
# Where the initramfs has them.
sed -i -e 's|/usr/bin/ignition|/run/bin/ignition|' -e 's|/usr/bin/kindling|/run/bin/kindling|' \
    -e 's|/usr/sbin/kindling-resolv-conf|/run/bin/kindling-resolv-conf|' "$root"/run/systemd/system/*.service
touch "$root/run/ignition.env"
requires() {
    mkdir -p "$root/run/systemd/system/$2.requires"
    ln -s "../$1" "$root/run/systemd/system/$2.requires/$1"
}
for stage in fetch-offline fetch kargs disks mount files; do
    requires "ignition-$stage.service" ignition-complete.target
done
requires ignition-remount-sysroot.service ignition-diskful.target
requires ignition-diskful.target ignition-complete.target
requires ignition-complete.target initrd.target
if [ "${4-}" ]; then
    mkdir "$root/run/systemd/system/ignition-fetch-offline.service.d"
    printf '%s\n' "$4" >"$root/run/systemd/system/ignition-fetch-offline.service.d/wrong.conf"
fi
cd "$root/run/systemd/system"
units=$(ls *.service *.target)
mount -t proc proc "$root/proc"
chroot "$root" sh -c "cd /run/systemd/system && exec systemd-analyze verify --man=no --recursive-errors=yes $units initrd.target" 2>&1
"#;

/// What systemd says of the units, and whether it finds nothing wrong.
fn verified(drop_in: &str) -> (bool, String) {
    let built = scenario::set_up(&workspace::engine(), &mut |text| println!("{text}")).unwrap();
    let output = run::as_root("unshare")
        .unwrap()
        .args(["--mount", "sh", "-c", SCRIPT, "units"])
        .args([built.base_root(), &workspace::dracut_module(), &built.engine])
        .arg(drop_in)
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn the_order_of_the_units_has_no_circle_and_every_line_is_known() {
    let (is_right, said) = verified("");
    // Of units of the distribution it may say what it likes.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("ignition") || line.contains("kindling"))
        .collect();
    assert_eq!(ours, [""; 0], "{said}");
    println!("status {is_right}: {said}");
    // It can find something.
    let (_, said) = verified("[Unit]\nAfter=ignition-files.service\nNoSuchThing=1");
    assert!(said.contains("NoSuchThing"), "{said}");
    assert!(said.contains("ordering cycle"), "{said}");
}
