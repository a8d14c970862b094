#!/usr/bin/env bash
# Runs the tests with QGIS's own Python. usage: tools/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
exec /usr/bin/python3 -m pytest "$@"
