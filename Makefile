# kubeception's commands. `make` alone lists them.
SHELL := /bin/bash
PYTHON := /usr/bin/python3.11
VENV := .venv
LAB := lab
WORKERS := 0
ROUNDS := 5
TIMES := 1
CUTS := 2
# More lines of code than this in src fail `make lint`.
CODE_LINES := 30964
LABS := 2
ARGS := get nodes,pods -A -o wide
ON_CP1 = $(VENV)/bin/kubeception lab run --name $(LAB) cp1 --

.DEFAULT_GOAL := help
.PHONY: help setup bundle up down kubectl status check lint types unit api lab test bench compare recovery timeline rolls vm soak lock golden before clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## Make .venv from the locked requirements

# Debian splits venv from python3; where apt is missing, say what to install.
$(VENV)/.ready: requirements/dev.txt
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y python3-venv >/dev/null; } \
	  || { echo "error: Python 3.11's venv module is missing; install python3-venv" >&2; exit 1; }
	@echo "setup: installing the locked requirements into $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(VENV)/bin/pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

bundle: setup ## Build what is missing of the bundle
	@$(VENV)/bin/kubeception bundle build

up: bundle ## Build, boot a lab host, bootstrap it and show it (WORKERS=2 for more hosts)
	@$(VENV)/bin/kubeception lab up --name $(LAB) --workers $(WORKERS)
	@echo; $(ON_CP1) kubectl get nodes -o wide
	@echo; $(ON_CP1) kubectl get pods -A
	@echo
	@echo 'use it:     make kubectl ARGS="get pods -A"'
	@echo 'look at it: make status   (on a host: kubeception status)'
	@echo 'remove it:  make down'

kubectl: setup ## Run kubectl in the lab (ARGS="get pods -A")
	@$(ON_CP1) kubectl $(ARGS)

status: setup ## Ask the lab's control plane how it is
	@$(ON_CP1) kubeception status

down: setup ## Remove the lab's hosts and all that they made
	@$(VENV)/bin/kubeception lab down --name $(LAB)

lint: setup ## Run ruff, check the layers of imports, count src's lines of code
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/lint-imports --config .importlinter
	@$(VENV)/bin/python tools/code_lines.py src --limit $(CODE_LINES)

types: setup ## Run mypy --strict
	@$(VENV)/bin/mypy

unit: setup ## Run the unit tests
	@$(VENV)/bin/pytest tests/unit

api: bundle ## Run the tests against a real etcd and kube-apiserver
	@$(VENV)/bin/pytest tests/api

check: lint types unit api ## Run lint, types, unit and API tests

# Labs are worlds of their own, and wait a lot: two at a time, each with files of tests of its own.
lab: bundle ## Run the tests on lab hosts, two labs at a time (LABS=1 for one)
	@$(VENV)/bin/pytest tests/lab -n $(LABS) --dist loadfile --no-loadscope-reorder --durations 15

# T picks one part: a folder of tests, a file, or a pattern of test names.
ifdef T
test: bundle
	@if [ -e "tests/$(T)" ]; then $(VENV)/bin/pytest "tests/$(T)"; else $(VENV)/bin/pytest -k "$(T)"; fi
else
test: check lab ## Run everything that CI runs, or one part (T=unit, T=lab/test_bootstrap.py, T=name)
endif

bench: bundle ## Race kubeadm, time what is promised, write docs/bench.md (ROUNDS=1 for less)
	@$(VENV)/bin/python -m bench --rounds $(ROUNDS)

compare: ROUNDS := 10
compare: AFTER := HEAD
compare: bundle ## Measure two commits in pairs (BEFORE=commit, AFTER=HEAD, ROUNDS=10); goes on if ended
	@$(VENV)/bin/python -m bench.paired $(BEFORE) --after $(AFTER) --rounds $(ROUNDS)

timeline: bundle ## Take a lab from one minor to the next, and draw docs/upgrade.svg
	@$(VENV)/bin/kubeception bundle build --release 1.36
	@$(VENV)/bin/python -m bench.upgrade

rolls: bundle ## Roll the API server five times under load, ours and then kubeadm's
	@$(VENV)/bin/python -m bench.rolls

vm: bundle ## Boot Debian in QEMU, emulated, bootstrap it, reset it, and time all that (a quarter of an hour)
	@$(VENV)/bin/python -m bench.vm

recovery: bundle ## Inject every fault and write docs/recovery.md (TIMES=3 for more, CUTS=20)
	@$(VENV)/bin/python -m bench.recovery --times $(TIMES) --cuts $(CUTS)

soak: bundle ## Run the long tests: every fault, 50 power cuts, 20 reboots, kills at every step, fuzzing
	@$(VENV)/bin/kubeception bundle build --release 1.36
	@KUBECEPTION_SOAK=1 KUBECEPTION_KILLS=10 KUBECEPTION_CUTS=20 KUBECEPTION_MOMENTS=5 \
	  KUBECEPTION_REQUESTS=200000 \
	  $(VENV)/bin/pytest tests/lab \
	  tests/api/test_states.py tests/api/test_join_load.py tests/api/test_batches.py

lock: setup ## Write requirements/*.txt anew from pyproject.toml
	@$(VENV)/bin/pip install -q uv
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url \
	  --python-version 3.11 pyproject.toml -o requirements/run.txt
	@$(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-header --no-emit-index-url \
	  --python-version 3.11 --group dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt

golden: setup ## Write golden files, docs/config.md and the JSON Schema anew
	@$(VENV)/bin/pytest -q tests/unit --golden

before: ## Pack the sources whose takeover is tested (COMMIT=commit)
	@git archive $(COMMIT) src requirements/run.txt | xz -9e > tests/lab/data/before.tar.xz

clean: ## Remove what make made in this folder
	@rm -rf $(VENV) artifacts .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
