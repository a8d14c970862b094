#!/usr/bin/env bash
# Writes the pages of the algorithms in docs/algorithms anew from the algorithms themselves; with --check, says whether they are behind.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
exec /usr/bin/python3 tools/docs.py "$@"
