# `make demo` and `make test` install what they need. `make help` lists the rest.
SHELL := /bin/bash
PYTHON := /usr/bin/python3
PROFILE ?= $(HOME)/.local/share/QGIS/QGIS3/profiles/default

.PHONY: help setup demo test test-peers process install package lint bench docs models clean

help:            ## This list
	@grep -hE '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup:           ## Install what is missing
	@tools/setup.sh run

demo: setup      ## From demo data to a validated soil-moisture map, headless
	@tools/demo.sh

test:            ## Install what is missing and run all tests
	@tools/setup.sh dev
	@tools/test.sh --cov --cov-report=term $(ARGS)

test-peers:      ## Install gstools, pykrige and quantile-forest into .venv-peers and run the tests that compare with them
	@tools/setup.sh dev
	@tools/test_peers.sh $(ARGS)

process: setup   ## qgis_process with the plugin: make process ARGS='list'
	@tools/process.sh $(ARGS)

install: setup   ## Link the plugin and copy its libraries into your QGIS profile (PROFILE=...)
	@tools/install.sh "$(PROFILE)"

package:         ## Zip for plugins.qgis.org
	@tools/package.sh

lint:            ## Style and types
	@tools/setup.sh dev
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

bench:           ## Speed and memory beside the peers, as ratios
	@tools/setup.sh dev
	@tools/bench.sh $(ARGS)

docs: setup      ## Renew the algorithm table of the README from the algorithms
	@tools/docs.sh

models: setup    ## Write resources/models anew
	@source tools/environment.sh && $(PYTHON) tools/make_models.py

clean:           ## Remove everything that make made
	rm -rf .venv .venv-peers .qgis demo dist build .pytest_cache .mypy_cache .ruff_cache
