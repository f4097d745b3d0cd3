# Everything a developer runs. `make test` needs only the base toolchains (`make setup` names them).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(or $(CARGO_TARGET_DIR),target)
BINARY := $(abspath $(TARGET))/debug/cubeflight
VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
VENV_STAMP := $(VENV)/.complete
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cubeflight
DENY := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2
GENERATED := crates/proto/src/generated docs/errors.md clients/python/src/cubeflight/_codes.py
DEMO ?= cubeflight-demo
GO_TESTS := $(wildcard tests/go/go.mod)

.PHONY: help
help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Check the base toolchains, make the Python environment
	@tools/check-toolchains
	@$(MAKE) --no-print-directory $(VENV_STAMP)

# Only uploaded wheels and the pins: nothing is built but the client itself.
$(VENV_STAMP): tests/requirements.txt clients/python/pyproject.toml
	tools/check-toolchains
	$(PYTHON) -m venv $(VENV)
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps \
		--no-build-isolation --editable clients/python
	touch $@

.PHONY: build
# --workspace: the same features of the dependencies as in the tests, so nothing is built twice.
build: ## Build the binary (dev profile; dependencies are optimised in it)
	$(CARGO) build --locked --workspace --bin cubeflight

.PHONY: demo
demo: ## The whole path on this machine: make an archive, serve it, pull a cube, draw it
	@tools/check-toolchains
	$(CARGO) build --locked --workspace --bin cubeflight
	$(BINARY) demo --out $(DEMO)

.PHONY: test
test: test-rust test-python test-blackbox $(if $(GO_TESTS),test-go) ## Run all tests but the long ones

.PHONY: test-rust
test-rust: ## Rust tests
	@tools/check-toolchains
	$(CARGO) test --locked --workspace

.PHONY: test-python
test-python: $(VENV_STAMP) ## Tests of the Python client, against a server in the test process
	$(VENV_PYTHON) -m pytest clients/python

.PHONY: test-python-versions
test-python-versions: $(VENV_STAMP) ## The Python client's wheel in each supported Python that is here
	tools/test-python-versions $(abspath $(VENV_PYTHON))

.PHONY: test-blackbox
test-blackbox: build $(VENV_STAMP) ## Tests of the binary from outside, over a running server
	CUBEFLIGHT_BIN="$(BINARY)" $(VENV_PYTHON) -m pytest tests -m 'not long'

.PHONY: test-go
test-go: build ## Tests of the binary with a Go client (needs Go)
	cd tests/go && CUBEFLIGHT_BIN="$(BINARY)" go test ./...

.PHONY: test-long
test-long: build $(VENV_STAMP) ## What takes long (very large files, 90 time steps) or measures time
	$(CARGO) test --locked --workspace -- --ignored --test-threads=1
	CUBEFLIGHT_BIN="$(BINARY)" $(VENV_PYTHON) -m pytest tests -m long

# The benchmark has an environment of its own, with the peers in it, and keeps its archive outside the
# clone (BENCH_DIR, else the user's cache). BENCH_BINARY: a release build to be measured instead.
BENCH_VENV := $(or $(BENCH_DIR),$(TOOLS)/bench)/venv
BENCH_PYTHON := $(BENCH_VENV)/bin/python
BENCH_STAMP := $(BENCH_VENV)/.complete
BENCH_BINARY ?= $(abspath $(TARGET))/release/cubeflight
BENCH_ARGS ?=
BENCH = PYTHONPATH=tests $(BENCH_PYTHON) -m bench --binary "$(BENCH_BINARY)"

$(BENCH_STAMP): tests/bench/requirements.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_PYTHON) -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		-r tests/bench/requirements.txt
	touch $@

.PHONY: bench-binary
bench-binary:
ifeq ($(origin BENCH_BINARY),file)
	$(CARGO) build --release --locked --workspace --bin cubeflight --example pure_decode
endif

.PHONY: bench
bench: bench-binary $(BENCH_STAMP) ## Benchmark beside the peers; writes docs/benchmarks.md
	$(BENCH) $(BENCH_ARGS)

.PHONY: bench-quick
bench-quick: bench-binary $(BENCH_STAMP) ## The same with few dates, to see that it works
	$(BENCH) --quick $(BENCH_ARGS)

.PHONY: bench-transport
bench-transport: ## What the transport alone gives, beside a minimal Arrow Flight server
	$(CARGO) build --release --locked --workspace --example transport
	$(TARGET)/release/examples/transport

.PHONY: bench-client
bench-client: bench-binary $(VENV_STAMP) ## The Python client beside a bare pyarrow loop
	PYTHONPATH=tests $(VENV_PYTHON) -m bench.client --binary "$(BENCH_BINARY)"

.PHONY: fmt
fmt: ## Format the sources
	$(CARGO) fmt --all
	@if [ -x $(VENV)/bin/ruff ]; then $(VENV)/bin/ruff format clients/python tests; fi

.PHONY: fmt-check
fmt-check:
	$(CARGO) fmt --all --check

.PHONY: lint
lint: $(VENV_STAMP) ## clippy, ruff and mypy, warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(VENV)/bin/ruff check clients/python tests
	$(VENV)/bin/ruff format --check clients/python tests
	cd clients/python && $(abspath $(VENV))/bin/mypy

.PHONY: docs
docs: ## API documentation, broken links are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --workspace

# Outside the clone, so that a fresh clone does not build it again.
$(DENY):
	$(CARGO) install --quiet --locked --no-default-features --version $(DENY_VERSION) \
		--root $(TOOLS) --target-dir $(TOOLS)/build cargo-deny
	rm -rf $(TOOLS)/build

.PHONY: deny
deny: $(DENY) ## Licences, banned crates and sources of the dependencies
	$(DENY) check --hide-inclusion-graph licenses bans sources

.PHONY: advisories
advisories: $(DENY) ## Known vulnerabilities of the dependencies (needs the network)
	$(DENY) check advisories

.PHONY: generate
generate: ## Write the files made from proto/ and the error table
	$(CARGO) build --locked --quiet --workspace --bin cubeflight-proto-gen
	$(TARGET)/debug/cubeflight-proto-gen

.PHONY: check-generated
check-generated: generate ## Fail if a generated file is not the one checked in
	git diff --exit-code -- $(GENERATED)
	@new="$$(git ls-files --others --exclude-standard -- $(GENERATED))"; \
	if [ -n "$$new" ]; then echo "generated, but not checked in: $$new" >&2; exit 1; fi

.PHONY: package
package: package-python ## Build what is distributed: release binary and Python wheel, into dist/
	$(CARGO) build --locked --release -p cubeflight
	install -D -m 0755 $(TARGET)/release/cubeflight dist/cubeflight

.PHONY: package-python
package-python: $(VENV_STAMP)
	$(VENV_PYTHON) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist ./clients/python

.PHONY: container
container: ## Build the container image (podman or docker)
	$$(command -v podman || command -v docker) build -t cubeflight -f deploy/Containerfile .

.PHONY: clean
clean: ## Remove what was built in the clone
	rm -rf target $(VENV) dist clients/python/build
