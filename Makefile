# Two commands do everything: `make run` starts the host, `make test` passes the tests.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Half of the time, tests wait for a disk or for another process.
WORKERS ?= $(shell expr 2 \* $$(nproc))
# Otherwise each process of a test compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE

# What runs the host, and what the tests run against, as Debian's packages.
RUN_PACKAGES := python3-venv
TEST_PACKAGES := $(RUN_PACKAGES) btrfs-progs buildah busybox-static containerd containernetworking-plugins curl \
	docker-registry e2fsprogs gcc libc6-dev mmdebstrap openssl patchelf podman runc skopeo strace systemd umoci util-linux \
	xfsprogs

.PHONY: help run demo test soak lint docs bench generate clean

help:
	@echo "make run    set everything up and start the host"
	@echo "make demo   show the main job in a temporary directory"
	@echo "make test   set everything up and pass the tests"
	@echo "make soak   inject many more faults than make test does, others each time, for hours"
	@echo "make lint   ruff, mypy, import-linter, generated modules"
	@echo "make docs   build the site, with the API reference, into build/site"
	@echo "make bench  measure lamina next to containerd, over the same calls"

run: $(VENV)/run.stamp
	$(BIN)/lamina serve

demo: $(VENV)/run.stamp
	$(BIN)/python examples/demo.py

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

soak: $(VENV)/test.stamp
	LAMINA_SOAK=1 LAMINA_REQUIRE=all $(BIN)/python -m pytest tests/faults $(PYTEST_ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ruff check --preview --select PLC2701,SLF001,TID251 examples/blockfile-snapshotter examples/greeter
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m lamina.api.generate --check

docs: $(VENV)/test.stamp
	$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -c docs -d build/doctrees . build/site

bench: $(VENV)/test.stamp
	$(BIN)/python -m tests.benchmarks compare

generate: $(VENV)/test.stamp
	$(BIN)/python -m lamina.api.generate

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/run.stamp: pyproject.toml
	sh .ci/packages $(RUN_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/test.stamp: pyproject.toml
	sh .ci/packages $(TEST_PACKAGES)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,docs]'
	touch $@ $(VENV)/run.stamp
