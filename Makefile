# Kindling. Each target is one obvious command; nothing else has to be typed on a fresh machine.

TARGET  := x86_64-unknown-linux-gnu
BINARY  := target/$(TARGET)/release/kindling
# Bytes; the budget of docs/architecture.md.
SIZE_LIMIT := 5000000

DESTDIR    ?=
PREFIX     ?= /usr
MODULE_DIR ?= $(PREFIX)/lib/dracut/modules.d/30kindling

SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: all build demo test lint unit guests bench size install clean

all: build

# A static binary: the initramfs need not bring a C library for it.
build:
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target $(TARGET) --bin kindling

# Boot a blank machine and watch it become a node. CONFIG=file boots with another config.
demo: build
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm demo --binary $(BINARY) $(if $(CONFIG),--config $(CONFIG))

# Everything that must pass: formatting, lints, unit and integration tests, real guests, size.
test: lint unit size guests

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit: tools
	cargo nextest run --locked --workspace --exclude kindling-vm

guests: build tools
	cargo build --locked -p kindling-vm
	$(SUDO) target/debug/kindling-vm setup --binary $(BINARY)
	$(SUDO) env "PATH=$$PATH" "HOME=$$HOME" cargo nextest run --locked -p kindling-vm

.PHONY: tools
tools:
	@cargo nextest --version >/dev/null 2>&1 || cargo install --locked cargo-nextest

bench: build
	tests/bench/run.sh $(BINARY)

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

clean:
	cargo clean
