#!/usr/bin/env bash
# Writes the table of algorithms in README.md anew from the algorithms themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
exec /usr/bin/python3 tools/docs.py
