# make run: set up .venv from the lock and run the default config.   make test: set up and run every test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
CORES ?= 8
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: run test lint setup release

run: setup
	snakemake --cores $(CORES) --rerun-incomplete

test: setup
	pytest --numprocesses 2 --dist loadfile

lint: setup
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules
	mypy
	lint-imports

# Trains the released model and puts it into the package; config/examples/evaluation.yaml names the data it needs.
RELEASED := vfprog/resources/models/24-2

release: setup
	snakemake results/evaluation/models/vae/card.json --cores $(CORES) --rerun-incomplete --configfile config/examples/evaluation.yaml
	vfprog adopt results/evaluation/models/vae $(RELEASED) released

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v != (3, 11) and f"vfprog needs Python 3.11, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
