# make demo   export the shipped student through the gate, sharpen the bundled photographs, write a page
# make test   install what the tests need and run them
# make lint   ruff and mypy
# make gpu-check  the same on a device with TensorRT: builds engines, prints latencies and agreement;
#                 VENV_FLAGS=--system-site-packages where TensorRT belongs to the system, as on a Jetson
# make clean  remove everything that was built

PYTHON ?= python3
VENV ?= .venv
VENV_FLAGS ?=
BIN := $(VENV)/bin
SOURCES := $(shell find ensharpen_edge export calibration runtime benchmarks -name '*.py' -o -name '*.safetensors' \
	-o -name '*.html' -o -name '*.json' -o -name '*.png') pyproject.toml constraints.txt

.PHONY: demo test lint gpu-check clean

demo: $(VENV)/.demo
	$(BIN)/ensharpen-export --target onnx --model nano --precision fp32 --out build
	$(BIN)/ensharpen-bench demo build/nano-onnx-fp32 --photos tests/data --out build/demo

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd tests && $(abspath $(BIN))/mypy --config-file ../pyproject.toml -p ensharpen_edge

gpu-check: $(VENV)/.test
	$(BIN)/pytest -m gpu -s tests/runtime/trt

$(VENV)/.python:
	$(PYTHON) -c 'import sys; assert (3, 10) <= sys.version_info[:2] <= (3, 13), "needs Python 3.10 to 3.13"'
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[onnx,bench]"
	rm -rf build/lib build/bdist.*
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	touch $@

$(VENV)/.test: $(VENV)/.python $(SOURCES)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[test]"
	rm -rf build/lib build/bdist.*
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache
