# Two commands: `make book` and `make test`. Each makes what it needs, in .venv, from requirements.lock.
#
#   make book PROFILE=paper DATA=/data    the benchmarks in /data/mvtec, visa, btad, mpdd; add DRY=1 to see what it would take
#   make book EXECUTOR=slurm              the jobs on a Slurm cluster; PARTITION= and ACCOUNT= where it asks for them
#   make book SHARDS=1                    pages whose work can be cut are computed in pieces, side by side
#   make book PYTHON=python               an environment of your own (conda, say) in which everything is installed
#
# Folders may have names with spaces and quotes: what a variable holds goes to the shell as $(call given,NAME), one word.

PROFILE := embedded
EXECUTOR := local
SHARDS := $(if $(filter-out local,$(EXECUTOR)),1)
QUICK := not (workflow or kernel or browser or training or slow)
# Quick tests do not check the shapes and types of what functions are given.
# Tests and the book start hundreds of processes, which else would compile the sources of both packages each, and follow
# them for the keys of results (zsas_lib/base/remembered.py).
CACHED := env -u PYTHONDONTWRITEBYTECODE
VENV := .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON := python3

# quoted: a text as one word of the shell; given: the same of what a variable holds, as it was given.
quoted = '$(subst ','\'',$(1))'
given = $(call quoted,$(value $(1)))
blank := $(subst ,, )
# A name of a file as make wants it in a rule.
escaped = $(subst $(blank),\ ,$(1))

ifeq ($(PYTHON),$(VENV)/bin/python)
ENVIRONMENT := $(call escaped,$(VENV))/installed
endif
export OMP_NUM_THREADS ?= 1
ifdef DATA
export ZSAS_DATA := $(if $(filter /% ~%,$(firstword $(value DATA))),,$(CURDIR)/)$(value DATA)
endif
RUN = $(call given,PYTHON)
PLAN = $(RUN) -m zsas_book.cli plan --profile $(call given,PROFILE) --executor $(call given,EXECUTOR) \
  --partition $(call given,PARTITION) $(if $(SHARDS),--shards)
AT_ONCE = $(if $(filter local,$(EXECUTOR)),--cores $(or $(JOBS),2),$(if $(JOBS),--jobs $(JOBS)))
ON_CLUSTER = $(if $(PARTITION),$(call quoted,slurm_partition='$(PARTITION)')) \
  $(if $(ACCOUNT),$(call quoted,slurm_account='$(ACCOUNT)'))
SNAKEMAKE = $(CACHED) $(RUN) -m snakemake --snakefile zsas_book/workflow/Snakefile \
  --profile $(call quoted,zsas_book/workflow/profiles/$(EXECUTOR)) $(AT_ONCE) \
  $(if $(strip $(ON_CLUSTER)),--default-resources $(ON_CLUSTER)) --quiet host reason $(OPTIONS) \
  --config $(call quoted,profile=$(PROFILE)) $(if $(SHARDS),$(call quoted,shards=$(SHARDS)))

.PHONY: help book status test lint types format data check pdf benchmarks notebooks lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make book       compute the chapters and render the book (PROFILE=embedded, EXECUTOR=local, JOBS=2); DRY=1 lists the jobs'
	@echo 'make status     list what is fresh, stale, missing or failed (PROFILE=embedded)'
	@echo 'make test       check format and types and run the tests, in 8 to 15 minutes on 2 cores; FAST=1 those of less than a minute'
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
	@$(if $(filter paper,$(PROFILE)),,$(RUN) -m zsas_lib.data.embedded)
	@$(SNAKEMAKE)
	@echo $(call quoted,The book is rendered: open $(CURDIR)/book/_build/html/index.html)
endif

status: $(ENVIRONMENT)
	@$(RUN) -m zsas_book.cli status --profile $(call given,PROFILE)

test: data lint
	$(CACHED) $(RUN) -m pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder $(if $(FAST),--jaxtyping-packages= --durations=5 -m '$(QUICK)')

lint: $(ENVIRONMENT)
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --check --quiet .

# With more room for what is young, node looks for garbage less often.
types: $(ENVIRONMENT)
	@NODE_OPTIONS=--max-semi-space-size=64 $(RUN) -m basedpyright --pythonpath $(RUN)

format: $(ENVIRONMENT)
	@$(RUN) -m ruff check --fix --quiet .
	@$(RUN) -m ruff format --quiet .
	@$(RUN) -m jupytext --quiet --pipe $(call quoted,$(RUN) -m ruff format -) notebooks/*.md tests/notebooks/*.md
	@$(RUN) -m jupytext --quiet --to ipynb --update notebooks/*.md tests/notebooks/*.md

data: $(ENVIRONMENT)
	@$(RUN) -m zsas_lib.data.embedded

check: $(ENVIRONMENT)
	@$(RUN) -m zsas_book.site.check
	$(RUN) -m pytest --quiet tests/zsas_book/site/test_browser.py

pdf: $(ENVIRONMENT)
	@$(RUN) -m zsas_book.site.print

benchmarks: data
	@test -x .peers/anomalib/bin/python || $(RUN) -m benchmarks --make-peer || echo 'Going on without anomalib.'
	@env -u OMP_NUM_THREADS $(RUN) -m benchmarks $(NAMES) --device $(call quoted,$(or $(DEVICE),cpu))

notebooks: $(ENVIRONMENT)
	@$(RUN) -m zsas_book.project.notebooks
	@$(RUN) -m jupytext --to ipynb --update notebooks/*.md

lock: $(ENVIRONMENT)
	@$(RUN) -m uv pip compile pyproject.toml --universal --python-version 3.11 --upgrade \
	  --extra book --extra test --extra browser --extra onnx --extra lint --extra lock \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	rm -rf book/_build book/_computed .snakemake runs

# The lock names the uv that installs it; where uv cannot be had, pip installs the same. Either compiles what it installs, as
# the book starts hundreds of processes, which else would read the sources of torch each where PYTHONDONTWRITEBYTECODE is set.
$(call escaped,$(VENV))/installed: requirements.lock pyproject.toml
	@$(call given,BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed; name one: make BASE_PYTHON=python3.12'; exit 1; }
	@test -w . || { echo $(call quoted,$(CURDIR) cannot be written: make the book in a copy of it that is yours.); exit 1; }
	@echo $(call quoted,Making the environment in $(VENV) from requirements.lock)
	@test -x $(call quoted,$(VENV)/bin/python) || $(call given,BASE_PYTHON) -m venv $(call given,VENV)
	@if $(call quoted,$(VENV)/bin/python) -m pip install --quiet "$$(grep '^uv==' requirements.lock)"; then \
	  $(call quoted,$(VENV)/bin/python) -m uv pip sync --compile-bytecode --python $(call quoted,$(VENV)/bin/python) requirements.lock && \
	  $(call quoted,$(VENV)/bin/python) -m uv pip install --quiet --python $(call quoted,$(VENV)/bin/python) --no-deps --no-build-isolation -e . ; \
	else \
	  $(call quoted,$(VENV)/bin/python) -m pip install --requirement requirements.lock && \
	  $(call quoted,$(VENV)/bin/python) -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(call quoted,$(VENV)/installed)
