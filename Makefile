# The two commands are `make demo` and `make test`; `make help` says the rest. Everything is installed into .venv.
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory
export PYTHON
# Without its compiled files every process compiles torch and pandas anew: nine seconds each.
unexport PYTHONDONTWRITEBYTECODE
PY := .venv/bin/python
NEXTFLOW := .venv/bin/nextflow
COMPILE := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command 'make lock'

# One thread a test; threads of OpenMP that wait sleep instead of spinning on a core that another test needs.
QUIET := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 GOMP_SPINCOUNT=1000

.PHONY: help install syn nextflow demo test test-browser test-slicer test-docs test-faults test-cluster bench-cluster bench lint types tests unit pipeline generate docs lock clean

help:
	@echo 'make demo       install, then find organs in real CT scans from one annotated scan; prints a table, writes a report'
	@echo 'make test       install, then every check: lint, types, unit tests, the pipeline itself'
	@echo 'make test-browser  the report and its viewer in a headless Chromium, where there is one'
	@echo 'make test-slicer  what is exported, opened by the classes of 3D Slicer, which it downloads (1 GB)'
	@echo 'make test-docs  every command of the how-to pages that starts Nextflow, as it is written; seven minutes'
	@echo 'make test-faults  every fault that a run can have: kills, full disks, folders gone; half an hour'
	@echo 'make test-cluster  runs on a real Slurm and in a real Docker, which it starts (root, Debian packages); half an hour'
	@echo 'make bench-cluster what runs of many rows cost: ROWS="100 1000 3000"'
	@echo 'make bench      measure speed and memory against the goals, about ten minutes'
	@echo 'make nextflow   only the workflow engine, as .venv/bin/nextflow'
	@echo 'make install    Python packages into .venv and the command .venv/bin/rprloc'
	@echo 'make lint | types | unit | pipeline    one part of make test'
	@echo 'make syn        antspyx as well, for --methods syn'
	@echo 'make generate   write anew what follows from the catalogue: pages of docs/reference, texts of nextflow_schema.json'
	@echo 'make docs       build the documents as a site in site/'
	@echo 'make lock       resolve the locked Python packages anew'
	@echo 'make clean      forget runs (results, work, .nextflow, .rprloc); .venv stays'

install:
	@sh assets/setup/environment.sh all

syn: install
	@echo 'Installing antspyx and what it needs, for --methods syn: a download of 30 MB.'
	@$(PY) -m uv pip install --require-hashes -r assets/setup/syn.txt

nextflow:
	@sh assets/setup/environment.sh bare
	@$(PY) assets/setup/engine.py

demo: install nextflow
	@echo 'Demo: organs are found in 4 real CT scans from one annotated scan, after a short training on 10 others.'
	@$(PY) assets/setup/demo.py

test: install nextflow lint tests

# Side by side: mypy has one thread, and a run of Nextflow leaves a core idle now and then, which unit tests take.
tests:
	@echo 'Types and the pipeline tests run beside the unit tests, and are told after them.'
	@said=$$(mktemp); $(MAKE) -k types pipeline > $$said 2>&1 & pid=$$!; nice $(MAKE) unit; code=$$?; \
	wait $$pid || code=1; cat $$said; rm $$said; exit $$code

lint:
	@echo 'Lint: ruff, then nextflow lint.'
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@sh assets/setup/lint.sh

types:
	@echo 'Types: mypy.'
	@$(PY) -m mypy

unit:
	@echo 'Unit tests: pytest, all that run no Nextflow, on all cores; those of the report in Chromium, where there is one.'
	@$(QUIET) $(PY) -m pytest -n auto --dist worksteal tests --ignore=tests/pipeline --ignore=tests/faults/runs --ignore=tests/cluster

pipeline:
	@echo 'Pipeline tests: Nextflow on generated phantoms, two runs at a time, a few minutes.'
	@$(PY) -m pytest -n 2 tests/pipeline

test-browser: install
	@echo 'Browser tests: the report and its viewer in Chromium; skipped, with a sentence, where there is none.'
	@$(QUIET) $(PY) -m pytest tests/browser

test-slicer: install
	@echo "Slicer: the classes of 3D Slicer go into .slicer, a download of 300 MB that takes 1 GB of disk."
	@test -x .slicer/bin/python || $(PY) -m uv venv -q --python $(PY) .slicer
	@$(PY) -m uv pip install -q --python .slicer/bin/python --require-hashes -r assets/setup/slicer.txt
	@$(QUIET) $(PY) -m pytest tests/slicer

test-docs: install nextflow
	@echo 'Documents: the commands of the how-to pages run in a folder with what the pages have their reader make.'
	@$(PY) -m pytest -m 'long or not long' tests/docs

test-faults: install nextflow
	@echo 'Faults: full disks, little memory, killed processes and engines, folders that are gone or taken, scans replaced.'
	@$(PY) -m pytest -m 'long or not long' tests/faults

test-cluster: install nextflow
	@echo 'A real Slurm (slurm-wlm, munge; its accounts: slurmdbd, mariadb-server-core, mariadb-client-core) and a real Docker'
	@echo '(docker.io, debootstrap), started and stopped here.'
	@$(PY) -m pytest tests/cluster

bench-cluster: install nextflow
	@echo 'What runs of many rows cost, a line each.'
	@$(PY) -m benchmarks.cluster $(or $(ROWS),100 1000 3000)

bench: install
	@echo 'Measuring speed and memory, a line each: name, value, goal, ok or short.'
	@GOMP_SPINCOUNT=1000 $(PY) -m benchmarks $(BENCH)

generate: install
	@echo 'Writing docs/reference/methods.md, docs/reference/parameters.md and texts of nextflow_schema.json.'
	@$(PY) assets/setup/generate.py

docs: install
	@echo 'Building the site of the documents in site/; a warning is an error.'
	@.venv/bin/zensical build --strict

lock:
	@echo 'Resolving packages into assets/setup/*.txt (names, versions and hashes).'
	@$(COMPILE) pyproject.toml --group dev --upgrade -o assets/setup/lock.txt
	@$(COMPILE) pyproject.toml -c assets/setup/lock.txt -o assets/setup/runtime.txt
	@$(COMPILE) pyproject.toml --extra syn -c assets/setup/lock.txt -o assets/setup/syn.txt
	@$(COMPILE) --group slicer -o assets/setup/slicer.txt
	@$(COMPILE) --group engine -c assets/setup/lock.txt -o assets/setup/engine.txt
	@$(COMPILE) --group bootstrap -c assets/setup/lock.txt -o assets/setup/uv.txt

clean:
	@echo 'Removing results/, work/, .nextflow*, .rprloc/ and caches; .venv stays.'
	@rm -rf results work site .cache .nextflow .nextflow.log* .rprloc .pytest_cache .mypy_cache .ruff_cache .hypothesis
