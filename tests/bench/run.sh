#!/usr/bin/env bash
# Compares the engine with the distribution's `ignition` package, where that is installed, on the same work in the same
# run. Prints ratios; asserts nothing: times belong to one machine.
# usage: tests/bench/run.sh BINARY REFERENCE_ROOT (where the reference's package is unpacked)
set -euo pipefail

# Roots are mounted; the mounts end with this.
[ "$(id -u)" = 0 ] || { echo "needs root: each run gets a file system of its own" >&2; exit 2; }
[ -n "${KINDLING_BENCH_MOUNTS:-}" ] || KINDLING_BENCH_MOUNTS=1 exec unshare --mount "$0" "$@"

engine=$(realpath "$1")
reference=$2/usr/lib/dracut/modules.d/30ignition/ignition
validator=$2/usr/bin/ignition-validate
# In memory: a disk would be shared with whoever else works on this machine.
work=$(mktemp -d --tmpdir="${TMPDIR:-/dev/shm}")
trap 'umount "$work/root" "$work/run" 2>/dev/null; rm -rf "$work"' EXIT
command -v hyperfine >/dev/null || { echo "hyperfine is not installed (Debian package hyperfine)" >&2; exit 2; }

mkdir -p "$work/ours" "$work/bin" "$work/none"
ln -s "$engine" "$work/ours/ignition"
ln -s "$engine" "$work/ours/ignition-validate"
ln -s "$engine" "$work/ours/butane"
ln -s "$engine" "$work/ours/kindling"
# Debian's reference is built with SELinux relabelling: it wants a policy and a program that labels.
printf '#!/bin/sh\nexec cat >/dev/null\n' >"$work/bin/setfiles"
chmod +x "$work/bin/setfiles"

echo '{"ignition":{"version":"3.3.0"}}' >"$work/empty.ign"
python3 - >"$work/files.ign" <<'PY'
import json
files = [{"path": f"/etc/bench/{n % 100:02}/file-{n:05}", "mode": 420,
          "contents": {"source": "data:,content%20of%20file%20" + str(n) * 20}} for n in range(10000)]
print(json.dumps({"ignition": {"version": "3.3.0"}, "storage": {"files": files}}))
PY
python3 - >"$work/files.bu" <<'PY'
print("variant: fcos\nversion: 1.4.0\nstorage:\n  files:")
for n in range(10000):
    print(f"    - path: /etc/bench/{n % 100:02}/file-{n:05}\n      mode: 0644\n      contents:\n        inline: |")
    print(f"          content of file {str(n) * 10}\n          and another line of it")
PY
: >"$work/cmdline"

# One provisioning of an empty root: the two stages that every boot runs.
cat >"$work/once" <<'SH'
#!/bin/sh
# usage: once
set -e
# A new ext4 each time, as an image has: on the host's own, what others have written waits to be synced by the engine that
# syncs, and the first files behind ten thousand deletions take ten times as long, now for one engine and now for the other.
for dir in root run; do ! mountpoint -q "$WORK/$dir" || umount "$WORK/$dir"; done
mkdir -p "$WORK/root" "$WORK/run"
rm -f "$WORK/disk"
truncate --size 3G "$WORK/disk"
mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 "$WORK/disk"
mount -o loop "$WORK/disk" "$WORK/root"
mount -t tmpfs tmpfs "$WORK/run"
mkdir -p "$WORK/root/etc/selinux/targeted/contexts/files"
printf 'SELINUX=permissive\nSELINUXTYPE=targeted\n' >"$WORK/root/etc/selinux/config"
: >"$WORK/root/etc/selinux/targeted/contexts/files/file_contexts"
SH
cat >"$work/stages" <<'SH'
#!/bin/sh
set -e
export PATH="$WORK/bin:$PATH" IGNITION_CONFIG_FILE="$2" IGNITION_KERNEL_CMDLINE_PATH="$WORK/cmdline"
export IGNITION_SYSTEM_RUNTIME_CONFIG_DIR="$WORK/none" IGNITION_SYSTEM_LOCAL_CONFIG_DIR="$WORK/none"
export IGNITION_SYSTEM_CONFIG_DIR="$WORK/none" KINDLING_RUN_DIR="$WORK/run/kindling"
for stage in fetch files; do
  "$1" -platform file -stage $stage -root "$WORK/root" -log-to-stdout -config-cache "$WORK/run/cache.json" \
    -neednet "$WORK/run/neednet" -state-file "$WORK/run/state" >/dev/null 2>&1
done
SH
chmod +x "$work/once" "$work/stages"
export WORK=$work

engines=("ours $work/ours/ignition")
if [ -x "$reference" ]; then
  engines+=("reference $reference")
else
  echo "the reference's package is not in $2: no ratios"
fi

for bench in empty files; do
  runs=$([ $bench = empty ] && echo 30 || echo 8)
  for pair in "${engines[@]}"; do
    read -r name binary <<<"$pair"
    hyperfine -N --warmup 1 --runs "$runs" --prepare "$work/once" --export-json "$work/$bench-$name.json" \
      "$work/stages $binary $work/$bench.ign" >/dev/null 2>&1 || { echo "$bench: $name failed" >&2; continue; }
    "$work/once"
    IGNITION_CONFIG_FILE="$work/$bench.ign" IGNITION_KERNEL_CMDLINE_PATH="$work/cmdline" \
      IGNITION_SYSTEM_RUNTIME_CONFIG_DIR="$work/none" IGNITION_SYSTEM_LOCAL_CONFIG_DIR="$work/none" \
      IGNITION_SYSTEM_CONFIG_DIR="$work/none" KINDLING_RUN_DIR="$work/run/kindling" PATH="$work/bin:$PATH" \
      python3 - "$binary" "$work" >"$work/$bench-$name.memory" <<'PY'
import resource, subprocess, sys
binary, work = sys.argv[1:]
for stage in ("fetch", "files"):
    subprocess.run([binary, "-platform", "file", "-stage", stage, "-root", work + "/root", "-log-to-stdout",
                    "-config-cache", work + "/run/cache.json", "-neednet", work + "/run/neednet",
                    "-state-file", work + "/run/state"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
  done
done

for pair in "ours $work/ours/ignition-validate" "reference $validator"; do
  read -r name binary <<<"$pair"
  [ -x "$binary" ] || continue
  hyperfine -N --warmup 1 --runs 10 --export-json "$work/validate-$name.json" "$binary $work/files.ign" >/dev/null 2>&1
  python3 - "$binary" "$work/files.ign" >"$work/validate-$name.memory" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
done

# Parsed, checked, translated and written; the reference where somebody has it.
for pair in "ours $work/ours/butane" "reference $(command -v butane || true)"; do
  read -r name binary <<<"$pair"
  [ -x "$binary" ] || continue
  hyperfine -N --warmup 1 --runs 10 --export-json "$work/butane-$name.json" \
    "$binary --output $work/$name.ign $work/files.bu" >/dev/null 2>&1
  python3 - "$binary" --output "$work/$name.ign" "$work/files.bu" >"$work/butane-$name.memory" <<'PY'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
PY
done

# The same without packing what stands in the config, as at boot, and with the lints.
hyperfine -N --warmup 1 --runs 10 --export-json "$work/yaml-ours.json" \
  "$work/ours/kindling validate $work/files.bu" >/dev/null 2>&1

python3 - "$work" <<'PY'
import json, os, sys
work = sys.argv[1]
names = {"empty": "empty config, fetch + files", "files": "10,000 inline files, fetch + files",
         "validate": "10,000 inline files, validate", "butane": "10,000 files in YAML, butane",
         "yaml": "10,000 files in YAML, validate"}
print(f"{'work':<36}{'':<8}{'ours':>10}{'reference':>12}{'ratio':>9}")
for bench, title in names.items():
    def read(kind, name):
        path = f"{work}/{bench}-{name}.{kind if kind == 'memory' else 'json'}"
        if not os.path.exists(path):
            return None
        text = open(path).read()
        if kind == "memory":
            return int(text) / 1024
        result = json.loads(text)["results"][0]
        return 1000 * (result["user"] + result["system"] if kind == "cpu" else result[kind])
    # The best of all runs is the one that others disturbed least.
    for kind, unit in (("median", "ms"), ("min", "ms best"), ("cpu", "ms CPU"), ("memory", "MiB")):
        ours, ref = read(kind, "ours"), read(kind, "reference")
        if ours is None:
            continue
        other = f"{ref:.1f}" if ref else "-"
        ratio = f"{ours / ref:.2f}x" if ref else "-"
        print(f"{title:<36}{unit:<8}{ours:>10.1f}{other:>12}{ratio:>9}")
PY

network=("ours=$work/ours/ignition")
[ ! -x "$reference" ] || network+=("reference=$reference")
python3 "$(dirname "$0")/network.py" "$work" "${network[@]}"
