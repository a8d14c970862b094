#!/usr/bin/env bash
# Builds the site into build/site, warnings as errors, with Sphinx in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
state=$(sha256sum requirements-docs.txt | cut -c1-16)-$(/usr/bin/python3 -c 'import sys; print(sys.version.split()[0])')
if [ "$(cat .venv-docs/installed 2>/dev/null)" != "$state" ]; then
    echo "Installing Sphinx into .venv-docs"
    [ -x .venv-docs/bin/python ] || /usr/bin/python3 -m venv .venv-docs
    .venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-docs.txt
    echo "$state" > .venv-docs/installed
fi
# Anew each time (some seconds): Sphinx says nothing of a page that it read before.
rm -rf build/site
.venv-docs/bin/python -m sphinx -q -W --keep-going -E -c docs -d build/doctrees . build/site
echo "Built build/site/index.html"
