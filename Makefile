# Two commands: `make book` and `make test`. Each makes what it needs, in .venv, from requirements.lock.
#
#   make book PROFILE=paper          another profile of chapters.yaml
#   make book PYTHON=python          an environment of your own (conda, say) in which everything is installed

PROFILE := embedded
JOBS := 2
VENV := .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON := python3

ENVIRONMENT := $(if $(filter $(VENV)/bin/python,$(PYTHON)),$(VENV)/installed)
export OMP_NUM_THREADS ?= 1

.PHONY: help book test data check notebooks lock clean
.DEFAULT_GOAL := help

help:
	@echo 'make book       compute the chapters and render the book (PROFILE=embedded, JOBS=2)'
	@echo 'make test       run the tests'
	@echo 'make data       make the embedded data sets in the cache'
	@echo 'make check      check the rendered book once more'
	@echo 'make notebooks  write notebooks/NAME.ipynb from the NAME.md that people edit'
	@echo 'make lock       write requirements.lock anew from pyproject.toml'
	@echo 'make clean      remove what was computed and rendered, but not the environment'

book: data
	@$(PYTHON) -m snakemake --snakefile workflow/Snakefile --cores $(JOBS) --quiet host reason --config profile=$(PROFILE)
	@echo 'The book is rendered: open $(CURDIR)/book/_build/html/index.html'

test: data
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile

data: $(ENVIRONMENT)
	@$(PYTHON) -m zsas_lib.data.embedded

check: $(ENVIRONMENT)
	@$(PYTHON) workflow/scripts/check_book.py

notebooks: $(ENVIRONMENT)
	@$(PYTHON) workflow/scripts/install_cells.py
	@$(PYTHON) -m jupytext --to ipynb --update notebooks/*.md

lock: $(ENVIRONMENT)
	@$(PYTHON) -m uv pip compile pyproject.toml --universal --python-version 3.11 --all-extras --upgrade \
	  --no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet --output-file requirements.lock

clean:
	rm -rf book/_build book/_computed .snakemake runs

# The lock names the uv that installs it; where uv cannot be had, pip installs the same.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Python 3.11 or newer is needed; name one: make BASE_PYTHON=python3.12'; exit 1; }
	@echo 'Making the environment in $(VENV) from requirements.lock'
	@test -x $(VENV)/bin/python || $(BASE_PYTHON) -m venv $(VENV)
	@if $(VENV)/bin/python -m pip install --quiet "$$(grep '^uv==' requirements.lock)"; then \
	  $(VENV)/bin/python -m uv pip sync --python $(VENV)/bin/python requirements.lock && \
	  $(VENV)/bin/python -m uv pip install --quiet --python $(VENV)/bin/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(VENV)/bin/python -m pip install --requirement requirements.lock && \
	  $(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $@
