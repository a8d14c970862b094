#!/usr/bin/env bash
# Runs the tests that compare with libraries which the project does not need, and which its own environment is kept free of.
# usage: tools/test_peers.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/environment.sh
numpy=$(/usr/bin/python3 -c 'import numpy; print(numpy.__version__)')
state=$(sha256sum requirements-peers.txt | cut -c1-16)-$numpy
if [ "$(cat .venv-peers/installed 2>/dev/null)" != "$state" ]; then
    echo "Installing the peers into .venv-peers (numpy stays at $numpy)"
    [ -x .venv-peers/bin/python ] || PYTHONPATH='' /usr/bin/python3 -m venv --system-site-packages .venv-peers
    echo "numpy==$numpy" > .venv-peers/constraints.txt
    # With the project's own libraries on the path none of them is installed a second time.
    .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --constraint .venv-peers/constraints.txt --requirement requirements-peers.txt
    echo "$state" > .venv-peers/installed
fi
PYTHONPATH="$PYTHONPATH:$(echo "$PWD"/.venv-peers/lib/python3*/site-packages)"
exec /usr/bin/python3 -m pytest -m peers "$@"
