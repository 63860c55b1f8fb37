# Every target except `clean` first installs the packages that it needs. You only need Python 3.11 or later.

PYTHON ?= python3
BIN := .venv/bin
DOCS := .venv-docs/bin
ARGS ?=
# `make install LOCKED=1` installs the versions that were tested, and verifies their hashes.
LOCKED ?=
INSTALLED := .venv/installed$(if $(LOCKED),-locked)
REQUIREMENTS := $(if $(LOCKED),requirements-lock.txt,requirements-dev.txt)
PACKAGES := $(if $(LOCKED),--require-hashes) --requirement $(REQUIREMENTS)

.PHONY: install lock train test test-lowest test-package test-docs faults lint bench notebook figures docs package clean

install: $(INSTALLED)

# uv installs the packages in a third of pip's time. pip does it where uv cannot.
$(INSTALLED): requirements.txt $(REQUIREMENTS)
	$(PYTHON) -m venv .venv
	{ $(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip install --quiet --compile-bytecode \
		--python $(BIN)/python $(PACKAGES); } || $(BIN)/python -m pip install --quiet $(PACKAGES)
	touch $@

# Writes the versions that are installed in .venv to requirements-lock.txt, with the hashes of all their files.
lock: install
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m pip freeze > .venv/frozen.txt
	$(BIN)/uv pip compile --quiet --python $(BIN)/python --generate-hashes \
		--no-annotate --custom-compile-command "make lock" --constraint .venv/frozen.txt \
		--output-file requirements-lock.txt requirements-dev.txt

train: install
	$(BIN)/python train.py --iterations=100000 $(ARGS)

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

# The lowest versions that the requirements allow.
test-lowest: .venv-lowest/installed
	.venv-lowest/bin/python -m pytest -n 2 --dist loadfile $(ARGS)

.venv-lowest/installed: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
		--requirement requirements-dev.txt
	touch $@

faults: install
	$(BIN)/python -m benchmarks.faults $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: install
	$(BIN)/python -m benchmarks.speed $(ARGS)

notebook: install
	PYTHONPATH=$(CURDIR) $(BIN)/jupyter execute --inplace Visualization.ipynb examples/*.ipynb

figures: install
	$(BIN)/python -m benchmarks.figures $(ARGS)
	$(BIN)/python -m benchmarks.guide

docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 $(DOCS)/python -m mkdocs build --strict

test-docs: docs
	$(DOCS)/python -m pytest --noconftest tests/test_site.py

.venv-docs/installed: requirements-docs.txt
	$(PYTHON) -m venv .venv-docs
	$(DOCS)/python -m pip install --quiet --requirement requirements-docs.txt
	touch $@

# The wheel and the sdist.
package: .venv-package/installed
	rm -rf dist
	.venv-package/bin/python -m build
	.venv-package/bin/python -m twine check --strict dist/*

.venv-package/installed:
	$(PYTHON) -m venv .venv-package
	.venv-package/bin/python -m pip install --quiet build twine
	touch $@

# Installs the wheel into an empty environment and uses it there.
test-package: package
	rm -rf .venv-package/empty
	$(PYTHON) -m venv .venv-package/empty
	.venv-package/empty/bin/python -m pip install --quiet dist/*.whl mypy
	cd .venv-package && empty/bin/python ../tests/installed.py
	.venv-package/empty/bin/python -m pip install --quiet "$$(echo dist/*.whl)[plots,widgets,sweep]"
	cd .venv-package && empty/bin/python ../tests/installed.py plots widgets sweep

clean:
	rm -rf .venv .venv-lowest .venv-docs .venv-package .cache .pytest_cache .ruff_cache .hypothesis site dist build
