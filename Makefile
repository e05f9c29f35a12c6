# Two commands: `make book` and `make test`. Each makes what it needs, in .venv, from requirements.lock.
#
#   make book PROFILE=paper DATA=/data    the benchmarks in /data/mvtec, /data/visa; add DRY=1 to see what it would take
#   make book EXECUTOR=slurm              the jobs on a Slurm cluster; PARTITION= and ACCOUNT= where it asks for them
#   make book SHARDS=1                    pages whose work can be cut are computed in pieces, side by side
#   make book PYTHON=python               an environment of your own (conda, say) in which everything is installed

PROFILE := embedded
EXECUTOR := local
SHARDS := $(if $(filter-out local,$(EXECUTOR)),1)
QUICK := not (workflow or kernel or browser or training or slow)
# Tests start hundreds of processes, which else would compile the sources of both packages each, with checks of types.
CACHED := env -u PYTHONDONTWRITEBYTECODE
VENV := .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON := python3

ENVIRONMENT := $(if $(filter $(VENV)/bin/python,$(PYTHON)),$(VENV)/installed)
export OMP_NUM_THREADS ?= 1
ifdef DATA
export ZSAS_DATA := $(abspath $(DATA))
endif
PLAN = $(PYTHON) -m zsas_book.cli plan --profile $(PROFILE) --executor $(EXECUTOR) --partition '$(PARTITION)' $(if $(SHARDS),--shards)
AT_ONCE = $(if $(filter local,$(EXECUTOR)),--cores $(or $(JOBS),2),$(if $(JOBS),--jobs $(JOBS)))
ON_CLUSTER = $(if $(PARTITION),"slurm_partition='$(PARTITION)'") $(if $(ACCOUNT),"slurm_account='$(ACCOUNT)'")
SNAKEMAKE = $(PYTHON) -m snakemake --snakefile zsas_book/workflow/Snakefile --profile zsas_book/workflow/profiles/$(EXECUTOR) $(AT_ONCE) \
  $(if $(strip $(ON_CLUSTER)),--default-resources $(ON_CLUSTER)) --quiet host reason $(OPTIONS) \
  --config profile=$(PROFILE) $(if $(SHARDS),shards=$(SHARDS))

.PHONY: help book status test lint types format data check pdf benchmarks notebooks lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make book       compute the chapters and render the book (PROFILE=embedded, EXECUTOR=local, JOBS=2); DRY=1 lists the jobs'
	@echo 'make status     list what is fresh, stale, missing or failed (PROFILE=embedded)'
	@echo 'make test       check format and types and run the tests, in five minutes on two cores; FAST=1 runs those of a minute'
	@echo 'make lint       check the format and what can be read off the sources'
	@echo 'make types      check the types of zsas_lib'
	@echo 'make format     format the sources and the notebooks'
	@echo 'make data       make the embedded data sets in the cache'
	@echo 'make check      check the rendered book once more, and in a browser where Chromium is installed'
	@echo 'make pdf        print the rendered book as book/_build/book.pdf, where Chromium is installed'
	@echo 'make benchmarks measure against peers and bars (NAMES="aupro rotation"; DEVICE=cpu), on a quiet machine; half an hour'
	@echo 'make notebooks  write notebooks/NAME.ipynb from the NAME.md that people edit'
	@echo 'make lock       write requirements.lock anew from pyproject.toml'
	@echo 'make clean      remove what was computed and rendered, but not the environment'

ifdef DRY
book: $(ENVIRONMENT)
	@$(PLAN)
else
book: $(ENVIRONMENT)
	@$(PLAN) --quiet
	@$(if $(filter paper,$(PROFILE)),,$(PYTHON) -m zsas_lib.data.embedded)
	@$(SNAKEMAKE)
	@echo 'The book is rendered: open $(CURDIR)/book/_build/html/index.html'
endif

status: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_book.cli status --profile $(PROFILE)

test: data lint $(if $(FAST),,types)
	$(CACHED) $(PYTHON) -m pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder $(if $(FAST),-m '$(QUICK)')

lint: $(ENVIRONMENT)
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --check --quiet .

types: $(ENVIRONMENT)
	@$(PYTHON) -m basedpyright --pythonpath $(PYTHON)

format: $(ENVIRONMENT)
	@$(PYTHON) -m ruff check --fix --quiet .
	@$(PYTHON) -m ruff format --quiet .
	@$(PYTHON) -m jupytext --quiet --pipe '$(PYTHON) -m ruff format -' notebooks/*.md tests/notebooks/*.md
	@$(PYTHON) -m jupytext --quiet --to ipynb --update notebooks/*.md tests/notebooks/*.md

data: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_lib.data.embedded

check: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_book.site.check
	$(PYTHON) -m pytest --quiet tests/zsas_book/site/test_browser.py

pdf: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_book.site.print

benchmarks: data
	@test -x .peers/anomalib/bin/python || $(PYTHON) -m benchmarks --make-peer || echo 'Going on without anomalib.'
	@env -u OMP_NUM_THREADS $(PYTHON) -m benchmarks $(NAMES) --device $(or $(DEVICE),cpu)

notebooks: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_book.project.notebooks
	@$(PYTHON) -m jupytext --to ipynb --update notebooks/*.md

lock: $(ENVIRONMENT)
	@$(PYTHON) -m uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	rm -rf book/_build book/_computed .snakemake runs

# The lock names the uv that installs it; where uv cannot be had, pip installs the same. Either compiles what it installs, as
# the book starts hundreds of processes, which else would read the sources of torch each where PYTHONDONTWRITEBYTECODE is set.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed; name one: make BASE_PYTHON=python3.12'; exit 1; }
	@echo 'Making the environment in $(VENV) from requirements.lock'
	@test -x $(VENV)/bin/python || $(BASE_PYTHON) -m venv $(VENV)
	@if $(VENV)/bin/python -m pip install --quiet "$$(grep '^uv==' requirements.lock)"; then \
	  $(VENV)/bin/python -m uv pip sync --compile-bytecode --python $(VENV)/bin/python requirements.lock && \
	  $(VENV)/bin/python -m uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(VENV)/bin/python -m pip install --requirement requirements.lock && \
	  $(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@
