# One door for chores. Everything runs in .venv, which these targets make; a new machine needs Python 3.11-3.13.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_QUESTION := Write a Python function `initials(name)` that returns the first letters of the words in `name`, in capitals. Example: initials("ada lovelace") == "AL"
DEMO := demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow docs lint typecheck format bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

# The marker is newer than what it was made from, or the set-up runs again.
$(VENV)/.user: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(f"archon-graph needs Python 3.11 to 3.13, and {sys.executable} is {v[0]}.{v[1]}; try: make PYTHON=python3.12" if not (3, 11) <= v <= (3, 13) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[local,report]'
	@touch $@

$(VENV)/.dev: $(VENV)/.user
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

demo: $(VENV)/.user  ## Search for the best way to use a real small model, and ask the winner (fetches 491 MB once)
	@mkdir -p $(DEMO)
	$(BIN)/archon-graph models pull coder-0.5b
	@echo; echo "== On a tape, and free: what the model's generators say to these questions:"
	$(BIN)/archon-graph cache import benchmarks/tapes/starter-coder-0.5b.jsonl.gz --path $(DEMO)/answers.sqlite
	@echo; echo "== The search. Every ranking of a baseline is a live call of the local model; 'paid' counts these:"
	$(BIN)/archon-graph search benchmarks/demo.yaml --out $(DEMO)/study --cache-file $(DEMO)/answers.sqlite --max-calls 40
	@echo; echo "== The winner as a diagram (Mermaid text; the report shows it as a picture):"
	$(BIN)/archon-graph draw $(DEMO)/study/best.yaml
	@echo; echo "== The winner answers a question live:"
	$(BIN)/archon-graph run $(DEMO)/study/best.yaml --details '$(DEMO_QUESTION)'
	@echo; echo "== The report: $(DEMO)/study/report.html"

test: $(VENV)/.dev  ## Run the tests (fetches a model of 98 MB once)
	@# Tests of the real model are skipped, with the reason, where it cannot be had.
	-$(BIN)/archon-graph models pull smollm2-135m
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

test-slow: $(VENV)/.dev  ## Run the tests that take minutes
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev  ## Check style, import order and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: $(VENV)/.dev  ## Check types, strictly
	$(BIN)/mypy

docs: $(VENV)/.dev  ## Build the docs site into build/site
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	$(BIN)/mkdocs build --strict

format: $(VENV)/.dev  ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## Measure: overhead, throughput, cache, a local model (10 minutes; fetches 491 MB once)
	@# A figure that was missed is said, and does not keep the others from being measured.
	-$(BIN)/python benchmarks/overhead.py
	-$(BIN)/python benchmarks/throughput.py
	-$(BIN)/python benchmarks/cache.py
	-$(BIN)/python benchmarks/sharing.py
	$(BIN)/archon-graph models pull coder-0.5b
	-$(BIN)/python benchmarks/local_speed.py

lock: $(VENV)/.dev  ## Write the versions in use to constraints.txt
	@{ echo "# Versions that are known to work together; 'make lock' writes this file."; \
	   $(BIN)/python -m pip freeze --exclude-editable --exclude archon-graph; } > constraints.txt

clean:  ## Remove everything that was made here, models excepted
	rm -rf $(VENV) $(DEMO) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
