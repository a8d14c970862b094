#!/usr/bin/env bash
# Runs all tests: those without QGIS on two processes, then those in QGIS in two more, since a QGIS cannot be shared.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -f .coverage .coverage.*
COVERAGE_FILE=.coverage.core tools/test.sh tests/core tests/real --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
    --cov --cov-report=
beside=$(mktemp)
trap 'rm -f "$beside"' EXIT
failed=0
SM_PROFILE=.qgis-beside COVERAGE_FILE=.coverage.beside \
    tools/test.sh tests/headless tests/desktop tests/hostile tests/workflows --cov --cov-report= >"$beside" 2>&1 &
other=$!
COVERAGE_FILE=.coverage.qgis tools/test.sh tests/qgis --cov --cov-report= || failed=$?
wait $other || failed=$?
cat "$beside"
[ $failed = 0 ] || exit $failed
. tools/environment.sh
/usr/bin/python3 -m coverage combine --quiet
/usr/bin/python3 -m coverage report | tail -1
