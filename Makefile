# make demo   export the shipped student through the gate, sharpen the bundled photographs, write a page
# make demo-web   bundle the shipped student for browsers, fetch onnxruntime-web by npm, serve the page
# make dev    install the checkout itself (editable), with everything that the tests need
# make check  lint, types and the fast tests: for every commit
# make test   lint, types and all tests: the gate
# make gpu-check  the tests of a device with TensorRT: builds engines, prints latencies and agreement;
#                 VENV_FLAGS=--system-site-packages where TensorRT belongs to the system, as on a Jetson
# make clean  remove everything that was built

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
WORKERS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check
STAGES := benchmarks calibration export runtime
SOURCES := $(shell find ensharpen_edge $(STAGES) -type f ! -name '*.pyc') pyproject.toml setup.py constraints.txt
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile

.PHONY: demo demo-web dev check test lint fast-tests all-tests gpu-check clean

demo: $(VENV)/.demo
	$(BIN)/ensharpen-export --target onnx --model nano --precision fp32 --out build
	$(BIN)/ensharpen-bench demo build/nano-onnx-fp32 --photos tests/photographs --out build/demo

demo-web: $(VENV)/.demo
	$(BIN)/ensharpen-export --target onnx --model nano --precision fp32 --out build
	$(BIN)/ensharpen-bundle web build/nano-onnx-fp32 --out build/web
	cd build/web && npm install --no-audit --no-fund
	@echo "open http://localhost:8000"
	cd build/web && $(abspath $(BIN))/python -m http.server --bind 127.0.0.1

dev: $(VENV)/.dev

# Types are checked on one core: the tests begin beside it.
check: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 lint fast-tests

test: $(VENV)/.dev
	@$(MAKE) --no-print-directory --jobs=2 lint all-tests

fast-tests: $(VENV)/.dev
	$(PYTEST) -m "not slow"

all-tests: $(VENV)/.dev
	$(PYTEST) --durations=15

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd tests && $(abspath $(BIN))/mypy --config-file ../pyproject.toml -p ensharpen_edge

gpu-check: $(VENV)/.dev
	$(BIN)/pytest -m gpu -s tests/runtime/jetson_kit

$(VENV)/.python:
	$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13), "needs Python 3.10 to 3.13"'
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.python $(SOURCES)
	$(PIP) install -c constraints.txt ".[onnx,bench]"
	rm -rf build/lib build/bdist.*
	$(PIP) install --no-deps --force-reinstall .
	touch $@

# "strict": a tree of links that holds the files as they will be installed; type checkers read it, and no other copy of
# the package can be imported. It is made anew when a file comes or goes.
$(VENV)/.dev: $(VENV)/.python $(SOURCES)
	$(PIP) install -c constraints.txt --config-settings editable_mode=strict -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
