# `make demo` and `make test` install what they need. `make help` lists the rest.
SHELL := /bin/bash
PYTHON := /usr/bin/python3
# Empty: the profiles that are there, of QGIS 3 and of QGIS 4.
PROFILE ?=

.PHONY: help setup demo test test-peers test-in install-in qt6 process install package lint hostile bench docs models styles picture clean

help:            ## This list
	@grep -hE '^[a-z0-9-]+: .*##|^[a-z0-9-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup:           ## Install what is missing
	@tools/setup.sh run

demo: setup      ## From demo data to a validated soil-moisture map, headless
	@tools/demo.sh

test:            ## Install what is missing and run all tests, or those named: make test ARGS='tests/core/raster -x'
	@tools/setup.sh dev
ifeq ($(ARGS),)
	@tools/test_all.sh
else
	@tools/test.sh $(ARGS)
endif

test-peers:      ## Install gstools, pykrige and quantile-forest into .venv-peers and run the tests that compare with them
	@tools/setup.sh dev
	@tools/test_peers.sh $(ARGS)

test-in:         ## All tests in another Debian release, as root with debootstrap: make test-in SUITE=trixie
	@tools/suite.sh "$(SUITE)" test $(ARGS)

install-in:      ## From the zip to the first map there, as a plain user, by the lines that 'Check installation' prints
	@tools/suite.sh "$(SUITE)" install

qt6:             ## The tests that look ahead to QGIS 4 alone: names of Qt under PyQt6, declarations under a stub of its API
	@tools/setup.sh dev
	@tools/test.sh tests/core/test_qt6.py tests/qgis/test_qgis4.py $(ARGS)

process: setup   ## qgis_process with the plugin: make process ARGS='list'
	@tools/process.sh $(ARGS)

install: setup   ## Link the plugin and copy its libraries into your QGIS profiles (or PROFILE=...)
	@tools/install.sh $(if $(PROFILE),"$(PROFILE)")

package: setup   ## Zip for plugins.qgis.org, with the site's pages for the Help button
	@tools/package.sh

lint:            ## Style, types, Qt 6, and the rules of plugins.qgis.org
	@tools/setup.sh dev
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/python -m mypy
	@.venv/bin/vulture
	@PYTHONPATH=. .venv/bin/lint-imports
	@.venv/bin/python tools/lint_qt6.py
	@tools/docs.sh --check
	@tools/package.sh && .venv/bin/python tools/lint_package.py dist/*.zip

hostile:         ## Every parameter with every kind of bad input (make test runs a thousand of these cases)
	@tools/setup.sh dev
	@SM_HOSTILE=all tools/test.sh tests/hostile

bench:           ## Speed and memory beside the peers, as ratios
	@tools/setup.sh dev
	@tools/bench.sh $(ARGS)

docs: setup      ## Renew the pages of the algorithms from the algorithms themselves, and build the site: build/site
	@tools/docs.sh
	@tools/site.sh

models: setup    ## Write resources/models anew
	@source tools/environment.sh && $(PYTHON) tools/make_models.py

styles: setup    ## Write resources/styles anew
	@source tools/environment.sh && $(PYTHON) tools/make_styles.py

picture: setup   ## Draw the pictures of drought and studies anew, or of a study: make picture ARGS='quantilemap 3'
ifeq ($(ARGS),)
	@source tools/environment.sh && $(PYTHON) tools/make_picture_of_drought.py
endif
	@source tools/environment.sh && $(PYTHON) tools/make_pictures_of_studies.py $(ARGS)

clean:           ## Remove everything that make made
	rm -rf .venv .venv-peers .venv-docs .qgis .qgis-beside .qgis-settings .qt6 demo dist build .pytest_cache .mypy_cache .ruff_cache
