#!/usr/bin/env bash
# Runs benchmarks. usage: tools/bench.sh [name [arguments]], without a name all of them
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
if [ $# -gt 0 ]; then
    name=$1
    shift
    exec /usr/bin/python3 "benchmarks/$name.py" "$@"
fi
for file in benchmarks/*.py; do
    [ "$(basename "$file")" = peers.py ] && continue
    echo "== $(basename "$file" .py)"
    /usr/bin/python3 "$file"
done
