# make demo   installs what is missing, builds, and boots real clients in a private network
# make test   installs what is missing, and runs everything that CI runs
# make bench  measures beside peers
# make pictures  makes the pictures of the operator's page in docs/pictures
# make chaos  breaks it on purpose: kills, power losses, full disks, damaged blobs, links, clocks, floods
# make fuzz   looks for inputs that break a parser, a minute a target
# make package  builds the Debian package, target/debian/netbootd.deb
# make release  builds what is published, into target/release-artifacts
# make windows  builds the Windows service and tries it under Wine
# All need root: they make network namespaces and install Debian packages.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(HOME)/.cargo/bin:$(PATH)

# A clean clone is built once: files for the next build would only fill the disk.
ifdef CI
export CARGO_INCREMENTAL := 0
endif

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: packages
	cargo build --quiet -p netbootd
	cargo run --quiet -p netbootd-tests --bin demo

# A classroom in a private network, looked at with a browser.
pictures: packages
	cargo build -p netbootd -p netbootd-tests --bin netbootd --bin pictures
	target/debug/pictures

test: packages tools lint docs windows-check
	cargo nextest run --workspace
	cargo test --workspace --doc

lint: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo deny check bans licenses sources
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo check --manifest-path fuzz/Cargo.toml --target-dir target/fuzz

# The pages in docs/ as a book, in target/book.
docs: tools
	mdbook build docs
	@for page in netbootd.8 netbootd.toml.5; do mandoc -T html -O toc docs/man/$$page >target/book/$$page.html; done

# Side by side with peers, as ratios; nothing is asserted.
bench: packages peers
	@tools/install-packages iptables kea-admin kea-dhcp4-server
	cargo build --release -p bench -p netbootd -p netbootd-wim
	target/release/bench-store
	target/release/bench-policy
	target/release/bench-site
	target/release/bench-operators
	target/release/bench-tftp
	target/release/bench-http
	target/release/bench-dhcp
	target/release/bench-storm
	cargo bench -p bench -- --quick

# The boot matrix once more with the rows that take minutes.
nightly: packages tools
	@tools/install-packages qemu-system-arm qemu-efi-aarch64 u-boot-qemu wine
	cargo build -p netbootd -p netbootd-wim
	cargo nextest run -p netbootd-tests --run-ignored all

# The fault suite; make test has a short form of it.
chaos: packages
	cargo build -p netbootd -p netbootd-wim -p netbootd-tests --bin netbootd --bin netbootd-wim --bin chaos
	target/debug/chaos

fuzz: packages
	@tools/fuzz $(or $(SECONDS_EACH),60)

# Installs only what building needs.
package:
	@tools/install-packages --build
	@tools/install-tools $(TOOLS) cargo-deb
	cargo build --release -p netbootd -p netbootd-wim
	cargo-deb -p netbootd --no-build -o target/debian/netbootd.deb

release:
	@tools/install-packages --build
	@tools/install-tools $(TOOLS) cargo-deb
	tools/release

# Debian's compiler, in a folder of its own; what it shows and what not is in docs/windows.md.
windows:
	@tools/windows

windows-check:
	@tools/windows check

packages:
	@tools/install-packages

peers: packages
	@tools/install-peers $(TOOLS)

tools: packages
	@tools/install-tools $(TOOLS)

.PHONY: help demo test lint docs bench nightly chaos fuzz package release windows windows-check packages peers tools
