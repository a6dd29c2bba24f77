# Everything is set up by the first target that needs it: Python 3.11+, make and a package registry are enough.
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
READY := .venv/ready
SPARK := .venv/spark
PEERS := .venv-bench/ready
LOCKED := --universal --generate-hashes --no-emit-index-url --no-header
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export DAGSTER_DISABLE_TELEMETRY := 1

.PHONY: demo test lint prove spark bench dagster lock sample formats tables

demo: $(READY)  ## bill the sample, and say where the statements lie
	@$(BIN)/csba demo

test: $(SPARK)  ## every test but the full proofs; takes minutes
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m "not prove"

lint: $(SPARK)  ## style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/ty check --error-on-warning
	@$(BIN)/lint-imports

prove: $(SPARK)  ## the full proofs, hundreds of worlds and kills, an hour of drawn files; writes docs/proofs.md, hostile.md, fuzzed.md
	@$(BIN)/python -m pytest -n auto --dist loadgroup -m prove --proofs docs/proofs.md

spark: $(SPARK)  ## what the engine Spark needs beside Java; some hundred megabytes

bench: $(READY) $(PEERS)  ## what is measured, against what: bench/README.md
	@$(BIN)/python bench/run.py --rows load,month,peers,again,late,fixed --units 500000 --rounds 3 --out bench/RESULTS.md
	@$(BIN)/python bench/scale.py --items 100000,500000 --out var/bench/SCALE.md

dagster: $(READY)  ## Dagster's page, on CSBA_HOME
	@$(BIN)/python -m pipelines.serving dev

sample: $(READY)  ## make data/sample anew
	@rm -rf data/sample
	@$(BIN)/csba generate --out data/sample --service

formats: $(READY)  ## make docs/formats.md anew, from the sources and the real files at hand
	@$(BIN)/python tests/formats.py docs/formats.md

tables: $(READY)  ## make docs/tables.md anew, from the tables
	@$(BIN)/python tests/tables_told.py docs/tables.md

lock: $(READY)  ## after a change of pyproject.toml
	@$(UV) pip compile -q pyproject.toml --group dev --extra archive --extra service $(LOCKED) -o requirements.lock
	@$(UV) pip compile -q pyproject.toml --extra spark --constraints requirements.lock $(LOCKED) -o requirements-spark.lock
	@$(UV) pip compile -q --group bench --constraints requirements.lock $(LOCKED) -o requirements-bench.lock

$(READY): requirements.lock requirements-uv.lock pyproject.toml
	@echo "setting up .venv (once)"
	@$(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action=ignore --target .uv --upgrade --require-hashes -r requirements-uv.lock
	@test -x $(BIN)/python || $(UV) venv -q --python $(PYTHON) .venv
	@$(UV) pip sync -q --python .venv --compile-bytecode --require-hashes requirements.lock
	@$(UV) pip install -q --python .venv --no-deps --no-build-isolation -e .
	@touch $@

$(SPARK): $(READY) requirements-spark.lock
	@echo "adding Spark to .venv (once)"
	@$(UV) pip install -q --python .venv --compile-bytecode --require-hashes -r requirements-spark.lock
	@touch $@

# Pandas and the plots live apart: beside pandas other libraries behave otherwise.
$(PEERS): $(READY) requirements-bench.lock
	@test -x .venv-bench/bin/python || $(UV) venv -q --python $(PYTHON) .venv-bench
	@$(UV) pip sync -q --python .venv-bench --compile-bytecode --require-hashes requirements-bench.lock
	@touch $@
