# Everything from nothing but Python, make and this folder: `make results`, `make test`.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c 'import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))')
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: results test lint environment lock

results: environment
	$(RUN) snakemake --cores $(CORES)
	@echo "The report is at $(CURDIR)/results/report/index.html, its verdict also in verdict.txt beside it"

test: environment
	$(RUN) pytest --numprocesses 2 --dist loadfile

lint: environment
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) snakefmt --check Snakefile workflow/rules

# .venv with exactly the packages of requirements.lock; the copy in it tells whether it is up to date.
environment:
	@cmp -s requirements.lock .venv/requirements.lock || { \
		$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
			{ echo "error: $(PYTHON) is not Python 3.11 to 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
		echo "Making .venv from requirements.lock (a few minutes, several GB)" && \
		$(PYTHON) -m venv --clear .venv && \
		.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock && \
		cp requirements.lock .venv/; }

# Writes requirements.lock anew from pyproject.toml, with the newest versions that fit; needs uv.
lock:
	uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--custom-compile-command "make lock" --extra dev --extra metaworld --output-file requirements.lock pyproject.toml
