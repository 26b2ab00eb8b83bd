# Kindling. Each target is one obvious command; nothing else has to be typed on a fresh machine.

TARGET  := x86_64-unknown-linux-gnu
BINARY  := target/$(TARGET)/release/kindling
# Bytes; the budget of docs/architecture.md.
SIZE_LIMIT := 5000000

DESTDIR    ?=
PREFIX     ?= /usr
MODULE_DIR ?= $(PREFIX)/lib/dracut/modules.d/30kindling

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
AS_ROOT := $(if $(SUDO),sudo env "PATH=$$PATH" "HOME=$$HOME")

.PHONY: all build demo test lint unit guests language bench size install clean

all: build

# A static binary: the initramfs need not bring a C library for it. What else is asked of the linker makes it smaller
# (docs/decisions/0008-no-unwind-tables.md, 0013-size.md); `muldefs` lets src/host/unwind.rs and never_run.rs stand in for
# functions of the C library.
LINK := -C link-arg=-Wl,-z,pack-relative-relocs -C link-arg=-Wl,--no-eh-frame-hdr \
  -C link-arg=-Wl,-T,link/no-unwind-tables.ld -C link-arg=-Wl,-z,muldefs
# Names variants that another release of the C library may not have: there the binary links as well, and is larger.
ifneq ($(findstring 2.36,$(shell getconf GNU_LIBC_VERSION 2>/dev/null)),)
LINK += -C link-arg=link/cold-strings.ld
endif
# Functions with the same code become one, where Rust brings its own linker: the other one cannot.
ifneq ($(wildcard $(shell rustc --print sysroot)/lib/rustlib/$(TARGET)/bin/rust-lld),)
LINK += -C link-arg=-Wl,--icf=all
endif

# Messages of a panic name a crate's file without the directory of this machine's crates.
SHORT := for dir in "$${CARGO_HOME:-$$HOME/.cargo}"/registry/src/*/; do printf ' --remap-path-prefix=%s=' "$$dir"; done

build: cc
	cargo fetch --locked --target $(TARGET)
	RUSTFLAGS="-C target-feature=+crt-static $(LINK)$$($(SHORT))" \
	  cargo build --release --locked --target $(TARGET) --bin kindling

# Boot a blank machine and watch it become a node. CONFIG=file boots with another config.
demo: build
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm demo --binary $(BINARY) $(if $(CONFIG),--config $(CONFIG))

# Everything that must pass: formatting, lints, unit and integration tests, real guests, size.
test: lint unit size guests

lint: cc
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Some of these need root: account programs, mount namespaces, owners.
unit: tools reference s3
	cargo nextest run --locked --workspace --exclude kindling-vm --no-run
	$(AS_ROOT) env KINDLING_REFERENCE=$(CURDIR)/$(REFERENCE) cargo nextest run --locked --workspace --exclude kindling-vm

guests: build tools
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm setup --binary $(BINARY)
	cargo nextest run --locked -p kindling-vm --no-run
	$(AS_ROOT) cargo nextest run --locked -p kindling-vm

# A real control plane and a real kubelet, built once from the distribution's source package (about seven minutes, then
# nothing) and kept in target/cluster; tests/cluster/README.md. Nothing of it is installed.
.PHONY: test-cluster cluster-tools
test-cluster: build tools cluster-tools
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm setup --binary $(BINARY)
	cargo nextest run --locked -p kindling-vm --test control_plane --test join --no-run
	$(AS_ROOT) cargo nextest run --locked -p kindling-vm --test control_plane --test join --run-ignored only

cluster-tools: cc
	@command -v dpkg-source >/dev/null || { $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends dpkg-dev; }
	nice -n 10 sh tests/cluster/build.sh target/cluster

# The cases that kill a stage, at a hundred seeded random moments each instead of a few; about two hours under emulation.
# And the disks stage on a disk as it was at each flush of it, and in up to four states between each two: two hours more.
# And whole first boots whose power is cut at sixty seeded moments: half an hour.
SOAK_POINTS ?= 100
SOAK_STATES ?= 4
SOAK_POWER_OFFS ?= 60
.PHONY: soak
soak: build tools
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm setup --binary $(BINARY)
	$(AS_ROOT) env KINDLING_CASES=killed KINDLING_POINTS=$(SOAK_POINTS) KINDLING_STATES=$(SOAK_STATES) \
	  KINDLING_POWER_OFFS=$(SOAK_POWER_OFFS) \
	  cargo nextest run --locked --profile soak -p kindling-vm --test cases --test replay --test power_offs \
	  --run-ignored all --no-capture

# The reference engine as the distribution packages it, unpacked beside the build and not installed: tests compare what
# both say, and the benchmark what both take.
REFERENCE := target/reference
.PHONY: reference
reference: $(REFERENCE)/usr/bin/ignition-validate
$(REFERENCE)/usr/bin/ignition-validate:
	rm -rf $(REFERENCE) && mkdir -p $(REFERENCE)
	cd $(REFERENCE) && { apt-get download -q ignition || { $(SUDO) apt-get update -q && apt-get download -q ignition; }; }
	dpkg-deb --extract $(REFERENCE)/ignition_*.deb $(REFERENCE)

# An S3-compatible server, which judges our signatures, in an environment of its own.
S3 := target/s3
.PHONY: s3
s3: $(S3)/installed
$(S3)/installed: tests/transfers/s3.txt
	@python3 -c 'import ensurepip' 2>/dev/null || { $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv; }
	rm -rf $(S3)
	python3 -m venv $(S3)
	$(S3)/bin/pip install -q --disable-pip-version-check --no-deps -r $<
	touch $@

# What the host lacks of Debian's packages and of the test runner, which is not optimized: it waits for tests, and that would take
# five minutes. No package starts its service. The guests install their own tools.
.PHONY: tools cc
tools: cc
	@missing=; for pair in strace:strace useradd:passwd unshare:util-linux mkfs.ext4:e2fsprogs in.tftpd:tftpd-hpa tinyproxy:tinyproxy-bin ip:iproute2 openssl:openssl \
	  fuse2fs:fuse2fs newuidmap:uidmap mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs mkfs.fat:dosfstools getfattr:attr; do \
	  command -v "$${pair%%:*}" >/dev/null || [ -x "/usr/sbin/$${pair%%:*}" ] || missing="$$missing $${pair##*:}"; \
	done; \
	[ -z "$$missing" ] || { $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1 apt-get install -q -y --no-install-recommends $$missing; }
	@cargo nextest --version >/dev/null 2>&1 || \
	  cargo install --locked --debug --no-default-features --features default-no-update cargo-nextest

# A linker and the compiler of the crate `ring`.
cc:
	@command -v cc >/dev/null || { $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends gcc libc6-dev; }

# Write what is made from the table of fields and from the rules: JSON Schemas, docs/config-spec.md, docs/config-rules.md.
language: tools
	KINDLING_RENEW=1 cargo nextest run --locked -p kindling-config-spec -E 'test(what_the_table_gives) + binary(rules_page)'

# Throws garbage at the config layer: FUZZ_SECONDS for each target, and failure at the first crash.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS := parse render unit yaml languages
.PHONY: fuzz
fuzz: cc
	@command -v c++ >/dev/null || { $(SUDO) apt-get update -q && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends g++; }
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	for target in $(FUZZ_TARGETS); do \
	  cargo fuzz run --fuzz-dir tests/fuzz -s none $$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=8192 || exit 1; \
	done

bench: build reference
	@command -v hyperfine >/dev/null && [ -x /usr/bin/time ] || \
	  { $(SUDO) apt-get update -q && $(SUDO) apt-get install -q -y hyperfine time; }
	cargo bench --locked -p kindling-config-spec --bench check
	$(AS_ROOT) tests/bench/run.sh $(BINARY) $(REFERENCE)
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm bench --binary $(BINARY)

size: build
	@bytes=$$(stat -c %s $(BINARY)); \
	echo "stripped static binary: $$bytes bytes of $(SIZE_LIMIT)"; \
	[ "$$bytes" -le $(SIZE_LIMIT) ]

install: build
	install -D -m 0755 $(BINARY) $(DESTDIR)$(MODULE_DIR)/kindling
	for file in dracut/30kindling/*; do \
	  mode=0644; [ -x "$$file" ] && mode=0755; \
	  install -D -m $$mode "$$file" "$(DESTDIR)$(MODULE_DIR)/$${file##*/}" || exit 1; \
	done
# For the real root, where a preset of the distribution enables them: what removes the config from the hypervisor, what writes
# down what the platform tells, and what ends a first boot that the boot loader knows by a stamp.
	install -d $(DESTDIR)$(PREFIX)/libexec $(DESTDIR)$(PREFIX)/lib/systemd/system
	for name in ignition-rmcfg kindling; do \
	  ln -sfn $(MODULE_DIR)/kindling $(DESTDIR)$(PREFIX)/libexec/$$name || exit 1; \
	done
	for unit in ignition-delete-config kindling-metadata kindling-firstboot-complete; do \
	  sed 's|/usr/libexec/|$(PREFIX)/libexec/|' dracut/real-root/$$unit.service \
	    >$(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service || exit 1; \
	  chmod 0644 $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit.service; \
	done

clean:
	cargo clean
