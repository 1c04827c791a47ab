# Everything from nothing but Python, make and this folder: `make results`, `make test`.
PYTHON ?= python3
CORES ?= $(shell $(PYTHON) -c 'import os; print(min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()))')
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"

.PHONY: results rivals test test-reruns test-slurm test-kubernetes test-faults lint docs environment environment-of-rivals lock

results: environment
	$(RUN) snakemake --cores $(CORES)
	@echo "The report is at $(CURDIR)/results/report/index.html, its verdict also in verdict.txt beside it"
	@echo "Before the first use of DVC: .venv/bin/python workflow/scripts/agree.py --from snakemake; then commit dvc.lock"

# d3rlpy's algorithms on the same data, hours of training, and the report with them.
rivals: environment environment-of-rivals
	$(RUN) snakemake --cores $(CORES) rivals
	$(RUN) snakemake --cores $(CORES) --forcerun make_report

# The longest first, so that both processes end at about the same time.
test: environment
	$(RUN) pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# What every kind of edit makes run again, under both engines; `make test` tries a third of them.
test-reruns: environment
	EVERY_EDIT=1 $(RUN) pytest tests/graph/test_what_reruns.py

# The graph through Slurm, on a cluster that lives as long as the test: installs Debian's packages.
test-slurm:
	@command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ] || \
		{ echo "error: make test-slurm installs slurm-wlm and munge, which takes root on Debian or Ubuntu" >&2; exit 1; }
	@$(MAKE) --no-print-directory environment
	sh tests/slurm/install.sh
	$(RUN) pytest tests/slurm

# The graph through Kubernetes' executor, with stand-ins on loopback for S3 and the cluster.
test-kubernetes: environment
	$(RUN) pytest tests/kubernetes

# Kills, damaged files, full disks and hostile names, really inflicted on the smoke preset, and a table of what came
# of them. Full disks take root.
KILLS ?= 120
test-faults: environment
	$(RUN) pytest --numprocesses 2 --dist worksteal --kills $(KILLS) tests/faults

lint: environment
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) snakefmt --check Snakefile workflow/rules

# The site of docs/, in site/.
docs: environment
	$(RUN) zensical build --clean --strict

# .venv with exactly the packages of requirements.lock; the copy in it tells whether it is up to date.
environment:
	@cmp -s requirements.lock .venv/requirements.lock || { \
		$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
			{ echo "error: $(PYTHON) is not Python 3.11 to 3.13; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }; \
		echo "Making .venv from requirements.lock (a few minutes, several GB; pip says nothing until then)" && \
		$(PYTHON) -m venv --clear .venv && \
		.venv/bin/python -m pip install --quiet --require-hashes --requirement requirements.lock && \
		cp requirements.lock .venv/; }

# .venv-rivals, likewise, with d3rlpy beside them.
environment-of-rivals:
	@cat requirements.lock requirements.rivals.lock | cmp -s - .venv-rivals/requirements.lock || { \
		echo "Making .venv-rivals from requirements.lock and requirements.rivals.lock (a few minutes; pip says nothing until then)" && \
		$(PYTHON) -m venv --clear .venv-rivals && \
		.venv-rivals/bin/python -m pip install --quiet --no-deps --require-hashes \
			--requirement requirements.lock --requirement requirements.rivals.lock && \
		cat requirements.lock requirements.rivals.lock > .venv-rivals/requirements.lock; }

# Writes requirements.lock anew from pyproject.toml, with the newest versions that fit; needs uv.
lock:
	uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--custom-compile-command "make lock" --extra dev --extra docs --extra metaworld \
		--extra s3 --extra cluster --extra kubernetes --output-file requirements.lock pyproject.toml
	uv pip compile --upgrade --universal --generate-hashes --python-version 3.11 --no-deps --no-emit-index-url \
		--custom-compile-command "make lock" --output-file requirements.rivals.lock requirements.rivals.in
