# Every target except `clean` first installs the packages that it needs. You only need Python 3.11 or later.

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: install train test lint bench notebook figures clean

install: .venv/installed

.venv/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

train: install
	$(BIN)/python train.py --iterations=100000 $(ARGS)

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: install
	$(BIN)/python -m benchmarks.speed $(ARGS)

notebook: install
	$(BIN)/jupyter execute --inplace Visualization.ipynb

figures: install
	$(BIN)/python -m benchmarks.figures $(ARGS)

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .hypothesis
