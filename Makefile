# SPDX-License-Identifier: Apache-2.0
# Everything a person with Python, pip and make needs. Each verb sets up .venv by itself, once.

.PHONY: help demo test lint bench soak clean
.DEFAULT_GOAL := help

# A sourced ROS 2 shell puts its own rclpy and libraries before those of .venv: keep them out, so that the verbs do
# the same in every shell. (On a ROS 2 machine, `colcon build` and `colcon test` use that installation.)
unexport PYTHONPATH PYTHONHOME LD_LIBRARY_PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport ROS_DISTRO ROS_VERSION ROS_PYTHON_VERSION RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE
unexport VIRTUAL_ENV

BIN := .venv/bin
STAMP := .venv/installed
ARGS ?=

help:
	@echo 'make demo    a synthetic camera, a lidar and the depth node over real ROS 2; results in demo_output/'
	@echo 'make test    all tests, node tests over real DDS included'
	@echo 'make lint    ruff, mypy, import-linter'
	@echo 'make bench   measure the claimed figures on this machine: all, or ARGS=NAME'
	@echo 'make soak    the depth node for 20 minutes, with good and bad images: its memory stays; ARGS="--minutes 1"'
	@echo 'make clean   remove .venv and everything generated'
	@echo 'ARGS=... adds arguments: make demo ARGS="--source my_folder", make test ARGS=test/geometry'

demo: $(STAMP)
	$(BIN)/mono_depth demo $(ARGS)

# Node tests mostly wait: two processes take three fifths of the time of one.
test: $(STAMP)
	$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadfile)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks $(ARGS)

soak: $(STAMP)
	$(BIN)/python benchmarks soak $(ARGS)

clean:
	rm -rf .venv build install log demo_output *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# PYTHON=... chooses the interpreter; otherwise the first of these that is Python 3.10 or later and can make a venv.
CANDIDATES := $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10 python)
PROBE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))

$(STAMP): setup.py package.xml requirements.lock
	@for python in $(CANDIDATES); do \
	  if $$python -c '$(PROBE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo 'make: no Python 3.10 or later with venv and pip found; tried: $(CANDIDATES).' >&2; \
	  echo 'make: install one (Debian, Ubuntu: apt install python3-venv) or name one: make PYTHON=/path/to/python3' >&2; \
	  exit 1; \
	fi; \
	echo "make: setting up .venv with $$($$found --version) (torch and ROS 2 wheels, about 1 GB; only this once)"; \
	[ -x $(BIN)/python ] || $$found -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check $(if $(MAKE_TERMOUT),,-q) -c requirements.lock -e '.[jazzy,dev]'
	@touch $@
